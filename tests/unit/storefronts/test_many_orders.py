"""500 orders of four platforms, delivered in any order and number while processes die."""

import random

import pytest

from cart_core.storefronts import bigcommerce, stripe
from cart_core.storefronts.order import StorefrontOrder
from cart_core.storefronts.order_record import purchase_key, record_name
from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.sources import read_sources
from local.storefronts import sign
from tests.kit.shop_orders import MADE, ShopOrder
from tests.unit.storefronts.builders import CONTOSO
from tests.unit.storefronts.samples import FOLDER
from tests.unit.storefronts.shop import SECRET, Shop

TEXT = (FOLDER / "storefronts.sample.toml").read_text("utf-8")
SECRETS = {
    "shop": "shop-webhook-secret",
    "woo": "woo-webhook-secret",
    "big": "big-client-secret",
    "pay": "pay-endpoint-secret",
}


class Api:
    """The APIs of the shops whose webhooks do not have the order."""

    def __init__(self, orders: dict[str, ShopOrder]) -> None:
        self.orders = orders

    async def fetch(self, order_id: str) -> StorefrontOrder:
        order = self.orders[order_id]
        order_of = bigcommerce.order_of if order.source == "big" else stripe.order_of
        found, lines = order.fetched()
        return order_of(found, lines)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_one_purchase_each_for_what_is_released_and_none_for_the_rest(seed: int) -> None:
    chance = random.Random(seed)
    orders = [ShopOrder(100_000 + number, chance) for number in range(500)]
    api = Api({order.id: order for order in orders})
    shop = Shop(fetched={"big": api, "pay": api})
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
