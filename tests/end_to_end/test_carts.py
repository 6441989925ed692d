"""A cart is created, read and changed: what Partner Center receives, and what the caller gets."""

import json
import uuid
from datetime import UTC, datetime, timedelta

from partner_center_emulator.cloud import CLIENT_ID

from local.samples import SAMPLE_CART
from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    ITEM,
    MARKER,
    UNKNOWN_ITEM,
    Chain,
    cart,
    check_request,
)

CALLERS_OWN = {
    "Cookie": "session=a-cookie-of-the-caller",
    "Authorization": "Bearer a-token-of-the-caller",
    "MS-RequestId": "11111111-1111-4111-8111-111111111111",
    "MS-CV": "a-vector-of-the-caller.0",
    "MS-PartnerCenter-Application": "an-application-of-the-caller",
    "If-Match": '"an-etag"',
    "User-Agent": "a-client-of-the-caller",
    "Accept": "application/json, text/html",
    "X-Forwarded-For": "203.0.113.9",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "x-ms-client-request-id": "22222222-2222-4222-8222-222222222222",
}
"""Headers of a caller that must not reach Partner Center."""


def test_the_documented_sample_is_created(chain: Chain) -> None:
    correlation_id = str(uuid.uuid4())
    headers = {**CALLERS_OWN, "MS-CorrelationId": correlation_id, "X-Locale": "de-DE"}
    before = datetime.now(UTC)

    answer = chain.post(SAMPLE_CART, headers=headers, customer=CUSTOMER.upper())

    assert answer.status_code == 201
    [arrival] = chain.sent()
    assert (arrival.method, arrival.host) == ("POST", "api.partnercenter.microsoft.com")
    assert (arrival.path, arrival.query) == (f"/v1/customers/{CUSTOMER}/carts", "")
    assert arrival.body == (
        b'{"lineItems":[{"id":0,"catalogItemId":"DG7GMGF0DWTL:0001:DG7GMGF0DSJB",'
        b'"friendlyName":"A_sample_Azure_RI","quantity":2,"billingCycle":"one_time",'
        b'"provisioningContext":{"subscriptionId":"3D5ECED6-1151-44C7-AEE6-70A4BB725666",'
        b'"scope":"shared","duration":"1Year"}}]}'
    )
    check_request(arrival, answer, correlation_id, x_locale="de-DE")
    claims = chain.cloud.tokens.claims(arrival.headers["authorization"].removeprefix("Bearer "))
    assert claims is not None
    assert claims["aud"] == "https://api.partnercenter.microsoft.com"

    [stored] = chain.cloud.partner_center.carts.values()
    cart_id = stored.document["id"]
    path = f"/api/customers/{CUSTOMER}/carts/{cart_id}"
    body = answer.json()
    created, expires = [
        datetime.strptime(body[name], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        for name in ("creationTimestamp", "expirationTimestamp")
    ]
    assert before - timedelta(seconds=1) <= created <= datetime.now(UTC)
    assert expires - created == timedelta(days=7)
    assert (body["id"], body["customerId"]) == (cart_id, CUSTOMER)
    assert body["lastModifiedUser"] == CLIENT_ID
    assert (body["status"], body["orderable"], body["links"]) == ("Active", True, {"self": path})
    assert [warning["code"] for warning in body["warnings"]] == ["not_idempotent"]
    [item] = body["lineItems"]
    assert item.items() >= {**json.loads(arrival.body)["lineItems"][0], "orderGroup": "0"}.items()
    assert (item["currencyCode"], item["addonItems"], item["error"]) == ("USD", [], None)

    assert answer.headers["Location"] == path
    assert not {"x-locale", "set-cookie", "www-authenticate"} & set(answer.headers)


def test_a_cart_is_read(buying: Chain) -> None:
    created = buying.create(provisioningContext={"scope": "shared"})
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = buying.get(created["id"].upper(), customer=CUSTOMER.upper(), headers=headers)

    assert (answer.status_code, answer.json()) == (200, created)
    [arrival] = buying.sent()
    assert (arrival.method, arrival.query, arrival.body) == ("GET", "", b"")
    assert arrival.path == f"/v1/customers/{CUSTOMER}/carts/{created['id']}"
    check_request(arrival, answer, correlation_id, x_locale="de-DE")
    assert not {"location", "idempotent-replayed", "set-cookie"} & set(answer.headers)


def test_a_cart_is_changed(buying: Chain) -> None:
    created = buying.create(catalogItemId=UNKNOWN_ITEM)
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, **FOR_USER}

    answer = buying.put(created["id"].upper(), cart(id=4, quantity=3), headers=headers)

    assert answer.status_code == 200
    [read, arrival] = buying.sent()
    assert (read.method, arrival.method) == ("GET", "PUT")
    assert arrival.path == f"/v1/customers/{CUSTOMER}/carts/{created['id']}"
    assert (
        arrival.body
        == (
            f'{{"id":"{created["id"]}","lineItems":[{{"id":4,"catalogItemId":"{ITEM}",'
            f'"friendlyName":"{MARKER}","quantity":3,"billingCycle":"one_time"}}]}}'
        ).encode()
    )
    check_request(arrival, answer, correlation_id)
    body = answer.json()
    assert body["id"] == created["id"]
    assert [(item["id"], item["quantity"]) for item in body["lineItems"]] == [(4, 3)]
    assert (created["orderable"], body["orderable"]) == (False, True)
    assert body["creationTimestamp"] == created["creationTimestamp"]
    assert body["lastModifiedTimestamp"] > created["lastModifiedTimestamp"]
    assert [warning["code"] for warning in body["warnings"]] == ["line_dropped"]
    assert "location" not in answer.headers
    assert buying.get(created["id"]).json() == body | {"warnings": []}
