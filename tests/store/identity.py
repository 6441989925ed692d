"""Tokens for storage, as the composition root gets them."""

from cart_core.adapters.blob_store import RESOURCE
from cart_core.adapters.managed_identity import ManagedIdentity
from cart_core.tokens import TokenCache


def storage_tokens(client_id: str) -> TokenCache:
    return TokenCache(lambda: ManagedIdentity(client_id).fetch(RESOURCE))
