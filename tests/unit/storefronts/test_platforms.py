"""Each platform's bodies, true to their documented shape, become one order of ours."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.storefronts import bigcommerce, shopify, stripe, woocommerce
from cart_core.storefronts.json_body import UnreadableBody
from cart_core.storefronts.order import Ignored, Notice, Reading, StorefrontOrder
from cart_core.storefronts.platforms import Read, platform_of
from cart_core.storefronts.resolution import Parts, resolve
from tests.unit.storefronts.builders import CONTOSO, SINCE, KnownCustomers
from tests.unit.storefronts.samples import sample, sample_list, sample_sources

RECEIVED = datetime(2026, 12, 2, 15, 16, tzinfo=UTC)
MODIFIED = datetime(2026, 12, 2, 15, 15, 4, tzinfo=UTC)
SOURCES = sample_sources()
NAMES = ("shop", "woo", "big", "pay", "erp")
READ: dict[str, Read] = {name: platform_of(SOURCES[name]).read for name in NAMES}
SHOPIFY, WOO, ERP = (sample(name) for name in ("shopify", "woocommerce", "standard-webhooks"))


def fetched(name: str) -> Reading:
    """The order of a sample, fetched where the body itself does not have it."""
    if name == "big":
        return bigcommerce.order_of(
            sample("bigcommerce-order"), sample_list("bigcommerce-products")
        )
    if name == "pay":
        return stripe.order_of(sample("stripe-session"), sample_list("stripe-line-items"))
    return READ[name]({"shop": SHOPIFY, "woo": WOO, "erp": ERP}[name], RECEIVED)


@pytest.mark.parametrize(
    ("name", "order_id", "changed"),
    [
        ("shop", "820982911946154600", MODIFIED.replace(second=2)),
        ("woo", "727", MODIFIED),
        ("big", "250", MODIFIED),
        ("pay", "cs_live_a1Sample0000000000000000", MODIFIED.replace(second=0)),
        ("erp", "SO-1001", MODIFIED),
    ],
)
async def test_every_sample_is_bought_for_contoso(
    name: str, order_id: str, changed: datetime
) -> None:
    order = fetched(name)

    assert isinstance(order, StorefrontOrder)
    assert (order.id, order.changed, order.units) == (order_id, changed, 6)
    assert (order.paid, order.cancelled, order.edited, order.test, order.draft) == (
        (True,) + (False,) * 4
    )
    found = await resolve(order, SOURCES[name].rules(SINCE), KnownCustomers())
    assert isinstance(found, Parts), found
    ((customer, (line,)),) = found.parts
    assert customer == CONTOSO
    assert line.as_json() == {
        "catalogItemId": "CFQ7TTC0LH18:0001",
        "quantity": 5,
        "billingCycle": "monthly",
        "termDuration": "P1Y",
    }


LINE = SHOPIFY["line_items"][0]
BIG, EVENT = sample("bigcommerce"), sample("stripe")


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


@pytest.mark.parametrize(
    ("name", "body", "facts"),
    [
        ("shop", SHOPIFY | {"financial_status": "partially_refunded"}, {"paid": True}),
        ("shop", SHOPIFY | {"financial_status": "authorized"}, {"paid": False, "on_terms": False}),
        (
            "shop",
            SHOPIFY | {"financial_status": "pending", "payment_terms": {"id": 1}},
            {"paid": False, "on_terms": True},
        ),
        ("shop", SHOPIFY | {"financial_status": None}, {"paid": False}),
        ("shop", SHOPIFY | {"financial_status": "refunded"}, {"cancelled": True}),
        ("shop", SHOPIFY | {"financial_status": "voided"}, {"cancelled": True}),
        ("shop", SHOPIFY | {"cancelled_at": "2026-12-02T10:15:02Z"}, {"cancelled": True}),
        ("shop", SHOPIFY | {"test": True}, {"test": True}),
        ("shop", SHOPIFY | {"id": 820982911946154508}, {"test": True}),
        (
            "shop",
            SHOPIFY | {"line_items": [LINE | {"current_quantity": 2}], "refunds": [{}]},
            {"units": 2, "edited": False},
        ),
        (
            "shop",
            SHOPIFY | {"line_items": [without(LINE, "current_quantity")], "refunds": [{}]},
            {"edited": True},
        ),
        (
            "shop",
            SHOPIFY | {"line_items": [without(LINE, "current_quantity")]},
            {"units": 5, "edited": False},
        ),
        ("shop", SHOPIFY | {"line_items": [LINE | {"current_quantity": 1.5}]}, {"units": 0}),
        (
            "shop",
            SHOPIFY | {"customer": None, "company": None, "note_attributes": None},
            {"id": "820982911946154600"},
        ),
        ("woo", WOO | {"status": "pending", "date_paid_gmt": None}, {"paid": False}),
        ("woo", WOO | {"status": "on-hold"}, {"paid": True}),
        ("woo", WOO | {"status": "on-hold", "date_paid_gmt": None}, {"paid": False}),
        *(
            ("woo", WOO | {"status": status}, {"cancelled": True})
            for status in ("cancelled", "refunded", "failed", "trash")
        ),
        ("woo", WOO | {"status": "checkout-draft"}, {"draft": True}),
        ("woo", WOO | {"refunds": [{"id": 1, "total": "-6.00"}]}, {"edited": True}),
        ("woo", WOO | {"customer_id": 0}, {"number": "727"}),
        ("erp", ERP | {"type": "order.cancelled"}, {"cancelled": True}),
    ],
)
def test_what_an_order_says_of_itself(
    name: str, body: dict[str, Any], facts: dict[str, Any]
) -> None:
    order = READ[name](body, RECEIVED)

    assert {fact: getattr(order, fact) for fact in facts} == facts


@pytest.mark.parametrize(
    ("name", "body", "reading"),
    [
        ("shop", {"order_edit": {"id": 1, "order_id": 2}}, Ignored.UNWANTED),
        ("shop", without(SHOPIFY, "financial_status"), Ignored.UNWANTED),
        ("woo", {"id": 727}, Notice("727", RECEIVED, cancelled=True)),
        (
            "woo",
            {"code": "woocommerce_rest_cannot_view", "message": "", "data": {"status": 401}},
            Ignored.ERROR_BODY,
        ),
        ("woo", {"action": "woocommerce_new_order", "arg": 727}, Ignored.UNWANTED),
        ("woo", {"id": 93, "sku": "x", "status": "publish"}, Ignored.UNWANTED),
        ("big", BIG, Notice("250", MODIFIED)),
        (
            "big",
            BIG | {"scope": "store/order/created", "data": {"type": "order", "id": 250}},
            Notice("250", MODIFIED),
        ),
        *(
            (
                "big",
                BIG | {"data": {"type": "order", "id": 250, "status": {"new_status_id": status}}},
                Notice("250", MODIFIED, cancelled=status != 3),
            )
            for status in (3, 4, 5, 6)
        ),
        ("big", BIG | {"producer": "stores/other"}, Ignored.UNWANTED),
        ("big", BIG | {"scope": "store/order/transaction/created"}, Ignored.UNWANTED),
        ("big", BIG | {"data": {"type": "order", "id": "../1"}}, Ignored.UNREADABLE),
        ("pay", EVENT, Notice("cs_live_a1Sample0000000000000000", MODIFIED)),
        (
            "pay",
            EVENT | {"type": "checkout.session.expired"},
            Notice("cs_live_a1Sample0000000000000000", MODIFIED, cancelled=True),
        ),
        ("pay", EVENT | {"type": "invoice.paid"}, Ignored.UNWANTED),
        ("pay", EVENT | {"livemode": False}, Ignored.TEST),
        (
            "pay",
            {"type": "checkout.session.completed", "object": "v2.core.event"},
            Ignored.UNWANTED,
        ),
        (
            "pay",
            EVENT | {"data": {"object": {"id": "cs_../1", "object": "checkout.session"}}},
            Ignored.UNREADABLE,
        ),
        ("erp", ERP | {"type": "order.created"}, Ignored.UNWANTED),
    ],
)
def test_what_is_no_complete_order(name: str, body: dict[str, Any], reading: Reading) -> None:
    assert READ[name](body, RECEIVED) == reading


@pytest.mark.parametrize(
    ("name", "body", "detail"),
    [
        ("shop", SHOPIFY | {"id": Decimal("1.5")}, "id: "),
        ("shop", SHOPIFY | {"updated_at": "yesterday"}, "updated_at: "),
        ("shop", SHOPIFY | {"line_items": None}, "line_items: "),
        ("woo", WOO | {"date_modified_gmt": None}, "date_modified_gmt: "),
        ("big", BIG | {"created_at": "soon"}, "created_at: "),
        ("erp", ERP | {"data": {}}, "id: Field required"),
    ],
)
def test_a_body_that_is_no_order_as_documented_names_the_member(
    name: str, body: dict[str, Any], detail: str
) -> None:
    with pytest.raises(UnreadableBody) as raised:
        READ[name](body, RECEIVED)

    assert detail in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"status_id": 2, "payment_status": ""}, {"paid": False}),
        ({"status_id": 2, "payment_status": "captured"}, {"paid": True}),
        ({"status_id": 10, "payment_status": ""}, {"paid": True}),
        ({"status_id": 12, "payment_status": "authorized"}, {"paid": False}),
        ({"status_id": 5}, {"cancelled": True}),
        ({"is_deleted": True}, {"cancelled": True}),
        ({"status_id": 0}, {"draft": True}),
        (
            {"extraFields": [{"fieldName": "PO", "fieldValue": "4711"}], "billing_address": None},
            {"attributes": {"PO": "4711"}},
        ),
    ],
)
def test_an_order_that_bigcommerce_was_asked_for(
    changes: dict[str, Any], facts: dict[str, Any]
) -> None:
    order = bigcommerce.order_of(sample("bigcommerce-order", **changes), [])

    assert {fact: getattr(order, fact) for fact in facts} == facts


def charged(**charge: Any) -> dict[str, Any]:
    return {"payment_intent": {"latest_charge": charge}}


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"payment_status": "unpaid"}, {"paid": False}),
        ({"payment_status": "no_payment_required", "payment_intent": None}, {"paid": True}),
        (charged(refunded=True, amount_refunded=12000), {"cancelled": True}),
        (charged(refunded=False, amount_refunded=10), {"cancelled": False, "edited": True}),
        ({"status": "expired"}, {"cancelled": True}),
        ({"status": "open"}, {"draft": True}),
        ({"livemode": False}, {"test": True}),
    ],
)
def test_a_session_that_stripe_was_asked_for(
    changes: dict[str, Any], facts: dict[str, Any]
) -> None:
    order = stripe.order_of(sample("stripe-session", **changes), [])

    assert {fact: getattr(order, fact) for fact in facts} == facts


def test_the_address_of_an_account_is_verified_and_a_guests_is_not() -> None:
    customer = SHOPIFY["customer"]
    for changes, verified in (
        ({}, True),
        ({"state": "disabled"}, False),
        ({"verified_email": False}, False),
    ):
        order = shopify.read(SHOPIFY | {"customer": customer | changes}, RECEIVED)
        assert isinstance(order, StorefrontOrder)
        assert order.buyer.email_verified == verified
    order = woocommerce.read(WOO, RECEIVED)
    assert isinstance(order, StorefrontOrder)
    assert not order.buyer.email_verified


@pytest.mark.parametrize("customer_id", [0, "0"])
def test_a_guest_is_no_customer_with_the_id_0(customer_id: Any) -> None:
    bought = woocommerce.read(WOO | {"customer_id": customer_id}, RECEIVED)
    fetched = bigcommerce.order_of(sample("bigcommerce-order", customer_id=customer_id), [])

    assert isinstance(bought, StorefrontOrder)
    assert bought.buyer.customer is fetched.buyer.customer is None


def test_two_attributes_of_one_name_are_both_seen() -> None:
    twice = [{"name": "tenant", "value": "a.com"}, {"name": "tenant", "value": "b.com"}]
    order = shopify.read(SHOPIFY | {"note_attributes": twice}, RECEIVED)

    assert isinstance(order, StorefrontOrder)
    assert list(order.attributes.values()) == ["a.com", "b.com"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
SAMPLES = {"shop": SHOPIFY, "woo": WOO, "big": BIG, "pay": EVENT, "erp": ERP}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_a_member_of_any_other_type_is_an_order_or_is_refused(
    name: str, data: st.DataObject
) -> None:
    member = data.draw(st.sampled_from(sorted(SAMPLES[name])))
    body = SAMPLES[name] | {member: data.draw(JSON)}
    try:
        reading = READ[name](body, RECEIVED)
    except UnreadableBody:
        return
    assert isinstance(reading, StorefrontOrder | Notice | Ignored)
