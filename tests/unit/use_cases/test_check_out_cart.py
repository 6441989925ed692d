"""Checking a cart out: the cart is the idempotency key. test_purchases has the other rules."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from cart_core.api.messages import Invocation
from cart_core.idempotency.operation_id import OperationId
from cart_core.problem import Outcome
from tests.kit.builders import CART_ID, CUSTOMER, cart, places
from tests.kit.fakes import in_virtual_time, monotonic
from tests.kit.partner_center import ACTIVE, FAULTY, GONE, USER
from tests.kit.world import FOR_USER, KEYED, LEASE, World, problem_of

ANOTHER_CART = CART_ID.replace("b", "c")


def world_with_cart(*items: str, **settings: str) -> World:
    """A world with the cart that is to be checked out."""
    world = World(**settings)
    world.center.add(CART_ID, *items)
    return world


@in_virtual_time
async def test_a_cart_is_bought() -> None:
    world = world_with_cart()
    call = Invocation("correlation-1", monotonic())
    response = await world.check_out(headers=FOR_USER, call=call)
    [asked] = world.center.asked
    assert response.status == 201
    assert list(response.body) == [
        *("cartId", "customerId", "status", "orders", "orderErrors", "warnings")
    ]
    assert (response.body["cartId"], response.body["customerId"]) == (CART_ID, CUSTOMER)
    assert (response.body["status"], len(response.body["orders"])) == ("completed", 1)
    assert response.headers == {
        "MS-CorrelationId": "correlation-1",
        "MS-RequestId": asked.request_id,
        "MS-CV": "cv-201",
    }
    assert (asked.operation, asked.cart_id, asked.customer_user) == ("checkout", CART_ID, USER)
    assert (asked.time, asked.attempt.timeout) == (0, 60)
    assert (call.customer_id, call.cart_id, call.sent.tries) == (CUSTOMER, CART_ID, 1)
    assert call.sent.may_have_effect


@in_virtual_time
async def test_its_record_is_kept_under_the_cart_and_under_no_key() -> None:
    world = world_with_cart()
    begun = world.clock()
    await world.check_out(headers=KEYED)
    claim, done = world.store.written
    assert world.record_names() == [
        OperationId("checkout_cart", CUSTOMER, None, CART_ID).record_name()
    ]
    assert (done.operation, done.customer_id, done.key) == ("checkout_cart", CUSTOMER, CART_ID)
    assert (claim.state, done.state, done.caller_id) == ("in_progress", "completed", None)
    assert claim.lease_until.timestamp() == begun + LEASE
    [step] = done.steps
    assert (step.name, step.done) == ("checkout", True)
    assert step.request_id == world.center.asked[0].request_id


@pytest.mark.parametrize(
    "other",
    [
        {"cart_id": CART_ID.upper(), "customer": CUSTOMER.upper()},
        {"headers": {"idempotency-key": "a b", "x-locale": "fr-FR"}},
        {"headers": {"x-ms-client-principal-id": "two", "x-ms-customeruser-upn": " "}},
        {"body": b" {}"},
    ],
    ids=["upper-case", "with-a-key", "another-caller", "empty-object"],
)
@in_virtual_time
async def test_whoever_checks_a_cart_out_again_gets_the_same_answer(other: dict[str, Any]) -> None:
    world = world_with_cart(WEBSITE_AUTH_ENABLED="True")
    first = await world.check_out(headers={"x-ms-client-principal-id": "one"})
    second = await world.check_out(**other)
    assert (second.body, second.headers["Idempotent-Replayed"]) == (first.body, "true")
    assert world.center.operations() == ["checkout"]


@in_virtual_time
async def test_another_cart_is_another_checkout() -> None:
    world = world_with_cart()
    world.center.add(ANOTHER_CART)
    first, second = await world.check_out(), await world.check_out(ANOTHER_CART)
    assert world.center.bought == [CART_ID, ANOTHER_CART]
    assert (first.body["cartId"], second.body["cartId"]) == (CART_ID, ANOTHER_CART)


@in_virtual_time
async def test_a_bought_cart_is_not_shown_to_another_customer() -> None:
    world = world_with_cart()
    await world.check_out()
    problem = await problem_of(world.check_out(customer=CUSTOMER.replace("d", "e")))
    assert (problem.code, problem.kind.status) == ("partner_center_not_found", 404)


@in_virtual_time
async def test_a_refused_cart_may_be_bought_for_another_user() -> None:
    world = world_with_cart()
    world.center.script["checkout"] = [GONE]
    await problem_of(world.check_out(headers=FOR_USER))
    assert (await world.check_out(headers={})).body["status"] == "completed"


@in_virtual_time
async def test_everything_wrong_is_reported_at_once_and_nothing_is_done() -> None:
    world = World()
    problem = await problem_of(
        world.check_out("no-guid", {"x-ms-customeruser-upn": "nobody"}, b"[]", customer="none")
    )
    assert (problem.code, problem.kind.status) == ("invalid_request", 400)
    assert places(problem) == {
        ("", "invalid_customer_id"),
        ("", "invalid_cart_id"),
        ("", "invalid_customer_user"),
        ("", "unexpected_body"),
    }
    assert (world.store.calls, world.center.asked) == ([], [])


@in_virtual_time
async def test_a_cart_that_cannot_be_ordered_can_be_once_it_is_changed() -> None:
    world = world_with_cart(FAULTY)
    for operations in (["checkout", "get"], ["checkout", "get", "get"]):
        problem = await problem_of(world.check_out())
        assert (problem.code, problem.kind.status) == ("cart_not_orderable", 422)
        assert (problem.outcome, problem.kind.retryable) == (Outcome.REJECTED, False)
        assert world.center.operations() == operations
    assert (await world.put(cart())).body["orderable"] is True
    assert (await world.check_out()).body["status"] == "completed"
    assert world.center.bought == [CART_ID]


@in_virtual_time
async def test_a_cart_whose_record_has_expired_is_read_first() -> None:
    world = world_with_cart()
    world.center.repeat_checkout = False
    first = await world.check_out()
    world.clock.shift = timedelta(days=90).total_seconds()
    response = await world.check_out()
    assert world.center.operations() == ["checkout", "get", "checkout"]
    assert (first.body["status"], response.body["status"]) == ("completed", "ordered")
    assert len({asked.request_id for asked in world.center.requests_for("checkout")}) == 2
    assert world.center.bought == [CART_ID]


@in_virtual_time
async def test_a_call_that_lost_its_lease_gives_the_answer_of_its_successor() -> None:
    world = world_with_cart()
    world.center.seconds = 50
    world.center.script["get"] = [ACTIVE]
    first = asyncio.create_task(world.check_out())
    await asyncio.sleep(10)
    world.clock.shift = 1000  # A clock that is wrong by far ends the lease.
    world.center.seconds = 1
    second = await world.check_out()
    assert (await first).body == second.body
    assert world.center.bought == [CART_ID]
