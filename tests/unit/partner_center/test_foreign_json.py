"""What a server sent is read as far as our own answers can repeat it."""

from typing import Any

import pytest

from cart_core.partner_center.foreign_json import read_foreign_json


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
