"""The message of the queue."""

import base64
import json

import pytest

from cart_core.operations.bell import Bell
from cart_core.operations.operation import open_name
from tests.unit.operations.records import KEY_NAME

BELL = Bell(open_name(KEY_NAME), 1_795_348_800.125)
METADATA = {"id", "dequeuecount", "insertiontime", "expirationtime", "nextvisibletime"} | {
    *("popreceipt", "queuetrigger")
}
"""Members that would overwrite the queue trigger's metadata, whatever their case."""


def test_a_bell_is_short_ascii_that_overwrites_nothing() -> None:
    text = BELL.text()

    assert text.isascii()
    assert len(text) < 1024
    assert not {name.lower() for name in json.loads(text)} & METADATA


@pytest.mark.parametrize(
    "message",
    [
        BELL.text(),
        BELL.text().encode(),
        f"\n {BELL.text()} ",
        base64.b64encode(BELL.text().encode()),
        base64.b64encode(BELL.text().encode()).decode(),
    ],
    ids=["text", "bytes", "blanks", "base64", "base64 text"],
)
def test_a_bell_is_read_plain_and_in_base64(message: str | bytes) -> None:
    assert Bell.read(message) == BELL


@pytest.mark.parametrize(
    "message",
    [
        *("", "x", "{", "[]", "null", "e30=", "\xff", "[" * 100_000),
        BELL.text().replace('"v": 1', '"v": 2'),
        BELL.text().replace('"v": 1, ', ""),
        BELL.text().replace("operations/", "purchases/"),
        BELL.text().replace("operations/purchases/", "operations/../"),
        BELL.text().replace("1795348800.125", '"now"'),
    ],
    ids=lambda message: repr(message)[:40],
)
def test_no_other_message_is_taken_for_a_bell(message: str) -> None:
    with pytest.raises(ValueError, match="no bell"):
        Bell.read(message)
