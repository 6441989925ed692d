"""What to do with a bell (a queue message), given the record that it names and the time.

Nothing here reads a clock or the store.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cart_core.operations.bell import GUARD_SECONDS
from cart_core.operations.operation import ENDED, MOST_LOST_TRIES, RESTING, AcceptedOperation

LONGEST_HANG: Final = 3600.0
"""Seconds for which a bell is hidden in the queue at most.

If its operation is not due by then, the bell is hung up again. A queue itself allows seven days.
"""
SHORTEST_HANG: Final = 1.0


@dataclass(frozen=True, slots=True)
class Drop:
    """Nobody needs the bell: its operation waits for an operator, or certainly does not exist."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """It is too early: hang a bell up that rings in so many seconds, then drop this one."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Work on the operation now."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The operation has ended: put its record where the ended ones are, then drop the bell."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """One process after another has died while it worked on it: mark it dead."""


Decision = Drop | HangUp | Work | Finish | GiveUp


def decide(operation: AcceptedOperation | None, rung: float, now: datetime) -> Decision:
    """What to do with a bell.

    `operation` is None where the store says for certain that there is no such record. `rung` is the
    POSIX second at which the bell was hung up first. A bell is dropped only where nobody has to
    come back for the operation: it has ended and its record was put away, it rests until an
    operator says something, or it was never accepted.
    """
    if operation is None:
        left = rung + GUARD_SECONDS - now.timestamp()
        return HangUp(max(SHORTEST_HANG, min(left, GUARD_SECONDS))) if left > 0 else Drop()
    if operation.state in ENDED:
        return Finish()
    if operation.state in RESTING:
        return Drop()
    due = operation.due
    if due and due > now:
        seconds = (due - now).total_seconds()
        return HangUp(max(SHORTEST_HANG, min(seconds, LONGEST_HANG)))
    if operation.state == "running" and operation.lost_tries + 1 >= MOST_LOST_TRIES:
        return GiveUp()
    return Work()
