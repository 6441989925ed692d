"""Orders in the emulated Partner Center, read one by one and as a list."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import carts, orders

from tests.emulator.caller import CUSTOMER, PARTNER_CENTER, Caller, document, licence, line, refusal

ORDERS = f"{PARTNER_CENTER}/v1/customers/{CUSTOMER}/orders"
ANOTHERS = ORDERS.replace(CUSTOMER, CUSTOMER[:-1] + "e")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Partner Center's clock, which stands still: `now` moves it."""
    clock = SimpleNamespace(now=time.time())
    names = {name: getattr(time, name) for name in ("time_ns", "strftime", "gmtime")}
    for module in (carts, orders):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock.now, **names))
    return clock


async def read(caller: Caller, url: str = ORDERS, **headers: str) -> Any:
    answer = await caller.send("GET", url, headers)
    assert answer.status_code == 200
    return document(answer)


async def test_an_order_is_pending_and_then_completed_with_its_subscriptions(
    cloud: LocalCloud, caller: Caller, clock: SimpleNamespace
) -> None:
    cloud.partner_center.pending_seconds = 30
    cart = await caller.create(licence(), line(currencyCode="USD"))
    (order,) = document(await caller.check_out(cart["id"]))["orders"]
    assert await read(caller, f"{ORDERS}/{order['id']}") == order
    assert order["status"] == "pending"
    assert not any("subscriptionId" in each for each in order["lineItems"])

    clock.now += 30
    completed = await read(caller, f"{ORDERS}/{order['id']}")
    licensed, reserved = completed["lineItems"]
    assert len(licensed.pop("subscriptionId")) == 36
    assert "subscriptionId" not in reserved
    assert completed == order | {"status": "completed"}
    assert cart["id"] not in str(completed)  # nothing in an order says of which cart it is


async def test_a_list_has_the_customers_orders_once_they_show(
    cloud: LocalCloud, caller: Caller, clock: SimpleNamespace
) -> None:
    cloud.partner_center.unlisted_seconds = 900
    cart = await caller.create(licence())
    (order,) = document(await caller.check_out(cart["id"]))["orders"]
    assert (await read(caller))["items"] == []
    assert (await read(caller, f"{ORDERS}/{order['id']}"))["id"] == order["id"]
    clock.now += 900
    uri = f"/customers/{CUSTOMER}/orders"
    assert await read(caller) == {
        "totalCount": 1,
        "items": [order | {"status": "completed"}],
        "links": {"self": {"uri": uri, "method": "GET", "headers": []}},
        "attributes": {"objectType": "Collection"},
    }
    assert (await read(caller, ANOTHERS))["items"] == []
    assert refusal(await caller.send("GET", f"{ANOTHERS}/{order['id']}")) == (404, "1000")
    assert refusal(await caller.send("GET", f"{ORDERS}/unknown")) == (404, "1000")


async def test_a_list_has_pages_where_they_are_wanted(cloud: LocalCloud, caller: Caller) -> None:
    cart = await caller.create(*(licence(orderGroup=str(number)) for number in range(5)))
    await caller.check_out(cart["id"])
    cloud.partner_center.orders_per_page = 2
    ids: list[str] = []
    sizes: list[int] = []
    following: dict[str, Any] | None = {"uri": f"/customers/{CUSTOMER}/orders", "headers": []}
    while following:
        sent = {header["key"]: header["value"] for header in following["headers"]}
        page = await read(caller, f"{PARTNER_CENTER}/v1{following['uri']}", **sent)
        ids += [order["id"] for order in page["items"]]
        sizes.append(page["totalCount"])
        following = page["links"].get("next")
    assert sizes == [2, 2, 1]
    assert ids == list(cloud.partner_center.orders)
