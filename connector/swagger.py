"""Converts the function's OpenAPI 3.1 document to the OpenAPI 2.0 that Power Platform reads.

The definition of a custom connector is what makers of flows see. Every parameter and member gets a
friendly name (`x-ms-summary`). Required ones are "important" and shown first, the others are
"advanced". A member with a few known values is a drop-down. Limits on values are left out: the
designer cannot check them against an expression, and the function reports all errors in one answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connector.schemas import SchemaConverter, lookup
from connector.texts import (
    CONTACT,
    DESCRIPTION,
    ERROR_DESCRIPTION,
    KEY_EXPRESSION,
    LOOKUPS,
    MAKER_DESCRIPTIONS,
    METADATA,
    TITLE,
)

HOST = "your-function-app.azurewebsites.net"
"""A placeholder: the policy in apiProperties.json sends each call to the connection's own host."""
BASE_PATH = "/api"
SECURITY = "api_key"
"""Names the security definition and the connection parameter in apiProperties.json for its key."""

EXCLUDED_OPERATIONS = frozenset(
    {
        *("GetOpenApi", "GetHealth", "GetAcceptedOperation", "GetAcceptedResult"),
        *("ListOperations", "ReplayOperation", "DiscardOperation"),
    }
)
"""Operations that a maker has no use for."""
EXCLUDED_HEADERS = frozenset({"webhook-id", "Prefer", "async"})
"""Only storefronts send a key as webhook-id, and a policy in apiProperties.json sets Prefer."""

_JSON = "application/json"


def to_swagger(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """The connector's definition for an OpenAPI 3.1 document, without EXCLUDED_OPERATIONS.

    Raises ValueError where one schema is the body of both a request and an answer.
    """
    schemas = SchemaConverter(openapi)
    paths: dict[str, Any] = {}
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            if operation["operationId"] not in EXCLUDED_OPERATIONS:
                converted = paths.setdefault(path.removeprefix(BASE_PATH), {})
                converted[method] = _operation(schemas, operation)
    return {
        "swagger": "2.0",
        "info": {
            "title": TITLE,
            "description": DESCRIPTION,
            "version": openapi["info"]["version"],
            "contact": CONTACT,
        },
        "host": HOST,
        "basePath": BASE_PATH,
        "schemes": ["https"],
        "consumes": [_JSON],
        "produces": [_JSON],
        "paths": paths,
        "definitions": dict(sorted(schemas.definitions.items())),
        "securityDefinitions": {
            SECURITY: {"type": "apiKey", "in": "header", "name": "x-functions-key"}
        },
        "security": [{SECURITY: []}],
        "x-ms-connector-metadata": [
            {"propertyName": name, "propertyValue": value} for name, value in METADATA.items()
        ],
    }


def _operation(schemas: SchemaConverter, operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [
        _parameter(schemas, parameter)
        for parameter in map(schemas.resolved, operation["parameters"])
        if parameter["name"] not in EXCLUDED_HEADERS
    ]
    return {
        "operationId": operation["operationId"],
        "summary": operation["summary"],
        "description": MAKER_DESCRIPTIONS.get(operation["operationId"], operation["description"]),
        "parameters": [*parameters, *_body(schemas, operation.get("requestBody"))],
        "responses": _responses(schemas, operation["responses"]),
    }


def _parameter(schemas: SchemaConverter, parameter: Mapping[str, Any]) -> dict[str, Any]:
    schema = schemas.converted(parameter["schema"], in_request=True)
    required = parameter["required"]
    description = schema["description"]
    is_key = parameter["name"] == "Idempotency-Key"
    if is_key:
        description += f" Use an expression on the order's own id, such as {KEY_EXPRESSION}."
    return {
        "name": parameter["name"],
        "in": parameter["in"],
        "required": required,
        "type": schema["type"],
        "x-ms-summary": schema["x-ms-summary"],
        "description": description,
        "x-ms-visibility": "important" if required or is_key else "advanced",
        **({"x-ms-url-encoding": "single"} if parameter["in"] == "path" else {}),
        **(lookup(parameter["name"]) if parameter["name"] in LOOKUPS else {}),
    }


def _body(schemas: SchemaConverter, body: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The body as a parameter; none where the body has no members to fill in."""
    if body is None:
        return
    schema = schemas.converted(body["content"][_JSON]["schema"], in_request=True)
    if "properties" not in schema:
        return
    yield {
        "name": "body",
        "in": "body",
        "required": True,
        "x-ms-summary": schema["x-ms-summary"],
        "description": body["description"],
        "x-ms-visibility": "important",
        "schema": schemas.definition(body["content"][_JSON]["schema"], in_request=True),
    }


def _responses(schemas: SchemaConverter, responses: Mapping[str, Any]) -> dict[str, Any]:
    """The success response, and a default for errors: only one response may have a schema."""
    status = next(status for status in responses if status.startswith("2"))
    success = responses[status]
    return {
        status: {
            "description": success["description"],
            "schema": schemas.definition(success["content"][_JSON]["schema"], in_request=False),
        },
        "default": {"description": ERROR_DESCRIPTION},
    }
