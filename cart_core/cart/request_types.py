"""The types of the members in a request: what each accepts, and what is sent for it.

Validators of our own say in JSON Schema's keywords what they accept; `description` publishes that.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    Strict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from cart_core.cart.spelling import (
    find_billing_cycle,
    find_segment,
    find_sku,
    format_timestamp,
    parse_timestamp,
)
from cart_core.cart.validation_context import ValidationContext
from cart_core.cart.vocabulary import BILLING_CYCLES, SEGMENTS

INT32_MAX = 2**31 - 1

MAX_DIGITS = 15
"""Digits of an amount that are the same after it has been a double at Partner Center."""

# Characters as ranges of a regular expression, in a form that Python and JSON Schema share.
_REFUSED = r"\u0000-\u001f\u007f-\u009f\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
"""Controls, line separators, what overrides the direction of writing, and zero-width fillers."""
_UNSEEN = (
    r"\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200a\u200c-\u200f"
    r"\u202f\u205f\u2800\u3000\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
)
"""White space but the blank, and what shows nothing alone (Default_Ignorable_Code_Point)."""
_BEYOND_16_BITS = "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
"""More of _REFUSED, which JSON Schema's regular expressions cannot name everywhere."""

_TEXT_PATTERN = f"^[^{_REFUSED}]*[^ {_REFUSED}{_UNSEEN}][^{_REFUSED}]*$"
IDENTIFIER_PATTERN = f"^[^ {_REFUSED}{_UNSEEN}]([^{_REFUSED}{_UNSEEN}]*[^ {_REFUSED}{_UNSEEN}])?$"
"""What Identifier accepts, in JSON Schema's regular expressions."""

_REFUSED_CHARACTER = re.compile(f"[{_REFUSED}{_BEYOND_16_BITS}]")
_UNSEEN_CHARACTER = re.compile(f"[{_REFUSED}{_BEYOND_16_BITS}{_UNSEEN}]")
_SEEN_CHARACTER = re.compile(f"[^ {_REFUSED}{_BEYOND_16_BITS}{_UNSEEN}]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")
_DURATION = re.compile(
    r"P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+S)?)?", re.ASCII
)


def json_schema(**keywords: Any) -> Any:
    """An annotation that adds these keywords to the JSON Schema of a type."""
    return Field(json_schema_extra=keywords)


@dataclass(frozen=True, slots=True)
class Refused:
    """Takes the place of a value in an object, until the value is validated.

    pydantic then raises the error for this one member and goes on with the others.
    """

    error: PydanticCustomError


def refuse(value: Any) -> Any:
    """Raise the error of a Refused; give every other value back."""
    if isinstance(value, Refused):
        raise value.error
    return value


def _text(text: str) -> str:
    if text.isascii() and text.isprintable() and text.strip():
        return text  # as nearly all, and faster
    if error := _error_in(text, _REFUSED_CHARACTER):
        raise error
    return text


def _identifier(text: str) -> str:
    if error := _error_in_identifier(text):
        raise error
    return text


def _error_in_identifier(text: str) -> PydanticCustomError | None:
    if text.isascii() and text.isprintable() and text == text.strip() and text:
        return None  # as for nearly all, and faster
    if error := _error_in(text, _UNSEEN_CHARACTER):
        return error
    if text[0] == " " or text[-1] == " ":
        return PydanticCustomError("invalid_text", "Must not begin or end with white space.")
    return None


def _error_in(text: str, refused: re.Pattern[str]) -> PydanticCustomError | None:
    """The error in an empty text, a blank one, or one with a character that is `refused`."""
    if not text:
        return PydanticCustomError("empty_text", "Must not be empty.")
    if not _SEEN_CHARACTER.search(text):
        return PydanticCustomError("invalid_text", "Must not be blank.")
    if refused.search(text):
        return PydanticCustomError(
            "invalid_text",
            "Must not contain control characters, invisible characters or characters that change "
            "the direction of writing.",
        )
    return None


def error_in_undocumented(name: str, value: Any) -> PydanticCustomError | None:
    """The error of a member that nobody documents: in its name, or in a text at any depth of it."""
    if _error_in_identifier(name):
        return _error_in_name()
    if _can_be_seen(value):
        return None
    return PydanticCustomError(
        "invalid_text",
        "It is, or has in it, a text or a name that is empty, blank or has characters that cannot"
        " be seen. Leave that out or send null.",
    )


def _can_be_seen(value: Any) -> bool:
    """Whether all texts and names in a value show something and hide nothing."""
    if isinstance(value, str):
        return not _error_in(value, _REFUSED_CHARACTER)
    if isinstance(value, dict):
        return not any(map(_error_in_identifier, value)) and all(map(_can_be_seen, value.values()))
    return not isinstance(value, list) or all(map(_can_be_seen, value))


def _currency_code(text: str) -> str:
    _require(text)
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise PydanticCustomError("invalid_format", "Must be a currency of three letters: 'USD'.")
    return text.upper()


def _require(text: str) -> None:
    if not text:
        raise PydanticCustomError("empty_text", "Must not be empty.")


def _billing_cycle(text: str) -> str:
    _require(text)
    if cycle := find_billing_cycle(text):
        return cycle
    raise PydanticCustomError("unknown_value", f"Must be one of: {', '.join(BILLING_CYCLES)}.")


def _segment(text: str) -> str:
    _require(text)
    if segment := find_segment(text):
        return segment
    raise PydanticCustomError("unknown_value", f"Must be one of: {', '.join(SEGMENTS)}.")


def _part_of_sku(text: str) -> str:
    _require(text)
    if not (text.isascii() and text.isalnum()):
        raise PydanticCustomError("invalid_format", "Must be letters and digits only.")
    return text


def _duration(text: str) -> str:
    _require(text)
    if not _DURATION.fullmatch(text):
        raise PydanticCustomError("invalid_format", "Must be an ISO 8601 duration: 'P1Y'.")
    return text


def _utc_date_time(text: str) -> str:
    _require(text)
    try:
        return format_timestamp(parse_timestamp(text), "auto")
    except ValueError:
        raise PydanticCustomError(
            "invalid_format", "Must be an RFC 3339 date-time: '2027-01-31T00:00:00Z'."
        ) from None


def _counted(
    value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[ValidationContext]
) -> Any:
    """Validate an item of an array, and count its errors."""
    context = info.context
    errors_before = context.errors
    try:
        return handler(value)
    except ValidationError as invalid:
        context.errors = errors_before + invalid.error_count()
        raise


_SHORT = 20
"""An array of at most so many items is validated as a whole or not at all, which is faster."""


def until_enough(value: Any, info: ValidationInfo[ValidationContext]) -> Any:
    """The items of an array as long as they are worth a look; see ValidationContext.enough."""
    if not isinstance(value, list):
        return value
    if len(value) > _SHORT:
        return _items(value, info.context)
    return [] if info.context.enough else value


def _items(value: list[Any], context: ValidationContext) -> Iterator[Any]:
    for item in value:
        if context.enough:
            return
        yield item


COUNTED = WrapValidator(_counted)
"""An annotation of the items of an array: their errors are counted."""


def _named_texts(value: Any, info: ValidationInfo[ValidationContext]) -> Any:
    """The object without nulls, in which each value that is wrong, or its name, is a Refused."""
    if not isinstance(value, dict):
        return value
    context = info.context
    texts: dict[str, Any] = {}
    for name, item in value.items():
        if item is None:
            continue
        texts[name] = item
        if _error_in_identifier(name):
            texts[name] = Refused(_error_in_name())
        elif isinstance(item, str) and (error := _error_in_identifier(item)):
            texts[name] = Refused(error)
        elif isinstance(item, str):
            continue
        context.errors += 1
        if context.enough:
            break
    return texts


def _error_in_name() -> PydanticCustomError:
    return PydanticCustomError(
        "invalid_name",
        "The name must not be empty or blank, begin or end with white space, or contain control "
        "characters or invisible ones.",
    )


def _number_of_decimal(value: Any) -> Any:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    return value


def _amount(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PydanticCustomError("wrong_type", "Must be a number without quotes.")
    amount = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if amount <= 0:
        raise PydanticCustomError("out_of_range", "Must be more than 0.")
    digits = str(amount).partition("E")[0].replace(".", "").strip("0")
    if len(digits) > MAX_DIGITS:
        raise PydanticCustomError(
            "out_of_range",
            "Must have at most {limit} digits, because a double has no more.",
            {"limit": MAX_DIGITS},
        )
    return amount


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


Text = Annotated[str, Strict(), AfterValidator(_text), json_schema(pattern=_TEXT_PATTERN)]
"""A text for people. It shows something, and hides nothing."""

Identifier = Annotated[
    str, Strict(), AfterValidator(_identifier), json_schema(pattern=IDENTIFIER_PATTERN)
]
"""A text for programs: every character of it can be seen, but for blanks inside."""

CurrencyCode = Annotated[
    str, Strict(), AfterValidator(_currency_code), json_schema(pattern="^[A-Za-z]{3}$")
]
"""Three letters in any case, as of ISO 4217. Sent in capitals."""

KnownBillingCycle = Annotated[
    str, Strict(), AfterValidator(_billing_cycle), json_schema(enum=list(BILLING_CYCLES))
]
"""A documented billing cycle in any spelling. Sent in the spelling of the wire."""

KnownSegment = Annotated[str, Strict(), AfterValidator(_segment), json_schema(enum=list(SEGMENTS))]
"""A customer segment in any case. It is not sent; the catalogue is asked for it."""

PartOfSku = Annotated[
    str, Strict(), AfterValidator(_part_of_sku), json_schema(pattern="^[A-Za-z0-9]+$")
]
"""The id of a product or of a SKU in it."""

CatalogItemId = Annotated[
    str,
    Strict(),
    AfterValidator(_identifier),
    AfterValidator(lambda text: find_sku(text) or text),
    json_schema(pattern=IDENTIFIER_PATTERN),
]
"""`Product:Sku:Availability`, or a SKU as `Product:Sku`, which is written in one spelling."""

Duration = Annotated[
    str,
    Strict(),
    AfterValidator(_duration),
    json_schema(pattern=f"^{_DURATION.pattern}$".replace(r"\d", "[0-9]")),
]
"""An ISO 8601 duration."""

UtcDateTime = Annotated[
    str, Strict(), AfterValidator(_utc_date_time), json_schema(format="date-time")
]
"""An RFC 3339 date-time; one without a zone is in UTC. Sent in UTC."""

TextsByName = Annotated[
    dict[str, Annotated[str, Strict(), BeforeValidator(refuse)]],
    BeforeValidator(
        _named_texts,
        json_schema_input_type=Annotated[
            dict[str, Identifier | None],
            json_schema(propertyNames={"pattern": IDENTIFIER_PATTERN}),
        ],
    ),
]
"""An object of texts, whose names are kept as they are. A text that is null is left out."""

Quantity = Annotated[int, Strict(), Field(ge=1, le=INT32_MAX), AfterValidator(_within_limit)]
"""A whole number from 1, up to what the operator allows."""

Amount = Annotated[
    Decimal,
    PlainValidator(_amount),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
"""An amount of money. It is sent in the digits in which it was given."""

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
