"""Leases end by the store's clock, whatever the clocks of the instances say."""

import asyncio

import pytest

from cart_core.idempotency.plan import LONGEST_REQUEST
from tests.kit.fakes import Killed, WallClock, in_virtual_time, monotonic
from tests.unit.idempotency.world import MARGIN, REQUEST_SECONDS, UNKNOWN, World, every_step

every_difference = pytest.mark.parametrize("seconds_apart", [-3600, -90, 0, 90, 3600])
"""How far another instance's clock is ahead."""

LONGEST = LONGEST_REQUEST.total_seconds()


def use_another_instance(world: World, seconds_apart: float) -> None:
    """From now on all calls reach an instance with another clock."""
    clock = WallClock()
    clock.shift = seconds_apart
    world.once = world.instance(clock)


@every_difference
@every_step
@in_virtual_time
async def test_another_instance_takes_over_when_the_lease_ends_and_not_before(
    plan: str, step: str, seconds_apart: float
) -> None:
    world = World(plan, longest_wait=0)
    world.ends[step] = [Killed()]
    await world.ends_somehow(seconds=8)
    use_another_instance(world, seconds_apart)
    await asyncio.sleep(8 + MARGIN - monotonic() - 0.1)
    sent = len(world.requests)
    await world.fails(code="operation_in_progress")
    await asyncio.sleep(0.1)
    await world.deliver()
    resumed = world.requests[sent]
    assert (resumed.step, resumed.resumed) == (step, True)
    assert resumed.under_way_for == pytest.approx(LONGEST)  # Counted from the end of the lease.


@every_difference
@every_step
@in_virtual_time
async def test_another_instance_knows_how_long_a_request_may_be_under_way(
    plan: str, step: str, seconds_apart: float
) -> None:
    world = World(plan)
    world.ends[step] = [UNKNOWN] * 4
    await world.ends_somehow()
    for seconds, left in ((100, 200), (150, 200 - REQUEST_SECONDS - 150), (100, 0)):
        use_another_instance(world, seconds_apart)
        await asyncio.sleep(seconds)
        assert await world.ends_somehow() is UNKNOWN
        assert world.sent(step)[-1].under_way_for == left


@every_step
@in_virtual_time
async def test_whoever_died_while_it_resumed_counts_from_the_end_of_its_own_lease(
    plan: str, step: str
) -> None:
    world = World(plan, longest_wait=0)
    world.ends[step] = [UNKNOWN, Killed()]
    await world.ends_somehow()
    await asyncio.sleep(100)
    await world.ends_somehow()
    await asyncio.sleep(world.store.lease_ends[-1] - monotonic())
    await world.deliver()
    assert world.sent(step)[-1].under_way_for == pytest.approx(LONGEST)


@every_difference
@every_step
@in_virtual_time
async def test_a_clock_that_is_put_right_changes_no_lease(
    plan: str, step: str, seconds_apart: float
) -> None:
    world = World(plan, longest_wait=0)
    world.ends[step], world.seconds[step] = [UNKNOWN], [60]
    first = await world.start()
    await asyncio.sleep(10)
    world.clock.shift = seconds_apart
    await world.fails(code="operation_in_progress")
    assert await first is UNKNOWN
    await world.deliver()
    assert world.sent(step)[-1].under_way_for == LONGEST
