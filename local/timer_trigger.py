"""The timer trigger: when a schedule is due, and who calls its function then."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import azure.functions as func
from azure.functions.meta import Datum
from azure.functions.timer import TimerRequestConverter

_RANGES: Final = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
"""The least and the greatest number of each field: second to month, and the day of the week."""

_LONGEST_SEARCH: Final = timedelta(days=5 * 366)


class Schedule:
    """An NCRONTAB expression of six fields, in UTC: numbers, `a-b`, lists and `*/n`.

    Raises ValueError for another one.
    """

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        if len(fields) != len(_RANGES):
            raise ValueError(f"The schedule {expression} has not six fields.")
        self._expression = expression
        self._fields = [_numbers(*each) for each in zip(fields, _RANGES, strict=True)]

    def after(self, moment: datetime) -> datetime:
        """The first moment after this one at which the schedule is due."""
        seconds, minutes, hours, days, months, weekdays = self._fields
        found = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        while found - moment < _LONGEST_SEARCH:
            day = found.replace(hour=0, minute=0, second=0)
            if (
                found.month not in months
                or found.day not in days
                or found.isoweekday() % 7 not in weekdays
            ):
                found = day + timedelta(days=1)
            elif found.hour not in hours:
                found = found.replace(minute=0, second=0) + timedelta(hours=1)
            elif found.minute not in minutes:
                found = found.replace(second=0) + timedelta(minutes=1)
            elif found.second not in seconds:
                found += timedelta(seconds=1)
            else:
                return found
        raise ValueError(f"The schedule {self._expression} is never due.")


def _numbers(field: str, bounds: tuple[int, int]) -> frozenset[int]:
    """The numbers of a field. Raises ValueError."""
    numbers: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = (f"{bounds[0]}-{bounds[1]}" if span == "*" else span).partition("-")
        numbers.update(range(int(low), int(high or low) + 1, int(step or 1)))
    if not numbers or min(numbers) < bounds[0] or max(numbers) > bounds[1]:
        raise ValueError(f"The field {field} of a schedule is empty or out of range.")
    return frozenset(numbers)


def to_function() -> func.TimerRequest:
    """The argument of the function, made with the converter that Azure uses."""
    found: func.TimerRequest = TimerRequestConverter.decode(
        Datum('{"IsPastDue": false}', "json"), trigger_metadata={}
    )
    return found


async def fire(
    schedule: Schedule,
    call: Callable[[], Awaitable[object]],
    *,
    now: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Calls whenever the schedule is due, and never while the call before it still runs.

    `call` raises nothing. It ends when it is cancelled.
    """
    while True:
        due = schedule.after(now())
        while (left := (due - now()).total_seconds()) > 0:
            await sleep(left)
        await call()
