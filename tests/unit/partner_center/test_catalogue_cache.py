"""What was read is used again only while it may be, and is asked for once by all who need it."""

import asyncio

import pytest

from cart_core.call import Call
from cart_core.partner_center.catalogue_cache import CatalogueCache
from cart_core.problem import Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import WallClock, in_virtual_time, within

KEY, OTHER, THIRD = (CUSTOMER, "one"), (CUSTOMER, "two"), ("another customer", "one")


class Reading:
    """A cache of two values, and a source whose answers take a second."""

    def __init__(self) -> None:
        self.clock = WallClock()
        self.cache: CatalogueCache[int] = CatalogueCache(self.clock, 2)
        self.loads = 0
        self.failure: Problem | None = None

    async def get(self, key: tuple[str, ...] = KEY, seconds: float = 100.0) -> int:
        """The value, for a call with so many seconds left."""
        call = Call("correlation-1", CUSTOMER, "en-US", within(seconds))
        return await self.cache.get(call, key, self._load, lambda _: 60.0)

    async def _load(self) -> int:
        self.loads += 1
        number, failure = self.loads, self.failure
        await asyncio.sleep(1)
        if failure:
            raise failure
        return number


@in_virtual_time
async def test_the_age_counts_from_before_the_request() -> None:
    reading = Reading()
    assert await reading.get() == 1
    await asyncio.sleep(58.5)
    assert await reading.get() == 1
    await asyncio.sleep(0.5)
    assert await reading.get() == 2


@in_virtual_time
async def test_nothing_is_used_that_was_read_in_the_future() -> None:
    reading = Reading()
    await reading.get()
    reading.clock.shift = -10
    assert await reading.get() == 2


@in_virtual_time
async def test_those_that_were_used_last_are_kept() -> None:
    reading = Reading()
    for key in (KEY, OTHER, KEY, THIRD):
        await reading.get(key)
    assert (await reading.get(KEY), await reading.get(THIRD), reading.loads) == (1, 3, 3)
    assert await reading.get(OTHER) == 4


@in_virtual_time
async def test_a_request_under_way_does_not_bring_back_what_was_dropped() -> None:
    reading = Reading()
    await reading.get(THIRD)
    first = asyncio.create_task(reading.get())
    await asyncio.sleep(0.5)
    reading.cache.drop(lambda key: key[0] == CUSTOMER)
    second = asyncio.create_task(reading.get())
    assert (await first, await second) == (2, 3)
    assert (await reading.get(), await reading.get(THIRD), reading.loads) == (3, 1, 3)


@in_virtual_time
async def test_who_waits_does_not_fail_because_another_one_has_no_time_left() -> None:
    reading = Reading()
    reading.failure = Problem("deadline_exceeded", "")
    first = asyncio.create_task(reading.get())
    await asyncio.sleep(0.5)
    reading.failure = None
    second = asyncio.create_task(reading.get())
    with pytest.raises(Problem):
        await first
    assert await second == 2


@in_virtual_time
async def test_who_waits_does_so_until_the_own_deadline() -> None:
    reading = Reading()
    first = asyncio.create_task(reading.get())
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await reading.get(seconds=0.5)
    assert caught.value.code == "deadline_exceeded"
    assert (await first, reading.loads) == (1, 1)
