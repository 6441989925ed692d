import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_core.cart.checkout_answer import (
    NotACheckout,
    NothingOrdered,
    normalise_checkout,
    ordered_already,
)
from cart_core.problem import FieldError
from tests.kit.builders import CART_ID, CUSTOMER, unreadable

CHECKOUT_MEMBERS = ["cartId", "customerId", "status", "orders", "orderErrors", "warnings"]
EMPTY_ORDER: dict[str, Any] = {
    "id": None,
    "alternateId": None,
    "referenceCustomerId": None,
    "status": None,
    "transactionType": None,
    "billingCycle": None,
    "currencyCode": None,
    "currencySymbol": None,
    "creationDate": None,
    "totalPrice": None,
    "partnerOnRecordAttestationAccepted": None,
    "lineItems": [],
}
EMPTY_LINE: dict[str, Any] = {
    "lineItemNumber": None,
    "offerId": None,
    "subscriptionId": None,
    "parentSubscriptionId": None,
    "termDuration": None,
    "transactionType": None,
    "friendlyName": None,
    "quantity": None,
    "customTermEndDate": None,
    "promotionId": None,
    "pricing": None,
    "partnerIdOnRecord": None,
    "additionalPartnerIdsOnRecord": [],
    "provisioningContext": {},
    "renewsTo": None,
    "attestationAccepted": None,
    "purchaseCommitment": None,
}
EMPTY_ERROR: dict[str, Any] = {"orderGroupId": None, "code": None, "description": None}

RESULT: dict[str, Any] = {
    "orders": [
        {
            "id": "f76c6b7f449d",
            "alternateId": "f76c6b7f449d",
            "referenceCustomerId": CUSTOMER,
            "billingCycle": "one_time",
            "currencyCode": "USD",
            "currencySymbol": "$",
            "lineItems": [
                {
                    "lineItemNumber": 0,
                    "offerId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
                    "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                    "termDuration": "P1Y",
                    "transactionType": "New",
                    "friendlyName": "A_sample_Azure_RI",
                    "quantity": 2,
                    "customTermEndDate": "0001-01-01T00:00:00",
                    "pricing": {"listPrice": 2.5, "extendedPrice": 5, "attributes": {}},
                    "partnerIdOnRecord": "5139005",
                    "additionalPartnerIdsOnRecord": ["4847383"],
                    "provisioningContext": {"scope": "shared"},
                    "links": {"product": {"uri": "/products/x", "method": "GET", "headers": []}},
                }
            ],
            "creationDate": "2026-03-15T17:15:02.3840528Z",
            "status": "completed",
            "transactionType": "UserPurchase",
            "totalPrice": 5.0,
            "links": {"self": {"uri": "/orders/x", "method": "GET", "headers": []}},
            "attributes": {"etag": "e", "objectType": "Order"},
        }
    ],
    "attributes": {"objectType": "CartCheckoutResult"},
}


def checked_out(document: Any, *warnings: FieldError) -> dict[str, Any]:
    answer = normalise_checkout(document, CUSTOMER, CART_ID, warnings)
    json.dumps(answer, allow_nan=False)
    return answer


def order(**members: Any) -> dict[str, Any]:
    """The one order with these members, normalised."""
    (only,) = checked_out({"orders": [members]})["orders"]
    assert isinstance(only, dict)
    return only


def order_line(**members: Any) -> dict[str, Any]:
    (only,) = order(lineItems=[members])["lineItems"]
    assert isinstance(only, dict)
    return only


def order_errors(value: Any) -> Any:
    return checked_out({"orders": [{}], "orderErrors": value})["orderErrors"]


def test_the_documented_result_is_normalised() -> None:
    assert checked_out(RESULT) == {
        "cartId": CART_ID,
        "customerId": CUSTOMER,
        "status": "completed",
        "orders": [
            {
                "id": "f76c6b7f449d",
                "alternateId": "f76c6b7f449d",
                "referenceCustomerId": CUSTOMER,
                "status": "completed",
                "transactionType": "UserPurchase",
                "billingCycle": "one_time",
                "currencyCode": "USD",
                "currencySymbol": "$",
                "creationDate": "2026-03-15T17:15:02.384052Z",
                "totalPrice": 5.0,
                "partnerOnRecordAttestationAccepted": None,
                "lineItems": [
                    EMPTY_LINE
                    | {
                        "lineItemNumber": 0,
                        "offerId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
                        "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                        "termDuration": "P1Y",
                        "transactionType": "New",
                        "friendlyName": "A_sample_Azure_RI",
                        "quantity": 2,
                        "pricing": {"listPrice": 2.5, "extendedPrice": 5},
                        "partnerIdOnRecord": "5139005",
                        "additionalPartnerIdsOnRecord": ["4847383"],
                        "provisioningContext": {"scope": "shared"},
                    }
                ],
            }
        ],
        "orderErrors": [],
        "warnings": [],
    }


def test_every_member_is_always_present_in_one_order() -> None:
    answer = checked_out({"orderErrors": [{}], "orders": [{"lineItems": [{}]}]})

    assert list(answer) == CHECKOUT_MEMBERS
    assert list(answer["orders"][0].items()) == list(
        (EMPTY_ORDER | {"lineItems": [EMPTY_LINE]}).items()
    )
    assert list(answer["orders"][0]["lineItems"][0]) == list(EMPTY_LINE)
    assert list(answer["orderErrors"][0].items()) == list(EMPTY_ERROR.items())


def test_null_is_the_same_as_absent() -> None:
    nulls = {
        "orders": [dict.fromkeys(EMPTY_ORDER) | {"lineItems": [dict.fromkeys(EMPTY_LINE)]}],
        "orderErrors": [dict.fromkeys(EMPTY_ERROR)],
    }

    assert checked_out(nulls) == checked_out({"orders": [{"lineItems": [{}]}], "orderErrors": [{}]})
    assert order(lineItems=None) == EMPTY_ORDER


def test_names_match_in_any_case() -> None:
    def shouting(value: Any) -> Any:
        if isinstance(value, list):
            return [shouting(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name.upper(): item if name in {"pricing", "provisioningContext"} else shouting(item)
            for name, item in value.items()
        }

    assert checked_out(shouting(RESULT)) == checked_out(RESULT)


# --- Which of the three it is -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        pytest.param({}, "completed", id="absent"),
        pytest.param({"orderErrors": None}, "completed", id="null"),
        pytest.param({"orderErrors": []}, "completed", id="empty"),
        pytest.param({"orderErrors": [{"code": 1}]}, "partial", id="one"),
        pytest.param({"OrderErrors": [{}]}, "partial", id="empty-one"),
        pytest.param({"orderErrors": ["x"]}, "partial", id="text"),
        pytest.param({"orderErrors": [None]}, "partial", id="null-inside"),
        pytest.param({"orderErrors": {"code": 1}}, "partial", id="object"),
        pytest.param({"orderErrors": "x"}, "partial", id="no-array"),
    ],
)
def test_partial_is_what_has_orders_and_errors(errors: dict[str, Any], status: str) -> None:
    answer = checked_out({"orders": [{}]} | errors)

    assert answer["status"] == status
    assert answer["orders"] == [EMPTY_ORDER]
    assert len(answer["orderErrors"]) == (status == "partial")


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        pytest.param({"orders": []}, [], id="orders-empty"),
        pytest.param({"orders": [], "orderErrors": None}, [], id="errors-null"),
        pytest.param({"orderErrors": []}, [], id="errors-empty"),
        pytest.param({"orders": None, "orderErrors": []}, [], id="orders-null"),
        pytest.param(
            {"orderErrors": [{"orderGroupId": "0", "code": 800005, "description": "No."}]},
            [{"orderGroupId": "0", "code": "800005", "description": "No."}],
            id="errors-alone",
        ),
        pytest.param({"orders": [], "orderErrors": [{}, {}]}, [EMPTY_ERROR] * 2, id="errors"),
        pytest.param({"orders": [], "orderErrors": "x"}, [EMPTY_ERROR], id="errors-unreadable"),
    ],
)
def test_without_an_order_nothing_is_ordered(document: Any, errors: list[Any]) -> None:
    with pytest.raises(NothingOrdered) as raised:
        checked_out(document)

    assert raised.value.order_errors == errors


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="array"),
        pytest.param([RESULT], id="array-of-a-result"),
        pytest.param("success", id="text"),
        pytest.param(5, id="number"),
        pytest.param({}, id="empty"),
        pytest.param({"orders": None}, id="orders-null"),
        pytest.param({"orders": None, "orderErrors": None}, id="both-null"),
        pytest.param({"orders": {}}, id="orders-object"),
        pytest.param({"orders": "x"}, id="orders-text"),
        pytest.param({"orders": {"id": "x"}, "orderErrors": [{}]}, id="orders-object-and-errors"),
        pytest.param({"orderErrors": {}}, id="errors-object"),
        pytest.param({"orderErrors": "x"}, id="errors-text"),
        pytest.param({"id": CART_ID, "lineItems": []}, id="cart"),
        pytest.param({"code": "800002", "description": "no", "data": []}, id="fault"),
    ],
)
def test_what_is_no_result_is_not_taken_for_one(document: Any) -> None:
    with pytest.raises(NotACheckout):
        checked_out(document)


@pytest.mark.parametrize("value", [None, "x", 5, True, [], [{}]])
def test_an_order_that_is_no_object_still_counts(value: Any) -> None:
    answer = checked_out({"orders": [value, {"id": "a"}]})

    assert answer["status"] == "completed"
    assert answer["orders"] == [EMPTY_ORDER, EMPTY_ORDER | {"id": "a"}]
    assert "orders" in unreadable(answer)[0]


def test_a_cart_that_is_ordered_already() -> None:
    mine = FieldError("/lineItems/0/x", "unknown_member", "words")

    answer = ordered_already(CUSTOMER, CART_ID, (mine,))

    assert list(answer) == CHECKOUT_MEMBERS
    assert [warning["code"] for warning in answer["warnings"]] == [
        "unknown_member",
        "orders_not_retrieved",
    ]
    assert answer["warnings"][1] == {
        "pointer": "",
        "code": "orders_not_retrieved",
        "detail": "The cart is ordered; Partner Center did not repeat which orders came of it. "
        "Look in its order history.",
    }
    del answer["warnings"]
    assert answer == {
        "cartId": CART_ID,
        "customerId": CUSTOMER,
        "status": "ordered",
        "orders": [],
        "orderErrors": [],
    }


# --- Spellings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wire", "normal"),
    [
        ("id", "f76c6b7f449d", "f76c6b7f449d"),
        ("id", 311, "311"),
        ("status", "pending review", "pending review"),
        ("billingCycle", "OneTime", "one_time"),
        ("billingCycle", "decennial", "decennial"),
        ("currencySymbol", "US$", "US$"),
        ("creationDate", "2026-03-15T17:15:02+05:30", "2026-03-15T11:45:02.000000Z"),
        ("creationDate", "0001-01-01T00:00:00", None),
        ("totalPrice", 5, 5.0),
        ("totalPrice", 0.05, 0.05),
        ("totalPrice", "12.5", 12.5),
        ("PartnerOnRecordAttestationAccepted", True, True),
        ("newMember", {"deep": [1, None]}, {"deep": [1, None]}),
    ],
)
def test_an_order_is_read_in_every_spelling(name: str, wire: Any, normal: Any) -> None:
    answer = checked_out({"orders": [{name: wire}]})

    member = name[0].lower() + name[1:]
    assert answer["orders"] == [EMPTY_ORDER | {member: normal}]
    assert answer["warnings"] == []


@pytest.mark.parametrize(
    ("name", "wire", "normal"),
    [
        ("lineItemNumber", 0, 0),
        ("lineItemNumber", "3", 3),
        ("partnerIdOnRecord", 5139005, "5139005"),
        ("additionalPartnerIdsOnRecord", [1, "2"], ["1", "2"]),
        ("provisioningContext", {"Scope": "s", "n": 1, "none": None}, {"Scope": "s", "n": "1"}),
        ("renewsTo", [{"TermDuration": "P1Y"}], {"termDuration": "P1Y"}),
        ("renewsTo", {"termDuration": "P1M"}, {"termDuration": "P1M"}),
        ("customTermEndDate", "2027-01-31T00:00:00Z", "2027-01-31T00:00:00.000000Z"),
        ("purchaseCommitment", {"amount": 0.05, "links": {}}, {"amount": 0.05}),
        ("newMember", 1.5, 1.5),
    ],
)
def test_an_order_line_is_read_in_every_spelling(name: str, wire: Any, normal: Any) -> None:
    assert order_line(**{name: wire}) == EMPTY_LINE | {name: normal}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"orderGroupId": 0, "code": 800005}, {"orderGroupId": "0", "code": "800005"}),
        ({"Code": "800005", "Description": "No."}, {"code": "800005", "description": "No."}),
        ({"attributes": {"objectType": "OrderError"}, "new": 1}, {"new": 1}),
        ({"code": {}, "description": []}, {}),
        ("No.", {"description": '"No."'}),
        (None, {"description": "null"}),
    ],
)
def test_an_order_error_is_never_lost(error: Any, expected: dict[str, Any]) -> None:
    assert order_errors([error]) == [EMPTY_ERROR | expected]


# --- What cannot be read, what is kept, what is ours ------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", {}),
        ("status", 1.5),
        ("billingCycle", []),
        ("creationDate", "yesterday"),
        ("totalPrice", "free"),
        ("totalPrice", "NaN"),
        ("totalPrice", "inf"),
        ("totalPrice", {}),
        ("partnerOnRecordAttestationAccepted", "perhaps"),
        ("lineItems", {}),
        ("lineItems", "x"),
    ],
)
def test_an_unreadable_member_of_an_order_is_empty_with_a_warning(name: str, value: Any) -> None:
    answer = checked_out({"orders": [{"id": "a"}, {name: value}]})

    assert answer["orders"] == [EMPTY_ORDER | {"id": "a"}, EMPTY_ORDER]
    (warning,) = unreadable(answer)
    assert f"'{name}'" in warning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lineItemNumber", "first"),
        ("subscriptionId", ["x"]),
        ("quantity", 1.5),
        ("customTermEndDate", 5),
        ("pricing", "x"),
        ("additionalPartnerIdsOnRecord", "x"),
        ("additionalPartnerIdsOnRecord", [{}]),
        ("provisioningContext", [1]),
        ("renewsTo", [{}, {}]),
        ("attestationAccepted", []),
        ("purchaseCommitment", 5),
    ],
)
def test_an_unreadable_member_of_an_order_line_is_empty_with_a_warning(
    name: str, value: Any
) -> None:
    answer = checked_out({"orders": [{"lineItems": [{name: value}]}]})

    assert answer["orders"][0]["lineItems"] == [EMPTY_LINE]
    (warning,) = unreadable(answer)
    assert f"'{name}'" in warning


@pytest.mark.parametrize("value", [None, "x", 5, []])
def test_an_order_line_that_is_no_object_still_counts(value: Any) -> None:
    answer = checked_out({"orders": [{"lineItems": [value, {"quantity": 1}]}]})

    assert answer["orders"][0]["lineItems"] == [EMPTY_LINE, EMPTY_LINE | {"quantity": 1}]
    assert "lineItems" in unreadable(answer)[0]


def test_a_warning_is_given_once_and_after_the_requests_own() -> None:
    mine = FieldError("/lineItems/0/x", "unknown_member", "words")

    answer = checked_out({"orders": [{"status": []}, {"status": {}}]}, mine)

    assert [warning["code"] for warning in answer["warnings"]] == [
        "unknown_member",
        "unreadable_member",
    ]


def test_partner_center_cannot_speak_for_us() -> None:
    claimed = {"cartId": "x", "customerId": "y", "Status": "partial", "warnings": ["z"]}

    assert checked_out(RESULT | claimed) == checked_out(RESULT)


def test_new_members_are_kept_and_the_envelope_is_dropped() -> None:
    future = {"newMember": {"deep": [1, None, True]}, "Another": None, "number": 1.5}
    result = copy.deepcopy(RESULT) | future

    answer = checked_out(result)

    assert list(answer) == [*CHECKOUT_MEMBERS, *future]
    assert {name: answer[name] for name in future} == future
    assert "objectType" not in json.dumps(answer)
    assert "headers" not in json.dumps(answer)


def test_too_deep_for_us_is_no_result_or_a_result_but_no_crash() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    for value in (deep, {"a": deep}):
        for name in (*EMPTY_ORDER, *EMPTY_LINE, "future"):
            members = {name: value}
            try:
                normalise_checkout(
                    {
                        "orders": [members | {"lineItems": [members]}],
                        "orderErrors": [members, value],
                        "future": value,
                    },
                    CUSTOMER,
                    CART_ID,
                )
            except NotACheckout:
                continue


_NAMES = st.sampled_from(
    [*EMPTY_ORDER, *EMPTY_LINE, *EMPTY_ERROR, *CHECKOUT_MEMBERS, "attributes", "Orders", "x"]
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=8,
)
_RESULT = st.fixed_dictionaries(
    {"orders": st.lists(st.dictionaries(_NAMES, _JSON, max_size=4), max_size=3)},
    optional={"orderErrors": _JSON},
)


@given(_RESULT | _JSON)
def test_any_json_is_a_result_or_nothing_ordered_or_no_result(document: Any) -> None:
    try:
        answer = checked_out(document)
    except (NothingOrdered, NotACheckout):
        return

    assert list(answer)[:6] == CHECKOUT_MEMBERS
    assert answer["status"] == ("partial" if answer["orderErrors"] else "completed")


@given(_RESULT)
def test_no_order_is_ever_lost(document: Any) -> None:
    if document["orders"]:
        assert len(checked_out(document)["orders"]) == len(document["orders"])
