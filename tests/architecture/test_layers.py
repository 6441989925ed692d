"""Who may know what: each vendor has one module, and the core knows none of them."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = {path.stem: path for path in (ROOT / "cart_core").glob("*.py")}
MODULES["function_app"] = ROOT / "function_app.py"

EVERYBODY = {"opentelemetry", "pydantic", "pydantic_core", "tenacity"}
"""Packages that are tools rather than vendors' services."""

ADAPTERS = {
    "azure_functions": {"azure.functions"},
    "blob_store": {"aiohttp", "azure.core", "azure.storage"},
    "entra": {"cryptography", "msal", "requests"},
    "key_vault": {"azure.core", "azure.keyvault"},
    "managed_identity": {"azure.core", "azure.identity"},
    "partner_center": {"aiohttp", "httpx", "httpx_aiohttp"},
}
KNOWN = ADAPTERS | {
    "function_app": {"azure.functions"},
    "sdk_session": {"azure.core", "requests", "urllib3"},
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_vendors_are_known_to_their_adapter_only(module: str) -> None:
    allowed = KNOWN.get(module, set()) | EVERYBODY

    foreign = {
        name
        for name in _imports(module)
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "cart_core"}
    }

    assert {
        name for name in foreign if not any(f"{name}.".startswith(f"{a}.") for a in allowed)
    } == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_composition_root_knows_adapters(module: str) -> None:
    adapters = {name for name in _own(module) if name in ADAPTERS}

    if module == "function_app":
        assert adapters == {"azure_functions"}
    elif module == "composition":
        assert adapters >= {"entra", "partner_center"}
    else:
        assert adapters == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_composition_root_reads_the_environment(module: str) -> None:
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Attribute | ast.Name)
    }
    names |= {name.rpartition(".")[2] for name in _imports(module)}

    readers = names & {"environ", "environb", "getenv", "getenvb"}
    assert readers == ({"environ"} if module == "composition" else set())


def test_imports_go_one_way() -> None:
    TopologicalSorter({module: _own(module) for module in MODULES}).prepare()  # or CycleError


def _own(module: str) -> set[str]:
    """The modules of this project that a module imports."""
    found = (name.removeprefix("cart_core.") for name in _imports(module))
    return {first for name in found if (first := name.partition(".")[0]) in MODULES}


def _imports(module: str) -> Iterator[str]:
    """Everything that a module imports anywhere in it, as `package.module.name`."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))
