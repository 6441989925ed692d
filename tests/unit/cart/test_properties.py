"""What holds for every cart: request and answer together."""

import copy
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.api.request_json import read_json
from cart_core.cart.answer import NotACart, normalise_cart
from cart_core.cart.checkout_answer import NotACheckout, NothingOrdered, normalise_checkout
from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.json_text import write_json
from cart_core.problem import Problem
from tests.kit.builders import (
    CART_ID,
    CHECKOUT_RESULT,
    CUSTOMER,
    FULL_LINE,
    MARKER,
    SEED_RESPONSE,
    cart,
    line,
    lines_of,
    normalised,
    read,
    refusal,
    shown,
)


def _echoed(body: dict[str, Any]) -> dict[str, Any]:
    """The cart as Partner Center answers it: what it got and what it assigns."""
    echo = copy.deepcopy(body)
    for item in lines_of(echo):
        item["attributes"] = {"objectType": "CartLineItem"}
        item.setdefault("provisioningContext", {})
        item["pricing"] = {"listPrice": 1.5}
    return SEED_RESPONSE | echo | {"expirationTimestamp": "0001-01-01T00:00:00"}


# --- Anything at all --------------------------------------------------------------------------

_NAMES = st.sampled_from(
    [
        *("lineItems", "LineItems", "id", "Id", "catalogItemId", "catalogId", "quantity"),
        *("billingCycle", "BILLINGCYCLE", "participants", "provisioningContext", "addonItems"),
        *("renewsTo", "termDuration", "customTermEndDate", "purchaseCommitment", "amount"),
        *("key", "value", "error", "errorCode", "Name", "code", "attributes", "customerId"),
        *("creationTimestamp", "status", "pricing", "quantitty", "zone", "a/b", "~", ""),
    ]
)
_ANY_TEXT = st.text(st.characters(), max_size=4) | st.sampled_from(
    ["0001-01-01T00:00:00", "2022-02-19T00:00:00Z", "P1Y", "monthly", "1", "00", "\ud800", MARKER]
)
_FINITE = st.floats(allow_nan=False, allow_infinity=False)  # as read_foreign_json gives
_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_NAMES | _ANY_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
_FULL = {"lineItems": [FULL_LINE]}
_CODES = {
    *("required", "wrong_type", "out_of_range", "too_short", "invalid_text", "invalid_format"),
    "empty_text",
    *("unknown_value", "duplicate_id", "duplicate_member", "misspelled_member", "invalid_name"),
    *("unknown_member", "unknown_term", "customer_mismatch"),
}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, name
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _damaged(document: Any) -> st.SearchStrategy[Any]:
    """A valid document in which anything stands in place of one value."""

    def put(number: int, anything: Any) -> Any:
        damaged = copy.deepcopy(document)
        holder, name = list(_places(damaged))[number]
        holder[name] = anything
        return damaged

    return st.builds(put, st.integers(0, len(list(_places(document))) - 1), _ANYTHING)


@settings(max_examples=80)
@given(_ANYTHING | _damaged(_FULL))
def test_any_json_is_read_or_refused_with_pointers_into_it(document: Any) -> None:
    code, found = "", []
    try:
        accepted = read(document)
        write_json(accepted.body)
        found = [*accepted.warnings]
    except Problem as problem:
        shown(problem).encode()
        code, found = problem.code, [*problem.errors]

    assert code in {"", "invalid_request", "invalid_json"}
    for error in found:
        assert error.code in _CODES
        assert error.detail
        assert MARKER not in error.detail
        parent, _, last = error.pointer.rpartition("/")
        _resolve(document, parent if error.code == "required" else error.pointer)
        assert "~" not in last.replace("~0", "").replace("~1", "")


def _resolve(document: Any, pointer: str) -> Any:
    here = document
    for step in pointer.split("/")[1:]:
        here = here[int(step) if isinstance(here, list) else _unescaped(step)]
    return here


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


@settings(max_examples=80)
@given(_ANYTHING | _damaged(_echoed(_FULL)))
def test_any_json_is_a_cart_or_no_cart(document: Any) -> None:
    try:
        answer = normalise_cart(document, CUSTOMER)
    except NotACart:
        return
    write_json(answer)
    assert answer["customerId"] == CUSTOMER


_ODD_TEXTS = st.sampled_from(
    ["\ud800", "@{a=1}", "a\tb", "System.Object[]", "", "\u202e", "x" * 300]
)
_ODD = st.recursive(
    st.none() | st.just(10**400) | st.just(Decimal("0.1000000000000000055")) | _ODD_TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(_NAMES | _ODD_TEXTS, inner, max_size=3)
    ),
    max_leaves=6,
)
"""What nobody would send, and Partner Center may answer."""

_NOT_PUT = {
    *("required", "wrong_type", "out_of_range", "invalid_text", "invalid_format", "empty_text"),
    *("unknown_value", "duplicate_id", "invalid_name", "too_short"),
}
"""Codes of values that a cart may hold and no request may."""


def _put(answer: dict[str, Any]) -> CartRequest:
    value, errors = read_json(write_json(answer).encode())
    return read_cart(value, CUSTOMER, CartRules(), errors, cart_id=answer["id"].lower())


@settings(max_examples=150)
@given(
    _damaged(_echoed(_FULL))
    | st.builds(
        lambda odd, name: _echoed(cart(line(id=1) | {name: odd})) | {name.upper(): odd},
        _ODD,
        st.sampled_from(["error", "pricing", "additional", "renewsTo", "quantitty", "links"]),
    )
)
def test_what_is_answered_can_be_put_back_but_for_values_that_no_request_may_have(
    document: Any,
) -> None:
    try:
        answer = normalised(document)
    except NotACart:
        return
    assert answer["warnings"] or normalised(answer) == answer
    problems: list[Problem] = []
    try:
        _put(answer)
    except Problem as problem:
        problems.append(problem)
    assert {problem.code for problem in problems} <= {"invalid_request"}
    for error in (error for problem in problems for error in problem.errors):
        assert error.code in _NOT_PUT
        assert "the cart itself holds it" in error.detail
        assert not re.match(r"(/lineItems/\d+/(error|pricing)|/links|/warnings)/", error.pointer)


@pytest.mark.parametrize(
    "members",
    [
        {"error": {"errorCode": 10001, "errorDescription": "System.Object[]", "x" * 300: "\ud800"}},
        {"error": {"errorDescription": "a\tb", "additionalInformation": {"a": 10**400, "A": 1}}},
        {"pricing": {"price": Decimal("0.30000000000000004"), "Price": 1, "listPrice": 10**400}},
        {"Pricing": {"price": 1}, "pricing": {"price": 2}, "ERROR": "[object Object]"},
        {"new": {"a": {"b": 1, "B": 2}}, "NEW": 5, "catalogId": "C:2:D", "links": {"x": "@{}"}},
        {
            "purchaseCommitment": {"amount": 5, "grains": "hourly"},
            "participants": {"key": "k", "value": "v"},
        },
        {f"new{number}": number for number in range(300)},
    ],
    ids=lambda members: ",".join(list(members)[:3]),
)
def test_an_odd_answer_can_be_put_back(members: dict[str, Any]) -> None:
    document = _echoed(cart(line(id=1) | members))
    document["lineItems"][0] |= {name: members[name] for name in members if name == "pricing"}

    sent = _put(normalised(document)).body["lineItems"][0]

    assert {"error", "pricing"}.isdisjoint(sent)
    assert sent["catalogItemId"] == "A:1:B"


@pytest.mark.parametrize(
    ("name", "value"),
    [("billingCycle", "decennial"), ("friendlyName", "a\tb"), ("promotionId", ""), ("quantity", 0)],
)
def test_a_value_that_no_request_may_have_is_the_carts_own(name: str, value: Any) -> None:
    answer = normalised(_echoed(cart(line(id=1) | {name: value})))

    with pytest.raises(Problem) as refused:
        _put(answer)
    (error,) = refused.value.errors
    assert error.pointer == f"/lineItems/0/{name}"
    assert "the cart itself holds it" in error.detail
    (bare,) = refusal(cart(line(id=1) | {name: value})).errors
    assert "the cart itself" not in bare.detail


@settings(max_examples=80)
@given(_ANYTHING | _damaged(CHECKOUT_RESULT | {"orderErrors": [{"code": "800005"}]}))
def test_any_json_is_a_checkout_without_a_lost_order_or_no_checkout(document: Any) -> None:
    orders = document.get("orders") if isinstance(document, dict) else None
    try:
        answer = normalise_checkout(document, CUSTOMER, CART_ID)
    except (NothingOrdered, NotACheckout):
        assert not (isinstance(orders, list) and orders), "an order was lost"
        return
    write_json(answer)
    assert (answer["status"] == "completed") is (not answer["orderErrors"])
    assert isinstance(orders, list)
    assert len(answer["orders"]) == len(orders)
