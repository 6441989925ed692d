"""Storefronts in the app as it is composed: from the route for webhooks to orders and reports."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cart_core import composition
from cart_core.api.invocation import answer
from cart_core.api.messages import Request, Response
from cart_core.api.webhooks import Webhooks
from cart_core.operations.memory_documents import MemoryDocuments
from cart_core.problem import Problem
from cart_core.storefronts.fetching import ShopAnswer, ShopUnavailable
from cart_core.storefronts.order_record import body_name, record_name
from cart_core.storefronts.sources import Source, read_sources
from cart_core.surroundings import StorefrontSurroundings
from tests.kit.builders import CUSTOMER
from tests.kit.catalogue import SKU, availability
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import THROTTLED, lost, refused
from tests.unit.operations.house import House
from tests.unit.storefronts.samples import sample
from tests.unit.storefronts.shop import SHOP, KnownSecrets, signed

ORDER_ID = "820982911946154600"
ID = record_name("shop", ORDER_ID).removeprefix("orders/").replace("/", "-")
REPORT_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LATER = "2026-12-02T10:16:00-05:00"
CANCELLED = {"cancelled_at": LATER, "updated_at": LATER}


class Receiver:
    """Where reports go: it answers with `statuses`, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int | None] = []
        self.received: list[dict[str, Any]] = []

    async def get(self, url: str, headers: Mapping[str, str]) -> ShopAnswer:
        raise AssertionError("nothing is fetched from this host")

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> ShopAnswer:
        status = self.statuses.pop(0) if self.statuses else 200
        if status is None:
            raise ShopUnavailable("It is away.")
        if status == 200:
            self.received.append(json.loads(body))
        return ShopAnswer(status, b"")

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.received]


class Storefront(House):
    """The app with one shop, whose orders it can buy."""

    text, file = SHOP, ""

    def __init__(self, *answers: Any, **settings: str) -> None:
        self.bodies, self.receiver = MemoryDocuments(), Receiver()
        super().__init__(*answers, **settings)
        self.center.sell(availability(), sku_id=SKU)
        self.center.documents[f"/customers/{CUSTOMER}"] = {"id": CUSTOMER}
        self.webhooks = Webhooks(self.services.take_webhook)

    def storefronts(self) -> StorefrontSurroundings:
        secrets = KnownSecrets()
        secrets.values["report-secret"] = REPORT_SECRET
        return StorefrontSurroundings(self.sources, self.bodies, secrets, lambda _: self.receiver)

    def sources(self) -> Mapping[str, Source]:
        return composition._read_sources(self.file) if self.file else read_sources(self.text)

    async def deliver(self, **changes: Any) -> Response:
        """One delivery of Shopify's sample with members changed."""
        body = json.dumps(sample("shopify") | changes, default=str).encode()
        request = Request(signed(body), {"source": "shop"}, body)
        return await answer("receive_webhook", self.webhooks, request, CUSTOMER)

    async def operate(self, name: str, order: str = "") -> Response:
        """What an operator's route answers."""
        request = Request({}, {"orderId": order} if order else {}, b"")
        return await answer(name, self.endpoints[name], request, CUSTOMER)


@in_virtual_time
async def test_a_paid_order_is_bought_once_and_reported() -> None:
    storefront = Storefront()

    answered = await storefront.deliver()

    assert (answered.status, answered.body) == (200, {})
    assert not storefront.center.asked  # Nobody asks Partner Center before the acknowledgement.
    for year in (2027, 2031):
        await storefront.pass_time(180)
        await storefront.deliver(updated_at=f"{year}-01-01T00:00:00Z")
    await storefront.pass_time(600)
    assert len(storefront.center.bought) == 1
    assert storefront.center.owners[storefront.center.bought[0]] == CUSTOMER
    (created,) = storefront.center.requests_for("create")
    assert created.cart
    (line,) = created.cart["lineItems"]
    assert (line["catalogItemId"], line["quantity"]) == (f"{SKU}:CFQ7TTC0K971", 5)
    assert storefront.receiver.types == ["order.submitted", "order.completed"]
    (result,) = storefront.receiver.received[-1]["data"]["results"].values()
    assert result["orders"]
    shown = (await storefront.operate("get_storefront_order", ID)).body
    assert (shown["state"], shown["parts"][0]["result"]) == ("ended", result)
    assert not storefront.open
    assert {name.partition("/")[0] for name, _ in await storefront.bodies.list("")} == {"done"}


@in_virtual_time
async def test_the_timer_finds_an_order_whose_bells_are_lost() -> None:
    storefront = Storefront()
    storefront.queue = False
    storefront.bells.down = True
    assert (await storefront.deliver()).status == 200
    storefront.bells.down = False

    await storefront.pass_time(1000)

    assert len(storefront.center.bought) == 1


@in_virtual_time
async def test_the_timer_notes_what_a_process_stored_that_died_before_it_noted_it() -> None:
    storefront = Storefront()
    await storefront.deliver(id=1)
    for changes in ({}, {"id": 1, **CANCELLED}):
        storefront.documents.down = True
        assert (await storefront.deliver(**changes)).status == 503
        storefront.documents.down = False
        body = json.dumps(sample("shopify") | changes).encode()
        name = body_name("shop", str(changes.get("id", ORDER_ID)), body)
        await storefront.bodies.create(
            f"open/{name}", body, {"received": f"{storefront.clock():.3f}"}
        )

    await storefront.pass_time(900)

    assert len(storefront.center.bought) == 2
    listed = (await storefront.operate("list_parked_orders")).body["orders"]
    assert [(each["orderId"], each["reasons"][0]["code"]) for each in listed] == [
        ("1", "cancelled_after_purchase")
    ]
    folders = {name.partition("/")[0] for name, _ in await storefront.bodies.list("")}
    assert folders == {"done", "parked"}


@in_virtual_time
async def test_a_source_without_since_begins_with_its_first_minute_in_the_app() -> None:
    storefront = Storefront()
    storefront.text = SHOP.replace("since = 2026-12-01T00:00:00Z\n", "")
    await storefront.pass_time(180)
    made = datetime.fromtimestamp(storefront.clock(), UTC) - timedelta(seconds=30)

    await storefront.deliver(created_at=made.isoformat())
    await storefront.deliver(id=2, created_at=(made - timedelta(minutes=5)).isoformat())
    await storefront.pass_time(600)

    assert len(storefront.center.bought) == 1


@in_virtual_time
async def test_a_cancellation_while_the_checkout_is_put_off_prevents_it() -> None:
    storefront = Storefront()
    storefront.center.script["checkout"] = [THROTTLED] * 3
    await storefront.deliver()
    await storefront.pass_time(10)
    assert "checkout" in storefront.center.operations()

    await storefront.deliver(**CANCELLED)
    await storefront.pass_time(7200)

    assert not storefront.center.bought
    assert not storefront.open
    (ended,) = storefront.ended
    assert ended.answer
    assert ended.answer.body["code"] == "order_cancelled"
    assert storefront.receiver.types == ["order.submitted", "order.cancelled"]


@in_virtual_time
async def test_a_cancellation_comes_too_late_for_a_checkout_that_was_not_answered() -> None:
    storefront = Storefront()
    storefront.center.script["checkout"] = [lost]
    storefront.center.seconds = 2.0
    await storefront.deliver()
    await storefront.pass_time(8)

    await storefront.deliver(**CANCELLED)
    await storefront.pass_time(7200)

    assert len(storefront.center.bought) == 1
    (cancelled,) = (
        each for each in storefront.receiver.received if each["type"] == "order.cancelled"
    )
    assert cancelled["data"]["afterPurchase"] is True
    listed = (await storefront.operate("list_parked_orders")).body
    assert [each["reasons"][0]["code"] for each in listed["orders"]] == ["cancelled_after_purchase"]
    settled = await storefront.operate("discard_parked_order", ID)
    assert (settled.status, settled.body["state"]) == (200, "ended")
    assert (await storefront.operate("list_parked_orders")).body["total"] == 0
    assert (await storefront.operate("release_parked_order", ID)).body["code"] == "order_not_parked"


@in_virtual_time
async def test_what_partner_center_refuses_for_good_is_told_and_not_tried_again() -> None:
    storefront = Storefront()
    storefront.center.documents.clear()
    storefront.center.documents[f"/customers/{CUSTOMER}"] = {"id": CUSTOMER}
    await storefront.deliver()

    await storefront.pass_time(7200)

    assert storefront.receiver.types == ["order.submitted", "order.failed"]
    (result,) = storefront.receiver.received[-1]["data"]["results"].values()
    assert result["problem"] == "item_not_available"


@in_virtual_time
async def test_a_customer_that_cannot_be_looked_up_now_is_looked_up_later() -> None:
    storefront = Storefront()
    storefront.center.script["read"] = [refused(500)] * 12
    await storefront.deliver()

    await storefront.pass_time(7200)

    assert len(storefront.center.bought) == 1
    assert storefront.bells.hung < 30  # Put off again and again, it does not multiply its bells.


@in_virtual_time
async def test_an_operator_releases_or_discards_what_is_parked() -> None:
    storefront = Storefront()
    del storefront.center.documents[f"/customers/{CUSTOMER}"]
    storefront.center.documents[f"/customers/{CUSTOMER}"] = refused(404, "60003")
    await storefront.deliver()
    await storefront.deliver(id=2)
    await storefront.pass_time(3600)
    listed = (await storefront.operate("list_parked_orders")).body
    assert listed["total"] == 2
    assert {order["orderId"] for order in listed["orders"]} == {ORDER_ID, "2"}
    reason = listed["orders"][0]["reasons"][0]
    assert (reason["code"], reason["advice"][:5]) == ("customer_not_found", "check")

    storefront.center.documents[f"/customers/{CUSTOMER}"] = {"id": CUSTOMER}
    ids = {order["orderId"]: order["id"] for order in listed["orders"]}
    released = await storefront.operate("release_parked_order", ids[ORDER_ID])
    discarded = await storefront.operate("discard_parked_order", ids["2"])
    await storefront.pass_time(60)
    await storefront.deliver(id=2, updated_at=LATER)
    await storefront.pass_time(3600)

    assert (released.status, released.body["state"]) == (200, "open")
    assert (discarded.status, discarded.body["state"]) == (200, "discarded")
    assert len(storefront.center.bought) == 1
    assert (await storefront.operate("list_parked_orders")).body["total"] == 0
    for order, code in (
        (ids[ORDER_ID], "order_not_parked"),
        ("shop-1", "order_not_found"),
        (ids["2"], "order_not_parked"),
        (f"none-{'0' * 64}", "order_not_found"),
    ):
        assert (await storefront.operate("release_parked_order", order)).body["code"] == code


@pytest.mark.parametrize(
    ("statuses", "types"),
    [
        ([500, None, 302], ["order.submitted", "order.completed"]),
        ([410], []),
        ([410, 410], []),
    ],
)
@in_virtual_time
async def test_a_report_is_sent_until_it_arrives_and_never_after_a_410(
    statuses: list[int | None], types: list[str]
) -> None:
    storefront = Storefront()
    storefront.timer = False
    storefront.receiver.statuses = statuses
    await storefront.deliver()

    await storefront.pass_time(86_400)
    assert sorted(storefront.receiver.types, reverse=True) == types or 410 in statuses
    if 410 in statuses:
        before = len(storefront.receiver.received)
        await storefront.deliver(id=3)
        await storefront.pass_time(3600)
        assert len(storefront.receiver.received) == before


@in_virtual_time
async def test_a_report_is_given_up_after_three_days() -> None:
    storefront = Storefront()
    storefront.timer = False
    storefront.receiver.statuses = [500] * 100
    await storefront.deliver()

    await storefront.pass_time(86_400 * 5)

    assert 100 - len(storefront.receiver.statuses) == 20  # Ten tries of two messages.
    assert not await storefront.documents.list("reports/")


@in_virtual_time
async def test_a_file_that_is_wrong_closes_the_storefronts_and_nothing_else(
    tmp_path: Path,
) -> None:
    file = tmp_path / "storefronts.toml"
    file.write_text("[shop]\nplatform = 'none'\n", "utf-8")
    storefront = Storefront()
    storefront.file = str(file)

    assert (await storefront.deliver()).status == 503
    assert (await storefront.deliver()).body == {}
    assert (await storefront.order()).status == 201
    with pytest.raises(Problem, match=r"shop\.platform"):
        await storefront.services.sweep()


@in_virtual_time
async def test_a_source_that_only_makes_carts_buys_nothing() -> None:
    storefront = Storefront()
    storefront.text = SHOP.replace("[shop]", '[shop]\ninto = "cart"')
    await storefront.deliver()

    await storefront.pass_time(60)

    assert storefront.center.operations().count("create") == 1
    assert not storefront.center.bought
    assert storefront.receiver.types == ["order.submitted", "order.completed"]


@in_virtual_time
async def test_a_preflight_stops_an_order_before_its_cart() -> None:
    storefront = Storefront()
    storefront.text = SHOP.replace("[shop]", "[shop]\npreflight = true")
    storefront.center.sell(availability(isPurchasable=False), sku_id=SKU)
    await storefront.deliver()

    await storefront.pass_time(60)

    assert "create" not in storefront.center.operations()
    assert storefront.receiver.types == ["order.submitted", "order.failed"]
