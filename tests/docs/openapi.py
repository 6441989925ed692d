"""The OpenAPI document as the tests of it read it, and validators for its schemas."""

from typing import Any

import jsonschema_rs

from description.document import describe

DOCUMENT = describe()
COMPONENTS = DOCUMENT["components"]
SCHEMAS = COMPONENTS["schemas"]
OPERATIONS = {
    operation["operationId"]: operation
    for path in DOCUMENT["paths"].values()
    for operation in path.values()
}


def auth_level(operation: dict[str, Any]) -> str:
    """Which key opens an operation, in the words of the Functions host."""
    match operation.get("security"):
        case None:
            return "function"
        case []:
            return "anonymous"
        case _:
            return "admin"


def validator(schema: Any) -> jsonschema_rs.Validator:
    """A validator for a schema of the document, which may refer to its components."""
    return jsonschema_rs.Draft202012Validator(
        {"allOf": [schema], "components": COMPONENTS}, validate_formats=True
    )
