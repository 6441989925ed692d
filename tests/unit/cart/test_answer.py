import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cart_core.cart.answer import NotACart, cart_path, normalise_cart
from cart_core.problem import FieldError
from tests.kit.builders import (
    CART_ID,
    CUSTOMER,
    SEED_RESPONSE,
    normalised,
    normalised_line,
    unreadable,
)

CART_MEMBERS = {
    "id",
    "customerId",
    "status",
    "creationTimestamp",
    "lastModifiedTimestamp",
    "expirationTimestamp",
    "lastModifiedUser",
    "partnerOnRecordAttestationAccepted",
    "orderable",
    "lineItems",
    "links",
    "warnings",
}
EMPTY_LINE: dict[str, Any] = {
    "id": None,
    "catalogItemId": None,
    "friendlyName": None,
    "quantity": None,
    "currencyCode": None,
    "billingCycle": None,
    "termDuration": None,
    "participants": [],
    "provisioningContext": {},
    "orderGroup": None,
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


def answered(*lines: Any, **members: Any) -> dict[str, Any]:
    return {"id": CART_ID, "lineItems": list(lines)} | members


def test_the_documented_response_is_normalised() -> None:
    seed_line = SEED_RESPONSE["lineItems"][0]

    assert normalised(SEED_RESPONSE) == {
        "id": CART_ID,
        "customerId": CUSTOMER,
        "status": None,
        "creationTimestamp": "2018-03-15T17:15:02.384052Z",
        "lastModifiedTimestamp": "2018-03-15T17:15:02.384052Z",
        "expirationTimestamp": None,
        "lastModifiedUser": "2713ccd7-ea3b-470a-9cfb-451d5d0482cc",
        "partnerOnRecordAttestationAccepted": None,
        "orderable": True,
        "lineItems": [EMPTY_LINE | seed_line],
        "links": {"self": f"/api/customers/{CUSTOMER}/carts/{CART_ID}"},
        "warnings": [],
    }


def test_every_member_is_always_present() -> None:
    answer = normalised(answered({}))

    assert set(answer) == CART_MEMBERS
    assert answer["lineItems"] == [EMPTY_LINE]
    assert normalised(answered())["lineItems"] == []


def test_null_is_the_same_as_absent() -> None:
    nulls = dict.fromkeys(CART_MEMBERS - {"id", "lineItems"})

    assert normalised(answered(dict.fromkeys(EMPTY_LINE)) | nulls) == normalised(answered({}))


def test_add_ons_have_every_member_too() -> None:
    (item,) = normalised(answered({"addonItems": [{"addonItems": [{"id": 2}]}]}))["lineItems"]

    assert item["addonItems"] == [EMPTY_LINE | {"addonItems": [EMPTY_LINE | {"id": 2}]}]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="array"),
        pytest.param([SEED_RESPONSE], id="array-of-a-cart"),
        pytest.param("cart", id="text"),
        pytest.param(5, id="number"),
        pytest.param(True, id="flag"),
        pytest.param({}, id="empty"),
        pytest.param({"id": CART_ID}, id="no-lines"),
        pytest.param({"id": CART_ID, "lineItems": None}, id="lines-null"),
        pytest.param({"id": CART_ID, "lineItems": {}}, id="lines-object"),
        pytest.param({"id": CART_ID, "lineItems": "x"}, id="lines-text"),
        pytest.param({"lineItems": []}, id="no-id"),
        pytest.param({"id": None, "lineItems": []}, id="id-null"),
        pytest.param({"id": "", "lineItems": []}, id="id-empty"),
        pytest.param({"id": ["x"], "lineItems": []}, id="id-array"),
        pytest.param({"id": "\ud800", "lineItems": []}, id="id-half-a-pair"),
        pytest.param({"code": "800002", "description": "no", "data": []}, id="fault"),
        pytest.param({"orders": [], "attributes": {}}, id="checkout-result"),
    ],
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
            try:
                normalise_cart(answered({name: value}, future=value), CUSTOMER)
            except NotACart:
                continue


# --- Spellings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "normal"),
    [
        ("2018-03-15T17:15:02.3840528Z", "2018-03-15T17:15:02.384052Z"),
        ("2018-03-15T17:15:02.384052899Z", "2018-03-15T17:15:02.384052Z"),
        ("2018-03-15T17:15:02.384052Z", "2018-03-15T17:15:02.384052Z"),
        ("2018-03-15T17:15:02.38Z", "2018-03-15T17:15:02.380000Z"),
        ("2018-03-15T17:15:02.3Z", "2018-03-15T17:15:02.300000Z"),
        ("2018-03-15T17:15:02Z", "2018-03-15T17:15:02.000000Z"),
        ("2018-03-15t17:15:02z", "2018-03-15T17:15:02.000000Z"),
        ("2018-03-15T17:15:02.3840528", "2018-03-15T17:15:02.384052Z"),
        ("2018-03-15T17:15:02", "2018-03-15T17:15:02.000000Z"),
        ("2018-03-15T17:15:02+00:00", "2018-03-15T17:15:02.000000Z"),
        ("2018-03-15T17:15:02.3840528+05:30", "2018-03-15T11:45:02.384052Z"),
        ("2018-03-15T23:15:02-08:00", "2018-03-16T07:15:02.000000Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59", "9999-12-31T23:59:59.000000Z"),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00.0000000Z", None),
        ("0001-01-01T00:00:00+00:00", None),
        (None, None),
    ],
)
@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("creationTimestamp", "creationTimestamp"),
        ("creationTimeStamp", "creationTimestamp"),
        ("lastModifiedTimestamp", "lastModifiedTimestamp"),
        ("lastModifiedTimeStamp", "lastModifiedTimestamp"),
        ("expirationTimestamp", "expirationTimestamp"),
        ("ExpirationTimeStamp", "expirationTimestamp"),
    ],
)
def test_timestamps_have_one_form(name: str, member: str, wire: Any, normal: Any) -> None:
    answer = normalised(answered(**{name: wire}))

    assert answer[member] == normal
    assert set(answer) == CART_MEMBERS
    assert answer["warnings"] == []
    assert normalised_line(customTermEndDate=wire)["customTermEndDate"] == normal


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
def test_no_zone_means_utc_wherever_the_function_runs() -> None:
    answer = normalised(answered(creationTimestamp="2018-03-15T17:15:02"))

    assert answer["creationTimestamp"] == "2018-03-15T17:15:02.000000Z"


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "yesterday",
        "2018-13-15T17:15:02Z",
        "2018-03-15T25:15:02Z",
        "2018-03-15",
        "15/03/2018 17:15:02",
        "2018-03-15T17:15:02.Z",
        "2018-03-15T17:15:02.12345678901Z",
        "2018-03-15T17:15:02+99:99",
        "12018-03-15T17:15:02Z",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:30:00+01:00",
        1521134102,
        True,
        {},
        ["2018-03-15T17:15:02Z"],
    ],
)
def test_an_unreadable_timestamp_is_null_with_a_warning(wire: Any) -> None:
    answer = normalised(answered({"customTermEndDate": wire}, expirationTimestamp=wire))

    assert answer["expirationTimestamp"] is None
    assert answer["lineItems"][0]["customTermEndDate"] is None
    assert len(unreadable(answer)) == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"id": 3}, {"id": 3}, id="id"),
        pytest.param({"id": "3"}, {"id": 3}, id="id-as-text"),
        pytest.param({"Id": 0}, {"id": 0}, id="id-in-another-case"),
        pytest.param({"CatalogItemId": "A"}, {"catalogItemId": "A"}, id="catalogItemId"),
        pytest.param({"quantity": 5}, {"quantity": 5}, id="quantity"),
        pytest.param({"billingCycle": "monthly"}, {"billingCycle": "monthly"}, id="billingCycle"),
        pytest.param({"billingCycle": "OneTime"}, {"billingCycle": "one_time"}, id="OneTime"),
        pytest.param({"billingCycle": "Monthly"}, {"billingCycle": "monthly"}, id="Monthly"),
        pytest.param({"billingCycle": "decennial"}, {"billingCycle": "decennial"}, id="new-cycle"),
        pytest.param({"billingCycle": "None"}, {"billingCycle": "none"}, id="None"),
        pytest.param({"termDuration": "P9Y"}, {"termDuration": "P9Y"}, id="termDuration"),
        pytest.param({"orderGroup": "OMS-0"}, {"orderGroup": "OMS-0"}, id="orderGroup"),
        pytest.param({"orderGroup": 0}, {"orderGroup": "0"}, id="orderGroup-as-number"),
        pytest.param(
            {"participants": [{"key": "transaction_reseller", "value": "5139005"}]},
            {"participants": [{"key": "transaction_reseller", "value": "5139005"}]},
            id="participants",
        ),
        pytest.param(
            {"participants": [{"Key": "k", "Value": "1"}, {"key": "k", "value": 2}]},
            {"participants": [{"key": "k", "value": "1"}, {"key": "k", "value": "2"}]},
            id="participants-repeat-a-key",
        ),
        pytest.param(
            {"participants": {"transaction_reseller": "5139005", "other": "1"}},
            {
                "participants": [
                    {"key": "transaction_reseller", "value": "5139005"},
                    {"key": "other", "value": "1"},
                ]
            },
            id="participants-as-object",
        ),
        pytest.param({"participants": {}}, {"participants": []}, id="participants-empty-object"),
        pytest.param(
            {"participants": [{"key": "k"}]},
            {"participants": [{"key": "k", "value": None}]},
            id="participant-without-value",
        ),
        pytest.param({"provisioningContext": {}}, {"provisioningContext": {}}, id="context-empty"),
        pytest.param(
            {"provisioningContext": {"parentSubscriptionId": "x", "Scope": "y"}},
            {"provisioningContext": {"parentSubscriptionId": "x", "Scope": "y"}},
            id="context-keeps-its-keys",
        ),
        pytest.param(
            {"renewsTo": {"termDuration": "P1Y"}},
            {"renewsTo": {"termDuration": "P1Y"}},
            id="renewsTo",
        ),
        pytest.param(
            {"renewsTo": [{"TermDuration": "P1Y"}]},
            {"renewsTo": {"termDuration": "P1Y"}},
            id="renewsTo-as-array",
        ),
        pytest.param({"renewsTo": []}, {"renewsTo": None}, id="renewsTo-empty-array"),
        pytest.param({"renewsTo": None}, {"renewsTo": None}, id="renewsTo-null"),
        pytest.param({"renewsTo": {}}, {"renewsTo": {"termDuration": None}}, id="renewsTo-empty"),
        pytest.param({"promotionId": "P:1:A"}, {"promotionId": "P:1:A"}, id="promotionId"),
        pytest.param(
            {"AttestationAccepted": True}, {"attestationAccepted": True}, id="attestationAccepted"
        ),
        pytest.param(
            {"pricing": {"listPrice": 1.5, "price": 1, "newPrice": None}},
            {"pricing": {"listPrice": 1.5, "price": 1, "newPrice": None}},
            id="pricing",
        ),
        pytest.param(
            {"purchaseCommitment": {"amount": 0.05, "currency": "usd", "grain": "hourly"}},
            {"purchaseCommitment": {"amount": 0.05, "currency": "usd", "grain": "hourly"}},
            id="purchaseCommitment",
        ),
        pytest.param({"purchaseSystem": "x"}, {"purchaseSystem": "x"}, id="purchaseSystem"),
        pytest.param({"friendlyName": "\ud800"}, {"friendlyName": "\ud800"}, id="half-a-pair"),
    ],
)
def test_a_line_is_read_in_every_spelling(given: dict[str, Any], expected: dict[str, Any]) -> None:
    answer = normalised(answered(given))

    assert answer["lineItems"] == [EMPTY_LINE | expected]
    assert answer["warnings"] == []
    assert answer["orderable"] is True


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"status": "Active"}, {"status": "Active"}, id="Active"),
        pytest.param({"status": "Ordered"}, {"status": "Ordered"}, id="Ordered"),
        pytest.param({"Status": "active"}, {"status": "Active"}, id="active"),
        pytest.param({"status": "ordered"}, {"status": "Ordered"}, id="ordered"),
        pytest.param({"lastModifiedUser": "u"}, {"lastModifiedUser": "u"}, id="lastModifiedUser"),
        pytest.param(
            {"PartnerOnRecordAttestationAccepted": True},
            {"partnerOnRecordAttestationAccepted": True},
            id="attestation",
        ),
    ],
)
def test_a_cart_is_read_in_every_spelling(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert normalised(answered(**given)) == normalised(answered()) | expected


def test_names_match_in_any_case() -> None:
    shouting = {name.upper(): value for name, value in SEED_RESPONSE.items()}
    shouting["LINEITEMS"] = [
        {name.upper(): value for name, value in SEED_RESPONSE["lineItems"][0].items()}
    ]

    assert normalised(shouting) == normalised(SEED_RESPONSE)


# --- What cannot be read ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "first"),
        ("id", 1.5),
        ("id", {}),
        ("catalogItemId", {}),
        ("friendlyName", ["x"]),
        ("quantity", "many"),
        ("quantity", []),
        ("currencyCode", True),
        ("billingCycle", {"value": "monthly"}),
        ("termDuration", ["P1Y"]),
        ("participants", "x"),
        ("participants", [1]),
        ("provisioningContext", "x"),
        ("provisioningContext", [{"key": "a"}]),
        ("orderGroup", {}),
        ("addonItems", {}),
        ("addonItems", ["x"]),
        ("renewsTo", "P1Y"),
        ("renewsTo", [{}, {}]),
        ("promotionId", {}),
        ("attestationAccepted", "perhaps"),
        ("pricing", [1]),
        ("purchaseCommitment", "x"),
    ],
)
def test_an_unreadable_member_of_a_line_is_empty_with_a_warning(name: str, value: Any) -> None:
    answer = normalised(answered({name: value}))

    assert answer["lineItems"] == [EMPTY_LINE]
    (warning,) = unreadable(answer)
    assert name in warning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", 5),
        ("lastModifiedUser", {}),
        ("partnerOnRecordAttestationAccepted", "perhaps"),
    ],
)
def test_an_unreadable_member_of_a_cart_is_null_with_a_warning(name: str, value: Any) -> None:
    answer = normalised(answered(**{name: value}))

    assert answer[name] is None
    (warning,) = unreadable(answer)
    assert name in warning


def test_the_requests_warnings_come_along() -> None:
    mine = FieldError("/lineItems/0/x", "unknown_member", "words")

    answer = normalised(answered(status=[]), mine)

    assert [(warning["code"], warning["pointer"]) for warning in answer["warnings"]] == [
        ("unknown_member", "/lineItems/0/x"),
        ("unreadable_member", ""),
    ]
    assert all(set(warning) == {"code", "pointer", "detail"} for warning in answer["warnings"])


# --- What is kept and what is dropped ---------------------------------------------------------

FUTURE = {"newMember": {"deep": [1, None, True]}, "Another": None, "number": 1.5}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param([], id="cart"),
        pytest.param(["lineItems", 0], id="line"),
        pytest.param(["lineItems", 0, "addonItems", 0], id="add-on"),
        pytest.param(["lineItems", 0, "participants", 0], id="participant"),
        pytest.param(["lineItems", 0, "renewsTo"], id="renewsTo"),
        pytest.param(["lineItems", 0, "error"], id="error"),
        pytest.param(["lineItems", 0, "pricing"], id="pricing"),
        pytest.param(["lineItems", 0, "purchaseCommitment"], id="purchaseCommitment"),
    ],
)
def test_new_members_are_kept_and_the_envelope_is_dropped(path: list[Any]) -> None:
    envelope = {
        "attributes": {"objectType": "X", "etag": "y"},
        "Links": {"self": {"uri": "/x", "method": "GET", "headers": []}},
    }
    document = answered(
        {
            "addonItems": [{}],
            "participants": [{}],
            "renewsTo": {},
            "error": {},
            "pricing": {},
            "purchaseCommitment": {},
        }
    )
    here: Any = document
    for step in path:
        here = here[step]
    here |= FUTURE | envelope

    answer = normalised(document)

    there: Any = answer
    for step in path:
        there = there[step]
    assert {name: there[name] for name in FUTURE} == FUTURE
    assert "objectType" not in json.dumps(answer)
    assert "headers" not in json.dumps(answer)
    assert answer["links"] == {"self": f"/api/customers/{CUSTOMER}/carts/{CART_ID}"}


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
    assert answer["links"] == {"self": f"/api/customers/{CUSTOMER}/carts/{CART_ID}"}


@pytest.mark.parametrize(
    ("cart_id", "last"),
    [
        (CART_ID, CART_ID),
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

LINE_ERRORS = {
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
    "400041": None,
    "424242": None,
}


@pytest.mark.parametrize("as_type", [int, str], ids=["number", "text"])
@pytest.mark.parametrize(("code", "name"), LINE_ERRORS.items())
def test_a_line_error_has_its_code_and_name(code: str, name: str | None, as_type: Any) -> None:
    error = {
        "errorCode": as_type(code),
        "errorDescription": "Words.",
        "additionalInformation": {"availableQuantity": 3, "purchasedQuantity": 1},
        "attributes": {"objectType": "CartError"},
    }

    answer = normalised(answered({"id": 0, "error": error}))

    assert answer["lineItems"][0]["error"] == {
        "code": code,
        "name": name,
        "description": "Words.",
        "additionalInformation": {"availableQuantity": 3, "purchasedQuantity": 1},
    }
    assert answer["orderable"] is False
    assert answer["warnings"] == []


@pytest.mark.parametrize(
    ("error", "code", "name"),
    [
        pytest.param(
            {"errorCode": "CatalogItemIdIsNotValid"}, "10001", "CatalogItemIdIsNotValid", id="name"
        ),
        pytest.param(
            {"errorCode": "catalog_item_id_is_not_valid"},
            "10001",
            "CatalogItemIdIsNotValid",
            id="snake-case-name",
        ),
        pytest.param({"ErrorCode": 10015}, "10015", LINE_ERRORS["10015"], id="in-another-case"),
        pytest.param({"code": 10015}, "10015", LINE_ERRORS["10015"], id="our-own-name"),
        pytest.param({"Code": 10015}, "10015", LINE_ERRORS["10015"], id="our-own-name-in-case"),
        pytest.param({"errorCode": "SomethingNew"}, "SomethingNew", None, id="new-name"),
        pytest.param({"errorCode": None}, None, None, id="null"),
        pytest.param({"errorCode": {}}, None, None, id="unreadable"),
        pytest.param({"errorCode": True}, None, None, id="flag"),
        pytest.param({}, None, None, id="empty"),
        pytest.param({"name": 5}, None, None, id="name-of-theirs"),
        pytest.param({"Name": 5, "errorCode": 0}, "0", "Unknown", id="Name-of-theirs"),
        pytest.param({"Name": 5, "errorCode": 1}, "1", None, id="Name-of-theirs-alone"),
        pytest.param("Not available.", None, None, id="text"),
        pytest.param(10001, None, None, id="number"),
        pytest.param([], None, None, id="array"),
        pytest.param(False, None, None, id="false"),
    ],
)
def test_a_line_error_is_never_lost(error: Any, code: str | None, name: str | None) -> None:
    answer = normalised(answered({"error": error}))

    shown = answer["lineItems"][0]["error"]
    assert (shown["code"], shown["name"]) == (code, name)
    assert set(shown) >= {"code", "name", "description", "additionalInformation"}
    assert answer["orderable"] is False


def test_a_line_error_that_is_a_text_is_its_description() -> None:
    assert "Not available." in normalised_line(error="Not available.")["error"]["description"]


@pytest.mark.parametrize(
    ("lines", "orderable"),
    [
        pytest.param([], True, id="no-line"),
        pytest.param([{}, {"error": None}], True, id="no-error"),
        pytest.param([{}, {"error": {"errorCode": 10001}}], False, id="a-line"),
        pytest.param([{"addonItems": [{"error": {"errorCode": 1}}]}], False, id="an-add-on"),
        pytest.param(
            [{"addonItems": [{}, {"addonItems": [{"addonItems": [{"Error": {}}]}]}]}],
            False,
            id="deep-down",
        ),
        pytest.param([{"addonItems": [{"addonItems": [{}]}]}], True, id="deep-down-without"),
    ],
)
def test_a_cart_is_orderable_when_no_line_at_any_depth_has_an_error(
    lines: list[Any], orderable: bool
) -> None:
    assert normalised(answered(*lines))["orderable"] is orderable
