"""What holds only between two steps: the second one is not begun before the first is recorded."""

import asyncio
import logging

import pytest

from cart_core.call import Answer, Call
from cart_core.idempotency.claim import Claim
from cart_core.problem import Outcome
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import StoreFault, in_virtual_time, monotonic, within
from tests.unit.idempotency.world import DEADLINE, LEASE, World, done


@pytest.mark.parametrize("fault", ["down", "lost"])
@in_virtual_time
async def test_the_second_step_is_not_begun_if_the_first_cannot_be_recorded(
    fault: StoreFault, caplog: pytest.LogCaptureFixture
) -> None:
    world = World("order")
    world.store.reason, world.store.retry_after = "The store answered 500.", 60
    world.store.fails("replace", fault)
    world.store.fails("replace", "down", times=1000)
    world.store.fails("read", "down", times=1000)
    with caplog.at_level(logging.WARNING, "cart_core.idempotency"):
        problem = await world.fails(code="store_unavailable")
    assert (problem.kind.status, problem.outcome) == (503, Outcome.UNKNOWN)
    assert problem.kind.retryable
    assert problem.detail == (
        "The store answered 500. The order's cart was made, and nothing bought: that needs a record"
        " of it."
    )
    assert problem.retry_after == 60
    assert DEADLINE - 5 < monotonic() <= DEADLINE
    assert "not recorded" in caplog.text
    assert world.sent("checkout") == []
    world.store.faults.clear()
    await asyncio.sleep(LEASE - monotonic())
    await world.deliver()
    assert len(world.ids("cart")) == len(world.ids("checkout")) == 1
    assert len(world.sent("cart")) == (2 if fault == "down" else 1)


@in_virtual_time
async def test_a_store_that_comes_back_too_late_learns_that_the_first_step_is_in_doubt() -> None:
    world = World("order")
    world.store.fails("replace", "down", times=1000)

    async def perform(claim: Claim) -> Answer:
        try:
            return await world.perform(claim)
        finally:
            world.store.faults.clear()

    await world.fails(code="store_unavailable", perform=perform)
    assert world.states == ["in_progress", "unknown"]
    assert done(world.store.record) == [False, False]
    await world.deliver()
    assert [request.resumed for request in world.sent("cart")] == [False, True]


@in_virtual_time
async def test_the_second_step_is_not_begun_if_the_record_has_vanished() -> None:
    world = World("order")
    world.vanish("after cart")
    problem = await world.fails(code="store_unavailable")
    assert problem.outcome is Outcome.UNKNOWN
    assert world.sent("checkout") == []


@in_virtual_time
async def test_what_the_first_step_left_unanswered_is_not_under_way_in_the_second() -> None:
    world = World("order")
    call = Call(CUSTOMER, CUSTOMER, "en-US", within(DEADLINE))

    async def perform(claim: Claim) -> Answer:
        call.sent.unanswered = (
            True  # As after a try that was lost, before the one that is answered.
        )
        return await world.perform(claim)

    await world.once.run(call, world.keyed(), perform)
    assert [request.under_way_for > 0 for request in world.requests] == [True, False]
