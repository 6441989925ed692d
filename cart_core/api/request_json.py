"""The JSON of a request: how it is read, and what is wrong inside it.

What RFC 8259 leaves open (repeated names, depth, encoding) is decided here.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

from cart_core.json_text import read_decimal
from cart_core.problem import FieldError, Problem, pointer_to

MAX_DEPTH: Final = 32
"""Levels of arrays and objects. A cart needs 4, and 2 more for each level of add-on items."""

MAX_NAME_LENGTH: Final = 256
"""Characters of a member name."""


class _RepeatedMembers(dict[str, Any]):
    """An object in which a member name occurs more than once; case makes no difference."""

    repeated: list[str]


def read_json(body: bytes) -> tuple[Any, list[FieldError]]:
    """The value of a UTF-8 JSON text (a BOM is accepted), and what is wrong inside it.

    The errors, each with its place, are: repeated member names (also those that differ only in
    case, which Partner Center does not tell apart), numbers beyond a double, lone surrogates, and
    member names longer than MAX_NAME_LENGTH. Raises Problem `invalid_json` for errors that have no
    place: no body, bad UTF-8, bad syntax, NaN and Infinity, more than MAX_DEPTH levels.
    """
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _invalid(f"The body is not UTF-8: see byte {error.start}.") from None
    if not text.strip():
        raise _invalid("The body is empty. Send a JSON object with 'lineItems'.")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _invalid(f"The body is not JSON: {error.msg} at {where}.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # CPython's limit on the digits of an integer
        raise _invalid("A number in the body has too many digits.") from None
    return value, list(_errors(value, "", 1))


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len({name.lower() for name in members}) == len(pairs):
        return members
    counts = Counter(name.lower() for name, _ in pairs)
    marked = _RepeatedMembers(members)
    marked.repeated = [name for name in members if counts[name.lower()] > 1]
    return marked


def _errors(value: Any, pointer: str, depth: int) -> Iterator[FieldError]:
    if isinstance(value, dict):
        if depth > MAX_DEPTH:
            raise _too_deep()
        if isinstance(value, _RepeatedMembers):
            for name in value.repeated:
                yield FieldError(
                    pointer_to(pointer, name),
                    "duplicate_member",
                    "This member is given more than once (names are compared without case).",
                )
        for name, member in value.items():
            if len(name) > MAX_NAME_LENGTH:
                yield FieldError(
                    pointer, "invalid_name", f"A member name has over {MAX_NAME_LENGTH} characters."
                )
            elif not _encodable(name):
                yield FieldError(pointer, "invalid_name", "A member name is not valid Unicode.")
            elif not _certainly_valid(member):
                yield from _errors(member, pointer_to(pointer, name), depth + 1)
    elif isinstance(value, list):
        if depth > MAX_DEPTH:
            raise _too_deep()
        for index, item in enumerate(value):
            if not _certainly_valid(item):
                yield from _errors(item, pointer_to(pointer, index), depth + 1)
    elif isinstance(value, str):
        if not _encodable(value):
            yield FieldError(
                pointer, "invalid_text", "Not valid Unicode: it has half a surrogate pair."
            )
    elif value == _TOO_LARGE or (isinstance(value, int) and abs(value) > sys.float_info.max):
        yield FieldError(pointer, "out_of_range", "This number is too large.")


def _certainly_valid(value: Any) -> bool:
    """A quick check, after which most values need no JSON Pointer."""
    if isinstance(value, str):
        return value.isascii()
    return value is None or (isinstance(value, int) and value.bit_length() < 64)


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise _invalid(f"{name} is not a JSON number.")


def _too_deep() -> Problem:
    return _invalid(f"The body has more than {MAX_DEPTH} levels of arrays and objects.")


def _invalid(detail: str) -> Problem:
    return Problem("invalid_json", detail)


_TOO_LARGE: Final = math.inf
"""Stands for a decimal beyond a double."""


def _decimal(digits: str) -> Decimal | float:
    number = read_decimal(digits)
    return _TOO_LARGE if number is None else number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_refuse_constant, parse_float=_decimal
)
