"""What is remembered of a storefront's order, in one small document.

Deliveries and the purchase contend for it by its ETag. It never expires, because shops send updates
of an order for years.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from cart_core.storefronts.changes import Standing, newest
from cart_core.storefronts.parking import Reason, ReasonCode

VERSION: Final = 1

RECORDS: Final = "orders/"

State = Literal["open", "waiting", "parked", "refused", "discarded", "nothing", "frozen", "ended"]
"""What the order is at.

    open      a delivery has to be worked off
    waiting   the source's rule does not release it yet
    parked    it needs a person; `reasons` say why
    discarded a person has said that it is never bought
    refused   the source refuses orders with lines that are not Microsoft's
    nothing   no line of it is Microsoft's
    frozen    `parts` are resolved, and nothing has been bought
    ended     every part has its result

A part whose purchase had not begun when the order was cancelled is not bought.
"""

PartStatus = Literal["completed", "partial", "failed", "unknown"]

ORDER_CANCELLED: Final = "order_cancelled"
"""The problem of a part that was not bought because the shop's order was cancelled before."""


class _Stored(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class StoredStanding(_Stored):
    """A Standing in the record."""

    changed: datetime
    cancelled: bool
    paid: bool
    units: int
    body: str


class StoredPart(_Stored):
    """One customer's part of the order, as it is bought. `cart` is the body of an order."""

    customer_id: str
    lines: list[str]
    cart: dict[str, Any]


class PartResult(_Stored):
    """What became of one part. `problem` is the code of an error."""

    status: PartStatus
    cart_id: str | None = None
    orders: list[str] = []
    subscriptions: list[str] = []
    problem: str | None = None


class Flag(_Stored):
    """What a person has to see of an order whose parts stay as they are.

    `about` says what the shop's order comes to now. `settled` is what a person has dealt with.
    """

    code: ReasonCode
    about: str = ""
    settled: bool = False

    @property
    def reason(self) -> Reason:
        """The flag as a reason why a person is needed."""
        return Reason(self.code, None, self.about)


class OrderRecord(_Stored):
    """The record of one order. Records do not change: each method gives the next one.

    `lookedAt` is the body that was looked into last; where it is not that of `standing`, there is
    something to do; `nextAttempt` is when, where that was put off. `handedOver` says that whoever
    buys has taken all parts over, which happens once. `begun` has the customers whose purchase has
    begun. `reported` has the ids of the reports that were handed over.
    """

    version: int = VERSION
    source: str
    order_id: str
    state: State = "open"
    standing: StoredStanding
    looked_at: str | None = None
    received_at: datetime
    next_attempt: datetime | None = None
    reasons: list[dict[str, Any]] = []
    parts: list[StoredPart] | None = None
    handed_over: bool = False
    begun: list[str] = []
    results: dict[str, PartResult] = {}
    flags: list[Flag] = []
    reported: list[str] = []

    @classmethod
    def first(cls, source: str, order_id: str, standing: Standing, now: datetime) -> Self:
        """The record of an order of which this is the first delivery."""
        return cls(source=source, order_id=order_id, standing=_stored(standing), received_at=now)

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Raises ValueError."""
        return cls.model_validate_json(content)

    def to_json(self) -> bytes:
        """The document's content."""
        return self.model_dump_json(by_alias=True).encode()

    @property
    def name(self) -> str:
        """Under which name the record is stored."""
        return record_name(self.source, self.order_id)

    @property
    def cancelled(self) -> bool:
        """Whether the delivery that decides says that the order is cancelled."""
        return self.standing.cancelled

    @property
    def is_bought(self) -> bool:
        """Whether the purchase of any part has begun: then a cancellation comes too late for it."""
        return bool(self.begun)

    @property
    def needs_person(self) -> bool:
        """Whether the order waits for a person, or has a flag that nobody has dealt with."""
        return self.state == "parked" or any(not flag.settled for flag in self.flags)

    def received(self, arrived: Standing, now: datetime) -> Self:
        """After one more delivery. The same record where it changes nothing."""
        current = _standing(self.standing)
        decides = newest(current, arrived)
        if decides == current:
            return self
        changes = {"standing": _stored(decides), "received_at": now, "next_attempt": None}
        after = self.model_copy(update=changes)
        settled = self.parts is not None or self.state == "discarded"
        return after if settled else after._in("open", looked_at=None)

    def put_off(self, until: datetime) -> Self:
        """The record after a failure: nothing is tried before `until`."""
        return self.model_copy(update={"next_attempt": until})

    def with_parts_handed_over(self) -> Self:
        """The record after all parts were handed over to be bought."""
        return self.model_copy(update={"handed_over": True})

    def found_cancelled(self) -> Self:
        """After it was seen that the order is cancelled, by its body or by the shop itself.

        It is flagged where that comes too late.
        """
        standing = self.standing.model_copy(update={"cancelled": True})
        after = self.model_copy(update={"standing": standing})
        return after.flagged("cancelled_after_purchase") if self.is_bought else after

    @property
    def is_looked_into(self) -> bool:
        """Whether the body that decides was looked into already."""
        return self.looked_at == self.standing.body

    def looked_into(self) -> Self:
        """After the body that decides was looked into."""
        return self.model_copy(update={"looked_at": self.standing.body, "next_attempt": None})

    def resolved(self, state: State, reasons: Sequence[Reason] = ()) -> Self:
        """After the order was looked into and nothing of it is bought now.

        An order that has its parts keeps them. That it comes to something else now is flagged.
        """
        if self.parts is not None:
            codes = ", ".join(sorted({reason.code for reason in reasons}))
            return self.flagged("resolved_differently", codes or state)
        return self._in(state, reasons=[reason.as_json() for reason in reasons])

    def frozen(self, parts: Sequence[dict[str, Any]]) -> Self:
        """With the parts that are bought from now on, whatever a later delivery says.

        Where the order has parts already, it keeps them; other ones are flagged, and so are those
        that were not bought because the order was cancelled then.
        """
        new = [StoredPart.model_validate(part) for part in parts]
        if self.parts is None:
            return self._in("frozen", parts=new)
        given_up = any(each.problem == ORDER_CANCELLED for each in self.results.values())
        if new == self.parts and not given_up:
            return self
        return self.flagged("resolved_differently", "; ".join(map(_summary, new)))

    def with_begun(self, customer_id: str) -> Self | None:
        """With the purchase of one part begun; None where it must not begin.

        It must not where the order is cancelled, and where it has no such part.
        """
        if customer_id in self.begun:
            return self
        known = customer_id in {part.customer_id for part in self.parts or ()}
        if self.cancelled or not known:
            return None
        return self.model_copy(update={"begun": [*self.begun, customer_id]})

    def with_nothing_bought(self, customer_id: str) -> Self:
        """After it is certain that the purchase that had begun has bought nothing."""
        begun = [each for each in self.begun if each != customer_id]
        late = [each for each in self.flags if begun or each.code != "cancelled_after_purchase"]
        return self.model_copy(update={"begun": begun, "flags": late})

    def released(self) -> Self:
        """After a person has said that a parked order is to be looked into again."""
        return self._in("open", looked_at=None) if self.state == "parked" else self

    def discarded(self) -> Self:
        """After a person has said that a parked order is never bought, and has seen its flags."""
        flags = [flag.model_copy(update={"settled": True}) for flag in self.flags]
        after = self.model_copy(update={"flags": flags})
        return after._in("discarded") if self.state == "parked" else after

    def with_result(self, customer_id: str, result: PartResult) -> Self:
        """With what became of one customer's part; ended once each part has its result."""
        results = {**self.results, customer_id: result}
        ended = {part.customer_id for part in self.parts or ()} <= results.keys()
        return self._in("ended" if ended else self.state, results=results)

    def with_report(self, event: str) -> Self:
        """After a report was handed over to be sent."""
        return self.model_copy(update={"reported": [*self.reported, event]})

    def _in(self, state: State, **changes: Any) -> Self:
        return self.model_copy(update={"reasons": [], **changes, "state": state})

    def flagged(self, code: ReasonCode, about: str = "") -> Self:
        """With something that a person has to see; the same once more changes nothing."""
        if any((flag.code, flag.about) == (code, about) for flag in self.flags):
            return self
        others = [flag for flag in self.flags if flag.code != code]
        return self.model_copy(update={"flags": [*others, Flag(code=code, about=about)]})


def _summary(part: StoredPart) -> str:
    """A part in one line for a person."""
    lines = (f"{each['quantity']} x {each['catalogItemId']}" for each in part.cart["lineItems"])
    return f"{', '.join(lines)} for {part.customer_id}"


def _stored(standing: Standing) -> StoredStanding:
    return StoredStanding(
        changed=standing.changed,
        cancelled=standing.cancelled,
        paid=standing.paid,
        units=-standing.fewer_units,
        body=standing.body,
    )


def _standing(stored: StoredStanding) -> Standing:
    return Standing.of(
        stored.changed,
        cancelled=stored.cancelled,
        paid=stored.paid,
        units=stored.units,
        body=stored.body,
    )


def record_name(source: str, order_id: str) -> str:
    """The name of an order's record. No age rule of the storage account covers it."""
    return f"{RECORDS}{source}/{_digest(order_id)}"


def source_of(record: str) -> str:
    """The source of an order, by the name of its record."""
    return record.removeprefix(RECORDS).partition("/")[0]


def body_name(source: str, order_id: str, body: bytes) -> str:
    """The name of a delivery's body, the same for the same bytes."""
    return f"{source}/{_digest(order_id)}/{hashlib.sha256(body).hexdigest()}"


def order_folder(record: str) -> str:
    """What the names of all bodies of an order begin with, by the name of its record."""
    return f"{record.removeprefix(RECORDS)}/"


def since_name(source: str) -> str:
    """The name of the document that holds when a source was first seen."""
    return f"sources/{source}"


def purchase_key(source: str, order_id: str) -> str:
    """The idempotency key of an order's purchase, for each of its customers."""
    return f"storefront-{source}-{_digest(order_id)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
