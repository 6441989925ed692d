"""A call that is slower than its lease: it may no longer write, and its answer does not count."""

import asyncio
import logging

import pytest

from cart_core.call import Answer
from cart_core.problem import Outcome, Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import Killed, in_virtual_time
from tests.unit.idempotency.world import (
    LEASE,
    OTHER_CONTENT,
    REJECTED,
    UNKNOWN,
    End,
    World,
    every_purchase,
)

SLOW = LEASE + 100

successors = pytest.mark.parametrize(
    "successor", [None, UNKNOWN, REJECTED, RuntimeError(), Killed(), "partial"], ids=repr
)
"""How the call ends that has taken over."""


def assert_to_come_back(result: Answer | BaseException, seconds: range = range(1, 11)) -> None:
    assert isinstance(result, Problem)
    assert (result.code, result.outcome) == ("operation_in_progress", Outcome.UNKNOWN)
    assert result.retry_after in seconds


@pytest.mark.parametrize("end", [None, REJECTED, UNKNOWN, RuntimeError(), "partial"], ids=repr)
@successors
@every_purchase
@in_virtual_time
async def test_a_call_that_lost_its_lease_at_the_last_step_changes_nothing(
    plan: str, successor: End, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    """It gives the answer of its successor, unless its own end is in doubt."""
    world = World(plan)
    world.ends["checkout"], world.seconds["checkout"] = [end, successor], [SLOW]
    slow = await world.start()
    await asyncio.sleep(LEASE)
    answer = await world.ends_somehow()
    record = world.store.record
    with caplog.at_level(logging.WARNING, "cart_core.idempotency"):
        result = await slow
    assert world.store.record is record
    assert [each.getMessage() for each in caplog.records] == [
        f"lost the lease, correlation id {CUSTOMER}"
    ]
    if end is UNKNOWN or isinstance(end, RuntimeError):
        assert result is end
    elif successor is None:
        assert isinstance(answer, Answer)
        assert result == Answer(answer.status, answer.body, answer.headers, replayed=True)
    else:
        assert_to_come_back(result)
    assert len(world.ids("checkout")) == 1
    assert [request.resumed for request in world.sent("checkout")] == [False, True]
    assert [request.first for request in world.sent("checkout")] == [True, False]


@successors
@in_virtual_time
async def test_a_call_that_lost_its_lease_at_the_first_step_does_not_begin_the_second(
    successor: End,
) -> None:
    world = World("order")
    world.seconds["cart"], world.ends["checkout"] = [SLOW], [successor]
    slow = await world.start()
    await asyncio.sleep(LEASE)
    await world.ends_somehow()
    record = world.store.record
    assert_to_come_back(await slow)
    assert world.store.record is record
    assert len(world.sent("checkout")) == 1


@in_virtual_time
async def test_a_call_that_lost_its_lease_is_not_given_the_answer_to_other_content() -> None:
    world = World()
    world.seconds["cart"] = [SLOW]
    slow = await world.start()
    world.clock.shift = world.plan.retention.total_seconds()  # The first one's record expires.
    await world.deliver(OTHER_CONTENT)
    assert_to_come_back(await slow)
