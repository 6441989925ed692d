"""What a caller gets for a cart of Partner Center."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from cart_core.cart.answer import NotACart, cart_path, normalise_cart
from cart_core.problem import FieldError
from tests.kit.builders import CART_ID, CUSTOMER, SEED_RESPONSE, normalised, unreadable

LINKS = {"self": f"/api/customers/{CUSTOMER}/carts/{CART_ID}"}
EMPTY_CART: dict[str, Any] = dict.fromkeys(
    [
        *("creationTimestamp", "lastModifiedTimestamp", "expirationTimestamp", "status"),
        *("lastModifiedUser", "partnerOnRecordAttestationAccepted"),
    ]
) | {
    **{"id": CART_ID, "customerId": CUSTOMER, "orderable": True, "lineItems": []},
    **{"links": LINKS, "warnings": []},
}
EMPTY_LINE: dict[str, Any] = dict.fromkeys(
    [
        *("id", "catalogItemId", "friendlyName", "quantity", "currencyCode", "billingCycle"),
        *("termDuration", "orderGroup", "renewsTo", "promotionId", "customTermEndDate"),
        *("attestationAccepted", "pricing", "purchaseCommitment", "purchaseSystem", "error"),
    ]
) | {"participants": [], "provisioningContext": {}, "addonItems": []}


def answered(*lines: Any, **members: Any) -> dict[str, Any]:
    """A cart as Partner Center answers it, with these lines and members."""
    return {"id": CART_ID, "lineItems": list(lines)} | members


def test_microsofts_example_is_normalised() -> None:
    expected = EMPTY_CART | {
        "creationTimestamp": "2018-03-15T17:15:02.384052Z",
        "lastModifiedTimestamp": "2018-03-15T17:15:02.384052Z",
        "lastModifiedUser": "2713ccd7-ea3b-470a-9cfb-451d5d0482cc",
        "lineItems": [EMPTY_LINE | SEED_RESPONSE["lineItems"][0]],
    }
    shouted = {name.upper(): value for name, value in SEED_RESPONSE.items()}
    shouted["LINEITEMS"] = [
        {name.upper(): value for name, value in SEED_RESPONSE["lineItems"][0].items()}
    ]

    assert normalised(SEED_RESPONSE) == expected
    assert normalised(shouted) == expected


def test_every_member_is_always_present_and_null_is_the_same_as_absent() -> None:
    nulls = dict.fromkeys(EMPTY_CART.keys() - {"id", "lineItems"})
    line = EMPTY_LINE | {"addonItems": [EMPTY_LINE | {"addonItems": [EMPTY_LINE]}]}

    assert normalised(answered()) == EMPTY_CART
    for empty in ({}, dict.fromkeys(EMPTY_LINE)):
        document = answered(empty | {"addonItems": [{"addonItems": [empty]}]}, **nulls)
        assert normalised(document) == EMPTY_CART | {"lineItems": [line]}


@pytest.mark.parametrize(
    "document",
    [
        *(None, [], [SEED_RESPONSE], "cart", 5, True, {}),
        {"id": CART_ID},
        {"id": CART_ID, "lineItems": None},
        {"id": CART_ID, "lineItems": {}},
        {"id": CART_ID, "lineItems": "x"},
        {"lineItems": []},
        {"lineItems": [], "id": None},
        {"lineItems": [], "id": ""},
        {"lineItems": [], "id": ["x"]},
        {"lineItems": [], "id": "\ud800"},
        {"code": "800002", "description": "no", "data": []},
        {"orders": [], "attributes": {}},
    ],
    ids=ascii,
)
def test_what_is_no_cart_is_not_taken_for_one(document: Any) -> None:
    with pytest.raises(NotACart):
        normalise_cart(document, CUSTOMER)


def test_too_deep_for_us_is_no_cart_or_a_cart_but_no_crash() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    for value in (deep, {"a": deep}):
        for name in (*EMPTY_LINE, "future"):
            with suppress(NotACart):
                normalise_cart(answered({name: value}, future=value), CUSTOMER)


# --- Spellings --------------------------------------------------------------------------------

TIMESTAMPS = {
    "2018-03-15T17:15:02.3840528Z": "2018-03-15T17:15:02.384052Z",
    "2018-03-15T17:15:02.384052899Z": "2018-03-15T17:15:02.384052Z",
    "2018-03-15T17:15:02.3Z": "2018-03-15T17:15:02.300000Z",
    "2018-03-15t17:15:02z": "2018-03-15T17:15:02.000000Z",
    "2018-03-15T17:15:02.3840528": "2018-03-15T17:15:02.384052Z",
    "2018-03-15T17:15:02": "2018-03-15T17:15:02.000000Z",
    "2018-03-15T17:15:02+00:00": "2018-03-15T17:15:02.000000Z",
    "2018-03-15T17:15:02.3840528+05:30": "2018-03-15T11:45:02.384052Z",
    "2018-03-15T23:15:02-08:00": "2018-03-16T07:15:02.000000Z",
    "9999-12-31T23:59:59.9999999Z": "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00": None,
    "0001-01-01T00:00:00Z": None,
    "0001-01-01T00:00:00.0000000Z": None,
    "0001-01-01T00:00:00+00:00": None,
}


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
@pytest.mark.parametrize(("wire", "normal"), TIMESTAMPS.items())
def test_timestamps_have_one_form_wherever_the_function_runs(wire: str, normal: str | None) -> None:
    answer = normalised(answered({"customTermEndDate": wire}, expirationTimestamp=wire))

    assert answer["lineItems"][0]["customTermEndDate"] == normal
    assert answer == EMPTY_CART | {
        "expirationTimestamp": normal,
        "lineItems": [EMPTY_LINE | {"customTermEndDate": normal}],
    }


NOT_A_TIMESTAMP = [
    *("", "yesterday", "2018-13-15T17:15:02Z", "2018-03-15T25:15:02Z", "2018-03-15"),
    *("15/03/2018 17:15:02", "2018-03-15T17:15:02.Z", "2018-03-15T17:15:02.12345678901Z"),
    *("2018-03-15T17:15:02+99:99", "12018-03-15T17:15:02Z", "9999-12-31T23:59:59-01:00"),
    *("0001-01-01T00:30:00+01:00", 1521134102, True, {}, ["2018-03-15T17:15:02Z"]),
]

READ = [
    {"termDuration": "P9Y"},
    {"billingCycle": "decennial"},
    {"participants": [{"key": "transaction_reseller", "value": "5139005"}] * 2},
    {"provisioningContext": {"parentSubscriptionId": "x", "Scope": "y"}},
    {"renewsTo": {"termDuration": "P1Y"}},
    {"pricing": {"listPrice": 1.5, "price": 1, "newPrice": None}},
    {"purchaseCommitment": {"amount": 0.05, "currency": "usd", "grain": "hourly"}},
    {"attestationAccepted": False},
    {"friendlyName": "\ud800"},
]
READ_OTHERWISE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"Id": "3"}, {"id": 3}),
    ({"billingCycle": "OneTime"}, {"billingCycle": "one_time"}),
    ({"billingCycle": "Monthly"}, {"billingCycle": "monthly"}),
    ({"orderGroup": 0}, {"orderGroup": "0"}),
    (
        {"participants": [{"Key": "k", "Value": 2}, {"key": "k"}]},
        {"participants": [{"key": "k", "value": "2"}, {"key": "k", "value": None}]},
    ),
    (
        {"participants": {"transaction_reseller": "1", "other": "2"}},
        {
            "participants": [
                {"key": "transaction_reseller", "value": "1"},
                {"key": "other", "value": "2"},
            ]
        },
    ),
    ({"participants": {}}, {"participants": []}),
    (
        {"provisioningContext": {"n": 1, "flag": True, "none": None}},
        {"provisioningContext": {"n": "1", "flag": "true"}},
    ),
    ({"renewsTo": [{"TermDuration": "P1Y"}]}, {"renewsTo": {"termDuration": "P1Y"}}),
    ({"renewsTo": []}, {"renewsTo": None}),
    ({"renewsTo": {}}, {"renewsTo": {"termDuration": None}}),
]


@pytest.mark.parametrize(
    ("given", "expected"), [*((members, members) for members in READ), *READ_OTHERWISE], ids=ascii
)
def test_a_line_is_read_in_every_spelling(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert normalised(answered(given)) == EMPTY_CART | {"lineItems": [EMPTY_LINE | expected]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"Status": "active"}, {"status": "Active"}),
        ({"status": "ORDERED"}, {"status": "Ordered"}),
        ({"status": "Archived"}, {"status": "Archived"}),
        ({"creationTimeStamp": "2018-03-15T17:15:02Z"}, {"creationTimestamp": ...}),
        ({"lastModifiedTimeStamp": "2018-03-15T17:15:02Z"}, {"lastModifiedTimestamp": ...}),
        ({"ExpirationTimeStamp": "2018-03-15T17:15:02Z"}, {"expirationTimestamp": ...}),
        (
            {"PartnerOnRecordAttestationAccepted": True},
            {"partnerOnRecordAttestationAccepted": True},
        ),
    ],
)
def test_a_cart_is_read_in_every_spelling(given: dict[str, Any], expected: dict[str, Any]) -> None:
    expected = {
        name: "2018-03-15T17:15:02.000000Z" if value is ... else value
        for name, value in expected.items()
    }

    assert normalised(answered(**given)) == EMPTY_CART | expected


# --- What cannot be read ----------------------------------------------------------------------

UNREADABLE_IN_LINES: dict[str, list[Any]] = {
    "id": ["first", 1.5, {}],
    "catalogItemId": [{}],
    "friendlyName": [["x"]],
    "quantity": ["many", []],
    "currencyCode": [True],
    "billingCycle": [{"value": "monthly"}],
    "termDuration": [["P1Y"]],
    "participants": ["x", [1]],
    "provisioningContext": ["x", [{"key": "a"}]],
    "orderGroup": [{}],
    "addonItems": [{}, ["x"]],
    "renewsTo": ["P1Y", [{}, {}]],
    "promotionId": [{}],
    "customTermEndDate": NOT_A_TIMESTAMP,
    "attestationAccepted": ["perhaps"],
    "pricing": [[1]],
    "purchaseCommitment": ["x"],
    "purchaseSystem": [1.5],
}
UNREADABLE_IN_CARTS: dict[str, list[Any]] = {
    "status": [5],
    "expirationTimestamp": ["yesterday"],
    "lastModifiedUser": [{}],
    "partnerOnRecordAttestationAccepted": ["perhaps"],
}


@pytest.mark.parametrize(
    ("document", "name"),
    [
        pytest.param(document, name, id=f"{name}-{value}")
        for members, of_line in ((UNREADABLE_IN_LINES, True), (UNREADABLE_IN_CARTS, False))
        for name, values in members.items()
        for value in values
        for document in [answered({name: value}) if of_line else answered({}, **{name: value})]
    ],
)
def test_an_unreadable_member_is_empty_with_a_warning(document: Any, name: str) -> None:
    answer = normalised(document)

    (warning,) = unreadable(answer)
    assert f"'{name}'" in warning
    orderable = name != "addonItems"  # nobody knows whether the add-ons have errors
    assert answer == EMPTY_CART | {
        "lineItems": [EMPTY_LINE],
        "orderable": orderable,
        "warnings": answer["warnings"],
    }


def test_the_requests_warnings_come_first_and_each_unreadable_name_once() -> None:
    mine = FieldError("/lineItems/0/x", "unknown_member", "words")

    answer = normalised(answered({"quantity": []}, {"quantity": {}}), mine)

    assert answer["warnings"] == [
        {"pointer": "/lineItems/0/x", "code": "unknown_member", "detail": "words"},
        {
            "pointer": "",
            "code": "unreadable_member",
            "detail": "Partner Center's 'quantity' could not be read.",
        },
    ]


# --- What is kept and what is dropped ---------------------------------------------------------

FUTURE = {"newMember": {"deep": [1, None, True]}, "Another": None, "number": 1.5}
ENVELOPE = {
    "attributes": {"objectType": "X", "etag": "y"},
    "Links": {"self": {"uri": "/x", "method": "GET", "headers": []}},
}


def test_new_members_are_kept_and_the_envelope_is_dropped_at_every_level() -> None:
    names = ("renewsTo", "error", "pricing", "purchaseCommitment")
    several = ("participants", "addonItems")
    line: dict[str, Any] = dict.fromkeys(names, FUTURE | ENVELOPE)
    line |= {name: [FUTURE | ENVELOPE] for name in several}

    answer = normalised(answered(line | FUTURE | ENVELOPE, **FUTURE, **ENVELOPE))

    (item,) = answer["lineItems"]
    levels = [answer, item, *(item[name] for name in names), *(item[name][0] for name in several)]
    for level in levels:
        assert {name: level[name] for name in FUTURE} == FUTURE
    assert "objectType" not in json.dumps(answer)
    assert "headers" not in json.dumps(answer)
    assert answer["links"] == LINKS


def test_partner_center_cannot_speak_for_us() -> None:
    answer = normalised(
        answered(
            {"error": {"errorCode": 10001}},
            customerId="someone else",
            Orderable=True,
            warnings=["x"],
            links={"self": "/elsewhere"},
        )
    )

    assert answer["customerId"] == CUSTOMER
    assert answer["orderable"] is False
    assert answer["warnings"] == []
    assert answer["links"] == LINKS


@pytest.mark.parametrize(
    ("cart_id", "last"),
    [
        ("../../health", "..%2F..%2Fhealth"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("x\r\nSet-Cookie: a", "x%0D%0ASet-Cookie%3A%20a"),
        ("é", "%C3%A9"),
    ],
)
def test_links_are_paths_of_this_api(cart_id: str, last: str) -> None:
    answer = normalised({"id": cart_id, "lineItems": []})

    assert answer["id"] == cart_id
    assert answer["links"]["self"] == f"/api/customers/{CUSTOMER}/carts/{last}"
    assert cart_path(CUSTOMER, cart_id) == answer["links"]["self"]


# --- Line errors ------------------------------------------------------------------------------

CART_ERROR_NAMES = {
    "0": "Unknown",
    "10000": "CurrencyIsNotSupported",
    "10001": "CatalogItemIdIsNotValid",
    "10002": "QuotaNotAvailable",
    "10003": "InventoryNotAvailable",
    "10004": "ParticipantsIsNotSupportedForPartner",
    "10005": None,
    "10006": "UnableToProcessCartLineItem",
    "10007": "SubscriptionIsNotValid",
    "10008": "SubscriptionIsNotEnabledForRI",
    "10009": "SandboxLimitExceeded",
    "10010": "InvalidInput",
    "10011": "SubscriptionNotRegistered",
    "10012": "AttestationNotAccepted",
    "10013": "BillingPlanNotSupported",
    "10014": "InvalidPromotionId",
    "10015": "MaxAllowedSeatsPerSubscriptionExceeded",
    "10016": "InvalidCustomTermEndDateProduct",
    "10017": "InvalidCustomTermEndDate",
    "10018": "BaseOfferSeatQuantityNotMet",
    "10019": "MinimumAddOnSeatsNotMet",
    "500600": "LegacyOfferNotEligibleForPurchase",
    "400039": None,
    "424242": None,
}
"""CartErrorCode.cs of Microsoft's SDK, and codes that it does not have."""


@pytest.mark.parametrize(("code", "name"), CART_ERROR_NAMES.items())
def test_a_line_error_has_its_code_and_name(code: str, name: str | None) -> None:
    information = {"availableQuantity": 3, "purchasedQuantity": 1}
    for given in (code, int(code), *([name] if name else [])):
        error = {
            "errorCode": given,
            "errorDescription": "Words.",
            "additionalInformation": information,
        }
        answer = normalised(answered({"error": error}))

        assert answer["lineItems"][0]["error"] == {
            "code": code,
            "name": name,
            "description": "Words.",
            "additionalInformation": information,
        }
        assert answer["orderable"] is False
        assert answer["warnings"] == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"errorCode": "quota_not_available"}, {"code": "10002", "name": "QuotaNotAvailable"}),
        ({"ErrorCode": 10002}, {"code": "10002", "name": "QuotaNotAvailable"}),
        ({"Code": 10002}, {"code": "10002", "name": "QuotaNotAvailable"}),
        ({"errorCode": "SomethingNew"}, {"code": "SomethingNew"}),
        ({"errorCode": None}, {}),
        ({"errorCode": {}}, {}),
        ({"errorCode": True}, {}),
        ({}, {}),
        ({"name": 5}, {}),
        ({"Name": 5, "errorCode": 0}, {"code": "0", "name": "Unknown"}),
        ({"Name": 5, "errorCode": 1}, {"code": "1"}),
        ({"additionalInformation": "x"}, {}),
        ("Not available.", {"description": '"Not available."'}),
        (10001, {"description": "10001"}),
        ([], {"description": "[]"}),
        (False, {"description": "false"}),
    ],
    ids=str,
)
def test_a_line_error_is_never_lost(error: Any, expected: dict[str, Any]) -> None:
    answer = normalised(answered({"error": error}))

    empty = dict.fromkeys(["code", "name", "description"]) | {"additionalInformation": {}}
    assert answer["lineItems"][0]["error"] == empty | expected
    assert answer["orderable"] is False


@pytest.mark.parametrize(
    ("lines", "orderable"),
    [
        ([{}, {"error": None}], True),
        ([{}, {"error": {"errorCode": 10001}}], False),
        ([{"addonItems": [{"error": {"errorCode": 1}}]}], False),
        ([{"addonItems": [{}, {"addonItems": [{"addonItems": [{"Error": {}}]}]}]}], False),
        ([{"addonItems": [{"addonItems": [{}]}]}], True),
    ],
    ids=str,
)
def test_a_cart_is_orderable_when_no_line_at_any_depth_has_an_error(
    lines: list[Any], orderable: bool
) -> None:
    assert normalised(answered(*lines))["orderable"] is orderable
