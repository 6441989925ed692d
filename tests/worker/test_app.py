"""What the platform reads before the first request, and that importing the app does nothing."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from local.function_process import ROOT
from tests.kit.declared import functions

VENDORS = (
    *("azure.identity", "azure.keyvault", "azure.storage", "msal", "httpx", "aiohttp", "requests"),
)
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
happened = {"environment": [], "sockets": [], "log": [], "modules": []}

def note(name):
    '''Libraries may look at the environment; what counts is who asks for it of our own.'''
    frame = sys._getframe(2)
    while frame.f_code.co_filename.startswith("<frozen "):  # os.getenv and the like
        frame = frame.f_back
    file = frame.f_code.co_filename
    if file.startswith(sys.argv[1]) and "site-packages" not in file:
        happened["environment"].append([module, name])

class Watched(os._Environ):
    def __getitem__(self, name):
        note(name)
        return super().__getitem__(name)

    def __iter__(self):
        note("*")
        return super().__iter__()

class Recorder(logging.Handler):
    def emit(self, record):
        happened["log"].append([module, record.getMessage()])

def audit(event, _):
    if event.startswith("socket."):
        happened["sockets"].append([module, event])

before = os.environ
os.environ = Watched(
    before._data, before.encodekey, before.decodekey, before.encodevalue, before.decodevalue
)
logging.basicConfig(level=logging.NOTSET, handlers=[Recorder()])
sys.addaudithook(audit)
for module in sys.argv[2:]:
    importlib.import_module(module)
os.environ = before
happened["modules"] = list(sys.modules)
sys.stdout.write(json.dumps(happened))
"""


def imported(*modules: str, root: Path = ROOT) -> dict[str, list[Any]]:
    """What happened, and during which import, while a fresh interpreter imported modules."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(root), *modules],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=root,
        env={},
    )
    assert done.stderr == ""
    happened: dict[str, list[Any]] = json.loads(done.stdout)
    return happened


def test_importing_any_module_does_nothing() -> None:
    happened = imported(*MODULES)

    assert [name for name in happened["modules"] if name.startswith(VENDORS)] == []
    assert set(MODULES) <= set(happened.pop("modules"))
    assert happened == {"environment": [], "sockets": [], "log": []}


def test_a_module_that_does_something_is_detected(tmp_path: Path) -> None:
    source = """
        import logging, os, socket
        os.environ.get("HTTPS_PROXY"), os.getenv("KEY_VAULT_URL"), "X" in os.environ, {**os.environ}
        socket.getaddrinfo("127.0.0.1", 443)
        logging.getLogger("a").debug("hello")
        """
    (tmp_path / "busy.py").write_text(textwrap.dedent(source), "utf-8")

    happened = imported("json", "busy", root=tmp_path)

    read = {name for module, name in happened["environment"] if module == "busy"}
    assert read >= {"HTTPS_PROXY", "KEY_VAULT_URL", "X", "*"}
    assert happened["sockets"] == [["busy", "socket.getaddrinfo"]]
    assert happened["log"] == [["busy", "hello"]]


def test_importing_the_app_loads_no_models() -> None:
    assert "pydantic" not in imported("function_app")["modules"]


def test_the_functions() -> None:
    declared = {}
    for function in functions():
        trigger: dict[str, Any] = function.get_trigger().get_dict_repr()
        declared[function.get_function_name()] = (
            (
                trigger["route"],
                [method.value for method in trigger["methods"]],
                trigger["authLevel"].value.upper(),
            )
            if function.is_http_function()
            else (trigger["type"], trigger["schedule"])
        )

    carts = "customers/{customerId}/carts"
    assert declared == {
        "create_cart": (carts, ["POST"], "FUNCTION"),
        "get_cart": (f"{carts}/{{cartId}}", ["GET"], "FUNCTION"),
        "update_cart": (f"{carts}/{{cartId}}", ["PUT"], "FUNCTION"),
        "checkout_cart": (f"{carts}/{{cartId}}/checkout", ["POST"], "FUNCTION"),
        "place_order": ("customers/{customerId}/orders", ["POST"], "FUNCTION"),
        "get_openapi": ("openapi.json", ["GET"], "FUNCTION"),
        "get_health": ("health", ["GET"], "ANONYMOUS"),
        "rotate_refresh_token": ("timerTrigger", "0 0 3 * * *"),
    }


def test_host_json() -> None:
    host = json.loads((ROOT / "host.json").read_text("utf-8"))

    assert host["version"] == "2.0"
    assert host["functionTimeout"] == "00:03:30"
    assert host["telemetryMode"] == "OpenTelemetry"
    assert host["extensions"]["http"]["routePrefix"] == "api"
    assert host["extensions"]["http"]["maxOutstandingRequests"] == 200
    assert "extensionBundle" not in host
