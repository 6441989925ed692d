"""Every shape of an error body is read into the same Fault, and no body stops the reading."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_core.partner_center.error_bodies import (
    MAX_BODY,
    MAX_DATA,
    MAX_DESCRIPTION,
    read_fault,
)
from cart_core.problem import Fault

JSON_SHAPES: dict[str, tuple[Any, Fault]] = {
    "fault": (
        {"code": "800002", "description": "Bad input.", "data": [], "source": "PartnerFD"},
        Fault(400, "800002", "Bad input.", "PartnerFD", []),
    ),
    "fault with a number": ({"code": 800002}, Fault(400, "800002")),
    "fault with objects": (
        {"code": "3000", "data": [{"key": "a", "value": 1}], "attributes": {"objectType": "F"}},
        Fault(400, "3000", data=[{"key": "a", "value": 1}]),
    ),
    "fault with texts": (
        {"code": "3000", "data": ["lineItems", "quantity"]},
        Fault(400, "3000", data=["lineItems", "quantity"]),
    ),
    "fault with nulls": (
        {"code": None, "description": None, "data": None, "source": None},
        Fault(400),
    ),
    "fault with capitals": (
        {"Code": 0, "Description": "Undefined.", "Source": "x"},
        Fault(400, "0", "Undefined.", "x"),
    ),
    "gateway": (
        {"statusCode": 429, "message": "Rate limit is exceeded."},
        Fault(400, None, "Rate limit is exceeded."),
    ),
    "sibling API": (
        {"error": {"Code": "BadRequest", "message": "No.", "target": "cart", "details": [1]}},
        Fault(400, "BadRequest", "No.", "cart", [1]),
    ),
    "Entra": (
        {"error": "invalid_client", "error_description": "AADSTS7000215: No.", "trace_id": "t"},
        Fault(400, "invalid_client", "AADSTS7000215: No."),
    ),
    "ASP.NET": (
        {"Message": "The request is invalid.", "ModelState": {"cart": ["required"]}},
        Fault(400, None, "The request is invalid.", None, [{"cart": ["required"]}]),
    ),
    "empty object": ({}, Fault(400)),
    "null": (None, Fault(400)),
    "array": ([1, 2], Fault(400)),
    "text": ("Nothing works.", Fault(400, None, "Nothing works.")),
    "odd types": ({"error": True, "message": False, "data": "x"}, Fault(400, data=["x"])),
    "nested words": (
        {"description": {"a": [1]}, "source": ["x"]},
        Fault(400, None, '{"a": [1]}', '["x"]'),
    ),
}
OTHER_SHAPES: dict[str, tuple[bytes, Fault]] = {
    "empty": (b"", Fault(400)),
    "blank": (b" \r\n", Fault(400)),
    "text": (b"Service\r\n unavailable", Fault(400, None, "Service unavailable")),
    "text with a code": (b"MFA required. (10001)", Fault(400, "10001", "MFA required. (10001)")),
    "HTML": (
        b"<!DOCTYPE html>\n<HTML><TITLE id=x>\n Bad Gateway\n</TITLE><body>nginx</body>",
        Fault(400, None, "Bad Gateway"),
    ),
    "HTML without a title": (b"<html><body>secret page</body></html>", Fault(400)),
    "XML": (b'<?xml version="1.0"?><Error/>', Fault(400)),
    "cut JSON": (b'{"code": "80', Fault(400, None, '{"code": "80')),
    "numbers beyond JSON": (b'{"code": NaN, "data": [1e999]}', Fault(400, data=[None])),
}
SHAPES = OTHER_SHAPES | {
    name: (json.dumps(document).encode(), fault) for name, (document, fault) in JSON_SHAPES.items()
}


@pytest.mark.parametrize(("body", "fault"), SHAPES.values(), ids=SHAPES)
def test_every_shape_is_read_with_and_without_a_byte_order_mark(body: bytes, fault: Fault) -> None:
    assert read_fault(400, body) == fault
    assert read_fault(400, b"\xef\xbb\xbf" + body) == fault
    assert read_fault(400, body.decode().encode("utf-16")) == fault


def test_what_is_read_is_bounded() -> None:
    for body in (json.dumps({"description": "x" * 5_000}).encode(), b"x" * 5_000):
        assert read_fault(400, body).description == "x" * MAX_DESCRIPTION
    assert read_fault(400, json.dumps({"data": [0] * 1_000}).encode()).data == [0] * MAX_DATA
    assert read_fault(400, b" " * MAX_BODY + b"x") == Fault(400)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
        pytest.param(b"[" * 50_000, id="deep and cut"),
        pytest.param(b"[" * 3_000 + b"]" * 3_000, id="deep array"),
        pytest.param(b'{"error":' * 3_000 + b"1" + b"}" * 3_000, id="deep errors"),
        pytest.param(b'{"error":' * 980 + b"1" + b"}" * 980, id="deep errors at the limit"),
        pytest.param(b'{"code":' * 3_000 + b"1" + b"}" * 3_000, id="deep codes"),
        pytest.param(b'{"code": ' + b"9" * 5_000 + b"}", id="huge code"),
        pytest.param(rb'{"description": "\ud800", "data": ["\udc00"]}', id="surrogates"),
    ],
)
def test_a_hostile_body_is_read_as_far_as_possible(body: bytes) -> None:
    _assert_can_be_shown(read_fault(500, body))


_LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=8)
_MEMBERS = st.sampled_from(["code", "Error", "error", "data", "message", "Description", "x"])
_DOCUMENTS = st.dictionaries(
    _MEMBERS, _LEAVES | st.lists(_LEAVES, max_size=2) | st.dictionaries(_MEMBERS, _LEAVES)
)


@given(st.binary(max_size=80) | _DOCUMENTS.map(lambda document: json.dumps(document).encode()))
def test_no_body_stops_the_reading(body: bytes) -> None:
    _assert_can_be_shown(read_fault(400, body))


def _assert_can_be_shown(fault: Fault) -> None:
    """Code, description and source are texts or None, and all of it can be written as JSON."""
    for text in (fault.code, fault.description, fault.source):
        assert text is None or isinstance(text, str)
    assert isinstance(fault.data, list)
    json.dumps(fault.as_json(), allow_nan=False)
