"""Buy what is in a cart, once, whatever becomes of the tries.

Partner Center's page "Checkout a cart" calls the checkout idempotent: repeated, it is answered as
the first time, and after a failed order it tries that order again. Partner Center's error codes say
otherwise: 400/800065 for a cart that was submitted before, 409/800060 while its order is being
made. So a checkout is never repeated blindly. In any doubt the cart is read first, and its status
decides.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, Final

from cart_core.call import Answer, Answered, Call, Trace
from cart_core.cart.checkout_answer import ordered_already
from cart_core.idempotency.claim import Claim
from cart_core.idempotency.plan import Plan
from cart_core.idempotency.record import StoredAnswer
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.errors import CART_HAS_LINE_ERRORS, MAY_BE_ORDERED, in_doubt
from cart_core.problem import Code, FieldError, Outcome, Problem

PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 8.0)
"""Seconds: before each repeated checkout, a random time between half of it and all of it."""

LONGEST_PAUSE_OF_CALLERS: Final = 60
"""Seconds: the most that a caller is asked to wait while a checkout may be under way.

The cart may be ordered sooner than Partner Center's longest request ends, and then a repeated
request is answered with the orders.
"""

_REFUSED_FOR_THE_CART: Final[frozenset[Code]] = frozenset(
    {
        "partner_center_invalid_request",
        "partner_center_not_found",
        "partner_center_conflict",
        "partner_center_precondition_failed",
        "partner_center_expectation_failed",
        "checkout_failed",
    }
)
"""Refusals because of the cart. Other refusals are because of the caller, and can be mended."""

_PARTIAL_STANDS_AFTER: Final[frozenset[Code]] = _REFUSED_FOR_THE_CART | {
    "partner_center_forbidden",
    "cart_not_orderable",
}
"""After these, the orders of an earlier partial checkout still stand."""


class Next(Enum):
    """What to do after a checkout that failed."""

    RAISE = auto()
    """Raise its problem."""
    CONFIRM = auto()
    """Read the cart: unless it is ordered, the refusal holds."""
    FIND_OUT = auto()
    """The cart may be ordered: read it, and check it out again."""
    ORDERED = auto()
    """The cart is ordered, and Partner Center does not say into which orders."""


def after_failure(problem: Problem, *, doubt: bool, ordered: bool) -> Next:
    """What to do after a failed checkout.

    `doubt`: an earlier try may have ordered the cart. `ordered`: the cart was read as ordered.
    """
    code = problem.fault.code if problem.fault else None
    if ordered and (code in MAY_BE_ORDERED or problem.code in _REFUSED_FOR_THE_CART):
        return Next.ORDERED
    if code in MAY_BE_ORDERED or problem.outcome is Outcome.UNKNOWN:
        return Next.FIND_OUT
    if ordered or problem.kind.retryable:
        return Next.RAISE
    if doubt or code == CART_HAS_LINE_ERRORS or problem.code == "checkout_failed":
        return Next.CONFIRM
    return Next.RAISE


@dataclass(slots=True)
class _Knowledge:
    """What is known of the cart in the course of one purchase.

    `doubt`: some try may have ordered the cart or a part of it. `ordered`: the cart was read as
    ordered. `refusal`: how the last try was refused, which holds if the cart is not ordered.
    """

    doubt: bool
    ordered: bool = False
    refusal: Problem | None = None

    def learn_from(self, cart: dict[str, Any], trace: Trace, *, is_final: bool) -> None:
        """Take in the cart as it was read. Raises the problem that it has, if there is one.

        `trace` is that of the request which a problem of the cart is to be found by. `is_final`: no
        checkout of ours can have been under way any more when the cart was read. Otherwise a cart
        that is Active may be ordered a moment later, and the doubt remains.
        """
        if cart["status"] == "Ordered":
            self.ordered = self.doubt = True
        if self.ordered:  # A cart that was ordered once stays so.
            return
        refusal = self.refusal if cart["orderable"] else not_orderable(cart)
        if refusal:
            # A cart with several order groups stays Active while only some of them are ordered.
            groups = {line["orderGroup"] for line in cart["lineItems"]}
            if is_final and cart["status"] == "Active" and len(groups) == 1:
                self.doubt = False
            with Problem.completing(trace=trace):
                raise refusal


class Buying:
    """Buys carts, if the operator allows it.

    A record of a purchase counts for `retention`. A request may be under way at Partner Center for
    `longest_request` after it was sent. `sleep` and `uniform` take seconds.
    """

    def __init__(
        self,
        carts: Carts,
        *,
        allowed: bool,
        retention: timedelta,
        longest_request: timedelta,
        sleep: Callable[[float], Awaitable[None]],
        uniform: Callable[[float, float], float],
        new_guid: Callable[[], str],
    ) -> None:
        self._carts = carts
        self._allowed = allowed
        self._retention = retention
        self._longest_request = longest_request
        self._sleep = sleep
        self._uniform = uniform
        self._new_guid = new_guid

    def require_allowed(self) -> None:
        """Raises Problem `checkout_disabled` if this function may not spend money."""
        if not self._allowed:
            raise Problem(
                "checkout_disabled",
                "This function may not buy. Its operator can allow it with CART_ALLOW_CHECKOUT.",
            )

    def plan(self, *steps: str) -> Plan:
        """The plan of an operation whose last step is a purchase."""
        return Plan(steps, self._retention, _all_is_ordered, self._longest_request)

    async def buy(
        self,
        call: Call,
        cart_id: str,
        customer_user: str | None,
        claim: Claim,
        warnings: tuple[FieldError, ...] = (),
    ) -> Answered:
        """The normalised checkout. `customer_user` is the customer's user who gets the licences.

        The orders of an earlier partial answer are in this one too, and a refusal of what was left
        is a warning in it. Raises Problem; unless its outcome is `unknown`, nothing was bought.
        """
        known = _Knowledge(doubt=claim.resumed)
        earlier = claim.earlier_answer
        try:
            bought = await self._buy(call, cart_id, customer_user, claim, warnings, known)
        except Problem as problem:
            if known.doubt:
                raise _in_doubt(problem, claim.under_way_for()) from None
            # These problems come from a request, so they have a trace.
            if earlier and problem.trace and problem.code in _PARTIAL_STANDS_AFTER:
                return Answered(_still_partial(earlier, problem), problem.trace)
            raise
        return _with_orders_of(earlier, bought) if earlier else bought

    async def _buy(
        self,
        call: Call,
        cart_id: str,
        customer_user: str | None,
        claim: Claim,
        warnings: tuple[FieldError, ...],
        known: _Knowledge,
    ) -> Answered:
        request_id = claim.request_id
        failure: Problem | None = None
        for longest_pause in PAUSES:
            if failure or not claim.first:
                await self._look(call, cart_id, claim, known, failure, longest_pause)
            try:
                return await self._carts.check_out(
                    call, cart_id, customer_user, request_id, warnings
                )
            except Problem as problem:
                failure = problem
            known.refusal = None
            match after_failure(failure, doubt=known.doubt, ordered=known.ordered):
                case Next.RAISE:
                    raise failure
                case Next.ORDERED:
                    trace = failure.trace or Trace(request_id)
                    return Answered(ordered_already(call.customer_id, cart_id, warnings), trace)
                case Next.CONFIRM:
                    known.refusal = failure
                case Next.FIND_OUT:
                    known.doubt = True
            if failure.outcome is not Outcome.UNKNOWN:
                # Partner Center answered, so the next request needs a new MS-RequestId.
                request_id = self._new_guid()
        raise failure or AssertionError("there is at least one try")

    async def _look(
        self,
        call: Call,
        cart_id: str,
        claim: Claim,
        known: _Knowledge,
        failure: Problem | None,
        longest_pause: float,
    ) -> None:
        """Read the cart, with a pause before or after it if a checkout may be under way.

        After a checkout that failed, problems are traced by that checkout: it is what Microsoft's
        support will ask for. Raises Problem.
        """
        checkout = failure.trace if failure else None
        with Problem.completing(trace=checkout):
            if known.doubt and known.refusal:
                await self._pause(longest_pause, call)
            ordered_before, is_final = known.ordered, not claim.under_way_for()
            try:
                cart, trace = await self._carts.get(call, cart_id, self._new_guid())
            except Problem as problem:
                problem.trace = checkout or problem.trace
                raise
            known.learn_from(cart, checkout or trace, is_final=is_final)
        with Problem.completing(trace=checkout or trace):
            if ordered_before or (known.doubt and not known.ordered):
                await self._pause(longest_pause, call)

    async def _pause(self, longest: float, call: Call) -> None:
        seconds = self._uniform(longest / 2, longest)
        if seconds >= call.deadline.remaining():
            raise Problem("deadline_exceeded", "There was no time left to check out again.")
        await self._sleep(seconds)


def not_orderable(cart: dict[str, Any]) -> Problem:
    """The problem of a cart with lines that Partner Center does not sell as they are."""
    return Problem(
        "cart_not_orderable",
        "This request bought nothing: lines of the cart have an 'error'. Change these lines.",
        cart=cart,
    )


def _in_doubt(problem: Problem, under_way_for: float) -> Problem:
    """The problem while an earlier checkout may still buy the cart, or may have bought it.

    The caller is told when to come back: once no checkout can be under way any more, the same
    request finds out what became of it. `under_way_for` is in seconds.
    """
    doubtful = in_doubt(problem)
    if problem.code == "cart_not_orderable":
        doubtful.detail = (
            "A checkout without a clear answer may have bought the cart, or may do so yet, although"
            " lines of it have an 'error' now."
        )
    if doubtful.retry_after is None and under_way_for:
        doubtful.retry_after = min(LONGEST_PAUSE_OF_CALLERS, math.ceil(under_way_for))
    return doubtful


def _all_is_ordered(answer: Answer) -> bool:
    """Whether an answer completes a purchase; after a partial one, something is left to buy."""
    return bool(answer.body["status"] != "partial")


def _with_orders_of(earlier: StoredAnswer, bought: Answered) -> Answered:
    """The checkout with the orders of an earlier answer that are not repeated in it.

    An order without an id is not taken for another one without an id.
    """
    body, trace = bought
    repeated = {order["id"] for order in body["orders"]} - {None}
    missing = [order for order in earlier.body["orders"] if order["id"] not in repeated]
    return Answered(body | {"orders": missing + body["orders"]}, trace)


def _still_partial(earlier: StoredAnswer, problem: Problem) -> dict[str, Any]:
    """The earlier answer, with the warning that what was left was refused again."""
    detail = f"What was left was tried again, and refused: {problem.detail}"
    refused = FieldError("", "rest_refused", detail).as_json()
    body = earlier.body
    others = [warning for warning in body["warnings"] if warning["code"] != refused["code"]]
    errors = list(problem.order_errors) or body["orderErrors"]
    return body | {"orderErrors": errors, "warnings": [*others, refused]}
