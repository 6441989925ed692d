"""Run an operation once for each key, whatever callers repeat and wherever a process dies.

The claim is a conditional create, so the common path is one write before and one after. Only a
conflict is read and decided upon. Nobody renews a lease: nothing is sent after the deadline, and
the lease outlives it, so a process slower than its lease can only lose the right to write.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from cart_core.deadline import Deadline
from cart_core.idempotency import OperationId, Replay, Reused, Run, Wait, decide, fingerprint
from cart_core.problem import FieldError, Outcome, Problem
from cart_core.record import Record, Step, StoredAnswer
from cart_core.store import Store, StoreUnavailable

RETENTION: Final = timedelta(days=7)
"""How long a record counts: the life of a cart."""

POLL_FIRST, POLL_LONGEST = 0.2, 2.0
"""Seconds between looks at a twin's record; each pause is twice the one before."""

_LOG = logging.getLogger(__name__)


class Work(NamedTuple):
    """What the operation needs to know of itself."""

    request_id: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class _Claim:
    """The right to work on an operation: our record, and the version of it that we may replace."""

    name: str
    record: Record
    version: str
    resumed: bool


class ExactlyOnce:
    """Runs operations under the protection of a store.

    `clock` gives POSIX seconds; a lease outlives its deadline by `lease_margin` seconds; a caller
    waits at most `longest_wait` seconds for a twin.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        new_nonce: Callable[[], str],
        lease_margin: float,
        longest_wait: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._new_nonce = new_nonce
        self._lease_margin = lease_margin
        self._longest_wait = longest_wait

    async def run(
        self,
        operation: OperationId,
        body: Mapping[str, Any],
        step: str,
        correlation_id: str,
        deadline: Deadline,
        work: Callable[[Work], Awaitable[StoredAnswer]],
    ) -> tuple[StoredAnswer, bool]:
        """The answer of `work`, done now or before, and whether it is a replay.

        Raises what `work` raises, and Problem `store_unavailable`, `operation_in_progress` or
        `idempotency_key_reused` without having called it.
        """

        def draft(epoch: int) -> Record:
            marked = fingerprint(body)
            request_id = operation.request_id(step, marked, epoch)
            now = self._now()
            return Record(
                operation=operation.operation,
                customer_id=operation.customer_id,
                caller_id=operation.caller_id,
                key=operation.key,
                fingerprint=marked,
                state="in_progress",
                epoch=epoch,
                nonce=self._new_nonce(),
                lease_until=now + timedelta(seconds=deadline.remaining() + self._lease_margin),
                expires_at=now + RETENTION,
                correlation_id=correlation_id,
                steps=[Step(name=step, request_id=request_id)],
            )

        try:
            claim = await self._claim(operation.record_name(), body, draft, deadline)
        except StoreUnavailable as failure:
            raise Problem("store_unavailable", f"{failure} This request sent nothing.") from None
        if isinstance(claim, StoredAnswer):
            return claim, True
        return await self._work(claim, deadline, work)

    async def _claim(
        self,
        name: str,
        body: Mapping[str, Any],
        draft: Callable[[int], Record],
        deadline: Deadline,
    ) -> _Claim | StoredAnswer:
        patience = Deadline.after(min(self._longest_wait, deadline.remaining()), deadline.clock)
        pause = POLL_FIRST
        ours, resumed = draft(0), False
        version = await self._store.create(name, ours)
        while version is None:
            if not deadline.remaining():  # others were faster, again and again
                raise _in_progress(0)
            stored = await self._store.read(name)
            if stored is None:  # collected between the two calls
                version = await self._store.create(name, ours)
                continue
            if stored.record.nonce == ours.nonce:  # our write went through, its answer did not
                version = stored.version
                break
            match decide(stored.record, self._now(), body):
                case Replay(answer):
                    return answer
                case Reused():
                    raise _reused()
                case Run(epoch, resumed):
                    ours = draft(epoch)
                    if resumed:  # what may have been sent goes under the same ids again
                        kept = stored.record
                        ours = ours.model_copy(
                            update={"fingerprint": kept.fingerprint, "steps": kept.steps}
                        )
                    version = await self._store.replace(name, ours, stored.version)
                case Wait():
                    if not patience.remaining():
                        raise _in_progress(self._lease_left(stored.record))
                    await self._sleep(min(pause, patience.remaining()))
                    pause = min(2 * pause, POLL_LONGEST)
        return _Claim(name, ours, version, resumed)

    async def _work(
        self, claim: _Claim, deadline: Deadline, work: Callable[[Work], Awaitable[StoredAnswer]]
    ) -> tuple[StoredAnswer, bool]:
        try:
            answer = await work(Work(claim.record.steps[0].request_id, claim.resumed))
        except Problem as problem:
            unknown = claim.resumed or problem.outcome is Outcome.UNKNOWN
            await self._give_up(claim, deadline, unknown=unknown)
            raise
        except Exception:
            await self._give_up(claim, deadline, unknown=True)
            raise
        done = [step.model_copy(update={"done": True}) for step in claim.record.steps]
        news = {"state": "completed", "answer": answer, "steps": done}
        try:
            kept = await self._settle(claim, deadline, news)
        except StoreUnavailable:
            return _with_warning(answer), False
        if kept is None:
            return answer, False
        ours = kept.fingerprint == claim.record.fingerprint
        if ours and kept.answer:  # a successor was faster: its cart counts
            return kept.answer, True
        raise _in_progress(self._lease_left(kept))

    async def _give_up(self, claim: _Claim, deadline: Deadline, *, unknown: bool) -> None:
        """Tell the next one at once what it would otherwise learn when the lease is over."""
        news: dict[str, Any] = {"state": "unknown"}
        if not unknown:
            news = {"state": "released", "epoch": claim.record.epoch + 1}
        with suppress(StoreUnavailable):
            await self._settle(claim, Deadline.after(0, deadline.clock), news)

    async def _settle(
        self, claim: _Claim, deadline: Deadline, news: Mapping[str, Any]
    ) -> Record | None:
        """Write the end of our work, once and then again until the deadline.

        None once it is written; the successor's record where our lease is lost. Raises
        StoreUnavailable.
        """
        news = {"nonce": self._new_nonce(), "expires_at": self._now() + RETENTION, **news}
        record = claim.record.model_copy(update=news)
        pause = POLL_FIRST
        while True:
            try:
                if await self._store.replace(claim.name, record, claim.version) is not None:
                    return None
                stored = await self._store.read(claim.name)
                if stored and stored.record.nonce == record.nonce:  # only the answer was lost
                    return None
                if stored is None:
                    raise StoreUnavailable("The record has vanished.")
                _LOG.warning("lost the lease, correlation id %s", record.correlation_id)
                return stored.record
            except StoreUnavailable as failure:
                if deadline.remaining() < pause:
                    _LOG.warning(
                        "not recorded, correlation id %s: %s", record.correlation_id, failure
                    )
                    raise
            await self._sleep(pause)
            pause = min(2 * pause, POLL_LONGEST)

    def _lease_left(self, record: Record) -> float:
        return (record.lease_until - self._now()).total_seconds()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _reused() -> Problem:
    return Problem(
        "idempotency_key_reused",
        "This idempotency key was used for another cart. Send the same cart, or a new key.",
    )


def _in_progress(lease_left: float) -> Problem:
    return Problem(
        "operation_in_progress",
        "Another request with this idempotency key is being worked on.",
        retry_after=max(1, min(10, round(lease_left))),
    )


def _with_warning(answer: StoredAnswer) -> StoredAnswer:
    warning = FieldError(
        "",
        "not_recorded",
        "The cart exists, but the idempotency store does not say so yet.",
    )
    warnings = [*answer.body.get("warnings", []), warning.as_json()]
    return answer.model_copy(update={"body": answer.body | {"warnings": warnings}})
