"""What the result of one try at Partner Center means.

Partner Center's code decides, under whatever HTTP status it comes; see cart.error_codes. Without a
code that is listed there, the status decides. What matters most: a refusal and any other 4xx say
that Partner Center did nothing. After a time-out, a 408, any other 5xx, or an answer that is cut
short or cannot be read, it may have done what it was asked to do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cart_core.cart.error_codes import CART_IN_USE, CodeMeaning, Meaning, meaning_of
from cart_core.partner_center.error_bodies import read_fault
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.partner_center.pauses import DEFAULT_PAUSE, asked_pause
from cart_core.problem import Code, Fault, Outcome, Problem

_RETRIED: Final[frozenset[Code]] = frozenset(
    {
        "managed_identity_unavailable",
        "vault_unavailable",
        "token_unavailable",
        "partner_center_unreachable",
        "partner_center_throttled",
        "partner_center_busy",
        "partner_center_not_ready",
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
_UNAUTHORIZED_OTHERWISE: Final = (
    "Partner Center refused the token. Is the app registered in Partner Center, App management?"
)


def classify(result: Reply | NoReply, now: float, *, purchase: bool = False) -> Reply | Problem:
    """The reply if it is a 2xx, otherwise the problem.

    `now` is in POSIX seconds; a Retry-After that is a date is counted from it. `purchase`: the
    request was a checkout.
    """
    if isinstance(result, NoReply):
        return _no_reply(result)
    if 200 <= result.status < 300:
        return result
    return _problem(result, read_fault(result.status, result.body), now, purchase)


def not_the_document(reply: Reply, now: float, *, purchase: bool = False) -> Problem:
    """The problem of a 2xx answer that is not the document that was asked for.

    It may be an error all the same: Partner Center documents 400072 under 200.
    """
    fault = read_fault(reply.status, reply.body)
    if meaning_of(fault.code, fault.description):
        return _problem(reply, fault, now, purchase)
    return unreadable(reply.status)


def _problem(reply: Reply, fault: Fault, now: float, purchase: bool) -> Problem:
    status, known = reply.status, meaning_of(fault.code, fault.description)
    pause = asked_pause(reply.headers, fault.description, now)
    if status == 401 or (known and known.meaning is Meaning.OPERATOR):
        detail = _UNAUTHORIZED.get(fault.code or "", _UNAUTHORIZED_OTHERWISE)
        return Problem("partner_center_unauthorized", detail, fault=fault)
    if status == 429:
        pause = pause or DEFAULT_PAUSE
        return Problem("partner_center_throttled", _quote(fault), fault=fault, retry_after=pause)
    match known:
        case CodeMeaning(Meaning.ORDER_EXISTS, default) if purchase:
            return order_exists(_quote(fault), pause or default, fault=fault)
        case CodeMeaning(Meaning.NOT_YET, default):
            code: Code = (
                "partner_center_busy" if fault.code == CART_IN_USE else "partner_center_not_ready"
            )
            return Problem(code, _quote(fault), fault=fault, retry_after=pause or default)
        case CodeMeaning(Meaning.REFUSED | Meaning.ORDER_EXISTS) if not 400 <= status < 500:
            return Problem("partner_center_invalid_request", _quote(fault), fault=fault)
        case CodeMeaning(Meaning.FAILED):
            return Problem("partner_center_failed", _quote(fault), fault=fault, retry_after=pause)
    if status == 408:
        return Problem("partner_center_timeout", _quote(fault), fault=fault)
    if status in _REFUSED:
        return Problem(_REFUSED[status], _quote(fault), fault=fault)
    if 400 <= status < 500:
        return Problem("partner_center_unexpected", _quote(fault), fault=fault)
    if status >= 500:
        return Problem("partner_center_failed", _quote(fault), fault=fault, retry_after=pause)
    return unreadable(status)


def order_exists(
    detail: str,
    pause: int,
    *,
    fault: Fault | None = None,
    order_errors: Sequence[dict[str, Any]] = (),
) -> Problem:
    """The problem of a checkout whose cart is being ordered, or was ordered before."""
    return Problem(
        "partner_center_busy",
        detail,
        fault=fault,
        retry_after=pause,
        outcome=Outcome.UNKNOWN,
        order_errors=order_errors,
    )


def may_retry(problem: Problem) -> bool:
    """Whether the same request, under the same MS-RequestId, may be sent again right away."""
    if problem.code == "partner_center_failed" and problem.fault:
        known = meaning_of(problem.fault.code)
        failed = known is not None and known.meaning is Meaning.FAILED
        return failed or problem.fault.status in {502, 503, 504}
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
        unavailable_items=problem.unavailable_items,
        trace=problem.trace,
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
