"""The schemas of the OpenAPI document accept what the code accepts and have what it answers."""

import json
from typing import Any

import pytest

from cart_core.api.parameters import cart_errors, customer_errors, customer_user, idempotency_key
from cart_core.api.request_json import read_json
from cart_core.cart.request import CartRules, read_cart
from cart_core.problem import Fault, FieldError, Problem
from description.examples import CUSTOMER_ID
from tests.docs.openapi import COMPONENTS, SCHEMAS, validator

CART = validator({"$ref": "#/components/schemas/Cart"})
LINE = {"catalogItemId": "A:1:B", "quantity": 1, "billingCycle": "monthly"}
VALUES: list[Any] = [
    None,
    *("", " ", "x", "é\U0001f600", "a\nb", "a\n", "\x00", "\x7f", "\x80"),
    *("0", "7", "007", "-1", "1.0", "2147483647", "99999999999", "9999999999", "٣"),
    *("USD", "usd", "US", "EURO", "U1D", "monthly", "one_time", "OneTime", "weekly"),
    *("P1Y", "P1M", "P1Y2M3W4DT5H6M7S", "PT36H", "P", "PT", "P1YT", "P1.5Y", "p1y", "P٣Y"),
    *("P1Y\n", "1Y", "2027-01-31T00:00:00Z", "2027-01-31T00:00:00.1234567+05:30"),
    *("2027-02-31T00:00:00Z", "2027-01-31", "2027-01-31T00:00:00", "0001-01-01T00:00:00"),
    *(-1, 0, 1, 7, 1.0, 1.5, 0.05, 2**31 - 1, 2**31, -0.0),
    *(True, False),
    *([], [[]], [{}], [None], ["x"], [1]),
    *({}, {"a": "b"}, {"a": 1}, {"a": None}, {"a": ""}, {"": "a"}, {"a\n": "b"}, {"a": "\x01"}),
    *({"termDuration": "P1Y"}, {"termDuration": "P"}, {"termDuration": None}),
    *([{"termDuration": "P1Y"}], [{"termDuration": "x"}], [{}, {}]),
    *([{"key": "k", "value": "v"}], [{"key": "k"}], [{"key": "", "value": "v"}]),
    *([{"key": "k", "value": "v"}] * 2, [{"key": "k", "value": None}]),
    *({"key": "k", "value": "v"}, {"KEY": "k"}, {"value": "v", "x": "y"}),
    *({"amount": 0.05, "currency": "usd", "grain": "hourly"}, {"amount": 0}, {"amount": "1"}),
    *({"currency": ""}, {"grain": None}, {"amount": None}),
    *([LINE], [LINE, LINE], [{**LINE, "quantity": 0}], [{**LINE, "addonItems": [{}]}]),
]
"""Values for any member of a line item."""

_HIDDEN: list[Any] = [{"a": ""}, {"": "a"}, {"a\n": "b"}, {"a": "\x01"}]

DIFFERENCES: dict[str, list[Any]] = {
    # JSON Schema takes 1.0 and -0.0 for whole numbers, and cannot limit a number in a text.
    "id": [1.0, -0.0, "9999999999"],
    "quantity": [1.0],
    # The code accepts any spelling; the document lists Partner Center's own.
    "billingCycle": ["OneTime"],
    # The code reads a time without a zone as UTC, and .NET's default date as none. The document
    # asks for RFC 3339, which has neither.
    # The document has the documented shape only: generated clients cannot set one of two.
    "participants": [
        *({}, {"a": "b"}, {"termDuration": "P1Y"}, {"termDuration": "P"}, {"amount": "1"}),
    ],
    "renewsTo": [
        *([{}], [{"termDuration": "P1Y"}], [{"key": "k"}], [{"key": "k", "value": None}]),
        [{"key": "k", "value": "v"}],
        *([LINE], [{**LINE, "quantity": 0}], [{**LINE, "addonItems": [{}]}]),
        # The document does not say what undocumented members may have in them.
        *(*_HIDDEN, {"currency": ""}),
    ],
    "customTermEndDate": ["2027-01-31T00:00:00", "0001-01-01T00:00:00"],
    # The document does not say what undocumented members may have in them.
    "purchaseCommitment": _HIDDEN,
}
"""The values of a member on which the schema and the code are meant to differ."""


def accepted(document: Any) -> bool:
    """Whether the code accepts the bytes of a cart."""
    parsed, errors = read_json(json.dumps(document).encode())
    try:
        read_cart(parsed, CUSTOMER_ID, CartRules(), errors)
    except Problem:
        return False
    return True


@pytest.mark.parametrize("member", SCHEMAS["LineItem"]["properties"])
def test_the_request_schema_accepts_the_values_that_the_code_accepts(member: str) -> None:
    documents = [{"lineItems": [{**LINE, member: value}]} for value in VALUES]

    differences = [
        document["lineItems"][0][member]
        for document in documents
        if CART.is_valid(document) != accepted(document)
    ]

    assert sorted(map(repr, differences)) == sorted(map(repr, DIFFERENCES.get(member, [])))


@pytest.mark.parametrize(
    "document",
    [
        *({}, [], None, "x", {"lineItems": []}, {"lineItems": None}),
        {"lineItems": [LINE], "x": 1},
        *({"lineItems": [{name: LINE[name] for name in LINE.keys() - {left}}]} for left in LINE),
    ],
)
def test_the_request_schema_requires_what_the_code_requires(document: Any) -> None:
    assert CART.is_valid(document) == accepted(document)


def is_valid(parameter: str, value: str) -> bool:
    return validator(COMPONENTS["parameters"][parameter]["schema"]).is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "k",
            "k" * 255,
            "k" * 256,
            "a b",
            "é",
            "\x7f",
            "\\",
            "a\n",
            "",
            'k"',
            "a,b",
            ",",
            '"a,b"',
        ),
        *('"k"', '"k', '"', '""', '"a\\"b"', '"a\\\\"', '"a\\b"', '"a b"'),
        *(f'"{"k" * 255}"', f'"{"k" * 256}"'),
    ],
)
def test_the_pattern_of_the_key_accepts_the_keys_that_the_code_accepts(value: str) -> None:
    try:
        idempotency_key({"idempotency-key": value})
    except Problem:
        assert not is_valid("Idempotency-Key", value)
    else:
        assert is_valid("Idempotency-Key", value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a@b",
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        "a@b,",
        ",@b",
        "é@b",
        "a" * 254 + "@b",
        "a" * 255 + "@b",
    ],
)
def test_the_pattern_of_the_user_accepts_the_users_that_the_code_accepts(value: str) -> None:
    _, errors = customer_user({"x-ms-customeruser-upn": value})

    assert is_valid("x-ms-customeruser-upn", value) == (not errors)


@pytest.mark.parametrize(
    "value", [CUSTOMER_ID, CUSTOMER_ID.upper(), CUSTOMER_ID[:-1], CUSTOMER_ID + "0", "", "x"]
)
def test_the_patterns_of_ids_accept_the_ids_that_the_code_accepts(value: str) -> None:
    assert is_valid("customerId", value) == (not customer_errors(value))
    assert is_valid("cartId", value) == (not cart_errors(value))


def test_the_schema_of_a_problem_has_the_members_of_a_problem() -> None:
    error = FieldError("", "invalid_cart_id", "The cartId in the path must be a GUID.")
    fault = Fault(400, "800002", "No.", "PartnerFD", [{"any": "thing"}])
    problem = Problem("checkout_failed", "Words.", errors=[error], fault=fault)
    body = problem.as_json(request_id=None, correlation_id=CUSTOMER_ID)

    assert list(body) == list(SCHEMAS["ProblemAnswer"]["properties"])
    validator({"$ref": "#/components/schemas/ProblemAnswer"}).validate(body)


@pytest.mark.parametrize(
    "name",
    sorted(SCHEMAS.keys() - {"Cart", "LineItem", "Participant", "PurchaseCommitment", "RenewsTo"}),
)
def test_every_member_of_an_answer_that_cannot_be_null_is_required(name: str) -> None:
    schema = SCHEMAS[name]

    assert schema.get("required", []) == [
        member
        for member, of_member in schema.get("properties", {}).items()
        if not validator(of_member).is_valid(None)
    ]
