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


def short(value: object) -> str:
    """The id of a test case."""
    return repr(value)[:40]


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


@settings(max_examples=200)
@given(
    st.binary(max_size=64)
    | st.text(alphabet='{}[]:,"\\/udD8019eE+-.aA \n\ufeffNI', max_size=40).map(str.encode)
)
def test_no_body_raises_anything_but_a_problem(body: bytes) -> None:
    with suppress(Problem):
        read_json(body)
