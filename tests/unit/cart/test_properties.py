"""What holds for every cart: request and answer together."""

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cart_core.api.body import read_json
from cart_core.cart.answer import NotACart, normalise_cart
from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.problem import Problem
from tests.kit.builders import CART_ID, CUSTOMER, MARKER, normalised, read, refusal, shown

# --- Carts in their plain spelling ------------------------------------------------------------

_PRINTABLE = st.characters(exclude_categories=["Cs"], exclude_characters=[
    *map(chr, range(32)), "\x7f"
])  # fmt: skip
_TEXT = st.text(_PRINTABLE, max_size=6)
_WORD = _TEXT.filter(str.strip)
_TERM = st.sampled_from(["P1M", "P1Y", "P3Y", "P2Y", "P14D", "PT36H"])
_DATE = (
    st.datetimes()
    .filter(lambda moment: moment.year > 1)
    .map(lambda moment: f"{moment.isoformat()}Z")
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "B", "c/d", "e~f", ""]), inner, max_size=3)
    ),
    max_leaves=4,
)
_UNKNOWN = st.dictionaries(
    st.sampled_from(["marketplaceTerms", "zone", "x/y~z"]), _JSON, max_size=2
)


def _distinct_names(members: dict[str, Any]) -> bool:
    return len({name.lower() for name in members}) == len(members)


def _resource(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    known = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(known, _UNKNOWN).map(lambda parts: parts[0] | parts[1])


def _line(addons: st.SearchStrategy[Any] | None) -> st.SearchStrategy[Any]:
    optional = {
        "friendlyName": _TEXT,
        "currencyCode": st.sampled_from(["USD", "EUR", "JPY"]),
        "termDuration": _TERM,
        "participants": st.lists(_resource({"key": _WORD, "value": _WORD}, {}), max_size=3),
        "provisioningContext": st.dictionaries(_TEXT, _TEXT, max_size=3).filter(_distinct_names),
        "orderGroup": _TEXT,
        "renewsTo": _resource({}, {"termDuration": _TERM}),
        "promotionId": _TEXT,
        "customTermEndDate": _DATE,
        "attestationAccepted": st.booleans(),
        "purchaseCommitment": _resource(
            {},
            {
                "amount": st.floats(min_value=0.01, max_value=1e9),
                "currency": _WORD,
                "grain": _WORD,
            },
        ),
        "purchaseSystem": _TEXT,
    }
    if addons is not None:
        optional["addonItems"] = st.lists(addons, max_size=2)
    return _resource(
        {
            "catalogItemId": _WORD,
            "quantity": st.integers(1, 2**31 - 1),
            "billingCycle": st.sampled_from(
                ["monthly", "annual", "one_time", "none", "triennial", "biennial"]
            ),
        },
        optional,
    )


@st.composite
def _carts(draw: st.DrawFn) -> Any:
    cart = draw(
        _resource(
            {"lineItems": st.lists(_line(_line(_line(None))), min_size=1, max_size=2)},
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


CARTS = _carts()


def _lines(cart: Any) -> Iterator[dict[str, Any]]:
    pending = list(cart["lineItems"])
    while pending:
        line = pending.pop(0)
        yield line
        pending = [*line.get("addonItems", []), *pending]


def _with_ids(cart: Any) -> Any:
    """The documented numbering, done another way: one number after the other."""
    numbered = copy.deepcopy(cart)
    taken = {line["id"] for line in _lines(numbered) if "id" in line}
    for line in _lines(numbered):
        if "id" not in line:
            line["id"] = min(set(range(len(taken) + 1)) - taken)
            taken.add(line["id"])
    return numbered


def _dates_as_sent(cart: Any) -> Any:
    for line in _lines(cart):
        if "customTermEndDate" in line:
            line["customTermEndDate"] = line["customTermEndDate"].replace(".000000Z", "Z")
    return cart


# --- The same cart in another spelling --------------------------------------------------------

_OF_ANSWERS = {
    "id": CART_ID,
    "creationTimeStamp": "0001-01-01T00:00:00",
    "lastModifiedTimestamp": "2018-03-15T17:15:02.3840528Z",
    "expirationTimestamp": None,
    "lastModifiedUser": "someone",
    "status": "Active",
    "links": {"self": {"uri": "/x"}},
    "attributes": {"objectType": "Cart"},
    "customerId": CUSTOMER.upper(),
    "orderable": True,
    "warnings": [{"code": "x"}],
}
_OPTIONAL = [
    "id",
    "friendlyName",
    "currencyCode",
    "termDuration",
    "participants",
    "provisioningContext",
    "orderGroup",
    "addonItems",
    "renewsTo",
    "promotionId",
    "customTermEndDate",
    "attestationAccepted",
    "purchaseCommitment",
    "purchaseSystem",
]
_UNKNOWN_NAMES = {"marketplaceTerms", "zone", "x/y~z"}


class _Respelling:
    """Spells a plain cart as a careless caller might."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def cart(self, plain: dict[str, Any]) -> dict[str, Any]:
        members = plain | {"lineItems": [self._line(line) for line in plain["lineItems"]]}
        members.setdefault("partnerOnRecordAttestationAccepted", None)
        return self._members(members | self._some(_OF_ANSWERS))

    def _line(self, plain: dict[str, Any]) -> dict[str, Any]:
        line = plain | self._some({name: None for name in _OPTIONAL if name not in plain})
        line |= self._some({"error": {"code": "1"}, "pricing": {"price": 1.0}})
        line["billingCycle"] = self._case(
            self._random.choice([line["billingCycle"], line["billingCycle"].replace("_", "")])
        )
        if "addonItems" in plain:
            line["addonItems"] = [self._line(addon) for addon in plain["addonItems"]]
        if "participants" in plain:
            line["participants"] = self._participants(plain["participants"])
        if "renewsTo" in plain:
            renews_to = self._members(plain["renewsTo"])
            line["renewsTo"] = self._random.choice([renews_to, [renews_to]])
        if "purchaseCommitment" in plain:
            line["purchaseCommitment"] = self._members(plain["purchaseCommitment"])
        if "currencyCode" in plain:
            line["currencyCode"] = self._case(plain["currencyCode"])
        if "id" in plain:
            line["id"] = self._random.choice([plain["id"], str(plain["id"])])
        if self._random.random() < 0.5:
            line["catalogId"] = line.pop("catalogItemId")
        return self._members(line)

    def _participants(self, pairs: list[dict[str, Any]]) -> Any:
        short = {pair["key"]: pair["value"] for pair in pairs}
        same = len(short) == len(pairs) and all(set(pair) == {"key", "value"} for pair in pairs)
        if same and _distinct_names(short) and self._random.random() < 0.5:
            return short
        return [self._members(pair) for pair in pairs]

    def _members(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Known names in any case; the order is left, as it decides that of equal pairs."""
        return {
            name if name in _UNKNOWN_NAMES else self._case(name): value
            for name, value in self._shuffled(plain)
        }

    def _shuffled(self, members: dict[str, Any]) -> list[tuple[str, Any]]:
        items = list(members.items())
        self._random.shuffle(items)
        return items

    def _some(self, members: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in members.items() if self._random.random() < 0.3}

    def _case(self, text: str) -> str:
        return "".join(self._random.choice([char.lower(), char.upper()]) for char in text)


@given(CARTS)
def test_a_plain_cart_is_sent_as_it_is(cart: Any) -> None:
    body = read(cart).body

    assert body == _dates_as_sent(_with_ids(cart))
    json.dumps(body, allow_nan=False)


@given(CARTS, st.randoms(use_true_random=False))
def test_another_spelling_is_the_same_cart(cart: Any, random: Random) -> None:
    plain, spelled = read(cart), read(_Respelling(random).cart(cart))

    assert spelled.body == plain.body
    assert len(spelled.warnings) == len(plain.warnings)


@given(CARTS)
def test_a_valid_cart_is_valid_again(cart: Any) -> None:
    body = read(cart).body

    assert read(body).body == body


# --- In and out -------------------------------------------------------------------------------


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


@given(CARTS)
def test_what_goes_in_valid_comes_out_equal(cart: Any) -> None:
    body = read(cart).body

    answer = normalised(_echoed(body))

    assert answer["orderable"] is True
    assert answer["warnings"] == []
    for sent, came in zip(_lines(body), _lines(answer), strict=True):
        expected = _without_add_ons(sent)
        if "customTermEndDate" in sent:
            whole = sent["customTermEndDate"].removesuffix("Z")
            expected["customTermEndDate"] = (whole if "." in whole else f"{whole}.000000") + "Z"
        if "renewsTo" in sent:
            expected["renewsTo"] = {"termDuration": None} | sent["renewsTo"]
        assert {name: came[name] for name in expected} == expected
        assert [addon["id"] for addon in came["addonItems"]] == [
            addon["id"] for addon in sent.get("addonItems", [])
        ]
    for name in _UNKNOWN_NAMES | {"partnerOnRecordAttestationAccepted"}:
        assert answer.get(name) == body.get(name)


def _without_add_ons(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "addonItems"}


@given(CARTS)
def test_an_answer_can_be_posted_again(cart: Any) -> None:
    body = read(cart).body
    answer = normalised(_echoed(body))

    again = read(answer).body

    assert _without_empties(again) == _without_empties(body)


def _without_empties(body: Any) -> Any:
    """An answer shows [] and {} where the request had nothing."""
    bare = copy.deepcopy(body)
    for line in _lines(bare):
        for name in ("participants", "provisioningContext", "addonItems"):
            if not line.get(name, True):
                del line[name]
    return bare


@given(CARTS)
def test_an_answer_is_normal_already(cart: Any) -> None:
    answer = normalised(_echoed(read(cart).body))

    assert normalised(answer) == answer


# --- There and back: read, and put in the cart's place --------------------------------------

_OF_CARTS = ["partnerOnRecordAttestationAccepted", "lineItems", "creationTimestamp", "orderable"]
_OF_LINES = [
    "catalogItemId",
    "catalogId",
    "quantity",
    "billingCycle",
    "pricing",
    "error",
    *_OPTIONAL,
]
_ASSIGNED = {
    "creationTimestamp",
    "lastModifiedTimestamp",
    "expirationTimestamp",
    "lastModifiedUser",
    "status",
    "orderable",
    "warnings",
    "pricing",
    "error",
}
"""What Partner Center says anew of whatever it is sent."""


def _future(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Members of a later Partner Center, also such as are called nearly as these."""
    near = [near for name in names for near in (f"{name}s", name[:-1], f"{name[0]}{name}")]
    documented = {name.lower() for name in names}
    new = [name for name in near if len(name) > 1 and name.lower() not in documented]
    return st.dictionaries(
        st.sampled_from([*_UNKNOWN_NAMES, "links2", "Attribute"]) | st.sampled_from(new),
        _JSON,
        max_size=3,
    ).filter(_distinct_names)


@st.composite
def _answered_carts(draw: st.DrawFn) -> Any:
    """A cart as Partner Center may send it one day."""
    cart = _echoed(read(draw(CARTS)).body)
    cart |= draw(_future(_OF_CARTS))
    for line in _lines(cart):
        if draw(st.booleans()):
            line["error"] = {"errorCode": 10002, "errorDescription": "The quota is exceeded."}
        line["id"] = draw(st.sampled_from([line["id"], str(line["id"])]))
        for pair in line.get("participants", []):
            pair.update(draw(_future(["key", "value"])))
        if "renewsTo" in line:
            renews_to = line["renewsTo"] | draw(_future(["termDuration"]))
            line["renewsTo"] = draw(st.sampled_from([renews_to, [renews_to]]))
        if "purchaseCommitment" in line:
            line["purchaseCommitment"] |= draw(_future(list(line["purchaseCommitment"]) or ["zz"]))
        line |= {
            name: value for name, value in draw(_future(_OF_LINES)).items() if name not in line
        }
    return cart


@settings(max_examples=60)
@given(_answered_carts())
def test_an_answer_can_be_put_in_the_place_of_its_cart(cart: Any) -> None:
    answer = normalised(cart)

    again = _put(answer)

    assert again.body["id"] == CART_ID
    assert _kept(normalised(_echoed(again.body))) == _kept(answer)
    assert {warning.code for warning in again.warnings} <= {"unknown_member", "unknown_term"}


def _put(answer: Any) -> CartRequest:
    document, flaws = read_json(json.dumps(answer).encode())
    return read_cart(document, CUSTOMER, CartRules(), flaws, cart_id=CART_ID)


def _kept(answer: Any) -> Any:
    """An answer without what is assigned anew."""
    kept = {name: value for name, value in answer.items() if name not in _ASSIGNED}
    if "lineItems" in kept:
        kept["lineItems"] = [_kept(line) for line in kept["lineItems"]]
    if "addonItems" in kept:
        kept["addonItems"] = [_kept(line) for line in kept["addonItems"]]
    return kept


@given(_answered_carts(), st.data())
def test_a_broken_rule_is_refused_in_an_answer_too(cart: Any, data: Any) -> None:
    answer = normalised(cart)
    line = data.draw(st.sampled_from(list(_lines(answer))))
    name, value = data.draw(st.sampled_from([*_OF_VALUES]))
    line[name] = value

    with pytest.raises(Problem) as refused:
        _put(answer)

    assert any(f"/{name}" in error.pointer for error in refused.value.errors)


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
    ["0001-01-01T00:00:00", "2022-02-19T00:00:00Z", "P1Y", "monthly", "1", "00", "\ud800", "A"]
)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | _ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_NAMES | _ANY_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def _damaged_carts(draw: st.DrawFn) -> Any:
    """A valid cart in which anything stands in place of one value."""
    cart = draw(CARTS)
    holder, name = draw(st.sampled_from(list(_places(cart))))
    holder[name] = draw(_ANYTHING)
    return cart


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in steps:
        yield value, name
        if isinstance(inner, dict | list):
            yield from _places(inner)


@settings(max_examples=40)
@given(_ANYTHING | _damaged_carts())
def test_no_json_raises_anything_but_a_problem(document: Any) -> None:
    try:
        body = read(document).body
    except Problem as problem:
        refused = problem
    else:
        json.dumps(body, allow_nan=False)
        return
    assert refused.code in {"invalid_request", "invalid_json"}
    assert all(error.code and error.detail for error in refused.errors)
    shown(refused).encode()


@settings(max_examples=40)
@given(_ANYTHING | _damaged_carts())
def test_every_pointer_leads_into_the_callers_document(document: Any) -> None:
    try:
        found = list(read(document).warnings)
    except Problem as problem:
        found = list(problem.errors)
    for error in found:
        parent, _, last = error.pointer.rpartition("/")
        if error.code != "required":
            parent = error.pointer
        _resolve(document, parent)
        assert "~" not in last.replace("~0", "").replace("~1", "")


def _resolve(document: Any, pointer: str) -> Any:
    here = document
    for step in pointer.split("/")[1:]:
        if isinstance(here, list):
            here = here[int(step)]
        else:
            here = here[step.replace("~1", "/").replace("~0", "~")]
    return here


@settings(max_examples=40)
@given(
    _ANYTHING
    | st.tuples(CARTS, _ANYTHING, st.randoms(use_true_random=False)).map(
        lambda parts: _with_answer_members(*parts)
    )
)
def test_no_answer_raises_anything_but_not_a_cart(document: Any) -> None:
    try:
        answer = normalise_cart(document, CUSTOMER)
    except NotACart:
        return
    json.dumps(answer)
    assert answer["customerId"] == CUSTOMER


def _with_answer_members(cart: Any, anything: Any, random: Random) -> Any:
    document = _echoed(cart)
    holder, name = random.choice(list(_places(document)))
    holder[name] = anything
    return document


@given(CARTS, st.data())
def test_a_value_is_never_echoed(cart: Any, data: st.DataObject) -> None:
    holder, name = data.draw(st.sampled_from(list(_places(cart))))
    holder[name] = data.draw(
        st.sampled_from([MARKER, [MARKER], {"value": MARKER}, f"{MARKER}\0", [[{"a": MARKER}]]])
    )
    try:
        told = str(read(cart).warnings)
    except Problem as problem:
        told = shown(problem)
    assert MARKER not in told


# --- Broken rules -----------------------------------------------------------------------------

_BREAKS: list[tuple[str, Any]] = [
    ("catalogItemId", ""),
    ("catalogItemId", "a\r\nb"),
    ("catalogItemId", None),
    ("catalogItemId", 5),
    ("catalogId", "another"),
    ("quantity", 0),
    ("quantity", -1),
    ("quantity", 2**31),
    ("quantity", 2.0),
    ("quantity", True),
    ("quantity", "2"),
    ("quantity", None),
    ("billingCycle", "weekly"),
    ("billingCycle", None),
    ("billingCycle", {"value": "monthly"}),
    ("id", "00"),
    ("id", -1),
    ("id", 2**31),
    ("id", 1.0),
    ("friendlyName", "\ud800"),
    ("friendlyName", 5),
    ("currencyCode", "DOLLAR"),
    ("termDuration", "1Year"),
    ("participants", "x"),
    ("participants", [{"key": "x"}]),
    ("provisioningContext", {"a": 1}),
    ("provisioningContext", {"a": "1", "A": "2"}),
    ("addonItems", {}),
    ("addonItems", [{}]),
    ("renewsTo", [{}, {}]),
    ("customTermEndDate", "2022-02-30T00:00:00Z"),
    ("customTermEndDte", "2022-02-19T00:00:00Z"),
    ("attestationAccepted", "true"),
    ("purchaseCommitment", {"amount": 0}),
    ("zone", 10**400),
]

_OF_VALUES = [rule for rule in _BREAKS if rule[0] not in ("catalogId", "customTermEndDte")]
"""Those that are not about a name."""


@given(CARTS, st.sampled_from(_BREAKS), st.data())
def test_a_broken_rule_is_always_refused(cart: Any, wrong: tuple[str, Any], data: Any) -> None:
    name, value = wrong
    line = data.draw(st.sampled_from(list(_lines(cart))))
    assume(name != "catalogId" or line["catalogItemId"] != value)
    line[name] = value

    problem = refusal(cart)

    assert problem.code == "invalid_request"
    assert any(f"/{name}" in error.pointer for error in problem.errors)


@given(CARTS, st.data())
def test_an_id_given_twice_is_always_refused(cart: Any, data: Any) -> None:
    lines = list(_lines(cart))
    assume(len(lines) > 1)
    first, second = data.draw(st.permutations(lines))[:2]
    first["id"], second["id"] = 77, data.draw(st.sampled_from([77, "77"]))

    assert "duplicate_id" in {error.code for error in refusal(cart).errors}
