"""Uses the client that openapi-python-client generated. It runs in the generator's environment.

The arguments are the function's URL and its key. It prints one JSON object with what it read.
"""

import json
import sys
from uuid import UUID

from partner_center_carts_client import AuthenticatedClient
from partner_center_carts_client.api.carts import create_cart, get_cart, update_cart
from partner_center_carts_client.api.orders import check_out_cart, place_order
from partner_center_carts_client.models.cart import Cart
from partner_center_carts_client.models.cart_to_order import CartToOrder
from partner_center_carts_client.models.checkout import Checkout
from partner_center_carts_client.models.line_item_to_order import LineItemToOrder
from partner_center_carts_client.models.line_item_to_order_billing_cycle import (
    LineItemToOrderBillingCycle,
)
from partner_center_carts_client.models.participant_to_order import ParticipantToOrder
from partner_center_carts_client.models.problem import Problem
from partner_center_carts_client.models.renewal_to_order import RenewalToOrder

CUSTOMER = UUID("d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d")


def cart(quantity: int) -> CartToOrder:
    """A trial that renews to a subscription, sold through a reseller."""
    return CartToOrder(
        line_items=[
            LineItemToOrder(
                catalog_item_id="CFQ7TTC0LCHC:0003:CFQ7TTC0KF52",
                quantity=quantity,
                billing_cycle=LineItemToOrderBillingCycle.NONE,
                term_duration="P1M",
                participants=[ParticipantToOrder(key="transaction_reseller", value="5139005")],
                renews_to=RenewalToOrder(term_duration="P1Y"),
            )
        ]
    )


def main(url: str, key: str) -> None:
    """Creates, reads, changes and buys a cart, places an order, and gets one refused."""
    client = AuthenticatedClient(
        base_url=url, token=key, prefix="", auth_header_name="x-functions-key", timeout=60
    )
    created = create_cart.sync(CUSTOMER, client=client, body=cart(25), idempotency_key="python-1")
    assert isinstance(created, Cart)
    read = get_cart.sync(CUSTOMER, UUID(created.id), client=client)
    assert isinstance(read, Cart)
    change = CartToOrder.from_dict(read.to_dict())
    change.line_items[0].quantity = 24
    changed = update_cart.sync(CUSTOMER, UUID(created.id), client=client, body=change)
    assert isinstance(changed, Cart)
    bought = check_out_cart.sync(CUSTOMER, UUID(created.id), client=client)
    assert isinstance(bought, Checkout)
    ordered = place_order.sync(CUSTOMER, client=client, body=cart(25), idempotency_key="python-2")
    assert isinstance(ordered, Checkout)
    refused = create_cart.sync(CUSTOMER, client=client, body=cart(0))
    assert isinstance(refused, Problem)
    (participant,) = read.line_items[0].participants
    print(
        json.dumps(
            {
                "created": created.line_items[0].quantity,
                "participant": participant.value,
                "renewsTo": read.line_items[0].renews_to.term_duration,
                "changed": changed.line_items[0].quantity,
                "bought": bought.status,
                "ordered": ordered.status,
                "refused": [refused.status, refused.code, refused.errors[0].pointer],
                "retryable": refused.retryable,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
