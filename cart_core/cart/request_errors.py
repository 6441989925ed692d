"""pydantic's errors as FieldErrors: our codes, our words, and pointers in the caller's spelling."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cart_core.cart.vocabulary import BILLING_CYCLES
from cart_core.problem import FieldError, pointer_to

Location = tuple[str | int, ...]
"""Where a value is in the models: documented member names and indexes, as pydantic gives them."""

PYDANTIC_ERRORS: Mapping[str, tuple[str, str]] = {
    "missing": ("required", "'{name}' is required{expected}."),
    "model_type": ("wrong_type", "Must be an object."),
    "dict_type": ("wrong_type", "Must be an object."),
    "list_type": ("wrong_type", "Must be an array."),
    "string_type": ("wrong_type", "Must be a text in quotes{expected}."),
    "bool_type": ("wrong_type", "Must be true or false."),
    "float_type": ("wrong_type", "Must be a number without quotes."),
    "int_type": ("wrong_type", "Must be a whole number without quotes or decimal point."),
    "greater_than": ("out_of_range", "Must be more than {gt}."),
    "greater_than_equal": ("out_of_range", "Must be at least {ge}."),
    "less_than_equal": ("out_of_range", "Must be at most {le}."),
    "too_short": ("too_short", "Must have at least {min_length} item."),
    "empty_text": ("empty_text", "Must not be empty{expected}.{otherwise}"),
    "string_unicode": ("invalid_text", "Must be valid Unicode."),
}
"""pydantic's error types -> our code and detail.

`{expected}` is the member's entry in EXPECTED. The errors of our own validators are not listed,
except for `empty_text`: they have their code and their detail already.
"""

EXPECTED: Mapping[str, str] = {
    "lineItems": "an array of at least one line item",
    "catalogItemId": "'ProductId:SkuId:AvailabilityId', or 'ProductId:SkuId'",
    "quantity": "a whole number from 1",
    "billingCycle": f"one of {', '.join(BILLING_CYCLES)}",
    "termDuration": "an ISO 8601 duration such as 'P1M', 'P1Y' or 'P3Y'",
    "customTermEndDate": "an RFC 3339 date-time such as '2027-01-31T00:00:00Z'",
    "currencyCode": "a currency of three letters such as 'USD'",
    "key": "a role such as 'transaction_reseller'",
    "value": "a PartnerID",
}
"""What a member must be, for the errors that nothing else says it of."""

_REQUIRED = frozenset({"lineItems", "catalogItemId", "quantity", "billingCycle", "key", "value"})


def errors_of(invalid: ValidationError) -> list[ErrorDetails]:
    """pydantic's errors, without those that only follow from a name for which another is meant."""
    errors = invalid.errors(include_input=False, include_url=False)
    meant = {
        (error["loc"][:-1], error["ctx"]["meant"])
        for error in errors
        if error["type"] in {"misspelled_member", "order_member"}
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
    ours = "" if location[-2:-1] == ("provisioningContext",) else name  # its names are data
    expected = f": {EXPECTED[str(ours)]}" if ours in EXPECTED else ""
    otherwise = "" if ours in _REQUIRED else " Leave it out or send null."
    placeholders = {"name": name, "expected": expected, "otherwise": otherwise}
    detail = detail.format(**placeholders, **error.get("ctx", {})) or error["msg"]
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
