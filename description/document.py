"""The OpenAPI 3.1 document as a whole, and the parameters and headers that operations share."""

from collections.abc import Mapping
from functools import cache
from typing import get_args

from cart_core import __version__
from cart_core.api.parameters import GUID
from cart_core.api.query import DOMAIN, MAX_SEARCH_LENGTH
from cart_core.cart.vocabulary import SEGMENTS, TARGET_VIEWS
from cart_core.operations.operators import OpenState
from description import examples
from description.operations import OPERATIONS
from description.paths import paths, problem_examples
from description.schemas import Json, schemas
from description.words import API_DESCRIPTION, API_TITLE, title_and_description


@cache
def describe() -> Json:
    """The document. It is made once for each process, so copy it before you change it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": API_TITLE,
            "description": API_DESCRIPTION,
            "version": __version__,
            "contact": {"name": "The partner-center-carts authors"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {
                "url": "https://{host}",
                "description": "A function app in Azure.",
                "variables": {
                    "host": {
                        "default": "your-function-app.azurewebsites.net",
                        "description": "The host name of the function app.",
                    }
                },
            },
            {"url": "http://127.0.0.1:7071", "description": "The app in its local cloud."},
            {"url": "/", "description": "The function app that serves this document."},
        ],
        "tags": [
            {"name": "Carts", "description": "Create, read and update carts; nothing is bought."},
            {
                "name": "Catalogue",
                "description": "Look up customers, and what each may buy.",
            },
            {"name": "Orders", "description": "Buy what is in a cart."},
            {
                "name": "Accepted Operations",
                "description": "Poll requests that were accepted to be worked off later.",
            },
            {
                "name": "Operators",
                "description": "See what is stuck and why, and set it going again.",
            },
            {
                "name": "Webhooks",
                "description": "Where storefronts send their orders.",
            },
            {
                "name": "Function",
                "description": "The function itself: its description and its health.",
            },
        ],
        "security": [{"functionKey": []}],
        "paths": paths(OPERATIONS),
        "components": {
            "securitySchemes": {
                "functionKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "A key of the function app.",
                },
                "hostKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "The master key of the function app.",
                },
            },
            "parameters": _parameters(),
            "headers": _headers(),
            "schemas": schemas(),
            "examples": problem_examples(OPERATIONS),
        },
    }


KEY = r'^([!#-+\--~][!-+\--~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$'
"""The Idempotency-Key values that the API accepts: bare without commas, or in quotes."""

CUSTOMER_USER = r"^([!-+\--?A-~]+@[!-+\--?A-~]+)?$"
"""The x-ms-customeruser-upn values that the API accepts; an empty one counts as no header."""


def _parameters() -> Json:
    guid = {"type": "string", "format": "uuid", "pattern": f"^{GUID.pattern}$"}
    # The platform drops a parameter of the query that is empty.
    guid_or_none = {"type": "string", "pattern": f"^({GUID.pattern})?$"}
    boolean = {"type": "string", "pattern": "^([Tt]rue|TRUE|[Ff]alse|FALSE)?$"}
    text: Json = {"type": "string"}
    domain = {**text, "pattern": f"^({DOMAIN.pattern})?$"}
    part = {**text, "pattern": "^[A-Za-z0-9]+$"}
    key = {"type": "string", "pattern": KEY}
    user = {"type": "string", "maxLength": 256, "pattern": CUSTOMER_USER}
    return {
        "customerId": _parameter("customerId", guid, examples.CUSTOMER_ID, where="path"),
        "cartId": _parameter("cartId", guid, examples.CART_ID, where="path"),
        "Idempotency-Key": _parameter("Idempotency-Key", key, "order-1001"),
        "Idempotency-Key.required": _parameter("Idempotency-Key", key, "order-1001", required=True),
        "webhook-id": _parameter("webhook-id", key, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"),
        "x-ms-customeruser-upn": _parameter("x-ms-customeruser-upn", user, "jane@contoso.example"),
        "query.domain": _query("domain", domain, "contoso.com", texts="domain"),
        "query.search": _query("search", {**text, "maxLength": MAX_SEARCH_LENGTH}, "contoso"),
        "query.preflight": _query("preflight", boolean, "true"),
        "query.segment": _query("segment", {**text, "enum": list(SEGMENTS)}, "commercial"),
        "query.view": _query("view", {**text, "enum": list(TARGET_VIEWS)}, "OnlineServices"),
        "query.productId": _query("productId", part, "CFQ7TTC0LH18", required=True),
        "query.skuId": _query("skuId", part, "0001"),
        "query.termDuration": _query("termDuration", text, "P1Y"),
        "MS-CorrelationId": _parameter("MS-CorrelationId", text, examples.CORRELATION_ID),
        "X-Locale": _parameter("X-Locale", text, "en-US"),
        "Prefer": _parameter("Prefer", text, "omit-values=nulls"),
        "async": _parameter("async", boolean, "false", where="query"),
        "operationId": _parameter(
            "operationId", text, examples.OPERATION_ID, where="path", called="id"
        ),
        "token": _parameter(
            "token", text, examples.TOKEN, where="query", required=True, called="t"
        ),
        "state": _parameter(
            "state", {"type": "string", "enum": list(get_args(OpenState))}, "dead", where="query"
        ),
        "source": _parameter("source", text, "shop", where="path", texts="storefront"),
        "query.source": _query("source", text, "shop", texts="storefront"),
        "storefrontOrderId": _parameter(
            "storefrontOrderId",
            text,
            examples.STOREFRONT_ORDER_ID,
            where="path",
            called="orderId",
        ),
        "customerId.query": _parameter(
            "customerId", guid_or_none, examples.CUSTOMER_ID, where="query"
        ),
    }


def _query(
    name: str, schema: Json, example: str, *, required: bool = False, texts: str | None = None
) -> Json:
    names = texts or f"query.{name}"
    return _parameter(name, schema, example, where="query", required=required, texts=names)


def _parameter(
    name: str,
    schema: Json,
    example: str,
    *,
    where: str = "header",
    required: bool = False,
    texts: str | None = None,
    called: str = "",
) -> Json:
    """A Parameter Object. `texts` is the entry of MEMBERS, where that is not of the same name."""
    described = title_and_description(texts or name)
    return {
        "name": called or name,
        "in": where,
        "description": described["description"],
        "required": required or where == "path",
        "schema": {**described, **schema},
        "example": example,
    }


_RESPONSE_HEADERS: Mapping[str, Json] = {
    "Location": {"type": "string", "format": "uri-reference"},
    "Operation-Location": {"type": "string", "format": "uri"},
    "MS-RequestId": {"type": "string", "format": "uuid"},
    "MS-CorrelationId": {"type": "string", "format": "uuid"},
    "MS-CV": {"type": "string"},
    "MS-ServerId": {"type": "string"},
    "Idempotent-Replayed": {"type": "string", "const": "true"},
    "Retry-After": {"type": "integer", "minimum": 1},
    "Preference-Applied": {
        "type": "string",
        "enum": ["omit-values=nulls", "respond-async", "respond-async, omit-values=nulls"],
    },
}


def _headers() -> Json:
    return {
        name: {
            "description": title_and_description(name)["description"],
            "required": name == "MS-CorrelationId",
            "schema": {**title_and_description(name), **schema},
        }
        for name, schema in _RESPONSE_HEADERS.items()
    }
