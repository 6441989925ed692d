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


def test_a_schema_of_both_a_request_and_an_answer_is_refused() -> None:
    schemas = converter(Cart={"type": "object", "properties": {"id": TEXT}})
    schemas.definition({"$ref": "#/components/schemas/Cart"}, in_request=True)

    with pytest.raises(ValueError, match="Cart is the body of a request and of an answer"):
        schemas.definition({"$ref": "#/components/schemas/Cart"}, in_request=False)
