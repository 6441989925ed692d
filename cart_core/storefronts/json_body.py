"""The JSON of a delivery. Its signature is right, and still its reader has limits."""

import json
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

from cart_core.json_text import read_decimal

MAX_DEPTH: Final = 32
"""Levels of arrays and objects. An order of Shopify has eight."""


class UnreadableBody(Exception):
    """A body that is no order as the platform documents it.

    It may be no JSON object at all, or one that two readers could understand in two ways. The text
    names the member that is wrong, never its value.
    """


def read_body(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. A number with a decimal point is a Decimal.

    Half of a character, which no other text could hold, becomes U+FFFD: whoever cut a note at so
    many bytes has made an order all the same.
    Raises UnreadableBody for all else: other values, bad UTF-8, bad syntax, NaN, a member that is
    given twice, numbers beyond a double, and more than MAX_DEPTH levels.
    """
    try:
        text = body.decode().removeprefix("\ufeff")
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise UnreadableBody("it is not JSON") from None
    if not isinstance(value, dict) or _is_deeper(value, MAX_DEPTH):
        raise UnreadableBody(f"it is no JSON object of at most {MAX_DEPTH} levels")
    found: dict[str, Any] = _whole(value) if _SURROGATE.search(text) else value
    return found


def _is_deeper(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(item, depth - 1) for item in items)


def _whole(value: Any) -> Any:
    """The value, where each half of a character in a text or a name is replaced."""
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise UnreadableBody("a member is given twice")
    return members


def _decimal(digits: str) -> Decimal:
    number = read_decimal(digits)
    if number is None:
        raise UnreadableBody("a number is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise UnreadableBody(f"{name} is not JSON")


_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""How half of a character is written; most are one of a pair, which makes a whole one."""

_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_refuse_constant, parse_float=_decimal
)
