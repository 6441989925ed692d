"""Stripe's events `checkout.session.*`, and the sessions that are fetched because of them.

An event has no line items and no SKU. The session is read with its payment and all pages of its
line items, whose prices and products are expanded.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from cart_core.storefronts.order import Buyer, Ignored, Line, Notice, Reading, StorefrontOrder
from cart_core.storefronts.platform_types import (
    Count,
    Id,
    Moment,
    NamedValue,
    OptionalText,
    PlatformModel,
    parsed,
    texts_of,
)

PAGE_SIZE: Final = 10
"""Line items on a page, where the request names no other number."""

SESSION_ID: Final = re.compile(r"cs_[A-Za-z0-9_]{1,100}", re.ASCII)
_EVENTS: Final = tuple(
    f"checkout.session.{event}"
    for event in ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
)
_CANCELLING: Final = frozenset(
    {"checkout.session.async_payment_failed", "checkout.session.expired"}
)


class _Subject(PlatformModel):
    id: Id
    object: str


class _Data(PlatformModel):
    object: _Subject


class _Event(PlatformModel):
    type: str
    created: Moment
    livemode: bool
    data: _Data


class _Charge(PlatformModel):
    refunded: bool = False
    amount_refunded: int = 0


class _Payment(PlatformModel):
    latest_charge: _Charge | None = None


class _CustomValue(PlatformModel):
    value: OptionalText = None


class _CustomField(PlatformModel):
    key: str
    text: _CustomValue | None = None
    dropdown: _CustomValue | None = None
    numeric: _CustomValue | None = None


class _Product(PlatformModel):
    metadata: dict[str, OptionalText] = Field(default_factory=dict)


class _Price(PlatformModel):
    lookup_key: OptionalText = None
    metadata: dict[str, OptionalText] = Field(default_factory=dict)
    product: _Product | str | None = None


class _Item(PlatformModel):
    id: Id
    quantity: Count = None
    price: _Price | None = None


class _Session(PlatformModel):
    id: Id
    created: Moment
    livemode: bool
    status: str | None = None
    payment_status: str
    payment_intent: _Payment | str | None = None
    client_reference_id: OptionalText = None
    customer: OptionalText = None
    metadata: dict[str, OptionalText] | None = None
    custom_fields: list[_CustomField] | None = None


def read(body: Mapping[str, Any], received: datetime) -> Reading:
    """The session that an event is about. Raises UnreadableBody.

    Thin events have no object, and are not wanted.
    """
    if body.get("type") not in _EVENTS or "data" not in body:
        return Ignored.UNWANTED
    event = parsed(_Event, body)
    if not event.livemode:
        return Ignored.TEST
    session = event.data.object
    if session.object != "checkout.session" or not SESSION_ID.fullmatch(session.id):
        return Ignored.UNREADABLE
    return Notice(session.id, event.created, event.type in _CANCELLING)


def order_of(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> StorefrontOrder:
    """The order that a fetched session with all its line items is. Raises UnreadableBody.

    `payment_intent.latest_charge` has to be expanded: it tells of refunds. A session has no date of
    its last change, so the date of its making stands for it.
    """
    session = parsed(_Session, body)
    payment = session.payment_intent
    charge = payment.latest_charge if isinstance(payment, _Payment) else None
    fields = [
        NamedValue(name=each.key, value=next((v.value for v in values if v), None))
        for each in session.custom_fields or ()
        if (values := (each.text, each.dropdown, each.numeric))
    ]
    fields += [NamedValue(name=name, value=text) for name, text in (session.metadata or {}).items()]
    fields.append(NamedValue(name="client_reference_id", value=session.client_reference_id))
    return StorefrontOrder(
        id=session.id,
        number=session.id,
        created=session.created,
        changed=session.created,
        lines=tuple(_line(parsed(_Item, item)) for item in items),
        buyer=Buyer(customer=session.customer),
        paid=session.payment_status in {"paid", "no_payment_required"},
        cancelled=session.status == "expired" or bool(charge and charge.refunded),
        edited=bool(charge and charge.amount_refunded),
        test=not session.livemode,
        draft=session.status == "open",
        attributes=texts_of(fields),
    )


def _line(item: _Item) -> Line:
    """A line, with the SKU of its price, or of its product."""
    price = item.price or _Price()
    product = price.product if isinstance(price.product, _Product) else _Product()
    sku = price.metadata.get("sku") or price.lookup_key or product.metadata.get("sku")
    metadata = {**product.metadata, **price.metadata}
    fields = [NamedValue(name=name, value=text) for name, text in metadata.items()]
    return Line(item.id, sku, item.quantity, texts_of(fields))
