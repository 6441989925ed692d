"""When the schedules of timers are due, and that a timer never overtakes itself."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from local.timer_trigger import Schedule, fire, to_function
from tests.kit.fakes import EPOCH_SECONDS, in_virtual_time, monotonic

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""A Sunday."""


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("0 * * * * *", "2026-11-22T12:01:00"),
        ("0 0 3 * * *", "2026-11-23T03:00:00"),
        ("*/20 * * * * *", "2026-11-22T12:00:20"),
        ("0 30 9-11 * * 1-5", "2026-11-23T09:30:00"),
        ("5,10 0 12 * * 0", "2026-11-22T12:00:05"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 12 22 11 *", "2027-11-22T12:00:00"),
    ],
)
def test_the_first_moment_after(expression: str, due: str) -> None:
    assert Schedule(expression).after(NOON) == datetime.fromisoformat(f"{due}+00:00")


@pytest.mark.parametrize("expression", ["* * * * *", "60 * * * * *", "0 0 0 31 2 *", "@daily", ""])
def test_a_schedule_that_is_none_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        Schedule(expression).after(NOON)


@in_virtual_time
async def test_a_timer_fires_on_time_and_misses_what_comes_while_it_runs() -> None:
    fired: list[float] = []

    async def call() -> None:
        fired.append(monotonic())
        await asyncio.sleep(90 if len(fired) == 2 else 1)

    def now() -> datetime:
        return datetime.fromtimestamp(EPOCH_SECONDS + monotonic(), UTC)

    task = asyncio.create_task(fire(Schedule("0 * * * * *"), call, now=now, sleep=asyncio.sleep))
    await asyncio.sleep(timedelta(minutes=5).total_seconds() + 1)
    task.cancel()
    assert fired == [60.0, 120.0, 240.0, 300.0]


def test_a_function_is_told_that_it_is_in_time() -> None:
    assert to_function().past_due is False
