"""What the result of one try means, and what a failure means beside other tries."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_core.call import Trace
from cart_core.partner_center.error_bodies import read_fault
from cart_core.partner_center.errors import (
    classify,
    in_doubt,
    may_retry,
    not_the_document,
    unreadable,
    without_effect,
)
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.partner_center.pauses import DEFAULT_PAUSE, UNREADABLE_PAUSE
from cart_core.problem import CATALOGUE, Code, Fault, FieldError, Outcome, Problem

NOW = 1_800_000_000.0
REASON = "the reason"


def reply(status: int, code: object = "5", body: Any = None, **headers: str) -> Reply:
    """An error; header names have underscores for hyphens."""
    body = body or {"code": code, "description": "Words.", "source": "PartnerFD"}
    return Reply(
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps(body).encode("utf-8-sig"),
    )


def problem_of(result: Reply | NoReply) -> Problem:
    problem = classify(result, NOW)
    assert isinstance(problem, Problem)
    return problem


def replies(*statuses: int) -> list[Reply | NoReply]:
    return [reply(status) for status in statuses]


def silence(*, sent: bool, timed_out: bool) -> NoReply:
    return NoReply(sent, timed_out, REASON)


REJECTED, UNKNOWN, NOT_SENT = Outcome.REJECTED, Outcome.UNKNOWN, Outcome.NOT_SENT


def anywhere(*codes: object) -> list[Reply | NoReply]:
    """These codes under statuses that say something else."""
    return [reply(status, code) for code in codes for status in (400, 409, 403, 500, 503, 302)]


TRY_AGAIN_LATER = anywhere("800003", 900192)
NOT_READY = anywhere("800082", "900112", 900113, "900278")
REFUSED_OTHERWISE: list[Reply | NoReply] = [
    reply(status, code)
    for status in (500, 501, 503, 302)
    for code in ("800084", 400072, "3000", "800065", "800060")
]
OPERATORS = anywhere("900420", 900421, "800001")
NOT_CONNECTED = [silence(sent=False, timed_out=timed_out) for timed_out in (True, False)]
REDIRECTS = [Reply(status, {}, b"") for status in (301, 302, 304, 308)]

# Each code with its HTTP status, its outcome, whether we send the request again, and the results
# that have it.
CLASSIFIED: list[tuple[Code, int, Outcome, bool, Sequence[Reply | NoReply]]] = [
    ("partner_center_invalid_request", 400, REJECTED, False, [reply(400), *REFUSED_OTHERWISE]),
    ("partner_center_unauthorized", 502, REJECTED, False, [*replies(401), *OPERATORS]),
    ("partner_center_forbidden", 403, REJECTED, False, replies(403)),
    ("partner_center_not_found", 404, REJECTED, False, replies(404)),
    ("partner_center_conflict", 409, REJECTED, False, [reply(409), reply(409, "800060")]),
    ("partner_center_busy", 503, REJECTED, True, anywhere("800064")),
    ("partner_center_not_ready", 503, REJECTED, True, NOT_READY),
    ("partner_center_precondition_failed", 412, REJECTED, False, replies(412)),
    ("partner_center_expectation_failed", 417, REJECTED, False, replies(417)),
    ("partner_center_throttled", 429, REJECTED, True, replies(429)),
    ("partner_center_unexpected", 502, REJECTED, False, replies(402, 405, 406, 410, 413, 422, 499)),
    ("partner_center_failed", 502, UNKNOWN, True, [*replies(502, 503, 504), *TRY_AGAIN_LATER]),
    ("partner_center_failed", 502, UNKNOWN, False, replies(500, 501, 505, 599)),
    ("partner_center_unreadable", 502, UNKNOWN, True, REDIRECTS),
    ("partner_center_unreachable", 502, NOT_SENT, True, NOT_CONNECTED),
    ("partner_center_timeout", 504, UNKNOWN, True, replies(408)),
    ("partner_center_timeout", 504, UNKNOWN, True, [silence(sent=True, timed_out=True)]),
    ("partner_center_no_answer", 502, UNKNOWN, True, [silence(sent=True, timed_out=False)]),
]


@pytest.mark.parametrize(("code", "status", "outcome", "retried", "results"), CLASSIFIED)
def test_every_result_has_its_code_and_may_or_may_not_be_retried(
    code: Code, status: int, outcome: Outcome, retried: bool, results: Sequence[Reply | NoReply]
) -> None:
    for result in results:
        problem = problem_of(result)
        assert (problem.code, problem.kind.status, problem.outcome) == (code, status, outcome)
        assert may_retry(problem) is retried
        assert may_retry(without_effect(problem)) is retried
        if isinstance(result, Reply):
            assert problem.fault == read_fault(result.status, result.body)
        else:
            assert problem.fault is None
            assert REASON in problem.detail


def test_every_code_of_partner_center_is_classified() -> None:
    assert {code for code, *_ in CLASSIFIED} == {
        code for code in CATALOGUE if code.startswith("partner_center_")
    }


@pytest.mark.parametrize("code", [code for code in CATALOGUE if "partner_center" not in code])
def test_of_the_other_failures_only_missing_tokens_are_worth_a_retry(code: Code) -> None:
    retried = {"managed_identity_unavailable", "vault_unavailable", "token_unavailable"}
    assert may_retry(Problem(code, "x")) == (code in retried)


@pytest.mark.parametrize("result", anywhere("800060", 800065))
def test_a_cart_that_was_submitted_may_be_bought_by_an_earlier_checkout(result: Reply) -> None:
    problem = classify(result, NOW, purchase=True)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.outcome) == ("partner_center_busy", UNKNOWN)
    assert problem.retry_after == 60
    assert problem.fault


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ("The upgrade of this subscription is pending.", "partner_center_not_ready"),
        (None, "partner_center_not_ready"),
        ("The upgrade FAILED.", "partner_center_conflict"),
        ("There was a failure.", "partner_center_conflict"),
    ],
)
def test_the_description_tells_a_failed_upgrade_from_a_pending_one(
    description: str | None, code: Code
) -> None:
    for number in ("900112", 900113, "900114"):
        body = {"code": number, "description": description}
        assert problem_of(reply(409, body=body)).code == code


@pytest.mark.parametrize(
    ("status", "code", "expected", "outcome"),
    [
        (200, 400072, "partner_center_invalid_request", REJECTED),
        (201, "800084", "partner_center_invalid_request", REJECTED),
        (200, "800082", "partner_center_not_ready", REJECTED),
        (200, "800065", "partner_center_busy", UNKNOWN),
        (202, "900421", "partner_center_unauthorized", REJECTED),
        (200, "800003", "partner_center_failed", UNKNOWN),
        (200, "5", "partner_center_unreadable", UNKNOWN),
        (200, None, "partner_center_unreadable", UNKNOWN),
    ],
)
def test_an_error_under_a_2xx_is_an_error(
    status: int, code: object, expected: Code, outcome: Outcome
) -> None:
    for body in ({"code": code}, {"error": {"code": code}}, {"Code": code, "Description": "x"}):
        problem = not_the_document(reply(status, body=body), NOW, purchase=True)
        assert (problem.code, problem.outcome) == (expected, outcome)
        assert problem.fault
        assert problem.fault.status == status


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_is_left_to_its_reader(status: int) -> None:
    result = reply(status)
    assert classify(result, NOW) is result


def test_an_answer_that_cannot_be_read_has_its_status() -> None:
    problem = unreadable(201)
    assert (problem.code, problem.fault) == ("partner_center_unreadable", Fault(201))
    assert problem.detail == "Partner Center answered 201, but the answer cannot be read."


@pytest.mark.parametrize(
    ("result", "detail"),
    [
        (reply(400, 7), "Partner Center answered 400 with code 7: Words."),
        (reply(404, body={"code": "7"}), "Partner Center answered 404 with code 7."),
        (reply(503, body={"message": "Words."}), "Partner Center answered 503: Words."),
        (Reply(500, {}, b""), "Partner Center answered 500."),
        (
            reply(401, 900420),
            "The token was issued for another audience (900420). Check PARTNER_CENTER_CLOUD.",
        ),
        (
            reply(401, "900421"),
            "The token carries no MFA claim (900421). A person has to sign in with MFA and consent"
            " again; store the new refresh token in Key Vault.",
        ),
        *(
            (
                refused,
                "Partner Center refused the token. Is the app registered in Partner Center, App"
                " management?",
            )
            for refused in (reply(401, "900422"), Reply(401, {}, b""))
        ),
    ],
)
def test_the_detail_quotes_partner_center_or_says_what_to_look_at(
    result: Reply, detail: str
) -> None:
    assert problem_of(result).detail == detail


@pytest.mark.parametrize(
    ("result", "seconds"),
    [
        (reply(429, retry_after="57"), 57),
        (reply(409, "800064", retry_after="57"), 57),
        (reply(503, retry_after="57"), 57),
        (reply(429, body={"message": "Try again in 31 seconds."}), 31),
        (reply(503, body={"message": "Try again in 31 seconds."}), 31),
        (reply(429, retry_after="junk"), UNREADABLE_PAUSE),
        (reply(409, 800064, retry_after="junk"), UNREADABLE_PAUSE),
        (reply(429), DEFAULT_PAUSE),
        (reply(409, 800064), DEFAULT_PAUSE),
        (reply(400, "800082"), 120),
        (reply(400, "800082", retry_after="57"), 57),
        (reply(409, "900114"), 3600),
        (reply(500, "900278"), 86_400),
        (reply(503), None),
        (reply(400, retry_after="57"), None),
    ],
)
def test_the_pause_is_what_the_answer_asks_for_or_the_default(
    result: Reply, seconds: int | None
) -> None:
    assert problem_of(result).retry_after == seconds


@given(
    st.integers(min_value=300, max_value=599),
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(["retry-after", "x"]), st.text(max_size=20)),
)
def test_no_reply_raises(status: int, body: bytes, headers: dict[str, str]) -> None:
    problem = problem_of(Reply(status, headers, body))
    unknown = status < 400 or status == 408 or status >= 500
    assert problem.outcome == (Outcome.UNKNOWN if unknown else Outcome.REJECTED)
    json.dumps(problem.as_json(request_id=None, correlation_id=""), allow_nan=False)


# --- A failure beside other tries -------------------------------------------------------------


def complete(code: Code, outcome: Outcome | None = None) -> Problem:
    """A problem of which everything is known."""
    return Problem(
        code,
        "The last one.",
        errors=[FieldError("", "a", "b")],
        fault=Fault(429, "7", "Words."),
        retry_after=57,
        outcome=outcome,
        order_errors=[{"code": "1"}],
        trace=Trace("request-1", {"MS-CV": "cv"}),
    )


def members(problem: Problem) -> dict[str, Any]:
    """Everything about a problem."""
    return dict(vars(problem))


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_failure_after_a_try_that_may_have_had_an_effect_is_unknown(code: Code) -> None:
    problem = complete(code)
    doubtful = in_doubt(problem)
    if problem.outcome is Outcome.UNKNOWN:
        assert doubtful is problem
        return
    refused = CATALOGUE[code].status < 500 and code != "partner_center_throttled"
    expected: Code = "partner_center_no_answer" if refused else code
    assert members(doubtful) == members(problem) | {
        "code": expected,
        "kind": CATALOGUE[expected],
        "detail": "An earlier try may have had its effect. The last one: The last one.",
        "outcome": Outcome.UNKNOWN,
    }
    assert members(problem) == members(complete(code))
    shown = doubtful.as_json(request_id=None, correlation_id="")
    assert shown["retryable"]
    assert shown["status"] >= 500 or shown["status"] == 429


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_failure_of_a_read_had_no_effect(code: Code) -> None:
    problem = complete(code)
    read = without_effect(problem)
    if problem.outcome is not Outcome.UNKNOWN:
        assert read is problem
        return
    assert members(read) == members(problem) | {
        "errors": (),
        "order_errors": (),
        "outcome": Outcome.REJECTED,
    }


def test_the_outcome_of_the_failure_itself_decides_and_not_that_of_its_code() -> None:
    assert in_doubt(complete("internal_error", Outcome.NOT_SENT)).outcome is Outcome.UNKNOWN
    unknown = complete("partner_center_forbidden", Outcome.UNKNOWN)
    assert in_doubt(unknown) is unknown
    assert without_effect(unknown).outcome is Outcome.REJECTED
