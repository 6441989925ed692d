"""The local cloud with Azure Storage, and adapters that reach it as production code does."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite

from cart_core.adapters import storage_rest as module
from local.environment import app_environment
from tests.store.blobs import Blobs
from tests.store.stores import open_storage


@pytest.fixture
async def blobs(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Blobs]:
    """Adapters in a cloud into which only this process's environment leads.

    No operation ends by time, however slow the machine is. A test of that shortens a limit.
    """
    for limit in ("OPERATION_SECONDS", "CONNECT_SECONDS", "TRY_SECONDS"):
        monkeypatch.setattr(module, limit, 120.0)
    async with LocalCloud(azurite=azurite) as cloud:
        environment = app_environment(cloud)
        for name in list(os.environ):
            if name.upper().endswith("_PROXY") or name == "SSL_CERT_DIR":
                monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        blobs = Blobs(cloud)
        around: dict[str, Any] = {"sleep": blobs.sleep, "uniform": blobs.uniform}
        blobs.container = open_storage(environment, **around)
        blobs.service = open_storage(environment, "AzureWebJobsStorage__queueServiceUri", **around)
        yield blobs
        await blobs.container.close()
        await blobs.service.close()
