"""The local cloud with Blob Storage, and stores that reach it as production code does."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.services.blob_storage import BlobStorage

from cart_core.adapters.blob_store import BlobStore
from local.environment import app_environment
from tests.store.identity import storage_tokens


@asynccontextmanager
async def leading_to_cloud(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalCloud]:
    """A cloud of its own, into which only this process's environment leads."""
    async with LocalCloud(azurite=azurite) as running:
        for name in list(os.environ):
            if name.upper().endswith("_PROXY") or name == "SSL_CERT_DIR":
                monkeypatch.delenv(name)
        for name, value in app_environment(running).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
async def cloud(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalCloud]:
    async with leading_to_cloud(azurite, monkeypatch) as running:
        yield running


@pytest.fixture
def storage(cloud: LocalCloud) -> BlobStorage:
    assert cloud.storage
    return cloud.storage


@pytest.fixture
async def blob_store(cloud: LocalCloud) -> AsyncIterator[BlobStore]:
    store = open_store(cloud)
    yield store
    await store.close()


def open_store(cloud: LocalCloud) -> BlobStore:
    environment = app_environment(cloud)
    return BlobStore(environment["CART_STORE_URL"], storage_tokens(environment["AZURE_CLIENT_ID"]))
