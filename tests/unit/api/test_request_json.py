"""How the JSON of a request is read, and what is wrong inside it."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.api.request_json import MAX_DEPTH, MAX_NAME_LENGTH, read_json
from cart_core.problem import Problem
from tests.kit.builders import SEED_REQUEST
from tests.kit.ids import short


def arrays(levels: int) -> bytes:
    return b"[" * levels + b"1" + b"]" * levels


def objects(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (json.dumps(SEED_REQUEST).encode(), SEED_REQUEST),
        (b'\xef\xbb\xbf\r\n\t {"a": 1} \n', {"a": 1}),
        (b"[]", []),
        (b'"text"', "text"),
        (b"null", None),
        ('{"é": "日本 😀"}'.encode(), {"é": "日本 😀"}),
        (rb'{"a": "\ud83d\ude00"}', {"a": "😀"}),
        (rb'{"a": "\u0000"}', {"a": "\0"}),
        (b"[1e308, -1.50e308, 0.1]", [Decimal("1e308"), Decimal("-1.5e308"), Decimal("0.1")]),
        (b'{"a": {"x": 1}, "b": {"X": 2}}', {"a": {"x": 1}, "b": {"X": 2}}),
        (json.dumps({"x" * MAX_NAME_LENGTH: 1}).encode(), {"x" * MAX_NAME_LENGTH: 1}),
        *((body, json.loads(body)) for body in (arrays(MAX_DEPTH), objects(MAX_DEPTH))),
    ],
    ids=short,
)
def test_json_is_read(body: bytes, value: Any) -> None:
    assert read_json(body) == (value, [])


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf{}", b"a=1&b=2", b"<cart/>"),
        *(b'{"a": 1', b'{"a": 1}}', b'{"a": 1}{"a": 1}', b'{"a": 1,}', b"{'a': 1}", b"{a: 1}"),
        *(b'{"a": 1} // x', b'{"a": 01}', b'{"a": +1}', b'{"a": .5}'),
        *(b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b"1" * 5_000),
        *(b'{"a": "x\ny"}', b'{"a": "x\x00y"}', b'{"a": "\xff"}', b'{"a": "\xc3"}'),
        *(b'{"a": "\xed\xa0\x80"}', b'{"a": "\xc0\xaf"}', '{"a": "é"}'.encode("latin-1")),
        *('{"a": 1}'.encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-32")),
        *(arrays(MAX_DEPTH + 1), objects(MAX_DEPTH + 1), arrays(5_000), objects(5_000)),
        *(b"[" * 5_000, arrays(130_000)),
    ],
    ids=short,
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        read_json(body)
    assert refused.value.code == "invalid_json"
    assert refused.value.detail


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        (b'{"a": "\xff"}', 7),
        (b'\xef\xbb\xbf{"a": "\xff"}', 10),
        (b"\xef\xbb\xbf\xff", 3),
        (b"\xef\xbb", 0),
    ],
)
def test_the_place_of_what_is_not_utf_8_counts_every_byte(body: bytes, offset: int) -> None:
    with pytest.raises(Problem, match=f"not UTF-8: see byte {offset}\\."):
        read_json(body)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (b'{"a": 1, "a": 1}', {("/a", "duplicate_member")}),
        (b'{"q": 1, "Q": 2}', {("/q", "duplicate_member"), ("/Q", "duplicate_member")}),
        (rb'{"a": 1, "\u0061": 2}', {("/a", "duplicate_member")}),
        (b'{"lineItems": [{"a": 1}, {"b": 1, "b": 2}]}', {("/lineItems/1/b", "duplicate_member")}),
        (rb'{"a": "\ud800"}', {("/a", "invalid_text")}),
        (rb'{"a": ["\udc00"]}', {("/a/0", "invalid_text")}),
        (rb'{"a": "\ude00\ud83d"}', {("/a", "invalid_text")}),
        (rb'{"a~b": {"c/d": "\ud800"}}', {("/a~0b/c~1d", "invalid_text")}),
        (rb'{"a": {"\ud800": 1}}', {("/a", "invalid_name")}),
        (json.dumps({"x" * (MAX_NAME_LENGTH + 1): 1}).encode(), {("", "invalid_name")}),
        (b'{"a": 1e309}', {("/a", "out_of_range")}),
        (b'{"a": -1e309}', {("/a", "out_of_range")}),
        (b"[%s]" % (b"9" * 400), {("/0", "out_of_range")}),
        (
            rb'{"a": "\ud800", "b": [1e999, {"c": 1, "c": 2}]}',
            {("/a", "invalid_text"), ("/b/0", "out_of_range"), ("/b/1/c", "duplicate_member")},
        ),
    ],
    ids=short,
)
def test_errors_inside_a_body_have_their_place(body: bytes, errors: set[tuple[str, str]]) -> None:
    _, found = read_json(body)
    assert {(error.pointer, error.code) for error in found} == errors
    json.dumps([error.as_json() for error in found], ensure_ascii=False).encode()


SLIPS = [
    ("{\u201clineItems\u201d: []}", "typographic quote", "line 1, column 2"),
    ('{"a": \u201eP1Y\u201c}', "typographic quote", "line 1, column 7"),
    ('\ufeff{"a":\n \u00abP1Y\u00bb}', "typographic quote", "line 2, column 2"),
    ("{'a': 1}", "single quote", "line 1, column 2"),
    ('{"a": 1} // sold', "comment", "line 1, column 10"),
    ('{\n  /* note */ "a": 1}', "comment", "line 2, column 3"),
    ('{"a": 1, # note\n "b": 2}', "comment", "line 1, column 10"),
    ('{"a": [1,\n2, ]}', "comma after the last", "line 2"),
    ('{"a": 1, }', "comma after the last", "line 1"),
    ('{"a": NaN}', "NaN", "line 1, column 7"),
    ('{"NaN": "-Infinity",\n"b\\"": [1, -Infinity]}', "-Infinity", "line 2, column 12"),
    ('{"a": True}', "write true", "line 1, column 7"),
    ('{"a": undefined}', "write null", "line 1, column 7"),
    ("{a: 1}", "name without quotes", "line 1, column 2"),
    ('{"a":\u00a01}', "U+00A0", "line 1, column 6"),
    ('{"a": "x\ny"}', "line break", "line 1, column 9"),
    ('{"a": "C:\\Users"}', "backslash", "line 1, column"),
    ('{"a": [1, 2', "ends too early", "line 1, column 12"),
    ('{"a": 01}', "Expecting ',' delimiter", "line 1, column 8"),
    (f'{{"{"9" * 5_000}": 1,\n "a": {"9" * 5_000}}}', "too many digits", "line 2, column 7"),
]


@pytest.mark.parametrize(("text", "kind", "place"), SLIPS, ids=short)
def test_a_slip_is_told_with_its_kind_and_its_place(text: str, kind: str, place: str) -> None:
    with pytest.raises(Problem) as refused:
        read_json(text.encode())
    assert refused.value.code == "invalid_json"
    assert kind in refused.value.detail
    assert place in refused.value.detail


REMNANTS = [
    *("System.Collections.Hashtable", "System.Object[]", "System.Management.Automation.PSObject"),
    *("System.Collections.Hashtable System.Collections.Hashtable", "System.String[],System.Int32"),
    "System.Collections.Generic.Dictionary`2[System.String,System.Object]",
    "Microsoft.Store.PartnerCenter.PowerShell.Models.Carts.PSCartLineItem",
    *("Newtonsoft.Json.Linq.JObject", "java.util.HashMap@1b2c3d", "[Ljava.lang.String;@4e25154f"),
    *("@{a=1; b=2}", "@{}", "reseller @{id=1}", "@{triggerBody()?['id']}", "@{a=@{b=1}}"),
    *("[object Object]", "[object Object],[object Object]", "line [object Undefined]"),
    *("<Cart object at 0x7f3a2b>", "<function f at 0x10AF>", "#<Reseller:0x0001>", "#<Hash>"),
]


@pytest.mark.parametrize("text", REMNANTS)
def test_what_a_serialiser_left_of_an_object_is_refused(text: str) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in text)
    body = '{"a": [1, {"b": %s}], "c": {%s: {"d": 1}}}'
    for spelt in (json.dumps(text), f'"{escaped}"'):
        _, errors = read_json((body % (spelt, spelt)).encode())

        places = {(error.pointer, error.code) for error in errors}
        assert places == {("/a/1/b", "invalid_text"), ("/c", "invalid_name")}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "System",
            "System.",
            "System Center",
            "The System.Collections book",
            "java",
            "a@b.example",
        ),
        *(
            "{a=1}",
            "@",
            "@(1)",
            "[object]",
            "object Object",
            "Microsoft.Databricks",
            "Microsoft.Graph",
            "Microsoft.Store app",
            "#1 <b>",
            "at 0x1",
        ),
        "System.a" * 100_000,
    ],
    ids=short,
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert read_json(json.dumps([text, {"name": text, text[:7]: "\u00e9"}]).encode())[1] == []


@pytest.mark.parametrize(
    "form", ["[%s]", '{"a": [%s]}', '{"a": [[], %s]}', '{"a": [{"b": 1}, %s]}'], ids=short
)
def test_a_body_has_at_most_ten_thousand_values(form: str) -> None:
    others = {"[%s]": 0, '{"a": [%s]}': 1, '{"a": [[], %s]}': 2}.get(form, 3)
    fits = form % ",".join(["0"] * (10_000 - others))

    assert read_json(fits.encode())[1] == []
    with pytest.raises(Problem) as refused:
        read_json(fits.replace("0,", "0,0,", 1).encode())
    assert (refused.value.code, "10000" in refused.value.detail) == ("invalid_json", True)


@pytest.mark.parametrize(
    "item", ["1e999", '"\\ud800"', '{"a": 1, "A": 2}', '"@{}"', f'{{"{"x" * 257}": 1}}']
)
def test_no_more_errors_are_looked_for_than_can_be_listed(item: str) -> None:
    _, errors = read_json(f"[{','.join([item] * 500)}]".encode())

    assert len(errors) == 101


@settings(max_examples=200)
@given(
    st.binary(max_size=64)
    | st.text(alphabet='{}[]:,"\\/udD8019eE+-.aA \n\ufeffNI', max_size=40).map(str.encode)
)
def test_no_body_raises_anything_but_a_problem(body: bytes) -> None:
    with suppress(Problem):
        read_json(body)
