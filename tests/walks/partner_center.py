"""Partner Center as a state machine of carts, order groups and orders, in virtual time.

It is written from Partner Center's documents and knows nothing of how the app decides. What it has
done stands in `ledger`; a request that it has accepted takes its course whatever becomes of the
one who sent it.
"""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from cart_core.call import Call
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from tests.walks.plan import FOREVER, WELL, AtPartnerCenter, Expiry, Fate, Operation, Plan

CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"

Line = tuple[str, int, str, str]
"""What is bought with a line: item, quantity, term, billing cycle."""


SENDER: Final[ContextVar[str]] = ContextVar("sender")
"""The id of the shop's request that is answered. A checkout has an MS-CorrelationId of its own."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it arrived. `sender` is the id of the shop's request that it is sent for."""

    operation: Operation
    number: int
    sender: str
    request_id: str
    time: float

    def __str__(self) -> str:
        return f"{self.operation} {self.number}"


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order: the lines of an order group by their numbers, and the request that caused it."""

    time: float
    cart: "Cart"
    group: int
    lines: Mapping[int, Line]
    order_id: str
    cause: Arrival


@dataclass(eq=False, slots=True)
class Cart:
    """A cart. `maker` is the MS-CorrelationId of the request that it was made by."""

    id: str
    maker: str
    asked_at: float
    lines: list[dict[str, Any]]
    partial_is_ordered: bool
    ordered: dict[int, Purchase] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    """Order groups of which an order is being made."""
    working: int = 0
    """Checkouts that are worked on."""
    error_until: float = 0.0
    """Until when its first line has an error."""
    expired: bool = False
    refused: dict[int, str] = field(default_factory=dict)
    """The order groups that its last checkout did not order, and their codes."""

    def groups(self) -> set[int]:
        """Its order groups."""
        return {int(line["orderGroup"]) for line in self.lines}

    @property
    def status(self) -> str:
        """Its status as Partner Center tells it."""
        done = self.partial_is_ordered and self.ordered
        return "Ordered" if done or self.groups() <= self.ordered.keys() else "Active"


def lines_of(lines: list[dict[str, Any]]) -> dict[int, Line]:
    """What would be bought with these lines of a cart, by their numbers."""
    return {
        int(line["id"]): (
            line["catalogItemId"],
            line["quantity"],
            line["termDuration"],
            line["billingCycle"],
        )
        for line in lines
    }


class PartnerCenter:
    """The requests for carts (CartsApi).

    `now` is in seconds of the walk. `tell` writes the story. `bought` hears of each purchase, and
    `arrived` of each request.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        now: Callable[[], float],
        tell: Callable[..., None],
        arrived: Callable[[Arrival], None],
        bought: Callable[[Purchase], None],
    ) -> None:
        self.habits = plan.habits
        self.faults: dict[tuple[str, int], Fate] = {
            (event.operation, event.number): event.fate for event in plan.of(AtPartnerCenter)
        }
        self.carts: dict[str, Cart] = {}
        self.ledger: list[Purchase] = []
        self.at_work_until = 0.0
        """When the last effect takes place."""
        self.calm = False
        """No faults any more; what is a habit stays."""
        self.met: set[str] = set()
        """The features that came up."""
        self._now, self._tell, self._arrived, self._bought = now, tell, arrived, bought
        self._counts: Counter[str] = Counter()
        self._made: dict[str, Cart] = {}
        self._loop = asyncio.get_running_loop()
        for expiry in plan.of(Expiry):
            self._loop.call_later(expiry.seconds, self._expire)

    # --- The requests -------------------------------------------------------------------------

    async def create_cart(
        self, call: Call, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def create(fate: Fate, arrival: Arrival) -> Reply:
            if self.habits.never_created:
                return refusal(*self.habits.never_created)
            made = self._made.get(attempt.request_id) if self.habits.deduplicates else None
            if fate.effect == "late":
                self._later(fate.work, lambda: self._create(cart, fate, arrival))
            elif fate.effect == "now":
                made = made or self._create(cart, fate, arrival)
            return _reply(201, self._document(made, fate)) if made else refusal(500, "0")

        return await self._serve("create", call, attempt, create)

    async def get_cart(self, call: Call, cart_id: str, attempt: Attempt) -> Reply | NoReply:
        """See CartsApi."""

        def get(fate: Fate, arrival: Arrival) -> Reply:
            cart = self._found(cart_id)
            if cart is None:
                return GONE
            if fate.line_error and cart.status == "Active":
                cart.error_until = max(cart.error_until, self._now() + fate.line_error)
            return _reply(200, self._document(cart, fate))

        return await self._serve("get", call, attempt, get)

    async def update_cart(
        self, call: Call, cart_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def update(fate: Fate, arrival: Arrival) -> Reply:
            found = self._found(cart_id)
            if found is None:
                return GONE
            if found.status == "Ordered" or found.ordered or found.pending:
                return SUBMITTED
            if found.working:
                return BUSY
            if fate.effect == "now":
                found.lines = self._lines(cart)
                found.error_until = FOREVER if self._faulty(found) else 0.0
            return _reply(200, self._document(found, fate))

        return await self._serve("update", call, attempt, update)

    async def checkout_cart(
        self, call: Call, cart_id: str, customer_user: str | None, attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def check_out(fate: Fate, arrival: Arrival) -> Reply:
            cart = self._found(cart_id)
            if cart is None:
                return GONE
            if fate.line_error and cart.status == "Active":
                cart.error_until = max(cart.error_until, self._now() + fate.line_error)
            return self._refused(cart) or self._accepted(cart, fate, arrival)

        return await self._serve("checkout", call, attempt, check_out)

    # --- What they do -------------------------------------------------------------------------

    async def _serve(
        self,
        operation: Operation,
        call: Call,
        attempt: Attempt,
        do: Callable[[Fate, Arrival], Reply],
    ) -> Reply | NoReply:
        self._counts[operation] += 1
        number = self._counts[operation]
        fate = WELL if self.calm else self.faults.get((operation, number), WELL)
        arrival = Arrival(operation, number, SENDER.get(), attempt.request_id, self._now())
        self._arrived(arrival)
        if fate.feature:
            self.met.add(fate.feature)
        told: Reply | NoReply
        if fate.said == "unsent":
            told = NoReply(sent=False, timed_out=False, reason="connection refused")
        elif fate.said == "status" and fate.effect == "never" and not fate.work:
            told = refusal(fate.status, fate.code, fate.retry_after)
        else:
            told = _said(fate, do(fate, arrival))
        if fate.after > attempt.timeout:
            await asyncio.sleep(attempt.timeout)
            told = NoReply(sent=told != NOT_SENT, timed_out=True, reason="no answer in time")
        else:
            await asyncio.sleep(fate.after)
        self._tell(
            "Partner Center", "{} answered: {} {}", arrival, told, fate if fate.feature else ""
        )
        return told

    def _create(self, cart: Mapping[str, Any], fate: Fate, arrival: Arrival) -> Cart:
        """Make a cart, or find that which was made under the same MS-RequestId."""
        if self.habits.deduplicates and arrival.request_id in self._made:
            return self._made[arrival.request_id]
        cart_id = str(uuid.UUID(int=len(self.carts) + 1, version=4))
        lines = self._lines(cart)
        if fate.shape == "changed lines":
            lines[0]["quantity"] *= 1000
        made = Cart(cart_id, arrival.sender, arrival.time, lines, self.habits.partial_is_ordered)
        if self._faulty(made):
            made.error_until = FOREVER
        elif fate.line_error:
            made.error_until = self._now() + fate.line_error
        self.carts[cart_id] = self._made[arrival.request_id] = made
        self._tell("Partner Center", "{} makes cart {}", arrival, cart_id)
        return made

    def _lines(self, cart: Mapping[str, Any]) -> list[dict[str, Any]]:
        groups = self.habits.groups
        return [
            {"id": number, **line, "orderGroup": str(groups[number])}
            for number, line in enumerate(cart["lineItems"])
        ]

    def _faulty(self, cart: Cart) -> bool:
        return self.habits.faulty and cart.lines[0]["catalogItemId"].startswith("ITEM")

    def _found(self, cart_id: str) -> Cart | None:
        cart = self.carts.get(cart_id)
        return None if cart is None or cart.expired else cart

    def _refused(self, cart: Cart) -> Reply | None:
        """How a checkout is answered that has nothing to do now; None if it is accepted."""
        habits = self.habits
        if cart.status == "Ordered":
            if habits.ordered_again == "same":
                left = {
                    group: code for group, code in cart.refused.items() if group not in cart.ordered
                }
                return checked_out(cart.ordered.values(), left, without_ids=habits.without_ids)
            answers = {"submitted": SUBMITTED, "in progress": IN_PROGRESS, "broken": BROKEN}
            return answers[habits.ordered_again]
        if cart.working and habits.while_working != "open":
            refused = refusal(400, "800023")
            return {"busy": BUSY, "in progress": IN_PROGRESS, "refused": refused}[
                habits.while_working
            ]
        if self._now() < cart.error_until:
            return refusal(*habits.line_errors_refused)
        return None

    def _accepted(self, cart: Cart, fate: Fate, arrival: Arrival) -> Reply:
        """A checkout that goes through, now or later or never."""
        lines = lines_of(cart.lines)
        if fate.effect == "now":
            return self._order(cart, fate, arrival, lines)
        cart.working += 1

        def end() -> None:
            cart.working -= 1
            if fate.effect == "late":
                self._order(cart, fate, arrival, lines)

        self._later(fate.work, end)
        return IN_PROGRESS

    def _order(self, cart: Cart, fate: Fate, arrival: Arrival, lines: Mapping[int, Line]) -> Reply:
        """Order what is left of the cart, and answer."""
        errors: dict[int, str] = {}
        before = list(cart.ordered.values())
        for group in sorted(cart.groups() - cart.ordered.keys()):
            code, passes = self.habits.hopeless.get(group, ("", False))
            refused, later = fate.groups.get(group, ("", None))
            if group in cart.pending:
                errors[group] = "800060"
            elif code and not (passes and (self.calm or fate.effect == "late")):
                errors[group] = code
            elif refused:
                errors[group] = refused
                if later is not None:
                    cart.pending.add(group)
                    self._later(later, lambda group=group: self._buy(cart, group, arrival, lines))  # type: ignore[misc]
            else:
                self._buy(cart, group, arrival, lines)
        cart.refused = errors
        orders = [bought for bought in cart.ordered.values() if bought not in before]
        if self.habits.tells == "all":
            orders = before + orders
        without_ids = self.habits.without_ids or fate.shape == "without ids"
        return checked_out(orders, errors, without_ids=without_ids)

    def _buy(self, cart: Cart, group: int, cause: Arrival, lines: Mapping[int, Line]) -> None:
        """Make the order of a group; Partner Center sells a cart once."""
        cart.pending.discard(group)
        if group in cart.ordered:
            return
        numbers = [int(line["id"]) for line in cart.lines if int(line["orderGroup"]) == group]
        purchase = Purchase(
            self._now(),
            cart,
            group,
            {number: lines[number] for number in numbers},
            f"order-{len(self.ledger) + 1}",
            cause,
        )
        cart.ordered[group] = purchase
        self.ledger.append(purchase)
        self._tell("Partner Center", "ORDERS group {} of cart {} for {}", group, cart.id, cause)
        self._bought(purchase)

    def _later(self, seconds: float, do: Callable[[], Any]) -> None:
        self.at_work_until = max(self.at_work_until, self._now() + seconds)
        self._loop.call_later(seconds, do)

    def _expire(self) -> None:
        for cart in self.carts.values():
            cart.expired = cart.expired or cart.status != "Ordered"
            self._tell("Partner Center", "cart {} expires", cart.id)

    def be_calm(self) -> None:
        """No new faults, and no errors of lines but those that stay."""
        self.calm = True
        for cart in self.carts.values():
            stays = self.habits.errors_stay or self._faulty(cart)
            if cart.error_until != FOREVER or not stays:
                cart.error_until = 0.0

    def _document(self, cart: Cart, fate: Fate) -> dict[str, Any]:
        lines = [dict(line) for line in cart.lines]
        if self._now() < cart.error_until:
            lines[0]["error"] = {"errorCode": 10003, "errorDescription": "No inventory."}
        if fate.shape == "no lines":
            lines = []
        if fate.shape == "another cart":
            return {
                "id": str(uuid.UUID(int=99, version=4)),
                "status": "Ordered",
                "lineItems": lines,
            }
        return {"id": cart.id, "status": cart.status, "lineItems": lines}


# --- Answers --------------------------------------------------------------------------------------


def _reply(status: int, document: Any, retry_after: int | None = None) -> Reply:
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Reply(status, headers, json.dumps(document).encode("utf-8-sig"))


def refusal(status: int, code: str, retry_after: int | None = None) -> Reply:
    """A fault of Partner Center."""
    return _reply(status, {"code": code, "description": "Said by it.", "data": []}, retry_after)


def checked_out(orders: Any, errors: Mapping[int, str], *, without_ids: bool = False) -> Reply:
    """A CartCheckoutResult."""
    document: dict[str, Any] = {"orders": [_order(each, without_ids) for each in orders]}
    if errors:
        document["orderErrors"] = [
            {"orderGroupId": str(group), "code": code, "description": "Said by it."}
            for group, code in errors.items()
        ]
    return _reply(201, document)


def _order(purchase: Purchase, without_id: bool) -> dict[str, Any]:
    lines = [
        {"lineItemNumber": number, "offerId": item, "quantity": quantity, "termDuration": term}
        for number, (item, quantity, term, _) in purchase.lines.items()
    ]
    return ({} if without_id else {"id": purchase.order_id}) | {"lineItems": lines}


def _said(fate: Fate, truth: Reply) -> Reply | NoReply:
    """What the sender of a request hears."""
    if fate.said == "lost":
        return NoReply(sent=True, timed_out=False, reason="the connection was lost")
    if fate.said == "garbled":
        return Reply(201, {}, b"<html>201</html>")
    if fate.said == "status":
        return refusal(fate.status, fate.code, fate.retry_after)
    return truth


GONE = refusal(404, "800008")
SUBMITTED = refusal(400, "800065")
IN_PROGRESS = refusal(409, "800060")
BUSY = refusal(409, "800064")
BROKEN = refusal(500, "800005")
NOT_SENT = NoReply(sent=False, timed_out=False, reason="connection refused")
