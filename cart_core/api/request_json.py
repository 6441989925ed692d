"""The JSON of a request: how it is read, and what is wrong inside it.

What RFC 8259 leaves open (repeated names, depth, encoding) is decided here.
"""

import json
import math
import sys
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, NoReturn

from cart_core.api.json_syntax import constant_detail, long_number_detail, syntax_detail
from cart_core.api.remnants import MARKS, is_remnant
from cart_core.json_text import read_decimal
from cart_core.problem import MAX_REPORTED_ERRORS, FieldError, Problem, pointer_to

MAX_DEPTH: Final = 32
"""Levels of arrays and objects. A cart needs 4, and 2 more for each level of add-on items."""

MAX_NAME_LENGTH: Final = 256
"""Characters of a member name."""

MAX_VALUES: Final = 10_000
"""Members of objects and items of arrays, on all levels together."""

_LARGEST: Final = int(sys.float_info.max)
_TOO_LARGE: Final = math.inf
"""Stands for a decimal beyond a double. There are no other floats."""

_Path = tuple["_Path", str | int] | None
"""The place of a value: its parent's place, and its name or index there.

A JSON Pointer is written only for a value that is wrong.
"""


class _RepeatedMembers(dict[str, Any]):
    """An object in which a member name occurs more than once; case makes no difference."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def repeated(self) -> list[str]:
        """The names that have another one beside them, each in its spelling, once."""
        counts = Counter(name.lower() for name, _ in self.pairs)
        return [name for name in self if counts[name.lower()] > 1]


class _Constant(Exception):
    """There is NaN or Infinity in the text."""


class _Enough(Exception):
    """There are more errors than can be listed."""


def read_json(body: bytes) -> tuple[Any, list[FieldError]]:
    """The value of a UTF-8 JSON text (a BOM is accepted), and what is wrong inside it.

    The errors, each with its place, are: repeated member names (also those that differ only in
    case, which Partner Center does not tell apart), numbers beyond a double, lone surrogates, texts
    that the caller's serialiser left of an object, and member names longer than MAX_NAME_LENGTH.
    Nothing more is looked for once one error more than can be listed is found. Raises Problem
    `invalid_json` for errors that no pointer can name: no body, bad UTF-8, bad syntax, NaN and
    Infinity, more than MAX_DEPTH levels or MAX_VALUES values.
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
        raise _invalid(syntax_detail(text, error)) from None
    except _Constant:
        raise _invalid(constant_detail(text)) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # CPython's limit on the digits of an integer
        raise _invalid(long_number_detail(text)) from None
    # Only escapes make half a surrogate pair, and can hide a mark.
    inspection = _Inspection("\\u" in text or any(mark in text for mark in MARKS))
    with suppress(_Enough):
        inspection.look([value], None, 0)
    return value, inspection.errors


class _Inspection:
    """A look at every value of a document. With `texts` it looks into the texts as well."""

    def __init__(self, texts: bool) -> None:
        self.errors: list[FieldError] = []
        self._texts = texts
        self._values = -1  # The document itself does not count.

    def look(self, parent: Any, path: _Path, depth: int) -> None:
        """Collect what is wrong in an object or array, which is at `path` on a level from 1.

        The document itself is the only item of an array on level 0. Raises _Enough.
        """
        self._values += len(parent)
        if self._values > MAX_VALUES:
            raise _invalid(f"The body has more than {MAX_VALUES} members and items.")
        named = isinstance(parent, dict)
        if isinstance(parent, _RepeatedMembers):
            self._report_repeated(parent, path)
        for name, value in parent.items() if named else enumerate(parent):
            if named and (detail := self._error_in_name(str(name))):
                self._add(FieldError(_pointer(path), "invalid_name", detail))
                continue
            kind = type(value)
            if kind is str:
                if self._texts and (detail := _error_in_text(value)):
                    self._add(FieldError(_pointer(_at(path, name, depth)), "invalid_text", detail))
            elif kind is int or kind is float:
                if not -_LARGEST <= value <= _LARGEST:
                    pointer = _pointer(_at(path, name, depth))
                    self._add(FieldError(pointer, "out_of_range", "This number is too large."))
            elif isinstance(value, dict | list):
                if depth == MAX_DEPTH:
                    raise _too_deep()
                if value:
                    self.look(value, _at(path, name, depth), depth + 1)

    def _add(self, error: FieldError) -> None:
        self.errors.append(error)
        if len(self.errors) > MAX_REPORTED_ERRORS:
            raise _Enough

    def _report_repeated(self, members: _RepeatedMembers, path: _Path) -> None:
        for name in members.repeated():
            detail = "This member is given more than once (names are compared without case)."
            self._add(FieldError(pointer_to(_pointer(path), name), "duplicate_member", detail))

    def _error_in_name(self, name: str) -> str | None:
        if len(name) > MAX_NAME_LENGTH:
            return f"A member name has over {MAX_NAME_LENGTH} characters."
        if self._texts and (error := _error_in_text(name)):
            return f"A member name: {error}"
        return None


def _at(path: _Path, name: str | int, depth: int) -> _Path:
    return (path, name) if depth else None


def _pointer(path: _Path) -> str:
    """The JSON Pointer of a path."""
    steps: list[str | int] = []
    while path:
        path, step = path
        steps.append(step)
    pointer = ""
    for step in reversed(steps):
        pointer = pointer_to(pointer, step)
    return pointer


def _error_in_text(text: str) -> str | None:
    if not _encodable(text):
        return "Not valid Unicode: it has half a surrogate pair."
    if is_remnant(text):
        return (
            "This is what is left of an object or a list: the caller's serialiser cut it off. "
            "Write it as JSON (in PowerShell: ConvertTo-Json with a larger -Depth)."
        )
    return None


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(pairs) < 2 or len(set(map(str.lower, members))) == len(pairs):
        return members
    return _RepeatedMembers(pairs)


def _decimal(digits: str) -> Decimal | float:
    number = read_decimal(digits)
    return _TOO_LARGE if number is None else number


def _refuse_constant(name: str) -> NoReturn:
    raise _Constant


def _too_deep() -> Problem:
    return _invalid(f"The body has more than {MAX_DEPTH} levels of arrays and objects.")


def _invalid(detail: str) -> Problem:
    return Problem("invalid_json", detail)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_refuse_constant, parse_float=_decimal
)
