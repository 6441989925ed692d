"""From a delivery to a purchase: each order once, and none that must not be bought."""

import itertools
import json
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.idempotency.store import StoreUnavailable
from cart_core.problem import Problem
from cart_core.storefronts.intake import MAX_BODY_BYTES, Receipt
from cart_core.storefronts.order_record import PartResult, body_name, record_name
from cart_core.storefronts.sources import read_sources
from cart_core.storefronts.stripe import order_of
from tests.unit.storefronts.builders import CONTOSO, FABRIKAM, SINCE
from tests.unit.storefronts.samples import sample, sample_list, sample_sources
from tests.unit.storefronts.shop import SECRET, SHOP, Shop, signed

ORDER_ID = "820982911946154600"
RECORD = record_name("shop", ORDER_ID)
LATER = "2026-12-02T10:16:00-05:00"
CANCELLED = {"cancelled_at": LATER, "updated_at": LATER}
UNPAID = {"financial_status": "pending", "updated_at": "2026-12-02T10:15:00-05:00"}


async def test_a_paid_order_is_stored_acknowledged_and_bought_once() -> None:
    shop = Shop()

    assert await shop.deliver() == Receipt(200, "stored", ORDER_ID)
    assert shop.customers.asked == []
    assert shop.bell.rung == [(RECORD, 0.0)]
    record = await shop.work()
    assert record.state == "frozen"
    assert await shop.orders.may_buy(RECORD, CONTOSO)
    await shop.orders.part_ended(RECORD, CONTOSO, PartResult(status="completed"))
    for financial_status in ("paid", "partially_refunded"):
        await shop.deliver(financial_status=financial_status, updated_at="2028-01-01T00:00:00Z")
        await shop.work()
    assert len(shop.buyer.accepted) == 1
    assert shop.inbox.types == ["order.submitted", "order.completed"]


DELIVERIES = {
    "created": UNPAID,
    "paid": {},
    "updated": {"note": "x", "updated_at": "2026-12-02T10:15:30-05:00"},
    "cancelled": CANCELLED,
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*DELIVERIES, "work", "buy"]), max_size=12))
async def test_the_order_of_arrival_makes_one_purchase_or_none(steps: list[str]) -> None:
    shop = Shop()
    may, cancelled_first = False, False
    for step in steps:
        if step == "work":
            await shop.orders.work(RECORD)
        elif step == "buy":
            may = await shop.orders.may_buy(RECORD, CONTOSO)
        else:
            assert (await shop.deliver(**DELIVERIES[step])).status == 200
            cancelled_first |= step == "cancelled" and not may
    assert len(shop.buyer.accepted) <= 1
    if cancelled_first:
        assert not await shop.orders.may_buy(RECORD, CONTOSO)
        assert not may
    elif {"paid", "updated"} & set(steps):
        await shop.work()
        assert await shop.orders.may_buy(RECORD, CONTOSO)
        assert next(iter(shop.buyer.accepted))[0] == CONTOSO


async def test_a_cancellation_after_the_purchase_is_reported_and_changes_nothing() -> None:
    shop = Shop()
    await shop.deliver()
    await shop.work()
    assert await shop.orders.may_buy(RECORD, CONTOSO)

    await shop.deliver(**CANCELLED)
    record = await shop.work()

    assert record.cancelled
    assert [flag.code for flag in record.flags] == ["cancelled_after_purchase"]
    assert record.needs_person
    assert await shop.orders.may_buy(RECORD, CONTOSO)
    assert [
        message["data"]["afterPurchase"]
        for message in shop.inbox.messages.values()
        if message["type"] == "order.cancelled"
    ] == [True]


async def test_a_checkout_that_bought_nothing_can_still_be_cancelled() -> None:
    shop = Shop()
    await shop.deliver()
    await shop.work()
    assert await shop.orders.may_buy(RECORD, CONTOSO)
    await shop.deliver(**CANCELLED)
    assert (await shop.work()).needs_person

    await shop.orders.nothing_bought(RECORD, CONTOSO)

    assert not await shop.orders.may_buy(RECORD, CONTOSO)
    assert not (await shop.work()).needs_person


async def test_what_is_frozen_stays_and_another_resolution_is_flagged() -> None:
    shop = Shop()
    await shop.deliver()
    before = (await shop.work()).parts
    attributes = [{"name": "Microsoft tenant", "value": FABRIKAM}]

    await shop.deliver(note_attributes=attributes, updated_at=LATER)
    record = await shop.work()

    assert record.parts == before
    assert [(flag.code, flag.about) for flag in record.flags] == [
        ("resolved_differently", f"5 x CFQ7TTC0LH18:0001 for {FABRIKAM}")
    ]
    assert list(shop.buyer.accepted) == [(CONTOSO, next(iter(shop.buyer.accepted))[1])]


async def test_each_difference_needs_a_person_once_until_he_has_settled_it() -> None:
    shop = Shop()
    line = sample("shopify")["line_items"][0]
    await shop.deliver()
    await shop.work()

    async def needs_person(minute: int, **changes: Any) -> bool:
        await shop.deliver(updated_at=f"2026-12-02T11:{minute}:00-05:00", **changes)
        return (await shop.work()).needs_person

    assert not await needs_person(10, note="nothing that matters")
    assert await needs_person(11, line_items=[line | {"current_quantity": 3}])
    assert await needs_person(12, line_items=[line | {"current_quantity": 3}])
    assert "parked" in await shop.folders()
    settled = await shop.orders.discard(RECORD)
    assert settled
    assert settled.state == "frozen"
    assert "parked" not in await shop.folders()
    assert not await needs_person(13, line_items=[line | {"current_quantity": 3}])
    assert await needs_person(14, line_items=[line | {"sku": "CFQ7TTC0LH18"}])

    told = [m["data"]["reasons"] for m in shop.inbox.messages.values() if "parked" in m["type"]]
    assert [(reason["code"], reason["about"]) for (reason,) in told] == [
        ("resolved_differently", f"3 x CFQ7TTC0LH18:0001 for {CONTOSO}"),
        ("resolved_differently", "sku_resembles"),
    ]
    assert len(shop.buyer.accepted) == 1


async def test_an_order_that_is_opened_again_after_it_was_given_up_needs_a_person() -> None:
    shop = Shop()
    await shop.deliver()
    await shop.work()
    await shop.deliver(**CANCELLED)
    given_up = PartResult(status="failed", problem="order_cancelled")
    await shop.orders.part_ended(RECORD, CONTOSO, given_up)
    assert not (await shop.work()).needs_person

    await shop.deliver(updated_at="2026-12-03T00:00:00Z")

    assert (await shop.work()).needs_person
    assert shop.inbox.types[2:] == ["order.failed", "order.parked"]


async def test_a_parked_order_is_looked_into_again_when_a_person_releases_it() -> None:
    shop = Shop()
    line = sample("shopify")["line_items"][0] | {"sku": "M365-BB-Y"}
    await shop.deliver(line_items=[line, line | {"id": 2, "sku": "CFQ7TTC0LH18"}])
    parked = await shop.work()
    assert [(reason["code"], reason["line"]) for reason in parked.reasons] == [
        ("sku_resembles", "2")
    ]
    assert shop.inbox.types == ["order.parked"]
    assert not shop.buyer.accepted

    table = (
        'table."CFQ7TTC0LH18" = {product="CFQ7TTC0LH18", sku="0001", term="P1Y", billing="annual"}'
    )
    shop.configure(read_sources(f"{SHOP}sku.{table}"))
    assert (await shop.work()).state == "parked"
    released = await shop.orders.release(RECORD)

    assert released
    assert released.state == "open"
    assert "open" in await shop.folders()
    assert (await shop.work()).state == "frozen"
    assert len(shop.buyer.accepted) == 1


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"test": True}, "test"),
        ({"id": 820982911946154508}, "test"),
        ({"created_at": "2026-11-30T23:59:59Z"}, "before_since"),
    ],
)
async def test_what_is_never_bought_is_acknowledged_and_not_stored(
    changes: dict[str, Any], verdict: str
) -> None:
    shop = Shop()

    assert await shop.deliver(**changes) == Receipt(200, verdict)
    assert not await shop.documents.list("")
    assert not shop.bell.rung


async def test_a_signed_body_that_cannot_be_read_is_kept_for_a_person() -> None:
    shop = Shop()

    assert await shop.deliver(line_items="none") == Receipt(200, "unreadable")
    assert await shop.folders() == ["unreadable"]
    assert not shop.bell.rung


async def test_the_body_of_an_order_is_where_the_order_is() -> None:
    shop = Shop()
    await shop.deliver(note_attributes=[], company=None)
    assert await shop.folders() == ["open"]
    await shop.work()
    assert await shop.folders() == ["parked"]

    await shop.deliver(updated_at=LATER)
    await shop.work()

    assert await shop.folders() == ["done", "done"]


async def test_a_source_without_since_begins_with_its_first_delivery() -> None:
    shop = Shop(SHOP.replace("since = 2026-12-01T00:00:00Z\n", ""))
    assert await shop.deliver() == Receipt(200, "before_since")
    shop.configure(read_sources(SHOP.replace("since = 2026-12-01T00:00:00Z\n", "")))
    shop.now += 86_400

    made = "2026-12-04T13:00:00Z"
    assert (await shop.deliver(created_at=made, updated_at=made)).verdict == "stored"
    assert (await shop.deliver(created_at="2026-12-04T11:00:00Z")).verdict == "before_since"


async def test_a_doubled_delivery_leaves_one_body_and_at_most_four_calls() -> None:
    shop = Shop()
    calls: list[str] = []
    for name, documents in itertools.product(
        ("create", "read", "replace"), (shop.documents, shop.stored)
    ):
        plain = getattr(documents, name)

        def counted(*arguments: Any, call: Any = plain, name: str = name) -> Any:
            calls.append(name)
            return call(*arguments)

        setattr(documents, name, counted)
    for changes in (UNPAID, {}, {}, CANCELLED):
        before = len(calls) + len(shop.bell.rung)
        await shop.deliver(**changes)
        assert len(calls) + len(shop.bell.rung) - before <= 4
    assert await shop.folders() == ["open"] * 3


@pytest.mark.parametrize(
    ("source", "secret", "body", "status"),
    [
        ("shop", "another", b"{}", 401),
        ("unknown", SECRET, b"{}", 401),
        ("shop", SECRET, b"x" * (MAX_BODY_BYTES + 1), 413),
        ("shop", SECRET, b"not JSON", 200),
        ("shop", SECRET, b"webhook_id=1", 200),
        ("shop", "another", b"webhook_id=1", 401),
    ],
)
async def test_the_status_of_what_is_no_order(
    source: str, secret: str, body: bytes, status: int
) -> None:
    shop = Shop()

    assert (await shop.intake(source, signed(body, secret), body)).status == status
    assert len(await shop.stored.list("")) == (1 if status == 200 else 0)


async def test_a_body_that_the_platform_dropped_is_told() -> None:
    assert (await Shop().intake("shop", {"transfer-encoding": "chunked"}, b"")).status == 411


@pytest.mark.parametrize(
    "body", [b"webhook_id=1", b"webhook_id=", b"webhook_id=1&x=2", b"webhook_id=1\n"]
)
async def test_woocommerces_ping_is_answered_and_nothing_like_it(body: bytes) -> None:
    shop = Shop('[woo]\nplatform = "woocommerce"\nsecrets = ["shop-secret"]')

    receipt = await shop.intake("woo", {}, body)

    assert receipt.status == (200 if body == b"webhook_id=1" else 401)
    assert shop.secrets.reads == (0 if receipt.status == 200 else 1)


async def test_an_older_secret_is_taken_and_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert (await Shop().deliver(secret=f"old {SECRET}")).status == 200
    assert "shop-secret-old" in caplog.text
    assert SECRET not in caplog.text


async def test_a_short_secret_closes_its_source_alone() -> None:
    shop = Shop(f'{SHOP}\n[other]\nplatform = "shopify"\nsecrets = ["short"]')
    shop.secrets.values["short"] = "fifteen bytes.."

    assert (await shop.intake("other", signed(b"{}"), b"{}")).status == 503
    assert (await shop.deliver()).status == 200


async def test_a_vault_that_fails_is_no_refusal_and_known_keys_go_on() -> None:
    shop = Shop()
    failure = Problem("vault_unavailable", "The vault did not answer.")
    shop.secrets.failure = failure
    assert (await shop.deliver()).status == 503
    shop.secrets.failure = None
    assert (await shop.deliver()).status == 200
    shop.secrets.failure = failure
    shop.now += 3600
    assert (await shop.deliver()).status == 200
    assert (await shop.deliver(secret="a new secret of many characters")).status == 503


async def test_a_renewed_secret_is_found_at_the_first_delivery_that_it_signs() -> None:
    shop = Shop()
    await shop.deliver()
    shop.secrets.values["shop-secret"] = "a new secret of many characters"

    assert (await shop.deliver(secret="a new secret of many characters")).status == 401
    shop.now += 31
    assert (await shop.deliver(secret="a new secret of many characters")).status == 200
    assert shop.secrets.reads == 2


async def test_what_could_not_be_stored_is_not_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop()

    async def failing(*arguments: Any) -> None:
        raise StoreUnavailable("The store fails.")

    for part, name in (
        (shop.documents, "create"),
        (shop.documents, "read"),
        (shop.stored, "create"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(part, name, failing)
            assert (await shop.deliver()).status == 503
    assert (await shop.deliver()).status == 200


async def test_a_body_that_was_deleted_parks_its_order() -> None:
    shop = Shop()
    await shop.deliver()
    body = json.dumps(sample("shopify")).encode()
    found = await shop.stored.read(f"open/{body_name('shop', ORDER_ID, body)}")
    assert found
    await shop.stored.delete(f"open/{body_name('shop', ORDER_ID, body)}", found.version)

    assert (await shop.work()).reasons[0]["code"] == "lines_incomplete"


async def test_a_fetched_order_is_asked_for_again_just_before_it_is_bought() -> None:
    class Api:
        session = sample("stripe-session")

        async def fetch(self, order_id: str) -> Any:
            assert order_id == self.session["id"]
            return order_of(self.session, sample_list("stripe-line-items"))

    api = Api()
    shop = Shop(fetched={"pay": api})
    shop.configure({"pay": sample_sources()["pay"].model_copy(update={"since": SINCE})})
    shop.secrets.values["pay-endpoint-secret"] = SECRET
    body = json.dumps(sample("stripe") | {"created": int(shop.now)}).encode()
    signature = stripe.WebhookSignature._compute_signature(
        f"{int(shop.now)}.{body.decode()}", SECRET
    )
    headers = {"stripe-signature": f"t={int(shop.now)},v1={signature}"}
    assert (await shop.intake("pay", headers, body)).verdict == "stored"
    record = await shop.orders.work(record_name("pay", api.session["id"]))
    assert record
    assert record.state == "frozen", record

    charge = {"refunded": True, "amount_refunded": 12000}
    api.session = sample("stripe-session", payment_intent={"latest_charge": charge})
    assert not await shop.orders.may_buy(record_name("pay", api.session["id"]), CONTOSO)
