"""pydantic's errors as FieldErrors: our codes, our words, and pointers in the caller's spelling."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cart_core.problem import FieldError, pointer_to

Location = tuple[str | int, ...]
"""Where a value is in the models: documented member names and indexes, as pydantic gives them."""

PYDANTIC_ERRORS: Mapping[str, tuple[str, str]] = {
    "missing": ("required", "'{name}' is required."),
    "model_type": ("wrong_type", "Must be an object."),
    "dict_type": ("wrong_type", "Must be an object."),
    "list_type": ("wrong_type", "Must be an array."),
    "string_type": ("wrong_type", "Must be a text in quotes."),
    "bool_type": ("wrong_type", "Must be true or false."),
    "float_type": ("wrong_type", "Must be a number without quotes."),
    "int_type": ("wrong_type", "Must be a whole number without quotes or decimal point."),
    "greater_than": ("out_of_range", "Must be more than {gt}."),
    "greater_than_equal": ("out_of_range", "Must be at least {ge}."),
    "less_than_equal": ("out_of_range", "Must be at most {le}."),
    "too_short": ("too_short", "Must have at least {min_length} item."),
    "string_too_short": ("too_short", "Must not be empty."),
    "string_unicode": ("invalid_text", "Must be valid Unicode."),
}
"""pydantic's error types -> our code and detail. Errors of our own validators come with both."""


def errors_of(invalid: ValidationError) -> list[ErrorDetails]:
    """pydantic's errors, without those that only follow from a misspelt name."""
    errors = invalid.errors(include_input=False, include_url=False)
    meant = {
        (error["loc"][:-1], error["ctx"]["meant"])
        for error in errors
        if error["type"] == "misspelled_member"
    }
    return [
        error
        for error in errors
        if error["type"] != "missing" or (error["loc"][:-1], error["loc"][-1]) not in meant
    ]


def field_error(error: ErrorDetails, pointers: "CallerPointers") -> FieldError:
    """One of pydantic's errors as ours."""
    location = error["loc"]
    code, detail = PYDANTIC_ERRORS.get(error["type"], (error["type"], ""))
    name = location[-1] if location else ""
    detail = detail.format(name=name, **error.get("ctx", {})) or error["msg"]
    return FieldError(pointers.pointer(location), code, detail)


class CallerPointers:
    """JSON Pointers into the caller's document, made of locations in the models.

    `aliases` are other names of documented members: lower-case alias -> documented name.
    """

    def __init__(self, document: Any, aliases: Mapping[str, str]) -> None:
        self._document = document
        self._aliases = aliases
        self._names: dict[int, dict[str | int, str]] = {}
        """For each object that was looked into, by its identity: our name -> the caller's."""

    def pointer(self, location: Location) -> str:
        """The JSON Pointer for a location, in the spelling of the caller's document."""
        pointer, here = "", self._document
        for step in location:
            if isinstance(here, list) and isinstance(step, str):  # renewsTo given as an array
                pointer, here = pointer_to(pointer, 0), here[0]
            if isinstance(here, dict):
                name = self._callers_name(here, step)
                pointer = pointer_to(pointer, name)
                here = here.get(name) if isinstance(step, str) else None
            elif isinstance(here, list) and isinstance(step, int):
                pointer, here = pointer_to(pointer, step), here[step]
        return pointer

    def _callers_name(self, members: dict[str, Any], step: str | int) -> str:
        if step in members:
            return str(step)
        names = self._names.get(id(members))
        if names is None:
            names = {self._aliases.get(name.lower(), name).lower(): name for name in members}
            names |= dict(enumerate(members))  # participants given as an object
            self._names[id(members)] = names
        return names.get(step.lower() if isinstance(step, str) else step, str(step))
