"""What a caller gets for a checkout: the orders that were made, and the groups that failed.

An order with members that cannot be read is still an order, and an order error that cannot be read
is still an error: the customer pays for the one and did not get the other. See answer_types.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from cart_core.cart.answer_types import (
    AnswerModel,
    BillingCycleOrNull,
    BoolOrNull,
    IntegerOrNull,
    NumberOrNull,
    ObjectOrNull,
    Oddities,
    RenewsToOrNull,
    TextOrNull,
    TextOrNumber,
    TextsOrEmpty,
    TimestampOrNull,
    answer_warnings,
    readable_or,
)
from cart_core.cart.error_codes import Meaning, meaning_of
from cart_core.json_text import write_json
from cart_core.problem import FieldError, Outcome

_ORDERS_NOT_RETRIEVED = FieldError(
    "",
    "orders_not_retrieved",
    "The cart is ordered; Partner Center did not repeat which orders came of it. "
    "Look in its order history.",
)


class NotACheckout(ValueError):
    """What Partner Center sent is not a CartCheckoutResult."""


class NothingOrdered(Exception):
    """Partner Center made no order; `order_errors` are its reasons, normalised."""

    def __init__(self, order_errors: list[dict[str, Any]]) -> None:
        super().__init__("nothing ordered")
        self.order_errors = order_errors


def normalise_checkout(
    document: Any, customer_id: str, cart_id: str, warnings: tuple[FieldError, ...] = ()
) -> dict[str, Any]:
    """The answer a caller gets for a parsed CartCheckoutResult.

    Its warnings are `warnings` (those of the request) and one for each member that cannot be read.
    Raises NotACheckout, and NothingOrdered where there is no order in it.
    """
    oddities = Oddities()
    try:
        checkout = CheckoutAnswer.model_validate(document, context=oddities)
    except (ValidationError, RecursionError):
        raise NotACheckout from None
    if "orders" not in checkout.model_fields_set and (
        "order_errors" not in checkout.model_fields_set or "orderErrors" in oddities
    ):
        raise NotACheckout
    members = checkout.model_dump(by_alias=True)
    errors = members["orderErrors"] = [_judged(error) for error in members["orderErrors"]]
    if not checkout.orders:
        raise NothingOrdered(errors)
    unknown = [error for error in errors if error["outcome"] == Outcome.UNKNOWN]
    warnings = (*warnings, *map(_may_be_ordered, unknown))
    return members | {
        "cartId": cart_id,
        "customerId": customer_id,
        "status": "in_progress" if unknown else "partial" if errors else "completed",
        "warnings": answer_warnings(warnings, oddities),
    }


def ordered_already(
    customer_id: str, cart_id: str, warnings: tuple[FieldError, ...] = ()
) -> dict[str, Any]:
    """The answer for a cart that was ordered before, if Partner Center does not list the orders."""
    return CheckoutAnswer().model_dump(by_alias=True) | {
        "cartId": cart_id,
        "customerId": customer_id,
        "status": "ordered",
        "warnings": answer_warnings((*warnings, _ORDERS_NOT_RETRIEVED)),
    }


def with_groups_not_told(
    body: dict[str, Any], groups: Iterable[str], *, ordered: bool
) -> dict[str, Any]:
    """The answer with a warning for each order group of the cart that it says nothing about.

    `ordered`: the cart is ordered, and so are these groups. Otherwise nobody knows it.
    """
    what = (
        "is ordered, but Partner Center did not repeat its order. Look in its order history."
        if ordered
        else "may be ordered: Partner Center tells neither an order nor an error of it. The same"
        " request finds out; do not order it in another way."
    )
    warnings = [
        FieldError("", "orders_not_retrieved", f"Order group {group!r} {what}").as_json()
        for group in groups
    ]
    status = body["status"] if ordered else "in_progress"
    return body | {"status": status, "warnings": [*body["warnings"], *warnings]}


def with_groups_in_doubt(body: dict[str, Any]) -> dict[str, Any]:
    """The answer while an earlier checkout may order the groups that this one has refused."""
    errors = body["orderErrors"]
    refused = [error for error in errors if error["outcome"] == Outcome.REJECTED]
    if not refused:
        return body
    warnings = [_may_be_ordered(error).as_json() for error in refused]
    return body | {
        "status": "in_progress",
        "orderErrors": [error | {"outcome": Outcome.UNKNOWN} for error in errors],
        "warnings": [*body["warnings"], *warnings],
    }


def _judged(error: dict[str, Any]) -> dict[str, Any]:
    """An order error with what its code says of its group: not ordered, or unknown."""
    known = meaning_of(error["code"], error["description"])
    unreadable = error["code"] is None and error["description"] is None
    unknown = unreadable or (known and known.meaning in (Meaning.ORDER_EXISTS, Meaning.FAILED))
    return error | {"outcome": Outcome.UNKNOWN if unknown else Outcome.REJECTED}


def _may_be_ordered(error: dict[str, Any]) -> FieldError:
    return FieldError(
        "",
        "order_in_progress",
        f"Order group {error['orderGroupId']!r} may be ordered already, or may be ordered yet."
        " The same request finds out; do not order it in another way.",
    )


def _order_errors(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _order_error(value: Any) -> Any:
    if value is None or isinstance(value, dict):
        return value or {}
    return {"description": write_json(value)}


class OrderLineAnswer(AnswerModel):
    """OrderLineItem: one product in an order."""

    line_item_number: IntegerOrNull = None
    offer_id: TextOrNull = None
    subscription_id: TextOrNull = None
    parent_subscription_id: TextOrNull = None
    term_duration: TextOrNull = None
    transaction_type: TextOrNull = None
    friendly_name: TextOrNull = None
    quantity: IntegerOrNull = None
    custom_term_end_date: TimestampOrNull = None
    promotion_id: TextOrNull = None
    pricing: ObjectOrNull = None
    partner_id_on_record: TextOrNull = None
    additional_partner_ids_on_record: Annotated[list[TextOrNumber], readable_or([])] = Field(
        default_factory=list
    )
    provisioning_context: TextsOrEmpty = Field(default_factory=dict)
    renews_to: RenewsToOrNull = None
    attestation_accepted: BoolOrNull = None
    purchase_commitment: ObjectOrNull = None


class OrderAnswer(AnswerModel):
    """Order. Its id is a text that need not be a GUID."""

    id: TextOrNull = None
    alternate_id: TextOrNull = None
    reference_customer_id: TextOrNull = None
    status: TextOrNull = None
    transaction_type: TextOrNull = None
    billing_cycle: BillingCycleOrNull = None
    currency_code: TextOrNull = None
    currency_symbol: TextOrNull = None
    creation_date: TimestampOrNull = None
    total_price: NumberOrNull = None
    partner_on_record_attestation_accepted: BoolOrNull = None
    line_items: Annotated[
        list[Annotated[OrderLineAnswer, readable_or(OrderLineAnswer())]], readable_or([])
    ] = Field(default_factory=list)


class OrderErrorAnswer(AnswerModel):
    """Why an order group (`orderGroup` of a line) was not ordered (OrderError).

    `outcome` is ours: `rejected`, or `unknown` where the group may be ordered all the same.
    """

    dropped = AnswerModel.dropped | {"outcome"}

    order_group_id: TextOrNull = None
    code: TextOrNull = None
    description: TextOrNull = None
    outcome: Literal[Outcome.REJECTED, Outcome.UNKNOWN] = Outcome.REJECTED


class CheckoutAnswer(AnswerModel):
    """CartCheckoutResult. All members but `orders` and `orderErrors` are set by us.

    Members of Partner Center with these names are dropped.
    """

    dropped = AnswerModel.dropped | {"cartid", "customerid", "status", "warnings"}

    cart_id: str = ""
    customer_id: str = ""
    status: Literal["completed", "partial", "in_progress", "ordered"] = "completed"
    orders: list[Annotated[OrderAnswer, readable_or(OrderAnswer())]] = Field(default_factory=list)
    order_errors: Annotated[
        list[Annotated[OrderErrorAnswer, BeforeValidator(_order_error)]],
        BeforeValidator(_order_errors),
        readable_or([OrderErrorAnswer()]),
    ] = Field(default_factory=list)
    warnings: list[FieldError] = Field(default_factory=list)
