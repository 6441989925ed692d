"""The connector's definition is what the code describes, and keeps every rule for connectors."""

import copy
import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis

from cart_core.cart.vocabulary import BILLING_CYCLES, KNOWN_TERMS
from connector.swagger import DROP_DOWNS, KEY_EXPRESSION, NOT_OFFERED, WORDS
from description.__main__ import ROOT, described
from description.document import describe
from tests.connector import rules

FILE = ROOT / "connector" / "apiDefinition.swagger.json"
DEFINITION: dict[str, Any] = json.loads(FILE.read_text("utf-8"))

GONE = object()
CREATE = ("paths", "/customers/{customerId}/carts", "post")
CUSTOMER_ID = (*CREATE, "parameters", 0)
CART = ("definitions", "Cart")
LINE = (*CART, "properties", "lineItems", "items", "properties")

BROKEN: list[tuple[Callable[[rules.Document], rules.Found], tuple[str | int, ...], Any]] = [
    (rules.title, ("info", "title"), "Partner Center Carts and Orders"),
    (rules.title, ("info", "title"), "Carts API"),
    (rules.title, ("info", "title"), "Carts!"),
    (rules.description, ("info", "description"), "Carts and orders."),
    (rules.description, ("info", "description"), "Carts and orders in Microsoft Partner Center"),
    (rules.description, ("info", "description"), "Carts and orders of the Partner Center API."),
    (rules.contact_and_metadata, ("info", "contact", "email"), GONE),
    (rules.contact_and_metadata, ("x-ms-connector-metadata", 0), GONE),
    (
        rules.contact_and_metadata,
        ("x-ms-connector-metadata", 2, "propertyValue"),
        "Commerce;Data;Finance",
    ),
    (rules.operation_ids, (*CREATE, "operationId"), "createCart"),
    (rules.operation_ids, (*CREATE, "operationId"), "Create_Cart"),
    (rules.operation_ids, (*CREATE, "operationId"), "PlaceOrder"),
    (rules.summaries, (*CREATE, "summary"), GONE),
    (rules.summaries, (*CREATE, "summary"), "Create a cart" * 7),
    (rules.summaries, (*CREATE, "summary"), "Create a Cart"),
    (rules.summaries, (*CREATE, "summary"), "create a cart"),
    (rules.summaries, (*CREATE, "summary"), "Create/replace a cart"),
    (rules.summaries, (*CREATE, "summary"), "Create a cart."),
    (rules.descriptions, (*CREATE, "description"), GONE),
    (rules.descriptions, (*CREATE, "description"), f"{DEFINITION['info']['title']}"),
    (rules.descriptions, (*CREATE, "description"), "Create a cart."),
    (rules.descriptions, (*CUSTOMER_ID, "description"), GONE),
    (rules.descriptions, (*LINE, "quantity", "description"), "how many"),
    (rules.descriptions, (*LINE, "quantity", "description"), "Quantity."),
    (rules.friendly_names, (*CUSTOMER_ID, "x-ms-summary"), GONE),
    (rules.friendly_names, (*CUSTOMER_ID, "x-ms-summary"), "Customer id"),
    (rules.friendly_names, (*LINE, "quantity", "x-ms-summary"), GONE),
    (rules.friendly_names, (*LINE, "quantity", "x-ms-summary"), "Q" * 81),
    (rules.path_parameters, (*CUSTOMER_ID, "required"), False),
    (rules.path_parameters, (*CUSTOMER_ID, "x-ms-url-encoding"), GONE),
    (rules.path_parameters, (*CUSTOMER_ID, "name"), "customer"),
    (rules.visibility, (*CUSTOMER_ID, "x-ms-visibility"), "advanced"),
    (rules.visibility, (*LINE, "quantity", "x-ms-visibility"), "advanced"),
    (rules.visibility, (*LINE, "friendlyName", "x-ms-visibility"), GONE),
    (rules.internal_has_default, (*CUSTOMER_ID, "x-ms-visibility"), "internal"),
    (rules.internal_has_default, (*LINE, "quantity", "x-ms-visibility"), "internal"),
    (rules.one_response_schema, (*CREATE, "responses", "201", "schema"), GONE),
    (rules.one_response_schema, (*CREATE, "responses", "default", "schema"), {"type": "string"}),
    (rules.one_response_schema, (*CREATE, "responses", "default", "description"), "error"),
    (rules.media_types, ("produces",), ["application/json", "application/problem+json"]),
    (rules.media_types, ("consumes",), ["text/plain"]),
    (rules.media_types, (*CREATE, "produces"), ["application/problem+json"]),
    (rules.references, (*CREATE, "responses", "201", "schema", "description"), "The cart."),
    (rules.references, (*CREATE, "responses", "201", "schema", "$ref"), "#/definitions/None"),
    (rules.references, ("definitions", "Unused"), {"type": "string"}),
    (rules.keywords, (*LINE, "quantity", "minimum"), 1),
    (rules.keywords, (*LINE, "quantity", "anyOf"), [{"type": "integer"}, {"type": "null"}]),
    (rules.keywords, (*LINE, "quantity", "type"), ["integer", "null"]),
    (rules.keywords, (*CUSTOMER_ID, "type"), "null"),
    (rules.known_members, (*LINE, "renewsTo", "properties"), {}),
    (rules.known_members, (*LINE, "participants", "items"), GONE),
    (rules.known_members, (*LINE, "catalogItemId"), GONE),
    (rules.addons_one_level_deep, (*LINE, "addonItems", "items", "properties", "id"), GONE),
    (
        rules.addons_one_level_deep,
        (*LINE, "addonItems", "items", "properties", "addonItems"),
        {"type": "array", "items": {"type": "object"}},
    ),
    (rules.drop_downs, (*LINE, "billingCycle", "enum"), GONE),
    (rules.drop_downs, (*LINE, "billingCycle", "x-ms-enum-values", 0, "value"), "weekly"),
    (rules.drop_downs, (*LINE, "billingCycle", "x-ms-enum-values", 0, "displayName"), "monthly"),
    (rules.host, ("schemes",), ["http", "https"]),
    (rules.host, ("host",), "https://example.com"),
    (rules.host, ("basePath",), "api"),
    (rules.limits, ("paths", "/many"), {str(n): {"parameters": []} for n in range(257)}),
    (
        rules.limits,
        ("definitions", "Many"),
        {"properties": {str(n): {"type": "string"} for n in range(512)}},
    ),
    (rules.security, ("security",), []),
    (rules.security, ("securityDefinitions", "api_key", "in"), "query"),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in BROKEN))


def test_every_generated_file_is_what_the_code_describes() -> None:
    for name, text in described().items():
        assert (ROOT / name).read_text("utf-8") == text, f"{name}: run `make describe`"


def test_the_openapi_document_is_written_as_it_is() -> None:
    assert json.loads(described()["cart_core/api/openapi.json"]) == describe()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_the_definition_keeps(rule: Callable[[rules.Document], rules.Found]) -> None:
    assert list(rule(DEFINITION)) == []


@pytest.mark.parametrize(
    ("rule", "path", "value"),
    BROKEN,
    ids=[f"{rule.__name__}-{number}" for number, (rule, _, _) in enumerate(BROKEN)],
)
def test_the_rule_finds(
    rule: Callable[[rules.Document], rules.Found], path: tuple[str | int, ...], value: Any
) -> None:
    broken = copy.deepcopy(DEFINITION)
    parent: Any = broken
    for step in path[:-1]:
        parent = parent[step]
    if value is GONE:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value

    assert list(rule(broken)) != []


def test_no_rule_is_left_out() -> None:
    found = inspect.getmembers(rules, inspect.isfunction)
    assert {name for name, rule in found if rule.__annotations__["return"] == rules.Found} == {
        rule.__name__ for rule in RULES
    }


def test_it_is_a_valid_openapi_2_document() -> None:
    schemathesis.openapi.from_dict(DEFINITION).validate()


def test_an_invalid_document_is_found() -> None:
    broken = copy.deepcopy(DEFINITION)
    del broken["paths"]["/customers/{customerId}/carts"]["post"]["responses"]

    with pytest.raises(Exception, match="responses"):
        schemathesis.openapi.from_dict(broken).validate()


def test_the_file_is_below_one_megabyte() -> None:
    assert FILE.stat().st_size < 1_000_000


def test_every_operation_for_makers_is_there() -> None:
    def ids(document: dict[str, Any]) -> set[str]:
        return {
            each["operationId"]
            for item in document["paths"].values()
            for method, each in item.items()
            if method in rules.METHODS
        }

    assert ids(DEFINITION) == ids(describe()) - NOT_OFFERED
    assert ids(describe()) >= NOT_OFFERED
    assert len(ids(DEFINITION)) == 5


def test_the_drop_downs_have_what_partner_center_knows() -> None:
    assert tuple(DROP_DOWNS["LineItem.billingCycle"]) == BILLING_CYCLES
    assert set(DROP_DOWNS["LineItem.termDuration"]) == KNOWN_TERMS
    assert set(DROP_DOWNS["RenewsTo.termDuration"]) == KNOWN_TERMS


@pytest.mark.parametrize("key", sorted({*WORDS, *DROP_DOWNS}))
def test_what_is_said_otherwise_exists(key: str) -> None:
    name, _, member = key.partition(".")
    schemas = describe()["components"]["schemas"]

    if member:
        assert member in schemas[name]["properties"]
        assert schemas[name]["properties"][member]["description"] != WORDS.get(key)
    else:
        assert name in {each["operationId"] for _, each in rules.operations(DEFINITION)}


def test_no_description_speaks_of_what_the_connector_has_not() -> None:
    for where, each in [*rules.operations(DEFINITION), *rules.parameters(DEFINITION)]:
        assert "webhook" not in each["description"], where
    for where, _, member, _ in rules.members(rules.sent(DEFINITION)):
        assert "In a request" not in member["description"], where
        assert "any depth" not in member["description"], where


def test_the_key_is_asked_for_with_an_expression() -> None:
    keys = {
        where.partition(" ")[2]: parameter
        for where, parameter in rules.parameters(DEFINITION)
        if parameter["name"] == "Idempotency-Key"
    }

    assert {where: key["required"] for where, key in keys.items()} == {
        "/customers/{customerId}/carts Idempotency-Key": False,
        "/customers/{customerId}/orders Idempotency-Key": True,
    }
    for key in keys.values():
        assert KEY_EXPRESSION in key["description"]
