"""The types that the models of the platforms share: what their JSON spells in several ways."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from cart_core.storefronts.json_body import UnreadableBody


class PlatformModel(BaseModel):
    """A document of a platform. Members that we do not use are ignored, whatever they hold."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


Model = TypeVar("Model", bound=PlatformModel)


def parsed(model: type[Model], body: Mapping[str, Any]) -> Model:
    """The document as the model. Raises UnreadableBody, which names the members that are wrong."""
    try:
        return model.model_validate(body)
    except ValidationError as invalid:
        errors = invalid.errors(include_input=False, include_url=False, include_context=False)
        places = (f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors[:10])
        raise UnreadableBody("; ".join(places)) from None


def _id_text(value: Any) -> Any:
    """An id as text: a whole number may have more digits than a double holds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value and len(value) <= 128 and value.isascii():
        return value if value.isprintable() else _refuse("an id has characters that do not show")
    return _refuse("an id must be a whole number, or a text of 1 to 128 characters of ASCII")


def _refuse(reason: str) -> Any:
    raise ValueError(reason)


def _moment(value: Any) -> Any:
    """A date-time in ISO 8601, in RFC 2822 or in POSIX seconds; without a zone it is in UTC."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError, ValueError):
            _refuse("not a time")
    if not isinstance(value, str):
        _refuse("not a time")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return _refuse("not a time")
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        return _refuse("not a time")


def _count(value: Any) -> int | None:
    """A whole number from 0 (2.0 is one); None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return int(value) if value == int(value) and 0 <= value < 1_000_000_000 else None


def text_or_none(value: Any) -> str | None:
    """A text, or a number as text; None for all else. Fields for people hold any type."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    return str(value)


Id = Annotated[str, BeforeValidator(_id_text)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Count = Annotated[int | None, BeforeValidator(_count)]
OptionalText = Annotated[str | None, BeforeValidator(text_or_none)]


class NamedValue(PlatformModel):
    """A custom field: `name` (or `key`) and `value`, of any type."""

    name: OptionalText = None
    key: OptionalText = None
    value: OptionalText = None


def texts_of(fields: Iterable[NamedValue]) -> dict[str, str]:
    """The texts of the fields by name. Where a name is given twice, both fields stay.

    The second name gets a blank at its end, which is ignored when names are compared. So a reader
    of the fields sees it where their values differ.
    """
    texts: dict[str, str] = {}
    for each in fields:
        name = each.name or each.key
        if name and each.value is not None:
            while name in texts:
                name += " "
            texts[name] = each.value
    return texts
