"""What a server sent is read as far as our own answers can repeat it."""

import codecs
import json
from typing import Any

import pytest

from cart_core.cart.answer import normalise_cart
from cart_core.cart.checkout_answer import normalise_checkout
from cart_core.partner_center.foreign_json import foreign_text, read_foreign_json


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("{ü}".encode(), id="UTF-8"),
        pytest.param("{ü}".encode("utf-8-sig"), id="byte order mark"),
        pytest.param(codecs.BOM_UTF8 + "{ü}".encode("utf-8-sig"), id="two byte order marks"),
        pytest.param("{ü}".encode("utf-16"), id="UTF-16"),
        pytest.param(codecs.BOM_UTF16_BE + "{ü}".encode("utf-16-be"), id="UTF-16, big end first"),
        pytest.param("{ü}".encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param("{ü}".encode("utf-32"), id="UTF-32"),
    ],
)
def test_every_unicode_encoding_is_read(body: bytes) -> None:
    assert foreign_text(body) == "{ü}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (codecs.BOM_UTF8, ""),
        ("Ung\u00fcltig".encode("latin-1"), "Ung\ufffdltig"),
        (b"a \xed\xa0\x80", "a \ufffd\ufffd\ufffd"),  # half a surrogate pair
        ("{ü}".encode()[:2], "{\ufffd"),
        (b"one\r\n\ttwo", "one\r\n\ttwo"),
        (b"\x1b\x21\x00\xf8 brotli", ""),
        (b"\x1f\x8b\x08\x00", ""),
        (b"x\x9c\xab\xae\x05\x00", ""),
    ],
)
def test_bytes_that_are_no_text_have_none_and_the_others_lose_only_what_is_wrong(
    body: bytes, text: str
) -> None:
    assert foreign_text(body) == text


HALVES = {"\\ud800": 1, "a\\udfffb": {"\\udc00\\ud800": 2}}
"""Names with halves of surrogate pairs, as they are read."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1.5}', {"a": 1.5}),
        ('{"a": NaN}', {"a": None}),
        ('{"a": [Infinity, -Infinity]}', {"a": [None, None]}),
        ('{"a": 1e999}', {"a": None}),
        ('{"a": "one\ttwo\r\n"}', {"a": "one\ttwo\r\n"}),
        (r'{"\ud800": 1, "a\uDFFFb": {"\udc00\ud800": 2}}', HALVES),
        (r'{"\ud83d\uDED2": "\ud83d\uDED2"}', {"\U0001f6d2": "\U0001f6d2"}),
        (r'{"\\ud800": "\ud800"}', {"\\ud800": "\ud800"}),
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


@pytest.mark.parametrize("name", [r"\ud800", r"\uDFFF", r"a\udc00\ud800", r"id\ud83d"])
def test_a_name_with_half_a_surrogate_pair_is_any_unknown_member(name: str) -> None:
    """It is in every object of both documents, and neither loses anything by it."""
    more = f'"{name}": {{"{name}": 1}}'
    line = f'{{"id": 0, "provisioningContext": {{"{name}": "x"}}, "error": {{{more}}}, {more}}}'
    cart = normalise_cart(
        read_foreign_json(f'{{"id": "c", "lineItems": [{line}], {more}}}'), "customer"
    )
    checkout = normalise_checkout(
        read_foreign_json(f'{{"orders": [{{"id": "o", {more}, "lineItems": [{line}]}}], {more}}}'),
        "customer",
        "c",
    )

    for document in (cart, checkout):
        assert json.dumps(document, ensure_ascii=False).encode().count(b"ud") >= 4
        assert document["warnings"] == []
