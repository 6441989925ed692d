"""The connector's definition keeps the rules for connectors.

They are those of Microsoft's Swagger validator, string guidance and coding standards, and our own
for what a maker sees.
"""

import re
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import SWAGGER_20

from cart_core import __version__
from cart_core.cart.vocabulary import KNOWN_TERMS, SEGMENTS
from connector.swagger import BACKGROUND_PATH, EXCLUDED_OPERATIONS, INTERNAL_OPERATIONS
from connector.texts import BACKGROUND, DROP_DOWNS, KEY_EXPRESSION, LOOKUPS, MAKER_DESCRIPTIONS
from description.document import describe
from tests.connector.definition import (
    DEFINITION,
    FILE,
    MEMBERS,
    OPERATIONS,
    PARAMETERS,
    REQUEST_MEMBERS,
    SCHEMAS,
)

NAMED = {**PARAMETERS, **MEMBERS}
"""Everything that a maker sees by a name of its own."""

SMALL_WORDS = {"a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the"}
SMALL_WORDS |= {"per", "to", "with"}
PROPER_NAMES = re.compile("Partner Center|Microsoft|Azure")
FORBIDDEN = re.compile(
    r"\b((?i:api|connector)|Flow|Copilot Studio|Logic Apps|Power (Apps|Automate|Platform))\b"
)
"""Words that Microsoft takes neither in a title nor in a description of a connector."""

TYPES = {"string", "number", "integer", "boolean", "object", "array"}
KEYWORDS = {"type", "format", "description", "enum", "items", "properties", "required"}
KEYWORDS |= {
    "x-ms-dynamic-values",
    "x-ms-dynamic-list",
    "x-ms-enum-values",
    "x-ms-summary",
    "x-ms-visibility",
}
"""All that a schema may have: nothing that OpenAPI 2.0 or the connector designer does not know."""
FREE_OBJECTS = {"provisioningContext", "pricing", "purchaseCommitment", "additionalInformation"}
"""Objects whose members are not documented."""


def is_sentence(text: str) -> bool:
    return re.fullmatch(r"[A-Z`].*[^.\s]\.", text, re.DOTALL) is not None


def is_title(text: str) -> bool:
    first, *others = re.split(r"[ -]", text)
    capital = re.compile("[A-Z0-9]")
    return (
        len(text) <= 80
        and capital.match(first) is not None
        and all(word in SMALL_WORDS or capital.match(word) for word in others)
    )


def test_it_is_openapi_2_of_less_than_one_megabyte() -> None:
    specification = jsonschema_rs.validator_for(SWAGGER_20)

    specification.validate(DEFINITION)
    assert not specification.is_valid({**DEFINITION, "paths": {"/carts": {"get": {}}}})
    assert FILE.stat().st_size < 1_000_000


def test_its_head_suits_a_connector() -> None:
    info = DEFINITION["info"]
    metadata = {
        each["propertyName"]: each["propertyValue"]
        for each in DEFINITION["x-ms-connector-metadata"]
    }

    assert len(info["title"]) <= 30
    assert info["title"][-1].isalnum()
    assert 30 <= len(info["description"]) <= 500
    assert is_sentence(info["description"])
    assert FORBIDDEN.findall(f"{info['title']}: {info['description']}") == []
    assert info["version"] == __version__
    assert info["contact"].keys() == {"name", "url", "email"}
    assert metadata.keys() == {"Website", "Privacy policy", "Categories"}
    assert len(metadata["Categories"].split(";")) <= 2


def test_it_is_called_over_https_with_json_and_a_function_key_or_a_sign_in() -> None:
    assert DEFINITION["schemes"] == ["https"]
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", DEFINITION["host"])
    assert DEFINITION["basePath"] == "/api"
    assert DEFINITION["consumes"] == DEFINITION["produces"] == ["application/json"]
    key, sign_in = DEFINITION["security"]
    assert key == {"api_key": []}
    definitions = DEFINITION["securityDefinitions"]
    assert definitions.keys() == {*key, *sign_in}
    assert definitions["api_key"] == {"type": "apiKey", "in": "header", "name": "x-functions-key"}
    assert definitions["oauth2"]["flow"] == "accessCode"
    assert [*definitions["oauth2"]["scopes"]] == sign_in["oauth2"]


def test_it_has_every_operation_that_a_maker_has_a_use_for() -> None:
    documented = {
        operation["operationId"]
        for item in describe()["paths"].values()
        for operation in item.values()
    }
    offered = {
        operation["operationId"]
        for where, operation in OPERATIONS.items()
        if not where.endswith(BACKGROUND_PATH)
    }

    assert offered | EXCLUDED_OPERATIONS == documented
    assert offered & EXCLUDED_OPERATIONS == set()
    assert len(offered - INTERNAL_OPERATIONS) == 10


def test_what_can_be_accepted_and_done_later_has_an_action_of_its_own() -> None:
    accepting = {
        operation["operationId"]: f"{method} {path.removeprefix('/api')}"
        for path, item in describe()["paths"].items()
        for method, operation in item.items()
        if "202" in operation["responses"] and operation["operationId"] not in INTERNAL_OPERATIONS
    }

    assert accepting.keys() == BACKGROUND.keys()
    for name, where in accepting.items():
        plain, later = OPERATIONS[where], OPERATIONS[f"{where}{BACKGROUND_PATH}"]
        assert plain["operationId"] == name
        assert later["operationId"] == f"{name}InBackground"
        assert plain["responses"] == {
            status: each for status, each in later["responses"].items() if status != "202"
        }
        # The same can be filled in, and a key has to be.
        keys = [each for each in later["parameters"] if each["name"] == "Idempotency-Key"]
        assert all(each["required"] for each in keys)
        assert [{**each, "required": ...} for each in later["parameters"]] == [
            {**each, "required": ...} for each in plain["parameters"]
        ]


def test_only_the_platform_sees_the_address_of_a_result() -> None:
    internal = {
        operation["operationId"]
        for operation in OPERATIONS.values()
        if operation.get("x-ms-visibility") == "internal"
    }

    assert internal == INTERNAL_OPERATIONS
    result = OPERATIONS["get /accepted/{id}/result"]
    assert result["operationId"] in internal
    # It has to take all that is in the address, because the platform sends nothing else.
    assert {(each["name"], each["in"]) for each in result["parameters"]} == {
        ("id", "path"),
        ("t", "query"),
    }


@pytest.mark.parametrize("where", OPERATIONS)
def test_an_operation_is_described_for_makers(where: str) -> None:
    operation = OPERATIONS[where]
    summary = operation["summary"]

    members = {"operationId", "summary", "description", "parameters", "responses"}
    assert operation.keys() - {"x-ms-visibility"} == members
    assert re.fullmatch(r"([A-Z][a-z0-9]+)+", operation["operationId"])
    # In sentence case, without a slash, and without punctuation at its end.
    assert re.fullmatch(r"[A-Z][^A-Z/]{,78}[^A-Z\W]", PROPER_NAMES.sub("it", summary))
    assert is_sentence(operation["description"])
    assert operation["description"] != f"{summary}."


@pytest.mark.parametrize("where", OPERATIONS)
def test_only_the_success_response_of_an_operation_has_a_schema(where: str) -> None:
    responses = OPERATIONS[where]["responses"]
    internal = OPERATIONS[where].get("x-ms-visibility") == "internal"

    with_schema = [name for name, each in responses.items() if "schema" in each]
    assert with_schema in ([[]] if internal else [["200"], ["201"]])
    assert len(responses.keys() - {"202"}) == 2
    headers = responses.get("202", {}).get("headers", {})
    assert headers.keys() == ({"Location", "Retry-After"} if "202" in responses else set())
    assert is_sentence(responses["default"]["description"])
    assert all(is_sentence(each["description"]) for each in responses.values())


@pytest.mark.parametrize("where", OPERATIONS)
def test_the_parameters_of_a_path_are_those_in_its_braces(where: str) -> None:
    given = [each for each in OPERATIONS[where]["parameters"] if each["in"] == "path"]

    assert [each["name"] for each in given] == re.findall(r"{(\w+)}", where)
    assert [each for each in given if each["required"] is not True] == []
    # Otherwise the platform encodes the value twice.
    assert all(each["x-ms-url-encoding"] == "single" for each in given)


def test_every_parameter_and_member_has_a_friendly_name_and_a_description() -> None:
    assert len(NAMED) > 150
    assert [where for where, each in NAMED.items() if not is_title(each["x-ms-summary"])] == []
    assert [where for where, each in NAMED.items() if not is_sentence(each["description"])] == []
    repeating = [
        where
        for where, each in NAMED.items()
        if each["description"].rstrip(".") == each["x-ms-summary"]
    ]
    assert repeating == []


def test_what_is_required_is_shown_first_and_the_rest_on_demand() -> None:
    required = {
        **{where: each["required"] for where, each in PARAMETERS.items()},
        **{
            f"{where}.{name}": name in schema.get("required", ())
            for where, schema in SCHEMAS.items()
            for name in schema.get("properties", ())
        },
    }

    # The idempotency key is shown first even where it is optional, and so is what names a SKU.
    first = re.compile(r" Idempotency-Key$|\.(productId|skuId|termDuration)$")
    renewal = re.compile(r"renewsTo\.")
    assert [
        where
        for where, each in {**PARAMETERS, **REQUEST_MEMBERS}.items()
        if (each.get("x-ms-visibility") == "important")
        != (required[where] or bool(first.search(where) and not renewal.search(where)))
    ] == []
    assert {each.get("x-ms-visibility") for each in {**PARAMETERS, **REQUEST_MEMBERS}.values()} == {
        "important",
        "advanced",
    }


def test_a_schema_has_one_type_and_only_keywords_that_the_designer_knows() -> None:
    assert [where for where, schema in SCHEMAS.items() if not schema.keys() <= KEYWORDS] == []
    assert [
        where for where, schema in SCHEMAS.items() if str(schema.get("type")) not in TYPES
    ] == []
    assert {each["type"] for each in PARAMETERS.values() if each["in"] != "body"} == {"string"}


def test_every_object_and_list_says_what_is_in_it() -> None:
    free = [
        where
        for where, schema in SCHEMAS.items()
        if schema["type"] == "object" and not schema.get("properties")
    ]

    assert {where.rpartition(".")[2] for where in free} <= FREE_OBJECTS
    for where, schema in SCHEMAS.items():
        assert schema["type"] != "array" or "items" in schema, where
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), where


@pytest.mark.parametrize("name", ["Cart", "CartAnswer"])
def test_an_add_on_has_all_members_of_a_line_but_add_ons(name: str) -> None:
    line = SCHEMAS[f"{name}.lineItems[]"]["properties"]
    addon = SCHEMAS[f"{name}.lineItems[].addonItems[]"]["properties"]

    assert line.keys() - addon.keys() == {"addonItems"}


def test_every_value_of_a_drop_down_has_a_name() -> None:
    with_values = {where for where, each in MEMBERS.items() if "enum" in each}

    # Nobody has to type the value of a segment, of the term of a renewal, or of a role.
    assert with_values == {
        where
        for where in REQUEST_MEMBERS
        if re.search(r"\.(segment|key|renewsTo\.termDuration)$", where)
    }
    for where in with_values:
        shown = MEMBERS[where]["x-ms-enum-values"]
        assert [each["value"] for each in shown] == MEMBERS[where]["enum"]
        assert all(re.match("[A-Z]", each["displayName"]) for each in shown)


def test_the_drop_downs_have_the_values_that_partner_center_documents() -> None:
    assert tuple(DROP_DOWNS["LineItem.segment"]) == SEGMENTS
    assert set(DROP_DOWNS["RenewsTo.termDuration"]) == KNOWN_TERMS


def test_a_maker_chooses_customer_product_sku_term_and_cycle() -> None:
    chosen = {where: each for where, each in NAMED.items() if "x-ms-dynamic-values" in each}
    assert {re.split(r"[ .]", where)[-1] for where in chosen} == set(LOOKUPS)
    assert {where for where in PARAMETERS if where.endswith(" customerId")} <= chosen.keys()
    lines = {each.rpartition(".")[0] for each in REQUEST_MEMBERS if each.endswith(".productId")}
    assert {where.rpartition(".")[2] for where in lines} == {"lineItems[]", "addonItems[]"}
    assert {f"{line}.{name}" for line in lines for name in LOOKUPS.keys() - {"customerId"}} == {
        where for where in chosen if where in REQUEST_MEMBERS
    }


def answer_of(operation: str) -> tuple[dict[str, Any], set[str]]:
    """The members of an operation's answer, and the names of its parameters."""
    [found] = [each for each in OPERATIONS.values() if each["operationId"] == operation]
    reference = found["responses"]["200"]["schema"]["$ref"].rpartition("/")[2]
    return DEFINITION["definitions"][reference]["properties"], {
        each["name"] for each in found["parameters"]
    }


@pytest.mark.parametrize("where", [each for each in NAMED if "x-ms-dynamic-list" in NAMED[each]])
def test_a_list_to_choose_from_is_what_the_operation_answers_in_both_forms(where: str) -> None:
    old, new = NAMED[where]["x-ms-dynamic-values"], NAMED[where]["x-ms-dynamic-list"]
    members, parameters = answer_of(old["operationId"])
    choice = members[old["value-collection"]]["items"]["properties"]
    assert {old["value-path"], old["value-title"]} <= choice.keys()
    assert (new["operationId"], new["itemsPath"]) == (old["operationId"], old["value-collection"])
    assert (new["itemValuePath"], new["itemTitlePath"]) == (old["value-path"], old["value-title"])
    assert old["parameters"].keys() == new["parameters"].keys() <= parameters
    for name, given in new["parameters"].items():
        reference = given["parameterReference"]
        assert old["parameters"][name] == {"parameter": name}
        if "." in where and name != "customerId":  # a member of the line itself
            path = where.rpartition(".")[0].partition(".")[2].replace("[]", "").replace(".", "/")
            assert reference == f"body/{path}/{name}"
        else:
            assert reference == name
            operation = OPERATIONS[" ".join(where.split(" ")[:2])] if "." not in where else None
            assert operation is None or name in {each["name"] for each in operation["parameters"]}
    # What is sold in another segment than the line's would be refused.
    assert ("segment" in parameters) == ("segment" in new["parameters"])


@pytest.mark.parametrize("key", sorted({*MAKER_DESCRIPTIONS, *DROP_DOWNS}))
def test_a_text_for_makers_replaces_another_one(key: str) -> None:
    name, _, member = key.partition(".")
    schemas: Any = describe()["components"]["schemas"]

    if member:
        assert schemas[name]["properties"][member]["description"] != MAKER_DESCRIPTIONS.get(key)
    else:
        assert name in {each["operationId"] for each in OPERATIONS.values()}


def test_no_text_is_about_something_that_the_connector_does_not_have() -> None:
    for where, each in {**OPERATIONS, **PARAMETERS}.items():
        assert "webhook" not in f"{where} {each['description']}".lower()
    for where, member in REQUEST_MEMBERS.items():
        assert not re.search("In a request|any depth", member["description"]), where


def test_the_idempotency_key_is_asked_for_with_an_expression() -> None:
    keys = {
        where: parameter
        for where, parameter in PARAMETERS.items()
        if parameter["name"] == "Idempotency-Key"
    }

    assert {where: key["required"] for where, key in keys.items()} == {
        "post /customers/{customerId}/carts Idempotency-Key": False,
        "post /customers/{customerId}/carts/background Idempotency-Key": True,
        "post /customers/{customerId}/orders Idempotency-Key": True,
        "post /customers/{customerId}/orders/background Idempotency-Key": True,
    }
    advice = f". Use an expression on the order's own id, such as {KEY_EXPRESSION}."
    assert all(key["description"].endswith(advice) for key in keys.values())
