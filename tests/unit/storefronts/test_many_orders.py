"""500 orders of four platforms, delivered in any order and number while processes die."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cart_core.storefronts import bigcommerce, stripe
from cart_core.storefronts.order import StorefrontOrder
from cart_core.storefronts.order_record import purchase_key, record_name
from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.sources import read_sources
from local.storefronts import sign
from tests.unit.storefronts.builders import CONTOSO
from tests.unit.storefronts.samples import FOLDER, sample, sample_list
from tests.unit.storefronts.shop import SECRET, Shop

TEXT = (FOLDER / "storefronts.sample.toml").read_text("utf-8")
SECRETS = {
    "shop": "shop-webhook-secret",
    "woo": "woo-webhook-secret",
    "big": "big-client-secret",
    "pay": "pay-endpoint-secret",
}
MADE = datetime(2026, 12, 2, 15, tzinfo=UTC)


class Order:
    """An order of one shop: what happens to it, and how its platform tells."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.source = chance.choice(list(SECRETS))
        self.number = number
        self.paid = chance.random() < 0.8
        self.cancelled = chance.random() < 0.3
        self.events = ["created", *(["paid", "updated"] if self.paid else [])]
        self.events += ["cancelled"] if self.cancelled else []

    @property
    def id(self) -> str:
        return f"cs_live_{self.number}" if self.source == "pay" else str(self.number)

    def body(self, event: str) -> bytes:
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
            return _json(sample("shopify") | changes)
        if self.source == "woo":
            status = "cancelled" if cancelled else "processing" if paid else "pending"
            date = at.replace(tzinfo=None).isoformat()
            changes = {"id": self.number, "status": status, "date_modified_gmt": date}
            return _json(
                sample("woocommerce") | changes | ({} if paid else {"date_paid_gmt": None})
            )
        created = int(at.timestamp())
        if self.source == "big":
            status_id = 5 if cancelled else 11 if paid else 1
            data = {"type": "order", "id": self.number, "status": {"new_status_id": status_id}}
            return _json(sample("bigcommerce") | {"data": data, "created_at": created})
        kind = "expired" if cancelled else "completed"
        session = {"id": self.id, "object": "checkout.session"}
        changes = {"type": f"checkout.session.{kind}", "created": created}
        return _json(sample("stripe") | changes | {"data": {"object": session}})

    def truth(self) -> StorefrontOrder:
        """The order as the shop's own API gives it, once all has happened."""
        if self.source == "big":
            status_id = 5 if self.cancelled else 11 if self.paid else 1
            changes = {"id": self.number, "status_id": status_id, "payment_status": ""}
            order = sample("bigcommerce-order", **changes)
            return bigcommerce.order_of(order, sample_list("bigcommerce-products"))
        status = "paid" if self.paid else "unpaid"
        done = "expired" if self.cancelled else "complete"
        order = sample("stripe-session", id=self.id, payment_status=status, status=done)
        return stripe.order_of(order, sample_list("stripe-line-items"))


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, default=str).encode()


class Truth:
    def __init__(self, orders: dict[str, Order]) -> None:
        self.orders = orders

    async def fetch(self, order_id: str) -> StorefrontOrder:
        return self.orders[order_id].truth()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_one_purchase_each_for_what_is_released_and_none_for_the_rest(seed: int) -> None:
    chance = random.Random(seed)
    orders = [Order(100_000 + number, chance) for number in range(500)]
    truth = Truth({order.id: order for order in orders})
    shop = Shop(fetched={"big": truth, "pay": truth})
    shop.secrets.values |= dict.fromkeys(SECRETS.values(), SECRET)
    sources = {name: source for name, source in read_sources(TEXT).items() if name in SECRETS}
    sources = {name: source.model_copy(update={"since": MADE}) for name, source in sources.items()}
    schemes = {name: platform_of(source).scheme for name, source in sources.items()}
    shop.configure(sources)
    steps = [
        (order, event)
        for order in orders
        for event in (*order.events, "work", "buy")
        for _ in range(chance.randint(1, 8))
    ]
    chance.shuffle(steps)
    steps += [(order, step) for order in orders for step in ("work", "buy")]
    bought: set[str] = set()
    acknowledged: set[str] = set()
    for order, step in steps:
        if chance.random() < 0.01:
            shop.configure(sources)  # The process died, and another one begins.
        if step == "work":
            await shop.orders.work(record_name(order.source, order.id))
        elif step == "buy":
            if await shop.orders.may_buy(record_name(order.source, order.id), CONTOSO):
                assert order.id in bought or order.id not in acknowledged
                bought.add(order.id)
            else:
                assert order.id not in bought
        else:
            body = order.body(step)
            headers = sign(schemes[order.source], SECRET, body, shop.now)
            lower = {name.lower(): value for name, value in headers.items()}
            assert (await shop.intake(order.source, lower, body)).verdict == "stored"
            if step == "cancelled":
                acknowledged.add(order.id)

    for order in orders:
        key = (CONTOSO, purchase_key(order.source, order.id))
        if order.id in bought:
            assert order.paid
            assert key in shop.buyer.accepted
        else:
            assert order.cancelled or not order.paid
    assert len(bought) > 200
    assert all(
        order.source in ("shop", "woo")
        for order in orders
        if order.id in bought and order.cancelled
    )
