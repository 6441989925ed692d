"""What is remembered of one accepted operation, as JSON that support can open and read.

The record is the only truth: a message in the queue says only "look at this record". Its states:

    waiting     it is worked off from `nextAttempt` on
    running     somebody works on it until `leaseUntil`, or has died
    succeeded   done; `answer` is what the synchronous call would have been answered
    failed      refused, or discarded by an operator; `answer` says so in the same way
    dead        given up; an operator replays or discards it
    parked      discarded by an operator while nobody knows whether it had its effect

An operation that has not ended holds its request, and with it everything personal. One that has
ended holds none of it. Times are by the clocks of the instances, which may differ: they decide when
something is tried, and never whether it may be done. That is up to the record of the key.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from cart_core.idempotency.operation_id import CARTS_PREFIX, PURCHASES_PREFIX
from cart_core.idempotency.record import Moment, StoredAnswer
from cart_core.json_text import read_decimal, write_json

VERSION: Final = 1

OPEN_PREFIX: Final = "operations/"
"""Where the operations are that have not ended. No age rule of the storage account covers it."""

GIVE_UP_AFTER: Final = timedelta(hours=24)
"""How long an operation is tried after it was accepted, or replayed."""

KEPT: Final = timedelta(days=90)
"""How long an operation stays that nobody works on any more, with its request."""

MOST_LOST_TRIES: Final = 5
"""After so many tries whose process died an operation is given up: it may be what kills them."""

State = Literal["waiting", "running", "succeeded", "failed", "dead", "parked"]
ENDED: Final = ("succeeded", "failed")
RESTING: Final = ("dead", "parked")

_ID: Final = re.compile(r"(carts|purchases)-[0-9a-f]{64}-[0-9a-f]{16}")


class _Stored(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class AcceptedRequest(_Stored):
    """The request as it came: what counts of its path, its headers and its query, and its body."""

    path: dict[str, str]
    headers: dict[str, str]
    body: str
    query: dict[str, str] = {}


class Names(NamedTuple):
    """The names that belong to an operation's id."""

    open: str
    ended: str


def names_of(operation_id: str) -> Names | None:
    """Under which names the operation of this id is stored; None for what is no such id."""
    return _names(operation_id) if _ID.fullmatch(operation_id) else None


def _names(operation_id: str) -> Names:
    kind, key, _ = operation_id.split("-")
    return Names(open_name(f"{kind}/{key}"), f"{kind}/ended/{operation_id}")


def open_name(record_name: str) -> str:
    """Where an operation is as long as it has not ended: one for each key.

    `record_name` is the name of the key's own record.
    """
    return OPEN_PREFIX + record_name


def new_id(record_name: str, chance: str) -> str:
    """The id of a new operation. `chance` are 16 hex digits, which no other one has."""
    prefix, _, key = record_name.partition("/")
    if f"{prefix}/" not in (CARTS_PREFIX, PURCHASES_PREFIX):
        raise ValueError("no operation of this kind is accepted")
    return f"{prefix}-{key}-{chance}"


class AcceptedOperation(_Stored):
    """The record of one accepted operation. Records do not change: each method gives the next one.

    `token` is the secret in the operation's addresses. `fingerprint` is that of the key's record.
    `since` is when the operation was accepted or last replayed, plus all the time for which an
    operator's limit stopped it; the operation is given up GIVE_UP_AFTER later. `tries` counts how
    often it was begun, `lostTries` how many tries in a row ended without a word (the process died),
    and `deferrals` how often in a row it was put off. `problem` is how the last try failed, and
    `outcome` what is known of the effect, in the words of an error's `outcome`. `callerId` is None
    where nothing said who called. `repeated` says that a repetition of the request got the
    operation's addresses before its first try. `order` is the name of the record of the
    storefront's order that the operation is a part of; the Follower of that order is told how the
    operation goes.
    """

    version: int = VERSION
    id: str
    token: str
    operation: str
    customer_id: str
    key: str
    fingerprint: str
    caller_id: str | None
    correlation_id: str
    repeated: bool = False
    order: str | None = None
    request: AcceptedRequest | None
    state: State = "waiting"
    accepted_at: Moment
    since: Moment
    changed_at: Moment
    next_attempt: Moment | None = None
    lease_until: Moment | None = None
    tries: int = 0
    lost_tries: int = 0
    deferrals: int = 0
    outcome: str = "not_sent"
    problem: dict[str, Any] | None = None
    answer: StoredAnswer | None = None

    @property
    def names(self) -> Names:
        """Under which names it is stored."""
        return _names(self.id)

    @property
    def due(self) -> datetime | None:
        """From when on somebody should work on it; None where nobody should."""
        if self.state == "running":
            return self.lease_until
        return (self.next_attempt or self.accepted_at) if self.state == "waiting" else None

    @property
    def traceparent(self) -> str | None:
        """The trace that its request came with, as W3C's Trace Context writes it."""
        return self.request.headers.get("traceparent") if self.request else None

    @property
    def given_up_at(self) -> datetime:
        """From when on a try that fails is the last one."""
        return self.since + GIVE_UP_AFTER

    @property
    def in_doubt(self) -> bool:
        """Whether it may have had its effect, as far as is known."""
        return self.state == "running" or self.outcome == "unknown"

    @property
    def is_told(self) -> bool:
        """Whether its addresses stay valid: whoever accepted it cannot take it back any more."""
        return self.repeated or self.state != "waiting" or self.changed_at != self.accepted_at

    def told(self) -> Self:
        """A repetition of its request is given its addresses."""
        return self.model_copy(update={"repeated": True})

    def begun(self, now: datetime, lease: timedelta) -> Self:
        """Somebody works on it now."""
        taken_over = self.state == "running"
        return self._with(
            now,
            state="running",
            tries=self.tries + 1,
            lost_tries=self.lost_tries + 1 if taken_over else 0,
            outcome="unknown" if taken_over else self.outcome,
            next_attempt=None,
            lease_until=now + lease,
        )

    def deferred(self, now: datetime, until: datetime, problem: dict[str, Any] | None) -> Self:
        """It is to be tried again. Without a problem nothing was tried now."""
        if problem is None:
            outcome = "unknown" if self.in_doubt else self.outcome
            return self._with(
                now, state="waiting", next_attempt=until, lease_until=None, outcome=outcome
            )
        return self._with(
            now,
            state="waiting",
            next_attempt=until,
            lease_until=None,
            lost_tries=0,
            deferrals=self.deferrals + 1,
            outcome=self._outcome_after(problem),
            problem=problem,
        )

    def stopped(self, now: datetime, until: datetime, problem: dict[str, Any]) -> Self:
        """An operator's limit stands against it. The time until its next try does not count."""
        put_off = self.deferred(now, until, problem)
        return put_off.model_copy(update={"since": self.since + (until - self.changed_at)})

    def died(self, now: datetime, problem: dict[str, Any] | None = None) -> Self:
        """It is given up; its request stays."""
        return self._with(
            now,
            state="dead",
            next_attempt=None,
            lease_until=None,
            outcome=self._outcome_after(problem) if problem else "unknown",
            problem=problem or self.problem,
        )

    def set_aside(self, now: datetime) -> Self:
        """An operator wants nobody to work on it. What is known of it stays."""
        return self._with(now, state="dead", next_attempt=None, lease_until=None)

    def parked(self, now: datetime) -> Self:
        """An operator has discarded it, and nobody knows whether it had its effect."""
        return self._with(now, state="parked", next_attempt=None, lease_until=None)

    def replayed(self, now: datetime) -> Self:
        """An operator wants it to be tried again, for another day."""
        return self._with(
            now, state="waiting", since=now, next_attempt=now, lease_until=None, deferrals=0
        )

    def ended(self, now: datetime, answer: StoredAnswer) -> Self:
        """It has ended with this answer. Its request goes."""
        return self._with(
            now,
            state="succeeded" if answer.status < 400 else "failed",
            next_attempt=None,
            lease_until=None,
            lost_tries=0,
            request=None,
            problem=None,
            answer=answer,
        )

    def is_told_by(self, problem: dict[str, Any]) -> bool:
        """Whether a problem says what became of the operation.

        One that says "not sent" was raised before anybody looked at the record of the key. So it
        says nothing of an earlier try whose outcome is unknown.
        """
        return self.outcome != "unknown" or problem.get("outcome") != "not_sent"

    def _outcome_after(self, problem: dict[str, Any]) -> str:
        told = self.is_told_by(problem)
        return str(problem.get("outcome", "unknown")) if told else self.outcome

    def _with(self, now: datetime, **changes: Any) -> Self:
        return self.model_copy(update={"changed_at": now, **changes})

    def to_json(self) -> bytes:
        """The record as UTF-8 JSON, indented for people who read it."""
        text = write_json(self.model_dump(by_alias=True), indent=2, ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The record in `data`. Raises ValueError if `data` is not one that this release reads."""
        try:
            record = cls.model_validate(json.loads(data, parse_float=read_decimal))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if record.version > VERSION:
            raise ValueError("written by a newer release")
        return record

    def facts(self) -> dict[str, str]:
        """What a list of operations says of it, so that none has to be read for that."""
        found: dict[str, str | int] = {
            "id": self.id,
            "state": self.state,
            "operation": self.operation,
            "customer": self.customer_id,
            "accepted": _seconds(self.accepted_at),
            "changed": _seconds(self.changed_at),
            "due": _seconds(self.due) if self.due else "",
            "tries": self.tries,
            "code": (self.problem or {}).get("code", ""),
            "outcome": "unknown" if self.in_doubt else self.outcome,
        }
        return {name: str(fact) for name, fact in found.items() if fact != ""}


def _seconds(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"
