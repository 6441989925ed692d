"""The layout is the architecture: which room may import which, and who may know a vendor.

TABLE names every module of the deployed code by its room. A module or a folder that it does not
name fails, and so does an import that it does not allow.
"""

import ast
import sys
from collections.abc import Iterator, Set
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]

TOOLS = {"opentelemetry", "pydantic", "pydantic_core"}
"""Packages that are tools rather than somebody's service. Every module may import them."""


class Room(NamedTuple):
    """The modules of one folder, the rooms that they may import, and the vendors they may know."""

    modules: Set[str]
    rooms: Set[str] = frozenset()
    vendors: Set[str] = frozenset()


BASE = {"problem", "telemetry", "tokens", "deadline", "call", "settings"}
"""The modules of cart_core itself that every room may import."""

TABLE = {
    "": Room({"function_app"}, {"cart_core", "cart_core.api"}, {"azure.functions"}),
    "cart_core": Room(
        {*BASE, "composition"},
        # Only the composition root leaves this room; see test_only_the_composition_root_builds.
        {f"cart_core.{room}" for room in ("adapters", "api", "idempotency", "partner_center")}
        | {"cart_core.use_cases"},
    ),
    "cart_core.api": Room(
        {"about", "body", "endpoints", "invocation", "messages", "parameters", "requests"}
        | {"responses"},
        {"cart_core.cart", "cart_core.use_cases"},
    ),
    "cart_core.use_cases": Room(
        {"buying", "cart_problems", "check_out_cart", "create_cart", "duplicate_orders"}
        | {"get_cart", "place_order", "purchase", "rotate_refresh_token", "update_cart"},
        {f"cart_core.{room}" for room in ("cart", "idempotency", "partner_center")},
    ),
    "cart_core.idempotency": Room(
        {"claim", "decision", "duplicates", "hold", "memory_store", "operation_id", "plan"}
        | {"record", "runner", "store"}
    ),
    "cart_core.partner_center": Room(
        {"carts", "error_bodies", "errors", "exchange", "foreign_json", "pauses"}
        | {"places", "retry", "throttle", "unauthorized"},
        {"cart_core.cart"},
    ),
    "cart_core.cart": Room(
        {"answer", "answer_types", "checkout_answer", "dropped_lines", "error_codes"}
        | {"expected_lines", "line_ids", "member_names", "order_groups", "request"}
        | {"request_errors", "request_types", "request_warnings", "spelling"}
        | {"validation_context", "vocabulary"}
    ),
    "cart_core.adapters": Room(
        {"blob_store", "entra", "http_sessions", "key_vault", "managed_identity"}
        | {"partner_center_http"},
        {"cart_core.idempotency", "cart_core.partner_center"},
        {"aiohttp", "azure", "cryptography", "httpx", "httpx_aiohttp", "msal", "requests"}
        | {"urllib3"},
    ),
}

INPUT_AND_OUTPUT = {"asyncio", "logging", "os", "pathlib", "socket", "ssl", "threading", "time"}
"""Modules of the standard library that the pure documents in cart_core.cart have no use for."""

MODULES = {
    f"{room}.{name}".lstrip("."): room for room, each in TABLE.items() for name in each.modules
}


def test_every_module_is_in_the_table() -> None:
    files = [ROOT / "function_app.py", *(ROOT / "cart_core").rglob("*.py")]
    found = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files
        if path.name != "__init__.py"
    }

    assert found == set(MODULES)
    assert len(found) == MODULE_COUNT
    folders = {path.parent for path in files if path.parent != ROOT}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} == set(TABLE) - {""}
    assert all((folder / "__init__.py").exists() for folder in folders)


MODULE_COUNT = 68
"""How many modules the walk has to see; one that finds nothing would prove nothing."""


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_its_own_room_and_those_that_the_table_allows(module: str) -> None:
    room = MODULES[module]
    allowed = TABLE[room].rooms | {room}

    for name in _own(module):
        of_base = MODULES[name] == "cart_core" and name.rpartition(".")[2] in BASE
        assert of_base or MODULES[name] in allowed, name


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_no_vendor_that_the_table_does_not_allow(module: str) -> None:
    allowed = TABLE[MODULES[module]].vendors | TOOLS

    for name in _imports(module):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "cart_core", "function_app"}:
            assert any(f"{name}.".startswith(f"{vendor}.") for vendor in allowed), name


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_composition_root_builds(module: str) -> None:
    outside = {MODULES[name] for name in _own(module)} - {"cart_core"}

    if module != "cart_core.composition":
        assert MODULES[module] != "cart_core" or not outside
        assert MODULES[module] == "cart_core.adapters" or "cart_core.adapters" not in outside


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_composition_root_reads_the_environment(module: str) -> None:
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Attribute | ast.Name)
    }
    names |= {name.rpartition(".")[2] for name in _imports(module)}

    readers = names & {"environ", "environb", "getenv", "getenvb"}
    assert readers == ({"environ"} if module == "cart_core.composition" else set())


@pytest.mark.parametrize("module", sorted(m for m, r in MODULES.items() if r == "cart_core.cart"))
def test_documents_are_pure(module: str) -> None:
    assert not {name.partition(".")[0] for name in _imports(module)} & INPUT_AND_OUTPUT


def test_imports_go_one_way() -> None:
    TopologicalSorter({module: _own(module) for module in MODULES}).prepare()  # or CycleError


def _own(module: str) -> set[str]:
    """The modules of the deployed code that a module imports."""
    found = set()
    for name in _imports(module):
        for candidate in (name, name.rpartition(".")[0]):
            if candidate in MODULES and candidate != module:
                found.add(candidate)
                break
    return found


def _imports(module: str) -> Iterator[str]:
    """Everything that a module imports anywhere in it, as `package.module.name`."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _tree(module: str) -> ast.Module:
    return ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8"))
