"""How errors are reported: where, how many, in the caller's spelling, and without repeated work."""

from typing import Any

import pytest

from cart_core.cart.request import CartRules, read_cart
from cart_core.cart.vocabulary import BILLING_CYCLES
from cart_core.json_text import write_json
from cart_core.problem import FieldError, Problem
from tests.kit.builders import (
    CUSTOMER,
    FULL_LINE,
    MARKER,
    cart,
    line,
    line_without,
    places,
    read,
    read_bytes,
    refusal,
    shown,
)

LINE = "/lineItems/0"


def test_all_errors_are_reported_at_once_in_the_callers_spelling() -> None:
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

    assert refused.value.kind.status == 400
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


A_TERM = "an ISO 8601 duration such as 'P1M', 'P1Y' or 'P3Y'"
AN_ITEM = "'ProductId:SkuId:AvailabilityId', or 'ProductId:SkuId'"


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        ({"quantity": None}, "'quantity' is required: a whole number from 1."),
        (
            {"billingCycle": None},
            f"'billingCycle' is required: one of {', '.join(BILLING_CYCLES)}.",
        ),
        ({"billingCycle": ""}, f"Must not be empty: one of {', '.join(BILLING_CYCLES)}."),
        ({"billingCycle": 5}, f"Must be a text in quotes: one of {', '.join(BILLING_CYCLES)}."),
        ({"termDuration": ""}, f"Must not be empty: {A_TERM}. Leave it out or send null."),
        ({"promotionId": ""}, "Must not be empty. Leave it out or send null."),
        ({"participants": {"key": ""}}, 'Must be a list: \'[{"key": …, "value": …}]\'.'),
        ({"provisioningContext": {"key": ""}}, "Must not be empty. Leave it out or send null."),
        ({"provisioningContext": {"quantity": 5}}, "Must be a text in quotes."),
        ({"friendlyName": " "}, "Must not be blank."),
        ({"catalogItemId": "A "}, "Must not begin or end with white space."),
        ({"quantity": "2"}, "Must be a whole number without quotes or decimal point."),
        ({"quantity": 0}, "Must be at least 1."),
        ({"quantity": 26}, "Must be at most 25 (this function's own limit)."),
        ({"quantity": 2**31}, "Must be at most 2147483647."),
        ({"catalogItemId": 5}, f"Must be a text in quotes: {AN_ITEM}."),
        ({"friendlyName": 5}, "Must be a text in quotes."),
        ({"billingCycle": "x"}, f"Must be one of: {', '.join(BILLING_CYCLES)}."),
        ({"attestationAccepted": "true"}, "Must be true or false."),
        ({"addonItems": {}}, "Must be an array."),
        ({"addonItems": [5]}, "Must be an object."),
        ({"provisioningContext": []}, "Must be an object."),
        ({"purchaseCommitment": {"amount": "1"}}, "Must be a number without quotes."),
        ({"purchaseCommitment": {"amount": 0}}, "Must be more than 0."),
    ],
    ids=ascii,
)
def test_an_error_says_what_must_be(wrong: dict[str, Any], detail: str) -> None:
    with pytest.raises(Problem) as refused:
        read_cart(cart(line(**wrong)), CUSTOMER, CartRules(max_quantity=25), [])

    assert [error.detail for error in refused.value.errors] == [detail]


@pytest.mark.parametrize(
    "code", ["invalid_customer_id", "invalid_cart_id", "invalid_customer_user"]
)
@pytest.mark.parametrize("body", [[], cart(line(quantity=0))], ids=str)
def test_an_error_outside_the_body_hides_no_error_in_it(body: Any, code: str) -> None:
    error = FieldError("", code, "Wrong.")
    with pytest.raises(Problem) as alone:
        read_cart(cart(), CUSTOMER, CartRules(), [error])
    with pytest.raises(Problem) as both:
        read_cart(body, CUSTOMER, CartRules(), [error])

    assert alone.value.errors == [error]
    assert error in both.value.errors
    assert len(both.value.errors) > 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'"quantity":1,"quantity":1}]}', {"/quantity": "duplicate_member"}),
        (
            b'"Quantity":1,"quantity":"x"}]}',
            {"/Quantity": "duplicate_member", "/quantity": "duplicate_member"},
        ),
        (b'"quantity":1,"\\ud800":1}]}', {"": "invalid_name"}),
        (b'"quantity":1e999}]}', {"/quantity": "out_of_range"}),
    ],
)
def test_an_error_in_the_json_is_not_reported_again_for_its_value(
    body: bytes, expected: dict[str, str]
) -> None:
    with pytest.raises(Problem) as refused:
        read_bytes(b'{"lineItems":[{"catalogItemId":"A","billingCycle":"none",' + body)

    assert len(refused.value.errors) == len(expected)
    assert places(refused.value) == {(f"{LINE}{at}", code) for at, code in expected.items()}


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        (1, "1 problem in the request. "),
        (100, "100 problems in the request. "),
        (101, "More than 100 problems in the request; the first 100 are listed. "),
        (500, "More than 100 problems in the request; the first 100 are listed. "),
    ],
)
def test_a_hundred_errors_are_listed_and_counted(wrong: int, detail: str) -> None:
    problem = refusal(cart(*[line(quantity=0) for _ in range(wrong)]))

    assert problem.detail.startswith(detail)
    assert [error.pointer for error in problem.errors[:100]] == [
        f"/lineItems/{number}/quantity" for number in range(min(wrong, 100))
    ]


def test_what_only_follows_from_a_misspelling_takes_no_place_in_the_list() -> None:
    problem = refusal(cart(*[line_without("quantity", quantitiy=1) for _ in range(150)]))

    assert problem.detail.startswith("More than 100 problems ")
    assert [(error.pointer, error.code) for error in problem.errors[:100]] == [
        (f"/lineItems/{number}/quantitiy", "misspelled_member") for number in range(100)
    ]


# --- Values are not repeated ------------------------------------------------------------------

NAMES = [*FULL_LINE, "catalogId", "error", "pricing", "quantitty", "somethingNew"]


@pytest.mark.parametrize(
    "value",
    [
        MARKER,
        f"{MARKER}\r\n",
        [MARKER],
        {"value": MARKER},
        [{"value": [MARKER]}],
        {"inner": {f"{MARKER}2": MARKER}},
    ],
    ids=str,
)
def test_a_value_is_never_repeated_in_an_error(value: Any) -> None:
    documents = [
        cart(line(**dict.fromkeys(NAMES, value)), customerId=MARKER),
        cart(line(addonItems=[line(**{name: value, "orderGroup": 5}) for name in NAMES])),
        cart(line(participants=[{"key": value, "value": value}]), "x"),
        cart(line(participants={"k": value}, provisioningContext={"k": [value]}), "x"),
        cart(line(purchaseCommitment=dict.fromkeys(("amount", "grain", "currency"), value)), "x"),
        cart("x", partnerOnRecordAttestationAccepted=value),
        {"lineItems": value},
        value,
    ]
    for document in documents:
        for rules in ({}, {"unknown_members": "reject"}):
            problem = refusal(document, **rules)
            assert MARKER not in "".join(error.detail for error in problem.errors)
            assert MARKER not in shown(problem).replace(f"/{MARKER}2", "")


@pytest.mark.parametrize("number", [987654321987654321, 98765.4321, -98765, "98765"])
def test_a_number_is_never_repeated_in_an_error(number: Any) -> None:
    assert "98765" not in shown(refusal(cart(line(**dict.fromkeys(NAMES, number)))))


def test_a_warning_repeats_no_value() -> None:
    first, second = read(cart(line(termDuration="P77Y", newMember=MARKER))).warnings

    assert "P77Y" not in str(first) + str(second)
    assert MARKER not in str(first) + str(second)


def test_the_callers_document_is_left_as_it_was() -> None:
    document = cart(line(participants={"a": "b"}, addonItems=[line()]), zone={"x": [1]})
    before = write_json(document)

    read_cart(document, CUSTOMER, CartRules(), [])

    assert write_json(document) == before
