"""What one order comes to: nothing, a wait, a parked order, or what is bought for whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from cart_core.storefronts.customers import (
    CustomerRules,
    Customers,
    NamedTenants,
    agreed,
    named_tenants,
)
from cart_core.storefronts.order import Ignored, Line, StorefrontOrder
from cart_core.storefronts.parking import Reason
from cart_core.storefronts.release import ReleaseRule, is_released
from cart_core.storefronts.sku import Item, NotAnItem, SkuRules, read_sku

ForeignRule = Literal["ignore", "park", "refuse"]
"""What becomes of an order with a line that is not Microsoft's."""


@dataclass(frozen=True, slots=True)
class MappingRules:
    """How a source's orders are read. `since` is when the source was connected, in UTC."""

    since: datetime
    release: ReleaseRule
    customers: CustomerRules
    skus: SkuRules
    foreign_lines: ForeignRule = "ignore"


class PartLine(NamedTuple):
    """One line that is bought. `line` is the platform's id of it."""

    line: str
    item: Item
    quantity: int

    def as_json(self) -> dict[str, Any]:
        """The line item of a cart in which it is bought."""
        line = {
            "catalogItemId": f"{self.item.product_id}:{self.item.sku_id}",
            "quantity": self.quantity,
            "billingCycle": self.item.billing_cycle,
        }
        return line | ({"termDuration": self.item.term} if self.item.term else {})


class Part(NamedTuple):
    """What one customer gets: one operation. `customer_id` is a GUID in lower case."""

    customer_id: str
    lines: tuple[PartLine, ...]

    def as_json(self) -> dict[str, Any]:
        """The part as it is shown and recorded; its `cart` is the body of an order."""
        return {
            "customerId": self.customer_id,
            "lines": [line.line for line in self.lines],
            "cart": {"lineItems": [line.as_json() for line in self.lines]},
        }


class Verdict(StrEnum):
    """Why nothing is bought now, where nobody has to do anything."""

    CANCELLED = "cancelled"
    """The order is cancelled, or refunded as a whole."""
    WAITING = "waiting"
    """The order is not released yet; a later delivery will tell."""
    NOTHING = "nothing"
    """No line of the order is Microsoft's, or none is left of them."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A person is needed, for each of these reasons."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The source refuses orders with lines that are not Microsoft's; these are the lines."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """All that is to be bought, one part for each customer."""

    parts: tuple[Part, ...]


Resolution = Ignored | Verdict | Parked | Refused | Parts


def standing_of(order: StorefrontOrder, rules: MappingRules) -> Ignored | Verdict | None:
    """What can be said before a line is looked at; None for an order that may be bought."""
    if order.test:
        return Ignored.TEST
    if order.draft:
        return Ignored.DRAFT
    if order.created < rules.since:
        return Ignored.BEFORE_SINCE
    if order.cancelled:
        return Verdict.CANCELLED
    return None if is_released(order, rules.release) else Verdict.WAITING


async def resolve(order: StorefrontOrder, rules: MappingRules, customers: Customers) -> Resolution:
    """What an order comes to. Every line is resolved, or the whole order is parked.

    Asks `customers` once for each tenant that a line of Microsoft's names. Raises Problem where
    that could not be found out.
    """
    if early := standing_of(order, rules):
        return early
    read = _read_lines(order, rules)
    if isinstance(read, Parked | Refused | Verdict):
        return read
    named_by, parked = _named_by_lines(read, order, rules.customers)
    if parked:
        return parked
    tenants = sorted({tenant for named in named_by.values() for tenant in named.tenants})
    return _parts(read, named_by, {tenant: await customers.find(tenant) for tenant in tenants})


_Read = list[tuple[Line, PartLine]]


def _read_lines(order: StorefrontOrder, rules: MappingRules) -> _Read | Parked | Refused | Verdict:
    """The lines that are Microsoft's. Those of which nothing is left are not looked at."""
    reasons: list[Reason] = [Reason("order_edited")] if order.edited else []
    wanted: _Read = []
    foreign: list[Line] = []
    for line in order.lines:
        if line.quantity == 0:
            continue
        item = read_sku(line.sku, rules.skus)
        if isinstance(item, NotAnItem):
            if item.code is None:
                foreign.append(line)
            else:
                reasons.append(Reason(item.code, line.id, line.sku or ""))
        elif line.quantity is None:
            reasons.append(Reason("quantity_unknown", line.id, line.sku or ""))
        else:
            wanted.append((line, PartLine(line.id, item, line.quantity)))
    if foreign and rules.foreign_lines == "refuse":
        return Refused(tuple(line.id for line in foreign))
    if foreign and rules.foreign_lines == "park":
        reasons += [Reason("foreign_line", line.id, line.sku or "") for line in foreign]
    if not wanted and all(reason.code == "order_edited" for reason in reasons):
        return Verdict.NOTHING
    return Parked(tuple(reasons)) if reasons else wanted


def _named_by_lines(
    read: _Read, order: StorefrontOrder, rules: CustomerRules
) -> tuple[dict[str, NamedTenants], Parked | None]:
    """The tenants that each line names, by its id; or the reasons for which an order is parked."""
    named_by: dict[str, NamedTenants] = {}
    reasons: list[Reason] = []
    for line, _ in read:
        named = named_tenants(line, order, rules)
        if isinstance(named, Reason):
            reasons.append(named)
        else:
            named_by[line.id] = named
    return named_by, Parked(tuple(reasons)) if reasons else None


def _parts(
    read: _Read, named_by: Mapping[str, NamedTenants], found: Mapping[str, str | None]
) -> Parts | Parked:
    """The lines of each customer, in the order in which the shop tells them."""
    lines: dict[str, list[PartLine]] = {}
    reasons: list[Reason] = []
    for line, wanted in read:
        customer = agreed(named_by[line.id], found, line)
        if isinstance(customer, Reason):
            reasons.append(customer)
        else:
            lines.setdefault(customer, []).append(wanted)
    if reasons:
        return Parked(tuple(reasons))
    return Parts(tuple(Part(customer, tuple(own)) for customer, own in sorted(lines.items())))
