"""Checking a cart out: the cart is the idempotency key. test_purchases has the other rules."""

from datetime import timedelta
from typing import Any

import pytest

from cart_core.idempotency.operation_id import OperationId
from tests.kit.builders import CART_ID, CUSTOMER
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import USER
from tests.kit.world import FOR_USER, KEYED, LEASE, World, problem_of


def world_with_cart(**settings: str) -> World:
    """A world with the cart that is to be checked out."""
    world = World(**settings)
    world.center.add()
    return world


@in_virtual_time
async def test_a_cart_is_bought() -> None:
    world = world_with_cart()
    response = await world.check_out(headers=FOR_USER)
    [asked] = world.center.asked
    assert (response.body["status"], len(response.body["orders"])) == ("completed", 1)
    assert (asked.operation, asked.cart_id, asked.customer_user) == ("checkout", CART_ID, USER)
    assert (asked.time, asked.attempt.timeout) == (0, 60)


@in_virtual_time
async def test_its_record_is_kept_under_the_cart_and_under_no_key() -> None:
    world = world_with_cart()
    begun = world.clock()
    await world.check_out(headers=KEYED)
    claim, done = world.store.written
    operation = OperationId("checkout_cart", CUSTOMER, CART_ID)
    assert world.record_names() == [operation.record_name()]
    assert (done.operation, done.customer_id, done.key) == ("checkout_cart", CUSTOMER, CART_ID)
    assert (claim.state, done.state, done.caller_id) == ("in_progress", "completed", None)
    assert world.store.lease_ends[0] == begun + LEASE
    [step] = done.steps
    assert (step.name, step.done) == ("checkout", True)
    assert step.request_id == world.center.asked[0].request_id


@pytest.mark.parametrize(
    "other",
    [
        {"cart_id": CART_ID.upper(), "customer": CUSTOMER.upper()},
        {"headers": {"idempotency-key": "a b", "x-locale": "fr-FR"}},
        {"headers": {"x-caller": "two", "x-ms-customeruser-upn": " "}},
        {"body": b" {}"},
    ],
    ids=["upper-case", "with-a-key", "another-caller", "empty-object"],
)
@in_virtual_time
async def test_whoever_checks_a_cart_out_again_gets_the_same_answer(other: dict[str, Any]) -> None:
    world = world_with_cart()
    first = await world.check_out(headers={"x-caller": "one"})
    second = await world.check_out(**other)
    assert (second.body, second.headers["Idempotent-Replayed"]) == (first.body, "true")
    assert world.center.operations() == ["checkout"]


@in_virtual_time
async def test_a_bought_cart_is_not_shown_to_another_customer() -> None:
    world = world_with_cart()
    await world.check_out()
    problem = await problem_of(world.check_out(customer=CUSTOMER.replace("d", "e")))
    assert (problem.code, problem.kind.status) == ("partner_center_not_found", 404)


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
