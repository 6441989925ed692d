"""The way from OpenAPI 3.1 to the connector's OpenAPI 2.0, one step at a time."""

from typing import Any

import pytest

from connector.swagger import to_swagger

CARTS = "/customers/{customerId}/carts"
JSON = "application/json"


def named(**schema: Any) -> dict[str, Any]:
    return {"title": "Some Name", "description": "Some words.", **schema}


def openapi(schemas: dict[str, Any] | None = None, **operation: Any) -> dict[str, Any]:
    """A document with one operation, which takes and answers a Cart."""
    cart = named(type="object", properties={"id": named(type="string")})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Any", "version": "1.2.3"},
        "paths": {
            f"/api{CARTS}": {
                "post": {
                    "operationId": "CreateCart",
                    "summary": "Create a cart",
                    "description": "Creates a cart.",
                    "requestBody": {
                        "description": "The cart.",
                        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Cart"}}},
                    },
                    "responses": {"201": answer("CartAnswer"), "400": answer("Problem")},
                    **operation,
                }
            }
        },
        "components": {"schemas": {"Cart": cart, "CartAnswer": cart, **(schemas or {})}},
    }


def answer(name: str) -> dict[str, Any]:
    return {
        "description": "It is done.",
        "content": {
            "application/problem+json": {"schema": {"type": "string"}},
            JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}},
        },
    }


def member(schema: dict[str, Any], name: str = "some", **others: Any) -> dict[str, Any]:
    """The member `name` of the cart that is sent, converted."""
    cart = named(type="object", properties={name: schema})
    found = to_swagger(openapi({"Cart": cart, **others}))["definitions"]["Cart"]["properties"]
    converted: dict[str, Any] = found[name]
    return converted


def parameters(*given: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters, converted, and the body, which is the last one."""
    document = to_swagger(openapi(parameters=list(given)))
    converted: list[dict[str, Any]] = document["paths"][CARTS]["post"]["parameters"]
    return converted


SEEN = {"x-ms-summary": "Some Name", "description": "Some words.", "x-ms-visibility": "advanced"}


@pytest.mark.parametrize(
    "schema",
    [
        named(type="string"),
        named(type=["string", "null"]),
        named(type=["null", "string"]),
        named(anyOf=[{"type": "null"}, {"type": "string"}]),
        named(anyOf=[{"type": "string"}, {"type": "integer"}, {"type": "null"}]),
        named(oneOf=[{"type": "string", "minLength": 1}, {"type": "array", "items": {}}]),
        named(allOf=[{"$ref": "#/components/schemas/Text"}]),
        named(type="string", pattern="^a$", minLength=1, maxLength=2, examples=["a"], default=None),
        named(type="string", format="uuid"),
        {"$ref": "#/components/schemas/Text", **named()},
        {"$ref": "#/components/schemas/Alias", **named()},
    ],
)
def test_a_text_is_a_text_and_nothing_else(schema: dict[str, Any]) -> None:
    text = {"type": "string", "title": "Other", "description": "Other words.", "maxLength": 9}

    assert member(schema, Text=text, Alias={"$ref": "#/components/schemas/Text"}) == {
        "type": "string",
        **SEEN,
    }


def test_the_name_of_a_reference_counts_where_the_member_has_none() -> None:
    assert member({"$ref": "#/components/schemas/Text"}, Text=named(type="string")) == {
        "type": "string",
        **SEEN,
    }


def test_a_date_stays_a_date() -> None:
    assert member(named(type="string", format="date-time"))["format"] == "date-time"


def test_an_object_of_free_members_is_free() -> None:
    assert member(named(type="object", additionalProperties={"type": "string"})) == {
        "type": "object",
        **SEEN,
    }


def test_what_may_be_anything_is_a_free_object() -> None:
    assert member(named()) == {"type": "object", **SEEN}


def test_known_values_of_a_line_item_are_a_drop_down() -> None:
    line = named(type="object", properties={"billingCycle": named(type="string")})
    both = {name: {"$ref": f"#/components/schemas/{name}"} for name in ("LineItem", "Answered")}
    cart = named(type="object", properties=both)

    document = openapi({"Cart": cart, "LineItem": line, "Answered": line})

    members = to_swagger(document)["definitions"]["Cart"]["properties"]
    sent, answered = (members[name]["properties"]["billingCycle"] for name in both)
    assert [entry["value"] for entry in sent["x-ms-enum-values"]] == sent["enum"]
    assert sent["description"] == "How often it is billed."
    assert answered == {"type": "string", **SEEN}


def test_what_is_required_is_important_where_it_is_sent_only() -> None:
    cart = named(
        type="object",
        required=["must"],
        properties={"must": named(type="string"), "may": named(type="string")},
    )

    definitions = to_swagger(openapi({"Cart": cart, "CartAnswer": cart}))["definitions"]

    sent, answered = definitions["Cart"], definitions["CartAnswer"]
    assert sent["required"] == ["must"]
    assert {name: each["x-ms-visibility"] for name, each in sent["properties"].items()} == {
        "must": "important",
        "may": "advanced",
    }
    assert "required" not in answered
    assert "x-ms-visibility" not in answered["properties"]["must"]


def test_a_line_appears_within_itself_once() -> None:
    line = named(
        type="object",
        properties={
            "id": named(type="integer"),
            "addonItems": named(
                anyOf=[
                    {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                    {"type": "null"},
                ]
            ),
        },
    )

    items = named(type="array", items={"$ref": "#/components/schemas/Line"})
    lines = member(items, Line=line)["items"]["properties"]

    assert lines.keys() == {"id", "addonItems"}
    assert lines["addonItems"]["items"]["properties"].keys() == {"id"}


def test_one_schema_twice_is_no_recursion() -> None:
    one = {"$ref": "#/components/schemas/One"}
    both = named(type="object", properties=dict.fromkeys("abcd", one))

    assert member(both, One=named(type="string"))["properties"].keys() == set("abcd")


def test_a_schema_that_is_sent_and_answered_is_refused() -> None:
    with pytest.raises(ValueError, match="Cart is both sent and answered"):
        to_swagger(openapi(responses={"200": answer("Cart")}))


def test_the_success_alone_has_a_schema() -> None:
    responses = to_swagger(openapi())["paths"][CARTS]["post"]["responses"]

    assert responses.keys() == {"201", "default"}
    assert responses["201"] == {
        "description": "It is done.",
        "schema": {"$ref": "#/definitions/CartAnswer"},
    }
    assert responses["default"].keys() == {"description"}


def test_a_body_with_nothing_to_fill_in_is_none() -> None:
    empty = {"content": {JSON: {"schema": named(type="object", additionalProperties=False)}}}

    operation = to_swagger(openapi(requestBody=empty))["paths"][CARTS]["post"]

    assert operation["parameters"] == []


def test_a_body_is_one_parameter() -> None:
    assert parameters() == [
        {
            "name": "body",
            "in": "body",
            "required": True,
            "x-ms-summary": "Some Name",
            "description": "The cart.",
            "x-ms-visibility": "important",
            "schema": {"$ref": "#/definitions/Cart"},
        }
    ]


def test_a_path_parameter_is_encoded_once() -> None:
    given = {"name": "customerId", "in": "path", "required": True, "schema": named(type="string")}

    assert parameters(given)[0] == {
        "name": "customerId",
        "in": "path",
        "required": True,
        "type": "string",
        "x-ms-summary": "Some Name",
        "description": "Some words.",
        "x-ms-visibility": "important",
        "x-ms-url-encoding": "single",
    }


def test_an_optional_header_is_advanced() -> None:
    given = {"name": "X-Locale", "in": "header", "schema": named(type="string")}

    (header, _) = parameters(given)

    assert (header["required"], header["x-ms-visibility"]) == (False, "advanced")
    assert "x-ms-url-encoding" not in header


@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key"])
def test_the_key_is_important_and_shows_an_expression(name: str) -> None:
    (key, _) = parameters({"name": name, "in": "header", "schema": named(type="string")})

    assert (key["required"], key["x-ms-visibility"]) == (False, "important")
    assert key["description"].startswith("Some words. Use an expression")


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "webhook-id"])
def test_headers_of_the_platform_are_not_offered(name: str) -> None:
    given = {"name": name, "in": "header", "schema": named(type="string")}

    assert [each["name"] for each in parameters(given)] == ["body"]


def test_a_parameter_may_be_a_reference_and_belong_to_the_path() -> None:
    document = openapi()
    document["paths"][f"/api{CARTS}"]["parameters"] = [{"$ref": "#/components/parameters/Id"}]
    document["components"]["parameters"] = {
        "Id": {"name": "id", "in": "path", "required": True, "schema": named(type="string")}
    }

    (found, _) = to_swagger(document)["paths"][CARTS]["post"]["parameters"]

    assert found["name"] == "id"


@pytest.mark.parametrize("name", ["GetOpenApi", "GetHealth"])
def test_what_is_not_for_makers_is_left_out(name: str) -> None:
    assert to_swagger(openapi(operationId=name))["paths"] == {}


def test_the_version_is_the_functions() -> None:
    assert to_swagger(openapi())["info"]["version"] == "1.2.3"
