"""What operators do with accepted operations: see what is stuck and why, replay it, discard it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from cart_core.idempotency.claim import Claims
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.bell import Bell
from cart_core.operations.bells import Bells
from cart_core.operations.operation import ENDED, RESTING, AcceptedOperation
from cart_core.operations.store import OperationStore, Summary, Versioned
from cart_core.operations.worker import Follower
from cart_core.problem import Outcome, Problem

OpenState = Literal["waiting", "running", "dead", "parked"]

Discarded = Callable[[AcceptedOperation, Problem], StoredAnswer]
"""The answer of an operation that was discarded, as its caller will see it."""


class Operators:
    """Lists, replays and discards. `clock` gives POSIX seconds. Everything raises Problem."""

    def __init__(
        self,
        operations: OperationStore,
        bells: Bells,
        claims: Claims,
        answer: Discarded,
        follower: Follower,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._operations = operations
        self._bells = bells
        self._claims = claims
        self._answer = answer
        self._follower = follower
        self._clock = clock

    async def list(self, state: OpenState | None, customer_id: str | None) -> "list[Summary]":
        """The operations that have not ended, the oldest first."""
        try:
            found = await self._operations.list_open()
        except StoreUnavailable as failure:
            raise unavailable(failure) from None
        chosen = [
            each
            for each in found
            if state in (None, each.state) and customer_id in (None, each.customer_id)
        ]
        return sorted(chosen, key=lambda each: each.accepted)

    async def replay(self, operation_id: str) -> AcceptedOperation:
        """Let an operation that rests be tried again, under the MS-RequestIds that it has.

        What waits already is rung for. What has ended, or runs, is not replayed.
        """
        try:
            found = await self._resting(operation_id)
            now = datetime.fromtimestamp(self._clock(), UTC)
            again = found.operation.replayed(now)
            bell = Bell(again.names.open, now.timestamp()).text()
            await self._bells.hang(bell, 1.0)
            if await self._operations.replace(again, found.version) is None:
                raise _changed()
        except StoreUnavailable as failure:
            raise unavailable(failure) from None
        return again

    async def discard(self, operation_id: str) -> AcceptedOperation:
        """Let an operation that rests, or waits, never be tried again.

        One that waits is set aside first, so that nobody begins with it while its key is freed.
        Its key is free where it certainly had no effect. Otherwise it is parked: its key stays
        taken, and its monitor goes on saying that nobody knows.
        """
        try:
            found = await self._resting(operation_id)
            operation, now = found.operation, datetime.fromtimestamp(self._clock(), UTC)
            if operation.state == "waiting":
                operation = operation.set_aside(now)
                version = await self._operations.replace(operation, found.version)
                if version is None:
                    raise _changed()
                found = Versioned(operation, version)
            key = OperationId(operation.operation, operation.customer_id, operation.key)
            if operation.in_doubt or not await self._claims.free(key):
                left = operation.parked(now)
                if await self._operations.replace(left, found.version) is None:
                    raise _changed()
                return left
            problem = Problem(
                "operation_discarded",
                "An operator has discarded the request. Nothing came of it, and its key is free.",
                outcome=Outcome(operation.outcome),
            )
            answer = self._answer(operation, problem)
            if operation.order:
                await self._follower.ended(operation, answer)
            ended = operation.ended(now, answer)
            if await self._operations.replace(ended, found.version) is None:
                raise _changed()
            await self._operations.put_away(ended)
        except StoreUnavailable as failure:
            raise unavailable(failure) from None
        return ended

    async def _resting(self, operation_id: str) -> Versioned:
        """The operation, which nobody works on now. Raises Problem `operation_not_resting`."""
        found = await self._operations.find(operation_id)
        if found is None:
            raise Problem("operation_not_found", "There is no such operation.")
        state = found.operation.state
        if state in RESTING or state == "waiting":
            return found
        if state in ENDED:
            detail = f"The operation has {state}: there is nothing left to be done."
        else:
            detail = f"The operation is {state}. Wait until it is dead."
        raise Problem("operation_not_resting", detail)


def as_json(summary: Summary) -> dict[str, Any]:
    """An operation as operators see it."""
    return {
        "id": summary.id,
        "state": summary.state,
        "operation": summary.operation,
        "customerId": summary.customer_id,
        "acceptedDateTime": _moment(summary.accepted),
        "lastActionDateTime": _moment(summary.changed),
        "nextAttemptDateTime": _moment(summary.due),
        "attempts": summary.tries,
        "code": summary.code,
        "outcome": summary.outcome,
    }


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _changed() -> Problem:
    return Problem("operation_not_resting", "Somebody has changed the operation. Look again.")


def unavailable(failure: StoreUnavailable) -> Problem:
    """What an operator is told where the store cannot be reached."""
    return Problem(
        "store_unavailable",
        f"{failure} Nothing was changed, as far as is known.",
        retry_after=failure.retry_after or 5,
    )
