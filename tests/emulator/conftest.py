"""A running local cloud, and callers that reach it as production code does."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import carts

from tests.emulator.caller import Caller


@pytest.fixture
async def cloud() -> AsyncIterator[LocalCloud]:
    async with LocalCloud() as running:
        yield running


@pytest.fixture
async def client(cloud: LocalCloud) -> AsyncIterator[httpx.AsyncClient]:
    trust = ssl.create_default_context(cafile=cloud.certificate.ca_file)
    async with httpx.AsyncClient(
        proxy=cloud.proxy.url, verify=trust, trust_env=False, timeout=60
    ) as running:
        yield running


@pytest.fixture
def caller(cloud: LocalCloud, client: httpx.AsyncClient) -> Caller:
    return Caller(cloud, client)


@pytest.fixture
def end_of_change(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Changes and checkouts of carts take until this event is set, however long that is."""
    event = asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == cloud.partner_center.change_seconds
        await event.wait()

    monkeypatch.setattr(carts, "asyncio", SimpleNamespace(sleep=sleep))
    cloud.partner_center.change_seconds = 7
    return event
