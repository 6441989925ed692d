"""A local cloud with Blob Storage into which only this process's environment leads."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite

from local.environment import app_environment


@asynccontextmanager
async def leading_to_cloud(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalCloud]:
    async with LocalCloud(azurite=azurite) as running:
        for name in list(os.environ):
            if name.upper().endswith("_PROXY") or name == "SSL_CERT_DIR":
                monkeypatch.delenv(name)
        for name, value in app_environment(running).items():
            monkeypatch.setenv(name, value)
        yield running
