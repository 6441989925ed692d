"""JSON that a server sent, read as far as our own answers can repeat it."""

import json
import math
import re
from typing import Any


def foreign_text(body: bytes) -> str:
    """The text that a server sent, which is "" for bytes that are no text.

    It may be UTF-8, UTF-16 or UTF-32, and may begin with any number of byte order marks. What is
    not valid in its encoding becomes U+FFFD.
    """
    text = body.decode(json.detect_encoding(body), "replace").lstrip("\ufeff")
    return "" if re.search(r"[\x00-\x08\x0e-\x1f]", text) else text


def read_foreign_json(text: str) -> Any:
    """The value of a JSON text that a server sent.

    NaN, Infinity and decimals beyond a double become None, because our own answer could not repeat
    them. Tabs and line breaks within a text are read. Raises ValueError for anything that cannot be
    read.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite, strict=False)
