"""The local cloud with Blob Storage, and a store that reaches it as production code does."""

import os
from collections.abc import AsyncIterator

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.services.blob_storage import BlobStorage

from cart_core.adapters import blob_store as module
from cart_core.adapters.blob_store import BlobStore
from local.environment import app_environment
from tests.store.stores import open_store


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """No operation ends by time, however slow the machine is; a test of that shortens a limit."""
    for limit in ("OPERATION_SECONDS", "CONNECT_SECONDS", "TRY_SECONDS"):
        monkeypatch.setattr(module, limit, 120.0)


@pytest.fixture
async def cloud(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalCloud]:
    """A cloud into which only this process's environment leads."""
    async with LocalCloud(azurite=azurite) as running:
        for name in list(os.environ):
            if name.upper().endswith("_PROXY") or name == "SSL_CERT_DIR":
                monkeypatch.delenv(name)
        for name, value in app_environment(running).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def storage(cloud: LocalCloud) -> BlobStorage:
    assert cloud.storage
    return cloud.storage


@pytest.fixture
async def blob_store(cloud: LocalCloud) -> AsyncIterator[BlobStore]:
    store = open_store(app_environment(cloud))
    yield store
    await store.close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of all pauses between tries, which take no time here."""
    made: list[float] = []

    async def sleep(_: object, seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("azure.core.pipeline.transport.AsyncHttpTransport.sleep", sleep)
    return made
