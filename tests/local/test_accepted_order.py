"""An accepted order under what `make run` starts: Azurite's queue, the listener, and the timers."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.page.panels import Row
from partner_center_emulator.services.azurite import Azurite

from local.environment import BUYING, app_environment
from local.function_process import FunctionProcess
from local.page_documents import operations_panel
from local.samples import ORDERS, SAMPLES
from local.stored_documents import StoredDocuments

PATIENCE = 120.0
"""Seconds after which a test gives up; it only keeps a failed test from hanging."""


@pytest.fixture
def cloud(azurite: Azurite) -> Iterator[LocalCloud]:
    with LocalCloud.in_thread(azurite=azurite) as running:
        yield running


def accept(client: httpx.Client, key: str) -> httpx.Response:
    """The answer to an order that nobody waits for."""
    headers = {"Idempotency-Key": key, "Prefer": "respond-async"}
    content = SAMPLES["order"].content
    return client.post(
        ORDERS, content=content, headers=headers | {"Content-Type": "application/json"}
    )


def until_ended(accepted: httpx.Response) -> dict[str, Any]:
    """What the monitor of an accepted order says in the end."""
    give_up = time.monotonic() + PATIENCE
    while True:
        answer = httpx.get(accepted.headers["Operation-Location"], trust_env=False, timeout=60)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        if found["status"] in ("Succeeded", "Failed"):
            return found
        assert time.monotonic() < give_up, found
        time.sleep(0.05)


async def rows_of(cloud: LocalCloud) -> Sequence[Row]:
    """The queued operations, as the page shows them."""
    return await operations_panel(StoredDocuments(cloud.journal), has_storage=True).rows()


def test_an_accepted_order_is_bought_and_its_bell_is_gone(cloud: LocalCloud) -> None:
    assert cloud.storage
    with (
        FunctionProcess(app_environment(cloud, **BUYING)) as function,
        httpx.Client(base_url=function.url, trust_env=False, timeout=60) as client,
    ):
        client.headers["x-functions-key"] = function.key
        accepted = accept(client, "order-1")
        assert accepted.status_code == 202
        told = until_ended(accepted)

        assert (told["status"], told["attempts"]) == ("Succeeded", 1)
        result = httpx.get(accepted.headers["Location"], trust_env=False, timeout=60)
        assert (result.status_code, result.json()) == (201, told["result"]["body"])
        assert len(cloud.partner_center.orders) == 1
        (row,) = asyncio.run(rows_of(cloud))
        assert row.cells[2:] == ("order-1", "succeeded", "1", "201")
        assert client.post("/admin/functions/sweep_operations").status_code == 202
        again = accept(client, "order-1")
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert function.stop() == 0, function.output()
