"""What the modules of the emulator and of `local/` may import.

TABLE names every module. One that it does not name fails, and so does an import that it does not
allow.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Set
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from tests.kit.imports import imports, is_of, module_of

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = "partner_center_emulator"


class Room(NamedTuple):
    """The modules of a folder, and the other folders and packages that they may import."""

    modules: Set[str]
    rooms: Set[str]
    packages: Set[str]


NETWORK, PAGE, PARTNER_CENTER, SERVICES, WATCH = (
    f"{EMULATOR}.{room}" for room in ("network", "page", "partner_center", "services", "watch")
)
TABLE = {
    NETWORK: Room(
        {"certificates", "connection_details", "proxy", "tcp"}, set(), {"cryptography", "trustme"}
    ),
    WATCH: Room(
        {"alterations", "connections", "disturbances", "journal"},
        {NETWORK},
        {"aiohttp", "multidict", "pydantic"},
    ),
    SERVICES: Room(
        {"azurite", "blob_storage", "entra", "key_vault", "managed_identity", "tokens"},
        {NETWORK},
        {"aiohttp", "cryptography", "jwt", "multidict", "yarl"},
    ),
    PARTNER_CENTER: Room(
        {"api", "carts", "catalogue", "catalogue_api", "customers", "documents", "orders"}
        | {"products", "refusals", "shelf"},
        {SERVICES, WATCH},
        {"aiohttp"},
    ),
    PAGE: Room(
        {"deeds", "guard", "masking", "panels", "site", "views"},
        {PARTNER_CENTER, SERVICES, WATCH},
        {"aiohttp", "pydantic", "yarl"},
    ),
    EMULATOR: Room(
        {"__main__", "cloud", "control", "pytest_plugin"},
        {NETWORK, PAGE, PARTNER_CENTER, SERVICES, WATCH},
        {"aiohttp", "pydantic", "pytest"},
    ),
    "local": Room(
        {
            "__main__",
            "api_docs",
            "deliveries",
            "environment",
            "function_process",
            "functions_host",
            "host_calls",
        }
        | {"demo", "host_messages", "host_queue", "host_triggers", "local_app", "loopback_guard"}
        | {"page", "page_actions", "page_documents", "queue_listener", "queue_trigger", "samples"}
        | {"shops", "stored_documents", "storefront_samples", "storefronts", "timer_trigger"},
        {EMULATOR, PAGE, SERVICES, WATCH},
        {"aiohttp", "azure.functions", "cart_core", "httpx", "multidict", "yarl"},
    ),
}
MODULES = {f"{folder}.{name}": folder for folder, room in TABLE.items() for name in room.modules}


def path_of(module: str) -> Path:
    root = ROOT / "emulator" if module.startswith(EMULATOR) else ROOT
    return root / f"{module.replace('.', '/')}.py"


def test_the_table_names_every_module() -> None:
    folders = (ROOT / "emulator" / EMULATOR, ROOT / "local")
    paths = {path for folder in folders for path in folder.rglob("*.py")}
    modules = {*MODULES, *(f"{folder}.__init__" for folder in TABLE)}
    assert {p for p in paths if "node_modules" not in p.parts} == set(map(path_of, modules))
    assert len(MODULES) == 58


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_what_the_table_allows(module: str) -> None:
    room = TABLE[MODULES[module]]
    for name in imports(path_of(module)):
        if imported := module_of(name, MODULES):
            assert MODULES[imported] in {*room.rooms, MODULES[module]}, name
        else:
            assert is_of(name, room.packages | sys.stdlib_module_names), name


def test_imports_go_one_way() -> None:
    graph = {
        module: {m for name in imports(path_of(module)) if (m := module_of(name, MODULES))}
        for module in MODULES
    }
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_the_emulator_declares_the_packages_that_it_imports() -> None:
    project = tomllib.loads((ROOT / "emulator" / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["pytest"]]
    declared = {Requirement(each).name for each in requirements}
    used = {name for folder, room in TABLE.items() if folder != "local" for name in room.packages}
    assert {"jwt" if name == "pyjwt" else name for name in declared} == used


def test_the_emulator_names_no_environment_variable_of_an_app() -> None:
    constants = {
        node.value
        for module in MODULES
        if module.startswith(EMULATOR)
        for node in ast.walk(ast.parse(path_of(module).read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    variables = {text for text in constants if re.fullmatch("[A-Z]+(_[A-Z]+)+", text)}
    assert variables == {"AZURITE_ACCOUNTS"}
