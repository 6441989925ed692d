"""Accepted operations for the tests of the room."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cart_core.operations.operation import AcceptedOperation, AcceptedRequest
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import EPOCH_SECONDS

NOW = datetime.fromtimestamp(EPOCH_SECONDS, UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
KEY_NAME = f"purchases/{'ab' * 32}"
TOKEN = "q1Yk0nWw8m3Zb7c5R2x9fA"


def operation(state: str = "waiting", **changes: Any) -> AcceptedOperation:
    """An operation that was accepted just now."""
    members: dict[str, Any] = {
        "id": f"{KEY_NAME.replace('/', '-')}-0123456789abcdef",
        "token": TOKEN,
        "operation": "place_order",
        "customer_id": CUSTOMER,
        "key": "order-17",
        "fingerprint": f"1:{'cd' * 32}",
        "caller_id": None,
        "correlation_id": CUSTOMER,
        "request": AcceptedRequest(path={"customerId": CUSTOMER}, headers={}, body="{}"),
        "state": state,
        "accepted_at": NOW,
        "since": NOW,
        "changed_at": NOW,
    }
    return AcceptedOperation(**members | changes)
