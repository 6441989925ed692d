"""A cart through the whole chain: what Partner Center receives, and what the caller gets."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from partner_center_emulator.cloud import CLIENT_ID
from partner_center_emulator.partner_center import catalogue

from local.__main__ import SAMPLE_CART
from tests.end_to_end.chain import (
    CUSTOMER,
    ITEM,
    NO_CALLS,
    UNKNOWN_ITEM,
    Chain,
    cart,
    check_request,
    licence,
    line,
    problem,
    request_ids,
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


def test_the_documented_sample(chain: Chain) -> None:
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


def test_a_warm_request_is_one_call_with_ids_of_its_own(chain: Chain) -> None:
    answers = [chain.post() for _ in range(5)]

    assert {answer.status_code for answer in answers} == {201}
    assert chain.calls() == {"partner_center": 5}
    assert len(chain.cloud.proxy.connections) <= 1  # the connection is kept, too
    ids = {answer.headers["MS-RequestId"] for answer in answers}
    assert ids == request_ids(chain.sent())
    assert len(ids) == 5
    assert len({answer.headers["MS-CorrelationId"] for answer in answers}) == 5


def test_the_client_tracking_id_of_logic_apps_is_a_correlation_id(chain: Chain) -> None:
    tracking_id = str(uuid.uuid4())

    answer = chain.post(
        headers={"MS-CorrelationId": "no GUID", "x-ms-client-tracking-id": tracking_id.upper()}
    )

    assert answer.headers["MS-CorrelationId"] == tracking_id
    assert chain.sent()[0].headers["ms-correlationid"] == tracking_id


def test_a_cart_with_failed_lines_is_not_orderable(chain: Chain) -> None:
    answer = chain.post(
        cart(
            line(id=7, addonItems=[line(catalogItemId=UNKNOWN_ITEM)]),
            line(id=3, catalogItemId=UNKNOWN_ITEM),
            line(catalogItemId=catalogue.BUSINESS_BASIC, billingCycle="monthly"),
            licence(billingCycle="Monthly", quantity=299),
        )
    )

    assert answer.status_code == 201
    body = answer.json()
    assert body["orderable"] is False
    assert [item["id"] for item in body["lineItems"]] == [7, 3, 1, 2]
    assert body["lineItems"][0]["addonItems"][0]["error"]["code"] == "10001"
    errors = [item["error"] for item in body["lineItems"]]
    assert errors[0] is None
    assert [(e["code"], e["name"]) for e in errors[1:]] == [
        ("10001", "CatalogItemIdIsNotValid"),
        ("400039", None),
        ("10015", "MaxAllowedSeatsPerSubscriptionExceeded"),
    ]
    assert errors[3]["additionalInformation"] == {"availableQuantity": 275, "purchasedQuantity": 25}


def test_an_unknown_member_is_forwarded_with_a_warning(chain: Chain) -> None:
    body = {"LineItems": [line(SustainabilityTag={"deep": [1, None]})], "BudgetCode": 7}

    answer = chain.post(body)

    assert answer.status_code == 201
    sent = json.loads(chain.sent()[0].body)
    assert sent["BudgetCode"] == 7
    assert sent["lineItems"][0]["SustainabilityTag"] == {"deep": [1, None]}
    warnings = [w["pointer"] for w in answer.json()["warnings"] if w["code"] == "unknown_member"]
    assert set(warnings) == {"/BudgetCode", "/LineItems/0/SustainabilityTag"}


def test_every_documented_member_arrives_and_an_answer_can_be_posted_again(chain: Chain) -> None:
    item = line(
        id="5",
        friendlyName="Ü 漢字 🛒",
        quantity=2,
        currencyCode="eur",
        termDuration="P1Y",
        participants={"transaction_reseller": "5139005"},
        provisioningContext={"Scope": "shared"},
        orderGroup="1",
        renewsTo=[{"termDuration": "P1Y"}],
        promotionId="39NFJQT1PHSN:0008:39NFJQT1Q5J0",
        attestationAccepted=True,
        purchaseCommitment={"amount": 0.05, "currency": "usd", "grain": "hourly"},
        purchaseSystem="Modern",
        error={"errorCode": 10001},
        pricing={"price": 1.0},
    )
    body = {
        "partnerOnRecordAttestationAccepted": True,
        "status": "Active",
        "creationTimeStamp": "2018-03-15T17:15:02.3840528Z",
        "orderable": False,
        "lineItems": [item],
    }

    answer = chain.post("\ufeff" + json.dumps(body, ensure_ascii=False))

    assert answer.status_code == 201
    sent = json.loads(chain.sent()[0].body)
    assert list(sent) == ["partnerOnRecordAttestationAccepted", "lineItems"]
    assert sent["lineItems"] == [
        {
            "id": 5,
            "catalogItemId": ITEM,
            "friendlyName": "Ü 漢字 🛒",
            "quantity": 2,
            "currencyCode": "EUR",
            "billingCycle": "one_time",
            "termDuration": "P1Y",
            "participants": [{"key": "transaction_reseller", "value": "5139005"}],
            "provisioningContext": {"Scope": "shared"},
            "orderGroup": "1",
            "renewsTo": {"termDuration": "P1Y"},
            "promotionId": "39NFJQT1PHSN:0008:39NFJQT1Q5J0",
            "attestationAccepted": True,
            "purchaseCommitment": {"amount": 0.05, "currency": "usd", "grain": "hourly"},
            "purchaseSystem": "Modern",
        }
    ]
    first, second = answer.json(), chain.post(answer.json()).json()
    assert second["lineItems"] == first["lineItems"]
    assert second["id"] != first["id"]
    assert [warning["code"] for warning in second["warnings"]] == ["not_idempotent"]


def test_settings_shape_the_requests(start: Callable[..., Chain]) -> None:
    chain = start(
        PARTNER_CENTER_APPLICATION_NAME="A shop, v2",
        PARTNER_CENTER_LOCALE="ja-JP",
        CART_MAX_QUANTITY="10",
        CART_MAX_BODY_BYTES="4194304",
        CART_UNKNOWN_MEMBERS="reject",
        CART_REQUIRE_IDEMPOTENCY_KEY="true",
    )
    key = {"Idempotency-Key": "an-order"}

    created = chain.post(cart(quantity=10), headers=key).json()
    [arrival] = chain.sent()
    assert arrival.headers["ms-partnercenter-application"] == "A shop, v2"
    assert arrival.headers["x-locale"] == "ja-JP"
    # A member that came with a cart's answer is sent back, whatever the setting is.
    answer = chain.put(created["id"], {**created, "BudgetCode": 7})
    assert [w["pointer"] for w in answer.json()["warnings"]] == ["/BudgetCode"]
    chain.reset()

    for body, pointer, code in (
        (cart(quantity=11), "/lineItems/0/quantity", "out_of_range"),
        (cart(BudgetCode=7), "/lineItems/0/BudgetCode", "unknown_member"),
    ):
        [error] = problem(chain.post(body, headers=key), 400, "invalid_request")["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)
    problem(chain.post(), 400, "idempotency_key_required", "not_sent", False)
    assert chain.calls() == NO_CALLS

    body = cart(*[line() for _ in range(10_000)])
    huge = chain.post(body, headers={"Idempotency-Key": "a-large-order"})
    assert huge.status_code == 201
    assert [item["id"] for item in huge.json()["lineItems"]] == list(range(10_000))
