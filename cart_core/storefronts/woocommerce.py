"""WooCommerce's orders, as its webhooks `order.*` tell them (REST API v3, Order).

A body is built when the shop's queue runs, and shows the order as it is then.
"""

import re
from collections.abc import Mapping
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

PING: Final = re.compile(rb"webhook_id=[0-9]{1,20}")
"""The unsigned form body that a hook sends when it is switched on. It takes nothing but a 200."""

_DRAFTS: Final = frozenset({"checkout-draft", "auto-draft", "draft"})
_PAID: Final = frozenset({"processing", "completed"})
_CANCELLED: Final = frozenset({"cancelled", "refunded", "failed", "trash"})
"""A failed payment may be tried again. The order then has a newer date, and is open again."""


class _Line(PlatformModel):
    id: Id
    sku: OptionalText = None
    quantity: Count = None
    meta_data: list[NamedValue] | None = None


class _Billing(PlatformModel):
    email: OptionalText = None


class _Order(PlatformModel):
    id: Id
    number: OptionalText = None
    status: str
    date_created_gmt: Moment
    date_modified_gmt: Moment
    date_paid_gmt: Moment | None = None
    customer_id: Id = "0"
    billing: _Billing | None = None
    meta_data: list[NamedValue] | None = None
    line_items: list[_Line]
    refunds: list[Any] | None = None


def read(body: Mapping[str, Any], received: datetime) -> Reading:
    """The order in a delivery. Raises UnreadableBody.

    A body that has nothing but an id says that the order was deleted.
    """
    if body.keys() == {"id"}:
        return Notice(parsed(_Deleted, body).id, received, cancelled=True)
    if "id" not in body and {"code", "message"} <= body.keys():
        return Ignored.ERROR_BODY
    if not {"order_key", "line_items"} <= body.keys():
        return Ignored.UNWANTED
    order = parsed(_Order, body)
    return StorefrontOrder(
        id=order.id,
        number=order.number or order.id,
        created=order.date_created_gmt,
        changed=order.date_modified_gmt,
        lines=tuple(
            Line(line.id, line.sku, line.quantity, texts_of(line.meta_data or ()))
            for line in order.line_items
        ),
        buyer=Buyer(
            customer=order.customer_id if order.customer_id != "0" else None,
            email=order.billing.email if order.billing else None,
        ),
        paid=order.status in _PAID or order.date_paid_gmt is not None,
        cancelled=order.status in _CANCELLED,
        # The body of a refunded order shows the lines as they were ordered.
        edited=bool(order.refunds),
        draft=order.status in _DRAFTS,
        attributes=texts_of(order.meta_data or ()),
    )


class _Deleted(PlatformModel):
    id: Id
