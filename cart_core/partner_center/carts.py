"""Requests for Partner Center's carts: retried where that is safe, their answers normalised."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from cart_core.call import Answered, Call
from cart_core.cart.answer import normalise_cart
from cart_core.cart.checkout_answer import NothingOrdered, normalise_checkout
from cart_core.cart.error_codes import STALE_ITEM, Meaning, meaning_of
from cart_core.cart.request import CartRequest
from cart_core.cart.skus import every_line
from cart_core.partner_center.errors import may_retry, order_exists, without_effect
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from cart_core.partner_center.pauses import UNREADABLE_PAUSE
from cart_core.partner_center.retry import PartnerCenterRequest, Sender
from cart_core.problem import FieldError, Outcome, Problem


class CartsApi(Protocol):
    """Partner Center's own requests; each method makes one try, for the customer of the call."""

    async def create_cart(
        self, call: Call, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """Create a cart."""

    async def get_cart(self, call: Call, cart_id: str, attempt: Attempt) -> Reply | NoReply:
        """Read a cart."""

    async def update_cart(
        self, call: Call, cart_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """Replace a cart by another one."""

    async def checkout_cart(
        self, call: Call, cart_id: str, customer_user: str | None, attempt: Attempt
    ) -> Reply | NoReply:
        """Buy what is in a cart."""


class Carts:
    """The carts of all customers. Every method raises Problem.

    `forget` is told of each call whose answer has an item as one that is not in the catalogue any
    more, so that what was read of the customer's catalogue is not used again.
    """

    def __init__(self, sender: Sender, api: CartsApi, forget: Callable[[Call], None]) -> None:
        self._sender = sender
        self._api = api
        self._forget = forget

    async def create(
        self, call: Call, cart: CartRequest, request_id: str, *, resumed: bool = False
    ) -> Answered:
        """Create a cart. `resumed`: an earlier call may have created it under this request id."""
        request = PartnerCenterRequest(
            "create_cart",
            call,
            request_id,
            partial(self._api.create_cart, call, cart.body),
            partial(
                normalise_cart,
                customer_id=call.customer_id,
                warnings=cart.warnings,
                asked=cart.body["lineItems"],
            ),
        )
        return await self._send(request, resumed=resumed)

    async def get(self, call: Call, cart_id: str, request_id: str) -> Answered:
        """Read a cart. A failure never has the outcome `unknown`."""
        request = PartnerCenterRequest(
            "get_cart",
            call,
            request_id,
            partial(self._api.get_cart, call, cart_id),
            partial(_read_cart, cart_id=cart_id, customer_id=call.customer_id),
            has_effect=False,
        )
        try:
            return await self._sender.send(request)
        except Problem as problem:
            raise without_effect(problem) from None

    async def update(
        self, call: Call, cart_id: str, cart: CartRequest, request_id: str
    ) -> Answered:
        """Replace the lines of a cart. To do so twice has the same effect as to do it once."""
        request = PartnerCenterRequest(
            "update_cart",
            call,
            request_id,
            partial(self._api.update_cart, call, cart_id, cart.body),
            partial(
                _read_cart,
                cart_id=cart_id,
                customer_id=call.customer_id,
                warnings=cart.warnings,
                asked=cart.body["lineItems"],
            ),
        )
        return await self._send(request)

    async def check_out(
        self,
        call: Call,
        cart_id: str,
        customer_user: str | None,
        request_id: str,
        warnings: tuple[FieldError, ...],
        correlation_id: str,
    ) -> Answered:
        """Buy what is in a cart. It is not retried once a try may have bought something.

        `correlation_id` is sent as the MS-CorrelationId, and of no other cart's checkout.
        Raises Problem `checkout_failed`, or what the codes of its groups mean, if Partner Center
        accepts the checkout and tells no order.
        """
        request = PartnerCenterRequest(
            "checkout_cart",
            call,
            request_id,
            partial(
                self._api.checkout_cart,
                replace(call, correlation_id=correlation_id),
                cart_id,
                customer_user,
            ),
            partial(
                _read_checkout, customer_id=call.customer_id, cart_id=cart_id, warnings=warnings
            ),
            purchase=True,
            may_retry=_bought_nothing_and_may_retry,
        )
        return await self._send(request)

    async def _send(self, request: PartnerCenterRequest, *, resumed: bool = False) -> Answered:
        try:
            answered = await self._sender.send(request, resumed=resumed)
        except Problem as problem:
            fault, groups = problem.fault, problem.order_errors
            if STALE_ITEM & {fault.code if fault else None, *(each["code"] for each in groups)}:
                self._forget(request.call)
            raise
        lines = every_line(answered.body.get("lineItems") or [])
        errors = (line["error"]["code"] for _, line in lines if line["error"])
        if not STALE_ITEM.isdisjoint(errors):
            self._forget(request.call)
        return answered


def _read_cart(
    document: Any,
    *,
    cart_id: str,
    customer_id: str,
    warnings: tuple[FieldError, ...] = (),
    asked: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The normalised cart. Raises ValueError for another cart than the one that was asked for."""
    cart = normalise_cart(document, customer_id, warnings, asked)
    if cart["id"].lower() != cart_id:
        raise ValueError("another cart")
    return cart


def _read_checkout(
    document: Any, *, customer_id: str, cart_id: str, warnings: tuple[FieldError, ...]
) -> dict[str, Any]:
    try:
        return normalise_checkout(document, customer_id, cart_id, warnings)
    except NothingOrdered as nothing:
        raise _nothing_ordered(nothing.order_errors) from None


def _nothing_ordered(errors: Sequence[dict[str, Any]]) -> Problem:
    """What it means that a checkout was accepted and no order told: the codes of its groups say.

    Where no group has an error either, or one that cannot be read, nobody knows what became of it.
    """
    reasons = [error["description"] or error["code"] for error in errors]
    reason = f": {reasons[0]}" if reasons and reasons[0] else "."
    detail = f"Partner Center made no order in this attempt{reason}"
    meanings = [meaning_of(error["code"], error["description"]) for error in errors]
    known = [meaning for meaning in meanings if meaning]
    pause = max((meaning.pause for meaning in known), default=0)
    if not errors or any(error["outcome"] == Outcome.UNKNOWN for error in errors):
        return order_exists(detail, pause or UNREADABLE_PAUSE, order_errors=errors)
    if any(meaning.meaning is Meaning.NOT_YET for meaning in known):
        return Problem("partner_center_not_ready", detail, retry_after=pause, order_errors=errors)
    return Problem("checkout_failed", detail, order_errors=errors)


def _bought_nothing_and_may_retry(problem: Problem) -> bool:
    return may_retry(problem) and problem.outcome is not Outcome.UNKNOWN
