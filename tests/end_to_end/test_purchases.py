"""A cart is checked out, and an order placed: what is sent, what is answered, and never twice.

The unit tests have the tables of all that Partner Center may answer, also where an answer is lost.
"""

import json
import uuid

import httpx
from partner_center_emulator.partner_center import catalogue

from cart_core.idempotency.operation_id import OperationId
from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    ITEM,
    KEY_HEADER,
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

GOOD = licence(orderGroup="good")
UNSTEADY = licence(catalogue.UNSTEADY, orderGroup="unsteady")


def test_a_cart_is_bought(buying: Chain) -> None:
    cart_id = buying.create(licence(quantity=2, currencyCode="EUR", friendlyName="mine"))["id"]
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = buying.check_out(cart_id.upper(), customer=CUSTOMER.upper(), headers=headers)

    assert answer.status_code == 201
    [arrival] = buying.sent()
    assert (arrival.method, arrival.query, arrival.body) == ("POST", "", b"")
    assert arrival.path == f"/v1/customers/{CUSTOMER}/carts/{cart_id}/checkout"
    own = OperationId("checkout_cart", CUSTOMER, cart_id).checkout_correlation_id() or ""
    headers = {"x_locale": "de-DE", "x_ms_customeruser_upn": USER, "ms_correlationid": own}
    check_request(arrival, answer, correlation_id, **headers)
    [order] = buying.cloud.partner_center.orders.values()
    assert order.customer_user == USER
    body = answer.json()
    assert (body["cartId"], body["customerId"], body["status"]) == (cart_id, CUSTOMER, "completed")
    assert (body["orderErrors"], body["warnings"]) == ([], [])
    [shown] = body["orders"]
    assert shown["id"] == order.document["id"]
    assert shown["creationDate"] == order.document["creationDate"].replace("Z", "")[:26] + "Z"
    assert (shown["currencyCode"], shown["totalPrice"]) == ("EUR", 12.0)
    [item] = shown["lineItems"]
    assert (item["offerId"], item["quantity"]) == (catalogue.BUSINESS_BASIC, 2)
    assert item["subscriptionId"] == order.document["lineItems"][0]["subscriptionId"]
    assert item["friendlyName"] == "mine"
    assert list(body) == ["cartId", "customerId", "status", "orders", "orderErrors", "warnings"]
    assert buying.get(cart_id).json()["status"] == "Ordered"


def test_nothing_is_bought_unless_it_is_allowed(chain: Chain) -> None:
    problem(chain.check_out("x"), 403, "checkout_disabled", "not_sent", False)
    assert chain.calls() == NO_CALLS


# --- carts that are bought in part ------------------------------------------------------------


def test_a_part_is_bought_and_then_the_rest(buying: Chain) -> None:
    cart_id = buying.create(GOOD, UNSTEADY)["id"]

    first = buying.check_out(cart_id, headers=FOR_USER)

    body = first.json()
    assert (first.status_code, body["status"]) == (201, "partial")
    assert [order["lineItems"][0]["offerId"] for order in body["orders"]] == [
        catalogue.BUSINESS_BASIC
    ]
    assert body["orderErrors"] == [
        {
            "orderGroupId": "unsteady",
            "code": "800005",
            "description": "The order could not be created.",
            "outcome": "rejected",
        }
    ]
    second = buying.check_out(cart_id, headers=FOR_USER)
    assert (second.status_code, second.json()["status"]) == (201, "completed")
    assert "Idempotent-Replayed" not in second.headers
    assert second.json()["orders"][0]["id"] == body["orders"][0]["id"]
    assert operations(buying.sent()) == ["checkout", "get", "checkout"]
    assert len(request_ids(buying.sent("checkout"))) == 2
    assert buying.orders() == [(cart_id, "good"), (cart_id, "unsteady")]


# --- orders -----------------------------------------------------------------------------------


def test_an_order_is_a_cart_and_its_checkout(buying: Chain) -> None:
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = buying.order(str(uuid.uuid4()), customer=CUSTOMER.upper(), headers=headers)

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
    own = OperationId("checkout_cart", CUSTOMER, cart_id).checkout_correlation_id() or ""
    sent = {"x_locale": "de-DE", "x_ms_customeruser_upn": USER, "ms_correlationid": own}
    check_request(checkout, answer, correlation_id, **sent)
    body = answer.json()
    assert list(body) == ["cartId", "customerId", "status", "orders", "orderErrors", "warnings"]
    assert (body["cartId"], body["customerId"], body["status"]) == (cart_id, CUSTOMER, "completed")
    assert [order["id"] for order in body["orders"]] == list(buying.cloud.partner_center.orders)
    assert (body["orderErrors"], body["warnings"]) == ([], [])
    assert "location" not in answer.headers


def test_a_repetition_by_a_gateway_that_doubles_headers_buys_nothing(buying: Chain) -> None:
    key = str(uuid.uuid4())
    assert buying.order(key).status_code == 201
    given = {**KEY_HEADER, "Content-Type": "application/json", "Idempotency-Key": key}
    doubled = httpx.Headers([*given.items(), ("Idempotency-Key", key)])

    answer = buying.send("POST", f"/api/customers/{CUSTOMER}/orders", doubled, json.dumps(cart()))

    problem(answer, 400, "invalid_idempotency_key", "not_sent", False)
    assert len(buying.cloud.partner_center.orders) == 1
