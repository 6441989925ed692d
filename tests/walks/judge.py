"""What must hold in every walk. The judge knows what Partner Center did and what the shop was told.

It knows nothing of how the app decides, of its store or of its records.
"""

import traceback
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cart_core.api.messages import Response
from tests.walks.partner_center import Arrival, Cart, Line, PartnerCenter, Purchase

FINAL_REFUSALS = ("rejected", "not_sent")

PASSING = frozenset({"800003", "800064", "800082", "900112", "900113", "900192", "900278"})
"""Codes by which Partner Center refuses for now."""


class Violation(Exception):
    """A rule is broken. `rule` is its name."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule


@dataclass(eq=False, slots=True)
class Sent:
    """One request of the shop. `key` is the idempotency key that the order has at that time.

    `waits`: the shop still waits for the answer.
    """

    id: str
    key: str
    began: float
    waits: bool = True
    answer: Response | None = None

    @property
    def refused(self) -> bool:
        """Whether it was told that it had no effect."""
        return self.answer is not None and self.answer.body.get("outcome") in FINAL_REFUSALS

    @property
    def may_be_repeated(self) -> bool:
        """Whether it was told that the same request may succeed later."""
        return self.answer is None or bool(self.answer.body["retryable"])


@dataclass(frozen=True, slots=True)
class _Told:
    """A statement to the shop that later purchases may belie.

    `not_bought` are the order groups that it denies; None if it says that nothing was done.
    `warned_of` are those that may be ordered without being told.
    """

    time: float
    sent: Sent
    cart_id: str | None
    not_bought: Collection[int] | None
    warned_of: Collection[int]
    nobody_waits: frozenset[str]
    """The requests whose answers the shop did not wait for then."""


@dataclass(slots=True)
class Judge:
    """Raises Violation. `now` is in seconds of the walk.

    `deadline` and `longest_request` are the app's settings, in seconds.

    `contents` are the lines that may be bought, by their numbers: those of the order, and those of
    a cart that the shop put after a refusal.
    """

    now: Callable[[], float]
    deadline: float
    longest_request: float
    deduplicates: bool
    contents: list[Mapping[int, Line]]
    sent: dict[str, Sent] = field(default_factory=dict)
    center: PartnerCenter = field(init=False)
    violations: list[Violation] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    _told: list[_Told] = field(default_factory=list)
    _bought_lines: dict[int, Purchase] = field(default_factory=dict)

    # --- What Partner Center does -------------------------------------------------------------

    def arrived(self, arrival: Arrival) -> None:
        """A request arrived at Partner Center."""
        sent = self.sent[arrival.sender]
        if arrival.time > sent.began + self.deadline + 1e-6:
            self._broken("sent after the deadline", f"{arrival} for {sent.id}")

    def bought(self, purchase: Purchase) -> None:
        """Partner Center made an order."""
        cart, key = purchase.cart, self.key_of(purchase.cart)
        for number, line in purchase.lines.items():
            if not any(content.get(number) == line for content in self.contents):
                self._broken("not what was ordered", f"line {number} is {line}")
            if before := self._bought_lines.get(number):
                self._broken(
                    "bought twice",
                    f"line {number} in cart {before.cart.id} and in cart {cart.id}",
                )
            self._bought_lines[number] = purchase
        for told in self._told:
            if told.sent.key != key or not self._by_then(told, purchase.cause):
                continue
            if told.not_bought is None:
                self._broken(
                    "refused what was bought later", f"{told.sent.id} at {told.time:.1f} s"
                )
            if told.cart_id != cart.id:
                continue
            # After a partial answer another delivery under the same key may buy the rest.
            if purchase.cause.time > told.time:
                continue
            if purchase.group in (told.not_bought or ()):
                self._broken(
                    "said not to be bought, and bought later",
                    f"group {purchase.group}, {told.sent.id} at {told.time:.1f} s",
                )
            elif purchase.group not in told.warned_of:
                self._broken(
                    "bought, and never told",
                    f"group {purchase.group}, {told.sent.id} at {told.time:.1f} s",
                )

    def _by_then(self, told: _Told, cause: Arrival) -> bool:
        """Whether a statement had to know of a request.

        It was sent before, or it was sent for a request that the shop had given up before.
        """
        return cause.time <= told.time or cause.sender in told.nobody_waits

    # --- What the shop is told ----------------------------------------------------------------

    def answered(self, sent: Sent, response: Response) -> None:
        """The shop was told something about its order."""
        body = response.body
        if response.status == 500:
            self._broken("unexpected error", f"{body.get('code')} to {sent.id}")
        elif "outcome" in body:
            self.statuses[str(body["outcome"])] += 1
            self._failed(sent, body)
        elif "orders" in body:
            self.statuses[body["status"]] += 1
            self._ordered(sent, body)
        else:
            self.statuses["created"] += 1
            self._created(sent, body)

    def _failed(self, sent: Sent, body: Mapping[str, Any]) -> None:
        codes = {error["code"] for error in body["orderErrors"]}
        codes = codes or {(body["partnerCenter"] or {}).get("code")}
        if codes <= PASSING and not body["retryable"]:
            self._broken("refused for good, though it passes", f"{codes} to {sent.id}")
        if body["outcome"] not in FINAL_REFUSALS:
            return
        done = self._purchases(lambda cart: self.key_of(cart) == sent.key)
        if done:
            self._broken(
                "refused what was bought",
                f"{body['outcome']} to {sent.id}, after {done[0].order_id}",
            )
        self._note(sent, None, None, ())

    def _created(self, sent: Sent, body: Mapping[str, Any]) -> None:
        cart = self.center.carts.get(body["id"])
        if cart is None or self.key_of(cart) != sent.key:
            self._broken("a cart of somebody else", f"{body['id']} to {sent.id}")
        self.at_most_one_cart()

    def _ordered(self, sent: Sent, body: Mapping[str, Any]) -> None:
        cart = self.center.carts.get(body["cartId"])
        if cart is None or self.key_of(cart) != sent.key:
            self._broken("a cart of somebody else", f"{body['cartId']} to {sent.id}")
            return
        done = self._purchases(lambda each: each is cart)
        missing = self._missing(sent, body["orders"], done)
        warned = _warned_of(body, cart.groups())
        if missing := [purchase for purchase in missing if purchase.group not in warned]:
            self._broken("bought, and not told", f"{missing[0].order_id} in {sent.id}")
        ordered = {purchase.group for purchase in done}
        denied = _denied(body)
        if denied & ordered:
            self._broken("said not to be bought, and was bought", f"{denied & ordered}, {sent.id}")
        if body["status"] == "completed" and ordered != cart.groups():
            self._broken("completed, and not all is bought", f"only {ordered}, {sent.id}")
        if body["status"] == "ordered" and cart.status != "Ordered":
            self._broken("ordered, and the cart is not", f"{cart.id}, {sent.id}")
        self._note(sent, cart.id, denied, warned)

    def _missing(
        self, sent: Sent, orders: list[Mapping[str, Any]], done: list[Purchase]
    ) -> list[Purchase]:
        """The purchases that an answer does not tell. Each order that it tells is one of them."""
        left = list(done)
        for order in sorted(orders, key=lambda order: order["id"] is None):
            lines = {
                line["lineItemNumber"]: (line["offerId"], line["quantity"])
                for line in order["lineItems"]
            }
            match = [
                purchase
                for purchase in left
                if order["id"] in (purchase.order_id, None) and _is(purchase, lines)
            ]
            if match:
                left.remove(match[0])
            else:
                again = order["id"] is None and any(_is(purchase, lines) for purchase in done)
                rule = "an order told twice" if again else "an order that was not made"
                self._broken(rule, f"{order['id']} in {sent.id}")
        return left

    # --- The end ------------------------------------------------------------------------------

    def at_most_one_cart(self) -> None:
        """While Partner Center honours MS-RequestId, one key makes one cart.

        It may make another one once no request for the first one can be under way.
        """
        last: dict[str, Cart] = {}
        for cart in self.center.carts.values() if self.deduplicates else ():
            key = self.key_of(cart)
            if key in last and cart.asked_at < last[key].asked_at + self.longest_request:
                self._broken("two carts for one key", key)
            last[key] = cart

    def never_ends(self, answer: Response | None) -> None:
        """The faults are long over, and the shop has no final answer."""
        said = answer and {name: answer.body.get(name) for name in ("code", "status", "detail")}
        self._broken("never ends", f"the last answer is {said}")

    def crashed(self, sent: Sent, error: Exception) -> None:
        """The app raised an exception that is no Problem."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        self._broken(
            "unexpected exception", f"{error!r} in {place.filename}:{place.lineno}, {sent.id}"
        )

    def changed(self, before: Response, after: Response) -> None:
        """A final answer was given again, and is another one."""
        self._broken("a final answer changed", f"from {before.body} to {after.status} {after.body}")

    def may_be_refused(self, key: str) -> bool:
        """Whether some request under a key was refused, or has no answer."""
        under_key = [sent for sent in self.sent.values() if sent.key == key and not sent.waits]
        return any(sent.refused or sent.answer is None for sent in under_key)

    def key_of(self, cart: Cart) -> str:
        """The key under which a cart was made."""
        return self.sent[cart.maker].key

    def _purchases(self, of: Callable[[Cart], bool]) -> list[Purchase]:
        return [purchase for purchase in self.center.ledger if of(purchase.cart)]

    def _note(
        self,
        sent: Sent,
        cart_id: str | None,
        not_bought: Collection[int] | None,
        warned_of: Collection[int],
    ) -> None:
        given_up = frozenset(each.id for each in self.sent.values() if not each.waits)
        self._told.append(_Told(self.now(), sent, cart_id, not_bought, warned_of, given_up))

    def _broken(self, rule: str, detail: str) -> None:
        self.violations.append(Violation(rule, detail))


def _is(purchase: Purchase, lines: Mapping[int, tuple[str, int]]) -> bool:
    """Whether an order with these lines, told by number, is this purchase."""
    made = purchase.lines.items()
    return lines == {number: (item, quantity) for number, (item, quantity, *_) in made}


def _warned_of(body: Mapping[str, Any], groups: Collection[int]) -> set[int]:
    """The order groups of which an answer says that they may be ordered without being told."""
    codes = {"orders_not_retrieved", "order_in_progress"}
    said = [each["detail"] for each in body["warnings"] if each["code"] in codes]
    if said and body["status"] == "ordered":
        return set(groups)
    return {group for group in groups if any(f"'{group}'" in detail for detail in said)}


def _denied(body: Mapping[str, Any]) -> set[int]:
    """The order groups of which an answer says that they are not bought."""
    errors = body["orderErrors"]
    return {int(each["orderGroupId"]) for each in errors if each["outcome"] == "rejected"}
