"""Schemas of OpenAPI 3.1 become schemas that the connector designer knows."""

from typing import Any

import pytest

from connector.schemas import SchemaConverter

TEXTS = {"title": "Some Name", "description": "Some words."}
CONVERTED = {"x-ms-summary": "Some Name", "description": "Some words."}
TEXT = {"$ref": "#/components/schemas/Text"}


def converter(**schemas: Any) -> SchemaConverter:
    """A converter for a document with these schemas, and with one named Text."""
    text = {"type": "string", "title": "Other", "description": "Other words.", "maxLength": 9}
    return SchemaConverter({"components": {"schemas": {"Text": text, **schemas}}})


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": "string"}),
        ({"type": ["string", "null"]}, {"type": "string"}),
        ({"type": ["null", "string"]}, {"type": "string"}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"type": "integer"}),
        ({"anyOf": [TEXT, {"type": "null"}]}, {"type": "string"}),
        (TEXT, {"type": "string"}),
        ({"type": "string", "pattern": "^a$", "maxLength": 2, "default": None}, {"type": "string"}),
        ({"type": "string", "format": "uuid"}, {"type": "string"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({}, {"type": "object"}),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"type": "object"}),
        (
            {"type": "array", "items": {"type": "integer", "minimum": 1}},
            {"type": "array", "items": {"type": "integer"}},
        ),
    ],
)
def test_a_schema_keeps_its_type_and_texts_and_loses_its_limits(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    # A member's own texts win over those of the schema that it refers to.
    assert converter().converted({**schema, **TEXTS}, in_request=True) == {**expected, **CONVERTED}


def test_a_reference_without_texts_gets_those_of_its_schema() -> None:
    assert converter().converted(TEXT, in_request=True) == {
        "type": "string",
        "x-ms-summary": "Other",
        "description": "Other words.",
    }


def test_only_a_request_says_what_is_required_and_shown_first() -> None:
    cart = {"type": "object", "required": ["must"], "properties": {"must": TEXT, "may": TEXT}}
    text = {"type": "string", "x-ms-summary": "Other", "description": "Other words."}
    schemas = converter(Cart=cart, CartAnswer=cart)

    request = schemas.definition({"$ref": "#/components/schemas/Cart"}, in_request=True)
    answer = schemas.definition({"$ref": "#/components/schemas/CartAnswer"}, in_request=False)

    assert (request, answer) == (
        {"$ref": "#/definitions/Cart"},
        {"$ref": "#/definitions/CartAnswer"},
    )
    assert schemas.definitions == {
        "Cart": {
            "type": "object",
            "required": ["must"],
            "properties": {
                "must": {"x-ms-visibility": "important", **text},
                "may": {"x-ms-visibility": "advanced", **text},
            },
        },
        "CartAnswer": {"type": "object", "properties": {"must": text, "may": text}},
    }


def test_a_schema_of_both_a_request_and_an_answer_is_refused() -> None:
    schemas = converter(Cart={"type": "object", "properties": {"id": TEXT}})
    schemas.definition({"$ref": "#/components/schemas/Cart"}, in_request=True)

    with pytest.raises(ValueError, match="Cart is the body of a request and of an answer"):
        schemas.definition({"$ref": "#/components/schemas/Cart"}, in_request=False)


def test_the_known_values_of_a_line_item_are_a_drop_down() -> None:
    line = {"type": "object", "properties": {"billingCycle": {"type": "string", **TEXTS}}}
    schemas = converter(LineItem=line, LineItemAnswer=line)

    (request, answer) = (
        schemas.converted({"$ref": f"#/components/schemas/{name}"}, in_request=False)
        for name in ("LineItem", "LineItemAnswer")
    )

    cycle = request["properties"]["billingCycle"]
    assert [each["value"] for each in cycle["x-ms-enum-values"]] == cycle["enum"]
    assert cycle["x-ms-enum-values"][2] == {"value": "one_time", "displayName": "One time"}
    assert cycle["description"] == "How often it is billed."
    assert answer["properties"]["billingCycle"] == {"type": "string", **CONVERTED}


def test_a_schema_contains_itself_once() -> None:
    line = {"$ref": "#/components/schemas/Line"}
    addons = {"anyOf": [{"type": "array", "items": line}, {"type": "null"}]}
    schemas = converter(Line={"type": "object", "properties": {"id": TEXT, "addonItems": addons}})

    members = schemas.converted(line, in_request=True)["properties"]

    assert members.keys() == {"id", "addonItems"}
    assert members["addonItems"]["items"]["properties"].keys() == {"id"}


def test_a_schema_may_be_used_by_any_number_of_members() -> None:
    schemas = converter(Four={"type": "object", "properties": dict.fromkeys("abcd", TEXT)})

    four = schemas.converted({"$ref": "#/components/schemas/Four"}, in_request=True)

    assert four["properties"].keys() == set("abcd")
