import json
import re
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cart_core.partner_center.errors import (
    LONGEST_RETRY_AFTER,
    classify,
    in_doubt,
    may_retry,
    retry_after,
    unreadable,
    without_effect,
)
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.problem import CATALOGUE, Fault, FieldError, Outcome, Problem
from tests.kit.builders import CUSTOMER

NOW = 1_800_000_000.0


def reply(status: int, body: Any = b"", **headers: str) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def fault(code: Any, description: str = "Words.") -> dict[str, Any]:
    return {"code": code, "description": description, "data": [], "source": "PartnerFD"}


def problem_of(result: Reply | NoReply) -> Problem:
    problem = classify(result, NOW)
    assert isinstance(problem, Problem)
    return problem


REJECTED = ("rejected", False)
WAIT = ("rejected", True)
UNKNOWN = ("unknown", True)
NOT_SENT = ("not_sent", True)


@pytest.mark.parametrize(
    ("result", "status", "code", "outcome_retryable"),
    [
        pytest.param(
            reply(400, fault("800002")), 400, "partner_center_invalid_request", REJECTED, id="400"
        ),
        pytest.param(reply(400), 400, "partner_center_invalid_request", REJECTED, id="400-empty"),
        pytest.param(
            reply(403, fault(900124)), 403, "partner_center_forbidden", REJECTED, id="403"
        ),
        pytest.param(
            reply(404, fault("800008")), 404, "partner_center_not_found", REJECTED, id="404"
        ),
        pytest.param(
            reply(409, fault("800060")), 409, "partner_center_conflict", REJECTED, id="409"
        ),
        pytest.param(
            reply(409, fault("800064")), 503, "partner_center_busy", WAIT, id="409-in-use"
        ),
        pytest.param(
            reply(409, fault(800064)), 503, "partner_center_busy", WAIT, id="409-in-use-as-number"
        ),
        pytest.param(
            reply(400, fault("800064")),
            400,
            "partner_center_invalid_request",
            REJECTED,
            id="400-with-the-code-of-409",
        ),
        pytest.param(reply(412), 412, "partner_center_precondition_failed", REJECTED, id="412"),
        pytest.param(
            reply(417, fault("800036")),
            417,
            "partner_center_expectation_failed",
            REJECTED,
            id="417",
        ),
        pytest.param(reply(401), 502, "partner_center_unauthorized", REJECTED, id="401"),
        pytest.param(
            reply(401, fault("900420")), 502, "partner_center_unauthorized", REJECTED, id="900420"
        ),
        pytest.param(
            reply(401, fault(900421)), 502, "partner_center_unauthorized", REJECTED, id="900421"
        ),
        pytest.param(reply(408), 504, "partner_center_timeout", UNKNOWN, id="408"),
        pytest.param(reply(429), 429, "partner_center_throttled", WAIT, id="429"),
        *[
            pytest.param(reply(status), 502, "partner_center_unexpected", REJECTED, id=str(status))
            for status in (402, 405, 406, 410, 411, 413, 414, 415, 418, 422, 428, 431, 451, 499)
        ],
        *[
            pytest.param(reply(status), 502, "partner_center_failed", UNKNOWN, id=str(status))
            for status in (500, 501, 502, 503, 504, 505, 511, 599)
        ],
        *[
            pytest.param(reply(status), 502, "partner_center_unreadable", UNKNOWN, id=str(status))
            for status in (301, 302, 304, 307, 308)
        ],
        pytest.param(
            NoReply(sent=False, timed_out=False, reason="connection refused"),
            502,
            "partner_center_unreachable",
            NOT_SENT,
            id="not-connected",
        ),
        pytest.param(
            NoReply(sent=False, timed_out=True, reason="connect time-out"),
            502,
            "partner_center_unreachable",
            NOT_SENT,
            id="not-connected-in-time",
        ),
        pytest.param(
            NoReply(sent=True, timed_out=True, reason="no answer within 60 s"),
            504,
            "partner_center_timeout",
            UNKNOWN,
            id="silence",
        ),
        pytest.param(
            NoReply(sent=True, timed_out=False, reason="connection reset"),
            502,
            "partner_center_no_answer",
            UNKNOWN,
            id="reset-after-sending",
        ),
    ],
)
def test_every_end_has_its_status_code_outcome_and_retryable(
    result: Reply | NoReply, status: int, code: str, outcome_retryable: tuple[str, bool]
) -> None:
    problem = problem_of(result)

    body = problem.as_json(request_id=None, correlation_id=CUSTOMER)
    assert (body["status"], body["code"]) == (status, code)
    assert (body["outcome"], body["retryable"]) == outcome_retryable
    assert body["detail"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_for_the_normaliser(status: int) -> None:
    result = reply(status, {"id": "x"})

    assert classify(result, NOW) is result


@pytest.mark.parametrize("status", [200, 201, 204, 302])
def test_an_answer_that_is_no_cart(status: int) -> None:
    body = unreadable(status).as_json(request_id=None, correlation_id=CUSTOMER)

    assert (body["status"], body["code"]) == (502, "partner_center_unreadable")
    assert (body["outcome"], body["retryable"]) == UNKNOWN
    assert body["partnerCenter"]["status"] == status


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 412, 417, 429, 422, 500, 503])
def test_partner_centers_own_words_are_handed_on(status: int) -> None:
    problem = problem_of(reply(status, b"\xef\xbb\xbf" + json.dumps(fault(3000)).encode()))

    body = problem.as_json(request_id=None, correlation_id=CUSTOMER)
    assert body["partnerCenter"] == {
        "status": status,
        "code": "3000",
        "description": "Words.",
        "source": "PartnerFD",
        "data": [],
    }


def test_without_an_answer_there_are_no_words_of_partner_center() -> None:
    problem = problem_of(NoReply(sent=True, timed_out=True, reason="silence"))

    assert problem.as_json(request_id=None, correlation_id=CUSTOMER)["partnerCenter"] is None


@pytest.mark.parametrize(
    ("code", "word"), [("900420", "audience"), (900420, "audience"), ("900421", "MFA")]
)
def test_known_reasons_for_a_401_are_explained(code: Any, word: str) -> None:
    assert word in problem_of(reply(401, fault(code))).detail


@pytest.mark.parametrize("body", [b"", fault("900422")], ids=["empty", "another-code"])
def test_a_401_without_a_known_reason_says_what_to_look_at(body: Any) -> None:
    assert problem_of(reply(401, body)).detail == (
        "Partner Center refused the token. Is the app registered in Partner Center, App management?"
    )


# --- Retry-After ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("57", 57, id="seconds"),
        pytest.param(" 57 ", 57, id="spaces"),
        pytest.param("0057", 57, id="zeros-before"),
        pytest.param("0", 1, id="zero"),
        pytest.param("0.2", 1, id="fraction"),
        pytest.param("1.5", 2, id="rounded-up"),
        pytest.param("2.0", 2, id="whole-fraction"),
        pytest.param(formatdate(NOW + 90, usegmt=True), 90, id="date"),
        pytest.param(formatdate(NOW + 90), 90, id="date-with-offset"),
        pytest.param(formatdate(NOW, usegmt=True), 1, id="now"),
        pytest.param(formatdate(NOW - 3600, usegmt=True), 1, id="date-past"),
        pytest.param("Thu, 01 Jan 1970 00:00:00 GMT", 1, id="date-long-past"),
        pytest.param("Mon, 01 Jan 0001 00:00:00 GMT", 1, id="year-1"),
        pytest.param("3599", 3599, id="nearly-an-hour"),
        pytest.param("3600", 3600, id="an-hour"),
        pytest.param("3600.5", 3600, id="an-hour-and-a-bit"),
        pytest.param("3601", 3600, id="more-than-an-hour"),
        pytest.param("999999999", 3600, id="9-digits"),
        pytest.param(formatdate(NOW + 3600, usegmt=True), 3600, id="date-in-an-hour"),
        pytest.param(formatdate(NOW + 3601, usegmt=True), 3600, id="date-after-an-hour"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 3600, id="year-9999"),
        pytest.param("1000000000", None, id="10-digits"),
        pytest.param("", None, id="empty"),
        pytest.param("   ", None, id="blank"),
        pytest.param("-1", None, id="negative"),
        pytest.param("+5", None, id="plus"),
        pytest.param("nan", None, id="nan"),
        pytest.param("NaN", None, id="NaN"),
        pytest.param("inf", None, id="inf"),
        pytest.param("-Infinity", None, id="minus-infinity"),
        pytest.param("1e3", None, id="exponent"),
        pytest.param("1e999", None, id="huge-exponent"),
        pytest.param("9" * 30, None, id="30-digits"),
        pytest.param("9" * 5000, None, id="5000-digits"),
        pytest.param("1_000", None, id="underscore"),
        pytest.param("0x10", None, id="hexadecimal"),
        pytest.param("1,5", None, id="comma"),
        pytest.param("5 seconds", None, id="words"),
        pytest.param("soon", None, id="junk"),
        pytest.param("\u0665", None, id="arabic-digit"),
        pytest.param("\u00b2", None, id="superscript"),
        pytest.param("\x00", None, id="nul"),
        pytest.param("Sat, 01 Jan 100000 00:00:00 GMT", None, id="year-100000"),
        pytest.param("Fri, 32 Jan 2027 00:00:00 GMT", None, id="no-such-day"),
        pytest.param("Fri, 15 Jan 2027 25:61:00 GMT", None, id="no-such-time"),
        pytest.param("Fri, 15 Jan 99999999999999999999 00:00:00 GMT", None, id="huge-year"),
        pytest.param("Fri, 15 Jan 2027 00:00:00 +99999999999999", None, id="huge-offset"),
        pytest.param(",,,", None, id="commas"),
        pytest.param(": : :", None, id="colons"),
        pytest.param("5, 10", None, id="two-values"),
    ],
)
def test_retry_after_is_whole_seconds_or_nothing(value: str, seconds: int | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_no_header_is_nothing() -> None:
    assert retry_after({}, NOW) is None


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [JFMAD][a-z]{2} \d+ .{0,20}"))
@example("Wed, 3 Apr 2002 12.34.56.78+0800")
@example("0 0 0")
@example(" 0 jan 0 0:0:0 -")
def test_no_header_value_raises(value: str) -> None:
    seconds = retry_after({"retry-after": value}, NOW)

    assert seconds is None or (isinstance(seconds, int) and 1 <= seconds <= LONGEST_RETRY_AFTER)


@pytest.mark.parametrize(
    ("result", "seconds"),
    [
        pytest.param(reply(429, retry_after="57"), 57, id="given"),
        pytest.param(
            reply(
                429,
                {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 31 seconds."},
            ),
            31,
            id="in-the-words",
        ),
        pytest.param(
            reply(429, {"message": "Try again in 31 seconds."}, retry_after="57"),
            57,
            id="header-before-words",
        ),
        pytest.param(reply(409, fault("800064"), retry_after="7"), 7, id="cart-in-use"),
        pytest.param(reply(429, retry_after="86400"), 3600, id="a-day"),
        pytest.param(reply(409, fault("800064"), retry_after="86400"), 3600, id="in-use-for-a-day"),
        pytest.param(reply(503, retry_after="86400"), 3600, id="away-for-a-day"),
        pytest.param(
            reply(429, {"message": "Try again in 3600 seconds."}), 3600, id="an-hour-in-the-words"
        ),
        pytest.param(
            reply(429, {"message": "Try again in 3601 seconds."}), 3600, id="more-in-the-words"
        ),
        pytest.param(
            reply(429, {"message": "Try again in 999999 seconds."}), 3600, id="days-in-the-words"
        ),
    ],
)
def test_the_time_to_wait_is_handed_on(result: Reply, seconds: int) -> None:
    assert problem_of(result).retry_after == seconds


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(reply(429), id="throttled"),
        pytest.param(reply(429, retry_after="junk"), id="throttled-with-junk"),
        pytest.param(reply(429, b"<html>"), id="throttled-by-a-proxy"),
        pytest.param(reply(429, {"message": "Try again in 0 seconds."}), id="in-zero-seconds"),
        pytest.param(reply(409, fault(800064)), id="cart-in-use"),
    ],
)
def test_the_time_to_wait_is_supplied_when_missing(result: Reply) -> None:
    seconds = problem_of(result).retry_after

    assert seconds is not None
    assert 1 <= seconds <= 60


@given(
    st.integers(min_value=300, max_value=599),
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(["retry-after", "x"]), st.text(max_size=20)),
)
def test_no_reply_raises(status: int, body: bytes, headers: dict[str, str]) -> None:
    problem = problem_of(Reply(status, headers, body))

    assert problem.outcome in {"rejected", "unknown"}
    assert (problem.outcome == "unknown") == (status < 400 or status == 408 or status >= 500)
    json.dumps(problem.as_json(request_id=None, correlation_id=CUSTOMER), allow_nan=False)


@given(st.booleans(), st.booleans())
def test_only_what_certainly_never_left_is_not_sent(sent: bool, timed_out: bool) -> None:
    problem = problem_of(NoReply(sent, timed_out, "a reason"))

    assert problem.outcome == ("unknown" if sent else "not_sent")
    assert re.search("a reason", problem.detail)


# --- What a failure means beside another try --------------------------------------------------

FAULT = Fault(429, "7", "Words.")


def whole(code: str) -> Problem:
    """A problem of which everything is known."""
    return Problem(
        code,
        "The last one.",
        errors=[FieldError("", "a", "b")],
        fault=FAULT,
        retry_after=57,
        cart={"id": "1"},
        order_errors=[{"code": "1"}],
    )


CERTAIN = [code for code, kind in CATALOGUE.items() if kind.outcome is not Outcome.UNKNOWN]
OPEN = sorted(CATALOGUE.keys() - set(CERTAIN))


@pytest.mark.parametrize("code", CERTAIN)
def test_after_a_doubt_a_failure_leaves_it_open(code: str) -> None:
    problem = in_doubt(whole(code))

    refused = CATALOGUE[code].status < 500 and code != "partner_center_throttled"
    assert problem.code == ("partner_center_no_answer" if refused else code)
    assert problem.outcome is Outcome.UNKNOWN
    assert problem.detail == "An earlier try may have had its effect. The last one: The last one."
    assert (problem.fault, problem.retry_after) == (FAULT, 57)
    assert problem.errors == [FieldError("", "a", "b")]
    assert problem.order_errors == [{"code": "1"}]
    told = problem.as_json(request_id=None, correlation_id=CUSTOMER)
    assert told["retryable"]
    assert told["status"] >= 500 or told["status"] == 429


@pytest.mark.parametrize("code", OPEN)
def test_what_is_open_by_itself_stays_as_it_is(code: str) -> None:
    problem = whole(code)

    assert in_doubt(problem) is problem


def test_a_doubt_can_be_told_of_any_outcome() -> None:
    narrowed = Problem("internal_error", "x", outcome=Outcome.NOT_SENT)

    assert in_doubt(narrowed).outcome is Outcome.UNKNOWN
    assert narrowed.outcome is Outcome.NOT_SENT
    widened = Problem("partner_center_forbidden", "x", outcome=Outcome.UNKNOWN)
    assert in_doubt(widened) is widened


@pytest.mark.parametrize("code", OPEN)
def test_a_failure_to_read_changed_nothing(code: str) -> None:
    problem = without_effect(whole(code))

    assert (problem.code, problem.detail) == (code, "The last one.")
    assert problem.outcome is Outcome.REJECTED
    assert (problem.fault, problem.retry_after) == (FAULT, 57)
    told = problem.as_json(request_id=None, correlation_id=CUSTOMER)
    assert told["retryable"] == CATALOGUE[code].retryable


@pytest.mark.parametrize("code", CERTAIN)
def test_a_certain_failure_to_read_stays_as_it_is(code: str) -> None:
    problem = whole(code)

    assert without_effect(problem) is problem


def test_a_failure_to_read_can_still_be_tried_again() -> None:
    for result in (NoReply(sent=True, timed_out=True, reason="x"), reply(503), reply(408)):
        problem = problem_of(result)
        assert may_retry(problem)
        assert may_retry(without_effect(problem))
