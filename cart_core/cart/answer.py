"""The cart a caller gets: Partner Center's cart, with every member present and in one spelling.

A member that cannot be read does not make the whole cart unreadable; see answer_types.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from cart_core.cart.answer_types import (
    FREE_VALUE,
    AnswerModel,
    BillingCycleOrNull,
    BoolOrNull,
    IntegerOrNull,
    NumberOrNull,
    ObjectOrNull,
    Oddities,
    RenewsToOrNull,
    TextOrNull,
    TextsOrEmpty,
    TimestampOrNull,
    answer_warnings,
    readable_or,
)
from cart_core.cart.expected_lines import differences, expected_lines
from cart_core.cart.spelling import participant_pairs, without_separators
from cart_core.cart.vocabulary import CART_ERROR_NAMES, CART_STATUSES
from cart_core.json_text import write_json
from cart_core.problem import MAX_REPORTED_ERRORS, FieldError


class NotACart(ValueError):
    """What Partner Center sent is not a cart: it is not an object with an id and line items."""


def normalise_cart(
    document: Any,
    customer_id: str,
    warnings: tuple[FieldError, ...] = (),
    asked: Iterable[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The cart a caller gets for a parsed cart of Partner Center.

    Its warnings are `warnings` (those of the request), one for each member that cannot be read, and
    one for each line in which it differs from the line items that were asked for.
    It is orderable when no line or add-on has an error, and all add-ons can be read. Raises
    NotACart.
    """
    oddities = Oddities()
    try:
        cart = CartAnswer.model_validate(document, context=oddities)
    except (ValidationError, RecursionError):
        raise NotACart from None
    answer = cart.model_dump(by_alias=True)
    if asked is not None:
        found = differences(expected_lines(asked), answer["lineItems"])
        warnings = (*warnings, *found[:MAX_REPORTED_ERRORS])
    return answer | {
        "customerId": customer_id,
        "orderable": "addonItems" not in oddities and not any(map(_has_error, cart.line_items)),
        "links": {"self": cart_path(customer_id, cart.id)},
        "warnings": answer_warnings(warnings, oddities),
    }


def cart_path(customer_id: str, cart_id: str) -> str:
    """The path of a cart in this API."""
    return f"/api/customers/{customer_id}/carts/{quote(cart_id, safe='')}"


def _has_error(line: "LineItemAnswer") -> bool:
    return line.error is not None or any(_has_error(addon) for addon in line.addon_items)


def _status(text: str) -> str:
    return {status.lower(): status for status in CART_STATUSES}.get(text.lower(), text)


def _line_error(value: Any) -> Any:
    """CartError under our names. Its code is a number on the wire and an enum's name in the SDK.

    What is not an object becomes the description, so that the line still has an error.
    """
    if not isinstance(value, dict):
        return {"description": write_json(value)}
    error = {
        _LINE_ERROR_MEMBERS.get(given.lower(), given): item
        for given, item in value.items()
        if given.lower() != "name"
    }
    code = error.get("code")
    if isinstance(code, str):
        code = _CODES_BY_NAME.get(without_separators(code), code)
    return error | {"code": code, "name": CART_ERROR_NAMES.get(str(code))}


_LINE_ERROR_MEMBERS = {"errorcode": "code", "code": "code", "errordescription": "description"}
_CODES_BY_NAME = {name.lower(): code for code, name in CART_ERROR_NAMES.items()}


class ParticipantAnswer(AnswerModel):
    """One participant on the purchase."""

    key: TextOrNull = None
    value: TextOrNull = None


class LineErrorAnswer(AnswerModel):
    """Why a line cannot be ordered (CartError)."""

    code: TextOrNull = None
    name: str | None = None
    description: TextOrNull = None
    additional_information: Annotated[dict[str, Any], FREE_VALUE, readable_or({})] = Field(
        default_factory=dict
    )


class PurchaseCommitmentAnswer(AnswerModel):
    """The commitment of an Azure savings plan."""

    amount: NumberOrNull = None
    currency: TextOrNull = None
    grain: TextOrNull = None


class LineItemAnswer(AnswerModel):
    """CartLineItem: one product in the cart."""

    aliases: ClassVar[Mapping[str, str]] = {"catalogid": "catalogItemId"}

    id: IntegerOrNull = None
    catalog_item_id: TextOrNull = None
    friendly_name: TextOrNull = None
    quantity: IntegerOrNull = None
    currency_code: TextOrNull = None
    billing_cycle: BillingCycleOrNull = None
    term_duration: TextOrNull = None
    participants: Annotated[
        list[ParticipantAnswer], BeforeValidator(participant_pairs), readable_or([])
    ] = Field(default_factory=list)
    provisioning_context: TextsOrEmpty = Field(default_factory=dict)
    order_group: TextOrNull = None
    addon_items: "Annotated[list[LineItemAnswer], readable_or([])]" = Field(default_factory=list)
    renews_to: RenewsToOrNull = None
    promotion_id: TextOrNull = None
    custom_term_end_date: TimestampOrNull = None
    attestation_accepted: BoolOrNull = None
    pricing: ObjectOrNull = None
    purchase_commitment: Annotated[PurchaseCommitmentAnswer | None, readable_or(None)] = None
    purchase_system: TextOrNull = None
    error: Annotated[LineErrorAnswer, BeforeValidator(_line_error)] | None = None


class LinksAnswer(BaseModel):
    """Where the cart is in this API."""

    self: str


_NO_LINKS = LinksAnswer(self="")


class CartAnswer(AnswerModel):
    """Cart. `customerId`, `orderable`, `links` and `warnings` are set by us.

    Members of Partner Center with these names are dropped.
    """

    dropped = AnswerModel.dropped | {"customerid", "orderable", "warnings"}

    id: Annotated[str, Field(min_length=1)]
    customer_id: str = ""
    status: Annotated[Annotated[str, AfterValidator(_status)] | None, readable_or(None)] = None
    creation_timestamp: TimestampOrNull = None
    last_modified_timestamp: TimestampOrNull = None
    expiration_timestamp: TimestampOrNull = None
    last_modified_user: TextOrNull = None
    partner_on_record_attestation_accepted: BoolOrNull = None
    orderable: bool = True
    line_items: list[LineItemAnswer]
    links: LinksAnswer = Field(
        default_factory=lambda: _NO_LINKS
    )  # pydantic would copy a plain default each time
    warnings: list[FieldError] = Field(default_factory=list)
