"""Shopify's orders, as its webhooks `orders/*` tell them (the REST resource Order)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cart_core.storefronts.order import Buyer, Ignored, Line, Reading, StorefrontOrder
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

SAMPLE_ID: Final = "820982911946154508"
"""The order in the test notification that the admin page sends."""


class _Customer(PlatformModel):
    id: Id
    email: OptionalText = None
    verified_email: bool | None = None
    state: OptionalText = None


class _Company(PlatformModel):
    id: Id
    location_id: Id | None = None


class _Line(PlatformModel):
    id: Id
    sku: OptionalText = None
    quantity: Count = None
    current_quantity: Count = None
    properties: list[NamedValue] | None = None


class _Order(PlatformModel):
    id: Id
    name: OptionalText = None
    created_at: Moment
    updated_at: Moment
    cancelled_at: Moment | None = None
    financial_status: str | None
    payment_terms: dict[str, Any] | None = None
    test: bool | None = None
    note_attributes: list[NamedValue] | None = None
    customer: _Customer | None = None
    company: _Company | None = None
    line_items: list[_Line]
    refunds: list[Any] | None = None


def read(body: Mapping[str, Any], received: datetime) -> Reading:
    """The order in a delivery. Raises UnreadableBody.

    Only orders have a `financial_status`: drafts, refunds, customers and `orders/edited` have none,
    and of what they say about an order `orders/updated` tells as well.
    """
    if "financial_status" not in body:
        return Ignored.UNWANTED
    order = parsed(_Order, body)
    return StorefrontOrder(
        id=order.id,
        number=order.name or order.id,
        created=order.created_at,
        changed=order.updated_at,
        lines=tuple(_line(line) for line in order.line_items),
        buyer=_buyer(order),
        paid=order.financial_status in {"paid", "partially_refunded"},
        on_terms=bool(order.payment_terms) and order.financial_status in {"pending", "authorized"},
        cancelled=order.cancelled_at is not None
        or order.financial_status in {"refunded", "voided"},
        edited=bool(order.refunds) and any(not _tells_rest(line) for line in order.line_items),
        test=bool(order.test) or order.id == SAMPLE_ID,
        attributes=texts_of(order.note_attributes or ()),
    )


def _line(line: _Line) -> Line:
    quantity = line.current_quantity if _tells_rest(line) else line.quantity
    return Line(line.id, line.sku, quantity, texts_of(line.properties or ()))


def _tells_rest(line: _Line) -> bool:
    """Whether the line says what is left of it; API versions before 2021 do not."""
    return "current_quantity" in line.model_fields_set


def _buyer(order: _Order) -> Buyer:
    customer, company = order.customer, order.company
    has_account = customer is not None and customer.state == "enabled"
    return Buyer(
        company_location=company.location_id if company else None,
        company=company.id if company else None,
        customer=customer.id if customer else None,
        email=customer.email if customer else None,
        email_verified=has_account and bool(customer and customer.verified_email),
    )
