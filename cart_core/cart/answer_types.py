"""The types of the members in Partner Center's answers, and the base of the models of answers.

Microsoft's pages, SDK and service disagree on spellings and types (`creationTimeStamp`, line ids as
text, renewsTo as an array, error codes as numbers). All of these are read, and one is written. A
member that cannot be read becomes null (or empty), and a warning names it: the cart or the order
that it belongs to exists all the same, and must not be lost.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from cart_core.cart.spelling import (
    find_billing_cycle,
    format_timestamp,
    is_unset_date,
    parse_timestamp,
    single_renews_to,
    wire_names,
)
from cart_core.json_text import write_json
from cart_core.problem import FieldError


def readable_or(default: Any) -> WrapValidator:
    """An annotation: a member that cannot be read becomes `default`.

    The member's name is appended to the validation context, a list.
    """

    def read(
        value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[list[str]]
    ) -> Any:
        try:
            return handler(value)
        except ValidationError:
            info.context.append(to_camel(info.field_name or ""))
            return default

    return WrapValidator(read)


def answer_warnings(
    request_warnings: Iterable[FieldError], unreadable: Iterable[str]
) -> list[dict[str, Any]]:
    """The `warnings` of an answer: those of the request, then one for each unreadable member."""
    names = dict.fromkeys(unreadable)
    unreadable_warnings = (
        FieldError("", "unreadable_member", f"Partner Center's '{name}' could not be read.")
        for name in names
    )
    return [warning.as_json() for warning in (*request_warnings, *unreadable_warnings)]


def _number_as_text(value: Any) -> Any:
    """Ids and codes are numbers on some of Microsoft's pages and texts on others."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _timestamp(text: str) -> str | None:
    return None if is_unset_date(text) else format_timestamp(parse_timestamp(text))


def _billing_cycle(text: str) -> str:
    return find_billing_cycle(text) or text


def _values_as_texts(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: item if isinstance(item, str) else write_json(item)
        for key, item in value.items()
        if item is not None
    }


def _without_envelope(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if name.lower() not in AnswerModel.dropped}


TextOrNumber = Annotated[str, BeforeValidator(_number_as_text)]
"""A text, or a whole number that becomes its digits."""

TextOrNull = Annotated[TextOrNumber | None, readable_or(None)]
IntegerOrNull = Annotated[int | None, readable_or(None)]
NumberOrNull = Annotated[
    Annotated[Decimal, WithJsonSchema({"type": "number"})] | None, readable_or(None)
]
"""A number with the digits in which Partner Center wrote it."""
BoolOrNull = Annotated[bool | None, readable_or(None)]

TimestampOrNull = Annotated[
    Annotated[str, AfterValidator(_timestamp), Field(json_schema_extra={"format": "date-time"})]
    | None,
    readable_or(None),
]
"""A date-time in UTC with microseconds. .NET's default date becomes null."""

BillingCycleOrNull = Annotated[
    Annotated[TextOrNumber, AfterValidator(_billing_cycle)] | None, readable_or(None)
]
"""A billing cycle in the spelling of the wire; one that is not documented stays as it is."""

TextsOrEmpty = Annotated[dict[str, str], BeforeValidator(_values_as_texts), readable_or({})]
"""An object of texts. Another value becomes its JSON, and null is left out."""

ObjectOrNull = Annotated[
    Annotated[dict[str, Any], BeforeValidator(_without_envelope)] | None, readable_or(None)
]
"""An object that is passed on as it is, but for Partner Center's envelope."""


class AnswerModel(BaseModel):
    """A JSON object of Partner Center as it answers. Members that it adds later are passed on."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        json_schema_serialization_defaults_required=True,  # every member is always present
    )

    dropped: ClassVar[frozenset[str]] = frozenset({"attributes", "links"})
    """Lower-case names that are not passed on: Partner Center's envelope, of no use to a caller."""

    @model_validator(mode="before")
    @classmethod
    def _match_names(cls, members: Any) -> Any:
        if not isinstance(members, dict):
            return members
        names = wire_names(cls)
        return {
            names.get(given.lower(), given): value
            for given, value in members.items()
            if given.lower() not in cls.dropped
            and (value is not None or given.lower() not in names)
        }


class RenewsToAnswer(AnswerModel):
    """What a trial turns into when it ends."""

    term_duration: TextOrNull = None


RenewsToOrNull = Annotated[
    RenewsToAnswer | None, BeforeValidator(single_renews_to), readable_or(None)
]
