"""What the platform reads before the first request, and that importing the app does nothing."""

import json
import subprocess
import sys
from typing import Any

from cart_core.operations.worker import LEASE_MARGIN
from cart_core.settings import Settings
from local.function_process import ROOT
from local.queue_listener import LOCK_SECONDS

FUNCTION_SECONDS = 3 * 60 + 30
"""The function timeout of host.json."""

VENDORS = ("azure.identity", "azure.keyvault", "msal", "aiohttp", "requests")
MODULES = [
    "function_app",
    *sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "cart_core").rglob("[!_]*.py")
    ),
]

WATCH = """
import importlib, json, logging, os, sys

module = ""
happened = {"sockets": [], "log": []}

class Recorder(logging.Handler):
    def emit(self, record):
        happened["log"].append([module, record.getMessage()])

def audit(event, _):
    if event.startswith("socket."):
        happened["sockets"].append([module, event])

logging.basicConfig(level=logging.NOTSET, handlers=[Recorder()])
sys.addaudithook(audit)
for module in sys.argv[1:]:
    importlib.import_module(module)
# Only this module may read the environment (tests/unit/test_layers.py). It finds none here.
environment, os.environ = os.environ, None
if sys.modules.pop("cart_core.composition", None):
    importlib.import_module("cart_core.composition")
os.environ = environment
sys.stdout.write(json.dumps(happened | {"modules": list(sys.modules)}))
"""


def imported(*modules: str) -> dict[str, list[Any]]:
    """What happened, and during which import, while a fresh interpreter imported modules."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *modules],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
        env={},
    )
    assert (done.returncode, done.stderr) == (0, "")
    happened: dict[str, list[Any]] = json.loads(done.stdout)
    return happened


def test_importing_any_module_does_nothing() -> None:
    happened = imported(*MODULES)

    loaded = set(happened.pop("modules"))
    assert [name for name in loaded if name.startswith(VENDORS)] == []
    assert set(MODULES) <= loaded
    assert happened == {"sockets": [], "log": []}


def test_importing_the_app_loads_no_models() -> None:
    assert "pydantic" not in imported("function_app")["modules"]


def test_host_json() -> None:
    host = json.loads((ROOT / "host.json").read_text("utf-8"))

    assert host["version"] == "2.0"
    assert host["functionTimeout"] == "00:03:30"
    # The longest try of an accepted operation ends before that, and its lease before the lock.
    longest = Settings.model_json_schema()["properties"]["CART_DEADLINE_SECONDS"]["maximum"]
    assert longest + LEASE_MARGIN < FUNCTION_SECONDS < LOCK_SECONDS
    assert host["telemetryMode"] == "OpenTelemetry"
    assert host["extensions"]["http"]["routePrefix"] == "api"
    assert host["extensions"]["http"]["maxOutstandingRequests"] == 200
    assert host["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
