"""What was read of the catalogue a short while ago, so that the same is not asked again and again.

Partner Center publishes no limit for catalogue requests, and says only that ids are reissued
regularly. Price lists change on the first of a month, so nothing outlives that moment (UTC).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from cart_core.call import Call
from cart_core.problem import Problem

Value = TypeVar("Value")

Key = tuple[str, ...]
"""What a value is of: the customer's tenant id first."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Value]):
    value: Value
    read_at: float
    month_ends: float


@dataclass(slots=True)
class _Flight:
    """A request that is under way. `failure` is how it ended, if it did not succeed."""

    done: asyncio.Event
    failure: Problem | None = None
    dropped: bool = False


class CatalogueCache(Generic[Value]):
    """Values by key. Of one key, only one request is under way at a time.

    `clock` gives POSIX seconds. `most` values are kept, those that were used last.
    """

    def __init__(self, clock: Callable[[], float], most: int) -> None:
        self._clock = clock
        self._most = most
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._flights: dict[Key, _Flight] = {}

    def known(self, key: Key, longest_age: Callable[[Value], float]) -> Value | None:
        """The value, of at most `longest_age` seconds, if it is there."""
        entry = self._entries.get(key)
        if entry and self._is_young(entry, longest_age(entry.value)):
            self._entries.move_to_end(key)
            return entry.value
        return None

    async def get(
        self,
        call: Call,
        key: Key,
        load: Callable[[], Awaitable[Value]],
        longest_age: Callable[[Value], float],
    ) -> Value:
        """The value, of at most `longest_age` seconds, or as `load` gives it now. Raises Problem.

        A call that waits for another one's request gets that one's failure too, unless only the
        other one has run out of time.
        """
        while True:
            value = self.known(key, longest_age)
            if value is not None:
                return value
            flight = self._flights.get(key)
            if flight is None:
                return await self._load(key, load)
            try:
                async with asyncio.timeout(call.deadline.remaining()):
                    await flight.done.wait()
            except TimeoutError:
                raise Problem("deadline_exceeded", "There was no time left to read.") from None
            if flight.failure and flight.failure.code != "deadline_exceeded":
                raise _again(flight.failure)

    def drop(self, is_meant: Callable[[Key], bool]) -> None:
        """Forget the values of these keys, and what requests that are under way will answer."""
        for key in filter(is_meant, list(self._entries)):
            del self._entries[key]
        for key in filter(is_meant, list(self._flights)):
            self._flights.pop(key).dropped = True

    async def _load(self, key: Key, load: Callable[[], Awaitable[Value]]) -> Value:
        flight = self._flights[key] = _Flight(asyncio.Event())
        # The age counts from before the request: its answer may be as old as that.
        began = self._clock()
        try:
            value = await load()
        except Problem as problem:
            flight.failure = problem
            raise
        else:
            if not flight.dropped:
                self._entries[key] = _Entry(value, began, _end_of_month(began))
                self._entries.move_to_end(key)
                if len(self._entries) > self._most:
                    self._entries.popitem(last=False)
            return value
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            flight.done.set()

    def _is_young(self, entry: _Entry[Value], longest_age: float) -> bool:
        now = self._clock()
        return 0 <= now - entry.read_at < longest_age and now < entry.month_ends


def _end_of_month(now: float) -> float:
    """When the month ends, in POSIX seconds."""
    moment = datetime.fromtimestamp(now, UTC)
    year, month = divmod(moment.year * 12 + moment.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC).timestamp()


def _again(problem: Problem) -> Problem:
    """An equal problem for a call that waited: problems are changed on their way to a caller."""
    return Problem(
        problem.code,
        problem.detail,
        errors=problem.errors,
        fault=problem.fault,
        retry_after=problem.retry_after,
        outcome=problem.outcome,
        trace=problem.trace,
    )
