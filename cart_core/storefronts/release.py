"""When an order may be bought: the release rule of a source."""

from typing import Literal

from cart_core.storefronts.order import StorefrontOrder

ReleaseRule = Literal["paid", "placed", "paid_or_terms"]
"""`paid`: once it is paid. `placed`: at once. `paid_or_terms`: once it is paid, or at once where
the buyer has payment terms, because the shop shows such an order as pending for weeks."""


def is_released(order: StorefrontOrder, rule: ReleaseRule) -> bool:
    """Whether the rule lets the order go."""
    return order.paid or rule == "placed" or (rule == "paid_or_terms" and order.on_terms)
