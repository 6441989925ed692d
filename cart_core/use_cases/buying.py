"""Buy what is in a cart, once, whatever becomes of the tries.

Partner Center's page "Checkout a cart" calls the operation idempotent: repeated, it answers as the
first time, and after a failed order it tries that again. Its error codes tell otherwise: 400/800065
for a cart that was submitted, 409/800060 while its order is being made. So nothing is repeated
blindly. Wherever there is a doubt, the cart is read first, and its status decides.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from cart_core.call import Errand
from cart_core.cart.checkout_answer import ordered_already
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.runner import Work
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.errors import LINE_ERRORS, MAY_BE_ORDERED, in_doubt
from cart_core.problem import FieldError, Outcome, Problem

PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 8.0)
"""Seconds: a random time between half of it and all of it, before each repeated checkout."""


_ABOUT_THE_CART: Final = frozenset(
    {
        "partner_center_invalid_request",
        "partner_center_not_found",
        "partner_center_conflict",
        "partner_center_precondition_failed",
        "partner_center_expectation_failed",
        "checkout_failed",
    }
)
"""Refusals for what the cart is. The others are for who asks, and an operator can mend that."""

_OF_THE_REST: Final = _ABOUT_THE_CART | {"partner_center_forbidden", "cart_not_orderable"}
"""Refusals that leave a part which was ordered before what it is."""


class Next(Enum):
    """What to do after a checkout that failed."""

    RAISE = auto()
    """It is what it says."""
    CONFIRM = auto()
    """It is a refusal if the cart, read once more, is not ordered."""
    FIND_OUT = auto()
    """The cart may be ordered: read it, and check it out again."""
    ORDERED = auto()
    """The cart is ordered, and nobody says into what."""


def after_failure(problem: Problem, *, doubt: bool, ordered: bool) -> Next:
    """What to do; `doubt`: an earlier try may have been successful; `ordered`: the cart says so."""
    code = problem.fault.code if problem.fault else None
    if ordered and (code in MAY_BE_ORDERED or problem.code in _ABOUT_THE_CART):
        return Next.ORDERED
    if code in MAY_BE_ORDERED or problem.outcome is Outcome.UNKNOWN:
        return Next.FIND_OUT
    if ordered or problem.kind.retryable:
        return Next.RAISE
    worth_a_look = doubt or code == LINE_ERRORS or problem.code == "checkout_failed"
    return Next.CONFIRM if worth_a_look else Next.RAISE


@dataclass(slots=True)
class _Known:
    """What is known of a cart in the course of a run.

    `doubt`: some try may have ordered it, or a part of it. `ordered`: it was read so. `refusal`:
    how the last try was refused, which counts if the cart turns out not to be ordered.
    """

    doubt: bool
    ordered: bool = False
    refusal: Problem | None = None

    def learn(self, cart: dict[str, Any]) -> None:
        """Take in the cart as it was read. Raises the Problem that it confirms, if it does."""
        if cart["status"] == "Ordered":
            self.ordered = self.doubt = True
        if self.ordered:  # once read so, it is so
            return
        refusal = self.refusal if cart["orderable"] else not_orderable(cart)
        if refusal:
            # A cart of several orders stays Active while a part of it is ordered.
            groups = {line["orderGroup"] for line in cart["lineItems"]}
            if cart["status"] == "Active" and len(groups) == 1:
                self.doubt = False
            raise refusal


class CheckoutProcedure:
    """Checks carts out. `sleep` and `uniform` take seconds."""

    def __init__(
        self,
        carts: Carts,
        *,
        sleep: Callable[[float], Awaitable[None]],
        uniform: Callable[[float, float], float],
        new_guid: Callable[[], str],
    ) -> None:
        self._carts = carts
        self._sleep = sleep
        self._uniform = uniform
        self._new_guid = new_guid

    async def run(
        self,
        errand: Errand,
        cart_id: str,
        customer_user: str | None,
        todo: Work,
        warnings: tuple[FieldError, ...] = (),
    ) -> dict[str, Any]:
        """The normalised checkout. `customer_user` is the customer's user who gets the licences.

        What an earlier, partial answer told is not forgotten: its orders are in this one too, and a
        refusal of the rest is a warning in it. Raises Problem; unless its outcome is `unknown`,
        this run bought nothing.
        """
        known = _Known(doubt=todo.resumed)
        errand.call.may_have_effect = errand.call.may_have_effect or todo.resumed
        try:
            result = await self._buy(errand, cart_id, customer_user, todo, warnings, known)
        except Problem as problem:
            if known.doubt:
                raise in_doubt(problem) from None
            if todo.answer and problem.code in _OF_THE_REST:
                return _still_partial(todo.answer, problem)
            raise
        return _with_orders_of(todo.answer, result) if todo.answer else result

    async def _buy(
        self,
        errand: Errand,
        cart_id: str,
        customer_user: str | None,
        todo: Work,
        warnings: tuple[FieldError, ...],
        known: _Known,
    ) -> dict[str, Any]:
        call, request_id = errand.call, todo.request_id
        look, failure = not todo.first, None
        for longest_pause in PAUSES:
            if look:
                if known.doubt and known.refusal:  # what is in doubt may still be under way
                    await self._pause(longest_pause, errand)
                reading, ordered_before = self._new_guid(), known.ordered
                if failure is None:  # else the checkout is what support will ask for
                    call.request_id = reading
                known.learn(await self._carts.get(errand, cart_id, reading))
                if ordered_before or (known.doubt and not known.ordered):
                    await self._pause(longest_pause, errand)
            call.request_id = request_id
            try:
                return await self._carts.check_out(
                    errand, cart_id, customer_user, request_id, warnings
                )
            except Problem as problem:
                failure = problem
            known.refusal = None
            match after_failure(failure, doubt=known.doubt, ordered=known.ordered):
                case Next.RAISE:
                    raise failure
                case Next.ORDERED:
                    return ordered_already(errand.customer_id, cart_id, warnings)
                case Next.CONFIRM:
                    known.refusal = failure
                case Next.FIND_OUT:
                    known.doubt = True
            if failure.outcome is not Outcome.UNKNOWN:
                request_id = self._new_guid()  # an answer uses an id up
            look = True
        raise failure or AssertionError("there is at least one try")

    async def _pause(self, longest: float, errand: Errand) -> None:
        seconds = self._uniform(longest / 2, longest)
        if seconds >= errand.deadline.remaining():
            raise Problem("deadline_exceeded", "There was no time left to check out again.")
        await self._sleep(seconds)


def not_orderable(cart: dict[str, Any]) -> Problem:
    """The problem of a cart that has lines which Partner Center does not sell as they are."""
    return Problem(
        "cart_not_orderable",
        "This request bought nothing: lines of the cart have an 'error'. Change these lines.",
        cart=cart,
    )


def _with_orders_of(earlier: StoredAnswer, result: dict[str, Any]) -> dict[str, Any]:
    """The result, and the orders of an earlier answer that are not repeated in it."""
    told = {order["id"] for order in result["orders"]}
    missing = [order for order in earlier.body["orders"] if order["id"] not in told]
    return result | {"orders": missing + result["orders"]}


def _still_partial(earlier: StoredAnswer, problem: Problem) -> dict[str, Any]:
    """The earlier answer, and that its rest was refused again."""
    detail = f"What was left was tried again, and refused: {problem.detail}"
    refused = FieldError("", "rest_refused", detail).as_json()
    body = earlier.body
    kept = [warning for warning in body["warnings"] if warning["code"] != refused["code"]]
    errors = list(problem.order_errors) or body["orderErrors"]
    return body | {"orderErrors": errors, "warnings": [*kept, refused]}
