"""Run an operation once for each key, whatever callers repeat and wherever a process dies.

The claim is a conditional create, so the common path is one write before and one after. Only a
conflict is read and decided upon. Nobody renews a lease: nothing is sent after the deadline, and
the lease outlives it, so a process slower than its lease can only lose the right to write.

An operation has one step or more. That a step is done is written down before the next one begins.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cart_core.deadline import Deadline
from cart_core.idempotency.decision import (
    OperationId,
    Replay,
    Reused,
    Run,
    Wait,
    decide,
    fingerprint,
)
from cart_core.idempotency.record import Record, Step, StoredAnswer
from cart_core.idempotency.store import Store, StoreUnavailable
from cart_core.problem import FieldError, Outcome, Problem

RETENTION: Final = timedelta(days=7)
"""How long a record counts: the life of a cart."""

_KEPT: Final = ("fingerprint", "steps", "answer")
"""What a record hands on to the next run of the same operation."""

POLL_FIRST, POLL_LONGEST = 0.2, 2.0
"""Seconds between looks at a twin's record; each pause is twice the one before."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation consists of, for how long its record counts, and which answers end it.

    After an answer that is not final the operation stays open, at its last step.
    """

    steps: Sequence[str]
    retention: timedelta
    is_final: Callable[[StoredAnswer], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Work:
    """What the open step of an operation needs to know of itself.

    `resumed`: it may already have been done, and whoever does it has to say whether that is still
    so, by the outcome of the Problem that it raises. `first`: nobody has been at this step before.
    `answer`: the last one given for it, which was not final. `results`: those of the steps before
    it. `finish` remembers the step's own and gives the next one; it raises Problem
    `store_unavailable` or `operation_in_progress`, and then the step must not be built upon.
    """

    request_id: str
    finish: Callable[[dict[str, Any]], Awaitable["Work"]] = field(repr=False)
    resumed: bool = False
    first: bool = True
    answer: StoredAnswer | None = None
    results: Mapping[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class _Claim:
    """The right to work on an operation: our record, and the version of it that we may replace."""

    operation: OperationId
    record: Record
    version: str
    deadline: Deadline
    resumed: bool = False
    first: bool = True

    @property
    def open_step(self) -> int:
        """The place of the first step that is not done, else of the last."""
        steps = self.record.steps
        return next((place for place, step in enumerate(steps) if not step.done), len(steps) - 1)

    def with_open_step(self, **news: Any) -> list[Step]:
        """The steps with `news` about the open one."""
        steps = list(self.record.steps)
        steps[self.open_step] = steps[self.open_step].model_copy(update=news)
        return steps

    def reopened(self) -> dict[str, Any]:
        """The news that the open step is to be done again, under another request id."""
        epoch, step = self.record.epoch + 1, self.record.steps[self.open_step]
        request_id = self.operation.request_id(step.name, self.record.fingerprint, epoch)
        return {
            "state": "open",
            "epoch": epoch,
            "steps": self.with_open_step(request_id=request_id),
        }


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
        plan: Plan,
        body: Mapping[str, Any],
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
                expires_at=now + plan.retention,
                correlation_id=correlation_id,
                steps=[
                    Step(name=step, request_id=operation.request_id(step, marked, epoch))
                    for step in plan.steps
                ],
            )

        try:
            claim = await self._claim(operation, body, draft, deadline)
        except StoreUnavailable as failure:
            raise Problem("store_unavailable", f"{failure} This request sent nothing.") from None
        if isinstance(claim, StoredAnswer):
            return claim, True
        return await self._work(claim, plan, work)

    async def _claim(
        self,
        operation: OperationId,
        body: Mapping[str, Any],
        draft: Callable[[int], Record],
        deadline: Deadline,
    ) -> _Claim | StoredAnswer:
        name = operation.record_name()
        patience = Deadline.after(min(self._longest_wait, deadline.remaining()), deadline.clock)
        pause = POLL_FIRST
        ours, run = draft(0), Run(epoch=0)
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
                case Run() as run:
                    ours = draft(run.epoch)
                    if run.steps:  # what may have been sent goes under the same ids again
                        inherited = {each: getattr(stored.record, each) for each in _KEPT}
                        ours = ours.model_copy(update=inherited)
                    version = await self._store.replace(name, ours, stored.version)
                case Wait():
                    if not patience.remaining():
                        raise _in_progress(self._lease_left(stored.record))
                    await self._sleep(min(pause, patience.remaining()))
                    pause = min(2 * pause, POLL_LONGEST)
        first = run.epoch == 0 and not run.steps
        return _Claim(operation, ours, version, deadline, run.resumed, first)

    async def _work(
        self, claim: _Claim, plan: Plan, work: Callable[[Work], Awaitable[StoredAnswer]]
    ) -> tuple[StoredAnswer, bool]:
        try:
            answer = await work(self._todo(claim, plan))
        except Problem as problem:
            unknown = problem.outcome is Outcome.UNKNOWN
            kept = await self._give_up(claim, plan, unknown=unknown)
            if kept is None or unknown:
                raise
            return self._answer_of(kept, claim)  # what we know is no longer the last word
        except Exception:
            await self._give_up(claim, plan, unknown=True)
            raise
        news = claim.reopened() | {"answer": answer}
        if plan.is_final(answer):
            steps = claim.with_open_step(done=True)
            news = {"state": "completed", "answer": answer, "steps": steps}
        try:
            kept = await self._write(claim, plan, news, claim.deadline)
        except StoreUnavailable:
            return _with_warning(answer), False
        if kept is None:
            return answer, False
        return self._answer_of(kept, claim)

    def _answer_of(self, successor: Record, claim: _Claim) -> tuple[StoredAnswer, bool]:
        """The answer of whoever was faster, for it counts. Raises Problem where there is none."""
        same = successor.fingerprint == claim.record.fingerprint
        if same and successor.state == "completed" and successor.answer:
            return successor.answer, True
        raise _in_progress(self._lease_left(successor))

    def _todo(self, claim: _Claim, plan: Plan) -> Work:
        steps, place = claim.record.steps, claim.open_step

        async def finish(result: dict[str, Any]) -> Work:
            news = {"steps": claim.with_open_step(done=True, result=result)}
            try:
                kept = await self._write(claim, plan, news, claim.deadline)
            except StoreUnavailable as failure:
                raise Problem(
                    "store_unavailable", f"{failure} Without it the order does not go on."
                ) from None
            if kept:
                raise _in_progress(self._lease_left(kept))
            claim.resumed, claim.first = False, True
            return self._todo(claim, plan)

        return Work(
            steps[place].request_id,
            finish,
            resumed=claim.resumed,
            first=claim.first,
            answer=claim.record.answer,
            results={step.name: step.result or {} for step in steps[:place]},
        )

    async def _give_up(self, claim: _Claim, plan: Plan, *, unknown: bool) -> Record | None:
        """Tell the next one at once what it would otherwise learn when the lease is over.

        The successor's record where our lease is lost.
        """
        news: dict[str, Any] = {"state": "unknown"}
        if not unknown and (claim.open_step or claim.record.answer):
            news = claim.reopened()
        elif not unknown:
            news = {"state": "released", "epoch": claim.record.epoch + 1}
        with suppress(StoreUnavailable):
            return await self._write(claim, plan, news, Deadline.after(0, claim.deadline.clock))
        return None

    async def _write(
        self, claim: _Claim, plan: Plan, news: Mapping[str, Any], deadline: Deadline
    ) -> Record | None:
        """Write news of our work, once and then again until the deadline.

        None once it is written; the successor's record where our lease is lost. Raises
        StoreUnavailable.
        """
        name = claim.operation.record_name()
        expiry = {"expires_at": self._now() + plan.retention}
        record = claim.record.model_copy(update={"nonce": self._new_nonce(), **expiry, **news})
        pause = POLL_FIRST
        while True:
            try:
                version = await self._store.replace(name, record, claim.version)
                if version is not None:
                    claim.record, claim.version = record, version
                    return None
                stored = await self._store.read(name)
                if stored and stored.record.nonce == record.nonce:  # only the answer was lost
                    claim.record, claim.version = record, stored.version
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
        "The idempotency key was used with other content. Send the same content, or a new key."
        " (A checkout's key is its cart; the content is the customer user.)",
    )


def _in_progress(lease_left: float) -> Problem:
    return Problem(
        "operation_in_progress",
        "The same request, or another one with its key, is being worked on.",
        retry_after=max(1, min(10, round(lease_left))),
    )


def _with_warning(answer: StoredAnswer) -> StoredAnswer:
    warning = FieldError(
        "",
        "not_recorded",
        "It is done, but the idempotency store does not say so yet.",
    )
    warnings = [*answer.body.get("warnings", []), warning.as_json()]
    return answer.model_copy(update={"body": answer.body | {"warnings": warnings}})
