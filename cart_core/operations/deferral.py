"""When an operation is tried again, and after which failures it is. No clock and no store."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cart_core.operations.operation import AcceptedOperation
from cart_core.problem import Code, Outcome, Problem

FIRST_PAUSE: Final = 5.0
"""Seconds; each further pause is twice as long, up to LONGEST_PAUSE."""
LONGEST_PAUSE: Final = 900.0
LONGEST_ASKED_PAUSE: Final = 86_400.0
"""Seconds that a failure may ask to wait: some of Partner Center's codes ask for a day."""
JITTER: Final = 0.2
"""By so much a pause is longer at most, so that what was put off together comes back apart."""

STOPPED: Final[frozenset[Code]] = frozenset({"checkout_disabled", "purchase_limit_exceeded"})
"""Refusals by which operators stop purchases.

What was accepted before waits unbought until they let it through. It is not given up meanwhile.
"""

CONFIGURATION: Final[frozenset[Code]] = frozenset(
    {
        *("configuration_invalid", "vault_denied", "secret_missing"),
        *("token_rejected", "consent_required", "partner_center_unauthorized"),
    }
)
"""Failures that a person has to mend and that are no operation's fault.

One bad hour must not make every order a dead letter, so they are put off too, and an alert is
raised.
"""


def comes_back(failure: Exception) -> bool:
    """Whether an operation is tried again after a failure; otherwise this is its answer."""
    if not isinstance(failure, Problem):
        return True
    temporary = failure.kind.retryable or failure.outcome is Outcome.UNKNOWN
    return temporary or failure.code in CONFIGURATION or is_stopped(failure)


def is_stopped(failure: Problem) -> bool:
    """Whether an operator's limit holds an operation up for now, rather than refusing it for good.

    `purchase_limit_exceeded` without a `retry_after` refuses for good: the order is larger than any
    one order may be.
    """
    if failure.code == "purchase_limit_exceeded":
        return failure.retry_after is not None
    return failure.code in STOPPED


def next_attempt(
    operation: AcceptedOperation,
    problem: Problem,
    now: datetime,
    uniform: Callable[[float, float], float],
) -> datetime:
    """When an operation is tried again after this problem, never before the pause it asks for.

    The last try is made when the operation is to be given up, however long the pauses are by then.
    What is stopped has no last try.
    """
    doubled = FIRST_PAUSE * 2 ** min(operation.deferrals, 20)
    asked = min(float(problem.retry_after or 0), LONGEST_ASKED_PAUSE)
    pause = max(asked, min(doubled, LONGEST_PAUSE))
    until = now + timedelta(seconds=pause * (1 + uniform(0.0, JITTER)))
    if is_stopped(problem):
        return until
    last = max(operation.given_up_at, now + timedelta(seconds=asked))
    return min(until, last)


def after_a_turn(
    operation: AcceptedOperation, now: datetime, uniform: Callable[[float, float], float]
) -> datetime:
    """When an operation gets its next chance whose customer has enough of them under way."""
    waited = (now - operation.accepted_at).total_seconds()
    pause = min(60.0, max(2.0, waited / 10))
    return now + timedelta(seconds=pause * (1 + uniform(0.0, 1.0)))


def whole_seconds_until(moment: datetime | None, now: datetime) -> int:
    """Whole seconds until a moment, at least 1."""
    return max(1, math.ceil((moment - now).total_seconds())) if moment else 1
