"""What a caller gets for a checkout."""

from contextlib import suppress
from typing import Any

import pytest

from cart_core.cart.checkout_answer import (
    NotACheckout,
    NothingOrdered,
    normalise_checkout,
    ordered_already,
)
from cart_core.json_text import write_json
from cart_core.problem import FieldError
from tests.kit.builders import CART_ID, CHECKOUT_RESULT, CUSTOMER, shouted, unreadable

CHECKOUT_MEMBERS = ["cartId", "customerId", "status", "orders", "orderErrors", "warnings"]
EMPTY_ORDER: dict[str, Any] = dict.fromkeys(
    [
        *("id", "alternateId", "referenceCustomerId", "status", "transactionType"),
        *("billingCycle", "currencyCode", "currencySymbol", "creationDate", "totalPrice"),
        *("partnerOnRecordAttestationAccepted", "lineItems"),
    ]
) | {"lineItems": []}
EMPTY_LINE: dict[str, Any] = dict.fromkeys(
    [
        *("lineItemNumber", "offerId", "subscriptionId", "parentSubscriptionId", "termDuration"),
        *("transactionType", "friendlyName", "quantity", "customTermEndDate", "promotionId"),
        *("pricing", "partnerIdOnRecord", "additionalPartnerIdsOnRecord", "provisioningContext"),
        *("renewsTo", "attestationAccepted", "purchaseCommitment"),
    ]
) | {"additionalPartnerIdsOnRecord": [], "provisioningContext": {}}
EMPTY_ERROR: dict[str, Any] = {
    **{"orderGroupId": None, "code": None, "description": None},
    "outcome": "unknown",
}
REJECTED = {"outcome": "rejected"}


def checked_out(document: Any, *warnings: FieldError) -> dict[str, Any]:
    """The answer for a checkout, once it is known to be JSON."""
    answer = normalise_checkout(document, CUSTOMER, CART_ID, warnings)
    write_json(answer)
    return answer


def test_the_documented_result_is_normalised() -> None:
    (order,) = CHECKOUT_RESULT["orders"]
    (line,) = order["lineItems"]
    expected_line = EMPTY_LINE | line
    expected_line |= {"customTermEndDate": None, "pricing": {"listPrice": 2.5, "extendedPrice": 5}}
    del expected_line["links"]
    expected_order = EMPTY_ORDER | order
    expected_order |= {"creationDate": "2026-03-15T17:15:02.384052Z", "lineItems": [expected_line]}
    del expected_order["links"], expected_order["attributes"]

    for document in (CHECKOUT_RESULT, shouted(CHECKOUT_RESULT)):
        assert checked_out(document) == {
            **{"cartId": CART_ID, "customerId": CUSTOMER, "status": "completed"},
            **{"orders": [expected_order], "orderErrors": [], "warnings": []},
        }


def test_every_member_is_always_present_in_one_order_and_null_is_the_same_as_absent() -> None:
    nulls = dict.fromkeys(EMPTY_ORDER) | {"lineItems": [dict.fromkeys(EMPTY_LINE)]}
    for document in (
        {"orderErrors": [{}], "orders": [{"lineItems": [{}]}, {}]},
        {"orderErrors": [dict.fromkeys(EMPTY_ERROR)], "orders": [nulls, {"lineItems": None}]},
    ):
        answer = checked_out(document)

        assert list(answer) == CHECKOUT_MEMBERS
        orders = [EMPTY_ORDER | {"lineItems": [EMPTY_LINE]}, EMPTY_ORDER]
        assert write_json(answer["orders"]) == write_json(orders)
        assert write_json(answer["orderErrors"]) == write_json([EMPTY_ERROR])


# --- Which of the three it is -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ({"orderErrors": None}, "completed"),
        ({"orderErrors": []}, "completed"),
        ({"orderErrors": [{"code": 1}]}, "partial"),
        ({"OrderErrors": [{"description": "No."}]}, "partial"),
        ({"orderErrors": ["x"]}, "partial"),
        ({"orderErrors": {"code": 1}}, "partial"),
        ({"orderErrors": {"code": 800060}}, "in_progress"),
        # Nobody knows what cannot be read.
        ({"OrderErrors": [{}]}, "in_progress"),
        ({"OrderErrors": [None]}, "in_progress"),
        ({"OrderErrors": "x"}, "in_progress"),
        *(
            ({"orderErrors": [{"code": code}]}, "in_progress")
            for code in (800060, "800065", 800003, "900192")
        ),
    ],
    ids=str,
)
def test_the_codes_of_the_errors_say_what_became_of_the_rest(
    errors: dict[str, Any], status: str
) -> None:
    answer = checked_out({"orders": [{}]} | errors)

    assert answer["status"] == status
    assert answer["orders"] == [EMPTY_ORDER]
    assert len(answer["orderErrors"]) == (status != "completed")
    outcomes = {"partial": ["rejected"], "in_progress": ["unknown"]}
    assert [error["outcome"] for error in answer["orderErrors"]] == outcomes.get(status, [])
    warned = ["order_in_progress"] if status == "in_progress" else []
    ours = [warning["code"] for warning in answer["warnings"]]
    assert [code for code in ours if code != "unreadable_member"] == warned


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"orders": []}, []),
        ({"orders": None, "orderErrors": []}, []),
        ({"orderErrors": [{"code": 5}]}, [EMPTY_ERROR | {"code": "5"} | REJECTED]),
        ({"orders": [], "orderErrors": [{}, {}]}, [EMPTY_ERROR] * 2),
        ({"orders": [], "orderErrors": "x"}, [EMPTY_ERROR]),
    ],
    ids=str,
)
def test_without_an_order_nothing_is_ordered(document: Any, errors: list[Any]) -> None:
    with pytest.raises(NothingOrdered) as raised:
        checked_out(document)

    assert raised.value.order_errors == errors


@pytest.mark.parametrize(
    "document",
    [
        *(None, [], [CHECKOUT_RESULT], "success", {}, {"code": "800002", "description": "no"}),
        *({"orders": "x"}, {"orders": None, "orderErrors": None}, {"orderErrors": "x"}),
        {"orders": {"id": "x"}, "orderErrors": [{}]},
    ],
    ids=str,
)
def test_what_is_no_result_is_not_taken_for_one(document: Any) -> None:
    with pytest.raises(NotACheckout):
        checked_out(document)


@pytest.mark.parametrize("value", [None, "x", 5, True, []])
def test_an_order_or_line_that_is_no_object_still_counts(value: Any) -> None:
    answer = checked_out({"orders": [value, {"lineItems": [value, {"quantity": 1}]}]})

    assert answer["status"] == "completed"
    lines = [EMPTY_LINE, EMPTY_LINE | {"quantity": 1}]
    assert answer["orders"] == [EMPTY_ORDER, EMPTY_ORDER | {"lineItems": lines}]
    assert len(unreadable(answer)) == 2


def test_a_cart_that_is_ordered_already() -> None:
    mine = FieldError("/lineItems/0/x", "unknown_member", "words")

    answer = ordered_already(CUSTOMER, CART_ID, (mine,))

    assert list(answer) == CHECKOUT_MEMBERS
    first, second = answer.pop("warnings")
    assert (first, second["code"]) == (mine.as_json(), "orders_not_retrieved")
    assert "order history" in second["detail"]
    assert answer == {
        **{"cartId": CART_ID, "customerId": CUSTOMER, "status": "ordered"},
        **{"orders": [], "orderErrors": []},
    }


# --- Spellings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wire", "normal"),
    [
        *(("id", 311, "311"), ("billingCycle", "OneTime", "one_time")),
        *(("creationDate", "0001-01-01T00:00:00", None), ("totalPrice", "12.5", 12.5)),
        *(("partnerOnRecordAttestationAccepted", True, True), ("newMember", 1.5, 1.5)),
        ("lineItems", [{"lineItemNumber": "3"}], [EMPTY_LINE | {"lineItemNumber": 3}]),
        *(
            ("lineItems", [{name: wire}], [EMPTY_LINE | {name: normal}])
            for name, wire, normal in [
                ("partnerIdOnRecord", 5139005, "5139005"),
                ("additionalPartnerIdsOnRecord", [1, "2"], ["1", "2"]),
                ("provisioningContext", {"Scope": "s", "none": None}, {"Scope": "s"}),
                ("purchaseCommitment", {"amount": 0.5, "links": {}}, {"amount": 0.5}),
                ("customTermEndDate", "2027-01-31T00:00:00Z", "2027-01-31T00:00:00.000000Z"),
            ]
        ),
    ],
)
def test_an_order_and_its_lines_are_read_in_every_spelling(
    name: str, wire: Any, normal: Any
) -> None:
    answer = checked_out({"orders": [{name: wire}]})

    assert answer["orders"] == [EMPTY_ORDER | {name: normal}]
    assert answer["warnings"] == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"orderGroupId": 0, "code": 800023}, {"orderGroupId": "0", "code": "800023"}),
        ({"Code": "800023", "Description": "No."}, {"code": "800023", "description": "No."}),
        ({"attributes": {"objectType": "OrderError"}, "new": 1}, {"new": 1}),
        ({"code": {}, "description": []}, {}),
        ("No.", {"description": '"No."'}),
        (None, {}),
        ({"outcome": "rejected"}, {}),
    ],
    ids=str,
)
def test_an_order_error_is_never_lost(error: Any, expected: dict[str, Any]) -> None:
    answer = checked_out({"orders": [{}], "orderErrors": [error]})

    refused = REJECTED if {"code", "description"} & expected.keys() else {}
    assert answer["orderErrors"] == [EMPTY_ERROR | expected | refused]


# --- What cannot be read, what is kept, what is ours ------------------------------------------

UNREADABLE_IN_ORDERS: dict[str, list[Any]] = {
    **{"id": [{}], "status": [1.5], "billingCycle": [[]], "creationDate": ["yesterday"]},
    **{"totalPrice": ["free", "NaN", "inf", {}], "lineItems": [{}, "x"]},
    "partnerOnRecordAttestationAccepted": ["perhaps"],
}
UNREADABLE_IN_LINES: dict[str, list[Any]] = {
    **{"lineItemNumber": ["first"], "subscriptionId": [["x"]], "quantity": [1.5]},
    **{"customTermEndDate": [5], "pricing": ["x"], "provisioningContext": [[1]]},
    **{"renewsTo": [[{}, {}]], "attestationAccepted": [[]], "purchaseCommitment": [5]},
    "additionalPartnerIdsOnRecord": ["x", [{}]],
}


@pytest.mark.parametrize(
    ("order", "name"),
    [
        pytest.param(order, name, id=f"{name}-{value}")
        for members, of_line in ((UNREADABLE_IN_ORDERS, False), (UNREADABLE_IN_LINES, True))
        for name, values in members.items()
        for value in values
        for order in [{"lineItems": [{name: value}]} if of_line else {name: value}]
    ],
)
def test_an_unreadable_member_is_empty_with_a_warning(order: Any, name: str) -> None:
    answer = checked_out({"orders": [{"id": "a"}, order]})

    lines = [EMPTY_LINE] if name in UNREADABLE_IN_LINES else []
    assert answer["orders"] == [EMPTY_ORDER | {"id": "a"}, EMPTY_ORDER | {"lineItems": lines}]
    (warning,) = unreadable(answer)
    assert f"'{name}'" in warning


def test_the_requests_warnings_come_along() -> None:
    mine = FieldError("/lineItems/0/x", "unknown_member", "words")

    answer = checked_out({"orders": [{"status": []}, {"status": {}}]}, mine)

    assert answer["warnings"][0] == mine.as_json()
    assert len(unreadable(answer)) == 1


def test_no_order_is_lost_to_another_spelling() -> None:
    answer = checked_out({"orders": [{"id": "a"}], "Orders": [{"id": "b"}]})

    assert [order["id"] for order in answer["orders"]] == ["a", "b"]
    assert [warning["code"] for warning in answer["warnings"]] == ["ambiguous_member"]


def test_partner_center_cannot_speak_for_us() -> None:
    claimed = {"cartId": "x", "customerId": "y", "Status": "odd", "warnings": ["z"]}

    assert checked_out(CHECKOUT_RESULT | claimed) == checked_out(CHECKOUT_RESULT)


def test_too_deep_for_us_is_no_result_or_a_result_but_no_crash() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    for value in (deep, {"a": deep}):
        for name in (*EMPTY_ORDER, *EMPTY_LINE, "future"):
            here = {name: value}
            document = {"orders": [here | {"lineItems": [here]}], "orderErrors": [here, value]}
            with suppress(NotACheckout):
                normalise_checkout(document | {"future": value}, CUSTOMER, CART_ID)
