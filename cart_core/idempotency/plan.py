"""What an operation consists of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, Final

from cart_core.call import Answer
from cart_core.idempotency.operation_id import OperationId

RETENTION: Final = timedelta(days=7)
"""How long the record of a cart counts: as long as Partner Center keeps a cart."""

LONGEST_REQUEST: Final = timedelta(minutes=5)
"""How long Partner Center may work on a request after it was sent.

Microsoft documents no limit. Its own SDK waits three minutes for an answer, and the front ends of
Azure end a request after four minutes at the latest; this is a minute more.
"""


class Sends(Enum):
    """When work under a claim sends its first request.

    Work that does not send at once says so by Claim.begin before it sends. A process that dies
    before that has certainly sent nothing.
    """

    AT_ONCE = auto()
    UNLESS_RECORDED = auto()
    """At once if the operation had no record; otherwise after a look at what became of it."""
    AFTER_A_LOOK = auto()


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of an operation, how long its record counts, and which answers complete it.

    Each step is one request that takes effect at Partner Center. After an answer that is not final
    the operation stays open at its last step. `longest_request` is how long such a request may be
    under way after it was sent.
    """

    steps: Sequence[str]
    retention: timedelta
    is_final: Callable[[Answer], bool] = lambda _: True
    longest_request: timedelta = LONGEST_REQUEST


@dataclass(frozen=True, slots=True)
class Keyed:
    """What a command asks for under its idempotency key: `content` is what the key is bound to."""

    operation: OperationId
    plan: Plan
    content: Mapping[str, Any]
