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
    ACCEPTED_DESCRIPTION,
    ACCEPTED_HEADERS,
    BACKGROUND,
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
SIGN_IN = "oauth2"
"""Names the security definition of a sign-in with Microsoft Entra ID."""
BACKGROUND_PATH, BACKGROUND_SUFFIX = "/background", "InBackground"
"""The end of the path and of the id of an operation that is accepted now and done later.

OpenAPI has one operation for a path and a method. So it has a path that the function does not have,
and a policy in apiProperties.json leads it to the path of the plain operation.
"""

EXCLUDED_OPERATIONS = frozenset(
    {
        *("GetOpenApi", "GetReady", "GetHealth", "GetAcceptedOperation"),
        *("ListOperations", "ReplayOperation", "DiscardOperation"),
        *("ListParkedOrders", "ReleaseParkedOrder", "DiscardParkedOrder", "ReceiveWebhook"),
        "GetStorefrontOrder",
    }
)
"""Operations that a maker has no use for."""
INTERNAL_OPERATIONS = frozenset({"GetAcceptedResult"})
"""Operations that the platform calls by itself, and that no maker sees.

The platform polls the address of a result through the connection, which knows no other operations
than those of the definition.
"""
EXCLUDED_HEADERS = frozenset({"webhook-id", "Prefer", "async"})
"""Only storefronts send a key as webhook-id, and policies in apiProperties.json set Prefer."""

KEY_HEADER = "Idempotency-Key"
SCOPE = "user_impersonation"
"""What a connection asks Microsoft Entra ID for, where makers sign in."""

_AUTHORITY = "https://login.microsoftonline.com"
_JSON = "application/json"


def to_swagger(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """The connector's definition for an OpenAPI 3.1 document, without EXCLUDED_OPERATIONS.

    Raises ValueError where one schema is the body of both a request and an answer.
    """
    schemas = SchemaConverter(openapi)
    paths: dict[str, Any] = {}
    for path, item in openapi["paths"].items():
        short = path.removeprefix(BASE_PATH)
        for method, operation in item.items():
            name = operation["operationId"]
            if name in INTERNAL_OPERATIONS:
                paths.setdefault(short, {})[method] = _internal(schemas, operation)
            elif name not in EXCLUDED_OPERATIONS:
                paths.setdefault(short, {})[method] = _operation(schemas, operation)
                if "202" in operation["responses"]:
                    later = _in_background(schemas, operation)
                    paths.setdefault(f"{short}{BACKGROUND_PATH}", {})[method] = later
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
            SECURITY: {"type": "apiKey", "in": "header", "name": "x-functions-key"},
            SIGN_IN: {
                "type": "oauth2",
                "flow": "accessCode",
                "authorizationUrl": f"{_AUTHORITY}/common/oauth2/authorize",
                "tokenUrl": f"{_AUTHORITY}/common/oauth2/token",
                "scopes": {SCOPE: "Call the function app as the person who is signed in."},
            },
        },
        "security": [{SECURITY: []}, {SIGN_IN: [SCOPE]}],
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


def _in_background(schemas: SchemaConverter, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The same operation, accepted now and done later; it needs an idempotency key."""
    summary, description = BACKGROUND[operation["operationId"]]
    plain = _operation(schemas, operation)
    return {
        **plain,
        "operationId": f"{operation['operationId']}{BACKGROUND_SUFFIX}",
        "summary": summary,
        "description": description,
        "parameters": [
            {**each, "required": True} if each["name"] == KEY_HEADER else each
            for each in plain["parameters"]
        ],
        "responses": {**_accepted(), **plain["responses"]},
    }


def _internal(schemas: SchemaConverter, operation: Mapping[str, Any]) -> dict[str, Any]:
    """An operation for the platform. Its result has the schema of whatever was asked for."""
    written = _operation(schemas, {**operation, "responses": {}})
    done = {"201": {"description": operation["responses"]["201"]["description"]}}
    return {
        **written,
        "x-ms-visibility": "internal",
        "responses": {**_accepted(), **done, **written["responses"]},
    }


def _accepted() -> dict[str, Any]:
    """The answer that sends the platform to an address at which it asks again."""
    headers = {
        name: {"type": "string", "description": description}
        for name, description in ACCEPTED_HEADERS.items()
    }
    return {"202": {"description": ACCEPTED_DESCRIPTION, "headers": headers}}


def _parameter(schemas: SchemaConverter, parameter: Mapping[str, Any]) -> dict[str, Any]:
    schema = schemas.converted(parameter["schema"], in_request=True)
    required = parameter["required"]
    description = schema["description"]
    is_key = parameter["name"] == KEY_HEADER
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
    written: dict[str, Any] = {}
    for status in ("200", "201"):
        if status in responses:
            schema = responses[status]["content"][_JSON]["schema"]
            written[status] = {
                "description": responses[status]["description"],
                "schema": schemas.definition(schema, in_request=False),
            }
    return {**written, "default": {"description": ERROR_DESCRIPTION}}
