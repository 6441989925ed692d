"""What the modules of the emulator and of `local/` may import.

TABLE names every module. One that it does not name fails, and so does an import that it does not
allow.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Set
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = "partner_center_emulator"


class Room(NamedTuple):
    """The modules of a folder, and the other folders and packages that they may import."""

    modules: Set[str]
    rooms: Set[str]
    packages: Set[str]


TABLE = {
    f"{EMULATOR}.network": Room(
        {"certificates", "connection_details", "proxy", "tcp"}, set(), {"cryptography", "trustme"}
    ),
    f"{EMULATOR}.watch": Room(
        {"faults", "journal"}, {f"{EMULATOR}.network"}, {"aiohttp", "pydantic"}
    ),
    f"{EMULATOR}.services": Room(
        {"azurite", "blob_storage", "entra", "key_vault", "managed_identity", "tokens"},
        {f"{EMULATOR}.network"},
        {"aiohttp", "cryptography", "jwt", "multidict", "yarl"},
    ),
    f"{EMULATOR}.partner_center": Room(
        {"api", "carts", "catalogue", "documents", "orders", "refusals"},
        {f"{EMULATOR}.services"},
        {"aiohttp"},
    ),
    EMULATOR: Room(
        {"__main__", "cloud", "control"},
        {f"{EMULATOR}.{room}" for room in ("network", "partner_center", "services", "watch")},
        {"aiohttp", "pydantic"},
    ),
    "local": Room(
        {"__main__", "environment", "function_process", "functions_host", "loopback_guard"},
        {EMULATOR, f"{EMULATOR}.watch"},
        {"aiohttp", "azure.functions", "httpx"},
    ),
}
MODULES = {f"{folder}.{name}": folder for folder, room in TABLE.items() for name in room.modules}


def test_the_table_names_every_module() -> None:
    files = [
        path.relative_to(root)
        for root, package in ((ROOT / "emulator", EMULATOR), (ROOT, "local"))
        for path in (root / package).rglob("*.py")
        if "node_modules" not in path.parts
    ]
    assert {".".join(path.with_suffix("").parts) for path in files} == set(MODULES) | {
        f"{folder}.__init__" for folder in TABLE
    }
    assert len(MODULES) == 26


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_what_the_table_allows(module: str) -> None:
    folder = MODULES[module]
    room = TABLE[folder]
    for name in _imports(module):
        if name.partition(".")[0] in sys.stdlib_module_names:
            continue
        imported = _module_of(name)
        if imported:
            assert MODULES[imported] in room.rooms | {folder}, name
        else:
            assert any(f"{name}.".startswith(f"{package}.") for package in room.packages), name


def test_imports_go_one_way() -> None:
    graph = {
        module: {imported for name in _imports(module) if (imported := _module_of(name))}
        for module in MODULES
    }
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_the_emulator_declares_the_packages_that_it_imports() -> None:
    project = tomllib.loads((ROOT / "emulator" / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {Requirement(each).name for each in project["dependencies"]}
    used = {name for folder, room in TABLE.items() if folder != "local" for name in room.packages}
    assert {"jwt" if name == "pyjwt" else name for name in declared} == used


def test_the_emulator_names_no_environment_variable_of_an_app() -> None:
    constants = {
        node.value
        for module in MODULES
        if module.startswith(EMULATOR)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {text for text in constants if re.fullmatch("[A-Z]+(_[A-Z]+)+", text)} == {
        "AZURITE_ACCOUNTS"
    }


def _module_of(name: str) -> str | None:
    """The module in the table that an imported `package.module.name` is, or is in."""
    return next((m for m in (name, name.rpartition(".")[0]) if m in MODULES), None)


def _imports(module: str) -> Iterator[str]:
    """Everything that a module imports anywhere in it, as `package.module.name`."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _tree(module: str) -> ast.Module:
    root = ROOT / "emulator" if module.startswith(EMULATOR) else ROOT
    return ast.parse((root / f"{module.replace('.', '/')}.py").read_text("utf-8"))
