"""The right to work on an operation: how it is got, and what may be written while it is held.

A claim is a conditional create of the operation's record, so the common path is one write before
the work and one after it. Only if a record exists already is it read, and a decision made. Nobody
renews a lease: nothing is sent after the call's deadline, and the lease ends later than that. So a
process that is slower than its lease can lose only the right to write.

How long a lease lasts is counted from the write of the record, by the store's clock. The clocks of
two instances may differ.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from cart_core.call import Answer, Call
from cart_core.deadline import Deadline
from cart_core.idempotency.decision import Replay, Reused, Run, Wait, decide
from cart_core.idempotency.operation_id import OperationId, fingerprint
from cart_core.idempotency.plan import Plan, Sends
from cart_core.idempotency.record import Record, StoredAnswer
from cart_core.idempotency.store import Store, StoreUnavailable, Versioned
from cart_core.problem import Problem

POLL_FIRST: Final = 0.2
POLL_LONGEST: Final = 2.0
"""Seconds between two looks at a record; each pause is twice as long as the one before."""

_LOG = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another call has claimed the operation since. `stored` is the operation's record now."""

    def __init__(self, stored: Versioned) -> None:
        super().__init__("another call has claimed the operation")
        self.stored = stored


class Claims:
    """Claims operations in a store.

    `clock` gives POSIX seconds; it says only when a record expires, days later. A lease outlives
    the deadline of its call by `lease_margin` seconds. A call waits at most `longest_wait` seconds
    for another one with the same key.
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
        self.store = store
        self.sleep = sleep
        self.new_nonce = new_nonce
        self._clock = clock
        self._lease_margin = lease_margin
        self._longest_wait = longest_wait

    async def claim(
        self,
        call: Call,
        operation: OperationId,
        plan: Plan,
        content: Mapping[str, Any],
        lines: list[dict[str, Any]] | None = None,
        sends: Sends = Sends.AT_ONCE,
        items: list[dict[str, Any]] | None = None,
    ) -> "Claim | StoredAnswer":
        """The right to work on the operation, or its answer if it is completed.

        `lines` are those that the cart of a purchase must have, if it is held to any. `items` were
        taken from the catalogue already, if the operation begins now. Raises StoreUnavailable, and
        Problem `operation_in_progress` or `idempotency_key_reused`.
        """
        deadline, name = call.deadline, operation.record_name()
        patience, pause = self.patience(call), POLL_FIRST
        lease = self.lease(call)
        run, under_way, waited, fresh = Run(epoch=0), None, False, True
        begun = sends is not Sends.AFTER_A_LOOK
        draft = partial(self._draft, call, operation, plan, content)
        record = draft(run, lease, under_way, lines, begun, items)
        version = await self.store.create(name, record)
        while version is None:
            if not deadline.remaining():  # Others claimed the operation first, again and again.
                raise in_progress(0)
            stored = await self.store.read(name)
            if stored is None:  # The record was deleted between the two requests.
                version = await self.store.create(name, record)
                continue
            if stored.record.nonce == record.nonce:  # Our write succeeded; its answer was lost.
                version = stored.version
                break
            match decide(stored, self.now(), content, works_off=_works_off(call, operation)):
                case Replay(answer):
                    _note_other_caller(stored.record, call)
                    return answer
                case Reused():
                    raise _reused()
                case Run() as run:
                    _note_other_caller(stored.record, call)
                    fresh = False
                    if waited and stored.record.is_refused:
                        raise _refused_meanwhile()
                    if run.resumed:
                        under_way = Deadline.after(under_way_for(stored, plan), deadline.clock)
                    begun = run.resumed or sends is Sends.AT_ONCE
                    record = draft(run, lease, under_way, lines, begun, items)
                    version = await self.store.replace(name, record, stored.version)
                case Wait():
                    if not patience.remaining():
                        raise in_progress(stored.lease_left)
                    waited |= stored.record.state == "in_progress"
                    await self.sleep(min(pause, patience.remaining()))
                    pause = min(2 * pause, POLL_LONGEST)
        first = run.epoch == 0 and run.earlier is None
        return Claim(
            self,
            call,
            operation,
            plan,
            lease,
            under_way,
            record,
            version,
            resumed=run.resumed,
            first=first,
            fresh=fresh,
        )

    def _draft(
        self,
        call: Call,
        operation: OperationId,
        plan: Plan,
        content: Mapping[str, Any],
        run: Run,
        lease: Deadline,
        under_way: Deadline | None,
        lines: list[dict[str, Any]] | None,
        begun: bool,
        items: list[dict[str, Any]] | None,
    ) -> Record:
        """The record with which this call claims the operation."""
        record = Record.claimed(
            operation,
            plan.steps,
            fingerprint=fingerprint(content),
            epoch=run.epoch,
            nonce=self.new_nonce(),
            lease_seconds=seconds_left(lease),
            expires_at=self.now() + plan.retention,
            caller_id=call.caller_id,
            correlation_id=call.correlation_id,
            lines=run.lines or lines,
            begun=begun,
            items=items,
            doubted=run.doubted or run.resumed,
        )
        if run.earlier is None:
            return record
        return record.resuming(run.earlier, seconds_left(under_way) if under_way else None)

    async def is_new(self, operation: OperationId, content: Mapping[str, Any]) -> bool:
        """Whether nothing is remembered of the operation that still counts.

        Raises StoreUnavailable.
        """
        stored = await self.store.read(operation.record_name())
        match decide(stored, self.now(), content):
            case Run(earlier=None):
                return True
        return False

    async def look(
        self, call: Call, operation: OperationId, content: Mapping[str, Any]
    ) -> StoredAnswer | None:
        """The answer of an operation; None where its key has this content and no answer yet.

        Raises StoreUnavailable, and Problem `idempotency_key_reused` where the key is free, or has
        other content.
        """
        stored = await self.store.read(operation.record_name())
        match decide(stored, self.now(), content):
            case Replay(answer) if stored:
                _note_other_caller(stored.record, call)
                return answer
            case Reused() | Run(earlier=None):
                raise _reused()
        return None

    async def accept(
        self, call: Call, operation: OperationId, plan: Plan, content: Mapping[str, Any]
    ) -> StoredAnswer | None:
        """Bind the operation's key to this content, for somebody who works it off later.

        Gives its answer if it is completed. A key that another call is working under, or that is
        bound to this content already, stays as it is. Raises StoreUnavailable, and Problem
        `idempotency_key_reused`.
        """
        deadline, name, run = call.deadline, operation.record_name(), Run(epoch=0)
        record = self._accepted(call, operation, plan, content, run)
        version = await self.store.create(name, record)
        while version is None:
            if not deadline.remaining():  # Others write the record again and again.
                raise in_progress(0)
            stored = await self.store.read(name)
            if stored is None:
                version = await self.store.create(name, record)
                continue
            if stored.record.nonce == record.nonce:  # Our write succeeded; its answer was lost.
                break
            match decide(stored, self.now(), content):
                case Replay(answer):
                    _note_other_caller(stored.record, call)
                    return answer
                case Reused():
                    raise _reused()
                case Run(earlier=None) as run:
                    record = self._accepted(call, operation, plan, content, run)
                    version = await self.store.replace(name, record, stored.version)
                case _:
                    break
        return None

    def _accepted(
        self,
        call: Call,
        operation: OperationId,
        plan: Plan,
        content: Mapping[str, Any],
        run: Run,
    ) -> Record:
        draft = self._draft(
            *(call, operation, plan, content, run, self.lease(call)),
            under_way=None,
            lines=None,
            begun=False,
            items=None,
        )
        return draft.accepted()

    async def free(self, operation: OperationId) -> bool:
        """Free the key of an operation that was accepted and is not to be done.

        False, and nothing is changed, where the operation has had its effect, or may have it.
        Raises StoreUnavailable.
        """
        name = operation.record_name()
        while stored := await self.store.read(name):
            if stored.record.state != "accepted":
                return not stored.record.may_have_effect
            record = stored.record.unclaimed().stamped(
                self.new_nonce(), stored.record.lease_seconds, stored.record.expires_at
            )
            if await self.store.replace(name, record, stored.version) is not None:
                break
        return True

    def lease(self, call: Call) -> Deadline:
        """When the lease of a call ends: nothing is sent after its deadline."""
        deadline = call.deadline
        return Deadline.after(deadline.remaining() + self._lease_margin, deadline.clock)

    def patience(self, call: Call) -> Deadline:
        """Until when a call waits for another one."""
        deadline, longest = call.deadline, 0.0 if call.worked_off else self._longest_wait
        return Deadline.after(min(longest, deadline.remaining()), deadline.clock)

    def now(self) -> datetime:
        """The time in UTC, by this instance's clock."""
        return datetime.fromtimestamp(self._clock(), UTC)


@dataclass(slots=True)
class Claim:
    """The right to work on an operation, at the first of its steps that is not done.

    `resumed`: the step may already have taken effect. The code that does the step has to find
    out; if it raises a Problem, the outcome `unknown` says that the doubt remains. `first`: nobody
    has begun this step before. `fresh`: the operation had no record, so nobody has changed the cart
    under that record either.
    """

    _claims: Claims
    _call: Call
    _operation: OperationId
    _plan: Plan
    _lease: Deadline
    """When the claim ends."""
    _under_way: Deadline | None
    """When a request of the attempt that is resumed can no longer be under way."""
    _record: Record
    _version: str
    """The version of our record in the store, which is the only one that we may replace."""
    resumed: bool
    first: bool
    fresh: bool

    @property
    def operation(self) -> OperationId:
        """The operation that is claimed."""
        return self._operation

    @property
    def request_id(self) -> str:
        """The MS-RequestId under which the step is to be sent."""
        return self._record.open_step.request_id

    @property
    def record(self) -> Record:
        """The operation's record as this call wrote it last."""
        return self._record

    @property
    def results(self) -> Mapping[str, dict[str, Any]]:
        """The results of the steps that are done, by the step's name."""
        return self._record.results

    @property
    def lines(self) -> list[dict[str, Any]] | None:
        """The lines that the cart of a purchase must have, if it is held to any."""
        return self._record.lines

    @property
    def items(self) -> list[dict[str, Any]] | None:
        """What was taken from the catalogue for the lines that name a SKU, if anything was."""
        return self._record.items

    @property
    def doubted(self) -> bool:
        """Whether any request of the operation was ever left without a clear answer."""
        return self._record.doubted or self._call.sent.doubted

    @property
    def checkout_correlation_id(self) -> str:
        """The MS-CorrelationId of the checkouts of a purchase."""
        return self._record.checkout_correlation_id or self._record.correlation_id

    @property
    def earlier_answer(self) -> StoredAnswer | None:
        """The last answer that was given for this step, which was not final."""
        return self._record.answer

    def under_way_for(self) -> float:
        """Seconds for which a request of this step may still be under way at Partner Center.

        That is a request without a clear answer, of this call or of the one that it resumes. 0 once
        there certainly is none: then what is read of the cart from now on is the last word.
        """
        if self._call.sent.unanswered:
            return self._plan.longest_request.total_seconds()
        return self._under_way.remaining() if self._under_way else 0.0

    @property
    def begun(self) -> bool:
        """Whether a request of this step may have been sent, by this call or an earlier one."""
        return self._record.begun

    async def begin(self) -> None:
        """Write down that a request is about to be sent, unless the record says so already.

        Raises Problem `store_unavailable` or `operation_in_progress`; then it must not be sent.
        """
        if not self._record.begun:
            await self._must_write(self._record.begin(), "Nothing was bought.")

    async def finish_step(self, result: dict[str, Any]) -> None:
        """Write down that the step is done, and go on to the next one.

        Raises Problem `store_unavailable` or `operation_in_progress`; then the next step must not
        be begun.
        """
        why = "The order's cart was made, and nothing bought: that needs a record of it."
        await self._must_write(self._record.step_done(result), why)
        self.resumed, self.first, self._under_way = False, True, None
        self._call.sent.unanswered = False  # The next step is another request.

    async def record_items(self, items: list[dict[str, Any]]) -> None:
        """Write down what was taken from the catalogue, before it is sent.

        Raises Problem `store_unavailable` or `operation_in_progress`; then it must not be sent.
        """
        await self._must_write(self._record.with_items(items), "Nothing was sent.")

    async def replace_lines(self, lines: list[dict[str, Any]]) -> None:
        """Write down the lines that the cart of a purchase is about to get, before it is put.

        Raises as `record_items` does.
        """
        record = self._record.replacing_lines(lines)
        await self._must_write(record, "Nothing was bought, and the cart was not changed.")

    async def begin_anew(self, items: list[dict[str, Any]]) -> None:
        """The step was refused, and goes out with other items under a new MS-RequestId.

        Raises as `record_items` does.
        """
        record = self._record.anew(items, self._next_request_id())
        await self._must_write(record, "Partner Center refused an item.")

    async def record_answer(self, answer: Answer) -> None:
        """Write down the answer. Raises LeaseLost, or StoreUnavailable at the deadline."""
        stored = StoredAnswer.of(answer)
        if self._plan.is_final(answer):
            record = self._record.completed(stored)
        else:
            seconds = self._under_way_seconds() if self.under_way_for() else None
            record = self._record.reopened(self._next_request_id(), stored, seconds)
        await self._write(record, self._call.deadline)

    async def record_failure(self, *, unknown: bool, failure: Exception) -> None:
        """Release the claim now instead of letting the lease run out. Raises LeaseLost.

        `unknown`: the step may have taken effect. That the store cannot be reached is no error
        here: then the next call waits until the lease ends.
        """
        worked_off = self._call.worked_off if _works_off(self._call, self._operation) else None
        if unknown:
            record = self._record.unknown(self._under_way_seconds())
        elif self._record.results or self._record.answer:  # A part of the operation is done.
            record = self._record.reopened(self._next_request_id())
        elif worked_off and worked_off.comes_back(failure):
            record = self._record.put_off()
        else:
            record = self._record.released()
        with suppress(StoreUnavailable):
            await self._write(record, Deadline.after(0, self._call.deadline.clock))

    def answer_of(self, stored: Versioned) -> Answer:
        """The answer of the call that has claimed the operation since, because that one counts.

        Raises Problem `operation_in_progress` if there is none yet.
        """
        successor = stored.record
        same = successor.fingerprint == self._record.fingerprint
        if same and successor.state == "completed" and successor.answer:
            return successor.answer.replayed()
        raise in_progress(stored.lease_left)

    def _under_way_seconds(self) -> float:
        """For how long a request that was left without a clear answer may be under way."""
        if self._under_way is None or self._call.sent.unanswered:
            return self._plan.longest_request.total_seconds()
        return seconds_left(self._under_way)

    def _next_request_id(self) -> str:
        record = self._record
        step = record.open_step
        return self._operation.request_id(step.name, record.fingerprint, record.epoch + 1)

    async def _must_write(self, record: Record, otherwise: str) -> None:
        """Write what must be written before the work goes on. `otherwise` ends the problem."""
        try:
            await self._write(record, self._call.deadline)
        except StoreUnavailable as failure:
            raise Problem(
                "store_unavailable", f"{failure} {otherwise}", retry_after=failure.retry_after
            ) from None
        except LeaseLost as lost:
            raise in_progress(lost.stored.lease_left) from None

    async def _write(self, record: Record, deadline: Deadline) -> None:
        """Replace our record, and try again until the deadline.

        Raises LeaseLost and StoreUnavailable.
        """
        claims, name = self._claims, self._operation.record_name()
        expires_at = claims.now() + self._plan.retention
        if self._call.sent.doubted:
            record = record.in_doubt()
        record = record.stamped(claims.new_nonce(), seconds_left(self._lease), expires_at)
        pause = POLL_FIRST
        while True:
            try:
                version = await claims.store.replace(name, record, self._version)
                if version is None:
                    version = await self._version_of(record)
            except StoreUnavailable as failure:
                if deadline.remaining() < pause:
                    _LOG.warning(
                        "not recorded, correlation id %s: %s", record.correlation_id, failure
                    )
                    raise
                await claims.sleep(pause)
                pause = min(2 * pause, POLL_LONGEST)
            else:
                self._record, self._version = record, version
                return

    async def _version_of(self, record: Record) -> str:
        """The version of a record that was written although the store's answer to it was lost.

        Raises LeaseLost if the store holds the record of another call.
        """
        stored = await self._claims.store.read(self._operation.record_name())
        if stored is None:
            raise StoreUnavailable("The record has vanished.")
        if stored.record.nonce == record.nonce:
            return stored.version
        _LOG.warning("lost the lease, correlation id %s", record.correlation_id)
        raise LeaseLost(stored)


def seconds_left(deadline: Deadline) -> float:
    """The seconds that are left, to the millisecond, as a record has them."""
    return round(deadline.remaining(), 3)


def _works_off(call: Call, operation: OperationId) -> bool:
    """Whether the call works off this operation, which was accepted before."""
    worked_off = call.worked_off
    return worked_off is not None and worked_off.record_name == operation.record_name()


def under_way_for(stored: Versioned, plan: Plan) -> float:
    """Seconds for which a request of the attempt that is resumed may be under way.

    Where a process died, that counts from the end of its lease: nothing was sent after it.
    """
    earlier = stored.record
    known = earlier.under_way_seconds
    left = None if known is None else known - stored.age
    if earlier.state != "in_progress" and left is not None:
        return left
    died = stored.lease_left + plan.longest_request.total_seconds()
    return died if left is None else max(died, left)


def _note_other_caller(record: Record, call: Call) -> None:
    """Log that somebody else used the key before.

    It is the same order all the same: a workflow may have got another identity. If it is not, two
    systems make the same keys, and one of them has to change. Who called is in the record.
    """
    if record.caller_id and call.caller_id and record.caller_id != call.caller_id:
        _LOG.warning(
            "another caller used the key before, correlation ids %s and %s",
            record.correlation_id,
            call.correlation_id,
        )


def in_progress(lease_left: float) -> Problem:
    """The problem of a call while another one, whose lease lasts so many seconds, is at work."""
    return Problem(
        "operation_in_progress",
        "The same request, or another one with its key, is being worked on.",
        retry_after=max(1, min(10, round(lease_left))),
    )


def _refused_meanwhile() -> Problem:
    """The problem of a call that has waited for another one, which was refused.

    Whoever sent both may have given up on this one, and ordered again under another key since.
    """
    return Problem(
        "operation_in_progress",
        "The same request was worked on until now, and was refused. Repeat it if it is wanted.",
        retry_after=1,
    )


def _reused() -> Problem:
    return Problem(
        "idempotency_key_reused",
        "The idempotency key was used with other content. Send the same content, or a new key."
        " (A checkout's key is its cart; the content is the customer user.)",
    )
