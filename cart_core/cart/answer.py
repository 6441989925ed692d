"""The cart a caller gets: Partner Center's cart with every member present and one spelling each.

A cart that exists is never lost to a member that cannot be read; see answer_members.
"""

import json
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from cart_core.cart.answer_types import (
    Answer,
    Bag,
    BillingCycle,
    Flag,
    Integer,
    RenewsTo,
    Text,
    Texts,
    Timestamp,
    readable_or,
    told,
)
from cart_core.cart.spelling import participant_pairs, without_separators
from cart_core.cart.vocabulary import CART_STATUSES, LINE_ERRORS
from cart_core.problem import FieldError


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
    return cart.model_dump(by_alias=True) | {
        "customerId": customer_id,
        "orderable": "addonItems" not in unreadable and not any(map(_failed, cart.line_items)),
        "links": {"self": cart_path(customer_id, cart.id)},
        "warnings": told(warnings, unreadable),
    }


def cart_path(customer_id: str, cart_id: str) -> str:
    """The path of a cart in this API."""
    return f"/api/customers/{customer_id}/carts/{quote(cart_id, safe='')}"


def _failed(line: "LineItemAnswer") -> bool:
    return line.error is not None or any(_failed(addon) for addon in line.addon_items)


def _status(text: str) -> str:
    return {status.lower(): status for status in CART_STATUSES}.get(text.lower(), text)


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


class ParticipantAnswer(Answer):
    """One participant on the purchase."""

    key: Text = None
    value: Text = None


class LineErrorAnswer(Answer):
    """Why a line cannot be ordered (CartError)."""

    code: Text = None
    name: str | None = None
    description: Text = None
    additional_information: Annotated[dict[str, Any], readable_or({})] = Field(default_factory=dict)


class LineItemAnswer(Answer):
    """CartLineItem."""

    id: Integer = None
    catalog_item_id: Text = None
    friendly_name: Text = None
    quantity: Integer = None
    currency_code: Text = None
    billing_cycle: BillingCycle = None
    term_duration: Text = None
    participants: Annotated[
        list[ParticipantAnswer], BeforeValidator(participant_pairs), readable_or([])
    ] = Field(default_factory=list)
    provisioning_context: Texts = Field(default_factory=dict)
    order_group: Text = None
    addon_items: "Annotated[list[LineItemAnswer], readable_or([])]" = Field(default_factory=list)
    renews_to: RenewsTo = None
    promotion_id: Text = None
    custom_term_end_date: Timestamp = None
    attestation_accepted: Flag = None
    pricing: Bag = None
    purchase_commitment: Bag = None
    purchase_system: Text = None
    error: Annotated[LineErrorAnswer, BeforeValidator(_line_error)] | None = None


class LinksAnswer(BaseModel):
    """Where the cart is in this API."""

    self: str


_NOWHERE = LinksAnswer(self="")


class CartAnswer(Answer):
    """Cart. `customerId`, `orderable`, `links` and `warnings` are ours, never Partner Center's."""

    dropped = Answer.dropped | {"customerid", "orderable", "warnings"}

    id: Annotated[str, Field(min_length=1)]
    customer_id: str = ""
    status: Annotated[Annotated[str, AfterValidator(_status)] | None, readable_or(None)] = None
    creation_timestamp: Timestamp = None
    last_modified_timestamp: Timestamp = None
    expiration_timestamp: Timestamp = None
    last_modified_user: Text = None
    partner_on_record_attestation_accepted: Flag = None
    orderable: bool = True
    line_items: list[LineItemAnswer]
    links: LinksAnswer = Field(default_factory=lambda: _NOWHERE)  # a default would be copied
    warnings: list[FieldError] = Field(default_factory=list)
