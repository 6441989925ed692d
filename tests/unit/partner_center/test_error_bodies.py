import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.partner_center.error_bodies import read_fault
from cart_core.problem import Fault

BOM = b"\xef\xbb\xbf"

SHAPES: dict[str, tuple[Any, Fault]] = {
    "fault": (
        {"code": "800002", "description": "Bad input.", "data": [], "source": "PartnerFD"},
        Fault(400, "800002", "Bad input.", "PartnerFD", []),
    ),
    "fault-with-a-number": (
        {"code": 800002, "description": "Bad input.", "source": "PartnerFD"},
        Fault(400, "800002", "Bad input.", "PartnerFD", []),
    ),
    "fault-with-objects": (
        {"code": "3000", "data": [{"key": "a", "value": 1}], "attributes": {"objectType": "F"}},
        Fault(400, "3000", None, None, [{"key": "a", "value": 1}]),
    ),
    "fault-with-texts": (
        {"code": "3000", "data": ["lineItems", "quantity"]},
        Fault(400, "3000", data=["lineItems", "quantity"]),
    ),
    "fault-with-nulls": (
        {"code": None, "description": None, "data": None, "source": None},
        Fault(400),
    ),
    "fault-with-capitals": (
        {"Code": 0, "Description": "Undefined.", "Source": "x"},
        Fault(400, "0", "Undefined.", "x"),
    ),
    "gateway": (
        {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 57 seconds."},
        Fault(400, None, "Rate limit is exceeded. Try again in 57 seconds."),
    ),
    "sibling": (
        {"error": {"code": "BadRequest", "message": "No.", "target": "cart"}},
        Fault(400, "BadRequest", "No.", "cart"),
    ),
    "entra": (
        {
            "error": "invalid_client",
            "error_description": "AADSTS7000215: Invalid client secret.",
            "error_codes": [7000215],
            "trace_id": "t",
        },
        Fault(400, "invalid_client", "AADSTS7000215: Invalid client secret."),
    ),
    "asp-net": (
        {"Message": "The request is invalid.", "ModelState": {"cart": ["required"]}},
        Fault(400, None, "The request is invalid.", None, [{"cart": ["required"]}]),
    ),
    "empty-object": ({}, Fault(400)),
    "null": (None, Fault(400)),
    "array": ([1, 2], Fault(400)),
    "json-text": ("Nothing works.", Fault(400, None, "Nothing works.")),
}


@pytest.mark.parametrize("bom", [b"", BOM], ids=["plain", "bom"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_json_shape_is_read(shape: str, bom: bytes) -> None:
    document, fault = SHAPES[shape]

    assert read_fault(400, bom + json.dumps(document).encode()) == fault


@pytest.mark.parametrize("bom", [b"", BOM], ids=["plain", "bom"])
@pytest.mark.parametrize(
    ("body", "code", "description"),
    [
        pytest.param(b"", None, None, id="empty"),
        pytest.param(b" \r\n", None, None, id="blank"),
        pytest.param(b"Service unavailable", None, "Service unavailable", id="text"),
        pytest.param(
            b"Authentication failed. MFA required. (10001)",
            "10001",
            "Authentication failed. MFA required. (10001)",
            id="text-with-a-code",
        ),
        pytest.param(
            b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
            None,
            "502 Bad Gateway",
            id="html",
        ),
        pytest.param(
            b"<!DOCTYPE html>\n<HTML><TITLE id=x>\n Oops\n</TITLE>",
            None,
            "Oops",
            id="html-capitals",
        ),
        pytest.param(b"<html><body>secret page</body></html>", None, None, id="html-without-title"),
        pytest.param(b'<?xml version="1.0"?><Error/>', None, None, id="xml"),
        pytest.param(b'{"code": "80', None, '{"code": "80', id="cut-json"),
        pytest.param(b"two\r\nlines", None, "two lines", id="line-breaks"),
    ],
)
def test_what_is_not_json_is_read(
    body: bytes, code: str | None, description: str | None, bom: bytes
) -> None:
    assert read_fault(502, bom + body) == Fault(502, code, description)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_the_status_is_the_replys(status: int) -> None:
    assert read_fault(status, b'{"statusCode": 418}').status == status


def test_a_description_is_bounded() -> None:
    for body in (json.dumps({"description": "x" * 5_000}).encode(), b"x" * 5_000):
        assert read_fault(400, body).description == "x" * 1024


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff\xfe{\x00}\x00", id="utf-16"),
        pytest.param(b"\xff\xff\xff", id="no-utf-8"),
        pytest.param(b"[" * 100_000, id="deep-and-cut"),
        pytest.param(b"[" * 3_000 + b"]" * 3_000, id="deep-array"),
        pytest.param(b'{"error":' * 3_000 + b"1" + b"}" * 3_000, id="deep-errors"),
        pytest.param(b'{"error":' * 980 + b"1" + b"}" * 980, id="deep-errors-at-the-limit"),
        pytest.param(b'{"code":' * 3_000 + b"1" + b"}" * 3_000, id="deep-codes"),
        pytest.param(b'{"code": ' + b"9" * 5_000 + b"}", id="huge-code"),
        pytest.param(b'{"code": NaN, "description": Infinity, "data": [NaN]}', id="nan"),
        pytest.param(b'{"code": 1e999, "data": [1e999, -1e999]}', id="beyond-a-double"),
        pytest.param(rb'{"description": "\ud800", "data": ["\udc00"]}', id="surrogates"),
        pytest.param(b'{"error": [], "code": [], "data": 5}', id="odd-types"),
        pytest.param(b'{"error": true, "message": false, "data": "x"}', id="flags"),
        pytest.param(b'{"description": {"a": [1]}, "source": ["x"]}', id="nested-words"),
    ],
)
def test_hostile_bodies_are_read_as_far_as_possible(body: bytes) -> None:
    _check(read_fault(500, body))


@given(st.binary(max_size=80))
def test_no_bytes_raise(body: bytes) -> None:
    _check(read_fault(400, body))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "Error", "error", "data", "message", "Description", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=50)
@given(_JSON)
def test_no_json_raises(document: Any) -> None:
    _check(read_fault(400, json.dumps(document).encode()))


def _check(fault: Fault) -> None:
    """Code, description and source are texts or None, and the whole can be said in JSON."""
    for text in (fault.code, fault.description, fault.source):
        assert text is None or isinstance(text, str)
    assert isinstance(fault.data, list)
    json.dumps(fault.as_json(), allow_nan=False)
