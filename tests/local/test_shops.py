"""The shops of a local cloud: what they send is read as they mean it; they know their orders."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud

from cart_core.storefronts.json_body import read_body
from cart_core.storefronts.order import Notice, StorefrontOrder
from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.signatures import matching_key, signing_key
from cart_core.storefronts.sources import read_sources
from local.shops import Delivery, Shops, UnfitSampleError
from local.storefront_samples import DOUBTFUL_SKU, Kind
from local.storefronts import SAMPLE, local_secret

SOURCES = read_sources(SAMPLE.read_text("utf-8"))
LATER = datetime(2027, 1, 31, 10, 11, 12, tzinfo=UTC)
NAMES = ["shop", "woo", "big", "pay", "erp"]


def shops(now: datetime = LATER) -> Shops:
    """The shops of the sample file at a moment."""
    return Shops(SOURCES, now.timestamp)


def reading(delivery: Delivery) -> Any:
    """What the app reads in a delivery."""
    return platform_of(SOURCES[delivery.source]).read(read_body(delivery.body), LATER)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", Kind)
def test_the_app_reads_what_the_shop_means(name: str, kind: Kind) -> None:
    order = reading(shops().order(name, 77, kind, wrongly_signed=False))

    assert isinstance(order, StorefrontOrder | Notice)
    assert order.cancelled == (kind is Kind.CANCELLED)
    assert order.changed == LATER
    if isinstance(order, StorefrontOrder):
        assert "77" in order.id
        assert order.created == LATER
        assert (order.lines[0].sku == DOUBTFUL_SKU) == (kind is Kind.DOUBTFUL)
    else:
        assert "77" in order.order_id


@pytest.mark.parametrize("name", NAMES)
def test_an_order_is_never_older_than_the_source(name: str) -> None:
    early = datetime(2026, 11, 26, tzinfo=UTC)
    order = reading(shops(early).order(name, 1, Kind.PAID, wrongly_signed=False))
    assert order.changed == SOURCES[name].since


@pytest.mark.parametrize("name", NAMES)
def test_each_delivery_is_signed_anew_unless_nobody_signs_it(name: str) -> None:
    moments = iter(range(int(LATER.timestamp()), int(LATER.timestamp()) + 4000, 1000))
    now = next(moments)
    clocked = Shops(SOURCES, lambda: now)
    scheme = platform_of(SOURCES[name]).scheme
    key = signing_key(scheme, local_secret(SOURCES[name].secrets[0])) or b""

    def is_signed(delivery: Delivery) -> bool:
        headers = {each.lower(): value for each, value in delivery.headers().items()}
        return matching_key(scheme, headers, delivery.body, [key], now) == 0

    delivery = clocked.order(name, 1, Kind.PAID, wrongly_signed=False)
    first = delivery.headers()
    assert is_signed(delivery)
    now = next(moments)
    assert is_signed(delivery)
    assert delivery.headers().get("webhook-id") == first.get("webhook-id")
    assert is_signed(clocked.greeting(name))
    assert not is_signed(clocked.order(name, 1, Kind.PAID, wrongly_signed=True))


def test_a_sample_that_a_source_cannot_read_is_not_sent() -> None:
    text = SAMPLE.read_text("utf-8").replace('"data.order.id"', '"data.number"')
    with pytest.raises(UnfitSampleError, match="id: "):
        Shops(read_sources(text)).order("erp", 1, Kind.PAID, wrongly_signed=False)
    unwanted = SAMPLE.read_text("utf-8").replace('"order.paid", ', "")
    order = Shops(read_sources(unwanted)).order("erp", 1, Kind.PAID, wrongly_signed=False)
    assert json.loads(order.body)["type"] == "order.cancelled"


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[Shops, LocalCloud, httpx.Client]]:
    """Who asks the shops' own host names."""
    running = shops()
    with LocalCloud.in_thread(third_parties=running.third_parties()) as cloud:
        details = cloud.connection_details()
        with httpx.Client(
            proxy=details.proxy_url,
            verify=ssl.create_default_context(cafile=details.ca_file),
            trust_env=False,
            timeout=60,
        ) as client:
            yield running, cloud, client


def test_a_shop_knows_the_orders_that_it_has_sent_and_those_of_the_sample_files(
    asked: tuple[Shops, LocalCloud, httpx.Client],
) -> None:
    running, cloud, client = asked
    orders = "https://api.bigcommerce.com/stores/abc123/v2/orders"
    sessions = "https://api.stripe.com/v1/checkout/sessions"

    assert client.get(f"{orders}/78").status_code == 404
    running.order("big", 78, Kind.CANCELLED, wrongly_signed=False)
    running.order("pay", 78, Kind.DOUBTFUL, wrongly_signed=False)

    assert client.get(f"{orders}/78").json()["status_id"] == 5
    assert client.get(f"{orders}/250/products?page=1").json()[0]["order_id"] == 250
    assert client.get(f"{orders}/250/products?page=2").status_code == 204
    items = client.get(f"{sessions}/cs_live_sample78/line_items").json()
    assert items["data"][0]["price"]["metadata"]["sku"] == DOUBTFUL_SKU
    assert client.get(f"{sessions}/cs_live_a1Sample0000000000000000").json()["livemode"]
    assert client.post("https://erp.example.com/hooks/licences", json={}).status_code == 204
    paths = [each.path for each in cloud.journal.requests("third_party")]
    assert (len(paths), paths[-1]) == (7, "/hooks/licences")
