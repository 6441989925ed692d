"""What the result of one try at Partner Center means.

Statuses and codes are from Partner Center's pages on error codes and throttling. What matters most:
a 4xx says that Partner Center did nothing. After a time-out, a 408, any 5xx, or an answer that is
cut short or cannot be read, it may have done what it was asked to do.
"""

from collections.abc import Mapping
from typing import Final

from cart_core.partner_center.error_bodies import read_fault
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.partner_center.pauses import DEFAULT_PAUSE, asked_pause
from cart_core.problem import Code, Fault, Outcome, Problem

CART_IN_USE: Final = "800064"
"""409: another request is processing this cart."""

MAY_BE_ORDERED: Final = frozenset({"800060", "800065"})
"""409: an order of this cart is in progress; 400: the cart was submitted already."""

CART_HAS_LINE_ERRORS: Final = "800009"
"""400: lines of the cart have errors, which the cart itself states."""

TRY_AGAIN: Final = frozenset({"800003", "900192"})
"""500: unexpected error, try again later."""

_RETRIED: Final[frozenset[Code]] = frozenset(
    {
        "managed_identity_unavailable",
        "vault_unavailable",
        "token_unavailable",
        "partner_center_unreachable",
        "partner_center_throttled",
        "partner_center_busy",
        "partner_center_timeout",
        "partner_center_no_answer",
        "partner_center_unreadable",
    }
)

_REFUSED: Final[Mapping[int, Code]] = {
    400: "partner_center_invalid_request",
    403: "partner_center_forbidden",
    404: "partner_center_not_found",
    409: "partner_center_conflict",
    412: "partner_center_precondition_failed",
    417: "partner_center_expectation_failed",
}

_UNAUTHORIZED: Final = {
    "900420": "The token was issued for another audience (900420). Check PARTNER_CENTER_CLOUD.",
    "900421": "The token carries no MFA claim (900421). A person has to sign in with MFA and"
    " consent again; store the new refresh token in Key Vault.",
}


def classify(result: Reply | NoReply, now: float) -> Reply | Problem:
    """The reply if it is a 2xx, otherwise the problem.

    `now` is in POSIX seconds; a Retry-After that is a date is counted from it.
    """
    if isinstance(result, NoReply):
        return _no_reply(result)
    if 200 <= result.status < 300:
        return result
    fault = read_fault(result.status, result.body)
    pause = asked_pause(result.headers, fault.description, now)
    if result.status == 401:
        return Problem(
            "partner_center_unauthorized",
            _UNAUTHORIZED.get(
                fault.code or "",
                "Partner Center refused the token. Is the app registered in Partner Center,"
                " App management?",
            ),
            fault=fault,
        )
    if result.status == 408:
        return Problem("partner_center_timeout", _quote(fault), fault=fault)
    if result.status == 429:
        return Problem(
            "partner_center_throttled",
            _quote(fault),
            fault=fault,
            retry_after=pause or DEFAULT_PAUSE,
        )
    if result.status == 409 and fault.code == CART_IN_USE:
        return Problem(
            "partner_center_busy",
            _quote(fault),
            fault=fault,
            retry_after=pause or DEFAULT_PAUSE,
        )
    if result.status in _REFUSED:
        return Problem(_REFUSED[result.status], _quote(fault), fault=fault)
    if 400 <= result.status < 500:
        return Problem("partner_center_unexpected", _quote(fault), fault=fault)
    if result.status >= 500:
        return Problem(
            "partner_center_failed",
            _quote(fault),
            fault=fault,
            retry_after=pause,
        )
    return unreadable(result.status)


def may_retry(problem: Problem) -> bool:
    """Whether the same request, under the same MS-RequestId, may be sent again right away."""
    if problem.code == "partner_center_failed" and problem.fault:
        return problem.fault.status in {502, 503, 504} or problem.fault.code in TRY_AGAIN
    return problem.code in _RETRIED


def unreadable(status: int) -> Problem:
    """The problem of an answer that is no error, and not the document that was asked for."""
    return Problem(
        "partner_center_unreadable",
        f"Partner Center answered {status}, but the answer cannot be read.",
        fault=Fault(status),
    )


def in_doubt(problem: Problem) -> Problem:
    """What a failure means if an earlier try of the same request may have taken effect.

    A refusal becomes a 502: under its own status, callers such as Logic Apps would not repeat the
    request.
    """
    if problem.outcome is Outcome.UNKNOWN:
        return problem
    refused = problem.kind.status < 500 and problem.code != "partner_center_throttled"
    return Problem(
        "partner_center_no_answer" if refused else problem.code,
        f"An earlier try may have had its effect. The last one: {problem.detail}",
        errors=problem.errors,
        fault=problem.fault,
        retry_after=problem.retry_after,
        outcome=Outcome.UNKNOWN,
        order_errors=problem.order_errors,
        trace=problem.trace,
        cart_id=problem.cart_id,
    )


def without_effect(problem: Problem) -> Problem:
    """What a failure means for a request that only reads: it had no effect in any case."""
    if problem.outcome is not Outcome.UNKNOWN:
        return problem
    return Problem(
        problem.code,
        problem.detail,
        fault=problem.fault,
        retry_after=problem.retry_after,
        outcome=Outcome.REJECTED,
        trace=problem.trace,
        cart_id=problem.cart_id,
    )


def _no_reply(failure: NoReply) -> Problem:
    if not failure.sent:
        return Problem(
            "partner_center_unreachable", f"Nothing was sent to Partner Center: {failure.reason}."
        )
    code: Code = "partner_center_timeout" if failure.timed_out else "partner_center_no_answer"
    return Problem(code, f"Partner Center gave no answer: {failure.reason}.")


def _quote(fault: Fault) -> str:
    code = f" with code {fault.code}" if fault.code else ""
    words = f": {fault.description}" if fault.description else "."
    return f"Partner Center answered {fault.status}{code}{words}"
