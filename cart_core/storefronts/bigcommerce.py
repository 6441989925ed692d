"""BigCommerce's webhooks `store/order/*`, and the orders that are fetched because of them.

A webhook names an order and no more. The order is read from Orders v2, with all pages of its
products.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

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

PAGE_SIZE: Final = 50
"""Products on a page, where the request names no other number."""

_SCOPES: Final = tuple(
    f"store/order/{event}" for event in ("created", "updated", "statusUpdated", "archived")
)
_CANCELLED: Final = frozenset({4, 5, 6})
"""Refunded, Cancelled, Declined."""
_PAID: Final = frozenset({8, 9, 10, 11, 14})
"""Awaiting Pickup, Awaiting Shipment, Completed, Awaiting Fulfillment, Partially Refunded.

Shipped and Partially Shipped (2 and 3) prove no payment where goods are shipped on account.
"""
_INCOMPLETE: Final = 0


class _Status(PlatformModel):
    new_status_id: int | None = None


class _Data(PlatformModel):
    type: str
    id: Id
    status: _Status | None = None


class _Webhook(PlatformModel):
    scope: str
    producer: str
    data: _Data
    created_at: Moment


class _Address(PlatformModel):
    form_fields: list[NamedValue] | None = None


class _Option(PlatformModel):
    display_name: OptionalText = None
    name: OptionalText = None
    display_value: OptionalText = None
    value: OptionalText = None


class _Product(PlatformModel):
    id: Id
    sku: OptionalText = None
    quantity: Count = None
    quantity_refunded: Count = None
    product_options: list[_Option] | None = None


class _ExtraField(PlatformModel):
    fieldName: OptionalText = None  # noqa: N815  # the name on the wire
    fieldValue: OptionalText = None  # noqa: N815  # the name on the wire


class _Order(PlatformModel):
    id: Id
    status_id: int
    payment_status: OptionalText = None
    date_created: Moment
    date_modified: Moment
    customer_id: Id = "0"
    billing_address: _Address | None = None
    extraFields: list[_ExtraField] | None = None  # noqa: N815  # the name on the wire
    is_deleted: bool = False


def read(body: Mapping[str, Any], received: datetime, *, store_hash: str) -> Reading:
    """The order that a webhook of this store names. Raises UnreadableBody."""
    if body.get("scope") not in _SCOPES:
        return Ignored.UNWANTED
    webhook = parsed(_Webhook, body)
    if webhook.producer != f"stores/{store_hash}" or webhook.data.type != "order":
        return Ignored.UNWANTED
    if not webhook.data.id.isdecimal():
        return Ignored.UNREADABLE
    status = webhook.data.status
    cancelled = status is not None and status.new_status_id in _CANCELLED
    return Notice(webhook.data.id, webhook.created_at, cancelled)


def order_of(body: Mapping[str, Any], products: Sequence[Mapping[str, Any]]) -> StorefrontOrder:
    """The order in the answers of Orders v2, with all its products. Raises UnreadableBody."""
    order = parsed(_Order, body)
    fields = (order.billing_address and order.billing_address.form_fields) or []
    extra = [
        NamedValue(name=each.fieldName, value=each.fieldValue) for each in order.extraFields or ()
    ]
    captured = (order.payment_status or "").lower() in {"captured", "paid"}
    return StorefrontOrder(
        id=order.id,
        number=order.id,
        created=order.date_created,
        changed=order.date_modified,
        lines=tuple(_line(parsed(_Product, product)) for product in products),
        buyer=Buyer(customer=order.customer_id if order.customer_id != "0" else None),
        paid=order.status_id in _PAID or captured,
        cancelled=order.status_id in _CANCELLED or order.is_deleted,
        draft=order.status_id == _INCOMPLETE,
        attributes=texts_of([*fields, *extra]),
    )


def _line(product: _Product) -> Line:
    options = [
        NamedValue(name=each.display_name or each.name, value=each.display_value or each.value)
        for each in product.product_options or ()
    ]
    left = product.quantity
    if left is not None and product.quantity_refunded:
        left = max(0, left - product.quantity_refunded)
    return Line(product.id, product.sku, left, texts_of(options))
