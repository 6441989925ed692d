"""The OpenAPI document is valid, complete, and described in sentences; the shipped file is it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from azure.functions.decorators.http import HttpTrigger
from pydantic import BaseModel
from schemathesis.specs.openapi.definitions import OPENAPI_31

from cart_core.api.about import OPENAPI_FILE
from cart_core.cart.answer import CartAnswer
from cart_core.cart.checkout_answer import CheckoutAnswer
from cart_core.cart.request import CartRules, read_cart
from cart_core.problem import CATALOGUE
from description.__main__ import ROOT, generated_files
from description.examples import CART_ID, CUSTOMER_ID
from description.words import CODE_DESCRIPTIONS, MEMBERS, STATUS_DESCRIPTIONS
from tests.docs.openapi import COMPONENTS, DOCUMENT, OPERATIONS, SCHEMAS, auth_level, validator
from tests.kit.declared import functions

MODELS: dict[str, type[BaseModel]] = {"CartAnswer": CartAnswer, "CheckoutAnswer": CheckoutAnswer}
TEXTS = {"title", "description", "summary"}
"""The members that may stand beside a `$ref`."""
PROBLEM = {"$ref": "#/components/schemas/ProblemAnswer"}
SMALL_WORDS = {"of", "on", "the", "to", "by"}


def media_types(operation: str) -> Iterator[tuple[str, Any]]:
    """Each media type of each body of an operation, with `request` or the status."""
    if "requestBody" in OPERATIONS[operation]:
        yield "request", OPERATIONS[operation]["requestBody"]["content"]["application/json"]
    for status, response in OPERATIONS[operation]["responses"].items():
        for content in response.get("content", {}).values():
            yield status, content


def examples(operation: str) -> Iterator[tuple[str, str, Any, Any]]:
    """Every example: `request` or the status, its name, its schema, and the Example Object."""
    for place, content in media_types(operation):
        for name, example in content.get("examples", {}).items():
            shared = COMPONENTS["examples"].get(example.get("$ref", "").rpartition("/")[2])
            yield place, name, content["schema"], shared or example


def are_sentences(text: str) -> bool:
    return re.fullmatch(r"[A-Z`].*\.", text, re.DOTALL) is not None


# --- The document as a whole ------------------------------------------------------------------


@pytest.mark.parametrize("name", generated_files())
def test_a_generated_file_is_what_the_code_describes(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == generated_files()[name], "Run `make describe`."
    assert OPENAPI_FILE.relative_to(ROOT).as_posix() in generated_files()


def test_it_is_openapi() -> None:
    specification = jsonschema_rs.validator_for(OPENAPI_31)

    specification.validate(DOCUMENT)
    assert not specification.is_valid({**DOCUMENT, "paths": {"health": {}}})
    assert not specification.is_valid({**DOCUMENT, "surplus": 1})


def test_every_schema_is_json_schema() -> None:
    for schema in (
        *SCHEMAS.values(),
        *(each["schema"] for each in COMPONENTS["parameters"].values()),
        *(each["schema"] for each in COMPONENTS["headers"].values()),
        *(content["schema"] for name in OPERATIONS for _, content in media_types(name)),
    ):
        jsonschema_rs.meta.validate(schema)


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        target: Any = DOCUMENT
        for step in reference.split("/"):
            target = target[step]


def test_its_operations_are_the_routes_of_the_app() -> None:
    triggers = [function.get_trigger() for function in functions()]
    routes = {
        (f"/api/{trigger.route}", method.value.lower(), trigger.auth_level.value.lower())
        for trigger in triggers
        if isinstance(trigger, HttpTrigger) and trigger.methods and trigger.auth_level
        for method in trigger.methods
    }

    assert routes == {
        (path, method, auth_level(operation))
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


# --- Texts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_has_a_title_and_is_described_in_sentences(name: str) -> None:
    title, description = MEMBERS[name]

    assert len(title) <= 80
    assert title[0].isupper()
    assert all(word[0].isupper() or word in SMALL_WORDS for word in title.split())
    assert are_sentences(description)


def test_the_texts_of_the_document_are_those_of_members() -> None:
    described = [each["schema"] for each in COMPONENTS["parameters"].values()]
    described += [each["schema"] for each in COMPONENTS["headers"].values()]
    for schema in SCHEMAS.values():
        described += [schema, *schema.get("properties", {}).values()]

    assert {(each["title"], each["description"]) for each in described} == set(MEMBERS.values())
    for each in (*COMPONENTS["parameters"].values(), *COMPONENTS["headers"].values()):
        assert each["description"] == each["schema"]["description"]


def test_no_two_schemas_share_a_title() -> None:
    # openapi-python-client names classes after titles, and drops both of two equal ones.
    titles = [schema["title"] for schema in SCHEMAS.values()]

    assert len(set(titles)) == len(titles)


def test_every_body_is_a_plain_reference_or_a_plain_schema() -> None:
    # Kiota and NSwag each read members beside a `$ref` in their own way.
    beside: list[Any] = []

    def look(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node and len(node.keys() - {"$ref", *TEXTS}):
                beside.append(node)
            for each in node.values():
                look(each)
        elif isinstance(node, list):
            for each in node:
                look(each)

    look({"paths": DOCUMENT["paths"], "components": COMPONENTS})

    assert beside == []


def test_a_generated_client_knows_where_to_send_requests() -> None:
    first, *others = DOCUMENT["servers"]

    assert first["url"].startswith("https://")
    assert re.findall(r"{(\w+)}", first["url"]) == list(first["variables"])
    assert [other["url"] for other in others] == ["http://127.0.0.1:7071", "/"]
    assert are_sentences(first["description"])
    assert DOCUMENT["info"]["contact"]["name"]


def test_every_operation_but_an_anonymous_one_may_answer_401() -> None:
    assert [
        name
        for name, operation in OPERATIONS.items()
        if ("401" in operation["responses"]) == (operation.get("security") == [])
    ] == ["ReceiveWebhook"]  # Its key is the signature.


def test_every_operation_with_a_body_says_whether_it_is_required() -> None:
    assert {
        name: operation["requestBody"]["required"]
        for name, operation in OPERATIONS.items()
        if "requestBody" in operation
    } == {"CreateCart": True, "UpdateCart": True, "CheckOutCart": False, "PlaceOrder": True} | {
        "PreflightCart": True,
        "ReceiveWebhook": True,
    }


def test_an_answer_with_the_id_of_a_cart_links_to_what_can_be_done_with_it() -> None:
    pointers = {}
    for name, operation in OPERATIONS.items():
        _, response = next(iter(operation["responses"].items()))
        for link, target in response.get("links", {}).items():
            assert target["operationId"] == link
            assert target["parameters"]["customerId"] == "$request.path.customerId"
            pointers[name, link] = target["parameters"]["cartId"]

    assert pointers == {
        (name, link): f"$response.body#/{'cartId' if name == 'PlaceOrder' else 'id'}"
        for name in ("CreateCart", "GetCart", "UpdateCart", "PlaceOrder")
        for link in ("GetCart", "UpdateCart", "CheckOutCart")
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_and_its_answers_are_described(name: str) -> None:
    operation = OPERATIONS[name]

    assert operation["summary"]
    assert are_sentences(operation["description"])
    assert are_sentences(operation.get("requestBody", operation)["description"])
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    for status, response in operation["responses"].items():
        sentences, _, table = response["description"].partition("\n\n")
        assert are_sentences(sentences)
        assert bool(table) == (int(status) >= 400)


# --- Error codes ------------------------------------------------------------------------------


def error_codes(operation: str) -> dict[str, set[str]]:
    """The error codes of an operation, by status: they are the names of its examples."""
    return {
        status: set(content["examples"])
        for status, content in media_types(operation)
        if content["schema"] == PROBLEM and "examples" in content
    }


def test_every_error_code_is_documented_under_its_status() -> None:
    documented = {
        (code, int(status))
        for operation in OPERATIONS
        for status, codes in error_codes(operation).items()
        for code in codes
    }

    # A 401 is mostly the platform's, so that the document promises nothing of its body.
    ours = {code: kind for code, kind in CATALOGUE.items() if kind.status != 401}
    assert documented == {(code, kind.status) for code, kind in ours.items()}
    assert set(CODE_DESCRIPTIONS) == set(CATALOGUE)
    assert all(map(are_sentences, CODE_DESCRIPTIONS.values()))
    assert set(STATUS_DESCRIPTIONS) == {kind.status for kind in CATALOGUE.values()} | {401}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_error_code_has_a_row_and_an_example_that_agree(operation: str) -> None:
    for status, codes in error_codes(operation).items():
        response = OPERATIONS[operation]["responses"][status]
        rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (yes|no) \| ", response["description"], re.M)
        shown = {
            (name, each["value"]["outcome"], "yes" if each["value"]["retryable"] else "no")
            for place, name, _, each in examples(operation)
            if place == status
        }

        assert set(rows) == shown
        assert {code for code, _, _ in rows} == codes
        assert {
            each["value"]["status"] for place, _, _, each in examples(operation) if place == status
        } == {int(status)}
        # Only an operation that calls Partner Center or the store can say when to come again.
        asks = "MS-RequestId" in response["headers"] or "store_unavailable" in json.dumps(
            OPERATIONS[operation]
        )
        assert ("Retry-After" in response["headers"]) == (
            asks and "yes" in {retry for _, _, retry in rows}
        )


def test_the_outcome_of_reading_is_never_unknown() -> None:
    for operation in ("GetCart", "GetOpenApi", "GetHealth"):
        assert "`unknown`" not in json.dumps(OPERATIONS[operation])


# --- Examples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_body_has_valid_examples(operation: str) -> None:
    places = set()
    for place, _, schema, example in examples(operation):
        validator(schema).validate(example["value"])
        model = schema.get("$ref", "").rpartition("/")[2]
        if model in MODELS:
            MODELS[model].model_validate(example["value"], context=[])
        assert example["summary"]
        places.add(place)

    assert places == {place for place, _ in media_types(operation)}


@pytest.mark.parametrize("operation", ["CreateCart", "UpdateCart", "PlaceOrder"])
def test_every_example_of_a_request_is_accepted(operation: str) -> None:
    rules = CartRules(unknown_members="reject")
    cart_id = CART_ID if operation == "UpdateCart" else None
    for place, _, _, example in examples(operation):
        if place == "request":
            cart = read_cart(example["value"], CUSTOMER_ID, rules, [], cart_id=cart_id)
            assert cart.warnings == ()


def test_every_parameter_has_a_valid_example() -> None:
    for parameter in COMPONENTS["parameters"].values():
        validator(parameter["schema"]).validate(parameter["example"])
