"""What to do with a request, given what is remembered of its operation. No clock and no store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cart_core.idempotency.operation_id import fingerprint_like
from cart_core.idempotency.record import RECORD_VERSION, Record, StoredAnswer
from cart_core.idempotency.store import Versioned


@dataclass(frozen=True, slots=True)
class Run:
    """Do the operation, under the MS-RequestIds of `epoch`.

    `earlier` is the record of an attempt whose steps still count; without one the operation begins
    at its first step. `resumed`: the first step that is not done may already have taken effect.
    `lines` are those that the cart of a purchase must have, if it is held to any. `doubted`: some
    request of an attempt that does not count any more was left without a clear answer.
    """

    epoch: int
    earlier: Record | None = None
    resumed: bool = False
    lines: list[dict[str, Any]] | None = None
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """The operation is done; this was the answer."""

    answer: StoredAnswer


@dataclass(frozen=True, slots=True)
class Wait:
    """Another call works on the operation, or changes the cart that it buys."""


@dataclass(frozen=True, slots=True)
class Reused:
    """The key was used for a request with other content."""


def decide(
    stored: Versioned | None,
    now: datetime,
    content: Mapping[str, Any],
    *,
    works_off: bool = False,
) -> Run | Replay | Wait | Reused:
    """What to do with a request of this canonical content, given its operation's record.

    `now` is the time by this instance's clock, which decides only whether the record has expired.
    `works_off`: the request is the accepted one that is worked off now, so it need not wait.

    The key of an operation that was released is free for other content, because nothing came of
    the request that had it.
    """
    if stored is None:
        return Run(epoch=0)
    record = stored.record
    if record.expires_at <= now:
        return Run(epoch=record.epoch + 1)
    if stored.held:
        return Wait()
    if record.state == "released":
        return Run(epoch=record.epoch, lines=record.lines, doubted=record.doubted)
    same = fingerprint_like(record.fingerprint, content)
    if same is None or record.version > RECORD_VERSION:
        return Wait()  # A newer release of this app has written the record, and can answer.
    if same != record.fingerprint:
        return Reused()
    if record.state == "accepted":
        again = Run(record.epoch, lines=record.lines, doubted=record.doubted)
        return again if works_off else Wait()
    if record.state == "completed" and record.answer:
        return Replay(record.answer)
    if record.state == "in_progress" and stored.lease_left > 0:
        return Wait()
    sent_nothing = record.state == "open" or (record.state == "in_progress" and not record.begun)
    in_doubt = not sent_nothing or record.under_way_seconds is not None
    return Run(record.epoch, record, in_doubt)
