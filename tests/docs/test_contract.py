"""The tables and examples of docs/contract.md agree with the code."""

import ast
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from cart_core.api.callers import ROUTES
from cart_core.cart.answer import CartAnswer, LineItemAnswer
from cart_core.cart.checkout_answer import CheckoutAnswer, OrderAnswer, OrderLineAnswer
from cart_core.cart.request import Cart, LineItem
from cart_core.cart.request_errors import PYDANTIC_ERRORS
from cart_core.cart.spelling import wire_names
from cart_core.catalogue.preflight import Check
from cart_core.catalogue.resolution import Failure
from cart_core.problem import CATALOGUE, FieldError, invalid_request
from cart_core.settings import Settings
from cart_core.use_cases.readiness import LinkName
from tests.docs.openapi import DOCUMENT, auth_level
from tests.docs.tables import names, table

ROOT = Path(__file__).parents[2]
CONTRACT = (ROOT / "docs" / "contract.md").read_text()


def test_every_error_code_is_there_with_its_status_outcome_and_retryable() -> None:
    documented = {
        names(code)[0]: (int(status), outcome, retryable)
        for code, status, outcome, retryable, _ in table(CONTRACT, "code")
    }

    assert documented == {
        code: (kind.status, kind.outcome.value, "yes" if kind.retryable else "no")
        for code, kind in CATALOGUE.items()
    }


def test_every_setting_is_there_with_its_default() -> None:
    documented = {names(name)[0]: default for name, default, _ in table(CONTRACT, "setting")}

    assert set(documented) == {info.alias for info in Settings.model_fields.values()}
    for info in Settings.model_fields.values():
        default = info.get_default()
        shown = documented[str(info.alias)]
        if isinstance(default, bool):
            assert names(shown) == [str(default).lower()]
        elif not info.is_required() and default is not None:
            assert names(shown) == [str(default)]
        else:
            assert shown.startswith(("required", "none", "the cloud's"))


@pytest.mark.parametrize(
    ("header", "model"), [("member of the cart", Cart), ("member of a line item", LineItem)]
)
def test_every_member_of_a_request_is_there(
    header: str, model: type[Cart] | type[LineItem]
) -> None:
    documented = {name for row in table(CONTRACT, header) for name in names(row[0])}

    assert documented - {"catalogId"} == set(wire_names(model).values())


def test_the_members_that_are_not_sent_are_there() -> None:
    paragraph = CONTRACT.partition("are not sent on: ")[2].partition("\n\n")[0]

    cart, line = (part.partition("A `customerId`")[0] for part in paragraph.split("on a line"))
    assert set(names(cart)) == Cart.not_sent
    assert set(names(line)) == LineItem.not_sent


def example(start: str) -> dict[str, object]:
    found = re.search(rf"{re.escape(start)}.*?```json\n(.*?)```", CONTRACT, re.DOTALL)
    assert found
    value: dict[str, object] = json.loads(found[1])
    return value


def test_the_example_of_a_cart_has_every_member() -> None:
    answer = example("## Carts")

    assert list(answer) == list(wire_names(CartAnswer).values())
    lines = answer["lineItems"]
    assert isinstance(lines, list)
    assert list(lines[0]) == list(wire_names(LineItemAnswer).values())
    CartAnswer.model_validate(answer, context=[])


def test_the_example_of_a_checkout_has_every_member() -> None:
    answer = example("## Orders")

    assert list(answer) == list(wire_names(CheckoutAnswer).values())
    orders = answer["orders"]
    assert isinstance(orders, list)
    assert list(orders[0]) == list(wire_names(OrderAnswer).values())
    assert list(orders[0]["lineItems"][0]) == list(wire_names(OrderLineAnswer).values())
    CheckoutAnswer.model_validate(answer, context=[])


def test_every_link_of_the_chain_is_there() -> None:
    documented = [name for row in table(CONTRACT, "link") for name in names(row[0])]

    assert sorted(documented) == sorted(get_args(LinkName))


def test_every_status_of_a_checkout_is_there() -> None:
    documented = [names(row[0])[0] for row in table(CONTRACT, "`status`")]

    assert documented == list(get_args(CheckoutAnswer.model_fields["status"].annotation))


def test_every_route_is_there_with_its_auth_level_and_status() -> None:
    documented = {
        (names(route)[0], level, answer[:3]) for route, level, answer in table(CONTRACT, "route")
    }

    assert documented == {
        (
            f"{method.upper()} {path}",
            {"function": "function key", "admin": "host key"}.get(
                level := auth_level(operation), level
            ),
            next(iter(operation["responses"])),
        )
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    }


def test_every_operation_is_there_with_the_role_that_it_needs() -> None:
    documented = {
        operation: next(iter(names(role)), None)
        for operations, role in table(CONTRACT, "operation | role")
        for operation in names(operations)
    }

    assert documented.items() <= ROUTES.items()
    operators = ROUTES.keys() - documented.keys()
    assert {ROUTES[each] for each in operators} == {"Operations.Manage"}


@pytest.mark.parametrize(
    "outcome",
    ["Created", "Replayed", "In flight", "Unknown, then resumed", "Rejected", "Throttled"],
)
def test_every_outcome_has_its_diagram(outcome: str) -> None:
    diagram = re.search(
        rf"^{outcome}:\n\n```mermaid\nsequenceDiagram\n(.*?)```", CONTRACT, re.M | re.S
    )

    assert diagram
    participants = set(re.findall(r"^\s+(\w+)-{1,2}>>(\w+): \S", diagram[1], re.M))
    assert {name for pair in participants for name in pair} <= {
        "Caller",
        "Function",
        "Store",
        "PartnerCenter",
    }
    assert diagram[1].count("Function-->>Caller") >= 1


def test_the_example_of_an_error_is_what_the_code_answers() -> None:
    shown = example("## Errors")

    error = FieldError("/lineItems/0/quantity", "out_of_range", "Must be at least 1.")
    assert shown == invalid_request([error]).as_json(
        request_id=None, correlation_id=str(shown["correlationId"])
    )


def codes_in_the_code() -> set[str]:
    """The codes of all FieldErrors that cart_core makes, of which some come from pydantic."""
    codes = {code for code, _ in PYDANTIC_ERRORS.values()} | {*get_args(Failure), *get_args(Check)}
    for path in (ROOT / "cart_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(ast.Name("FieldError"), [_, ast.Constant(str(code)), *_]) | ast.Call(
                    ast.Name("PydanticCustomError"), [ast.Constant(str(code)), *_]
                ):
                    codes.add(code)
    return codes


def test_every_code_of_a_warning_or_an_error_is_there() -> None:
    warnings = {name for row in table(CONTRACT, "warning") for name in names(row[0])}
    errors = {name for row in table(CONTRACT, "error") for name in names(row[0])}

    assert warnings | errors == codes_in_the_code()
    failures = [name for row in table(CONTRACT, "failure") for name in names(row[0])]
    assert failures == list(get_args(Failure))
    checks = [name for row in table(CONTRACT, "check") for name in names(row[0])]
    assert checks == list(get_args(Check))
    assert warnings & errors == {"unknown_member", "line_missing", "line_unexpected"}
