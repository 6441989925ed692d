"""What Partner Center's answers have in common: how their members are read.

Microsoft's pages, SDK and service disagree on spellings and types (`creationTimeStamp`, line ids as
text, renewsTo as an array, error codes as numbers). Read here is any of them; written is one. A
member that cannot be read is null, and a warning says so: what it belongs to exists all the same.
"""

import json
from collections.abc import Iterable
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
    WrapValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from cart_core.cart.spelling import (
    billing_cycle,
    format_timestamp,
    is_unset,
    parse_timestamp,
    single,
    wire_names,
)
from cart_core.problem import FieldError


def readable_or(default: Any) -> WrapValidator:
    """A member that cannot be read becomes `default`, and its name goes into the context."""

    def read(
        value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[list[str]]
    ) -> Any:
        try:
            return handler(value)
        except ValidationError:
            info.context.append(to_camel(info.field_name or ""))
            return default

    return WrapValidator(read)


def told(warnings: Iterable[FieldError], unreadable: Iterable[str]) -> list[dict[str, Any]]:
    """The `warnings` of an answer: those of the request, and one for each unreadable member."""
    names = dict.fromkeys(unreadable)
    mine = (
        FieldError("", "unreadable_member", f"Partner Center's '{name}' could not be read.")
        for name in names
    )
    return [warning.as_json() for warning in (*warnings, *mine)]


def number_as_text(value: Any) -> Any:
    """Ids and codes are numbers on some of Microsoft's pages and texts on others."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _timestamp(text: str) -> str | None:
    return None if is_unset(text) else format_timestamp(parse_timestamp(text))


def _billing_cycle(text: str) -> str:
    return billing_cycle(text) or text


def _texts(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: item if isinstance(item, str) else json.dumps(item)
        for key, item in value.items()
        if item is not None
    }


def _without_envelope(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if name.lower() not in Answer.dropped}


Word = Annotated[str, BeforeValidator(number_as_text)]
Text = Annotated[Word | None, readable_or(None)]
Integer = Annotated[int | None, readable_or(None)]
Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, readable_or(None)]
Flag = Annotated[bool | None, readable_or(None)]
Timestamp = Annotated[
    Annotated[str, AfterValidator(_timestamp), Field(json_schema_extra={"format": "date-time"})]
    | None,
    readable_or(None),
]
BillingCycle = Annotated[Annotated[Word, AfterValidator(_billing_cycle)] | None, readable_or(None)]
Texts = Annotated[dict[str, str], BeforeValidator(_texts), readable_or({})]
Bag = Annotated[
    Annotated[dict[str, Any], BeforeValidator(_without_envelope)] | None, readable_or(None)
]


class Answer(BaseModel):
    """A JSON object of Partner Center as it answers; members it adds later are kept."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        json_schema_serialization_defaults_required=True,  # every member is always present
    )

    dropped: ClassVar[frozenset[str]] = frozenset({"attributes", "links"})
    """Partner Center's envelope, of no use to a caller of this API."""

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


class RenewsToAnswer(Answer):
    """What a trial turns into when it ends."""

    term_duration: Text = None


RenewsTo = Annotated[RenewsToAnswer | None, BeforeValidator(single), readable_or(None)]
