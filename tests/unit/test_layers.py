"""The layout is the architecture: which room may import which, and who may know a vendor.

TABLE names every module of the deployed code by its room. A module or a folder that it does not
name fails, and so does an import that it does not allow.
"""

import ast
import sys
from collections.abc import Set
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kit.imports import imports, is_of, module_of, nodes

ROOT = Path(__file__).resolve().parents[2]

TOOLS = {"opentelemetry", "pydantic", "pydantic_core"}
"""Packages that are tools rather than somebody's service. Every module may import them."""


FOR_ALL = TOOLS | sys.stdlib_module_names | {"cart_core.__version__"}
"""What every module may import."""


class Room(NamedTuple):
    """The modules of one folder, the rooms that they may import, and the vendors they may know."""

    modules: Set[str]
    rooms: Set[str] = frozenset()
    vendors: Set[str] = frozenset()


BASE = {"problem", "telemetry", "tokens", "deadline", "call", "settings", "json_text"}
"""The modules of cart_core itself that every room may import."""

COMPOSITION = {"composition", "assembly", "storefront_assembly", "surroundings"}
"""The composition root: what is built, of what, and in which surroundings."""

TABLE = {
    "": Room({"function_app"}, {"cart_core", "cart_core.api"}, {"azure.functions"}),
    "cart_core": Room(
        {*BASE, *COMPOSITION},
        # Only the composition root leaves this room; see test_only_the_composition_root_builds.
        {f"cart_core.{room}" for room in ("adapters", "api", "idempotency", "partner_center")}
        | {"cart_core.operations", "cart_core.storefronts", "cart_core.use_cases"},
    ),
    "cart_core.api": Room(
        {"about", "accepted", "body", "callers", "endpoints", "headers", "invocation"}
        | {"json_syntax", "messages", "operators", "parameters", "query", "ready"}
        | {"remnants", "request_json", "requests", "responses", "storefront_orders"}
        | {"storefront_parts", "webhooks"},
        {
            f"cart_core.{room}"
            for room in ("cart", "catalogue", "idempotency", "operations", "storefronts")
        }
        | {"cart_core.use_cases"},
    ),
    "cart_core.use_cases": Room(
        {"buying", "cart_problems", "check_out_cart", "create_cart", "duplicate_orders"}
        | {"find_customers", "get_cart", "get_customer", "list_offers", "place_order"}
        | {"partner_customers", "preflight_cart"}
        | {"purchase", "readiness", "readiness_links", "renew_items", "resolve_items"}
        | {"rotate_refresh_token", "search_products", "spending_guard", "update_cart"},
        {f"cart_core.{room}" for room in ("cart", "catalogue", "idempotency", "partner_center")},
    ),
    "cart_core.idempotency": Room(
        {"claim", "decision", "duplicates", "hold", "memory_store", "operation_id", "plan"}
        | {"record", "runner", "store"}
    ),
    "cart_core.operations": Room(
        {"acceptance", "bell", "bells", "decision", "deferral", "documents", "memory_bells"}
        | {"memory_documents", "operation", "operators", "pacing", "probe", "store", "sweeper"}
        | {"worker"},
        {"cart_core.idempotency"},
    ),
    "cart_core.partner_center": Room(
        {"carts", "catalogue", "catalogue_cache", "customers", "eligibility"}
        | {"error_bodies", "errors", "exchange"}
        | {
            "foreign_json",
            "pauses",
            "places",
            "promotions",
            "reading",
            "retry",
            "throttle",
            "unauthorized",
        },
        {"cart_core.cart", "cart_core.catalogue"},
    ),
    "cart_core.catalogue": Room(
        {"availability", "offers", "preflight", "resolution"}, {"cart_core.cart"}
    ),
    "cart_core.cart": Room(
        {"answer", "answer_types", "checkout_answer", "dropped_lines", "error_codes"}
        | {"expected_lines", "line_ids", "member_names", "order_groups", "request"}
        | {"request_errors", "request_types", "request_warnings", "skus", "spelling"}
        | {"validation_context", "vocabulary"}
    ),
    "cart_core.storefronts": Room(
        {"bigcommerce", "bodies", "changes", "customers", "fetching", "intake", "json_body"}
        | {"order", "order_record", "orders", "parking", "platform_types", "platforms", "ports"}
        | {"release", "report_delivery", "reporting", "resolution", "shopify", "signatures"}
        | {"sku", "source_keys", "sources", "standard_webhooks", "stripe", "woocommerce"}
        | {"worker"},
        {"cart_core.idempotency", "cart_core.operations"},
        {"jmespath"},
    ),
    "cart_core.adapters": Room(
        {"blob_documents", "blob_store", "entra", "http_sessions", "json_blobs", "key_vault"}
        | {"managed_identity", "openid_metadata", "partner_center_http", "secret_form"}
        | {"storage_queue", "storage_rest", "storefront_http"},
        {
            f"cart_core.{room}"
            for room in ("idempotency", "operations", "partner_center", "storefronts")
        },
        {"aiohttp", "azure", "cryptography", "msal", "requests", "urllib3", "yarl"},
    ),
}

INPUT_AND_OUTPUT = {"asyncio", "logging", "os", "pathlib", "socket", "ssl", "threading", "time"}
"""Modules of the standard library that the pure rooms have no use for."""

PURE_ROOMS = {"cart_core.cart", "cart_core.catalogue", "cart_core.storefronts"}
THAT_LOG = {
    f"cart_core.storefronts.{name}" for name in ("intake", "orders", "report_delivery", "worker")
}
"""Use cases in a pure room. They wait for ports, and log."""

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


MODULE_COUNT = 155
"""How many modules the walk has to see; one that finds nothing would prove nothing."""


each_module = pytest.mark.parametrize("module", sorted(MODULES))


@each_module
def test_a_module_imports_what_the_table_allows(module: str) -> None:
    room = MODULES[module]
    for name in imports(path_of(module)):
        if imported := module_of(name, MODULES):
            of_base = MODULES[imported] == "cart_core" and imported.rpartition(".")[2] in BASE
            assert of_base or MODULES[imported] in TABLE[room].rooms | {room}, name
        else:
            assert is_of(name, TABLE[room].vendors | FOR_ALL), name
        if room in PURE_ROOMS and module not in THAT_LOG:
            assert not is_of(name, INPUT_AND_OUTPUT), name


@each_module
def test_only_the_composition_root_builds(module: str) -> None:
    outside = {MODULES[name] for name in imported_modules(module)} - {"cart_core"}

    if module.removeprefix("cart_core.") not in COMPOSITION:
        assert MODULES[module] != "cart_core" or not outside
    if module != "cart_core.composition":
        assert MODULES[module] == "cart_core.adapters" or "cart_core.adapters" not in outside


@each_module
def test_only_the_composition_root_reads_the_environment(module: str) -> None:
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in nodes(path_of(module))
        if isinstance(node, ast.Attribute | ast.Name)
    }
    names |= {name.rpartition(".")[2] for name in imports(path_of(module))}

    readers = names & {"environ", "environb", "getenv", "getenvb"}
    assert readers == ({"environ"} if module == "cart_core.composition" else set())


def test_imports_go_one_way() -> None:
    graph = {module: imported_modules(module) for module in MODULES}
    TopologicalSorter(graph).prepare()  # raises CycleError


def path_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


def imported_modules(module: str) -> set[str]:
    """The modules of the deployed code that a module imports."""
    found = (module_of(name, MODULES) for name in imports(path_of(module)))
    return {name for name in found if name and name != module}
