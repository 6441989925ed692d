"""Partner Center's carts as the operations use them: asked for with care, and normalised."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from cart_core import telemetry
from cart_core.api.body import read_foreign_json
from cart_core.call import Errand
from cart_core.cart.answer import NotACart, normalise_cart
from cart_core.cart.checkout_answer import NotACheckout, NothingOrdered, normalise_checkout
from cart_core.cart.request import CartRequest
from cart_core.partner_center.errors import may_retry, unreadable, without_effect
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from cart_core.partner_center.retry import Forwarding
from cart_core.problem import FieldError, Outcome, Problem
from cart_core.tokens import AccessToken

_TRACE_HEADERS: Final = {"ms-cv": "MS-CV", "ms-serverid": "MS-ServerId"}

T = TypeVar("T")
Warnings = tuple[FieldError, ...]


class CartsApi(Protocol):
    """Partner Center's own operations; each is one try."""

    async def create_cart(
        self, customer_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """Make a cart."""

    async def get_cart(self, customer_id: str, cart_id: str, attempt: Attempt) -> Reply | NoReply:
        """Read a cart."""

    async def update_cart(
        self, customer_id: str, cart_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """Put another cart in the place of a cart."""

    async def checkout_cart(
        self, customer_id: str, cart_id: str, customer_user: str | None, attempt: Attempt
    ) -> Reply | NoReply:
        """Buy what is in a cart."""


class Carts:
    """The carts of all customers. Everything raises Problem; `monotonic` gives seconds."""

    def __init__(
        self, forwarding: Forwarding, api: CartsApi, *, monotonic: Callable[[], float]
    ) -> None:
        self._forwarding = forwarding
        self._api = api
        self._monotonic = monotonic

    async def create(
        self, errand: Errand, cart: CartRequest, request_id: str, *, resumed: bool
    ) -> dict[str, Any]:
        """Make a cart. `resumed`: an earlier run may have made it."""
        customer_id = errand.customer_id

        async def send(attempt: Attempt) -> Reply | NoReply:
            return await self._api.create_cart(customer_id, cart.body, attempt)

        def read(document: Any) -> dict[str, Any]:
            return normalise_cart(document, customer_id, cart.warnings)

        return await self._ask("create_cart", errand, request_id, send, read, resumed=resumed)

    async def get(self, errand: Errand, cart_id: str, request_id: str) -> dict[str, Any]:
        """Read a cart. No failure of it has the outcome `unknown`."""
        customer_id = errand.customer_id

        async def send(attempt: Attempt) -> Reply | NoReply:
            return await self._api.get_cart(customer_id, cart_id, attempt)

        def read(document: Any) -> dict[str, Any]:
            return normalise_cart(document, customer_id)

        try:
            return await self._ask("get_cart", errand, request_id, send, read, has_effect=False)
        except Problem as problem:
            raise without_effect(problem) from None

    async def update(
        self, errand: Errand, cart_id: str, cart: CartRequest, request_id: str
    ) -> dict[str, Any]:
        """Replace the lines of a cart. To do so twice is to do it once."""
        customer_id = errand.customer_id

        async def send(attempt: Attempt) -> Reply | NoReply:
            return await self._api.update_cart(customer_id, cart_id, cart.body, attempt)

        def read(document: Any) -> dict[str, Any]:
            return normalise_cart(document, customer_id, cart.warnings)

        return await self._ask("update_cart", errand, request_id, send, read)

    async def check_out(
        self,
        errand: Errand,
        cart_id: str,
        customer_user: str | None,
        request_id: str,
        warnings: Warnings,
    ) -> dict[str, Any]:
        """Buy what is in a cart. It is not repeated once the outcome of a try is unknown.

        Raises Problem `checkout_failed` where Partner Center agrees, but orders nothing.
        """
        customer_id = errand.customer_id

        async def send(attempt: Attempt) -> Reply | NoReply:
            return await self._api.checkout_cart(customer_id, cart_id, customer_user, attempt)

        def read(document: Any) -> dict[str, Any]:
            try:
                return normalise_checkout(document, customer_id, cart_id, warnings)
            except NothingOrdered as nothing:
                raise _failed(nothing) from None

        def definite(problem: Problem) -> bool:
            return may_retry(problem) and problem.outcome is not Outcome.UNKNOWN

        return await self._ask(
            "checkout_cart", errand, request_id, send, read, worth_repeating=definite
        )

    async def _ask(
        self,
        operation: str,
        errand: Errand,
        request_id: str,
        send: Callable[[Attempt], Awaitable[Reply | NoReply]],
        read: Callable[[Any], T],
        *,
        resumed: bool = False,
        has_effect: bool = True,
        worth_repeating: Callable[[Problem], bool] = may_retry,
    ) -> T:
        """What `read` makes of the answer.

        Its ValueError, NotACart or NotACheckout mean an unreadable answer; its Problem passes.
        """
        call = errand.call

        async def attempt(token: AccessToken, seconds: float) -> Reply | NoReply:
            call.tries += 1
            call.may_have_effect = call.may_have_effect or has_effect
            began = self._monotonic()
            with telemetry.span(f"partner_center.{operation}", attempt=call.tries):
                result = await send(
                    Attempt(token.value, request_id, call.correlation_id, errand.locale, seconds)
                )
            status = result.status if isinstance(result, Reply) else None
            telemetry.count_try(call.tries, self._monotonic() - began, status)
            if request_id == call.request_id:  # what is quoted belongs to one request
                call.partner_center_headers = _trace_headers(result)
            return result

        def understand(reply: Reply) -> T:
            try:
                return read(read_foreign_json(reply.body.decode("utf-8-sig")))
            except (ValueError, NotACart, NotACheckout):
                raise unreadable(reply.status) from None

        return await self._forwarding.run(
            errand.customer_id,
            attempt,
            understand,
            errand.deadline,
            resumed=resumed,
            has_effect=has_effect,
            worth_repeating=worth_repeating,
        )


def _failed(nothing: NothingOrdered) -> Problem:
    reasons = [error["description"] or error["code"] for error in nothing.order_errors]
    words = f": {reasons[0]}" if reasons and reasons[0] else "."
    return Problem(
        "checkout_failed",
        f"Partner Center made no order in this attempt{words}",
        order_errors=nothing.order_errors,
    )


def _trace_headers(result: Reply | NoReply) -> dict[str, str]:
    """Partner Center's own ids, for its support; a value that no header may carry is left out."""
    if isinstance(result, NoReply):
        return {}
    values = {name: result.headers.get(wire, "") for wire, name in _TRACE_HEADERS.items()}
    return {name: value for name, value in values.items() if re.fullmatch(r"[!-~]{1,256}", value)}
