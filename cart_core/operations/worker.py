"""Answer a bell (a queue message): look at the record that it names, and do what is due.

Each bell gets one short try, and nothing sleeps through a pause: the time of the next try is
written into the record, and another bell is hung up for that time. Only then is the bell that rang
dropped. So a process that dies here at any moment leaves a bell behind.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from cart_core import telemetry
from cart_core.call import WorkedOff
from cart_core.idempotency.record import StoredAnswer
from cart_core.operations.bell import Bell
from cart_core.operations.bells import Bells
from cart_core.operations.decision import Drop, Finish, GiveUp, HangUp, Work, decide
from cart_core.operations.deferral import (
    CONFIGURATION,
    after_a_turn,
    comes_back,
    is_stopped,
    next_attempt,
)
from cart_core.operations.operation import AcceptedOperation
from cart_core.operations.pacing import Pacing
from cart_core.operations.store import OperationStore, Versioned
from cart_core.problem import Problem

_LOG = logging.getLogger(__name__)

LEASE_MARGIN: Final = 20.0
"""Seconds for which a try is said to run after its deadline."""

LOOK_AGAIN: Final = 1.0
"""Seconds after which a bell rings again whose record somebody else has changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Performed:
    """How a try ended: the answer that a synchronous call would have been given.

    `problem` is what it failed with, if it did.
    """

    answer: StoredAnswer
    problem: Problem | None = None


class Follower(Protocol):
    """The port to the storefronts' orders: an operation that is a part of one reports to it.

    Each method is called before the operation's own record is written, so it may be called twice
    with the same news. Raises StoreUnavailable.
    """

    async def put_off(self, operation: AcceptedOperation) -> None:
        """The operation is tried again later; its outcome says whether it may have bought."""

    async def ended(self, operation: AcceptedOperation, answer: StoredAnswer) -> None:
        """The operation ends with this answer."""


Perform = Callable[[AcceptedOperation, WorkedOff], Awaitable[Performed]]
"""Does what an operation asks for, once, and raises nothing."""


class Worker:
    """Works operations off. `clock` gives POSIX seconds, `deadline` is that of a try in seconds."""

    def __init__(
        self,
        operations: OperationStore,
        bells: Bells,
        pacing: Pacing,
        perform: Perform,
        follower: Follower,
        *,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        deadline: float,
    ) -> None:
        self._operations = operations
        self._bells = bells
        self._pacing = pacing
        self._perform = perform
        self._follower = follower
        self._clock = clock
        self._uniform = uniform
        self._lease = timedelta(seconds=deadline + LEASE_MARGIN)

    async def answer(self, bell: Bell) -> None:
        """Do what a bell asks for. After that it may be dropped.

        Raises StoreUnavailable where it must not be: then the queue gives it once more.
        """
        found = await self._operations.read(bell.record)
        match decide(found.operation if found else None, bell.rung, self._now()):
            case Drop():
                telemetry.count_bell("dropped")
            case HangUp(seconds):
                telemetry.count_bell("early")
                await self._hang(bell, seconds)
            case Finish() if found:
                await self._operations.put_away(found.operation)
            case GiveUp() if found:
                await self._die(bell, found, None)
            case Work() if found:
                await self._work(bell, found)

    async def _work(self, bell: Bell, found: Versioned) -> None:
        operation = found.operation
        name, customer_id = operation.names.open, operation.customer_id
        if closed := await self._pacing.closed_for(customer_id):
            pause = timedelta(seconds=closed * (1 + self._uniform(0.0, 0.2)))
            return await self._pass_over(bell, found, self._now() + pause, "throttled")
        if not await self._pacing.enter(customer_id, name, self._lease.total_seconds()):
            until = after_a_turn(operation, self._now(), self._uniform)
            return await self._pass_over(bell, found, until, "customer")
        try:
            began = operation.begun(self._now(), self._lease)
            version = await self._operations.replace(began, found.version)
            if version is None:
                return await self._hang(bell, LOOK_AGAIN)
            await self._try(bell, Versioned(began, version))
        finally:
            await asyncio.shield(self._pacing.leave(customer_id, name))

    async def _try(self, bell: Bell, found: Versioned) -> None:
        operation = found.operation
        telemetry.record_age_at_start((self._now() - operation.accepted_at).total_seconds())
        worked_off = WorkedOff(
            operation.names.open.partition("/")[2], comes_back, operation.accepted_at.timestamp()
        )
        with telemetry.span(
            f"operations.{operation.operation}",
            follows=operation.traceparent,
            id=operation.id,
            attempt=operation.tries,
        ):
            performed = await self._perform(operation, worked_off)
        problem, now = performed.problem, self._now()
        final = problem is None or (
            not comes_back(problem) and operation.is_told_by(performed.answer.body)
        )
        if problem is None or final:
            await self._end(bell, found, performed.answer)
        elif now >= operation.given_up_at and not is_stopped(problem):
            await self._die(bell, found, performed.answer.body)
        else:
            until = next_attempt(operation, problem, now, self._uniform)
            put_off = operation.stopped if is_stopped(problem) else operation.deferred
            deferred = put_off(now, until, performed.answer.body)
            _note_deferral(deferred, problem)
            if deferred.order:
                await self._follower.put_off(deferred)
            await self._operations.replace(deferred, found.version)
            await self._hang(bell, (until - now).total_seconds())

    async def _end(self, bell: Bell, found: Versioned, answer: StoredAnswer) -> None:
        """Write down that an operation has ended, and with which answer.

        From the first write on the answer is final: an operation must not be tried again once
        somebody may have been told how it ended.
        """
        if found.operation.order:
            await self._follower.ended(found.operation, answer)
        ended = found.operation.ended(self._now(), answer)
        if await self._operations.replace(ended, found.version) is None:
            return await self._hang(bell, LOOK_AGAIN)
        await self._operations.put_away(ended)
        _note_end(ended)

    async def _die(self, bell: Bell, found: Versioned, problem: dict[str, Any] | None) -> None:
        dead = found.operation.died(self._now(), problem)
        if await self._operations.replace(dead, found.version) is None:
            return await self._hang(bell, LOOK_AGAIN)
        telemetry.count_dead(dead.operation, dead.caller_id)
        _LOG.error(
            "operation dead, id %s, correlation id %s, code %s, tries %d",
            dead.id,
            dead.correlation_id,
            (dead.problem or {}).get("code"),
            dead.tries,
        )

    async def _pass_over(self, bell: Bell, found: Versioned, until: datetime, reason: str) -> None:
        """Put an operation off that was not tried."""
        now = self._now()
        telemetry.count_deferral(reason)
        await self._operations.replace(found.operation.deferred(now, until, None), found.version)
        await self._hang(bell, (until - now).total_seconds())

    async def _hang(self, bell: Bell, seconds: float) -> None:
        await self._bells.hang(bell.text(), seconds)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _note_deferral(operation: AcceptedOperation, problem: Problem) -> None:
    telemetry.count_deferral(problem.code)
    mended_by_people = problem.code in CONFIGURATION or is_stopped(problem)
    log = _LOG.error if mended_by_people else _LOG.info
    log(
        "operation put off, id %s, correlation id %s, code %s, tries %d",
        operation.id,
        operation.correlation_id,
        problem.code,
        operation.tries,
    )


def _note_end(operation: AcceptedOperation) -> None:
    seconds = (operation.changed_at - operation.accepted_at).total_seconds()
    telemetry.count_ended(
        operation.operation,
        operation.state,
        operation.caller_id,
        tries=operation.tries,
        seconds=seconds,
    )
    _LOG.info(
        "operation ended, id %s, correlation id %s, state %s, tries %d, seconds %.1f",
        operation.id,
        operation.correlation_id,
        operation.state,
        operation.tries,
        seconds,
    )
