"""From the function's OpenAPI 3.1 to the OpenAPI 2.0 that Power Platform reads.

A custom connector's definition is what makers see: every parameter and member gets a friendly name
(`x-ms-summary`), what must be filled in comes first and the rest is "advanced", and what has a few
known values is a drop-down. Limits on values are left out: the designer cannot hold them against an
expression, and the function names everything that is wrong in one answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

TITLE = "Partner Center Carts"
DESCRIPTION = (
    "Create, read, change and check out carts in Microsoft Partner Center, or place an order in "
    "one step. Carts are checked before they are sent, and one key makes one cart or one order, "
    "however often a flow repeats the step."
)
HOST = "your-function-app.azurewebsites.net"
"""A placeholder: each connection names its own host, see apiProperties.json."""
BASE_PATH = "/api"
SECURITY = "api_key"
"""The security definition, and the connection parameter of apiProperties.json that fills it."""

KEY_EXPRESSION = "concat('order-', triggerOutputs()?['body/id'])"
"""An idempotency key of the order's own, as a maker writes it."""

NOT_OFFERED = frozenset({"GetOpenApi", "GetHealth"})
"""Operations of no use to a maker."""
HEADERS_NOT_OFFERED = frozenset({"accept", "content-type", "webhook-id"})
"""What the platform sets itself, and the storefronts' name for an idempotency key."""

_TERMS = {"P1M": "One month", "P1Y": "One year", "P3Y": "Three years"}
DROP_DOWNS: Mapping[str, Mapping[str, str]] = {
    "LineItem.billingCycle": {
        "monthly": "Monthly",
        "annual": "Annual",
        "one_time": "One time",
        "none": "None",
        "triennial": "Every three years",
        "biennial": "Every two years",
    },
    "LineItem.termDuration": _TERMS,
    "RenewsTo.termDuration": _TERMS,
    "Participant.key": {
        "transaction_reseller": "Reseller",
        "additional_transaction_reseller": "Additional reseller",
        "consumption_reseller": "Reseller for consumption",
    },
}
"""Member that is sent -> value -> what the maker sees of it."""

WORDS: Mapping[str, str] = {
    "UpdateCart": "Puts this cart in the place of the whole cart: lines that are not there are "
    "gone. To do so twice is to do it once, so no idempotency key is needed.",
    "PlaceOrder": "Makes a cart and buys it. However often the step is repeated with a key, it is "
    "bought once; after a partial answer it tries again what failed.",
    "LineItem.id": "The line's number, unique among lines and add-ons. Missing ones are assigned "
    "from the lowest unused number on.",
    "LineItem.catalogItemId": "Product, SKU and availability as ProductId:SkuId:AvailabilityId; "
    "fetch it shortly before use.",
    "LineItem.billingCycle": "How often it is billed.",
    "LineItem.participants": "The other partners in the purchase.",
    "LineItem.provisioningContext": "What the product needs to be provisioned, as an object with "
    'texts, such as {"scope": "shared"}.',
    "LineItem.addonItems": "Line items that belong to this one.",
    "LineItem.renewsTo": "What a trial turns into when it ends.",
    "CheckoutAnswer.status": "One of completed (all is ordered), partial (some order groups "
    "failed, the same step tries them again), or ordered (the cart was ordered before, and into "
    "what is not known here).",
}
"""Operation or member -> its description, where the document's is not for makers."""

_METADATA = {
    "Website": "https://learn.microsoft.com/partner-center/developer/",
    "Privacy policy": "https://privacy.microsoft.com/privacystatement",
    "Categories": "Commerce",
}
_CONTACT = {
    "name": "Your organization",
    "url": "https://www.example.com",
    "email": "support@example.com",
}
_METHODS = ("get", "put", "post", "delete", "patch")
_JSON = "application/json"


def to_swagger(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """The connector's definition for an OpenAPI 3.1 document; GetOpenApi and GetHealth stay out."""
    source = _Source(openapi)
    paths: dict[str, Any] = {}
    for path, method, operation in source.operations():
        if operation["operationId"] not in NOT_OFFERED:
            item = paths.setdefault(path.removeprefix(BASE_PATH), {})
            item[method] = _operation(source, operation)
    return {
        "swagger": "2.0",
        "info": {
            "title": TITLE,
            "description": DESCRIPTION,
            "version": openapi["info"]["version"],
            "contact": _CONTACT,
        },
        "host": HOST,
        "basePath": BASE_PATH,
        "schemes": ["https"],
        "consumes": [_JSON],
        "produces": [_JSON],
        "paths": paths,
        "definitions": dict(sorted(source.definitions.items())),
        "securityDefinitions": {
            SECURITY: {"type": "apiKey", "in": "header", "name": "x-functions-key"}
        },
        "security": [{SECURITY: []}],
        "x-ms-connector-metadata": [
            {"propertyName": name, "propertyValue": value} for name, value in _METADATA.items()
        ],
    }


def _operation(source: "_Source", operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [
        _parameter(source, parameter)
        for parameter in operation["parameters"]
        if parameter["name"].lower() not in HEADERS_NOT_OFFERED
    ]
    return {
        "operationId": operation["operationId"],
        "summary": operation["summary"],
        "description": WORDS.get(operation["operationId"], operation["description"]),
        "parameters": [*parameters, *_body(source, operation.get("requestBody"))],
        "responses": _responses(source, operation["responses"]),
    }


def _parameter(source: "_Source", parameter: Mapping[str, Any]) -> dict[str, Any]:
    schema = source.plain(parameter["schema"], sent=True)
    required = parameter.get("required", False)
    description = schema["description"]
    is_key = parameter["name"].lower() == "idempotency-key"
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
    }


def _body(source: "_Source", body: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The body as a parameter; none where there is nothing to fill in."""
    if body is None:
        return
    body = source.resolved(body)
    schema = source.plain(body["content"][_JSON]["schema"], sent=True)
    if "properties" not in schema:
        return
    yield {
        "name": "body",
        "in": "body",
        "required": True,
        "x-ms-summary": schema["x-ms-summary"],
        "description": body["description"],
        "x-ms-visibility": "important",
        "schema": source.definition(body["content"][_JSON]["schema"], sent=True),
    }


def _responses(source: "_Source", responses: Mapping[str, Any]) -> dict[str, Any]:
    """The success with its schema, and all else without: only one response may have one."""
    (status,) = (status for status in responses if status.startswith("2"))
    success = source.resolved(responses[status])
    return {
        status: {
            "description": success["description"],
            "schema": source.definition(success["content"][_JSON]["schema"], sent=False),
        },
        "default": {"description": "An error; the members code and detail of the body explain it."},
    }


class _TooDeep(Exception):
    """A schema within itself within itself."""


class _Source:
    """The OpenAPI 3.1 document, and the definitions that the connector needs of it."""

    def __init__(self, openapi: Mapping[str, Any]) -> None:
        self._openapi = openapi
        self.definitions: dict[str, dict[str, Any]] = {}

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Path, method and operation, each with all of its parameters."""
        for path, item in self._openapi["paths"].items():
            for method in _METHODS:
                if method in item:
                    operation = item[method]
                    given = [*item.get("parameters", ()), *operation.get("parameters", ())]
                    yield path, method, {**operation, "parameters": list(map(self.resolved, given))}

    def resolved(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The object itself where `value` is a reference; members beside `$ref` win."""
        resolved = dict(value)
        while reference := resolved.pop("$ref", None):
            target: Any = self._openapi
            for step in reference.removeprefix("#/").split("/"):
                target = target[step]
            resolved = {**target, **resolved}
        return resolved

    def definition(self, schema: Mapping[str, Any], *, sent: bool) -> dict[str, Any]:
        """The schema of a body: a reference to its definition, which holds everything inline."""
        plain = self.plain(schema, sent=sent)
        name = schema["$ref"].rpartition("/")[2]
        if self.definitions.setdefault(name, plain) != plain:
            raise ValueError(f"{name} is both sent and answered")
        return {"$ref": f"#/definitions/{name}"}

    def plain(
        self, schema: Mapping[str, Any], *, sent: bool, within: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """A schema without references, alternatives, null and limits; `sent` is in a request.

        Of alternatives the first one counts. A schema appears within itself once; members that
        would nest it deeper are left out.
        """
        while not schema.keys().isdisjoint(_INDIRECT):
            if "$ref" in schema:
                within = (*within, schema["$ref"])
                if within.count(schema["$ref"]) > 2:
                    raise _TooDeep
            schema = self._direct(schema)
        converted: dict[str, Any] = {"type": _type(schema)}
        if schema.get("format") == "date-time":
            converted["format"] = "date-time"
        if "title" in schema:
            converted["x-ms-summary"] = schema["title"]
        if "description" in schema:
            converted["description"] = schema["description"]
        if converted["type"] == "array":
            converted["items"] = self.plain(schema["items"], sent=sent, within=within)
        if schema.get("properties"):
            required = schema.get("required", ()) if sent else ()
            members = self._members(schema["properties"], required, sent=sent, within=within)
            if required:
                converted["required"] = [name for name in required if name in members]
            converted["properties"] = members
        return converted

    def _direct(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """One step nearer to the schema that counts."""
        if "$ref" in schema:
            return self.resolved(schema)
        (kind,) = _INDIRECT & schema.keys()
        first = next(choice for choice in schema[kind] if choice.get("type") != "null")
        return {**first, **{name: value for name, value in schema.items() if name != kind}}

    def _members(
        self,
        properties: Mapping[str, Any],
        required: Any,
        *,
        sent: bool,
        within: tuple[str, ...],
    ) -> dict[str, Any]:
        model = within[-1].rpartition("/")[2] if within else ""
        members: dict[str, Any] = {}
        for name, schema in properties.items():
            try:
                member = self.plain(schema, sent=sent, within=within)
            except _TooDeep:
                continue
            key = f"{model}.{name}"
            if key in WORDS:
                member["description"] = WORDS[key]
            if key in DROP_DOWNS:
                friendly = DROP_DOWNS[key].items()
                member["enum"] = [value for value, _ in friendly]
                member["x-ms-enum-values"] = [
                    {"value": value, "displayName": shown} for value, shown in friendly
                ]
            if sent:
                seen = "important" if name in required else "advanced"
                member = {"x-ms-visibility": seen, **member}
            members[name] = member
        return members


_INDIRECT = frozenset({"$ref", "anyOf", "oneOf", "allOf"})


def _type(schema: Mapping[str, Any]) -> str:
    """The one type; an object where anything goes."""
    given = schema.get("type", "object")
    types = [given] if isinstance(given, str) else [name for name in given if name != "null"]
    return str(types[0])
