"""Which thread imports what, when a new process serves its first requests.

The modules of azure-core import each other. Where two threads begin at different ends, each waits
for the other, and Python lets one go on with half a module: requests then failed with ImportError.
"""

import json
import subprocess
import sys

from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite

from local.environment import app_environment
from local.function_process import ROOT

ENTANGLED = {
    *("azure.core", "azure.core.rest", "azure.core.pipeline", "azure.core.exceptions"),
    *("azure.core.pipeline.transport._requests_basic", "azure.identity", "azure.keyvault.secrets"),
}
"""Modules that lead to others which lead back to them."""

ASK_FOR_EVERY_LINK = """
import asyncio, json, os, sys, threading

imported = []

class Watch:
    def find_spec(self, name, *_):
        if threading.current_thread() is not threading.main_thread():
            imported.append(name)

sys.meta_path.insert(0, Watch())

from cart_core import composition

async def ask():
    links = await composition.build(os.environ).readiness("a-correlation-id")
    return {link.name: link.status for link in links}

print(json.dumps([asyncio.run(ask()), imported]))
"""


def test_only_the_thread_of_the_event_loop_imports_azures_sdk(azurite: Azurite) -> None:
    with LocalCloud.in_thread(azurite=azurite) as cloud:
        done = subprocess.run(
            [sys.executable, "-c", ASK_FOR_EVERY_LINK],
            env=app_environment(cloud),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    statuses, imported = json.loads(done.stdout.splitlines()[-1])

    assert set(statuses.values()) == {"ok"}, statuses
    assert ENTANGLED.isdisjoint(imported)
