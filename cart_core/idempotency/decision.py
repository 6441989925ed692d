"""Idempotency, decided: which operation a request is, and what to do given what is remembered.

Pure: no clock, no store. The header follows draft-ietf-httpapi-idempotency-key-header-07 (a quoted
structured-field string) and the bare form that most clients send.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cart_core.idempotency.record import RECORD_VERSION, Record, Step, StoredAnswer
from cart_core.problem import Problem

FINGERPRINT_VERSION: Final = 1

PURCHASES: Final = frozenset({"checkout_cart", "place_order"})
"""The operations that spend money. Their records are kept apart, because they are kept longer."""

CARTS_PREFIX: Final = "carts/"
PURCHASES_PREFIX: Final = "purchases/"

_REQUEST_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:partner-center-carts:request-id:1")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_KEY = re.compile(r"[!-~]{1,255}")


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The caller's key: `Idempotency-Key`, else `webhook-id`; None without either.

    Raises Problem `invalid_idempotency_key`.
    """
    value = headers.get("idempotency-key", headers.get("webhook-id"))
    if value is None:
        return None
    value = value.strip(" \t")
    if value.startswith('"'):
        quoted = _QUOTED.fullmatch(value)
        value = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    if not _KEY.fullmatch(value):
        raise Problem(
            "invalid_idempotency_key",
            "An idempotency key has 1 to 255 visible ASCII characters, in quotes or not.",
        )
    return value


def caller_id(headers: Mapping[str, str], callers_known: bool) -> str | None:
    """The signed-in caller, where the platform has signed it in; anybody could send the header."""
    return headers.get("x-ms-client-principal-id") or None if callers_known else None


@dataclass(frozen=True, slots=True)
class OperationId:
    """One operation in the eyes of its caller. `caller_id` is None where callers are not known."""

    operation: str
    customer_id: str
    caller_id: str | None
    key: str

    def record_name(self) -> str:
        """The name under which the operation is remembered: a prefix and 64 hex digits."""
        prefix = PURCHASES_PREFIX if self.operation in PURCHASES else CARTS_PREFIX
        return prefix + _sha256([1, self.operation, self.customer_id, self.caller_id, self.key])

    def request_id(self, step: str, fingerprint: str, epoch: int) -> str:
        """The MS-RequestId of a step: a process that lost its memory finds the same again."""
        scope = [self.operation, step, self.customer_id, self.caller_id, self.key]
        return str(uuid.uuid5(_REQUEST_IDS, json.dumps([*scope, fingerprint, epoch])))


def fingerprint(body: Mapping[str, Any]) -> str:
    """`<version>:<SHA-256>` of a canonical request, by the newest version's rule."""
    return f"{FINGERPRINT_VERSION}:{_sha256(body)}"


def fingerprint_like(recorded: str, body: Mapping[str, Any]) -> str | None:
    """The fingerprint of a request by the rule of `recorded`; None where that is not known here."""
    version = recorded.partition(":")[0]
    return fingerprint(body) if version == str(FINGERPRINT_VERSION) else None


@dataclass(frozen=True, slots=True)
class Run:
    """Do it, under the request ids of `epoch`.

    `steps` are those of an earlier run that still count; none: begin at the beginning. `resumed`:
    the first open one of them may already have been done.
    """

    epoch: int
    steps: Sequence[Step] = ()
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """It is done; this was the answer."""

    answer: StoredAnswer


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody is at it."""


@dataclass(frozen=True, slots=True)
class Reused:
    """The key was used for another request."""


def decide(
    record: Record | None, now: datetime, body: Mapping[str, Any]
) -> Run | Replay | Wait | Reused:
    """What to do with a request whose canonical content is `body`, given what is remembered.

    A key whose operation was released is free for other content: nothing came of the first one.
    """
    if record is None:
        return Run(epoch=0)
    if record.expires_at <= now:
        return Run(epoch=record.epoch + 1)
    if record.state == "released":
        return Run(epoch=record.epoch)
    same = fingerprint_like(record.fingerprint, body)
    if same is None or record.version > RECORD_VERSION:
        return Wait()  # written by a newer release of this app; that one can answer
    if same != record.fingerprint:
        return Reused()
    if record.state == "completed" and record.answer:
        return Replay(record.answer)
    if record.state == "in_progress" and now < record.lease_until:
        return Wait()
    return Run(record.epoch, record.steps, resumed=record.state != "open")


def _sha256(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
