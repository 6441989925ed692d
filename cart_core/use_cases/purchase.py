"""One attempt to buy what is in a cart: checkouts, and looks at the cart between them.

Partner Center's page "Checkout a cart" calls the checkout idempotent: repeated, it is answered as
the first time, and after a failed order it tries that order again. Partner Center's error codes say
otherwise: 400/800065 for a cart that was submitted before, 409/800060 while its order is being
made. So a checkout is never repeated blindly. In any doubt the cart is read first, and its status
decides.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from cart_core.call import Answered, Call, Trace
from cart_core.cart.checkout_answer import (
    ordered_already,
    with_groups_in_doubt,
    with_groups_not_told,
)
from cart_core.cart.error_codes import STALE_ITEM
from cart_core.cart.expected_lines import differences
from cart_core.cart.order_groups import all_orders, groups_not_told
from cart_core.idempotency.claim import Claim
from cart_core.partner_center.carts import Carts
from cart_core.problem import FieldError, Outcome, Problem
from cart_core.use_cases.cart_problems import cart_differs, item_not_offered, not_orderable

PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 8.0)
"""Seconds: before each repeated checkout, a random time between half of it and all of it."""


Renew = Callable[[Claim, Problem], Awaitable[Answered]]
"""Puts the cart with items that take the place of stale ones, and gives it as it is then.

It is called with the claim of the purchase, and with the refusal. Raises Problem.
"""

ITEM_REPLACED: Final = FieldError(
    "", "item_replaced", "An item was not in the catalogue any more. Its successor was bought."
)


@dataclass(frozen=True, slots=True)
class Purchase:
    """Which cart to buy, and for which of the customer's users (`user@domain`).

    `lines` are those that the cart must have, None if whatever is in it is to be bought. `cart` is
    the cart if this call has created it, so that nobody can have changed it. `warnings` go into the
    answer. `renew` puts other items into the cart in place of stale ones, where that may be done.
    """

    cart_id: str
    customer_user: str | None = None
    lines: list[dict[str, Any]] | None = None
    cart: dict[str, Any] | None = None
    warnings: tuple[FieldError, ...] = ()
    renew: "Renew | None" = None

    @property
    def is_ready(self) -> bool:
        """Whether the cart can be checked out without a look at it, if nobody has tried before."""
        if self.lines is None:
            return True
        cart = self.cart
        return bool(cart and cart["orderable"] and not differences(self.lines, cart["lineItems"]))


@dataclass(frozen=True, slots=True)
class Tools:
    """What an attempt needs. `sleep` and `uniform` take seconds."""

    carts: Carts
    sleep: Callable[[float], Awaitable[None]]
    uniform: Callable[[float, float], float]
    new_guid: Callable[[], str]


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


def after_failure(problem: Problem, *, ordered: bool) -> Next:
    """What to do after a failed checkout. `ordered`: the cart was read as ordered."""
    if problem.outcome is Outcome.UNKNOWN:
        return Next.ORDERED if ordered and _order_exists(problem) else Next.FIND_OUT
    ours = problem.kind.status >= 500 and problem.code != "partner_center_unexpected"
    if problem.kind.retryable or ours:
        return Next.RAISE
    return Next.ORDERED if ordered else Next.CONFIRM


class Attempt:
    """An attempt to buy a cart under a claim.

    `doubt`: some try may have ordered the cart or a part of it.
    """

    def __init__(self, tools: Tools, call: Call, purchase: Purchase, claim: Claim) -> None:
        self._tools = tools
        self._call = call
        self._purchase = purchase
        self._claim = claim
        self.doubt = claim.resumed
        self._cart = purchase.cart
        self._ordered = False
        """Whether the cart was read as ordered. A cart that was ordered once stays so."""
        self._failure: Problem | None = None
        """How the last checkout failed."""
        self._refusal: Problem | None = None
        """How the last checkout was refused, which holds if the cart is not ordered."""
        self._warnings = purchase.warnings
        self._renewed = False
        """Whether the cart got other items in place of stale ones."""
        self._incomplete: Answered | None = None
        """The last answer to a checkout, if it did not tell of all order groups."""
        earlier = claim.earlier_answer
        self._orders: list[dict[str, Any]] = earlier.body["orders"] if earlier else []
        """All orders that Partner Center has told of so far."""

    async def buy(self) -> Answered:
        """The normalised checkout. Raises Problem."""
        try:
            return await self._check_out()
        except Problem:
            if self._incomplete:  # What was bought is told, whatever became of the rest.
                return self._answer(self._incomplete)
            raise

    async def _check_out(self) -> Answered:
        tools, purchase = self._tools, self._purchase
        request_id, asked_again = self._claim.request_id, False
        for longest_pause in PAUSES:
            await self._look_if_needed(longest_pause)
            if (worked_off := self._call.worked_off) and worked_off.require_wanted:
                await worked_off.require_wanted()
            await self._claim.begin()
            try:
                answered = await tools.carts.check_out(
                    self._call,
                    purchase.cart_id,
                    purchase.customer_user,
                    request_id,
                    self._warnings,
                    self._claim.checkout_correlation_id,
                )
            except Problem as problem:
                failure = self._failure = problem
            else:
                answered = self._with_all_orders(answered)
                if self._incomplete or not self._groups_not_told(answered):
                    return self._answer(answered)
                self._incomplete = answered
                request_id = tools.new_guid()
                continue
            self._refusal = None
            match after_failure(failure, ordered=self._ordered):
                case Next.RAISE:
                    raise failure
                case Next.ORDERED:
                    return self._ordered_before(failure)
                case Next.CONFIRM:
                    self._refusal = failure
                    # Only a 4xx, or an answer that lists the groups, is clear by itself.
                    fault = failure.fault
                    self.doubt |= fault is not None and fault.status // 100 != 4
                case Next.FIND_OUT:
                    if self._ordered and asked_again:
                        return self._ordered_before(failure)
                    asked_again, self.doubt = self._ordered, True
            if failure.outcome is not Outcome.UNKNOWN or _order_exists(failure):
                # Partner Center answered, so the next request needs a new MS-RequestId.
                request_id = tools.new_guid()
        if self._ordered:
            return self._ordered_before(failure)
        raise failure

    async def _look_if_needed(self, longest_pause: float) -> None:
        """Read the cart before a checkout, unless nobody can have ordered or changed it.

        Before or after that comes a pause if a checkout may be under way. Problems are traced by
        the last checkout: it is what Microsoft's support will ask for. Raises Problem.
        """
        last = self._incomplete or self._failure
        if self._ordered:
            await self._pause(longest_pause)
        elif last:
            with Problem.completing(trace=last.trace):
                await self._look(longest_pause, last.trace)
        elif self._purchase.lines is None:
            if not self._claim.first:
                await self._look(longest_pause, None)
        elif self._cart is None or not self._claim.fresh:
            await self._look(longest_pause, None)
        elif problem := self._problem_of(self._cart):
            raise problem

    async def _look(self, longest_pause: float, checkout: Trace | None) -> None:
        if self.doubt and self._refusal:
            await self._pause(longest_pause)
        is_final = not self._claim.under_way_for()
        try:
            self._cart, trace = await self._tools.carts.get(
                self._call, self._purchase.cart_id, self._tools.new_guid()
            )
        except Problem as problem:
            problem.trace = checkout or problem.trace
            raise (self._refusal or problem) from None
        with Problem.completing(trace=checkout or trace):
            try:
                self._learn_from(self._cart, is_final=is_final)
            except Problem:
                if not self._may_renew(self._cart):
                    raise
                await self._renew()
            if self.doubt and not self._ordered:
                await self._pause(longest_pause)

    def _learn_from(self, cart: dict[str, Any], *, is_final: bool) -> None:
        """Take in the cart as it was read. Raises the problem that it has, if there is one.

        `is_final`: no checkout of ours can have been under way any more when the cart was read.
        Otherwise a cart that is Active may be ordered a moment later, and the doubt remains.
        """
        if cart["status"] == "Ordered":
            self._ordered = self.doubt = True
            return
        if self._refusal and self._is_silent_on_a_group(self._refusal, cart):
            self._refusal, self.doubt, is_final = None, True, False
            self._call.sent.unanswered = True
        if problem := self._problem_of(cart):
            # A cart with several order groups stays Active while only some of them are ordered.
            groups = {line["orderGroup"] for line in cart["lineItems"]}
            if is_final and cart["status"] == "Active" and len(groups) == 1:
                self.doubt = False
            raise problem

    def _is_silent_on_a_group(self, refusal: Problem, cart: dict[str, Any]) -> bool:
        """Whether Partner Center has refused groups, and another one may be ordered yet."""
        errors = refusal.order_errors
        return bool(errors and groups_not_told(cart["lineItems"], self._orders, errors))

    def _problem_of(self, cart: dict[str, Any]) -> Problem | None:
        """Why a cart that is not ordered must not, or cannot, be checked out again."""
        refusal, lines = self._refusal, self._claim.lines
        if lines is not None and (errors := differences(lines, cart["lineItems"])):
            return cart_differs(cart, errors)
        fault = refusal.fault if refusal else None
        if not cart["orderable"]:
            return not_orderable(cart, fault)
        if fault and fault.code in STALE_ITEM:
            return item_not_offered(cart, fault)
        return refusal

    def _may_renew(self, cart: dict[str, Any]) -> bool:
        """Whether stale items may be replaced: nothing is ordered, and nothing may be ordered yet.

        A refusal says nothing about an earlier try that got no answer. So the cart is not changed
        once any try was left without a clear answer, or once a part of the cart is ordered.
        """
        purchase, claim, refusal = self._purchase, self._claim, self._refusal
        nothing_ordered = not (self._orders or self._incomplete or claim.earlier_answer)
        certain = not (self.doubt or claim.doubted or self._ordered)
        ours = purchase.lines is not None and claim.lines == purchase.lines
        as_ordered = not differences(purchase.lines or [], cart["lineItems"])
        stale = refusal is not None and refusal.fault and refusal.fault.code in STALE_ITEM
        alive = cart["status"] == "Active" and cart["orderable"]
        may = (purchase.renew, not self._renewed, stale, alive, nothing_ordered, certain, ours)
        return all(may) and as_ordered

    async def _renew(self) -> None:
        """Replace the stale items once, and go on with the cart as it is then. Raises Problem."""
        renew, refusal = self._purchase.renew, self._refusal
        if renew is None or refusal is None:
            raise AssertionError("see _may_renew")
        self._renewed = True
        self._cart = (await renew(self._claim, refusal)).body
        self._failure = self._refusal = None
        if problem := self._problem_of(self._cart):
            raise problem
        self._warnings = (*self._warnings, ITEM_REPLACED)

    async def _pause(self, longest: float) -> None:
        seconds = self._tools.uniform(longest / 2, longest)
        if seconds >= self._call.deadline.remaining():
            raise Problem("deadline_exceeded", "There was no time left to check out again.")
        await self._tools.sleep(seconds)

    def _ordered_before(self, failure: Problem) -> Answered:
        """The answer for a cart that is ordered, after a checkout that did not tell its orders."""
        purchase = self._purchase
        body = ordered_already(self._call.customer_id, purchase.cart_id, self._warnings)
        trace = failure.trace or Trace(self._claim.request_id)
        return self._with_all_orders(Answered(body, trace))

    def _with_all_orders(self, answered: Answered) -> Answered:
        """The answer with the orders that were told before and are not repeated in it."""
        body, trace = answered
        self._orders = all_orders(self._orders, body["orders"])
        return Answered(body | {"orders": self._orders}, trace)

    def _groups_not_told(self, answered: Answered) -> list[str]:
        if self._cart is None:
            return []
        body = answered.body
        return groups_not_told(self._cart["lineItems"], body["orders"], body["orderErrors"])

    def _answer(self, answered: Answered) -> Answered:
        """The answer, with a warning for each order group of which it tells nothing for certain."""
        body, trace = answered
        if groups := self._groups_not_told(answered):
            body = with_groups_not_told(body, groups, ordered=self._ordered)
        an_earlier_one_may_order = self._claim.under_way_for() > 0
        if body["status"] == "in_progress":
            self._call.sent.unanswered = True
        if an_earlier_one_may_order:
            body = with_groups_in_doubt(body)
        return Answered(body, trace)


def _order_exists(problem: Problem) -> bool:
    """Whether Partner Center said that the cart is being ordered, or was ordered before."""
    return problem.code == "partner_center_busy" and problem.outcome is Outcome.UNKNOWN
