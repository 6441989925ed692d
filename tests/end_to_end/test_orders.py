"""An order in one call through the whole chain: a cart, bought, once for each key."""

import json
import uuid

import pytest
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.connections import Action
from partner_center_emulator.watch.disturbances import Disturbance

from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    ITEM,
    NO_CALLS,
    USER,
    Chain,
    cart,
    check_request,
    licence,
    operations,
    problem,
    request_ids,
)

CREATE, CHECKOUT = "/carts$", "/checkout$"
"""Disturbances with these paths hit nothing else."""
SOLD_OUT = cart(licence(orderGroup="good"), licence(catalogue.SOLD_OUT))


@pytest.fixture
def key() -> str:
    """A key that nobody has used yet."""
    return str(uuid.uuid4())


def test_an_order_is_a_cart_and_its_checkout(buying: Chain, key: str) -> None:
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = buying.order(key, customer=CUSTOMER.upper(), headers=headers)

    assert answer.status_code == 201
    create, checkout = buying.sent()
    [cart_id] = buying.cloud.partner_center.carts
    assert create.path == f"/v1/customers/{CUSTOMER}/carts"
    assert checkout.path == f"/v1/customers/{CUSTOMER}/carts/{cart_id}/checkout"
    assert json.loads(create.body)["lineItems"][0]["catalogItemId"] == ITEM
    assert create.headers["ms-requestid"] != checkout.headers["ms-requestid"]
    assert create.headers["ms-correlationid"] == correlation_id
    assert create.headers["x-locale"] == "de-DE"
    assert not {"x-ms-customeruser-upn", "idempotency-key"} & set(create.headers)
    check_request(checkout, answer, correlation_id, x_locale="de-DE", x_ms_customeruser_upn=USER)
    body = answer.json()
    assert list(body) == ["cartId", "customerId", "status", "orders", "orderErrors", "warnings"]
    assert (body["cartId"], body["customerId"], body["status"]) == (cart_id, CUSTOMER, "completed")
    assert [order["id"] for order in body["orders"]] == list(buying.cloud.partner_center.orders)
    assert (body["orderErrors"], body["warnings"]) == ([], [])
    assert "location" not in answer.headers


def test_an_order_needs_a_good_key(buying: Chain) -> None:
    problem(buying.order(None), 400, "idempotency_key_required", "not_sent", False)
    problem(buying.order("a b"), 400, "invalid_idempotency_key", "not_sent", False)
    assert buying.calls() == NO_CALLS


def test_an_order_that_cannot_be_and_is_once_its_cart_was_changed(buying: Chain, key: str) -> None:
    answer = buying.order(key, SOLD_OUT, headers=FOR_USER)
    error = problem(answer, 422, "cart_not_orderable", "rejected", False)
    [cart_id] = buying.cloud.partner_center.carts
    shown = error["cart"]
    assert (shown["id"], shown["orderable"], error["orderErrors"]) == (cart_id, False, [])
    assert [bool(item["error"]) for item in shown["lineItems"]] == [False, True]
    assert operations(buying.sent()) == ["create"]

    del shown["lineItems"][1]
    assert buying.put(cart_id, shown).json()["orderable"] is True
    answer = buying.order(key, SOLD_OUT, headers=FOR_USER)

    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert answer.json()["cartId"] == cart_id
    assert operations(buying.sent()) == ["create", "update", "get", "checkout"]
    assert buying.orders() == [(cart_id, "good")]


@pytest.mark.parametrize(
    ("path", "action", "status", "carts", "expected"),
    [
        (CREATE, "truncate", None, 2, "completed"),
        # It is refused, since somebody else has just ordered the cart.
        (CHECKOUT, None, 400, 1, "ordered"),
    ],
)
def test_an_answer_that_is_lost(
    buying: Chain,
    key: str,
    path: str,
    action: Action | None,
    status: int | None,
    carts: int,
    expected: str,
) -> None:
    buying.cloud.partner_center.deduplicate = False
    buying.cloud.partner_center.repeat_checkout = False
    disturbance = Disturbance(
        "partner_center", path=path, action=action, status=status, commit=True
    )
    disturbance.body = {"code": "800065", "description": "The cart is already submitted."}
    buying.cloud.disturbances.inject(disturbance)

    answer = buying.order(key)

    assert (answer.status_code, answer.json()["status"]) == (201, expected)
    assert len(buying.cloud.partner_center.carts) == carts
    assert buying.orders() == [(answer.json()["cartId"], "0")]
    assert len(request_ids(buying.sent("create"))) == 1
    assert len(request_ids(buying.sent("checkout"))) == (2 if status == 400 else 1)
