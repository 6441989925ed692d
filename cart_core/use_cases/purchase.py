"""What a checkout and an order have in common: they spend money."""

from datetime import timedelta

from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.runner import Plan
from cart_core.problem import Problem
from cart_core.settings import Settings


def require_allowed(settings: Settings) -> None:
    """Raises Problem `checkout_disabled` where this function may not spend money."""
    if not settings.allow_checkout:
        raise Problem(
            "checkout_disabled",
            "This function may not buy. Its operator can allow it with CART_ALLOW_CHECKOUT.",
        )


def purchase_plan(settings: Settings, *steps: str) -> Plan:
    """The plan of an operation that buys in its last step."""
    return Plan(steps, timedelta(days=settings.order_retention_days), _all_is_ordered)


def _all_is_ordered(answer: StoredAnswer) -> bool:
    """Whether an answer ends a purchase: after a partial one there is something left to buy."""
    return bool(answer.body["status"] != "partial")
