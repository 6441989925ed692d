"""The store that an environment describes, with tokens as the composition root gets them."""

from collections.abc import Mapping

from cart_core.adapters.blob_store import RESOURCE, BlobStore
from cart_core.adapters.managed_identity import ManagedIdentity
from cart_core.tokens import TokenCache


def open_store(environment: Mapping[str, str]) -> BlobStore:
    identity = ManagedIdentity(environment["AZURE_CLIENT_ID"])
    return BlobStore(environment["CART_STORE_URL"], TokenCache(lambda: identity.fetch(RESOURCE)))
