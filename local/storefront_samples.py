"""Sample orders of each platform: what its webhook says, and what its own API answers."""

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cart_core.storefronts.sources import (
    BigCommerceSource,
    ShopifySource,
    Source,
    StandardWebhooksSource,
    StripeSource,
)

FOLDER: Final = Path(__file__).resolve().parent.parent / "samples" / "storefronts"


class Kind(StrEnum):
    """What a webhook can say of an order."""

    PAID = "paid"
    DOUBTFUL = "doubtful"
    """It is paid, and has a SKU that is only nearly one of Microsoft's: it is parked."""
    CANCELLED = "cancelled"


DOUBTFUL_SKU: Final = "CFQ7TTC0LH18:monthly"

_CANCELLED_AT_BIGCOMMERCE: Final = 5


@dataclass(frozen=True, slots=True)
class SampleOrder:
    """One order at a platform.

    `webhook` is the body that is delivered. `answers` is what the platform's own API answers, by
    path, where the webhook only names the order.
    """

    webhook: dict[str, Any]
    answers: dict[str, Any] = field(default_factory=dict)


def sample_order(source: Source, number: int, kind: Kind, now: float) -> SampleOrder:
    """An order of a source under a number, as if it had been placed now (POSIX seconds).

    Where the file says that older orders of the source are not bought, it is not older than that.
    """
    moment = datetime.fromtimestamp(math.ceil(now), UTC)
    placed = max(moment, source.since) if source.since else moment
    if isinstance(source, BigCommerceSource):
        return _bigcommerce(source, number, kind, placed)
    if isinstance(source, StripeSource):
        return _stripe(number, kind, placed)
    if isinstance(source, StandardWebhooksSource):
        return _standard_webhooks(source, number, kind, placed)
    if isinstance(source, ShopifySource):
        return _shopify(number, kind, placed)
    return _woocommerce(number, kind, placed)


def answers_for_the_samples(source: Source) -> dict[str, Any]:
    """What the platform's own API answers for the orders that the sample files are about."""
    if isinstance(source, BigCommerceSource):
        order = _read("bigcommerce-order")
        return _bigcommerce_answers(source, order, _read("bigcommerce-products"))
    if isinstance(source, StripeSource):
        return _stripe_answers(_read("stripe-session"), _read("stripe-line-items"))
    return {}


def _shopify(number: int, kind: Kind, placed: datetime) -> SampleOrder:
    order, moment = _read("shopify"), placed.isoformat()
    order |= {"id": number, "order_number": number, "name": f"#{number}"}
    order |= {"admin_graphql_api_id": f"gid://shopify/Order/{number}"}
    order |= dict.fromkeys(("created_at", "updated_at", "processed_at"), moment)
    if kind is Kind.CANCELLED:
        order |= {"cancelled_at": moment, "cancel_reason": "customer"}
    if kind is Kind.DOUBTFUL:
        order["line_items"][0]["sku"] = DOUBTFUL_SKU
    return SampleOrder(order)


def _woocommerce(number: int, kind: Kind, placed: datetime) -> SampleOrder:
    order, moment = _read("woocommerce"), placed.replace(tzinfo=None).isoformat()
    order |= {"id": number, "number": str(number)}
    for name in ("date_created", "date_modified", "date_paid"):
        order |= {name: moment, f"{name}_gmt": moment}
    if kind is Kind.CANCELLED:
        order["status"] = "cancelled"
    if kind is Kind.DOUBTFUL:
        order["line_items"][0]["sku"] = DOUBTFUL_SKU
    return SampleOrder(order)


def _bigcommerce(
    source: BigCommerceSource, number: int, kind: Kind, placed: datetime
) -> SampleOrder:
    webhook, order = _read("bigcommerce"), _read("bigcommerce-order")
    products, moment = _read("bigcommerce-products"), format_datetime(placed)
    webhook |= {"producer": f"stores/{source.store_hash}", "created_at": int(placed.timestamp())}
    webhook["data"]["id"] = number
    order |= {"id": number, "date_created": moment, "date_modified": moment}
    if kind is Kind.CANCELLED:
        webhook["data"]["status"]["new_status_id"] = _CANCELLED_AT_BIGCOMMERCE
        order |= {"status_id": _CANCELLED_AT_BIGCOMMERCE, "status": "Cancelled"}
    if kind is Kind.DOUBTFUL:
        products[0]["sku"] = DOUBTFUL_SKU
    products = [product | {"order_id": number} for product in products]
    return SampleOrder(webhook, _bigcommerce_answers(source, order, products))


def _bigcommerce_answers(
    source: BigCommerceSource, order: dict[str, Any], products: list[Any]
) -> dict[str, Any]:
    path = f"/stores/{source.store_hash}/v2/orders/{order['id']}"
    return {path: order, f"{path}/products": products}


def _stripe(number: int, kind: Kind, placed: datetime) -> SampleOrder:
    event, session, items = _read("stripe"), _read("stripe-session"), _read("stripe-line-items")
    created = int(placed.timestamp())
    changes = {"id": f"cs_live_sample{number}", "created": created}
    if kind is Kind.CANCELLED:
        changes["payment_status"] = "unpaid"
        event["type"] = "checkout.session.async_payment_failed"
    if kind is Kind.DOUBTFUL:
        items[0]["price"]["metadata"]["sku"] = DOUBTFUL_SKU
    event |= {"id": f"evt_sample{number}", "created": created}
    event["data"]["object"] |= changes
    return SampleOrder(event, _stripe_answers(session | changes, items))


def _stripe_answers(session: dict[str, Any], items: list[Any]) -> dict[str, Any]:
    path = f"/v1/checkout/sessions/{session['id']}"
    page = {"object": "list", "data": items, "has_more": False, "url": f"{path}/line_items"}
    return {path: session, f"{path}/line_items": page}


def _standard_webhooks(
    source: StandardWebhooksSource, number: int, kind: Kind, placed: datetime
) -> SampleOrder:
    message, moment = _read("standard-webhooks"), placed.isoformat()
    wanted = "order.cancelled" if kind is Kind.CANCELLED else "order.paid"
    message |= {"type": wanted if wanted in source.types else source.types[0], "timestamp": moment}
    order = message["data"]["order"]
    order |= {"id": f"SO-{number}", "createdAt": moment, "updatedAt": moment}
    if kind is Kind.DOUBTFUL:
        order["items"][0]["sku"] = DOUBTFUL_SKU
    return SampleOrder(message)


def _read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
