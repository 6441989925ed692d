"""JSON that a server sent, read as far as our own answers can repeat it."""

import json
import math
from typing import Any


def read_foreign_json(text: str) -> Any:
    """The value of a JSON text that a server sent.

    NaN, Infinity and decimals beyond a double become None, because our own answer could not repeat
    them. Raises ValueError for anything that cannot be read.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite)
