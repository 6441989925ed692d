import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.api.body import (
    MAX_DEPTH,
    MAX_NAME_LENGTH,
    read_foreign_json,
    read_json,
)
from cart_core.problem import Problem, pointer_to
from tests.kit.builders import SEED_REQUEST


def nested(levels: int, inside: str = "1") -> bytes:
    return ("[" * levels + inside + "]" * levels).encode()


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="object"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', {"a": 1}, id="bom"),
        pytest.param(b'\r\n\t {"a": 1} \n', {"a": 1}, id="white-space-around"),
        pytest.param(b"[]", [], id="array"),
        pytest.param(b'"text"', "text", id="text"),
        pytest.param(b"null", None, id="null"),
        pytest.param('{"é": "日本 😀"}'.encode(), {"é": "日本 😀"}, id="beyond-ascii"),
        pytest.param(rb'{"a": "\ud83d\ude00"}', {"a": "😀"}, id="escaped-pair"),
        pytest.param(rb'{"a": "\u0000"}', {"a": "\0"}, id="escaped-control-character"),
        pytest.param(b"[1e308, -1e308]", [1e308, -1e308], id="largest-magnitude"),
        pytest.param(b"[1e-400]", [0.0], id="too-small-is-zero"),
        pytest.param(b'{"a": {"x": 1}, "b": {"X": 2}}', {"a": {"x": 1}, "b": {"X": 2}}, id="nests"),
    ],
)
def test_json_is_read(body: bytes, value: Any) -> None:
    assert read_json(body) == (value, [])


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_the_documented_example_is_read(bom: bytes) -> None:
    assert read_json(bom + json.dumps(SEED_REQUEST).encode()) == (SEED_REQUEST, [])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="no-body"),
        pytest.param(b" \r\n\t", id="blank"),
        pytest.param(b"\xef\xbb\xbf", id="only-a-bom"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbf{}", id="two-boms"),
        pytest.param(b"hello", id="text"),
        pytest.param(b"a=1&b=2", id="form"),
        pytest.param(b"<cart/>", id="xml"),
        pytest.param(b'{"a": 1', id="cut"),
        pytest.param(b'{"a": 1}}', id="more-after"),
        pytest.param(b'{"a": 1}{"a": 1}', id="two-values"),
        pytest.param(b'{"a": 1,}', id="trailing-comma"),
        pytest.param(b"{'a': 1}", id="single-quotes"),
        pytest.param(b"{a: 1}", id="bare-name"),
        pytest.param(b'{"a": 1} // x', id="comment"),
        pytest.param(b'{"a": 01}', id="leading-zero"),
        pytest.param(b'{"a": +1}', id="plus-sign"),
        pytest.param(b'{"a": .5}', id="bare-fraction"),
        pytest.param(b'{"a": NaN}', id="nan"),
        pytest.param(b'{"a": Infinity}', id="infinity"),
        pytest.param(b'{"a": -Infinity}', id="minus-infinity"),
        pytest.param(b'{"a": "x\ny"}', id="raw-line-break"),
        pytest.param(b'{"a": "x\x00y"}', id="raw-nul"),
        pytest.param(b'{"a": "\xff"}', id="invalid-utf-8"),
        pytest.param(b'{"a": "\xc3"}', id="cut-utf-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="surrogate-in-utf-8"),
        pytest.param(b'{"a": "\xc0\xaf"}', id="overlong-utf-8"),
        pytest.param('{"a": "é"}'.encode("latin-1"), id="latin-1"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="utf-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), id="utf-16-without-bom"),
        pytest.param('{"a": 1}'.encode("utf-32"), id="utf-32"),
        pytest.param(b"1" * 5_000, id="integer-of-5000-digits"),
        pytest.param(nested(MAX_DEPTH + 1), id="one-level-too-many"),
        pytest.param(nested(5_000), id="5000-levels"),
        pytest.param(nested(130_000), id="130000-levels"),
        pytest.param(b"[" * 5_000, id="5000-levels-cut"),
        pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, id="5000-objects"),
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        read_json(body)

    problem = refused.value
    assert problem.code == "invalid_json"
    assert (problem.kind.status, problem.outcome, problem.kind.retryable) == (
        400,
        "not_sent",
        False,
    )
    assert problem.detail


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested(MAX_DEPTH), id="arrays"),
        pytest.param(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH, id="objects"),
    ],
)
def test_the_deepest_allowed_body_is_read(body: bytes) -> None:
    _, flaws = read_json(body)

    assert flaws == []


@pytest.mark.parametrize(
    ("body", "flaws"),
    [
        pytest.param(b'{"a": 1, "a": 1}', {("/a", "duplicate_member")}, id="same-name"),
        pytest.param(
            b'{"quantity": 1, "Quantity": 2}',
            {("/quantity", "duplicate_member"), ("/Quantity", "duplicate_member")},
            id="differs-in-case",
        ),
        pytest.param(
            b'{"lineItems": [{"a": 1}, {"b": 1, "b": 2}]}',
            {("/lineItems/1/b", "duplicate_member")},
            id="inside",
        ),
        pytest.param(rb'{"a": 1, "\u0061": 2}', {("/a", "duplicate_member")}, id="escaped-name"),
        pytest.param(rb'{"a": "\ud800"}', {("/a", "invalid_text")}, id="high-surrogate"),
        pytest.param(rb'{"a": ["\udc00"]}', {("/a/0", "invalid_text")}, id="low-surrogate"),
        pytest.param(rb'{"a": "\ude00\ud83d"}', {("/a", "invalid_text")}, id="swapped-surrogates"),
        pytest.param(rb'{"a": {"\ud800": 1}}', {("/a", "invalid_name")}, id="surrogate-in-a-name"),
        pytest.param(
            json.dumps({"x" * (MAX_NAME_LENGTH + 1): 1}).encode(),
            {("", "invalid_name")},
            id="long-name",
        ),
        pytest.param(b'{"a": 1e309}', {("/a", "out_of_range")}, id="beyond-a-double"),
        pytest.param(b'{"a": -1e309}', {("/a", "out_of_range")}, id="below-a-double"),
        pytest.param(b"[%s]" % (b"9" * 400), {("/0", "out_of_range")}, id="400-digits"),
        pytest.param(
            rb'{"a~b": {"c/d": "\ud800"}}', {("/a~0b/c~1d", "invalid_text")}, id="escaped-pointer"
        ),
        pytest.param(
            rb'{"a": "\ud800", "b": [1e999, {"c": 1, "C": 2}]}',
            {
                ("/a", "invalid_text"),
                ("/b/0", "out_of_range"),
                ("/b/1/c", "duplicate_member"),
                ("/b/1/C", "duplicate_member"),
            },
            id="all-at-once",
        ),
    ],
)
def test_flaws_inside_have_their_place(body: bytes, flaws: set[tuple[str, str]]) -> None:
    _, found = read_json(body)

    assert {(flaw.pointer, flaw.code) for flaw in found} == flaws
    json.dumps([flaw.as_json() for flaw in found], ensure_ascii=False).encode()


def test_a_name_of_the_greatest_length_passes() -> None:
    assert read_json(json.dumps({"x" * MAX_NAME_LENGTH: 1}).encode())[1] == []


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("plain", "/p/plain"),
        ("", "/p/"),
        ("a/b", "/p/a~1b"),
        ("a~b", "/p/a~0b"),
        ("~1", "/p/~01"),
        ("~/", "/p/~0~1"),
        (0, "/p/0"),
    ],
)
def test_pointers_are_escaped(name: str | int, pointer: str) -> None:
    assert pointer_to("/p", name) == pointer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1.5}', {"a": 1.5}),
        ('{"a": NaN}', {"a": None}),
        ('{"a": [Infinity, -Infinity]}', {"a": [None, None]}),
        ('{"a": 1e999}', {"a": None}),
        ('{"a": 1, "A": 2}', {"a": 1, "A": 2}),
    ],
)
def test_foreign_json_becomes_numbers_that_json_has(text: str, value: Any) -> None:
    assert read_foreign_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="text"),
        pytest.param("{", id="cut"),
        pytest.param("[" * 100_000, id="deep-and-cut"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="deep"),
        pytest.param("9" * 5_000, id="too-many-digits"),
    ],
)
def test_foreign_text_that_cannot_be_read_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_foreign_json(text)


@settings(max_examples=200)
@given(st.binary(max_size=64))
def test_no_bytes_raise_anything_but_a_problem(body: bytes) -> None:
    with suppress(Problem):
        read_json(body)


@settings(max_examples=200)
@given(st.text(alphabet='{}[]:,"\\/udD8019eE+-.aA \n\ufeffNI', max_size=40))
def test_no_json_like_text_raises_anything_but_a_problem(text: str) -> None:
    with suppress(Problem):
        read_json(text.encode())
