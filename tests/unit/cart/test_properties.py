"""What holds for every cart: request and answer together."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.cart.answer import NotACart, normalise_cart
from cart_core.problem import Problem
from tests.kit.builders import CART_ID, CUSTOMER, FULL_LINE, MARKER, normalised, read, shown

# --- Carts in their plain spelling ------------------------------------------------------------

_CONTROLS = "".join(map(chr, range(32))) + "\x7f"
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=_CONTROLS), max_size=6)
_NON_BLANK = _TEXT.filter(str.strip)
_TERM = st.sampled_from(["P1M", "P1Y", "P3Y", "P2Y", "PT36H"])
_DATE = st.datetimes().filter(lambda moment: moment.year > 1).map(lambda m: f"{m.isoformat()}Z")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "B", "c/d", "e~f", ""]), inner, max_size=3)
    ),
    max_leaves=4,
)
_UNKNOWN_NAMES = ["marketplaceTerms", "zone", "x/y~z"]


def _resource(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    unknown = dict.fromkeys(_UNKNOWN_NAMES, _JSON)
    return st.fixed_dictionaries(required, optional=optional | unknown)


_OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "friendlyName": _TEXT,
    "currencyCode": st.sampled_from(["USD", "EUR"]),
    "termDuration": _TERM,
    "participants": st.lists(_resource({"key": _NON_BLANK, "value": _NON_BLANK}, {}), max_size=3),
    "provisioningContext": st.dictionaries(st.sampled_from("abc"), _TEXT),
    "orderGroup": _TEXT,
    "renewsTo": _resource({}, {"termDuration": _TERM}),
    "promotionId": _TEXT,
    "customTermEndDate": _DATE,
    "attestationAccepted": st.booleans(),
    "purchaseCommitment": _resource(
        {}, {"amount": st.floats(0.01, 1e9), "currency": _NON_BLANK, "grain": _NON_BLANK}
    ),
    "purchaseSystem": _TEXT,
}


def _line(addons: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Any]:
    required = {
        "catalogItemId": _NON_BLANK,
        "quantity": st.integers(1, 2**31 - 1),
        "billingCycle": st.sampled_from(["monthly", "annual", "one_time", "none"]),
    }
    more = {"addonItems": st.lists(addons, max_size=2)} if addons is not None else {}
    return _resource(required, _OPTIONAL | more)


@st.composite
def _carts(draw: st.DrawFn) -> Any:
    cart = draw(
        _resource(
            {"lineItems": st.lists(_line(_line(_line())), min_size=1, max_size=2)},
            {"partnerOnRecordAttestationAccepted": st.booleans()},
        )
    )
    lines = list(_lines(cart))
    ids = draw(st.lists(st.integers(0, 9) | st.integers(0, 2**31 - 1), unique=True, max_size=9))
    some = draw(st.permutations([*ids, *[None] * len(lines)]))[: len(lines)]
    for line, line_id in zip(lines, some, strict=True):
        if line_id is not None:
            line["id"] = line_id
    return copy.deepcopy(cart)


def _lines(cart: Any) -> Iterator[dict[str, Any]]:
    for line in cart["lineItems"]:
        yield line
        yield from _lines({"lineItems": line.get("addonItems", [])})


def _as_sent(cart: Any) -> Any:
    """The cart with ids, numbered one after the other, and with dates in their short form."""
    sent = copy.deepcopy(cart)
    taken = {line["id"] for line in _lines(sent) if "id" in line}
    for line in _lines(sent):
        if "id" not in line:
            line["id"] = min(set(range(len(taken) + 1)) - taken)
            taken.add(line["id"])
        if "customTermEndDate" in line:
            line["customTermEndDate"] = line["customTermEndDate"].replace(".000000Z", "Z")
    return sent


def _echoed(body: dict[str, Any]) -> dict[str, Any]:
    """The cart as Partner Center answers it: what it got and what it assigns."""
    echo = copy.deepcopy(body)
    for line in _lines(echo):
        line["attributes"] = {"objectType": "CartLineItem"}
        line.setdefault("provisioningContext", {})
        line["pricing"] = {"listPrice": 1.5}
    return echo | {
        "id": CART_ID,
        "creationTimestamp": "2018-03-15T17:15:02.3840528Z",
        "expirationTimestamp": "0001-01-01T00:00:00",
        "status": "Active",
        "links": {"self": {"uri": "/x", "method": "GET", "headers": []}},
        "attributes": {"objectType": "Cart"},
    }


def _without_empties(body: Any) -> Any:
    """An answer shows [] and {} where the request had nothing."""
    bare = copy.deepcopy(body)
    for line in _lines(bare):
        for name in ("participants", "provisioningContext", "addonItems"):
            if not line.get(name, True):
                del line[name]
    return bare


@given(_carts())
def test_a_plain_cart_is_sent_as_it_is_and_comes_back_and_can_be_posted_again(cart: Any) -> None:
    body = read(cart).body
    answer = normalised(_echoed(body))

    assert body == _as_sent(cart)
    assert answer["orderable"] is True
    assert answer["warnings"] == []
    assert normalised(answer) == answer
    assert _without_empties(read(answer).body) == _without_empties(body)


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
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | _ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_NAMES | _ANY_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
_FULL = {"lineItems": [FULL_LINE]}
_CODES = {
    *("required", "wrong_type", "out_of_range", "too_short", "invalid_text", "invalid_format"),
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
        json.dumps(accepted.body, allow_nan=False)
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
    json.dumps(answer)
    assert answer["customerId"] == CUSTOMER
