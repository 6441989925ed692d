"""Every call of the store and every request to Partner Center is a point at which a process dies.

For each plan, and for each end that the first call would have, calls are killed at every point that
they pass, before and after it. Then the next call is killed so, too.
"""

import asyncio
import itertools

import pytest

from cart_core.call import Answer
from cart_core.problem import Problem
from tests.kit.fakes import Killed, in_virtual_time, monotonic
from tests.unit.idempotency.world import (
    LEASE,
    PLANS,
    REJECTED,
    UNKNOWN,
    End,
    World,
    done,
    every_plan,
)

every_end = pytest.mark.parametrize("end", [None, REJECTED, UNKNOWN, "partial"], ids=repr)


async def _killed(world: World, point: int, death: type[BaseException]) -> bool:
    """Whether a call has passed so many points; then it was killed there, and its lease is over."""
    left = itertools.count(point, -1)

    def die(_: str) -> None:
        if next(left) == 0:
            raise death

    world.store.point = die
    try:
        await world.deliver()
    except death:
        world.store.point = lambda _: None
        await _assert_next_call_waits(world)
        await asyncio.sleep(LEASE)
        return True
    except Problem:
        pass
    world.store.point = lambda _: None
    return False


async def _assert_next_call_waits(world: World) -> None:
    """Until the lease is over, if the call that was killed has left one."""
    at_work = world.states[-1:] == ["in_progress"]
    if at_work and world.store.lease_ends[-1] > monotonic():
        requests = len(world.requests)
        await world.fails(code="operation_in_progress")
        assert len(world.requests) == requests


async def _assert_comes_to_rest(world: World, end: End) -> None:
    """The next calls lead to one answer, and no step was done twice."""
    answers = [await world.ends_somehow() for _ in range(4)]
    answer, again = answers[-2:]
    assert isinstance(answer, Answer)
    assert again == Answer(answer.status, answer.body, answer.headers, replayed=True)
    assert world.store.record.state == "completed"
    assert all(done(world.store.record))
    for step in world.plan.steps:
        ended = step == world.plan.steps[-1] and end in (REJECTED, "partial")
        effects = sum(document["step"] == step for document in world.effects.values())
        assert effects == 1 or (ended and end == "partial" and effects == 2)
        assert len(world.ids(step)) == 1 or (ended and len(world.ids(step)) == 2)
    for place, request in enumerate(world.requests):
        earlier = world.requests[:place]
        assert request.resumed or request.request_id not in {each.request_id for each in earlier}
        assert not (request.first and request.step in {each.step for each in earlier})


def _world(plan: str, end: End) -> World:
    world = World(plan, longest_wait=0)
    world.ends[world.plan.steps[-1]] = [end]
    return world


@pytest.mark.parametrize("death", [Killed, asyncio.CancelledError])
@every_end
@every_plan
@in_virtual_time
async def test_a_call_that_was_killed_at_any_point(
    plan: str, end: End, death: type[BaseException]
) -> None:
    for point in itertools.count():
        world = _world(plan, end)
        killed = await _killed(world, point, death)
        await _assert_comes_to_rest(world, end)
        if not killed:
            break
    assert point == 2 + 4 * len(world.plan.steps), "a call has passed other points"


@every_end
@every_plan
@in_virtual_time
async def test_two_calls_that_were_killed_at_any_points(plan: str, end: End) -> None:
    for first in range(2 + 4 * len(PLANS[plan].steps)):
        for second in itertools.count():
            world = _world(plan, end)
            assert await _killed(world, first, Killed)
            killed = await _killed(world, second, Killed)
            await _assert_comes_to_rest(world, end)
            if not killed:
                break
