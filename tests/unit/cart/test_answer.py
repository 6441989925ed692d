"""What a caller gets for a cart of Partner Center."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from cart_core.cart.answer import NotACart, cart_path, normalise_cart
from cart_core.json_text import write_json
from cart_core.problem import FieldError
from tests.kit.builders import CART_ID, CUSTOMER, SEED_RESPONSE, normalised, shouted, unreadable

LINKS = {"self": f"/api/customers/{CUSTOMER}/carts/{CART_ID}"}
POR_ATTESTATION = "partnerOnRecordAttestationAccepted"
EMPTY_CART: dict[str, Any] = dict.fromkeys(
    [
        *("creationTimestamp", "lastModifiedTimestamp", "expirationTimestamp", "status"),
        *("lastModifiedUser", POR_ATTESTATION),
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
    [line] = SEED_RESPONSE["lineItems"]
    expected = EMPTY_CART | {
        "creationTimestamp": "2018-03-15T17:15:02.384052Z",
        "lastModifiedTimestamp": "2018-03-15T17:15:02.384052Z",
        "lastModifiedUser": SEED_RESPONSE["lastModifiedUser"],
        "lineItems": [EMPTY_LINE | line],
    }

    for document in (SEED_RESPONSE, shouted(SEED_RESPONSE)):
        assert normalised(document) == expected


def test_every_member_is_always_present_and_null_is_the_same_as_absent() -> None:
    nulls = dict.fromkeys(EMPTY_CART.keys() - {"id", "lineItems"})
    line = EMPTY_LINE | {"addonItems": [EMPTY_LINE | {"addonItems": [EMPTY_LINE]}]}

    assert normalised(answered()) == EMPTY_CART
    for empty in ({}, dict.fromkeys(EMPTY_LINE)):
        document = answered(empty | {"addonItems": [{"addonItems": [empty]}]}, **nulls)
        assert normalised(document) == EMPTY_CART | {"lineItems": [line]}


NO_LINES: list[Any] = [None, {}, "x"]


@pytest.mark.parametrize(
    "document",
    [
        *(None, [], [SEED_RESPONSE], "cart", {}, {"code": "800002", "description": "no"}),
        *({"id": CART_ID, "lineItems": lines} for lines in NO_LINES),
        *({"id": cart_id, "lineItems": []} for cart_id in (None, "", ["x"], "\ud800")),
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
    "2018-03-15T17:15:02.384052899Z": "2018-03-15T17:15:02.384052Z",
    "2018-03-15T17:15:02.3Z": "2018-03-15T17:15:02.300000Z",
    "2018-03-15t17:15:02z": "2018-03-15T17:15:02.000000Z",
    "2018-03-15T17:15:02.3840528": "2018-03-15T17:15:02.384052Z",
    "2018-03-15T17:15:02": "2018-03-15T17:15:02.000000Z",
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

    line = EMPTY_LINE | {"customTermEndDate": normal}
    assert answer == EMPTY_CART | {"expirationTimestamp": normal, "lineItems": [line]}


NOT_A_TIMESTAMP = [
    *("", "yesterday", "2018-13-15T17:15:02Z", "2018-03-15T25:15:02Z", "2018-03-15"),
    *("15/03/2018 17:15:02", "2018-03-15T17:15:02.Z", "2018-03-15T17:15:02.12345678901Z"),
    *("2018-03-15T17:15:02+99:99", "12018-03-15T17:15:02Z", "9999-12-31T23:59:59-01:00"),
    *("0001-01-01T00:30:00+01:00", 1521134102, True, {}, ["2018-03-15T17:15:02Z"]),
]

READ: dict[str, Any] = {
    **{"termDuration": "P9Y", "billingCycle": "decennial", "friendlyName": "\ud800"},
    "participants": [{"key": "transaction_reseller", "value": "5139005"}] * 2,
    "provisioningContext": {"parentSubscriptionId": "x", "Scope": "y"},
    "pricing": {"listPrice": 1.5, "price": 1, "newPrice": None},
    "purchaseCommitment": {"amount": 0.5, "currency": "usd", "grain": "hourly"},
    **{"renewsTo": {"termDuration": "P1Y"}, "attestationAccepted": False},
}


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        *((name, value, value) for name, value in READ.items()),
        ("id", "3", 3),
        ("billingCycle", "OneTime", "one_time"),
        ("billingCycle", "Monthly", "monthly"),
        ("orderGroup", 0, "0"),
        ("participants", [{"Key": "k", "Value": 2}], [{"key": "k", "value": "2"}]),
        ("participants", [{"key": "k"}], [{"key": "k", "value": None}]),
        ("participants", {"k": "1"}, [{"key": "k", "value": "1"}]),
        ("participants", {}, []),
        ("participants", {"key": "k", "value": "1"}, [{"key": "k", "value": "1"}]),
        ("participants", {"VALUE": 1, "Key": "k"}, [{"value": "1", "key": "k"}]),
        ("participants", {"Key": "k"}, [{"key": "k", "value": None}]),
        ("participants", {"value": None, "x": 1}, [{"key": None, "value": None, "x": 1}]),
        ("provisioningContext", {"n": 1, "flag": True, "x": None}, {"n": "1", "flag": "true"}),
        ("renewsTo", [{"TermDuration": "P1Y"}], {"termDuration": "P1Y"}),
        ("renewsTo", [], None),
        ("renewsTo", {}, {"termDuration": None}),
    ],
    ids=ascii,
)
def test_a_line_is_read_in_every_spelling(name: str, given: Any, expected: Any) -> None:
    line = EMPTY_LINE | {name: expected}
    assert normalised(answered({name: given})) == EMPTY_CART | {"lineItems": [line]}


@pytest.mark.parametrize(
    ("spelt", "value", "name", "expected"),
    [
        ("Status", "active", "status", "Active"),
        ("status", "ORDERED", "status", "Ordered"),
        ("status", "Archived", "status", "Archived"),
        ("creationTimeStamp", "2018-03-15T17:15:02Z", "creationTimestamp", ...),
        ("lastModifiedTimeStamp", "2018-03-15T17:15:02Z", "lastModifiedTimestamp", ...),
        ("ExpirationTimeStamp", "2018-03-15T17:15:02Z", "expirationTimestamp", ...),
        (POR_ATTESTATION.upper(), True, POR_ATTESTATION, True),
    ],
)
def test_a_cart_is_read_in_every_spelling(spelt: str, value: Any, name: str, expected: Any) -> None:
    expected = "2018-03-15T17:15:02.000000Z" if expected is ... else expected

    assert normalised(answered(**{spelt: value})) == EMPTY_CART | {name: expected}


# --- What cannot be read ----------------------------------------------------------------------

UNREADABLE_IN_LINES: dict[str, list[Any]] = {
    **{"id": ["first", 1.5, {}], "quantity": ["many", []], "attestationAccepted": ["perhaps"]},
    **{"catalogItemId": [{}], "friendlyName": [["x"]], "currencyCode": [True]},
    **{"billingCycle": [{"value": "monthly"}], "termDuration": [["P1Y"]], "orderGroup": [{}]},
    **{"promotionId": [{}], "purchaseSystem": [1.5], "customTermEndDate": NOT_A_TIMESTAMP},
    **{"participants": ["x", [1]], "addonItems": [{}, ["x"]], "renewsTo": ["P1Y", [{}, {}]]},
    **{"pricing": [[1]], "purchaseCommitment": ["x"]},
    "provisioningContext": ["x", [{"key": "a"}]],
}
UNREADABLE_IN_CARTS: dict[str, list[Any]] = {
    **{"status": [5], "expirationTimestamp": ["yesterday"], "lastModifiedUser": [{}]},
    POR_ATTESTATION: ["perhaps"],
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

    detail = "Partner Center's 'quantity' could not be read."
    warning = {"pointer": "", "code": "unreadable_member", "detail": detail}
    assert answer["warnings"] == [mine.as_json(), warning]


CALLED_TWICE: list[tuple[dict[str, Any], str, Any]] = [
    ({"quantity": 1, "Quantity": 2}, "quantity", 1),
    ({"TERMDURATION": "P1Y", "termDuration": "P1M"}, "termDuration", "P1Y"),
    ({"catalogId": "A:1:B", "catalogItemId": "C:1:D"}, "catalogItemId", "A:1:B"),
    (
        {"addonItems": [{}], "AddOnItems": [{"id": 1}]},
        "addonItems",
        [EMPTY_LINE, EMPTY_LINE | {"id": 1}],
    ),
    ({"new": 1, "NEW": 2}, "new", 1),
    ({"new": {"a": 1, "b": 0, "A": 2}}, "new", {"a": 1, "b": 0}),
    ({"pricing": {"price": 1, "Price": 2}}, "pricing", {"price": 1}),
    ({"provisioningContext": {"scope": "x", "Scope": "y"}}, "provisioningContext", {"scope": "x"}),
]


@pytest.mark.parametrize(("given", "name", "value"), CALLED_TWICE, ids=str)
def test_a_member_that_is_given_twice_is_told_of(
    given: dict[str, Any], name: str, value: Any
) -> None:
    answer = normalised(answered(given))

    assert answer["lineItems"] == [EMPTY_LINE | {name: value}]
    (warning,) = answer["warnings"]
    assert warning["code"] == "ambiguous_member"
    assert normalised(answered({"quantity": 1, "QUANTITY": 1, "Unit": None}))["warnings"] == []


def test_no_error_of_a_line_is_lost_to_another_spelling() -> None:
    for line in (
        {"error": None, "Error": {"errorCode": 10001}},
        {"addonItems": [{}], "AddonItems": [{"error": {"errorCode": 10001}}]},
    ):
        assert normalised(answered(line))["orderable"] is False


def test_a_value_that_is_nested_too_deeply_to_come_back_is_unreadable() -> None:
    deep: Any = 1
    for _ in range(9):
        deep = {"a": deep}
    for name in ("pricing", "new"):
        answer = normalised(answered({name: deep}, **{"future": deep["a"]}))

        assert answer["lineItems"] == [EMPTY_LINE | {name: None}]
        assert answer["future"] == deep["a"]
        assert unreadable(answer) == [f"Partner Center's '{name}' could not be read."]


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
    assert "objectType" not in write_json(answer)
    assert "headers" not in write_json(answer)
    assert answer["links"] == LINKS


def test_partner_center_cannot_speak_for_us() -> None:
    document = answered({"error": {"errorCode": 10001}})
    claimed = {"customerId": "x", "Orderable": True, "warnings": ["x"], "links": {"self": "/x"}}

    assert normalised(document | claimed) == normalised(document)


@pytest.mark.parametrize(
    ("cart_id", "last"),
    [("../health", "..%2Fhealth"), ("a b?c#d\r\n", "a%20b%3Fc%23d%0D%0A"), ("é", "%C3%A9")],
)
def test_links_are_paths_of_this_api(cart_id: str, last: str) -> None:
    answer = normalised({"id": cart_id, "lineItems": []})

    assert answer["id"] == cart_id
    assert answer["links"]["self"] == f"/api/customers/{CUSTOMER}/carts/{last}"
    assert cart_path(CUSTOMER, cart_id) == answer["links"]["self"]


# --- Line errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name"),
    [
        *(("0", "Unknown"), ("10001", "CatalogItemIdIsNotValid")),
        *(("10019", "MinimumAddOnSeatsNotMet"), ("500600", "LegacyOfferNotEligibleForPurchase")),
        *((unknown, None) for unknown in ("10005", "400039", "424242")),
    ],
)
def test_a_line_error_has_its_code_and_the_name_of_microsofts_sdk(
    code: str, name: str | None
) -> None:
    information = {"availableQuantity": 3, "purchasedQuantity": 1}
    for given in (code, int(code), *([name] if name else [])):
        error = {"errorCode": given, "errorDescription": "Words."}
        error["additionalInformation"] = information
        answer = normalised(answered({"error": error}))

        expected = {"code": code, "name": name, "description": "Words."}
        assert answer["lineItems"][0]["error"] == expected | {"additionalInformation": information}
        assert (answer["orderable"], answer["warnings"]) == (False, [])


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
