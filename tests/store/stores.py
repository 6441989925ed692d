"""Names and records for the tests of the stores, and the container that an environment names."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cart_core.adapters.managed_identity import ManagedIdentity
from cart_core.adapters.storage_rest import RESOURCE, StorageRest
from cart_core.idempotency.operation_id import CARTS_PREFIX
from cart_core.idempotency.record import Record, Step
from cart_core.tokens import TokenCache

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)


def name_of(text: str, prefix: str = CARTS_PREFIX) -> str:
    return prefix + hashlib.sha256(text.encode()).hexdigest()


def record(nonce: str = "nonce-1", **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "operation": "create_cart",
        "customer_id": "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d",
        "caller_id": None,
        "key": "order-4711",
        "fingerprint": f"1:{name_of('a cart', '')}",
        "state": "in_progress",
        "epoch": 0,
        "nonce": nonce,
        "lease_seconds": 120.0,
        "expires_at": NOW + timedelta(days=7),
        "correlation_id": "0b7e5a4c-7d0f-4c9a-9e55-0d4c0a6a1f10",
        "steps": [Step(name="cart", request_id="5c2e9f3a-1b4d-5e6f-8a7b-9c0d1e2f3a4b")],
        **changes,
    }
    return Record(**fields)


def open_storage(
    environment: Mapping[str, str],
    setting: str = "CART_STORE_URL",
    tokens: TokenCache | None = None,
    **given: Any,
) -> StorageRest:
    """What a setting leads to, with tokens as the composition root gets them."""
    identity = ManagedIdentity(environment["AZURE_CLIENT_ID"])
    tokens = tokens or TokenCache(lambda _: identity.fetch(RESOURCE))
    place, role = f"The container in {setting}", "Planter on the container"
    return StorageRest(environment[setting], tokens, place=place, role=role, **given)
