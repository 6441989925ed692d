"""Which bodies are taken, and how they are read as JSON."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.api.body import (
    MAX_DEPTH,
    MAX_NAME_LENGTH,
    json_body,
    read_json,
    unexpected_body_errors,
)
from cart_core.problem import Problem
from tests.kit.builders import SEED_REQUEST
from tests.kit.requests import request

LIMIT = 1000


def short(value: object) -> str:
    """The id of a test case."""
    return repr(value)[:40]


def arrays(levels: int) -> bytes:
    return b"[" * levels + b"1" + b"]" * levels


def objects(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


# --- JSON -------------------------------------------------------------------------------------


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


# --- Headers and size -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_encoding": ""},
        {"content_encoding": " Identity"},
        {"content_encoding": "identity,identity"},
        {"content_type": ""},
        {"content_type": " Application/JSON "},
        {"content_type": "application/json;charset=UTF-8"},
        {"content_type": 'application/json; charset="utf-8"'},
        {"content_type": "application/json; charset='utf-8'"},
        {"content_type": "application/json;Charset = 'UTF-8' ;odata=verbose"},
        {"content_type": 'application/json; a="charset=latin-1"; charset=utf8'},
        {"content_type": "application/json; charset="},
        {"content_type": "application/json; charset*=us-ascii'en'utf-8"},
        {"content_type": "application/json; odata=verbose"},
        {"content_type": 'application/json; profile="a,b"'},
        {"content_type": "application/vnd.cart.v1+json"},
        {"content_type": "application/ld+JSON; profile=x"},
    ],
    ids=short,
)
def test_a_json_body_up_to_the_limit_is_taken(headers: dict[str, str]) -> None:
    for body in (b"", b"x" * LIMIT):
        assert json_body(request(body, **headers), LIMIT) == body


@pytest.mark.parametrize("encoding", ["chunked", "Chunked", "gzip, chunked", "chunked,chunked"])
def test_a_body_that_was_sent_and_did_not_arrive_needs_a_length(encoding: str) -> None:
    headers = {"transfer_encoding": encoding, "content_type": "text/plain"}
    with pytest.raises(Problem, match="Content-Length") as refused:
        json_body(request(b"", **headers), LIMIT)
    assert refused.value.code == "length_required"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", {"transfer_encoding": "chunked"}),
        (b"", {"content_length": "0"}),
        (b"", {"transfer_encoding": " "}),
    ],
)
def test_a_body_that_arrived_or_was_never_sent_needs_none(
    body: bytes, headers: dict[str, str]
) -> None:
    assert json_body(request(body, **headers), LIMIT) == body
    assert unexpected_body_errors(request(b"", transfer_encoding="chunked")) == []


@pytest.mark.parametrize(
    ("code", "header", "values"),
    [
        (
            "unsupported_media_type",
            "content_type",
            [
                *("text/plain", "text/json", "application/xml", "application/octet-stream", "json"),
                *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "*/*"),
                *("application/jsonp", "application/x-json", "application/json-seq"),
                *("application/json+xml", "application/problem", "+json", "application/", "/json"),
                "application/json; charset=utf-16",
                'application/json; charset="iso-8859-1"',
                "application/json; Charset=UTF-7",
                "application/json; charset='utf-16'",
                "application/json; charset=utf-8x",
                "application/json; charset=ütf-8",
                "application/json; charset*=utf-8''utf-16",
                "application/json; a=" + "x" * 300,
                "application/vnd.cart+json; charset=windows-1252",
            ],
        ),
        (
            "unsupported_content_encoding",
            "content_encoding",
            ["gzip", "GZIP", "br", "deflate", "zstd", "gzip, gzip", "identity,gzip", "x"],
        ),
        (
            "invalid_request",
            "content_type",
            [
                "application/json,application/json",
                "application/json; charset=utf-8, application/json",
                "text/plain,application/json",
                *("application/json,", ","),
            ],
        ),
        ("body_too_large", "x", ["x"]),
    ],
)
def test_any_other_body_is_refused(code: str, header: str, values: list[str]) -> None:
    body = b"x" * (LIMIT + 1)  # What is wrong with the headers is reported first.
    for value in values:
        with pytest.raises(Problem) as refused:
            json_body(request(body, **{header: value}), LIMIT)
        assert (value, refused.value.code) == (value, code)
    assert code != "body_too_large" or str(LIMIT) in refused.value.detail


# --- A checkout takes no body -----------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{}", b" ", b"\r\n", b" { \n } \t", b"{" + b" " * 100_000 + b"}"], ids=short
)
def test_a_checkout_may_come_with_nothing_or_an_empty_object(body: bytes) -> None:
    assert unexpected_body_errors(request(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"lineItems": []}', b"[]", b"null", b'""', b"0", b"{", b"{}{}", b"{{}}", b"}{"),
        *(b"x", b"\x00", b"\xff", b"\x0b{}", b" " * 100_000 + b"x", b"{" * 100_000),
    ],
    ids=short,
)
def test_a_checkout_with_any_other_body_is_refused(body: bytes) -> None:
    """Nothing would read the body, although its sender expects something of it."""
    (error,) = unexpected_body_errors(request(body))
    assert (error.pointer, error.code) == ("", "unexpected_body")
