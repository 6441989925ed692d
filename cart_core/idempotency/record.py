"""What is remembered of one operation, as JSON that support can open and read.

Nothing secret is in it: ids, the fingerprint of the request, and the answer. Its states:

    in_progress   somebody works on it until `leaseSeconds` after it was written, or has died
    unknown       Partner Center may have done it; it is resumed under the same MS-RequestId
    released      Partner Center certainly did not do it; the next attempt has a new MS-RequestId
    open          the attempt ended and not all of it is done; the key stays bound to its content,
                  and the next attempt goes on at the first step that is not done; if a part was
                  ordered, `answer` is what the caller was told of that part
    completed     `answer` is given again to everybody who repeats the request
    accepted      a caller was promised that it will be done; whoever works it off claims it, and
                  the key stays bound to its content until then
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from cart_core.call import Answer
from cart_core.idempotency.operation_id import OperationId
from cart_core.json_text import read_decimal, write_json

RECORD_VERSION = 3

State = Literal["in_progress", "unknown", "released", "open", "completed", "accepted"]


def format_moment(moment: datetime) -> str:
    """The moment as RFC 3339, in UTC with microseconds."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


Moment = Annotated[AwareDatetime, PlainSerializer(format_moment, return_type=str)]


class _Stored(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class Step(_Stored):
    """One request that the operation makes to Partner Center, and its MS-RequestId."""

    name: str
    request_id: str
    done: bool = False
    result: dict[str, Any] | None = None


class StoredAnswer(_Stored):
    """An answer, whole, as it is given again."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @classmethod
    def of(cls, answer: Answer) -> "StoredAnswer":
        """The answer in the form in which it is stored."""
        # It is not validated, because it is our own.
        headers = dict(answer.headers)
        return cls.model_construct(status=answer.status, headers=headers, body=answer.body)

    def replayed(self) -> Answer:
        """The answer as it is given to a repeated request."""
        return Answer(self.status, self.body, self.headers, replayed=True)


class Record(_Stored):
    """The record of one operation. Records do not change: each method gives the next one.

    A lease is in seconds from the write, because only the store's clock is the same for all who
    read it. The time at which the record expires is in UTC. `nonce` is new in every write and
    identifies it. `fingerprint` is `<version>:<SHA-256>` of the request's content. `epoch` counts
    how often the operation got new MS-RequestIds. `caller_id` and `correlation_id` are those of the
    call that worked on it last; `caller_id` is None where nothing said who called.
    For `under_way_seconds` after the write, Partner Center may still be working on a request of the
    open step that it did not answer clearly; None where there is no such request. `lines` are those
    that the cart of a purchase must have, if it is held to any: its order's, or those that a later
    change of the cart gave it. `items` are what was taken from the catalogue for the lines that
    name a SKU, in their order: as long as the attempt may have sent them, a later one sends the
    same. For `held_seconds` after the write somebody changes that cart, and nobody may buy it.
    `begun` is False while no request of the open step can have been sent. `doubted` is True once
    any request of the operation was left without a clear answer, whatever became of it later.
    `checkout_correlation_id` is the MS-CorrelationId of all checkouts of a purchase, and of no
    other request.

    No release that could be deployed wrote a version before 3, so none of those is read.
    """

    version: int = RECORD_VERSION
    operation: str
    customer_id: str
    caller_id: str | None
    key: str
    fingerprint: str
    state: State
    epoch: int
    nonce: str
    lease_seconds: float
    expires_at: Moment
    correlation_id: str
    steps: list[Step]
    answer: StoredAnswer | None = None
    under_way_seconds: float | None = None
    lines: list[dict[str, Any]] | None = None
    items: list[dict[str, Any]] | None = None
    held_seconds: float | None = None
    begun: bool = True
    doubted: bool = False
    checkout_correlation_id: str | None = None

    @classmethod
    def claimed(
        cls,
        operation: OperationId,
        steps: Sequence[str],
        *,
        fingerprint: str,
        epoch: int,
        nonce: str,
        lease_seconds: float,
        expires_at: datetime,
        caller_id: str | None,
        correlation_id: str,
        lines: list[dict[str, Any]] | None = None,
        begun: bool = True,
        items: list[dict[str, Any]] | None = None,
        doubted: bool = False,
    ) -> Self:
        """The record of an operation that is claimed, with none of its steps done."""
        return cls(
            operation=operation.operation,
            customer_id=operation.customer_id,
            caller_id=caller_id,
            key=operation.key,
            fingerprint=fingerprint,
            state="in_progress",
            epoch=epoch,
            nonce=nonce,
            lease_seconds=lease_seconds,
            expires_at=expires_at,
            correlation_id=correlation_id,
            steps=[
                Step(name=step, request_id=operation.request_id(step, fingerprint, epoch))
                for step in steps
            ],
            lines=lines,
            items=items,
            begun=begun,
            doubted=doubted,
            checkout_correlation_id=operation.checkout_correlation_id(),
        )

    def resuming(self, earlier: "Record", under_way_seconds: float | None) -> "Record":
        """This claim with the content, the steps and the answer of the record that it replaces.

        So whatever that attempt may have sent is sent again under the same MS-RequestIds.
        """
        lines = earlier.lines or self.lines
        changes = {
            "lines": lines,
            "items": earlier.items or self.items,
            "doubted": earlier.doubted or self.doubted,
        }
        return self.model_copy(update=changes)._with(
            self.state,
            steps=earlier.steps,
            answer=earlier.answer,
            fingerprint=earlier.fingerprint,
            under_way_seconds=under_way_seconds,
        )

    @property
    def open_step(self) -> Step:
        """The first step that is not done, or the last one if all are done."""
        return next((step for step in self.steps if not step.done), self.steps[-1])

    @property
    def results(self) -> Mapping[str, dict[str, Any]]:
        """The results of the steps that are done, by the step's name."""
        return {step.name: step.result or {} for step in self.steps if step.done}

    @property
    def may_have_effect(self) -> bool:
        """Whether the last step has taken effect, in full or in part, or may do so yet."""
        certainly_not = self.state in ("released", "open")
        return not certainly_not or self.answer is not None

    def replacing_lines(self, lines: list[dict[str, Any]]) -> "Record":
        """The record of a purchase whose cart is about to get other lines for its order."""
        return self.model_copy(update={"lines": lines})

    def in_doubt(self) -> "Record":
        """A request of the operation was left without a clear answer."""
        return self.model_copy(update={"doubted": True})

    def begin(self) -> "Record":
        """A request of the open step is about to be sent."""
        return self.model_copy(update={"begun": True})

    @property
    def is_refused(self) -> bool:
        """Whether the last attempt has ended without any effect that counts."""
        return self.state in ("released", "open") and self.answer is None

    def step_done(self, result: dict[str, Any]) -> "Record":
        """The open step is done, and the next one begins."""
        return self._with(self.state, steps=self._changed_step(done=True, result=result))

    def completed(self, answer: StoredAnswer) -> "Record":
        """The operation is done, and this is the answer for good."""
        return self._with("completed", steps=self._changed_step(done=True), answer=answer)

    def unknown(self, under_way_seconds: float) -> "Record":
        """The attempt ended, and nobody knows whether the open step took effect."""
        return self._with("unknown", under_way_seconds=under_way_seconds)

    def released(self) -> "Record":
        """The attempt ended, and nothing of the operation took effect."""
        return self.model_copy(update={"items": None})._with("released", epoch=self.epoch + 1)

    def with_items(self, items: list[dict[str, Any]]) -> "Record":
        """The record with what was taken from the catalogue, and is about to be sent."""
        return self.model_copy(update={"items": items}).begin()

    def anew(self, items: list[dict[str, Any]], request_id: str) -> "Record":
        """The open step was refused, and is sent with other items under a new MS-RequestId."""
        return self.with_items(items)._with(
            self.state, epoch=self.epoch + 1, steps=self._changed_step(request_id=request_id)
        )

    def accepted(self) -> "Record":
        """Nothing of the operation took effect until now, and it will be done later."""
        return self._with("accepted")

    def put_off(self) -> "Record":
        """The attempt ended without any effect, and the operation will be done later."""
        return self._with("accepted", epoch=self.epoch + 1)

    def unclaimed(self) -> "Record":
        """The operation is not claimed, and its key is free."""
        return self._with("released")

    def reopened(
        self,
        request_id: str,
        answer: StoredAnswer | None = None,
        under_way_seconds: float | None = None,
    ) -> "Record":
        """The attempt ended; the open step is to be tried again, under a new MS-RequestId.

        `answer` is what the caller was told, if a part of the step took effect now; an earlier one
        stays otherwise.
        """
        return self._with(
            "open",
            epoch=self.epoch + 1,
            steps=self._changed_step(request_id=request_id),
            answer=answer,
            under_way_seconds=under_way_seconds,
        )

    def held(self, nonce: str, seconds: float, age: float) -> "Record":
        """The record, which was written `age` seconds ago, while somebody changes the cart."""
        under_way = self.under_way_seconds
        changes = {
            "nonce": nonce,
            "held_seconds": seconds,
            "lease_seconds": self.lease_seconds - age,
            "under_way_seconds": None if under_way is None else under_way - age,
        }
        return self.model_copy(update=changes)

    def changed(self, nonce: str, lines: list[dict[str, Any]] | None) -> "Record":
        """The record after a change of the cart; `lines` are its new ones, None if unknown.

        A cart that may have been bought already is held to its old lines.
        """
        in_doubt = self.state not in ("released", "open") or self.under_way_seconds is not None
        keep = self.lines is None or lines is None or in_doubt
        lines = self.lines if keep else lines
        return self.model_copy(update={"nonce": nonce, "lines": lines, "held_seconds": None})

    def stamped(self, nonce: str, lease_seconds: float, expires_at: datetime) -> "Record":
        """The record as it is about to be written, with what is left of the lease."""
        changes = {"nonce": nonce, "lease_seconds": lease_seconds, "expires_at": expires_at}
        return self.model_copy(update=changes)

    def to_json(self) -> bytes:
        """The record as UTF-8 JSON, indented for people who read it.

        Half a surrogate pair, which a cart of Partner Center may contain, stays an escape. Raises
        ValueError where the answer is nested too deeply to be written.
        """
        try:
            text = write_json(self.model_dump(by_alias=True), indent=2, ensure_ascii=False)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return text.encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(cls, data: bytes) -> "Record":
        """The record in `data`.

        Raises ValueError if `data` is not a record, or one that a newer release wrote: after the
        way back to this release, that is safer than to guess what it means and buy again.
        """
        try:
            record = cls.model_validate(json.loads(data, parse_float=read_decimal))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if record.version > RECORD_VERSION:
            raise ValueError("written by a newer release")
        return record

    def _with(
        self,
        state: State,
        *,
        epoch: int | None = None,
        steps: list[Step] | None = None,
        answer: StoredAnswer | None = None,
        fingerprint: str | None = None,
        under_way_seconds: float | None = None,
    ) -> "Record":
        """The record in another state.

        Members that are None stay as they are, but for `under_way_seconds`.
        """
        changes = {
            "state": state,
            "epoch": epoch,
            "steps": steps,
            "answer": answer,
            "fingerprint": fingerprint,
        }
        given = {name: change for name, change in changes.items() if change is not None}
        return self.model_copy(update=given | {"under_way_seconds": under_way_seconds})

    def _changed_step(
        self,
        *,
        request_id: str | None = None,
        done: bool = False,
        result: dict[str, Any] | None = None,
    ) -> list[Step]:
        """The steps, with these members of the open one changed; a step that is done stays."""
        return [
            step
            if step is not self.open_step or step.done
            else Step(
                name=step.name,
                request_id=request_id or step.request_id,
                done=done,
                result=step.result if result is None else result,
            )
            for step in self.steps
        ]
