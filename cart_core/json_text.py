"""JSON in which every number keeps the digits that it was read with.

A number with a decimal point is a Decimal, because it may be money, and a binary float would round
it. Python's json writes no Decimal, so that is done here.
"""

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

_MAX_EXPONENT = 308
"""The decimal exponent of the largest double."""

_STRING_OR_NAN = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|Infinity')


class _DecimalFound(Exception):
    """There is a Decimal in a value, so json alone cannot write it."""


def read_decimal(digits: str) -> Decimal | None:
    """The number that these digits of JSON stand for; None for one beyond a double.

    No reader of our own JSON could be expected to take a larger one.
    """
    try:
        number = Decimal(digits)
    except InvalidOperation:  # an exponent with twenty digits
        return None
    return number if number.adjusted() <= _MAX_EXPONENT else None


def write_json(value: Any, **options: Any) -> str:
    """The JSON text of a value. `options` are those of json.dumps but `default` and `allow_nan`.

    Raises ValueError for NaN and Infinity, and TypeError for what else JSON cannot hold.
    """
    try:
        return json.dumps(value, allow_nan=False, default=_only_decimals, **options)
    except _DecimalFound:
        return _with_decimals(value, options)


def _only_decimals(value: Any) -> NoReturn:
    if isinstance(value, Decimal):
        raise _DecimalFound
    raise TypeError(f"{type(value).__name__} is not JSON")


def _with_decimals(value: Any, options: dict[str, Any]) -> str:
    """The JSON text of a value with Decimals: json writes NaN for each, which is then replaced."""
    decimals: list[Decimal] = []

    def put_aside(number: Any) -> float:
        if not isinstance(number, Decimal):
            _only_decimals(number)
        decimals.append(number)
        return math.nan

    text = json.dumps(value, default=put_aside, **options)
    left = iter(decimals)

    def put_back(found: re.Match[str]) -> str:
        if found[0].startswith('"'):
            return found[0]
        number = next(left, None)
        if number is None or found[0] != "NaN":
            raise ValueError("there is NaN or Infinity in the value")
        return str(number)

    return _STRING_OR_NAN.sub(put_back, text)
