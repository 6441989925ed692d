"""Who is admitted to which route, in each mode, and by what name they are known."""

import base64
import json
from typing import Any, get_args

import pytest
from azure.functions import AuthLevel
from azure.functions.decorators.http import HttpTrigger

from cart_core.api.callers import ROUTES, Gate, Role
from cart_core.problem import CATALOGUE, Problem
from tests.kit.declared import functions

KEYS, ENTRA = Gate(False, False, "func-a"), Gate(True, True, "func-a")
NOT_SIGNED_IN, SIGNED_IN_UNASKED = Gate(True, False, "func-a"), Gate(False, True, "func-a")
APP, USER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
ROLE_URI = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"


def principal(*claims: tuple[str, str]) -> dict[str, str]:
    """The header that App Service makes of a token with these claims."""
    document = {"auth_typ": "aad", "claims": [{"typ": typ, "val": val} for typ, val in claims]}
    return {"x-ms-client-principal": base64.b64encode(json.dumps(document).encode()).decode()}


def refusal(gate: Gate, operation: str, headers: dict[str, str]) -> str:
    with pytest.raises(Problem) as refused:
        gate.require_role(operation, headers)
    return refused.value.code


def test_every_route_has_a_role_and_only_what_has_none_is_open() -> None:
    levels: dict[str, Any] = {
        function.get_function_name(): trigger.auth_level
        for function in functions()
        if isinstance(trigger := function.get_trigger(), HttpTrigger)
    }

    assert levels.keys() == ROUTES.keys()
    for operation, role in ROUTES.items():
        assert (levels[operation] is AuthLevel.ANONYMOUS) == (role is None), operation
        # What any key opens is no operator's route, but for the look at what is missing.
        operators = role == "Operations.Manage" and operation != "get_ready"
        assert (levels[operation] is AuthLevel.ADMIN) == operators, operation
    assert {role for role in ROUTES.values() if role} | {"Operations.Manage"} == set(get_args(Role))


@pytest.mark.parametrize("operation", [name for name, role in ROUTES.items() if role])
@pytest.mark.parametrize("claim", ["roles", ROLE_URI])
@pytest.mark.parametrize("application", ["azp", "appid"])
def test_who_has_the_role_is_admitted_and_nobody_else(
    operation: str, claim: str, application: str
) -> None:
    for role in get_args(Role):
        headers = principal((application, APP), ("oid", USER), (claim, role), (claim, "Other"))
        assert ENTRA.caller(operation, headers) == APP
        if role == ROUTES[operation]:
            ENTRA.require_role(operation, headers)
        else:
            assert refusal(ENTRA, operation, headers) == "role_missing"


NOT_PRINCIPALS = [
    {},
    {"x-ms-client-principal": ""},
    {"x-ms-client-principal": "not base64"},
    {"x-ms-client-principal": base64.b64encode(b"[]").decode()},
    {"x-ms-client-principal": base64.b64encode(b'{"claims": [1]}').decode()},
    {"x-ms-client-principal-id": USER},
    {"x-functions-key": "a key"},
    principal(("roles", "Carts.Read")),
]


@pytest.mark.parametrize("headers", NOT_PRINCIPALS)
@pytest.mark.parametrize("operation", [name for name, role in ROUTES.items() if role])
def test_without_a_principal_nothing_is_served(headers: dict[str, str], operation: str) -> None:
    assert refusal(ENTRA, operation, headers) == "caller_unknown"
    assert ENTRA.caller(operation, headers) is None


@pytest.mark.parametrize("gate", [KEYS, ENTRA, NOT_SIGNED_IN, SIGNED_IN_UNASKED])
def test_an_open_route_reads_no_header_about_callers(gate: Gate) -> None:
    headers = principal(("azp", APP)) | {"x-functions-key": "a"}
    for operation in (name for name, role in ROUTES.items() if role is None):
        assert gate.caller(operation, headers) is None
        gate.require_role(operation, headers)


def test_where_mode_and_platform_disagree_no_header_counts_and_nothing_is_bought() -> None:
    buyer = principal(("azp", APP), ("roles", "Orders.Buy"), ("roles", "Carts.Read"))
    key = {"x-functions-key": "a key"}
    for operation in ("place_order", "checkout_cart", "get_cart"):
        assert refusal(NOT_SIGNED_IN, operation, buyer | key) == "configuration_invalid"
        assert NOT_SIGNED_IN.caller(operation, buyer | key) is None
    for operation in ("place_order", "checkout_cart"):
        assert refusal(SIGNED_IN_UNASKED, operation, buyer | key) == "configuration_invalid"
    SIGNED_IN_UNASKED.require_role("get_cart", buyer | key)
    assert SIGNED_IN_UNASKED.caller("get_cart", buyer | key) == KEYS.caller("get_cart", key)


def test_a_key_is_known_by_a_fingerprint_of_this_deployment() -> None:
    names = {
        gate.caller("get_cart", {"x-functions-key": key})
        for gate in (KEYS, Gate(False, False, "func-b"))
        for key in ("one", "two")
    }

    assert len(names) == 4
    for name in names:
        assert name is not None
        assert name.startswith("key:")
        assert len(name) == 16
        assert "one" not in name
    assert KEYS.caller("get_cart", {}) is None
    assert KEYS.caller("get_cart", principal(("azp", APP))) is None


@pytest.mark.parametrize(
    ("environment", "gate"),
    [
        ({}, Gate(False, False, "")),
        ({"CART_CALLERS": "keys", "WEBSITE_AUTH_ENABLED": "False"}, Gate(False, False, "")),
        ({"CART_CALLERS": "entra", "WEBSITE_AUTH_ENABLED": "True"}, Gate(True, True, "")),
        ({"CART_CALLERS": "Entra ", "WEBSITE_SITE_NAME": "f"}, Gate(True, False, "f")),
    ],
)
def test_the_mode_is_the_operators_and_the_rest_the_platforms(
    environment: dict[str, str], gate: Gate
) -> None:
    assert Gate.read(environment) == gate
    assert gate.replaces_keys == (gate.entra and gate.signs_in)


def test_refused_callers_are_told_apart() -> None:
    assert CATALOGUE["caller_unknown"].status == 401
    assert CATALOGUE["role_missing"].status == 403
