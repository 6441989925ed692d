"""Orders of four shops: what happens to each, and how its platform tells it."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.unit.storefronts.builders import CONTOSO
from tests.unit.storefronts.samples import sample, sample_list

SHOPS: Final = ("shop", "woo", "big", "pay")
"""The names of the sources: Shopify, WooCommerce, BigCommerce and Stripe."""

MADE: Final = datetime(2026, 12, 2, 15, tzinfo=UTC)
"""When all orders are made."""


class ShopOrder:
    """An order of one shop for five seats of Business Basic. Dice decide what happens to it."""

    def __init__(self, number: int, dice: random.Random, customer: str = CONTOSO) -> None:
        self.source = dice.choice(SHOPS)
        self.number = number
        self.customer = customer
        self.paid = dice.random() < 0.8
        self.cancelled = dice.random() < 0.3
        self.events = ["created", *(["paid", "updated"] if self.paid else [])]
        self.events += ["cancelled"] if self.cancelled else []

    @property
    def id(self) -> str:
        """The platform's id of the order."""
        return f"cs_live_{self.number}" if self.source == "pay" else str(self.number)

    def body(self, event: str) -> bytes:
        """What the shop sends of an event."""
        at = MADE + timedelta(seconds=self.events.index(event) // 2)  # some dates are equal
        paid, cancelled = event in ("paid", "updated"), event == "cancelled"
        if self.source == "shop":
            changes: dict[str, Any] = {
                "financial_status": "paid" if paid else "pending",
                "cancelled_at": at.isoformat() if cancelled else None,
                "updated_at": at.isoformat(),
                "created_at": MADE.isoformat(),
                "id": self.number,
            }
            return self._json(sample("shopify") | changes)
        if self.source == "woo":
            status = "cancelled" if cancelled else "processing" if paid else "pending"
            date = at.replace(tzinfo=None).isoformat()
            changes = {"id": self.number, "status": status, "date_modified_gmt": date}
            return self._json(
                sample("woocommerce") | changes | ({} if paid else {"date_paid_gmt": None})
            )
        created = int(at.timestamp())
        if self.source == "big":
            status_id = 5 if cancelled else 11 if paid else 1
            data = {"type": "order", "id": self.number, "status": {"new_status_id": status_id}}
            return self._json(sample("bigcommerce") | {"data": data, "created_at": created})
        kind = "expired" if cancelled else "completed"
        session = {"id": self.id, "object": "checkout.session"}
        changes = {"type": f"checkout.session.{kind}", "created": created}
        return self._json(sample("stripe") | changes | {"data": {"object": session}})

    def fetched(self) -> tuple[Any, Any]:
        """The order and its lines, as the shop's own API gives them once all has happened."""
        if self.source == "big":
            status_id = 5 if self.cancelled else 11 if self.paid else 1
            changes = {"id": self.number, "status_id": status_id, "payment_status": ""}
            order, lines = sample("bigcommerce-order", **changes), "bigcommerce-products"
        else:
            status = "paid" if self.paid else "unpaid"
            done = "expired" if self.cancelled else "complete"
            order = sample("stripe-session", id=self.id, payment_status=status, status=done)
            lines = "stripe-line-items"
        return json.loads(self._json(order)), json.loads(self._json(sample_list(lines)))

    def _json(self, document: Any) -> bytes:
        return json.dumps(document, default=str).replace(CONTOSO, self.customer).encode()
