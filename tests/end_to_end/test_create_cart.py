"""A cart through the whole chain: what Partner Center receives, and what the caller gets."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from partner_center_emulator.cloud import CLIENT_ID
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.faults import Fault

from cart_core import __version__
from local.__main__ import SAMPLE_CART
from tests.end_to_end.chain import CUSTOMER, GUID, ITEM, Chain, cart, line

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
    sent = dict(arrival.headers)
    scheme, _, token = sent.pop("authorization").partition(" ")
    assert scheme == "Bearer"
    claims = chain.cloud.tokens.claims(token)
    assert claims is not None
    assert claims["aud"] == "https://api.partnercenter.microsoft.com"
    request_id = sent.pop("ms-requestid")
    assert GUID.fullmatch(request_id)
    assert request_id != CALLERS_OWN["MS-RequestId"]
    assert sent == {
        "host": "api.partnercenter.microsoft.com",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(arrival.body)),
        "ms-correlationid": correlation_id,
        "x-locale": "de-DE",
        "ms-partnercenter-application": "partner-center-carts",
        "user-agent": f"cart-core/{__version__}",
    }

    [stored] = chain.cloud.partner_center.carts.values()
    cart_id = stored.document["id"]
    path = f"/api/customers/{CUSTOMER}/carts/{cart_id}"
    got = answer.json()
    created, expires = got.pop("creationTimestamp"), got.pop("expirationTimestamp")
    moment = datetime.strptime(created, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs(moment - before) < timedelta(minutes=1)
    end = datetime.strptime(expires, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert end - moment == timedelta(days=7)
    assert got == {
        "id": cart_id,
        "customerId": CUSTOMER,
        "status": "Active",
        "lastModifiedTimestamp": created,
        "lastModifiedUser": CLIENT_ID,
        "partnerOnRecordAttestationAccepted": None,
        "orderable": True,
        "lineItems": [
            {
                "id": 0,
                "catalogItemId": ITEM,
                "friendlyName": "A_sample_Azure_RI",
                "quantity": 2,
                "currencyCode": "USD",
                "billingCycle": "one_time",
                "termDuration": None,
                "participants": [],
                "provisioningContext": {
                    "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                    "scope": "shared",
                    "duration": "1Year",
                },
                "orderGroup": "0",
                "addonItems": [],
                "renewsTo": None,
                "promotionId": None,
                "customTermEndDate": None,
                "attestationAccepted": None,
                "pricing": None,
                "purchaseCommitment": None,
                "purchaseSystem": None,
                "error": None,
            }
        ],
        "links": {"self": path},
        "warnings": [w for w in got["warnings"] if w["code"] == "not_idempotent"],
    }

    theirs = {name: value for name, value in answer.headers.items() if name.startswith("ms-")}
    assert theirs.pop("ms-cv")
    assert theirs == {
        "ms-requestid": request_id,
        "ms-correlationid": correlation_id,
        "ms-serverid": "000001",
    }
    assert answer.headers["Location"] == path
    assert answer.headers["Content-Type"] == "application/json"
    assert not {"x-locale", "set-cookie", "www-authenticate"} & set(answer.headers)


def test_only_partner_centers_own_ids_are_handed_on_when_it_sends_them(chain: Chain) -> None:
    chain.post()
    [stored] = chain.cloud.partner_center.carts.values()
    chain.forget()
    chain.cloud.faults.inject(_answering(201, json.dumps(stored.document)))

    answer = chain.post()

    assert answer.status_code == 201
    assert not {"ms-cv", "ms-serverid", "x-from-partner-center"} & set(answer.headers)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"MS-CorrelationId": "AAAAAAAA-1111-4111-8111-BBBBBBBBBBBB"},
            "aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb",
        ),
        (
            {"x-ms-client-tracking-id": "cccccccc-1111-4111-8111-dddddddddddd"},
            "cccccccc-1111-4111-8111-dddddddddddd",
        ),
        (
            {
                "MS-CorrelationId": "aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb",
                "x-ms-client-tracking-id": "cccccccc-1111-4111-8111-dddddddddddd",
            },
            "aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb",
        ),
        (
            {
                "MS-CorrelationId": "no-guid",
                "x-ms-client-tracking-id": "cccccccc-1111-4111-8111-dddddddddddd",
            },
            "cccccccc-1111-4111-8111-dddddddddddd",
        ),
        ({"MS-CorrelationId": "08585287554183402765410867320CU24"}, None),
        ({}, None),
    ],
)
def test_the_correlation_id(chain: Chain, headers: dict[str, str], expected: str | None) -> None:
    answer = chain.post(headers=headers)

    assert answer.status_code == 201
    told = answer.headers["MS-CorrelationId"]
    assert GUID.fullmatch(told)
    assert chain.sent()[0].headers["ms-correlationid"] == told
    assert expected in (told, None)
    assert told not in headers.values() or told == expected


@pytest.mark.parametrize(
    ("given", "sent"),
    [("fr", "fr"), ("zh-Hans-CN", "zh-Hans-CN"), ("en_US", "en-US"), ("<script>", "en-US")],
)
def test_the_locale(chain: Chain, given: str, sent: str) -> None:
    assert chain.post(headers={"X-Locale": given}).status_code == 201
    assert chain.sent()[0].headers["x-locale"] == sent


def test_every_request_has_a_request_id_of_its_own(chain: Chain) -> None:
    ids = {chain.post().headers["MS-RequestId"] for _ in range(3)}

    assert ids == {arrival.headers["ms-requestid"] for arrival in chain.sent()}
    assert len(ids) == 3


def test_a_warm_request_makes_exactly_one_call(chain: Chain) -> None:
    for _ in range(5):
        assert chain.post().status_code == 201

    assert chain.calls() == {"partner_center": 5}
    assert len(chain.cloud.proxy.connections) <= 1  # the connection is kept, too


def test_no_cookie_is_kept_between_calls(chain: Chain) -> None:
    chain.post()
    [stored] = chain.cloud.partner_center.carts.values()
    chain.forget()
    cookie = {"Set-Cookie": "affinity=of-the-gateway; Path=/; Secure"}
    chain.cloud.faults.inject(_answering(201, json.dumps(stored.document), headers=cookie))

    answers = [chain.post(), chain.post()]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(chain.sent()) == 2
    assert not any("cookie" in arrival.headers for arrival in chain.sent())
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_failed_lines_make_a_cart_that_is_not_orderable(chain: Chain) -> None:
    answer = chain.post(
        {
            "lineItems": [
                line(id=7),
                line(id=3, catalogItemId="NOBODYKNOWS0:0001:NOBODYKNOWS0"),
                line(catalogItemId=catalogue.BUSINESS_BASIC, billingCycle="monthly"),
                line(
                    catalogItemId=catalogue.BUSINESS_BASIC,
                    billingCycle="Monthly",
                    termDuration="P1M",
                    quantity=299,
                ),
            ]
        }
    )

    assert answer.status_code == 201
    got = answer.json()
    assert got["orderable"] is False
    assert [item["id"] for item in got["lineItems"]] == [7, 3, 0, 1]
    errors = [item["error"] for item in got["lineItems"]]
    assert errors[0] is None
    assert [(e["code"], e["name"]) for e in errors[1:]] == [
        ("10001", "CatalogItemIdIsNotValid"),
        ("400039", None),
        ("10015", "MaxAllowedSeatsPerSubscriptionExceeded"),
    ]
    assert errors[3]["additionalInformation"] == {"availableQuantity": 275, "purchasedQuantity": 25}
    assert all(list(e)[:4] == _ERROR_MEMBERS for e in errors[1:])


_ERROR_MEMBERS = ["code", "name", "description", "additionalInformation"]


def test_a_failed_add_on_counts_as_well(chain: Chain) -> None:
    answer = chain.post(cart(addonItems=[line(catalogItemId="NOBODYKNOWS0:0001:NOBODYKNOWS0")]))

    assert answer.status_code == 201
    got = answer.json()
    assert got["orderable"] is False
    assert got["lineItems"][0]["error"] is None
    assert got["lineItems"][0]["addonItems"][0]["error"]["code"] == "10001"


def test_an_unknown_member_is_forwarded_with_a_warning(chain: Chain) -> None:
    body = {"LineItems": [line(SustainabilityTag={"deep": [1, None]})], "BudgetCode": 7}

    answer = chain.post(body)

    assert answer.status_code == 201
    sent = json.loads(chain.sent()[0].body)
    assert sent["BudgetCode"] == 7
    assert sent["lineItems"][0]["SustainabilityTag"] == {"deep": [1, None]}
    warned = [w for w in answer.json()["warnings"] if w["code"] == "unknown_member"]
    assert {w["pointer"] for w in warned} == {"/BudgetCode", "/LineItems/0/SustainabilityTag"}
    assert all(w["detail"] for w in warned)


def test_every_documented_member_arrives(chain: Chain) -> None:
    given = line(
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
        "lineItems": [given],
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
    got = answer.json()["lineItems"][0]
    assert (got["id"], got["currencyCode"], got["renewsTo"]) == (5, "EUR", {"termDuration": "P1Y"})
    assert got["friendlyName"] == "Ü 漢字 🛒"


def test_a_pasted_answer_makes_the_same_cart_again(chain: Chain) -> None:
    first = chain.post(cart(provisioningContext={"scope": "shared"})).json()

    second = chain.post(first).json()

    assert second["lineItems"] == first["lineItems"]
    assert second["id"] != first["id"]
    assert all(warning["code"] == "not_idempotent" for warning in second["warnings"])


def test_settings_that_shape_the_request(start: Callable[..., Chain]) -> None:
    chain = start(
        PARTNER_CENTER_APPLICATION_NAME="A shop, v2",
        PARTNER_CENTER_LOCALE="ja-JP",
        CART_MAX_QUANTITY="10",
        CART_MAX_BODY_BYTES="4194304",
        CART_UNKNOWN_MEMBERS="reject",
    )

    assert chain.post(cart(quantity=10)).status_code == 201
    [arrival] = chain.sent()
    assert arrival.headers["ms-partnercenter-application"] == "A shop, v2"
    assert arrival.headers["x-locale"] == "ja-JP"
    chain.forget()

    for refused, pointer, code in (
        (cart(quantity=11), "/lineItems/0/quantity", "out_of_range"),
        (cart(BudgetCode=7), "/lineItems/0/BudgetCode", "unknown_member"),
    ):
        answer = chain.post(refused)
        assert answer.status_code == 400
        [error] = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)
    assert chain.calls() == {}

    huge = chain.post({"lineItems": [line() for _ in range(10_000)]})
    assert huge.status_code == 201
    assert [item["id"] for item in huge.json()["lineItems"]] == list(range(10_000))


def _answering(status: int, body: str, headers: dict[str, str] | None = None) -> Fault:
    more = {"X-From-Partner-Center": "1"}
    return Fault(
        "partner_center", times=None, status=status, body=body, headers={**more, **(headers or {})}
    )
