"""The order of a storefront, in one shape whichever platform it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Texts = Mapping[str, str]
"""Texts that a theme, an app or a shopper has put into an order: each by its name."""


class Ignored(StrEnum):
    """Why a signed delivery is acknowledged and nothing is done about it."""

    PING = "ping"
    TEST = "test"
    DRAFT = "draft"
    ERROR_BODY = "error_body"
    """WooCommerce signs the error of its own REST API where the hook's owner lost a right."""
    UNWANTED = "unwanted"
    """It is about something else than an order, or says of an order what another delivery says."""
    BEFORE_SINCE = "before_since"
    """The order was made before the source was connected."""
    UNREADABLE = "unreadable"
    """It names no order in the shape that the platform documents."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order.

    `quantity` is what is still ordered, after edits and refunds; None where that is no whole number
    or is not told. `sku` is None for a line without one.
    """

    id: str
    sku: str | None
    quantity: int | None
    properties: Texts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys, by the ids that the shop gives; None where there is none.

    `email_verified` says that the shop itself has verified the address. A guest has no `customer`.
    """

    company_location: str | None = None
    company: str | None = None
    customer: str | None = None
    external_id: str | None = None
    email: str | None = None
    email_verified: bool = False


@dataclass(frozen=True, slots=True)
class StorefrontOrder:
    """An order as one delivery, or the shop's own API, tells it.

    `id` is the platform's order id, `number` what people call the order. `created` and `changed`
    are the order's own dates, in UTC. `cancelled` is also true for an order that is refunded as a
    whole. `on_terms` says that it is to be paid later, by agreement. `edited` says that lines were
    refunded or changed and the body does not tell what is left of them.
    """

    id: str
    number: str
    created: datetime
    changed: datetime
    lines: tuple[Line, ...]
    buyer: Buyer = Buyer()
    paid: bool = False
    on_terms: bool = False
    cancelled: bool = False
    edited: bool = False
    test: bool = False
    draft: bool = False
    attributes: Texts = field(default_factory=dict)

    @property
    def units(self) -> int:
        """How many units are still ordered in all lines, as far as the body tells."""
        return sum(line.quantity or 0 for line in self.lines)


@dataclass(frozen=True, slots=True)
class Notice:
    """A delivery that says only which order has changed: the order has to be fetched.

    `cancelled` is what the notice itself says. `changed` is its own date.
    """

    order_id: str
    changed: datetime
    cancelled: bool = False


Reading = StorefrontOrder | Notice | Ignored
"""What a body is to us."""
