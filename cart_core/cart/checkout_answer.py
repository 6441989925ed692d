"""What a caller gets for a checkout: the orders that were made, and the groups that failed.

An order with members that cannot be read is still an order, and an order error that cannot be read
is still an error: the customer pays for the one and did not get the other. See answer_types.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from cart_core.cart.answer_types import (
    AnswerModel,
    BillingCycleOrNull,
    BoolOrNull,
    IntegerOrNull,
    NumberOrNull,
    ObjectOrNull,
    RenewsToOrNull,
    TextOrNull,
    TextOrNumber,
    TextsOrEmpty,
    TimestampOrNull,
    answer_warnings,
    readable_or,
)
from cart_core.problem import FieldError

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
    unreadable: list[str] = []
    try:
        checkout = CheckoutAnswer.model_validate(document, context=unreadable)
    except (ValidationError, RecursionError):
        raise NotACheckout from None
    if "orders" not in checkout.model_fields_set and (
        "order_errors" not in checkout.model_fields_set or "orderErrors" in unreadable
    ):
        raise NotACheckout
    members = checkout.model_dump(by_alias=True)
    if not checkout.orders:
        raise NothingOrdered(members["orderErrors"])
    return members | {
        "cartId": cart_id,
        "customerId": customer_id,
        "status": "partial" if checkout.order_errors else "completed",
        "warnings": answer_warnings(warnings, unreadable),
    }


def ordered_already(
    customer_id: str, cart_id: str, warnings: tuple[FieldError, ...] = ()
) -> dict[str, Any]:
    """The answer for a cart that was ordered before, if Partner Center does not list the orders."""
    return CheckoutAnswer().model_dump(by_alias=True) | {
        "cartId": cart_id,
        "customerId": customer_id,
        "status": "ordered",
        "warnings": answer_warnings((*warnings, _ORDERS_NOT_RETRIEVED), ()),
    }


def _order_error(value: Any) -> Any:
    return value if isinstance(value, dict) else {"description": json.dumps(value)}


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
    """Why an order group (`orderGroup` of a line) was not ordered (OrderError)."""

    order_group_id: TextOrNull = None
    code: TextOrNull = None
    description: TextOrNull = None


class CheckoutAnswer(AnswerModel):
    """CartCheckoutResult. All members but `orders` and `orderErrors` are set by us.

    Members of Partner Center with these names are dropped.
    """

    dropped = AnswerModel.dropped | {"cartid", "customerid", "status", "warnings"}

    cart_id: str = ""
    customer_id: str = ""
    status: Literal["completed", "partial", "ordered"] = "completed"
    orders: list[Annotated[OrderAnswer, readable_or(OrderAnswer())]] = Field(default_factory=list)
    order_errors: Annotated[
        list[Annotated[OrderErrorAnswer, BeforeValidator(_order_error)]],
        readable_or([OrderErrorAnswer()]),
    ] = Field(default_factory=list)
    warnings: list[FieldError] = Field(default_factory=list)
