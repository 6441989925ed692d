"""The timer beside the queue: once a minute it finds overdue operations by their records.

A queue's listener may sleep for hours, an instance may die with ten bells (queue messages) in its
hand, and a bell may be lost. None of that changes the records, so the list of records has every
overdue operation. A new bell is hung up for it, and if nobody answers that one either, the sweep
works the operation off itself.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cart_core import __version__, telemetry
from cart_core.idempotency.claim import Claims
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.bell import Bell
from cart_core.operations.bells import Bells
from cart_core.operations.operation import KEPT
from cart_core.operations.store import OperationStore, Summary
from cart_core.operations.worker import Worker

OVERDUE: Final = 60.0
"""Seconds after which somebody should have begun an operation that was due."""
UNANSWERED: Final = 120.0
"""Seconds after which an operation is worked off here, because nobody answers its bell."""
AT_ONCE: Final = 4
BEGIN_WITHIN: Final = 45.0
"""Seconds for which a sweep begins to work operations off; the next one comes after a minute."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep has found: `oldest` is the age in seconds of what waits or runs."""

    oldest: float
    counts: Counter[str]
    rung: int
    poisoned: int


class Sweeper:
    """Sweeps. `clock` gives POSIX seconds."""

    def __init__(
        self,
        operations: OperationStore,
        bells: Bells,
        worker: Worker,
        claims: Claims,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._operations = operations
        self._bells = bells
        self._worker = worker
        self._claims = claims
        self._clock = clock

    async def __call__(self) -> Sweep:
        """One sweep. Raises StoreUnavailable where not even the list can be read."""
        began = self._clock()
        found = await self._operations.list_open()
        poisoned = await self._ring_poisoned()
        overdue = sorted(
            (each for each in found if each.due is not None and began - each.due >= OVERDUE),
            key=lambda each: each.due or 0.0,
        )
        lost = [each for each in overdue if rings_now(began - (each.due or began))]
        for each in lost:
            await self._bells.hang(Bell(each.name, began).text(), 0.0)
        sweep = self._report(found, began, len(lost), poisoned)
        for each in found:
            if each.rests and began - each.changed > KEPT.total_seconds():
                await self._forget(each)
        unanswered = [each for each in overdue if began - (each.due or began) >= UNANSWERED]
        await self._work_off(unanswered, began)
        return sweep

    async def _ring_poisoned(self) -> int:
        """Hang the bells up again that failed too often, and only then delete their copies.

        A copy that cannot be read stays, and is counted.
        """
        messages = await self._bells.take_poisoned()
        for message in messages:
            try:
                bell = Bell.read(message.text)
            except ValueError:
                continue
            await self._bells.hang(Bell(bell.record, bell.rung).text(), 0.0)
            await self._bells.delete_poisoned(message)
        return len(messages)

    def _report(self, found: list[Summary], now: float, rung: int, poisoned: int) -> Sweep:
        counts = Counter({"waiting": 0, "running": 0, "dead": 0, "parked": 0})
        counts.update(each.state for each in found)
        ages = [now - each.accepted for each in found if not each.rests]
        sweep = Sweep(max(ages, default=0.0), counts, rung, poisoned)
        telemetry.record_open(sweep.oldest, counts)
        # Alerts read this line, and its absence too.
        _LOG.info(
            "operations oldestSeconds=%d waiting=%d running=%d dead=%d parked=%d rung=%d"
            " poisoned=%d version=%s",
            sweep.oldest,
            *(counts[state] for state in ("waiting", "running", "dead", "parked")),
            rung,
            poisoned,
            __version__,
        )
        return sweep

    async def _work_off(self, unanswered: list[Summary], began: float) -> None:
        """Answer the bells of these operations, a few at a time."""
        left = iter(unanswered)

        async def one_after_another() -> None:
            for each in left:
                if self._clock() - began >= BEGIN_WITHIN:
                    return
                try:
                    await self._worker.answer(Bell(each.name, began))
                except StoreUnavailable as failure:
                    _LOG.warning("an operation was not worked off: %s", failure)

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))

    async def _forget(self, summary: Summary) -> None:
        """Delete an operation that nobody has looked after for so long, and free its key."""
        stored = await self._operations.read(summary.name)
        if stored is None or stored.operation.id != summary.id:
            return
        operation = stored.operation
        await self._claims.free(
            OperationId(operation.operation, operation.customer_id, operation.key)
        )
        if await self._operations.delete(operation, stored.version):
            _LOG.warning("operation deleted after %d days, id %s", KEPT.days, operation.id)


def rings_now(overdue: float) -> bool:
    """Whether a bell is rung again: in the 1st, 2nd, 4th, 8th ... minute after it was due.

    So a bell that is only late in a long queue gets few doubles.
    """
    minutes = int(overdue // 60)
    return minutes & (minutes - 1) == 0
