"""A running local cloud, and a client that reaches it the way production code does."""

import ssl
from collections.abc import AsyncIterator

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud


@pytest.fixture
async def cloud() -> AsyncIterator[LocalCloud]:
    async with LocalCloud() as running:
        yield running


@pytest.fixture
async def client(cloud: LocalCloud) -> AsyncIterator[httpx.AsyncClient]:
    trust = ssl.create_default_context(cafile=cloud.certificate.ca_file)
    async with httpx.AsyncClient(
        proxy=cloud.proxy.url, verify=trust, trust_env=False, timeout=5
    ) as running:
        yield running
