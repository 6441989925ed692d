"""What the platform reads before the first request, and what importing the app does (nothing)."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from local.function_process import ROOT
from tests.kit.declared import functions

VENDORS = ("azure.identity", "azure.keyvault", "azure.storage", "msal", "httpx", "aiohttp")
CORE = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "cart_core").rglob("[!_]*.py")
)

WATCH = """
import importlib, json, logging, os, sys

told = {"environment": [], "sockets": [], "log": [], "modules": []}

def note(name):
    '''Libraries may look at the environment; what counts is who asks for it of our own.'''
    frame = sys._getframe(2)
    while frame.f_code.co_filename.startswith("<frozen "):  # os.getenv and the like
        frame = frame.f_back
    file = frame.f_code.co_filename
    if file.startswith(sys.argv[2]) and "site-packages" not in file:
        told["environment"].append(name)

class Watched(os._Environ):
    def __getitem__(self, name):
        note(name)
        return super().__getitem__(name)

    def __iter__(self):
        note("*")
        return super().__iter__()

class Kept(logging.Handler):
    def emit(self, record):
        told["log"].append(record.getMessage())

before = os.environ
os.environ = Watched(
    before._data, before.encodekey, before.decodekey, before.encodevalue, before.decodevalue
)
logging.basicConfig(level=logging.NOTSET, handlers=[Kept()])
sys.addaudithook(
    lambda event, _: told["sockets"].append(event) if event.startswith("socket.") else None
)
importlib.import_module(sys.argv[1])
os.environ = before
told["modules"] = list(sys.modules)
sys.stdout.write(json.dumps(told))
"""


def imported(module: str, root: Path = ROOT) -> dict[str, list[str]]:
    """What happened while a fresh interpreter imported a module."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, module, str(root)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=root,
        env={},
    )
    assert done.stderr == ""
    told: dict[str, list[str]] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("module", ["function_app", *CORE])
def test_importing_does_nothing(module: str) -> None:
    told = imported(module)

    assert told["environment"] == []
    assert told["sockets"] == []
    assert told["log"] == []
    assert [name for name in told["modules"] if name.startswith(VENDORS)] == []


def test_a_module_that_does_something_is_found_out(tmp_path: Path) -> None:
    source = """
        import logging, os, socket
        os.environ.get("HTTPS_PROXY"), os.getenv("KEY_VAULT_URL"), "X" in os.environ, {**os.environ}
        socket.getaddrinfo("127.0.0.1", 443)
        logging.getLogger("a").debug("hello")
        """
    (tmp_path / "busy.py").write_text(textwrap.dedent(source), "utf-8")

    told = imported("busy", tmp_path)

    assert {"HTTPS_PROXY", "KEY_VAULT_URL", "X", "*"} <= set(told["environment"])
    assert told["sockets"] == ["socket.getaddrinfo"]
    assert told["log"] == ["hello"]


def test_importing_the_app_loads_no_models() -> None:
    assert "pydantic" not in imported("function_app")["modules"]


def test_the_functions() -> None:
    found = {}
    for function in functions():
        trigger: dict[str, Any] = function.get_trigger().get_dict_repr()
        found[function.get_function_name()] = (
            (
                trigger["route"],
                [method.value for method in trigger["methods"]],
                trigger["authLevel"].value.upper(),
            )
            if function.is_http_function()
            else (trigger["type"], trigger["schedule"])
        )

    assert found == {
        "create_cart": ("customers/{customerId}/carts", ["POST"], "FUNCTION"),
        "get_cart": ("customers/{customerId}/carts/{cartId}", ["GET"], "FUNCTION"),
        "update_cart": ("customers/{customerId}/carts/{cartId}", ["PUT"], "FUNCTION"),
        "checkout_cart": (
            "customers/{customerId}/carts/{cartId}/checkout",
            ["POST"],
            "FUNCTION",
        ),
        "place_order": ("customers/{customerId}/orders", ["POST"], "FUNCTION"),
        "get_openapi": ("openapi.json", ["GET"], "FUNCTION"),
        "get_health": ("health", ["GET"], "ANONYMOUS"),
        "rotate_refresh_token": ("timerTrigger", "0 0 3 * * *"),
    }


def test_host_json() -> None:
    host = json.loads(Path(ROOT / "host.json").read_text("utf-8"))

    assert host["version"] == "2.0"
    assert host["functionTimeout"] == "00:03:30"
    assert host["telemetryMode"] == "OpenTelemetry"
    assert host["extensions"]["http"]["routePrefix"] == "api"
    assert host["extensions"]["http"]["maxOutstandingRequests"] == 200
    assert "extensionBundle" not in host
