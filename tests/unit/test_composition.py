"""Which place in Azure Storage serves what, and how an operator is told of it."""

from typing import Any

import pytest

from cart_core import composition
from cart_core.adapters import storage_rest
from cart_core.adapters.managed_identity import ManagedIdentity
from cart_core.settings import Settings
from tests.kit.world import ENVIRONMENT

RECORDS = "https://records.blob.example/carts"
BODIES = "https://bodies.blob.example/shops"
QUEUES = "https://queues.example"


async def test_each_setting_leads_to_a_place_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Noting(storage_rest.StorageRest):
        async def ask(self, *_: Any, **__: Any) -> Any:
            asked.append((self._url, self._place, self._role))

    monkeypatch.setattr(storage_rest, "StorageRest", Noting)
    settings = Settings.read(
        {
            **ENVIRONMENT,
            "CART_STORE_URL": RECORDS,
            "CART_STOREFRONT_BODIES_URL": BODIES,
            "AzureWebJobsStorage__queueServiceUri": QUEUES,
        }
    )

    storage = composition._storage(settings, ManagedIdentity("an id"))
    await storage.store.read("a")
    await storage.documents.read("a")
    await storage.bodies.read("a")
    await storage.bells.look()

    blobs = "Storage Blob Data Contributor on the container"
    assert asked == [
        (RECORDS, "The container in CART_STORE_URL", blobs),
        (RECORDS, "The container in CART_STORE_URL", blobs),
        (BODIES, "The container in CART_STOREFRONT_BODIES_URL", blobs),
        (
            QUEUES,
            "The queue in AzureWebJobsStorage__queueServiceUri",
            "Storage Queue Data Contributor on the account",
        ),
    ]
