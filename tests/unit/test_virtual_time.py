"""The tool that runs the unit tests sees what dies in them."""

import asyncio

import pytest

from tests.kit.fakes import in_virtual_time


async def _die() -> None:
    raise AttributeError("a bug in a task")


@in_virtual_time
async def _leaves_a_dead_task() -> None:
    task = asyncio.create_task(_die())
    await asyncio.sleep(1)
    assert task.done()


@in_virtual_time
async def _leaves_a_dead_callback() -> None:
    asyncio.get_running_loop().call_soon(_die().throw, AttributeError("a bug in a callback"))
    await asyncio.sleep(1)


@in_virtual_time
async def _looks_at_its_dead_task() -> None:
    await asyncio.gather(asyncio.create_task(_die()), return_exceptions=True)


@pytest.mark.parametrize("test", [_leaves_a_dead_task, _leaves_a_dead_callback])
def test_what_dies_unseen_fails_the_test_it_ran_in(test: object) -> None:
    assert callable(test)
    with pytest.raises(AssertionError, match="a bug in"):
        test()


def test_a_death_that_the_test_has_seen_is_no_failure() -> None:
    _looks_at_its_dead_task()
