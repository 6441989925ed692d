"""Getting a cart: nothing is remembered of it, and a failure leaves nothing open."""

import pytest

from cart_core.api.messages import Invocation
from cart_core.problem import Outcome
from tests.kit.builders import CART_ID, CUSTOMER, SEED_RESPONSE
from tests.kit.fakes import in_virtual_time, monotonic
from tests.kit.partner_center import ACTIVE, BROKEN, GONE, LOST, Answer, reply
from tests.kit.world import World, problem_of


@in_virtual_time
async def test_a_cart_is_read_and_comes_back_normalised() -> None:
    world = World(reply(200, SEED_RESPONSE))
    response = await world.get()
    [asked] = world.center.asked
    assert (asked.operation, asked.customer_id, asked.cart_id) == ("get", CUSTOMER, CART_ID)
    assert response.status == 200
    assert (response.body["id"], response.body["customerId"]) == (CART_ID, CUSTOMER)
    assert response.body["warnings"] == []
    assert response.headers == {
        "MS-RequestId": asked.request_id,
        "MS-CorrelationId": "correlation-1",
        "MS-CV": "cv-200",
    }


@in_virtual_time
async def test_every_wrong_id_is_reported_at_once() -> None:
    problem = await problem_of(World().get(customer="me", cart_id="last"))
    assert (problem.code, problem.kind.status) == ("invalid_request", 400)
    codes = [(error.pointer, error.code) for error in problem.errors]
    assert codes == [("", "invalid_customer_id"), ("", "invalid_cart_id")]


@in_virtual_time
async def test_headers_and_bodies_that_mean_nothing_here_are_not_looked_at() -> None:
    world = World(ACTIVE)
    headers = {"content-type": "text/plain", "content-encoding": "gzip", "idempotency-key": "a b"}
    response = await world.get(headers | {"x-ms-customeruser-upn": "nobody"}, b"\xff" * 1_000_000)
    assert response.status == 200


@pytest.mark.parametrize(
    ("answers", "status", "code"),
    [
        ([LOST] * 5, 502, "partner_center_no_answer"),
        ([LOST, GONE], 404, "partner_center_not_found"),
        ([BROKEN] * 5, 502, "partner_center_failed"),
        ([reply(200, [])] * 5, 502, "partner_center_unreadable"),
    ],
    ids=["lost", "lost-and-gone", "failed", "unreadable"],
)
@in_virtual_time
async def test_a_failure_to_read_leaves_nothing_open(
    answers: list[Answer], status: int, code: str
) -> None:
    world = World(*answers)
    call = Invocation("correlation-1", monotonic())
    problem = await problem_of(world.get(call=call))
    assert (problem.code, problem.kind.status) == (code, status)
    assert problem.outcome is Outcome.REJECTED
    assert not call.sent.may_have_effect
    assert len(world.center.asked) == len(answers)
