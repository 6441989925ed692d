"""Orders that are fetched back: every page, from the configured host alone."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cart_core.storefronts.fetching import MAX_PAGES, ShopAnswer, ShopUnavailable, fetchers
from cart_core.storefronts.json_body import UnreadableBody
from cart_core.storefronts.ports import Fetched
from tests.unit.storefronts.samples import sample, sample_list, sample_sources

SESSION = "cs_live_a1Sample0000000000000000"


class Secrets:
    async def read(self, names: Any) -> Mapping[str, str]:
        return {name: f"value of {name}" for name in names}


class Shop:
    """The shop's API: an order, and lines in pages of the size that is asked for."""

    def __init__(self, order: str, lines: int = 2, status: int = 200) -> None:
        self.order, self.status = sample(order), status
        name = "bigcommerce-products" if "big" in order else "stripe-line-items"
        self.lines = [sample_list(name)[0] | {"id": number} for number in range(lines)]
        self.hosts: list[str] = []
        self.requests: list[tuple[str, Mapping[str, str]]] = []

    async def get(self, url: str, headers: Mapping[str, str]) -> ShopAnswer:
        self.requests.append((url, headers))
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.status != 200:
            return ShopAnswer(self.status, b"", 7)
        size = int(query.get("limit", 0))
        if parts.path.endswith("/products"):
            first = (int(query["page"]) - 1) * size
            page = self.lines[first : first + size]
            return _answer(page) if page else ShopAnswer(204, b"")
        if parts.path.endswith("/line_items"):
            first = int(query.get("starting_after", -1)) + 1
            more = first + size < len(self.lines)
            return _answer({"data": self.lines[first : first + size], "has_more": more})
        return _answer(self.order)

    def opened(self, host: str) -> "Shop":
        self.hosts.append(host)
        return self


def _answer(document: Any) -> ShopAnswer:
    return ShopAnswer(200, json.dumps(document, default=str).encode())


def fetcher(name: str, shop: Shop) -> Fetched:
    return fetchers({name: sample_sources()[name]}, shop.opened, Secrets())[name]


@pytest.mark.parametrize(
    ("name", "order", "order_id", "page"),
    [("big", "bigcommerce-order", "250", 250), ("pay", "stripe-session", SESSION, 100)],
)
async def test_all_pages_of_lines_are_read(name: str, order: str, order_id: str, page: int) -> None:
    for count in (0, 1, page, page + 1, 3 * page):
        shop = Shop(order, count)
        found = await fetcher(name, shop).fetch(order_id)
        assert [line.id for line in found.lines] == [str(number) for number in range(count)]
    with pytest.raises(UnreadableBody, match="pages"):
        await fetcher(name, Shop(order, MAX_PAGES * page + 1)).fetch(order_id)


async def test_the_host_and_the_token_come_from_the_file() -> None:
    big, pay = Shop("bigcommerce-order"), Shop("stripe-session")
    await fetcher("big", big).fetch("250")
    await fetcher("pay", pay).fetch(SESSION)

    assert big.hosts == ["https://api.bigcommerce.com"]
    assert {url.partition("?")[0] for url, _ in big.requests} == {
        "https://api.bigcommerce.com/stores/abc123/v2/orders/250",
        "https://api.bigcommerce.com/stores/abc123/v2/orders/250/products",
    }
    assert {headers["X-Auth-Token"] for _, headers in big.requests} == {"value of big-access-token"}
    assert pay.hosts == ["https://api.stripe.com"]
    assert {headers["Authorization"] for _, headers in pay.requests} == {
        "Bearer value of pay-restricted-key"
    }
    assert "expand%5B%5D=payment_intent.latest_charge" in pay.requests[0][0]
    assert set(fetchers(sample_sources(), big.opened, Secrets())) == {"big", "pay"}


@pytest.mark.parametrize("order_id", ["../1", "1/2", "", "\u0661", "cs_live/..", "1?x=1"])
@pytest.mark.parametrize(
    ("name", "order"), [("big", "bigcommerce-order"), ("pay", "stripe-session")]
)
async def test_an_id_of_another_shape_gets_into_no_address(
    name: str, order: str, order_id: str
) -> None:
    shop = Shop(order)

    with pytest.raises(UnreadableBody):
        await fetcher(name, shop).fetch(order_id)
    assert not shop.requests


@pytest.mark.parametrize("status", [301, 401, 403, 429, 500, 503])
async def test_a_shop_that_refuses_is_asked_again_later(status: int) -> None:
    with pytest.raises(ShopUnavailable, match=str(status)) as raised:
        await fetcher("big", Shop("bigcommerce-order", status=status)).fetch("250")
    assert raised.value.retry_after == 7


async def test_an_order_that_the_shop_does_not_have_is_not_asked_for_again() -> None:
    with pytest.raises(UnreadableBody, match="no such order"):
        await fetcher("pay", Shop("stripe-session", status=404)).fetch(SESSION)
