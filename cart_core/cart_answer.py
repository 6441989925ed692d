"""The cart a caller gets: Partner Center's cart with every member present and one spelling each.

Microsoft's pages, SDK and service disagree on spellings and types (`creationTimeStamp`, line ids as
text, renewsTo as an array, error codes as numbers). Read here is any of them; written is one. A
cart that exists is never lost to a member that cannot be read: such a member is null and a warning
says so.
"""

import json
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

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

from cart_core.problem import FieldError
from cart_core.spelling import (
    billing_cycle,
    format_timestamp,
    is_unset,
    parse_timestamp,
    participant_pairs,
    single,
    wire_names,
    without_separators,
)
from cart_core.vocabulary import CART_STATUSES, LINE_ERRORS


class NotACart(Exception):
    """What Partner Center sent is no cart: not an object with an id and line items."""


def normalise_cart(
    document: Any, customer_id: str, warnings: tuple[FieldError, ...] = ()
) -> dict[str, Any]:
    """The normalised cart for a parsed Partner Center cart; `warnings` are passed on in it.

    Raises NotACart.
    """
    unreadable: list[str] = []
    try:
        cart = CartAnswer.model_validate(document, context=unreadable)
    except (ValidationError, RecursionError):
        raise NotACart from None
    told = [*warnings, *(_unreadable(name) for name in dict.fromkeys(unreadable))]
    return cart.model_dump(by_alias=True) | {
        "customerId": customer_id,
        "orderable": "addonItems" not in unreadable and not any(map(_failed, cart.line_items)),
        "links": {"self": cart_path(customer_id, cart.id)},
        "warnings": [warning.as_json() for warning in told],
    }


def cart_path(customer_id: str, cart_id: str) -> str:
    """The path of a cart in this API."""
    return f"/api/customers/{customer_id}/carts/{quote(cart_id, safe='')}"


def _failed(line: "LineItemAnswer") -> bool:
    return line.error is not None or any(_failed(addon) for addon in line.addon_items)


def _unreadable(name: str) -> FieldError:
    return FieldError("", "unreadable_member", f"Partner Center's '{name}' could not be read.")


def _readable_or(default: Any) -> WrapValidator:
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


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _timestamp(text: str) -> str | None:
    return None if is_unset(text) else format_timestamp(parse_timestamp(text))


def _status(text: str) -> str:
    return {status.lower(): status for status in CART_STATUSES}.get(text.lower(), text)


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


def _line_error(value: Any) -> Any:
    """CartError under our names; its code is a number on the wire and an enum's name in the SDK."""
    if not isinstance(value, dict):
        return {"description": json.dumps(value)}
    error = {
        _LINE_ERROR_NAMES.get(given.lower(), given): item
        for given, item in value.items()
        if given.lower() != "name"
    }
    code = error.get("code")
    if isinstance(code, str):
        code = _LINE_ERROR_CODES.get(without_separators(code), code)
    return error | {"code": code, "name": LINE_ERRORS.get(str(code))}


_LINE_ERROR_NAMES = {"errorcode": "code", "code": "code", "errordescription": "description"}
_LINE_ERROR_CODES = {name.lower(): code for code, name in LINE_ERRORS.items()}

Text = Annotated[Annotated[str, BeforeValidator(_number_as_text)] | None, _readable_or(None)]
Integer = Annotated[int | None, _readable_or(None)]
Flag = Annotated[bool | None, _readable_or(None)]
Timestamp = Annotated[Annotated[str, AfterValidator(_timestamp)] | None, _readable_or(None)]
Bag = Annotated[
    Annotated[dict[str, Any], BeforeValidator(_without_envelope)] | None, _readable_or(None)
]


class Answer(BaseModel):
    """A JSON object of Partner Center as it answers; members it adds later are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)

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


class ParticipantAnswer(Answer):
    """One participant on the purchase."""

    key: Text = None
    value: Text = None


class RenewsToAnswer(Answer):
    """What a trial turns into when it ends."""

    term_duration: Text = None


class LineErrorAnswer(Answer):
    """Why a line cannot be ordered (CartError)."""

    code: Text = None
    name: str | None = None
    description: Text = None
    additional_information: Annotated[dict[str, Any], _readable_or({})] = Field(
        default_factory=dict
    )


class LineItemAnswer(Answer):
    """CartLineItem."""

    id: Integer = None
    catalog_item_id: Text = None
    friendly_name: Text = None
    quantity: Integer = None
    currency_code: Text = None
    billing_cycle: Annotated[
        Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_billing_cycle)] | None,
        _readable_or(None),
    ] = None
    term_duration: Text = None
    participants: Annotated[
        list[ParticipantAnswer], BeforeValidator(participant_pairs), _readable_or([])
    ] = Field(default_factory=list)
    provisioning_context: Annotated[dict[str, str], BeforeValidator(_texts), _readable_or({})] = (
        Field(default_factory=dict)
    )
    order_group: Text = None
    addon_items: "Annotated[list[LineItemAnswer], _readable_or([])]" = Field(default_factory=list)
    renews_to: Annotated[RenewsToAnswer | None, BeforeValidator(single), _readable_or(None)] = None
    promotion_id: Text = None
    custom_term_end_date: Timestamp = None
    attestation_accepted: Flag = None
    pricing: Bag = None
    purchase_commitment: Bag = None
    error: Annotated[LineErrorAnswer, BeforeValidator(_line_error)] | None = None


class CartAnswer(Answer):
    """Cart. `customerId`, `orderable`, `links` and `warnings` are ours, never Partner Center's."""

    dropped = Answer.dropped | {"customerid", "orderable", "warnings"}

    id: Annotated[str, Field(min_length=1)]
    customer_id: str = ""
    status: Annotated[Annotated[str, AfterValidator(_status)] | None, _readable_or(None)] = None
    creation_timestamp: Timestamp = None
    last_modified_timestamp: Timestamp = None
    expiration_timestamp: Timestamp = None
    last_modified_user: Text = None
    partner_on_record_attestation_accepted: Flag = None
    orderable: bool = True
    line_items: list[LineItemAnswer]
    links: dict[str, str] = Field(default_factory=dict)
    warnings: list[dict[str, str]] = Field(default_factory=list)
