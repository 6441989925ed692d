"""What a caller gets for a checkout: the orders that were made, and the groups that failed.

An order that exists is never lost to a member that cannot be read, and a group that failed is never
taken for one that did not; see answer_members.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from cart_core.cart.answer_types import (
    Answer,
    Bag,
    BillingCycle,
    Flag,
    Integer,
    Number,
    RenewsTo,
    Text,
    Texts,
    Timestamp,
    Word,
    readable_or,
    told,
)
from cart_core.problem import FieldError

_ORDERS_NOT_RETRIEVED = FieldError(
    "",
    "orders_not_retrieved",
    "The cart is ordered; Partner Center did not repeat which orders came of it. "
    "Look in its order history.",
)


class NotACheckout(Exception):
    """What Partner Center sent is no CartCheckoutResult."""


class NothingOrdered(Exception):
    """Partner Center made no order; `order_errors` are its reasons, normalised."""

    def __init__(self, order_errors: list[dict[str, Any]]) -> None:
        super().__init__("nothing ordered")
        self.order_errors = order_errors


def normalise_checkout(
    document: Any, customer_id: str, cart_id: str, warnings: tuple[FieldError, ...] = ()
) -> dict[str, Any]:
    """The normalised answer for a parsed CartCheckoutResult; `warnings` are passed on in it.

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
        "warnings": told(warnings, unreadable),
    }


def ordered_already(
    customer_id: str, cart_id: str, warnings: tuple[FieldError, ...] = ()
) -> dict[str, Any]:
    """The answer for a cart that is ordered, where Partner Center does not say into what."""
    return CheckoutAnswer().model_dump(by_alias=True) | {
        "cartId": cart_id,
        "customerId": customer_id,
        "status": "ordered",
        "warnings": told((*warnings, _ORDERS_NOT_RETRIEVED), ()),
    }


def _order_error(value: Any) -> Any:
    return value if isinstance(value, dict) else {"description": json.dumps(value)}


class OrderLineAnswer(Answer):
    """OrderLineItem."""

    line_item_number: Integer = None
    offer_id: Text = None
    subscription_id: Text = None
    parent_subscription_id: Text = None
    term_duration: Text = None
    transaction_type: Text = None
    friendly_name: Text = None
    quantity: Integer = None
    custom_term_end_date: Timestamp = None
    promotion_id: Text = None
    pricing: Bag = None
    partner_id_on_record: Text = None
    additional_partner_ids_on_record: Annotated[list[Word], readable_or([])] = Field(
        default_factory=list
    )
    provisioning_context: Texts = Field(default_factory=dict)
    renews_to: RenewsTo = None
    attestation_accepted: Flag = None
    purchase_commitment: Bag = None


class OrderAnswer(Answer):
    """Order. Its id may be a GUID or not."""

    id: Text = None
    alternate_id: Text = None
    reference_customer_id: Text = None
    status: Text = None
    transaction_type: Text = None
    billing_cycle: BillingCycle = None
    currency_code: Text = None
    currency_symbol: Text = None
    creation_date: Timestamp = None
    total_price: Number = None
    partner_on_record_attestation_accepted: Flag = None
    line_items: Annotated[
        list[Annotated[OrderLineAnswer, readable_or(OrderLineAnswer())]], readable_or([])
    ] = Field(default_factory=list)


class OrderErrorAnswer(Answer):
    """Why an order group (`orderGroup` of a line) was not ordered (OrderError)."""

    order_group_id: Text = None
    code: Text = None
    description: Text = None


class CheckoutAnswer(Answer):
    """CartCheckoutResult. Ours, never Partner Center's, are all but its orders and errors."""

    dropped = Answer.dropped | {"cartid", "customerid", "status", "warnings"}

    cart_id: str = ""
    customer_id: str = ""
    status: Literal["completed", "partial", "ordered"] = "completed"
    orders: list[Annotated[OrderAnswer, readable_or(OrderAnswer())]] = Field(default_factory=list)
    order_errors: Annotated[
        list[Annotated[OrderErrorAnswer, BeforeValidator(_order_error)]],
        readable_or([OrderErrorAnswer()]),
    ] = Field(default_factory=list)
    warnings: list[FieldError] = Field(default_factory=list)
