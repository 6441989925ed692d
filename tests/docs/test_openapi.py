"""The OpenAPI document says all that can be said of the API, and nothing that is not so."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import BaseModel
from schemathesis.specs.openapi.definitions import OPENAPI_31

from cart_core.api.body import read_json
from cart_core.api.messages import cart_flaws, customer_flaws, customer_user
from cart_core.cart.answer import CartAnswer
from cart_core.cart.checkout_answer import CheckoutAnswer
from cart_core.cart.request import CartRules, read_cart
from cart_core.idempotency.decision import idempotency_key
from cart_core.problem import CATALOGUE, Fault, FieldError, Problem
from description.document import describe
from description.examples import CART_ID, CUSTOMER_ID
from description.words import CODES, STATUSES, WORDS
from tests.kit.declared import functions

ROOT = Path(__file__).parents[2]
DOCUMENT = describe()
COMPONENTS = DOCUMENT["components"]
SCHEMAS = COMPONENTS["schemas"]
OPERATIONS = {
    operation["operationId"]: operation
    for path in DOCUMENT["paths"].values()
    for operation in path.values()
}
MODELS: dict[str, type[BaseModel]] = {"CartAnswer": CartAnswer, "CheckoutAnswer": CheckoutAnswer}
SMALL_WORDS = {"of", "on", "the", "to", "by"}


def validator(schema: Any) -> jsonschema_rs.Validator:
    """A validator for a schema of the document."""
    return jsonschema_rs.Draft202012Validator(
        {"allOf": [schema], "components": COMPONENTS}, validate_formats=True
    )


def media_types(operation: Any) -> Iterator[tuple[str, Any]]:
    """Every place of an operation that has a body: `request` or the status, and the content."""
    if "requestBody" in operation:
        yield "request", operation["requestBody"]["content"]["application/json"]
    for status, response in operation["responses"].items():
        for content in response.get("content", {}).values():
            yield status, content


def examples(operation: str) -> Iterator[tuple[str, Any, Any]]:
    """Where an example is, its schema, and the example."""
    for place, content in media_types(OPERATIONS[operation]):
        for name, example in content.get("examples", {}).items():
            shared = COMPONENTS["examples"].get(example.get("$ref", "").rpartition("/")[2])
            yield f"{place} {name}", content["schema"], (shared or example)["value"]


def test_every_example_says_what_it_shows() -> None:
    named = [*COMPONENTS["examples"].values()]
    for operation in OPERATIONS.values():
        for _, content in media_types(operation):
            named += [each for each in content.get("examples", {}).values() if "$ref" not in each]

    assert len(named) > 40
    assert [each for each in named if not each.get("summary")] == []


# --- The document as a whole ------------------------------------------------------------------


def test_the_copy_in_docs_is_the_same() -> None:
    copy = (ROOT / "cart_core" / "api" / "openapi.json").read_text("utf-8")

    assert copy == json.dumps(DOCUMENT, indent=2, ensure_ascii=False) + "\n"


def test_it_is_openapi() -> None:
    specification = jsonschema_rs.validator_for(OPENAPI_31)

    specification.validate(DOCUMENT)
    assert not specification.is_valid({**DOCUMENT, "paths": {"health": {}}})
    assert not specification.is_valid({**DOCUMENT, "surplus": 1})


def test_every_schema_is_json_schema() -> None:
    schemas = list(SCHEMAS.values())
    schemas += [each["schema"] for each in COMPONENTS["parameters"].values()]
    schemas += [each["schema"] for each in COMPONENTS["headers"].values()]
    schemas += [
        content["schema"] for each in OPERATIONS.values() for _, content in media_types(each)
    ]
    for schema in schemas:
        jsonschema_rs.meta.validate(schema)
        validator(schema)


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        here: Any = DOCUMENT
        for step in reference.split("/"):
            here = here[step]


def test_its_operations_are_the_apps_routes() -> None:
    names = {
        "create_cart": "CreateCart",
        "get_cart": "GetCart",
        "update_cart": "UpdateCart",
        "checkout_cart": "CheckOutCart",
        "place_order": "PlaceOrder",
        "get_openapi": "GetOpenApi",
        "get_health": "GetHealth",
    }
    routes = set()
    for function in functions():
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger":
            (method,) = trigger["methods"]
            routes.add(
                (
                    names[str(function.get_function_name())],
                    f"/api/{trigger['route']}",
                    str(getattr(method, "value", method)).lower(),
                    str(getattr(trigger["authLevel"], "value", trigger["authLevel"])).lower(),
                )
            )

    assert routes == {
        (
            operation["operationId"],
            path,
            method,
            "anonymous" if operation.get("security") == [] else "function",
        )
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


# --- Words ------------------------------------------------------------------------------------


def in_words(text: str) -> bool:
    return re.fullmatch(r"\S.*\.", text, re.DOTALL) is not None


@pytest.mark.parametrize("name", WORDS)
def test_words_are_a_title_and_sentences(name: str) -> None:
    title, description = WORDS[name]

    assert len(title) <= 80
    assert all(word[0].isupper() or word in SMALL_WORDS for word in title.split())
    assert title[0].isupper()
    assert in_words(description)
    assert description[0].isupper()


def test_nothing_has_words_that_is_not_there() -> None:
    members = {
        name
        for model, schema in SCHEMAS.items()
        for member in schema.get("properties", {})
        for name in (f"{model}.{member}", member)
    }
    parameters = {each["name"] for each in COMPONENTS["parameters"].values()}

    assert set(WORDS) <= members | set(SCHEMAS) | parameters | set(COMPONENTS["headers"])


def described(schema: Any) -> bool:
    return bool(schema["title"]) and in_words(schema["description"])


def test_no_two_schemas_share_a_title() -> None:
    # openapi-python-client names classes after titles, and drops both of two equal ones.
    titles = [schema["title"] for schema in SCHEMAS.values()]

    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_member_is_described(name: str) -> None:
    assert described(SCHEMAS[name])
    assert all(map(described, SCHEMAS[name].get("properties", {}).values()))


def test_every_parameter_and_header_is_described() -> None:
    for each in (*COMPONENTS["parameters"].values(), *COMPONENTS["headers"].values()):
        assert in_words(each["description"])
        assert described(each["schema"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_and_answer_is_described(name: str) -> None:
    operation = OPERATIONS[name]

    assert operation["summary"]
    assert in_words(operation["description"])
    assert in_words(operation.get("requestBody", operation)["description"])
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    for status, response in operation["responses"].items():
        words, _, table = response["description"].partition("\n\n")
        assert in_words(words)
        assert bool(table) == (int(status) >= 400 and status != "401")


# --- Error codes ------------------------------------------------------------------------------


def codes(operation: str) -> dict[str, set[str]]:
    """The error codes of an operation, by status."""
    found = {}
    for status, content in media_types(OPERATIONS[operation]):
        if narrowed := content["schema"].get("properties"):
            found[status] = set(narrowed["code"]["enum"])
    return found


def test_every_error_code_is_documented_under_its_status() -> None:
    documented = {
        (code, int(status))
        for operation in OPERATIONS
        for status, some in codes(operation).items()
        for code in some
    }

    assert documented == {(code, kind.status) for code, kind in CATALOGUE.items()}
    assert set(CODES) == set(CATALOGUE)
    assert all(map(in_words, CODES.values()))
    assert set(STATUSES) == {kind.status for kind in CATALOGUE.values()} | {401}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_error_code_has_its_row_and_its_example(operation: str) -> None:
    for status, some in codes(operation).items():
        response = OPERATIONS[operation]["responses"][status]
        rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (yes|no) \| ", response["description"], re.M)
        shown = {
            place.partition(" ")[2]: (value["outcome"], "yes" if value["retryable"] else "no")
            for place, _, value in examples(operation)
            if place.startswith(status)
        }
        assert {code: (outcome, retryable) for code, outcome, retryable in rows} == shown
        assert set(shown) == some


def test_reading_is_never_in_doubt() -> None:
    for operation in ("GetCart", "GetOpenApi", "GetHealth"):
        assert "`unknown`" not in json.dumps(OPERATIONS[operation])


# --- Examples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_example_is_valid(operation: str) -> None:
    places = set()
    for place, schema, value in examples(operation):
        validator(schema).validate(value)
        model = schema.get("$ref", "").rpartition("/")[2]
        if model in MODELS:
            MODELS[model].model_validate(value, context=[])
        places.add(place.partition(" ")[0])

    assert places == {place for place, _ in media_types(OPERATIONS[operation])}


@pytest.mark.parametrize("operation", ["CreateCart", "UpdateCart", "PlaceOrder"])
def test_every_example_of_a_request_is_accepted(operation: str) -> None:
    for place, _, value in examples(operation):
        if place.startswith("request"):
            rules = CartRules(unknown_members="reject")
            cart_id = CART_ID if operation == "UpdateCart" else None
            assert read_cart(value, CUSTOMER_ID, rules, [], cart_id=cart_id).warnings == ()


def test_every_parameter_has_a_valid_example() -> None:
    for parameter in COMPONENTS["parameters"].values():
        validator(parameter["schema"]).validate(parameter["example"])


# --- The schemas say what the code does -------------------------------------------------------


def test_a_problem_has_these_members() -> None:
    error = FieldError("", "invalid_cart_id", "The cartId in the path must be a GUID.")
    fault = Fault(400, "800002", "No.", "PartnerFD", [{"any": "thing"}])
    problem = Problem("checkout_failed", "Words.", errors=[error], fault=fault)
    body = problem.as_json(request_id=None, correlation_id=CUSTOMER_ID)

    assert list(body) == list(SCHEMAS["ProblemAnswer"]["properties"])
    validator({"$ref": "#/components/schemas/ProblemAnswer"}).validate(body)


def test_answers_have_all_their_members() -> None:
    for name, schema in SCHEMAS.items():
        if name not in {"Cart", "LineItem", "Participant", "PurchaseCommitment", "RenewsTo"}:
            assert schema.get("required") == (list(schema.get("properties", {})) or None)


LINE = {"catalogItemId": "A:1:B", "quantity": 1, "billingCycle": "monthly"}
TEXTS = [
    "",
    " ",
    "x",
    "é\U0001f600",
    "a\nb",
    "a\n",
    "\x00",
    "\x7f",
    "\x80",
    "0",
    "7",
    "007",
    "-1",
    "1.0",
    "2147483647",
    "99999999999",
    "٣",
    "USD",
    "usd",
    "US",
    "EURO",
    "U1D",
    "monthly",
    "one_time",
    "weekly",
    "P1Y",
    "P1M",
    "P1Y2M3W4DT5H6M7S",
    "PT36H",
    "P",
    "PT",
    "P1YT",
    "P1.5Y",
    "p1y",
    "P٣Y",
    "P1Y\n",
    "1Y",
    "2027-01-31T00:00:00Z",
    "2027-01-31T00:00:00.1234567+05:30",
    "2027-02-31T00:00:00Z",
    "2027-01-31",
    "9999999999",
    "OneTime",
    "2027-01-31T00:00:00",
    "0001-01-01T00:00:00",
]
VALUES: list[Any] = [
    None,
    *TEXTS,
    *(-1, 0, 1, 7, 1.0, 1.5, 0.05, 2**31 - 1, 2**31, -0.0),
    *(True, False),
    *([], [[]], [{}], [None], ["x"], [1]),
    *({}, {"a": "b"}, {"a": 1}, {"a": None}, {"a": ""}, {"": "a"}, {"a\n": "b"}, {"a": "\x01"}),
    *({"termDuration": "P1Y"}, {"termDuration": "P"}, {"termDuration": None}),
    *([{"termDuration": "P1Y"}], [{"termDuration": "x"}], [{}, {}]),
    *([{"key": "k", "value": "v"}], [{"key": "k"}], [{"key": "", "value": "v"}]),
    *([{"key": "k", "value": "v"}] * 2, [{"key": "k", "value": None}]),
    *({"amount": 0.05, "currency": "usd", "grain": "hourly"}, {"amount": 0}, {"amount": "1"}),
    *({"currency": ""}, {"grain": None}, {"amount": None}),
    *([LINE], [LINE, LINE], [{**LINE, "quantity": 0}], [{**LINE, "addonItems": [{}]}]),
]
DIFFERENT: dict[str, list[Any]] = {
    # JSON Schema takes 1.0 and -0.0 for whole numbers, and cannot limit a number in a text.
    "id": [1.0, -0.0, "9999999999"],
    "quantity": [1.0],
    # Any spelling is taken; the document names Partner Center's own.
    "billingCycle": ["OneTime"],
    # No zone means UTC, and .NET's default date means none; the document asks for RFC 3339.
    "customTermEndDate": ["2027-01-31T00:00:00", "0001-01-01T00:00:00"],
}
"""Where the schema and the code differ, and may."""


def accepted(line: Any) -> bool:
    """Whether the code takes a line, from its bytes on."""
    document, flaws = read_json(json.dumps({"lineItems": [line]}).encode())
    try:
        read_cart(document, CUSTOMER_ID, CartRules(), flaws)
    except Problem:
        return False
    return True


REQUEST = validator({"$ref": "#/components/schemas/Cart"})


@pytest.mark.parametrize("member", SCHEMAS["LineItem"]["properties"])
def test_the_request_schema_takes_what_the_code_takes(member: str) -> None:
    differing = [
        value
        for value in VALUES
        for line in [{**LINE, member: value}]
        if REQUEST.is_valid({"lineItems": [line]}) != accepted(line)
    ]

    assert sorted(map(repr, differing)) == sorted(map(repr, DIFFERENT.get(member, [])))


@pytest.mark.parametrize("member", LINE)
def test_the_request_schema_requires_what_the_code_requires(member: str) -> None:
    line = {name: value for name, value in LINE.items() if name != member}

    assert not accepted(line)
    assert not REQUEST.is_valid({"lineItems": [line]})


@pytest.mark.parametrize(
    "document",
    [{}, [], None, "x", {"lineItems": []}, {"lineItems": None}, {"lineItems": [LINE], "x": 1}],
)
def test_the_request_schema_takes_the_carts_that_the_code_takes(document: Any) -> None:
    try:
        read_cart(document, CUSTOMER_ID, CartRules(), [])
    except Problem:
        assert not REQUEST.is_valid(document)
    else:
        REQUEST.validate(document)


def matches(parameter: str, value: str) -> bool:
    return validator(COMPONENTS["parameters"][parameter]["schema"]).is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        *("k", "k" * 255, "k" * 256, "a b", "é", "\x7f", "\\", "a\n", "", 'k"'),
        *('"k"', '"k', '"', '""', '"a\\"b"', '"a\\\\"', '"a\\b"', '"a b"'),
        *(f'"{"k" * 255}"', f'"{"k" * 256}"'),
    ],
)
def test_the_key_is_described_as_it_is_read(value: str) -> None:
    try:
        idempotency_key({"idempotency-key": value})
    except Problem:
        assert not matches("Idempotency-Key", value)
    else:
        assert matches("Idempotency-Key", value)


@pytest.mark.parametrize(
    "value",
    ["", "a@b", "a", "@b", "a@", "a@b@c", "a b@c", "é@b", "a" * 254 + "@b", "a" * 255 + "@b"],
)
def test_the_customer_user_is_described_as_it_is_read(value: str) -> None:
    assert matches("x-ms-customeruser-upn", value) == (
        not customer_user({"x-ms-customeruser-upn": value})[1]
    )


@pytest.mark.parametrize(
    "value", [CUSTOMER_ID, CUSTOMER_ID.upper(), CUSTOMER_ID[:-1], CUSTOMER_ID + "0", "", "x"]
)
def test_ids_are_described_as_they_are_read(value: str) -> None:
    assert matches("customerId", value) == (not customer_flaws(value))
    assert matches("cartId", value) == (not cart_flaws(value))
