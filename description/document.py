"""This API as OpenAPI 3.1, made of what the code itself goes by.

The schemas are those of the models that validate requests and shape answers, the error codes are
those of the catalogue, the examples come out of the functions that make answers, and member_words
says what everything means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from cart_core import __version__
from cart_core.api.messages import GUID
from cart_core.cart.answer import CartAnswer
from cart_core.cart.checkout_answer import CheckoutAnswer, OrderErrorAnswer
from cart_core.cart.request import Cart
from cart_core.problem import CATALOGUE, MAX_REPORTED_ERRORS, Fault, FieldError, Outcome
from description import examples
from description.words import CODES, STATUSES, words

Json = dict[str, Any]


class ProblemAnswer(BaseModel):
    """The shape of Problem.as_json."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: Annotated[str, Field(json_schema_extra={"enum": list(CATALOGUE)})]
    errors: Annotated[list[FieldError], Field(max_length=MAX_REPORTED_ERRORS)]
    request_id: str | None
    correlation_id: str
    retryable: bool
    outcome: Outcome
    partner_center: Fault | None
    cart: CartAnswer | None
    order_errors: list[OrderErrorAnswer]


class HealthAnswer(BaseModel):
    """The shape of the answer of get_health."""

    status: Literal["ok"]
    version: str


_BODY = (
    "invalid_json",
    "body_too_large",
    "unsupported_media_type",
    "unsupported_content_encoding",
)
_KEY = ("idempotency_key_required", "invalid_idempotency_key", "idempotency_key_reused")
_PURCHASE = ("checkout_disabled", "cart_not_orderable", "checkout_failed")
_STORE = ("store_unavailable", "operation_in_progress")
_ALWAYS = ("internal_error",)
_FORWARDED = tuple(code for code in CATALOGUE if code not in {*_BODY, *_KEY, *_PURCHASE, *_STORE})
"""What may come of every operation that goes to Partner Center."""


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation, in what it has of its own."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    status: int
    answered: str
    answer: Json
    answers: Mapping[str, Any]
    codes: Iterable[str]
    parameters: tuple[str, ...] = ()
    body: Json | None = None
    headers: tuple[str, ...] = ()
    linked: str | None = None
    """Where in the answer the id of the cart is, with which other operations can go on."""
    open_to_all: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether it asks Partner Center."""
        return "customerId" in self.parameters


def _ref(model: type[Any]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


_CARTS = "/api/customers/{customerId}/carts"
_CART = f"{_CARTS}/{{cartId}}"
_TRACED = ("MS-CorrelationId", "X-Locale")
_KEYED = ("Idempotency-Key", "webhook-id")


def _operations() -> list[_Operation]:
    cart_body = {"required": True, "schema": _ref(Cart)}
    return [
        _Operation(
            id="CreateCart",
            method="post",
            path=_CARTS,
            tag="Carts",
            summary="Create a cart",
            description="Makes a cart; nothing is bought yet. With an idempotency key, one cart is "
            "made of it however often the request is sent.",
            parameters=("customerId", *_KEYED, *_TRACED),
            body={
                **cart_body,
                "examples": {"reservation": examples.CART, "licences": examples.LICENCES},
            },
            status=201,
            answered="The cart. Look at orderable: it may hold lines that cannot be ordered.",
            answer=_ref(CartAnswer),
            answers=examples.carts(),
            headers=("Location", "Idempotent-Replayed"),
            linked="/id",
            codes=(*_FORWARDED, *_BODY, *_KEY, *_STORE),
        ),
        _Operation(
            id="GetCart",
            method="get",
            path=_CART,
            tag="Carts",
            summary="Get a cart",
            description="Reads a cart as Partner Center has it now.",
            parameters=("customerId", "cartId", *_TRACED),
            status=200,
            answered="The cart.",
            answer=_ref(CartAnswer),
            answers=examples.carts(),
            linked="/id",
            codes=_FORWARDED,
        ),
        _Operation(
            id="UpdateCart",
            method="put",
            path=_CART,
            tag="Carts",
            summary="Update a cart",
            description="Puts this cart in the place of the whole cart: lines that are not there "
            "are gone. Start from an answer and send it back changed; its id, if present, must be "
            "the path's. To do so twice is to do it once, so no idempotency key is needed.",
            parameters=("customerId", "cartId", *_TRACED),
            body={
                **cart_body,
                "examples": {
                    "changed": examples.CHANGED_CART,
                    "answer": examples.carts()["licences"],
                },
            },
            status=200,
            answered="The cart as it is now.",
            answer=_ref(CartAnswer),
            answers=examples.changed_carts(),
            linked="/id",
            codes=(*_FORWARDED, *_BODY),
        ),
        _Operation(
            id="CheckOutCart",
            method="post",
            path=f"{_CART}/checkout",
            tag="Orders",
            summary="Check out a cart",
            description="Buys what is in the cart. The cart's id is the idempotency key: repeated, "
            "the request gets the first answer again, and after a partial one it tries again what "
            "failed.",
            parameters=("customerId", "cartId", "x-ms-customeruser-upn", *_TRACED),
            body={
                "required": False,
                "schema": {
                    "title": "Nothing",
                    "description": "The cart is bought as it is; an empty object is the same as "
                    "no body.",
                    "type": "object",
                    "additionalProperties": False,
                },
                "examples": {"nothing": {}},
            },
            status=201,
            answered="What was bought, now or before.",
            answer=_ref(CheckoutAnswer),
            answers=examples.checkouts(),
            headers=("Idempotent-Replayed",),
            codes=(*_FORWARDED, *_PURCHASE, *_STORE, "idempotency_key_reused"),
        ),
        _Operation(
            id="PlaceOrder",
            method="post",
            path="/api/customers/{customerId}/orders",
            tag="Orders",
            summary="Place an order",
            description="Makes a cart and buys it. However often the request is sent with a key, "
            "it is bought once; after a partial answer it tries again what failed. A webhook-id "
            "is taken as the key too.",
            parameters=(
                "customerId",
                "Idempotency-Key.required",
                "x-ms-customeruser-upn",
                *_TRACED,
            ),
            body={
                **cart_body,
                "examples": {"reservation": examples.CART, "licences": examples.LICENCES},
            },
            status=201,
            answered="What was bought, now or before.",
            answer=_ref(CheckoutAnswer),
            answers=examples.checkouts(),
            headers=("Idempotent-Replayed",),
            linked="/cartId",
            codes=CATALOGUE,
        ),
        _Operation(
            id="GetOpenApi",
            method="get",
            path="/api/openapi.json",
            tag="Function",
            summary="Get this description",
            description="This description of the API itself.",
            status=200,
            answered="An OpenAPI 3.1 document.",
            answer={
                "title": "OpenAPI Document",
                "description": "An OpenAPI 3.1 document.",
                "type": "object",
                "required": ["openapi", "info", "paths"],
            },
            answers={
                "abridged": {
                    "openapi": "3.1.0",
                    "info": {"title": _TITLE, "version": __version__},
                    "paths": {},
                }
            },
            codes=_ALWAYS,
        ),
        _Operation(
            id="GetHealth",
            method="get",
            path="/api/health",
            tag="Function",
            summary="Get the health",
            description="Says that the function runs; asks nobody outside.",
            status=200,
            answered="It runs.",
            answer=_ref(HealthAnswer),
            answers={"ok": {"status": "ok", "version": __version__}},
            codes=_ALWAYS,
            open_to_all=True,
        ),
    ]


_TITLE = "Partner Center Carts"
_DESCRIPTION = """\
Microsoft Partner Center's carts behind one HTTP call: validated, sent once, answered in one
normalised form. Errors have one shape, as `application/json`, or as `application/problem+json`
where `Accept` names it. Answers to a wrong route or method, or to more requests at once than the
platform takes, are the platform's own."""


@cache
def describe() -> Json:
    """The document. It is made once: copy it before you change it."""
    operations = _operations()
    paths: Json = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "description": _DESCRIPTION,
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The function app that serves this document."}],
        "tags": [
            {"name": "Carts", "description": "Make, read and change carts; nothing is bought."},
            {"name": "Orders", "description": "Buy."},
            {"name": "Function", "description": "The function itself."},
        ],
        "security": [{"functionKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "functionKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "A key of the function app.",
                }
            },
            "parameters": _parameters(),
            "headers": _headers(),
            "schemas": _schemas(),
            "examples": _problem_examples(operations),
        },
    }


# --- Parameters and headers -------------------------------------------------------------------


KEY = r'^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$'
"""What idempotency_key takes: bare, or in quotes with backslashes."""

CUSTOMER_USER = r"^([!-?A-~]+@[!-?A-~]+)?$"
"""What customer_user takes; nothing is the same as no header."""


def _parameters() -> Json:
    guid = {"type": "string", "format": "uuid", "pattern": f"^{GUID.pattern}$"}
    text = {"type": "string"}
    key = {"type": "string", "pattern": KEY}
    user = {"type": "string", "maxLength": 256, "pattern": CUSTOMER_USER}
    return {
        "customerId": _parameter("customerId", guid, examples.CUSTOMER_ID, where="path"),
        "cartId": _parameter("cartId", guid, examples.CART_ID, where="path"),
        "Idempotency-Key": _parameter("Idempotency-Key", key, "order-1001"),
        "Idempotency-Key.required": _parameter("Idempotency-Key", key, "order-1001", required=True),
        "webhook-id": _parameter("webhook-id", key, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"),
        "x-ms-customeruser-upn": _parameter("x-ms-customeruser-upn", user, "jane@contoso.example"),
        "MS-CorrelationId": _parameter("MS-CorrelationId", text, examples.CORRELATION_ID),
        "X-Locale": _parameter("X-Locale", text, "en-US"),
    }


def _parameter(
    name: str, schema: Json, example: str, *, where: str = "header", required: bool = False
) -> Json:
    said = words(name)
    return {
        "name": name,
        "in": where,
        "description": said["description"],
        "required": required or where == "path",
        "schema": {**said, **schema},
        "example": example,
    }


_SENT_BACK: Mapping[str, Json] = {
    "Location": {"type": "string", "format": "uri-reference"},
    "MS-RequestId": {"type": "string", "format": "uuid"},
    "MS-CorrelationId": {"type": "string", "format": "uuid"},
    "MS-CV": {"type": "string"},
    "MS-ServerId": {"type": "string"},
    "Idempotent-Replayed": {"type": "string", "const": "true"},
    "Retry-After": {"type": "integer", "minimum": 1},
}


def _headers() -> Json:
    return {
        name: {
            "description": words(name)["description"],
            "required": name == "MS-CorrelationId",
            "schema": {**words(name), **schema},
        }
        for name, schema in _SENT_BACK.items()
    }


# --- Schemas ----------------------------------------------------------------------------------


def _schemas() -> Json:
    answers = (CartAnswer, CheckoutAnswer, ProblemAnswer, HealthAnswer)
    requested = _definitions([(Cart, "validation")])
    answered = _definitions([(model, "serialization") for model in answers])
    return {name: _told(name, schema) for name, schema in {**requested, **answered}.items()}


def _definitions(models: list[tuple[type[BaseModel], JsonSchemaMode]]) -> Json:
    _, schema = models_json_schema(models, ref_template="#/components/schemas/{model}")
    return {name: _plain(definition) for name, definition in schema["$defs"].items()}


def _told(model: str, schema: Json) -> Json:
    told = _with(words(model), schema)
    if "properties" in schema:
        members = schema["properties"].items()
        told["properties"] = {name: _with(words(name, model), member) for name, member in members}
    return told


def _with(said: Mapping[str, str], schema: Json) -> Json:
    return {**said, **{keyword: schema[keyword] for keyword in schema if keyword not in said}}


def _plain(schema: Any) -> Any:
    """pydantic's schema without its own titles and defaults, and with null among the types."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        keyword: {name: _plain(member) for name, member in value.items()}
        if keyword == "properties"
        else _plain(value)
        for keyword, value in schema.items()
        if keyword not in {"title", "default"}
    }
    if plain.get("additionalProperties") == {}:
        plain["additionalProperties"] = True
    match plain:
        case {"anyOf": [{"type": types} as one, {"type": "null"}]}:
            also_null = [*([types] if isinstance(types, str) else types), "null"]
            return {**one, "type": also_null, **{k: v for k, v in plain.items() if k != "anyOf"}}
    return plain


# --- Operations -------------------------------------------------------------------------------


def _described(operation: _Operation) -> Json:
    described: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [
            {"$ref": f"#/components/parameters/{name}"} for name in operation.parameters
        ],
    }
    if operation.body:
        content = {
            "schema": operation.body["schema"],
            "examples": _examples(operation.body["examples"]),
        }
        described["requestBody"] = {
            "description": "The cart." if operation.body["required"] else "Nothing.",
            "required": operation.body["required"],
            "content": {"application/json": content},
        }
    described["responses"] = {
        str(operation.status): _success(operation),
        **({} if operation.open_to_all else {"401": {"description": STATUSES[401]}}),
        **_failures(operation),
    }
    if operation.open_to_all:
        described["security"] = []
    return described


def _traced(operation: _Operation) -> list[str]:
    """The headers that identify a call, here and where it went on to Partner Center."""
    sent_on = ["MS-RequestId", "MS-CV", "MS-ServerId"] if operation.goes_on else []
    return ["MS-CorrelationId", *sent_on]


def _success(operation: _Operation) -> Json:
    response: Json = {
        "description": operation.answered,
        "headers": _header_refs([*operation.headers, *_traced(operation)]),
        "content": {
            "application/json": {
                "schema": operation.answer,
                "examples": _examples(operation.answers),
            }
        },
    }
    if operation.linked:
        cart = {
            "customerId": "$request.path.customerId",
            "cartId": f"$response.body#{operation.linked}",
        }
        response["links"] = {
            name: {"operationId": name, "parameters": cart, "description": "Goes on with the cart."}
            for name in ("GetCart", "UpdateCart", "CheckOutCart")
        }
    return response


def _failures(operation: _Operation) -> Json:
    """The error answers by status, each with the codes that it may have."""

    def status(code: str) -> int:
        return CATALOGUE[code].status

    codes = sorted(operation.codes, key=status)
    return {
        str(number): _failure(operation, number, [*some]) for number, some in groupby(codes, status)
    }


def _failure(operation: _Operation, status: int, codes: list[str]) -> Json:
    names = _traced(operation)
    if operation.goes_on and any(CATALOGUE[code].retryable for code in codes):
        names.append("Retry-After")
    problem = "#/components/schemas/ProblemAnswer"
    narrowed = {"status": {"const": status}, "code": {"enum": codes}}
    return {
        "description": f"{STATUSES[status]}\n\n{_table(operation, codes)}",
        "headers": _header_refs(names),
        "content": {
            "application/json": {
                "schema": {"$ref": problem, "properties": narrowed},
                "examples": {
                    code: {"$ref": f"#/components/examples/{_example_name(operation, code)}"}
                    for code in codes
                },
            },
            "application/problem+json": {"schema": {"$ref": problem}},
        },
    }


def _table(operation: _Operation, codes: list[str]) -> str:
    rows = ["| code | outcome | retryable | when |", "|---|---|---|---|"]
    for code in codes:
        kind = CATALOGUE[code]
        outcome = _outcome(operation, code)
        retryable = "yes" if kind.retryable else "no"
        rows.append(f"| `{code}` | `{outcome}` | {retryable} | {CODES[code]} |")
    return "\n".join(rows)


def _header_refs(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# --- Examples ---------------------------------------------------------------------------------


def _examples(values: Mapping[str, Any]) -> Json:
    return {
        name: {"summary": examples.SUMMARIES[name], "value": value}
        for name, value in values.items()
    }


def _outcome(operation: _Operation, code: str) -> Outcome:
    """The catalogue's; but what only reads has no effect to doubt."""
    outcome = CATALOGUE[code].outcome
    if operation.method != "get" or outcome is not Outcome.UNKNOWN:
        return outcome
    return Outcome.NOT_SENT if code == "internal_error" else Outcome.REJECTED


def _example_name(operation: _Operation, code: str) -> str:
    return code if _outcome(operation, code) is CATALOGUE[code].outcome else f"{code}.reading"


def _problem_examples(operations: Iterable[_Operation]) -> Json:
    return {
        _example_name(operation, code): {
            "summary": CATALOGUE[code].title,
            "description": CODES[code],
            "value": examples.problem(code, _outcome(operation, code)),
        }
        for operation in operations
        for code in operation.codes
    }
