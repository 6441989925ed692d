"""Which bodies are taken as JSON."""

import pytest

from cart_core.api.body import json_body, unexpected_body_errors
from cart_core.problem import Problem
from tests.kit.ids import short
from tests.kit.requests import request

LIMIT = 1000


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
