"""The types of the members in a request: what each accepts, and what is sent for it.

Validators of our own say in JSON Schema's keywords what they accept; `description` publishes that.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from cart_core.cart.spelling import find_billing_cycle, format_timestamp, parse_timestamp
from cart_core.cart.validation_context import ValidationContext
from cart_core.cart.vocabulary import BILLING_CYCLES

INT32_MAX = 2**31 - 1

NON_BLANK_PATTERN = r"^[^\u0000-\u001f\u007f]*[^\u0000-\u001f\u007f\s][^\u0000-\u001f\u007f]*$"
"""What NonBlankText accepts, in JSON Schema's regular expressions."""

_PRINTABLE_PATTERN = r"^[^\u0000-\u001f\u007f]*$"
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")
_DURATION = re.compile(
    r"P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+S)?)?", re.ASCII
)


def json_schema(**keywords: Any) -> Any:
    """An annotation that adds these keywords to the JSON Schema of a type."""
    return Field(json_schema_extra=keywords)


def _printable(text: str) -> str:
    if _CONTROL_CHARACTER.search(text):
        raise PydanticCustomError("invalid_text", "Must not contain control characters.")
    return text


def _non_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("invalid_text", "Must not be blank.")
    return text


def _currency_code(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise PydanticCustomError("invalid_format", "Must be a currency of three letters: 'USD'.")
    return text.upper()


def _billing_cycle(text: str) -> str:
    if cycle := find_billing_cycle(text):
        return cycle
    raise PydanticCustomError("unknown_value", f"Must be one of: {', '.join(BILLING_CYCLES)}.")


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise PydanticCustomError("invalid_format", "Must be an ISO 8601 duration: 'P1Y'.")
    return text


def _utc_date_time(text: str) -> str:
    try:
        return format_timestamp(parse_timestamp(text), "auto")
    except ValueError:
        raise PydanticCustomError(
            "invalid_format", "Must be an RFC 3339 date-time: '2027-01-31T00:00:00Z'."
        ) from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    return value


def _number_of_decimal(value: Any) -> Any:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    return value


def _unused_id(line_id: int, info: ValidationInfo[ValidationContext]) -> int:
    line_ids = info.context.line_ids
    if line_id in line_ids:
        raise PydanticCustomError("duplicate_id", "Another line item or add-on has this id.")
    line_ids.add(line_id)
    return line_id


def _within_limit(quantity: int, info: ValidationInfo[ValidationContext]) -> int:
    limit = info.context.max_quantity
    if limit is not None and quantity > limit:
        raise PydanticCustomError(
            "out_of_range", "Must be at most {limit} (this function's own limit).", {"limit": limit}
        )
    return quantity


PrintableText = Annotated[
    str, Strict(), AfterValidator(_printable), json_schema(pattern=_PRINTABLE_PATTERN)
]
"""A text without control characters. It may be empty."""

NonBlankText = Annotated[
    PrintableText,
    Field(min_length=1),
    AfterValidator(_non_blank),
    json_schema(pattern=NON_BLANK_PATTERN),
]
"""A text without control characters in which at least one character is no white space."""

CurrencyCode = Annotated[
    PrintableText, AfterValidator(_currency_code), json_schema(pattern="^[A-Za-z]{3}$")
]
"""Three letters in any case, as of ISO 4217. Sent in capitals."""

KnownBillingCycle = Annotated[
    str, Strict(), AfterValidator(_billing_cycle), json_schema(enum=list(BILLING_CYCLES))
]
"""A documented billing cycle in any spelling. Sent in the spelling of the wire."""

Duration = Annotated[
    NonBlankText,
    AfterValidator(_duration),
    json_schema(pattern=f"^{_DURATION.pattern}$".replace(r"\d", "[0-9]")),
]
"""An ISO 8601 duration."""

UtcDateTime = Annotated[
    PrintableText, AfterValidator(_utc_date_time), json_schema(format="date-time")
]
"""An RFC 3339 date-time; one without a zone is in UTC. Sent in UTC."""

TextsByName = Annotated[
    dict[str, PrintableText],
    BeforeValidator(_without_nulls, json_schema_input_type=dict[str, PrintableText | None]),
]
"""An object of texts, whose names are kept as they are. A text that is null is left out."""

Quantity = Annotated[int, Strict(), Field(ge=1, le=INT32_MAX), AfterValidator(_within_limit)]
"""A whole number from 1, up to what the operator allows."""

LineId = Annotated[
    int,
    BeforeValidator(_number_of_decimal),
    Strict(),
    Field(ge=0, le=INT32_MAX),
    AfterValidator(_unused_id),
    WithJsonSchema(
        {
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": INT32_MAX,
            "pattern": f"^({_DECIMAL.pattern})$",
        }
    ),
]
"""A whole number, or its digits as a text, that no other line of the cart has. Sent as a number."""
