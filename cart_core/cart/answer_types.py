"""The types of the members in Partner Center's answers, and the base of the models of answers.

Microsoft's pages, SDK and service disagree on spellings and types (`creationTimeStamp`, line ids as
text, renewsTo as an array, error codes as numbers). All of these are read, and one is written. A
member that cannot be read becomes null (or empty), and a warning names it: the cart or the order
that it belongs to exists all the same, and must not be lost.
"""

from collections.abc import Iterable, Mapping
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


class Oddities(list[str]):
    """The names of members that could not be read, and in `ambiguous` of those given twice.

    It is the context of a validation, which adds to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ambiguous: list[str] = []


_Info = ValidationInfo[Oddities]


def readable_or(default: Any) -> WrapValidator:
    """An annotation: a member that cannot be read becomes `default`.

    The member's name is appended to the validation context, a list.
    """

    def read(value: Any, handler: ValidatorFunctionWrapHandler, info: _Info) -> Any:
        try:
            return handler(value)
        except ValidationError:
            info.context.append(to_camel(info.field_name or ""))
            return default

    return WrapValidator(read)


def answer_warnings(
    request_warnings: Iterable[FieldError], oddities: Oddities | None = None
) -> list[dict[str, Any]]:
    """The `warnings` of an answer: those of the request, then one for each oddity."""
    oddities = Oddities() if oddities is None else oddities
    unreadable = (
        FieldError("", "unreadable_member", f"Partner Center's '{name}' could not be read.")
        for name in dict.fromkeys(oddities)
    )
    ambiguous = (
        FieldError(
            "",
            "ambiguous_member",
            f"Partner Center gave '{name}' twice, in two spellings and with two values. The first "
            "is here; of two lists, both are.",
        )
        for name in dict.fromkeys(oddities.ambiguous)
    )
    return [warning.as_json() for warning in (*request_warnings, *unreadable, *ambiguous)]


def _number_as_text(value: Any) -> Any:
    """Ids and codes are numbers on some of Microsoft's pages and texts on others."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _timestamp(text: str) -> str | None:
    return None if is_unset_date(text) else format_timestamp(parse_timestamp(text))


def _billing_cycle(text: str) -> str:
    return find_billing_cycle(text) or text


MAX_FREE_DEPTH = 8
"""Levels of a value that is passed on as it is, so that a cart that is put back is not too deep."""


def _free_value(value: Any, info: _Info) -> Any:
    """A value to pass on as it is, but with one spelling of each name. Raises ValueError."""
    if isinstance(value, dict | list):
        return _once_named(value, info.context, 1)
    return value


def _once_named(value: Any, oddities: Oddities, depth: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if depth > MAX_FREE_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [_once_named(item, oddities, depth + 1) for item in value]
    kept: dict[str, Any] = {}
    spelt: dict[str, str] = {}
    for name, item in value.items():
        first = spelt.setdefault(name.lower(), name)
        if first == name:
            kept[name] = _once_named(item, oddities, depth + 1)
        elif item != value[first]:
            oddities.ambiguous.append(first)
    return kept


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


FREE_VALUE = BeforeValidator(_free_value)
"""An annotation of values that are passed on as they are."""


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

TextsOrEmpty = Annotated[
    dict[str, str], BeforeValidator(_values_as_texts), FREE_VALUE, readable_or({})
]
"""An object of texts. Another value becomes its JSON, and null is left out."""

ObjectOrNull = Annotated[
    Annotated[dict[str, Any], BeforeValidator(_without_envelope), FREE_VALUE] | None,
    readable_or(None),
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

    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names of documented members: lower-case alias -> documented name."""

    @model_validator(mode="before")
    @classmethod
    def _match_names(cls, members: Any, info: _Info) -> Any:
        """The members under one name each, without nulls that say the same as no member."""
        if not isinstance(members, dict):
            return members
        names = wire_names(cls)
        matched: dict[str, Any] = {}
        others: dict[str, str] = {}
        for given, value in members.items():
            lower = given.lower()
            name = names.get(lower) or cls.aliases.get(lower)
            if lower in cls.dropped or (name and value is None):
                continue
            if name is None:
                name = others.setdefault(lower, given)
                said = _passed_on(given, value, info.context)
            else:
                said = value
            if name not in matched:
                matched[name] = said
            elif matched[name] != said:
                matched[name] = _both(name, matched[name], said, info.context)
        return matched


def _passed_on(name: str, value: Any, oddities: Oddities) -> Any:
    """The value of a member that is not documented; null where it is nested too deeply."""
    try:
        return _once_named(value, oddities, 1)
    except ValueError:
        oddities.append(name)
        return None


def _both(name: str, value: Any, other: Any, oddities: Oddities) -> Any:
    """What becomes of two values of one member: two lists are joined, else the first value stays.

    Lists are joined because no line that is bought, and no error of a line, may be lost.
    """
    oddities.ambiguous.append(name)
    return [*value, *other] if isinstance(value, list) and isinstance(other, list) else value


class RenewsToAnswer(AnswerModel):
    """What a trial turns into when it ends."""

    term_duration: TextOrNull = None


RenewsToOrNull = Annotated[
    RenewsToAnswer | None, BeforeValidator(single_renews_to), readable_or(None)
]
