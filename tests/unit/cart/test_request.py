import json
import time
from typing import Any

import pytest

from cart_core.api.messages import customer_flaws
from cart_core.cart.request import CartRules, read_cart
from cart_core.cart.request_types import INT32_MAX
from cart_core.problem import Problem
from tests.kit.builders import (
    CART_ID,
    CUSTOMER,
    MARKER,
    SEED_REQUEST,
    SEED_RESPONSE,
    cart,
    first_line,
    line,
    line_without,
    places,
    read,
    read_bytes,
    refusal,
    shown,
)

LINE = "/lineItems/0"
UNSET = "0001-01-01T00:00:00"
"""How .NET writes a date that nobody has set."""

SEED_BODY = {
    "lineItems": [
        {
            "id": 0,
            "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
            "friendlyName": "A_sample_Azure_RI",
            "quantity": 2,
            "billingCycle": "one_time",
            "provisioningContext": {
                "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                "scope": "shared",
                "duration": "1Year",
            },
        }
    ]
}


# --- Microsoft's page -------------------------------------------------------------------------


def test_the_documented_request_is_sent_in_camel_case() -> None:
    accepted = read(SEED_REQUEST)

    assert accepted.body == SEED_BODY
    assert accepted.warnings == ()


def test_the_documented_response_can_be_posted_back() -> None:
    sent = SEED_BODY["lineItems"][0] | {
        "friendlyName": "My offer purchase",
        "currencyCode": "USD",
        "orderGroup": "0",
    }

    accepted = read(SEED_RESPONSE)

    assert accepted.body == {"lineItems": [sent]}
    assert accepted.warnings == ()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"id": CART_ID}, id="id"),
        pytest.param({"creationTimeStamp": "2018-03-15T17:15:02.3840528Z"}, id="creationTimeStamp"),
        pytest.param({"creationTimestamp": "2018-03-15T17:15:02.3840528Z"}, id="creationTimestamp"),
        pytest.param({"lastModifiedTimeStamp": "0001-01-01T00:00:00"}, id="lastModifiedTimeStamp"),
        pytest.param({"lastModifiedTimestamp": None}, id="lastModifiedTimestamp"),
        pytest.param({"expirationTimeStamp": "2018-03-22T17:15:02Z"}, id="expirationTimeStamp"),
        pytest.param({"expirationTimestamp": 5}, id="expirationTimestamp-of-any-type"),
        pytest.param({"lastModifiedUser": "someone"}, id="lastModifiedUser"),
        pytest.param({"STATUS": "Active"}, id="status"),
        pytest.param({"links": {"self": {"uri": "/x", "headers": []}}}, id="links"),
        pytest.param({"Attributes": {"ObjectType": "Cart", "etag": "x"}}, id="attributes"),
        pytest.param({"orderable": False}, id="orderable"),
        pytest.param({"warnings": [{"code": "x", "pointer": "", "detail": ""}]}, id="warnings"),
        pytest.param({"customerId": CUSTOMER}, id="customerId"),
        pytest.param({"CustomerID": CUSTOMER.upper()}, id="customerId-in-capitals"),
        pytest.param({"customerId": None}, id="customerId-null"),
    ],
)
def test_members_of_an_answer_are_ignored(members: dict[str, Any]) -> None:
    accepted = read(cart(**members))

    assert accepted.body == {"lineItems": [{"id": 0} | line()]}
    assert accepted.warnings == ()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"error": {"code": "10001", "description": "no"}}, id="error"),
        pytest.param({"Error": None}, id="no-error"),
        pytest.param({"pricing": {"listPrice": 1.5}}, id="pricing"),
        pytest.param({"PRICING": "whatever"}, id="pricing-of-any-type"),
    ],
)
def test_members_of_an_answers_line_are_ignored(members: dict[str, Any]) -> None:
    assert first_line(cart(line(**members))) == {"id": 0} | line()


# --- What is accepted, and what is sent for it ------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param({"id": 7}, {"id": 7}, id="id"),
        pytest.param({"Id": "7"}, {"id": 7}, id="id-as-text"),
        pytest.param({"id": "0"}, {"id": 0}, id="id-zero-as-text"),
        pytest.param({"id": INT32_MAX}, {"id": INT32_MAX}, id="id-greatest"),
        pytest.param({"id": str(INT32_MAX)}, {"id": INT32_MAX}, id="id-greatest-as-text"),
        pytest.param({"ID": None}, {"id": 0}, id="id-null"),
        pytest.param({"quantity": 1}, {"quantity": 1}, id="quantity-least"),
        pytest.param({"quantity": INT32_MAX}, {"quantity": INT32_MAX}, id="quantity-greatest"),
        pytest.param({"friendlyName": "é 日本"}, {"friendlyName": "é 日本"}, id="friendlyName"),
        pytest.param({"FRIENDLYNAME": ""}, {"friendlyName": ""}, id="friendlyName-empty"),
        pytest.param({"friendlyName": None}, {}, id="friendlyName-null"),
        pytest.param(
            {"friendlyName": "0001-01-01T00:00:00 or so"},
            {"friendlyName": "0001-01-01T00:00:00 or so"},
            id="friendlyName-like-a-date",
        ),
        pytest.param({"currencyCode": "USD"}, {"currencyCode": "USD"}, id="currencyCode"),
        pytest.param({"currencycode": "eUr"}, {"currencyCode": "EUR"}, id="currencyCode-lower"),
        pytest.param({"currencyCode": None}, {}, id="currencyCode-null"),
        pytest.param({"TermDuration": "P1M"}, {"termDuration": "P1M"}, id="term-P1M"),
        pytest.param({"termDuration": "P1Y"}, {"termDuration": "P1Y"}, id="term-P1Y"),
        pytest.param({"termDuration": "P3Y"}, {"termDuration": "P3Y"}, id="term-P3Y"),
        pytest.param({"termDuration": None}, {}, id="term-null"),
        pytest.param(
            {"participants": [{"key": "transaction_reseller", "value": "5139005"}]},
            {"participants": [{"key": "transaction_reseller", "value": "5139005"}]},
            id="participants",
        ),
        pytest.param(
            {
                "Participants": [
                    {"Key": "additional_transaction_reseller", "VALUE": "1"},
                    {"value": "2", "key": "additional_transaction_reseller"},
                ]
            },
            {
                "participants": [
                    {"key": "additional_transaction_reseller", "value": "1"},
                    {"key": "additional_transaction_reseller", "value": "2"},
                ]
            },
            id="participants-repeat-a-key",
        ),
        pytest.param(
            {"participants": {"transaction_reseller": "1", "consumption_reseller": "2"}},
            {
                "participants": [
                    {"key": "transaction_reseller", "value": "1"},
                    {"key": "consumption_reseller", "value": "2"},
                ]
            },
            id="participants-short-form",
        ),
        pytest.param({"participants": None}, {}, id="participants-null"),
        pytest.param(
            {"ProvisioningContext": {"ParentSubscriptionId": "x", "scope": "shared", "Z": ""}},
            {"provisioningContext": {"ParentSubscriptionId": "x", "scope": "shared", "Z": ""}},
            id="provisioningContext-keeps-its-keys",
        ),
        pytest.param(
            {"provisioningContext": {"catalogId": "x", "quantitty": "y", "Id": "z"}},
            {"provisioningContext": {"catalogId": "x", "quantitty": "y", "Id": "z"}},
            id="provisioningContext-keys-are-no-members",
        ),
        pytest.param({"provisioningContext": None}, {}, id="provisioningContext-null"),
        pytest.param({"orderGroup": "OMS-0"}, {"orderGroup": "OMS-0"}, id="orderGroup"),
        pytest.param({"renewsTo": None}, {}, id="renewsTo-null"),
        pytest.param(
            {"renewsTo": {"termDuration": "P1Y"}},
            {"renewsTo": {"termDuration": "P1Y"}},
            id="renewsTo",
        ),
        pytest.param(
            {"RenewsTo": [{"TermDuration": "P1M"}]},
            {"renewsTo": {"termDuration": "P1M"}},
            id="renewsTo-as-array",
        ),
        pytest.param(
            {"promotionId": "39NFJQT1PHSN:0008:39NFJQT1Q5J0"},
            {"promotionId": "39NFJQT1PHSN:0008:39NFJQT1Q5J0"},
            id="promotionId",
        ),
        pytest.param(
            {"customTermEndDate": "2022-02-19T00:00:00Z"},
            {"customTermEndDate": "2022-02-19T00:00:00Z"},
            id="customTermEndDate",
        ),
        pytest.param(
            {"CustomTermEndDate": "2022-02-19T01:30:00+01:30"},
            {"customTermEndDate": "2022-02-19T00:00:00Z"},
            id="customTermEndDate-with-offset",
        ),
        pytest.param(
            {"customTermEndDate": "2022-02-19T00:00:00"},
            {"customTermEndDate": "2022-02-19T00:00:00Z"},
            id="customTermEndDate-without-zone",
        ),
        pytest.param(
            {"customTermEndDate": "2022-02-19T00:00:00.0000000Z"},
            {"customTermEndDate": "2022-02-19T00:00:00Z"},
            id="customTermEndDate-with-7-digits",
        ),
        pytest.param({"customTermEndDate": None}, {}, id="customTermEndDate-null"),
        *[
            pytest.param({name: value}, {}, id=f"{name}-unset-{value}")
            for name in ("customTermEndDate", "CUSTOMTERMENDDATE")
            for value in (
                "0001-01-01T00:00:00",
                "0001-01-01T00:00:00Z",
                "0001-01-01T00:00:00.0000000",
            )
        ],
        pytest.param(
            {"customTermEndDate": "0001-01-01T00:00:00.0000001Z"},
            {"customTermEndDate": "0001-01-01T00:00:00Z"},
            id="customTermEndDate-a-tick-later",
        ),
        pytest.param(
            {"customTermEndDate": "0001-01-01T00:00:01"},
            {"customTermEndDate": "0001-01-01T00:00:01Z"},
            id="customTermEndDate-a-second-later",
        ),
        *[
            pytest.param({name: UNSET}, {name: UNSET}, id=f"{name}-that-looks-like-no-date")
            for name in ("friendlyName", "orderGroup", "promotionId", "purchaseSystem")
        ],
        pytest.param(
            {"catalogItemId": UNSET},
            {"catalogItemId": UNSET},
            id="catalogItemId-that-looks-like-no-date",
        ),
        pytest.param(
            {"AttestationAccepted": True}, {"attestationAccepted": True}, id="attestation"
        ),
        pytest.param(
            {"attestationAccepted": False}, {"attestationAccepted": False}, id="attestation-false"
        ),
        pytest.param({"attestationAccepted": None}, {}, id="attestation-null"),
        pytest.param(
            {"PurchaseCommitment": {"Amount": 0.05, "CURRENCY": "usd", "grain": "hourly"}},
            {"purchaseCommitment": {"amount": 0.05, "currency": "usd", "grain": "hourly"}},
            id="purchaseCommitment",
        ),
        pytest.param(
            {"purchaseCommitment": {"amount": 5}},
            {"purchaseCommitment": {"amount": 5}},
            id="purchaseCommitment-of-whole-amount",
        ),
        pytest.param({"purchaseSystem": "x"}, {"purchaseSystem": "x"}, id="purchaseSystem"),
        pytest.param({"addonItems": None}, {}, id="addonItems-null"),
        pytest.param({"addonItems": []}, {"addonItems": []}, id="addonItems-empty"),
        pytest.param(
            {"AddonItems": [{"CATALOGITEMID": "C:1", "quantity": 2, "billingcycle": "Annual"}]},
            {
                "addonItems": [
                    {"id": 1, "catalogItemId": "C:1", "quantity": 2, "billingCycle": "annual"}
                ]
            },
            id="addonItems",
        ),
    ],
)
def test_a_line_is_sent_in_partner_centers_own_spelling(
    given: dict[str, Any], sent: dict[str, Any]
) -> None:
    accepted = read(cart(line(**given)))

    assert accepted.body["lineItems"] == [{"id": 0} | line() | sent]
    assert accepted.warnings == ()


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        (spelling, value)
        for value, spellings in {
            "monthly": ["monthly", "Monthly", "MONTHLY"],
            "annual": ["annual", "Annual"],
            "one_time": ["one_time", "OneTime", "onetime", "oneTime", "ONE_TIME", "One_Time"],
            "none": ["none", "None"],
            "triennial": ["triennial", "Triennial"],
            "biennial": ["biennial", "Biennial"],
        }.items()
        for spelling in spellings
    ],
)
def test_a_billing_cycle_in_any_spelling(spelling: str, value: str) -> None:
    assert first_line(cart(line(billingCycle=spelling)))["billingCycle"] == value


@pytest.mark.parametrize("wrong", ["", "unknown", "weekly", "monthl", "month", "1", " ", "P1M"])
def test_another_billing_cycle_is_refused_with_the_list(wrong: str) -> None:
    problem = refusal(cart(line(billingCycle=wrong)))

    assert {pointer for pointer, _ in places(problem)} == {f"{LINE}/billingCycle"}
    for value in ("monthly", "annual", "one_time", "none", "triennial", "biennial"):
        assert value in problem.errors[0].detail


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    "name", ["partnerOnRecordAttestationAccepted", "PartnerOnRecordAttestationAccepted"]
)
def test_the_partners_attestation_passes(name: str, given: bool) -> None:
    body = read(cart(**{name: given})).body

    assert body["partnerOnRecordAttestationAccepted"] is given


def test_the_partners_attestation_is_never_made_up() -> None:
    assert set(read(cart(partnerOnRecordAttestationAccepted=None)).body) == {"lineItems"}


@pytest.mark.parametrize("alias", ["catalogId", "CatalogId", "CATALOGID"])
@pytest.mark.parametrize(
    "also", [{}, {"catalogItemId": "A:1:B"}, {"catalogItemId": None}], ids=["alone", "same", "null"]
)
def test_catalog_id_is_another_name_of_catalog_item_id(alias: str, also: dict[str, Any]) -> None:
    given = line_without("catalogItemId") | {alias: "A:1:B"} | also

    accepted = read(cart(given))

    assert accepted.body["lineItems"] == [{"id": 0} | line()]
    assert accepted.warnings == ()


@pytest.mark.parametrize("alias_first", [True, False])
def test_two_names_must_not_disagree(alias_first: bool) -> None:
    given = line(catalogId="C:2:D")
    if alias_first:
        given = dict(reversed(given.items()))

    assert places(refusal(cart(given))) == {(f"{LINE}/catalogId", "duplicate_member")}


def test_members_are_sent_in_one_order() -> None:
    there = {
        "unheard": 1,
        "purchaseSystem": "x",
        "addonItems": [line(zone=1, id=9)],
        "billingCycle": "none",
        "quantity": 1,
        "friendlyName": "x",
        "catalogId": "A:1:B",
    }
    back = dict(reversed(there.items()))

    assert json.dumps(read(cart(there)).body) == json.dumps(read(cart(back)).body)
    assert list(first_line(cart(there)))[:3] == ["id", "catalogItemId", "friendlyName"]


# --- Ids --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param([{}, {}, {}], [0, 1, 2], id="none-given"),
        pytest.param([{"id": 1}, {}, {}], [1, 0, 2], id="lowest-unused"),
        pytest.param([{}, {"id": 0}, {}], [1, 0, 2], id="later-ones-count"),
        pytest.param([{}, {"id": "0"}, {}], [1, 0, 2], id="texts-count"),
        pytest.param([{"id": INT32_MAX}, {}], [INT32_MAX, 0], id="greatest"),
        pytest.param(
            [{"addonItems": [{}, {"addonItems": [{}]}]}, {}],
            [[0, [1, [2, [3]]]], 4],
            id="parents-before-add-ons",
        ),
        pytest.param(
            [{"addonItems": [{"id": 0}, {}]}, {"id": 2}],
            [[1, [0, 3]], 2],
            id="given-anywhere",
        ),
        pytest.param(
            [{"id": 5, "addonItems": [{}, {}]}, {"id": 1}],
            [[5, [0, 2]], 1],
            id="add-ons-of-a-given-one",
        ),
    ],
)
def test_missing_ids_are_the_lowest_unused_in_document_order(given: Any, sent: Any) -> None:
    def lines(specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            line(**spec)
            | ({"addonItems": lines(spec["addonItems"])} if "addonItems" in spec else {})
            for spec in specs
        ]

    def ids(items: list[dict[str, Any]]) -> list[Any]:
        return [
            [item["id"], ids(item["addonItems"])] if "addonItems" in item else item["id"]
            for item in items
        ]

    assert ids(read(cart(*lines(given))).body["lineItems"]) == sent


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        pytest.param(cart(line(id=1), line(id=1)), "/lineItems/1/id", id="lines"),
        pytest.param(cart(line(id=1), line(id="1")), "/lineItems/1/id", id="number-and-text"),
        pytest.param(
            cart(line(id=1, addonItems=[line(id=1)])), "/lineItems/0/addonItems/0/id", id="add-on"
        ),
        pytest.param(
            cart(line(addonItems=[line(id=1)]), line(addonItems=[line(Id=1)])),
            "/lineItems/1/addonItems/0/Id",
            id="add-ons-of-two-lines",
        ),
    ],
)
def test_an_id_occurs_once(document: Any, pointer: str) -> None:
    problem = refusal(document)

    (error,) = problem.errors
    assert error.code == "duplicate_id"
    assert error.pointer in {pointer, "/lineItems/0/id"}


# --- What is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("document", [None, True, 1, 1.5, "cart", [], [line()], [cart()]])
def test_a_cart_is_an_object(document: Any) -> None:
    assert places(refusal(document)) == {("", "wrong_type")}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({}, {("/lineItems", "required")}, id="absent"),
        pytest.param({"lineItems": None}, {("/lineItems", "required")}, id="null"),
        pytest.param({"lineItems": []}, {("/lineItems", "too_short")}, id="empty"),
        pytest.param({"LineItems": {}}, {("/LineItems", "wrong_type")}, id="object"),
        pytest.param({"lineItems": line()}, {("/lineItems", "wrong_type")}, id="line"),
        pytest.param({"lineItems": "x"}, {("/lineItems", "wrong_type")}, id="text"),
        pytest.param({"lineItems": 1}, {("/lineItems", "wrong_type")}, id="number"),
        pytest.param({"lineItems": [None]}, {(LINE, "wrong_type")}, id="null-line"),
        pytest.param({"lineItems": ["x"]}, {(LINE, "wrong_type")}, id="text-line"),
        pytest.param({"lineItems": [[line()]]}, {(LINE, "wrong_type")}, id="array-line"),
        pytest.param(
            {"lineItems": [line(), 5, {}]},
            {
                ("/lineItems/1", "wrong_type"),
                ("/lineItems/2/catalogItemId", "required"),
                ("/lineItems/2/quantity", "required"),
                ("/lineItems/2/billingCycle", "required"),
            },
            id="some-wrong",
        ),
        pytest.param(
            cart(partnerOnRecordAttestationAccepted="true"),
            {("/partnerOnRecordAttestationAccepted", "wrong_type")},
            id="attestation-as-text",
        ),
        pytest.param(
            cart(PartnerOnRecordAttestationAccepted=1),
            {("/PartnerOnRecordAttestationAccepted", "wrong_type")},
            id="attestation-as-number",
        ),
        pytest.param(
            cart(customerId="11111111-1111-1111-1111-111111111111"),
            {("/customerId", "customer_mismatch")},
            id="another-customer",
        ),
        pytest.param(
            cart(CustomerId=5), {("/CustomerId", "customer_mismatch")}, id="customer-as-number"
        ),
        pytest.param(
            cart(customerId=""), {("/customerId", "customer_mismatch")}, id="customer-empty"
        ),
    ],
)
def test_a_wrong_cart_is_refused(document: Any, expected: set[tuple[str, str]]) -> None:
    assert places(refusal(document)) == expected


NOT_TEXT: list[Any] = [True, 0, 1.5, [], ["x"], {}, {"a": "b"}]
NOT_NUMBER: list[Any] = [True, False, "", "2", "2.0", "x", [], [1], {}]
NOT_FLAG: list[Any] = [0, 1, "true", "yes", "", [], {}]
NOT_OBJECT: list[Any] = [True, 1, 1.5, "x", "", [1], ["x"]]
NOT_ARRAY: list[Any] = [True, 1, 1.5, "x", ""]

NOT_AN_ID = ["", "00", "01", "+1", "-1", " 1", "1 ", "1\n", "1.0", "1e1", "0x1", "\u0661", "x"]

WRONG_TYPES: dict[str, list[Any]] = {
    "id": [True, 0.0, 1.5, *NOT_AN_ID, [], {}],
    "catalogItemId": NOT_TEXT,
    "friendlyName": NOT_TEXT,
    "quantity": [2.0, 0.5, *NOT_NUMBER],
    "currencyCode": NOT_TEXT,
    "billingCycle": NOT_TEXT,
    "termDuration": NOT_TEXT,
    "participants": [*NOT_ARRAY, [1], ["x"], [None]],
    "provisioningContext": [*NOT_OBJECT, []],
    "orderGroup": NOT_TEXT,
    "addonItems": [*NOT_ARRAY, {}, [1], ["x"], [None]],
    "renewsTo": [*NOT_OBJECT, [], [None], [{}, {}], [[{}]]],
    "promotionId": NOT_TEXT,
    "customTermEndDate": NOT_TEXT,
    "attestationAccepted": NOT_FLAG,
    "purchaseCommitment": [*NOT_OBJECT, [], [{}]],
    "purchaseSystem": NOT_TEXT,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{json.dumps(value)}")
        for name, values in WRONG_TYPES.items()
        for value in values
    ],
)
def test_a_member_of_the_wrong_type_is_refused(name: str, value: Any) -> None:
    for document, where in (
        (cart(line(**{name: value})), LINE),
        (cart(line(addonItems=[line(**{name: value})])), f"{LINE}/addonItems/0"),
    ):
        (error,) = refusal(document).errors
        assert error.code == "wrong_type"
        assert error.pointer in {f"{where}/{name}", f"{where}/{name}/0"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"id": -1}, {("id", "out_of_range")}, id="id-negative"),
        pytest.param({"id": 2**31}, {("id", "out_of_range")}, id="id-beyond-int32"),
        pytest.param({"id": "2147483648"}, {("id", "out_of_range")}, id="id-text-beyond-int32"),
        pytest.param({"id": 10**400}, {("id", "out_of_range")}, id="id-of-400-digits"),
        pytest.param({"quantity": None}, {("quantity", "required")}, id="quantity-null"),
        pytest.param({"quantity": 0}, {("quantity", "out_of_range")}, id="quantity-zero"),
        pytest.param({"quantity": -1}, {("quantity", "out_of_range")}, id="quantity-negative"),
        pytest.param({"quantity": 2**31}, {("quantity", "out_of_range")}, id="quantity-int32"),
        pytest.param({"quantity": 2**63}, {("quantity", "out_of_range")}, id="quantity-int64"),
        pytest.param({"quantity": 10**400}, {("quantity", "out_of_range")}, id="quantity-huge"),
        pytest.param({"catalogItemId": None}, {("catalogItemId", "required")}, id="item-null"),
        pytest.param({"catalogItemId": ""}, {("catalogItemId", "too_short")}, id="item-empty"),
        pytest.param(
            {"catalogItemId": "A\r\nB"}, {("catalogItemId", "invalid_text")}, id="item-with-crlf"
        ),
        pytest.param(
            {"catalogItemId": "A\0"}, {("catalogItemId", "invalid_text")}, id="item-with-nul"
        ),
        pytest.param(
            {"friendlyName": "\x7f"}, {("friendlyName", "invalid_text")}, id="name-with-delete"
        ),
        pytest.param(
            {"friendlyName": "\ud800"}, {("friendlyName", "invalid_text")}, id="name-surrogate"
        ),
        pytest.param({"orderGroup": "\t"}, {("orderGroup", "invalid_text")}, id="group-with-tab"),
        pytest.param(
            {"promotionId": "\x1b"}, {("promotionId", "invalid_text")}, id="promotion-with-escape"
        ),
        pytest.param({"billingCycle": None}, {("billingCycle", "required")}, id="cycle-null"),
        pytest.param({"billingCycle": "daily"}, {("billingCycle", "unknown_value")}, id="cycle"),
        pytest.param({"currencyCode": ""}, {("currencyCode", "invalid_format")}, id="no-currency"),
        pytest.param({"currencyCode": "US"}, {("currencyCode", "invalid_format")}, id="2-letters"),
        pytest.param(
            {"currencyCode": "USDX"}, {("currencyCode", "invalid_format")}, id="4-letters"
        ),
        pytest.param({"currencyCode": "U$D"}, {("currencyCode", "invalid_format")}, id="sign"),
        pytest.param({"currencyCode": "840"}, {("currencyCode", "invalid_format")}, id="digits"),
        pytest.param({"currencyCode": "ÜSD"}, {("currencyCode", "invalid_format")}, id="umlaut"),
        pytest.param({"termDuration": "1Year"}, {("termDuration", "invalid_format")}, id="1Year"),
        pytest.param({"termDuration": "P"}, {("termDuration", "invalid_format")}, id="P"),
        pytest.param({"termDuration": "PT"}, {("termDuration", "invalid_format")}, id="PT"),
        pytest.param({"termDuration": "P1YT"}, {("termDuration", "invalid_format")}, id="P1YT"),
        pytest.param({"termDuration": "1Y"}, {("termDuration", "invalid_format")}, id="1Y"),
        pytest.param({"termDuration": "PY"}, {("termDuration", "invalid_format")}, id="PY"),
        pytest.param({"termDuration": "P1M1Y"}, {("termDuration", "invalid_format")}, id="P1M1Y"),
        pytest.param({"termDuration": "-P1Y"}, {("termDuration", "invalid_format")}, id="-P1Y"),
        pytest.param({"termDuration": "P1Y "}, {("termDuration", "invalid_format")}, id="P1Y-"),
        pytest.param({"termDuration": "P1H"}, {("termDuration", "invalid_format")}, id="P1H"),
        pytest.param({"termDuration": "P\u0661Y"}, {("termDuration", "invalid_format")}, id="PxY"),
        pytest.param(
            {"renewsTo": {"termDuration": "year"}},
            {("renewsTo/termDuration", "invalid_format")},
            id="renewsTo-term",
        ),
        pytest.param(
            {"RenewsTo": [{"TermDuration": 5}]},
            {("RenewsTo/0/TermDuration", "wrong_type")},
            id="renewsTo-array-term",
        ),
        pytest.param(
            {"participants": [{"key": "x"}]},
            {("participants/0/value", "required")},
            id="participant-without-value",
        ),
        pytest.param(
            {"participants": [{"key": None, "Value": 5}]},
            {("participants/0/key", "required"), ("participants/0/Value", "wrong_type")},
            id="participant-wrong",
        ),
        pytest.param(
            {"participants": [{"key": "", "value": ""}]},
            {("participants/0/key", "too_short"), ("participants/0/value", "too_short")},
            id="participant-empty",
        ),
        pytest.param({"catalogItemId": "  "}, {("catalogItemId", "invalid_text")}, id="item-blank"),
        pytest.param(
            {"catalogItemId": "\u00a0\u2003"}, {("catalogItemId", "invalid_text")}, id="item-nbsp"
        ),
        pytest.param(
            {"participants": [{"key": " ", "value": "\u3000"}]},
            {("participants/0/key", "invalid_text"), ("participants/0/value", "invalid_text")},
            id="participant-blank",
        ),
        pytest.param(
            {"participants": {" ": "5139005"}},
            {("participants/ ", "invalid_text")},
            id="participant-short-form-blank",
        ),
        pytest.param(
            {"purchaseCommitment": {"currency": " ", "grain": " "}},
            {
                ("purchaseCommitment/currency", "invalid_text"),
                ("purchaseCommitment/grain", "invalid_text"),
            },
            id="commitment-blank",
        ),
        pytest.param(
            {"participants": {"a/b": 5, "c~d": None}},
            {("participants/a~1b", "wrong_type"), ("participants/c~0d", "required")},
            id="participants-short-form",
        ),
        pytest.param(
            {"participants": {"a": {"value": 5}}},
            {("participants/a", "wrong_type")},
            id="participants-short-form-object",
        ),
        pytest.param(
            {"ProvisioningContext": {"Scope": 1, "flag": True, "a/b~c": {}, "none": None}},
            {
                ("ProvisioningContext/Scope", "wrong_type"),
                ("ProvisioningContext/flag", "wrong_type"),
                ("ProvisioningContext/a~1b~0c", "wrong_type"),
            },
            id="context-values",
        ),
        pytest.param(
            {"provisioningContext": {"scope": "a\nb"}},
            {("provisioningContext/scope", "invalid_text")},
            id="context-with-line-break",
        ),
        pytest.param(
            {"customTermEndDate": "tomorrow"},
            {("customTermEndDate", "invalid_format")},
            id="date-word",
        ),
        pytest.param({"customTermEndDate": ""}, {("customTermEndDate", "invalid_format")}, id="-"),
        pytest.param(
            {"customTermEndDate": "2022-02-30T00:00:00Z"},
            {("customTermEndDate", "invalid_format")},
            id="no-such-date",
        ),
        pytest.param(
            {"customTermEndDate": "2022-02-19"},
            {("customTermEndDate", "invalid_format")},
            id="date-without-time",
        ),
        pytest.param(
            {"customTermEndDate": "20220219T000000Z"},
            {("customTermEndDate", "invalid_format")},
            id="basic-format",
        ),
        pytest.param(
            {"customTermEndDate": "9999-12-31T23:59:59-01:00"},
            {("customTermEndDate", "invalid_format")},
            id="date-beyond-9999",
        ),
        pytest.param(
            {"customTermEndDate": "2022-02-19T00:00:00+99:00"},
            {("customTermEndDate", "invalid_format")},
            id="impossible-offset",
        ),
        pytest.param(
            {"purchaseCommitment": {"amount": 0}},
            {("purchaseCommitment/amount", "out_of_range")},
            id="commitment-zero",
        ),
        pytest.param(
            {"purchaseCommitment": {"Amount": -0.05, "grain": 1, "currency": True}},
            {
                ("purchaseCommitment/Amount", "out_of_range"),
                ("purchaseCommitment/grain", "wrong_type"),
                ("purchaseCommitment/currency", "wrong_type"),
            },
            id="commitment-wrong",
        ),
        pytest.param(
            {"purchaseCommitment": {"amount": "0.05"}},
            {("purchaseCommitment/amount", "wrong_type")},
            id="commitment-as-text",
        ),
        pytest.param(
            {"purchaseCommitment": {"amount": True}},
            {("purchaseCommitment/amount", "wrong_type")},
            id="commitment-as-flag",
        ),
    ],
)
def test_a_wrong_line_is_refused(given: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    problem = refusal(cart(line(**given)))

    assert places(problem) == {(f"{LINE}/{pointer}", code) for pointer, code in expected}
    assert (problem.kind.status, problem.outcome, problem.kind.retryable) == (
        400,
        "not_sent",
        False,
    )
    assert all(error.detail for error in problem.errors)


@pytest.mark.parametrize("term", ["P2Y", "P6M", "P14D", "P2W", "P1Y6M", "PT12H", "P1DT2H30M"])
def test_another_term_passes_with_a_warning(term: str) -> None:
    accepted = read(cart(line(TermDuration=term), line(renewsTo=[{"termDuration": term}])))

    assert accepted.body["lineItems"][0]["termDuration"] == term
    assert accepted.body["lineItems"][1]["renewsTo"] == {"termDuration": term}
    assert {(warning.pointer, warning.code) for warning in accepted.warnings} == {
        ("/lineItems/0/TermDuration", "unknown_term"),
        ("/lineItems/1/renewsTo/0/termDuration", "unknown_term"),
    }


@pytest.mark.parametrize(
    ("limit", "quantity", "accepted"),
    [(None, INT32_MAX, True), (25, 25, True), (25, 26, False), (1, 1, True), (1, 2, False)],
)
def test_the_operators_greatest_quantity(limit: int | None, quantity: int, accepted: bool) -> None:
    document = cart(line(addonItems=[line(quantity=quantity)]))

    if accepted:
        read(document, max_quantity=limit)
    else:
        assert places(refusal(document, max_quantity=limit)) == {
            (f"{LINE}/addonItems/0/quantity", "out_of_range")
        }


# --- Members that nobody documents ------------------------------------------------------------

MISSPELLINGS = {
    "customTermEndDte": "customTermEndDate",
    "customTermEndDates": "customTermEndDate",
    "custom_term_end_date": "customTermEndDate",
    "custom-term-end-date": "customTermEndDate",
    "CustomTermEndDtae": "customTermEndDate",
    "billingCycel": "billingCycle",
    "bilingCycle": "billingCycle",
    "Billing Cycle": "billingCycle",
    "quantitiy": "quantity",
    "Quantty": "quantity",
    "termDuraton": "termDuration",
    "termsDuration": "termDuration",
    "friendlyNmae": "friendlyName",
    "catalogItemID_": "catalogItemId",
    "catalogItemIds": "catalogItemId",
    "catalogItem": "catalogItemId",
    "curencyCode": "currencyCode",
    "participant": "participants",
    "provisoningContext": "provisioningContext",
    "orderGroups": "orderGroup",
    "addOnItem": "addonItems",
    "add_on_items": "addonItems",
    "renewTo": "renewsTo",
    "promotionID_": "promotionId",
    "promotonId": "promotionId",
    "atestationAccepted": "attestationAccepted",
    "purchaseComitment": "purchaseCommitment",
    "purchaseSytem": "purchaseSystem",
}


@pytest.mark.parametrize("rules", [{}, {"unknown_members": "reject"}], ids=["forward", "reject"])
@pytest.mark.parametrize(("wrong", "right"), MISSPELLINGS.items())
def test_a_misspelled_member_is_refused_with_the_right_name(
    wrong: str, right: str, rules: dict[str, Any]
) -> None:
    for item in (line(**{wrong: "x"}), line_without(right, **{wrong: "x"})):
        problem = refusal(cart(item), **rules)

        assert places(problem) == {(f"{LINE}/{wrong}", "misspelled_member")}
        assert right in problem.errors[0].detail


@pytest.mark.parametrize(
    ("document", "pointer", "right"),
    [
        pytest.param({"lineItem": [line()]}, "/lineItem", "lineItems", id="lineItem"),
        pytest.param({"line_items": [line()]}, "/line_items", "lineItems", id="line_items"),
        pytest.param(
            cart(partnerOnRecordAttestationAcepted=True),
            "/partnerOnRecordAttestationAcepted",
            "partnerOnRecordAttestationAccepted",
            id="attestation",
        ),
        pytest.param(
            cart(line(participants=[{"key": "x", "value": "y", "values": "z"}])),
            f"{LINE}/participants/0/values",
            "value",
            id="participant",
        ),
        pytest.param(
            cart(line(renewsTo=[{"termDurations": "P1Y"}])),
            f"{LINE}/renewsTo/0/termDurations",
            "termDuration",
            id="renewsTo",
        ),
        pytest.param(
            cart(line(purchaseCommitment={"ammount": 1})),
            f"{LINE}/purchaseCommitment/ammount",
            "amount",
            id="purchaseCommitment",
        ),
        pytest.param(
            cart(line(addonItems=[line(quantiyt=1)])),
            f"{LINE}/addonItems/0/quantiyt",
            "quantity",
            id="add-on",
        ),
    ],
)
def test_a_misspelling_is_found_at_every_level(document: Any, pointer: str, right: str) -> None:
    problem = refusal(document)

    assert places(problem) == {(pointer, "misspelled_member")}
    assert right in problem.errors[0].detail


@pytest.mark.parametrize(
    "name",
    [
        "attestationProperties",
        "autoRenewEnabled",
        "billingPlan",
        "discounts",
        "externalReferenceId",
        "marketplaceTerms",
        "offerId",
        "productId",
        "resellerId",
        "scheduledNextTermInstructions",
        "subscriptionId",
        "tags",
        "termStartDate",
        "totalPrice",
    ],
)
def test_a_new_name_is_not_taken_for_a_misspelling(name: str) -> None:
    assert first_line(cart(line(**{name: "x"})))[name] == "x"
    assert read(cart(**{name: "x"})).body[name] == "x"


UNKNOWN: dict[str, Any] = {
    "marketplaceTerms": {"accepted": True, "when": None, "list": [1, 2.5, "x"]},
    "x": None,
    "Zone": "eu",
    "autoRenew": False,
    "a/b~c": [],
}


def documents_with_unknown_members() -> dict[str, tuple[Any, str]]:
    return {
        "cart": (cart(**UNKNOWN), ""),
        "line": (cart(line(**UNKNOWN)), LINE),
        "add-on": (cart(line(AddonItems=[line(**UNKNOWN)])), f"{LINE}/AddonItems/0"),
        "participant": (
            cart(line(participants=[{"key": "k", "value": "v"} | UNKNOWN])),
            f"{LINE}/participants/0",
        ),
        "renewsTo": (cart(line(renewsTo=[UNKNOWN])), f"{LINE}/renewsTo/0"),
        "purchaseCommitment": (
            cart(line(purchaseCommitment=UNKNOWN)),
            f"{LINE}/purchaseCommitment",
        ),
    }


@pytest.mark.parametrize("level", documents_with_unknown_members())
def test_an_unknown_member_is_forwarded_as_it_came_and_reported(level: str) -> None:
    document, where = documents_with_unknown_members()[level]

    accepted = read(document)

    body: Any = accepted.body
    for step in where.replace("AddonItems", "addonItems").split("/")[1:]:
        if isinstance(body, list):
            body = body[int(step)]
        elif step in body:
            body = body[step]
    assert {name: body[name] for name in UNKNOWN} == UNKNOWN
    assert {(warning.pointer, warning.code) for warning in accepted.warnings} == {
        (f"{where}/{name}", "unknown_member")
        for name in ("marketplaceTerms", "x", "Zone", "autoRenew", "a~1b~0c")
    }


@pytest.mark.parametrize("level", documents_with_unknown_members())
def test_unknown_members_can_be_refused(level: str) -> None:
    document, where = documents_with_unknown_members()[level]

    assert places(refusal(document, unknown_members="reject")) == {
        (f"{where}/{name}", "unknown_member")
        for name in ("marketplaceTerms", "x", "Zone", "autoRenew", "a~1b~0c")
    }


def test_rejecting_unknown_members_spares_documented_ones() -> None:
    pasted = SEED_RESPONSE | {"customerId": CUSTOMER, "orderable": True, "warnings": []}

    assert read(pasted, unknown_members="reject").warnings == ()
    assert read(SEED_REQUEST, unknown_members="reject").body == SEED_BODY


@pytest.mark.parametrize("name", ["newDate", "termEndDate"])
def test_no_date_under_a_new_name_is_sent_on(name: str) -> None:
    accepted = read(cart(line(**{name: UNSET}), **{name: UNSET}))

    assert (accepted.body[name], accepted.body["lineItems"][0][name]) == (UNSET, UNSET)
    assert len(accepted.warnings) == 2


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("currencyCode", "invalid_format"),
        ("termDuration", "invalid_format"),
        ("billingCycle", "unknown_value"),
        ("quantity", "wrong_type"),
        ("id", "wrong_type"),
        ("attestationAccepted", "wrong_type"),
        ("addonItems", "wrong_type"),
        ("participants", "wrong_type"),
        ("renewsTo", "wrong_type"),
        ("provisioningContext", "wrong_type"),
        ("purchaseCommitment", "wrong_type"),
    ],
)
def test_no_date_is_no_value_of_another_member(name: str, code: str) -> None:
    assert places(refusal(cart(line(**{name: UNSET})))) == {(f"{LINE}/{name}", code)}


# --- Reporting --------------------------------------------------------------------------------


def test_all_problems_are_reported_at_once_in_the_callers_spelling() -> None:
    body = rb"""{
        "LINEITEMS": [
            {"CatalogId": 5, "Quantity": 0, "BILLINGCYCLE": "x", "FriendlyName": "\ud800"},
            {"catalogitemid": "A", "quantity": 1, "billingCycle": "none",
             "AddOnItems": [{"Id": -1, "quantity": true, "billingCycle": "none",
                             "ProvisioningContext": {"a": 1, "A": "2"}, "termDuratoin": "P1Y"}]}
        ],
        "CustomerId": "someone else",
        "zone": 1e999
    }"""
    with pytest.raises(Problem) as refused:
        read_bytes(body)

    assert places(refused.value) == {
        ("/LINEITEMS/0/CatalogId", "wrong_type"),
        ("/LINEITEMS/0/Quantity", "out_of_range"),
        ("/LINEITEMS/0/BILLINGCYCLE", "unknown_value"),
        ("/LINEITEMS/0/FriendlyName", "invalid_text"),
        ("/LINEITEMS/1/AddOnItems/0/Id", "out_of_range"),
        ("/LINEITEMS/1/AddOnItems/0/quantity", "wrong_type"),
        ("/LINEITEMS/1/AddOnItems/0/catalogItemId", "required"),
        ("/LINEITEMS/1/AddOnItems/0/termDuratoin", "misspelled_member"),
        ("/LINEITEMS/1/AddOnItems/0/ProvisioningContext/a", "duplicate_member"),
        ("/LINEITEMS/1/AddOnItems/0/ProvisioningContext/A", "duplicate_member"),
        ("/CustomerId", "customer_mismatch"),
        ("/zone", "out_of_range"),
    }


@pytest.mark.parametrize("body", [[], "x", None, {}, cart(line(quantity=0))])
def test_a_wrong_customer_in_the_path_hides_no_other_problem(body: Any) -> None:
    flaws = customer_flaws("../../admin")
    with pytest.raises(Problem) as alone:
        read_cart(cart(), "../../admin", CartRules(), flaws)
    with pytest.raises(Problem) as both:
        read_cart(body, "../../admin", CartRules(), flaws)

    assert places(alone.value) == {("", "invalid_customer_id")}
    assert len(both.value.errors) > 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            rb'{"lineItems":[{"catalogItemId":"A","quantity":1,"quantity":1,"billingCycle":"none"}]}',
            {(f"{LINE}/quantity", "duplicate_member")},
            id="same-value",
        ),
        pytest.param(
            rb'{"lineItems":[{"catalogItemId":"A","Quantity":1,"quantity":"x","billingCycle":"none"}]}',
            {(f"{LINE}/quantity", "duplicate_member"), (f"{LINE}/Quantity", "duplicate_member")},
            id="in-another-case",
        ),
        pytest.param(
            rb'{"lineItems":[{"catalogItemId":"A","quantity":1,"billingCycle":"none","\ud800":1}]}',
            {(LINE, "invalid_name")},
            id="name-in-a-line",
        ),
        pytest.param(
            rb'{"lineItems":[{"catalogItemId":"A","quantity":1,"billingCycle":"none"}],"\ud800":1}',
            {("", "invalid_name")},
            id="name-in-the-cart",
        ),
        pytest.param(
            rb'{"lineItems":[{"catalogItemId":"A","quantity":1e999,"billingCycle":"none"}]}',
            {(f"{LINE}/quantity", "out_of_range")},
            id="number",
        ),
    ],
)
def test_a_flaw_in_the_json_is_reported_once(body: bytes, expected: set[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as refused:
        read_bytes(body)

    assert places(refused.value) == expected
    assert len(refused.value.errors) == len(expected)


def test_a_thousand_problems_are_counted_and_a_hundred_listed() -> None:
    problem = refusal(cart(*[line(quantity=0, billingCycle="x") for _ in range(500)]))

    answer = problem.as_json(request_id=None, correlation_id=CUSTOMER)
    assert len(answer["errors"]) == 100
    assert "1000" in answer["detail"]


@pytest.mark.parametrize("rules", [{}, {"unknown_members": "reject"}], ids=["forward", "reject"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(MARKER, id="text"),
        pytest.param(f"{MARKER}\r\n", id="text-with-line-break"),
        pytest.param([MARKER], id="array"),
        pytest.param({"value": MARKER}, id="object"),
        pytest.param([{"value": [MARKER]}], id="nested"),
        pytest.param({"inner": {MARKER + "2": MARKER}}, id="deep"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [*WRONG_TYPES, "catalogId", "error", "pricing", "quantitty", "somethingNew"],
)
def test_a_value_is_never_echoed(name: str, value: Any, rules: dict[str, Any]) -> None:
    item = line_without("quantity", **{name: value}) if name != "quantity" else line(quantity=value)
    item.setdefault("orderGroup", 5)
    documents = [
        cart(item, customerId=MARKER, partnerOnRecordAttestationAccepted=value),
        cart(line(addonItems=[item], participants=[{"key": value, "value": value}])),
        cart(line(participants={"k": value}, provisioningContext={"k": [value]}), "x"),
        cart(line(purchaseCommitment=dict.fromkeys(("amount", "grain", "currency"), value)), "x"),
        {"lineItems": value, name: value},
        value,
    ]
    for document in documents:
        problem = refusal(document, **rules)
        details = "".join(error.detail for error in problem.errors) + problem.detail + str(problem)
        assert MARKER not in details
        assert MARKER not in shown(problem).replace(f"/{MARKER}2", "")


@pytest.mark.parametrize("number", [987654321987654321, 98765.4321, -98765])
def test_a_number_is_never_echoed(number: float) -> None:
    problem = refusal(
        cart(
            line(**dict.fromkeys(WRONG_TYPES, number) | {"purchaseCommitment": {"amount": "98765"}})
        )
    )

    assert "98765" not in shown(problem)


def test_warnings_echo_no_value_either() -> None:
    accepted = read(cart(line(termDuration="P77Y", newMember=MARKER), other={"a": MARKER}))

    told = json.dumps([warning.as_json() for warning in accepted.warnings])
    assert MARKER not in told
    assert "P77Y" not in told


def test_the_callers_document_is_left_as_it_was() -> None:
    document = cart(line(participants={"a": "b"}, addonItems=[line()]), zone={"x": [1]})
    before = json.dumps(document)

    read_cart(document, CUSTOMER, CartRules(), [])

    assert json.dumps(document) == before


# --- Size -------------------------------------------------------------------------------------


def test_ten_thousand_lines_are_read() -> None:
    body = read(cart(*[line() for _ in range(10_000)])).body

    assert [item["id"] for item in body["lineItems"]] == list(range(10_000))


def test_ten_thousand_wrong_lines_are_counted() -> None:
    problem = refusal(cart(*[line(quantity=0) for _ in range(10_000)]))

    assert problem.detail.startswith("10000 problems ")
    assert [error.pointer for error in problem.errors] == [
        f"/lineItems/{number}/quantity" for number in range(100)
    ]


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        (1, "1 problem in the request. "),
        (99, "99 problems in the request. "),
        (100, "100 problems in the request. "),
        (101, "101 problems in the request; the first 100 are listed. "),
    ],
)
def test_a_hundred_problems_are_listed_and_the_others_counted(wrong: int, detail: str) -> None:
    problem = refusal(cart(*[line(quantity=0) for _ in range(wrong)]))

    assert problem.detail.startswith(detail)
    answer = problem.as_json(request_id=None, correlation_id=CUSTOMER)
    assert [error["pointer"] for error in answer["errors"]] == [
        f"/lineItems/{number}/quantity" for number in range(min(wrong, 100))
    ]


def test_what_only_follows_from_a_misspelling_takes_no_place_in_the_list() -> None:
    problem = refusal(cart(*[line_without("quantity", quantitiy=1) for _ in range(150)]))

    assert problem.detail.startswith("150 problems ")
    assert [(error.pointer, error.code) for error in problem.errors] == [
        (f"/lineItems/{number}/quantitiy", "misspelled_member") for number in range(100)
    ]


HOSTILE = {
    "lines-and-members": (
        {"LINEITEMS": [{}] * 10_000, **{f"x{number}": number for number in range(3_000)}},
        3 * 10_000 + 3_000 - 100,
        "/LINEITEMS/33/catalogItemId",
    ),
    "participants": (
        cart(line(PARTICIPANTS={f"k{number}": number for number in range(20_000)})),
        20_000,
        "/lineItems/0/PARTICIPANTS/k99",
    ),
    "empty-lines": (
        {"lineItems": [{}] * 80_000},
        3 * 80_000,
        "/lineItems/33/catalogItemId",
    ),
    "members-of-a-line": (
        cart(line_without("quantity", **{f"x{number}": number for number in range(20_000)})),
        20_000 - 100 + 1,
        "/lineItems/0/x198",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_body_made_to_be_wrong_costs_no_more_than_its_size(name: str) -> None:
    document, total, last = HOSTILE[name]
    begun = time.process_time()

    problem = refusal(document)

    assert time.process_time() - begun < 3
    assert problem.detail.startswith(f"{total} problems in the request; the first 100 are listed.")
    assert len(problem.errors) == 100
    assert problem.errors[-1].pointer == last


def test_many_unknown_members_are_warned_of_in_no_more_time() -> None:
    document = cart(
        *[line() for _ in range(10_000)], **{f"x{number}": number for number in range(100)}
    )
    begun = time.process_time()

    accepted = read(document)

    assert time.process_time() - begun < 3
    assert [warning.pointer for warning in accepted.warnings] == [
        f"/x{number}" for number in range(100)
    ]


def test_add_ons_nest_as_deep_as_json_may() -> None:
    def document(levels: int) -> Any:
        item = line()
        for _ in range(levels):
            item = line(addonItems=[item])
        return cart(item)

    item = first_line(document(14))
    depth = 0
    while "addonItems" in item:
        (item,) = item["addonItems"]
        depth += 1
    assert (depth, item["id"]) == (14, 14)

    assert refusal(document(15)).code == "invalid_json"
    assert refusal(document(100)).code == "invalid_json"
