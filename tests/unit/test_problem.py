"""The one shape of an error answer, and its codes."""

import json
import re
from typing import Any, get_args

import pytest

from cart_core.call import Trace
from cart_core.problem import (
    CATALOGUE,
    Code,
    Fault,
    FieldError,
    Outcome,
    Problem,
    invalid_request,
    pointer_to,
)
from tests.kit.builders import CUSTOMER


def test_every_code_is_in_the_catalogue() -> None:
    assert set(get_args(Code)) == set(CATALOGUE)


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_problem_has_every_member(code: Code) -> None:
    body = Problem(code, "a detail").as_json(request_id="r", correlation_id=CUSTOMER)

    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    kind = CATALOGUE[code]
    assert 400 <= kind.status <= 599
    assert kind.title
    assert list(body.items()) == [
        ("type", f"urn:partner-center-carts:problem:{code}"),
        ("title", kind.title),
        ("status", kind.status),
        ("detail", "a detail"),
        ("instance", f"urn:uuid:{CUSTOMER}"),
        ("code", code),
        ("errors", []),
        ("requestId", "r"),
        ("correlationId", CUSTOMER),
        ("retryable", kind.retryable or kind.outcome == "unknown"),
        ("outcome", kind.outcome),
        ("partnerCenter", None),
        ("cart", None),
        ("orderErrors", []),
        ("unavailableItems", []),
    ]
    assert json.loads(json.dumps(body)) == body


def test_a_problem_shows_all_that_it_knows() -> None:
    cart = {"id": "1", "orderable": False}
    order_errors = [{"orderGroupId": "1", "code": "800023", "description": "No credit."}]
    problem = Problem(
        "checkout_failed",
        "",
        errors=[FieldError("/lineItems/0/quantity", "required", "words")],
        fault=Fault(400, code="800002", description="bad input", source="PartnerFD", data=["x"]),
        outcome=Outcome.UNKNOWN,
        cart=cart,
        order_errors=order_errors,
    )
    body = problem.as_json(request_id=None, correlation_id=CUSTOMER)

    assert body["errors"] == [
        {"pointer": "/lineItems/0/quantity", "code": "required", "detail": "words"}
    ]
    assert body["partnerCenter"] == {
        "status": 400,
        "code": "800002",
        "description": "bad input",
        "source": "PartnerFD",
        "data": ["x"],
    }
    assert (body["cart"], body["orderErrors"], body["requestId"]) == (cart, order_errors, None)
    # Whatever the code says, a caller may repeat a request whose outcome is unknown.
    assert (body["outcome"], body["retryable"]) == ("unknown", True)
    order_errors.clear()
    assert len(body["orderErrors"]) == 1


def test_a_fault_of_which_nothing_is_known_still_has_every_member() -> None:
    unknown: dict[str, Any] = {"code": None, "description": None, "source": None, "data": []}
    assert Fault(500).as_json() == {"status": 500, **unknown}


@pytest.mark.parametrize(
    ("count", "total"), [(1, "1 problem"), (100, "100 problems"), (101, "More than 100 problems")]
)
def test_the_first_hundred_errors_are_listed_and_counted(count: int, total: str) -> None:
    errors = [FieldError(f"/lineItems/{index}", "wrong_type", "") for index in range(count)]

    body = invalid_request(errors).as_json(request_id=None, correlation_id=CUSTOMER)

    listed = [error.pointer for error in errors[:100]]
    assert [error["pointer"] for error in body["errors"]] == listed
    shown = "; the first 100 are listed" if count > 100 else ""
    assert body["detail"] == f"{total} in the request{shown}. Nothing was sent to Partner Center."
    assert body["code"] == "invalid_request"


def test_a_problem_says_something_to_a_person() -> None:
    assert str(Problem("invalid_json", "The body is empty.")) == "invalid_json: The body is empty."


def test_a_block_completes_its_problems_and_leaves_what_they_know() -> None:
    own = Trace("own")
    with pytest.raises(Problem) as bare, Problem.completing(trace=Trace("given")):
        raise Problem("deadline_exceeded", "No.")
    with pytest.raises(Problem) as full, Problem.completing(trace=Trace("given")):
        raise Problem("deadline_exceeded", "No.", trace=own)

    assert (bare.value.trace, full.value.trace) == (Trace("given"), own)


@pytest.mark.parametrize(
    ("name", "escaped"),
    [("plain", "plain"), ("", ""), ("a/b~", "a~1b~0"), ("~1", "~01"), ("~/", "~0~1"), (0, "0")],
)
def test_the_names_in_a_pointer_are_escaped(name: str | int, escaped: str) -> None:
    assert pointer_to("/p", name) == f"/p/{escaped}"
