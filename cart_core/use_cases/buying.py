"""Buy a cart under its record: whoever buys it, by whatever request, shares one claim for it."""

import math
from datetime import timedelta
from typing import Any, Final

from cart_core.call import Answer, Answered, Call
from cart_core.cart.expected_lines import differences_of_orders
from cart_core.idempotency.claim import Claim
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.plan import Keyed, Plan, Sends
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.runner import ExactlyOnce
from cart_core.partner_center.errors import in_doubt
from cart_core.problem import FieldError, Outcome, Problem
from cart_core.use_cases.purchase import ITEM_REPLACED, Attempt, Purchase, Tools
from cart_core.use_cases.spending_guard import SpendingGuard

LONGEST_PAUSE_OF_CALLERS: Final = 60
"""Seconds: the most that a caller is asked to wait while a checkout may be under way.

The cart may be ordered sooner than Partner Center's longest request ends, and then a repeated
request is answered with the orders.
"""


class Buying:
    """Buys carts, if the operator allows it.

    A record of a purchase counts for `retention`. A request may be under way at Partner Center for
    `longest_request` after it was sent.
    """

    def __init__(
        self,
        once: ExactlyOnce,
        tools: Tools,
        *,
        allowed: bool,
        guard: SpendingGuard,
        retention: timedelta,
        longest_request: timedelta,
    ) -> None:
        self._once = once
        self._tools = tools
        self._allowed = allowed
        self.guard = guard
        self.plan = Plan(["checkout"], retention, _all_is_ordered, longest_request)

    def require_allowed(self) -> None:
        """Raises Problem `checkout_disabled` if this function may not spend money."""
        if not self._allowed:
            raise Problem(
                "checkout_disabled",
                "This function may not buy. Its operator can allow it with CART_ALLOW_CHECKOUT.",
            )

    async def admit(
        self, call: Call, asked: Keyed, lines: list[dict[str, Any]] | None = None
    ) -> None:
        """Raises Problem if a purchase that is to be accepted now is more than may be bought.

        Whatever is repeated under its key is the same purchase: it does not count, and is not
        refused. `lines` are None where only Partner Center knows them.
        """
        if not self.guard.limits_anything or not await self._once.is_new(asked):
            return
        if lines is not None:
            self.guard.check_quantity(lines)
        await self.guard.admit(call, asked.operation)

    def plan_of(self, *steps: str) -> Plan:
        """The plan of an operation that ends in a purchase, with these steps before it."""
        return Plan(steps, self.plan.retention, self.plan.is_final, self.plan.longest_request)

    async def buy(self, call: Call, purchase: Purchase) -> Answer:
        """What was ordered (201), now or when the cart was checked out before.

        After an earlier partial checkout, the answer has its orders too, and a warning where the
        rest of the cart was refused now. Where somebody checked the cart out directly before, the
        answer has a warning for each difference from the purchase's lines. Raises Problem; unless
        its outcome is `unknown`, nothing was bought.
        """
        asked = self.keyed(call, purchase.cart_id, purchase.customer_user)
        earlier: StoredAnswer | None = None

        async def check_out(claim: Claim) -> Answer:
            nonlocal earlier
            earlier = claim.earlier_answer
            return await self._check_out(call, purchase, claim)

        try:
            answer = await self._once.run(
                *(call, asked, check_out),
                lines=purchase.lines,
                sends=Sends.UNLESS_RECORDED if purchase.is_ready else Sends.AFTER_A_LOOK,
            )
        except Problem as problem:
            if earlier and problem.outcome is not Outcome.UNKNOWN:
                raise _part_is_ordered(problem) from None
            raise
        return _held_against(purchase.lines, answer) if answer.replayed else answer

    def keyed(self, call: Call, cart_id: str, customer_user: str | None) -> Keyed:
        """What a checkout of this cart for this customer user asks for; its key is the cart."""
        content = {
            "customerId": call.customer_id,
            "cartId": cart_id,
            "customerUser": customer_user,
        }
        return Keyed(purchase_of(call.customer_id, cart_id), self.plan, content)

    async def _check_out(self, call: Call, purchase: Purchase, claim: Claim) -> Answer:
        if purchase.lines is None and not claim.resumed and not claim.earlier_answer:
            await self._guard_cart(call, purchase, claim)  # An order was guarded before its cart.
        attempt, earlier = Attempt(self._tools, call, purchase, claim), claim.earlier_answer
        try:
            return Answer.of(201, await attempt.buy())
        except Problem as problem:
            if attempt.doubt:
                raise _in_doubt(problem, claim.under_way_for()) from None
            if earlier and not problem.kind.retryable:
                return _still_partial(earlier, problem)
            raise

    async def _guard_cart(self, call: Call, purchase: Purchase, claim: Claim) -> None:
        """Raises Problem if the purchase of a cart is more than may be bought."""
        if self.guard.quantity is not None:
            cart, _ = await self._tools.carts.get(call, purchase.cart_id, self._tools.new_guid())
            self.guard.check_quantity(cart["lineItems"])
        await self.guard.admit(call, claim.operation)


def purchase_of(customer_id: str, cart_id: str) -> OperationId:
    """The operation of buying a cart; its record is also what a change of the cart holds."""
    return OperationId("checkout_cart", customer_id, cart_id)


def _held_against(lines: list[dict[str, Any]] | None, answer: Answer) -> Answer:
    """The answer to an earlier checkout, with a warning for each difference from these lines.

    Somebody may have changed an order's cart and checked it out directly, before the order did.
    """
    body = answer.body
    renewed = any(warning["code"] == ITEM_REPLACED.code for warning in body["warnings"])
    if lines is None or body["status"] != "completed" or renewed:
        return answer
    for difference in differences_of_orders(lines, body["orders"]):
        answer = answer.with_warning(difference.as_json())
    return answer


def _in_doubt(problem: Problem, under_way_for: float) -> Problem:
    """The problem while an earlier checkout may still buy the cart, or may have bought it.

    The caller is told when to come back: once no checkout can be under way any more, the same
    request finds out what became of it. `under_way_for` is in seconds.
    """
    doubtful = in_doubt(problem)
    if problem.cart is not None:
        doubtful.detail = (
            "A checkout without a clear answer may have bought the cart, or may do so yet, although"
            " it cannot be ordered as it is now."
        )
    if doubtful.retry_after is None and under_way_for:
        doubtful.retry_after = min(LONGEST_PAUSE_OF_CALLERS, math.ceil(under_way_for))
    return doubtful


def _part_is_ordered(problem: Problem) -> Problem:
    """The problem of a call that could not try what an earlier partial checkout has left.

    It must not be told as a request without effect: the caller would order the part again.
    """
    partly = in_doubt(problem)
    partly.detail = f"A part of the cart is ordered. The rest was not tried: {problem.detail}"
    return partly


def _all_is_ordered(answer: Answer) -> bool:
    """Whether an answer completes a purchase; otherwise something is left to buy or to find out."""
    return answer.body["status"] in ("completed", "ordered")


def _still_partial(earlier: StoredAnswer, problem: Problem) -> Answer:
    """The earlier answer, with the warning that what was left was not ordered now either."""
    detail = f"What was left was tried again, and was not ordered: {problem.detail}"
    refused = FieldError("", "rest_refused", detail).as_json()
    others = [each for each in earlier.body["warnings"] if each["code"] != refused["code"]]
    body: dict[str, Any] = earlier.body | {
        "orderErrors": list(problem.order_errors) or earlier.body["orderErrors"],
        "warnings": [*others, refused],
    }
    if problem.trace:
        return Answer.of(201, Answered(body, problem.trace))
    return Answer(201, body, earlier.headers)
