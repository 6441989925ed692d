import json
import re

import pytest

from cart_core.problem import CATALOGUE, Fault, FieldError, Outcome, Problem, invalid_request
from tests.kit.builders import CUSTOMER

RFC_9457 = ["type", "title", "status", "detail", "instance"]
OURS = [
    "code",
    "errors",
    "requestId",
    "correlationId",
    "retryable",
    "outcome",
    "partnerCenter",
    "cart",
    "orderErrors",
]


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_problem_has_every_member(code: str) -> None:
    problem = Problem(code, "a detail")

    body = problem.as_json(request_id="r", correlation_id=CUSTOMER)

    assert list(body) == RFC_9457 + OURS
    assert body["code"] == code
    assert body["status"] == CATALOGUE[code].status
    assert body["title"]
    assert body["detail"] == "a detail"
    assert (body["requestId"], body["correlationId"]) == ("r", CUSTOMER)
    assert body["errors"] == []
    assert (body["partnerCenter"], body["cart"], body["orderErrors"]) == (None, None, [])
    assert body["outcome"] in {"not_sent", "rejected", "unknown"}
    assert isinstance(body["retryable"], bool)
    json.dumps(body, allow_nan=False)


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_is_a_stable_word_and_a_type_of_its_own(code: str) -> None:
    body = Problem(code, "").as_json(request_id=None, correlation_id=CUSTOMER)

    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert body["type"].endswith(f":{code}")
    assert 400 <= body["status"] <= 599


def test_what_partner_center_said_is_shown_in_full() -> None:
    fault = Fault(400, code="800002", description="bad input", source="PartnerFD", data=["x"])

    body = Problem("partner_center_invalid_request", "", fault=fault).as_json(
        request_id=None, correlation_id=CUSTOMER
    )

    assert body["partnerCenter"] == {
        "status": 400,
        "code": "800002",
        "description": "bad input",
        "source": "PartnerFD",
        "data": ["x"],
    }


def test_a_fault_without_words_still_has_every_member() -> None:
    assert Fault(500).as_json() == {
        "status": 500,
        "code": None,
        "description": None,
        "source": None,
        "data": [],
    }


CART = {"id": "1", "orderable": False}
ERRORS = [{"orderGroupId": "1", "code": "800023", "description": "No credit."}]


def test_the_cart_and_the_reasons_of_a_checkout_come_last() -> None:
    body = Problem("cart_not_orderable", "", cart=CART, order_errors=ERRORS).as_json(
        request_id=None, correlation_id=CUSTOMER
    )

    assert list(body)[-2:] == ["cart", "orderErrors"]
    assert (body["cart"], body["orderErrors"]) == (CART, ERRORS)
    assert list(body["orderErrors"][0]) == ["orderGroupId", "code", "description"]


def test_a_problem_shares_no_list_with_its_answer() -> None:
    problem = Problem("checkout_failed", "", order_errors=(errors := [*ERRORS]))
    body = problem.as_json(request_id=None, correlation_id=CUSTOMER)
    errors.clear()

    assert body["orderErrors"] == ERRORS


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        ("checkout_disabled", 403, "not_sent"),
        ("cart_not_orderable", 422, "rejected"),
        ("checkout_failed", 422, "rejected"),
    ],
)
def test_what_a_checkout_may_end_in(code: str, status: int, outcome: str) -> None:
    body = Problem(code, "").as_json(request_id=None, correlation_id=CUSTOMER)

    assert (body["status"], body["outcome"], body["retryable"]) == (status, outcome, False)


def test_the_outcome_can_be_narrowed() -> None:
    problem = Problem("internal_error", "", outcome=Outcome.NOT_SENT)

    assert problem.as_json(request_id=None, correlation_id=CUSTOMER)["outcome"] == "not_sent"


@pytest.mark.parametrize(
    ("count", "listed"), [(1, 1), (99, 99), (100, 100), (101, 100), (12_345, 100)]
)
def test_the_first_hundred_errors_are_listed_and_all_are_counted(count: int, listed: int) -> None:
    errors = [FieldError(f"/lineItems/{index}", "wrong_type", "") for index in range(count)]

    body = invalid_request(errors).as_json(request_id=None, correlation_id=CUSTOMER)

    assert [error["pointer"] for error in body["errors"]] == [
        f"/lineItems/{index}" for index in range(listed)
    ]
    assert re.match(rf"{count}\b", body["detail"])
    assert (body["status"], body["outcome"], body["retryable"]) == (400, "not_sent", False)


def test_an_error_has_a_pointer_a_code_and_a_detail() -> None:
    body = invalid_request([FieldError("/lineItems/0/quantity", "required", "words")]).as_json(
        request_id=None, correlation_id=CUSTOMER
    )

    assert body["errors"] == [
        {"pointer": "/lineItems/0/quantity", "code": "required", "detail": "words"}
    ]


def test_the_text_of_the_exception_is_the_code_alone() -> None:
    assert str(Problem("token_rejected", "words for the caller")) == "token_rejected"
