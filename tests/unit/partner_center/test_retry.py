"""The repetition of requests, in virtual time: no test here waits for anything."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tenacity import AsyncRetrying, RetryCallState

from cart_core.partner_center.errors import LONGEST_RETRY_AFTER, unreadable
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.partner_center.retry import (
    BACKOFF_FIRST,
    MAX_TRIES,
    TRY_TIMEOUT,
    Forwarding,
)
from cart_core.problem import CATALOGUE, Outcome, Problem
from cart_core.tokens import AccessToken, TokenFailure
from tests.kit.fakes import (
    EPOCH_SECONDS,
    FakeTokens,
    Killed,
    WallClock,
    in_virtual_time,
    monotonic,
    within,
)

Result = Reply | NoReply | BaseException
LONGEST_WAIT = 5.0


def reply(status: int, code: str | None = None, retry_after: object = None) -> Reply:
    body = f'{{"code": {code}, "description": "words"}}' if code else ""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Reply(status, headers, body.encode())


CREATED = reply(201, "1")
NO_CART = Reply(200, {}, b"<html>")
NOT_SENT = NoReply(sent=False, timed_out=False, reason="connection refused")
NOT_SENT_IN_TIME = NoReply(sent=False, timed_out=True, reason="connecting timed out")
TIMED_OUT = NoReply(sent=True, timed_out=True, reason="no answer in time")
RESET = NoReply(sent=True, timed_out=False, reason="connection reset")


class Bench:
    """A Forwarding whose tries end as `results` say, and what it did."""

    def __init__(
        self, *results: Result, max_concurrent: int = 64, jitter: float = 0.0, seconds: float = 0.0
    ) -> None:
        self.results = list(results)
        self.seconds = seconds
        self.tokens = FakeTokens()
        self.tries: list[tuple[float, str, float]] = []
        """When, with which token, with how many seconds."""
        self.limits: list[float] = []
        self.slept: list[float] = []
        self.under_way = self.most_under_way = 0
        self.jitter = jitter
        self.forwarding = Forwarding(
            self.tokens,
            clock=WallClock(),
            sleep=self._sleep,
            uniform=self._uniform,
            longest_wait=LONGEST_WAIT,
            max_concurrent=max_concurrent,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds)

    def _uniform(self, low: float, high: float) -> float:
        assert low == 0
        self.limits.append(high)
        return high * self.jitter

    async def _send(self, token: AccessToken, seconds: float) -> Reply | NoReply:
        self.tries.append((monotonic(), token.value, seconds))
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.under_way -= 1
        result = self.results.pop(0) if self.results else CREATED
        if isinstance(result, BaseException):
            raise result
        return result

    async def run(
        self, customer: str = "customer-1", *, deadline: float = 100, **options: Any
    ) -> Reply:
        return await self.forwarding.run(customer, self._send, _read, within(deadline), **options)

    async def fails(
        self, customer: str = "customer-1", *, deadline: float = 100, **options: Any
    ) -> Problem:
        with pytest.raises(Problem) as caught:
            await self.run(customer, deadline=deadline, **options)
        return caught.value


def _read(given: Reply) -> Reply:
    if given is NO_CART:
        raise unreadable(given.status)
    return given


def token_failure(code: Any) -> TokenFailure:
    return TokenFailure(code, "words")


# --- which ends are tried again ---------------------------------------------------------------

RETRIED: list[tuple[str, Result]] = [
    ("partner_center_unreachable", NOT_SENT),
    ("partner_center_unreachable", NOT_SENT_IN_TIME),
    ("partner_center_timeout", reply(408)),
    ("partner_center_throttled", reply(429)),
    ("partner_center_throttled", reply(429, retry_after=1)),
    ("partner_center_failed", reply(502)),
    ("partner_center_failed", reply(503)),
    ("partner_center_failed", reply(504)),
    ("partner_center_failed", reply(500, "800003")),
    ("partner_center_failed", reply(500, "900192")),
    ("partner_center_busy", reply(409, "800064")),
    ("partner_center_timeout", TIMED_OUT),
    ("partner_center_no_answer", RESET),
    ("partner_center_unreadable", NO_CART),
    ("partner_center_unreadable", reply(302)),
]
FINAL: list[tuple[str, Result]] = [
    ("partner_center_invalid_request", reply(400)),
    ("partner_center_invalid_request", reply(400, "800002")),
    ("partner_center_invalid_request", reply(400, "800064")),
    ("partner_center_forbidden", reply(403)),
    ("partner_center_not_found", reply(404)),
    ("partner_center_unexpected", reply(405)),
    ("partner_center_unexpected", reply(406)),
    ("partner_center_conflict", reply(409)),
    ("partner_center_conflict", reply(409, "800062")),
    ("partner_center_precondition_failed", reply(412)),
    ("partner_center_unexpected", reply(413)),
    ("partner_center_expectation_failed", reply(417)),
    ("partner_center_unexpected", reply(422)),
    ("partner_center_failed", reply(500)),
    ("partner_center_failed", reply(500, "900000")),
    ("partner_center_failed", reply(501)),
    ("partner_center_failed", reply(505)),
]


@pytest.mark.parametrize(("code", "result"), RETRIED)
@in_virtual_time
async def test_these_are_tried_again(code: str, result: Result) -> None:
    bench = Bench(result)
    assert await bench.run() is CREATED
    assert len(bench.tries) == 2


@pytest.mark.parametrize(("code", "result"), RETRIED)
@in_virtual_time
async def test_but_not_for_ever(code: str, result: Result) -> None:
    bench = Bench(*[result] * 20)
    problem = await bench.fails()
    assert problem.code == code
    assert problem.outcome == CATALOGUE[code].outcome
    assert len(bench.tries) == MAX_TRIES


@pytest.mark.parametrize(("code", "result"), FINAL)
@in_virtual_time
async def test_these_are_not_tried_again(code: str, result: Result) -> None:
    bench = Bench(result)
    problem = await bench.fails()
    assert problem.code == code
    assert problem.outcome == CATALOGUE[code].outcome
    assert len(bench.tries) == 1
    assert bench.slept == []


def test_the_tables_leave_no_upstream_code_out() -> None:
    told = {code for code, _ in RETRIED + FINAL} | {"partner_center_unauthorized"}
    assert told == {code for code in CATALOGUE if code.startswith("partner_center_")}


@pytest.mark.parametrize(
    ("code", "tries"),
    [
        ("managed_identity_unavailable", MAX_TRIES),
        ("vault_unavailable", MAX_TRIES),
        ("token_unavailable", MAX_TRIES),
        ("vault_denied", 1),
        ("secret_missing", 1),
        ("token_rejected", 1),
        ("consent_required", 1),
    ],
)
@in_virtual_time
async def test_a_missing_token_is_asked_for_again_where_that_may_help(
    code: str, tries: int
) -> None:
    bench = Bench()
    bench.tokens.failures = [token_failure(code) for _ in range(20)]
    problem = await bench.fails()
    assert (problem.code, problem.outcome) == (code, Outcome.NOT_SENT)
    assert 20 - len(bench.tokens.failures) == tries
    assert bench.tries == []


@in_virtual_time
async def test_a_bug_is_not_tried_again() -> None:
    bench = Bench(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        await bench.run()
    assert len(bench.tries) == 1


# --- pauses -----------------------------------------------------------------------------------


@in_virtual_time
async def test_the_pauses_grow_and_are_drawn_from_zero_up_to_a_limit() -> None:
    bench = Bench(*[RESET] * 20, jitter=1.0)
    await bench.fails()
    assert bench.slept == bench.limits[: MAX_TRIES - 1] == [0.5, 1.0, 2.0, 4.0]
    assert bench.slept[0] == BACKOFF_FIRST
    assert len(bench.slept) == MAX_TRIES - 1


@pytest.mark.parametrize("number", range(1, 12))
async def test_nothing_but_the_number_of_tries_bounds_the_pauses(number: int) -> None:
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = number
    bench = Bench(jitter=1.0)
    assert bench.forwarding._wait(state) == BACKOFF_FIRST * 2 ** (number - 1)


@in_virtual_time
async def test_the_smallest_pause_is_none() -> None:
    bench = Bench(*[RESET] * 20, jitter=0.0)
    await bench.fails()
    assert monotonic() == 0


@pytest.mark.parametrize("seconds", [1, 2, LONGEST_WAIT])
@pytest.mark.parametrize("jitter", [0.0, 1.0])
@in_virtual_time
async def test_a_short_retry_after_is_waited_for_and_the_pause_comes_on_top(
    seconds: float, jitter: float
) -> None:
    bench = Bench(reply(429, retry_after=seconds), jitter=jitter)
    assert await bench.run() is CREATED
    assert bench.tries[1][0] == seconds + jitter * BACKOFF_FIRST


@pytest.mark.parametrize("status", [409, 503])
@in_virtual_time
async def test_a_short_retry_after_counts_whatever_it_comes_with(status: int) -> None:
    bench = Bench(reply(status, "800064", retry_after=4))
    assert await bench.run() is CREATED
    assert bench.tries[1][0] == 4


@in_virtual_time
async def test_a_retry_after_may_be_a_date() -> None:
    moment = datetime.fromtimestamp(EPOCH_SECONDS, UTC) + timedelta(seconds=4)
    bench = Bench(reply(429, retry_after=format_datetime(moment, usegmt=True)))
    await bench.run()
    assert bench.tries[1][0] == 4


@pytest.mark.parametrize("seconds", [6, 57, 3599, LONGEST_RETRY_AFTER])
@in_virtual_time
async def test_a_longer_retry_after_is_handed_on_at_once(seconds: int) -> None:
    bench = Bench(reply(429, retry_after=seconds))
    problem = await bench.fails()
    assert (problem.kind.status, problem.retry_after) == (429, seconds)
    assert problem.outcome is Outcome.REJECTED
    assert len(bench.tries) == 1
    assert monotonic() == 0


@pytest.mark.parametrize("seconds", [LONGEST_RETRY_AFTER + 1, 86_400, 999_999_999])
@in_virtual_time
async def test_an_absurd_retry_after_closes_the_gate_for_an_hour_at_most(seconds: int) -> None:
    bench = Bench(reply(429, retry_after=seconds))
    problem = await bench.fails()
    assert (problem.kind.status, problem.retry_after) == (429, LONGEST_RETRY_AFTER)
    assert len(bench.tries) == 1
    await asyncio.sleep(LONGEST_RETRY_AFTER - LONGEST_WAIT - 1)
    assert (await bench.fails()).retry_after == LONGEST_WAIT + 1
    await asyncio.sleep(LONGEST_WAIT + 1)
    assert await bench.run() is CREATED


@in_virtual_time
async def test_a_longer_retry_after_of_a_5xx_is_handed_on_and_the_outcome_stays_open() -> None:
    bench = Bench(reply(503, retry_after=30))
    problem = await bench.fails()
    assert (problem.code, problem.retry_after) == ("partner_center_failed", 30)
    assert problem.outcome is Outcome.UNKNOWN
    assert len(bench.tries) == 1


# --- the throttle's gate ----------------------------------------------------------------------


@in_virtual_time
async def test_a_throttled_customer_is_answered_with_the_seconds_that_remain() -> None:
    bench = Bench(reply(429, retry_after=57))
    await bench.fails()
    await asyncio.sleep(20.5)
    problem = await bench.fails()
    assert (problem.code, problem.retry_after) == ("partner_center_throttled", 37)
    assert problem.outcome is Outcome.NOT_SENT
    assert len(bench.tries) == 1
    assert monotonic() == 20.5


@in_virtual_time
async def test_a_throttled_customer_waits_for_what_is_short_enough() -> None:
    bench = Bench(reply(429, retry_after=57))
    await bench.fails()
    await asyncio.sleep(57 - LONGEST_WAIT)
    assert await bench.run() is CREATED
    assert [when for when, _, _ in bench.tries] == [0, 57]


@pytest.mark.parametrize("jitter", [0.0, 0.25, 1.0])
@in_virtual_time
async def test_who_waited_at_the_gate_does_not_pass_it_at_its_first_moment(jitter: float) -> None:
    bench = Bench(reply(429, retry_after=57), jitter=jitter)
    await bench.fails()
    await asyncio.sleep(53)
    assert await bench.run() is CREATED
    assert bench.limits == [BACKOFF_FIRST]
    assert bench.slept == [4 + jitter * BACKOFF_FIRST]
    assert [when for when, _, _ in bench.tries] == [0, 57 + jitter * BACKOFF_FIRST]


@in_virtual_time
async def test_at_an_open_gate_nobody_draws_lots() -> None:
    bench = Bench(jitter=1.0)
    await bench.run()
    assert (bench.limits, bench.slept) == ([], [])


@in_virtual_time
async def test_the_jitter_at_the_gate_may_use_up_the_time_and_then_nothing_is_sent() -> None:
    bench = Bench(reply(429, retry_after=57), jitter=1.0)
    await bench.fails()
    await asyncio.sleep(53)
    problem = await bench.fails(deadline=4 + BACKOFF_FIRST)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert len(bench.tries) == 1
    assert await bench.run() is CREATED


@in_virtual_time
async def test_the_gate_opens_when_the_time_is_over() -> None:
    bench = Bench(reply(429, retry_after=57))
    await bench.fails()
    await asyncio.sleep(57)
    assert await bench.run() is CREATED
    assert bench.slept == []


@in_virtual_time
async def test_the_other_customers_are_served_until_a_second_one_is_throttled() -> None:
    bench = Bench(reply(429, retry_after=57), CREATED, reply(429, retry_after=30))
    await bench.fails("customer-1")
    assert await bench.run("customer-3") is CREATED
    await bench.fails("customer-2")
    problem = await bench.fails("customer-3")
    assert (problem.code, problem.retry_after) == ("partner_center_throttled", 57)
    await asyncio.sleep(57)
    assert await bench.run("customer-3") is CREATED


@in_virtual_time
async def test_who_stood_in_line_when_the_throttle_went_on_is_not_sent() -> None:
    bench = Bench(reply(429, retry_after=57), max_concurrent=1, seconds=1)
    problems = await asyncio.gather(*(bench.fails() for _ in range(10)))
    assert len(bench.tries) == 1
    assert {problem.retry_after for problem in problems} == {57}
    assert [problem.outcome for problem in problems].count(Outcome.NOT_SENT) == 9
    assert await bench.run("customer-2") is CREATED


@in_virtual_time
async def test_who_waits_at_the_gate_learns_that_it_was_closed_again() -> None:
    bench = Bench(reply(429, retry_after=4), reply(429, retry_after=57), seconds=2)
    in_flight = asyncio.create_task(bench.fails())
    await asyncio.sleep(0)
    bench.seconds = 0
    throttled = asyncio.create_task(bench.fails())
    await asyncio.sleep(1)
    problem = await bench.fails()
    assert monotonic() == 4
    assert (problem.retry_after, problem.outcome) == (55, Outcome.NOT_SENT)
    assert (await throttled).retry_after == 55
    assert (await in_flight).retry_after == 57
    assert len(bench.tries) == 2


@in_virtual_time
async def test_waiting_at_the_gate_occupies_no_place() -> None:
    bench = Bench(reply(429, retry_after=4), max_concurrent=1)
    throttled = asyncio.create_task(bench.run("customer-1"))
    await asyncio.sleep(1)
    assert await bench.run("customer-2") is CREATED
    assert monotonic() == 1
    await throttled


# --- the deadline -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deadline", "seconds"), [(100, TRY_TIMEOUT), (60, 60), (59.5, 59.5), (0.5, 0.5)]
)
@in_virtual_time
async def test_a_try_may_take_a_minute_or_what_is_left(deadline: float, seconds: float) -> None:
    bench = Bench()
    await bench.run(deadline=deadline)
    assert bench.tries == [(0, "token-1", seconds)]


@in_virtual_time
async def test_every_try_has_what_is_left_then() -> None:
    bench = Bench(*[TIMED_OUT] * 3, seconds=20)
    await bench.run(deadline=90)
    assert [seconds for _, _, seconds in bench.tries] == [60, 60, 50, 30]


@pytest.mark.parametrize("deadline", [0.0, 0.5, 1.0, 7.0, 30.0, 62.0, 100.0])
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("took", [0.0, 3.0, 30.0])
@pytest.mark.parametrize("result", [TIMED_OUT, NOT_SENT, reply(429, retry_after=2), reply(503)])
@in_virtual_time
async def test_nothing_is_sent_after_the_deadline(
    result: Result, took: float, jitter: float, deadline: float
) -> None:
    bench = Bench(*[result] * 20, jitter=jitter, seconds=took)
    await bench.fails(deadline=deadline)
    assert all(when < deadline for when, _, _ in bench.tries)
    assert all(when + seconds <= deadline for when, _, seconds in bench.tries)
    assert bool(bench.tries) == (deadline > 0)


@in_virtual_time
async def test_without_any_time_nothing_is_sent() -> None:
    bench = Bench()
    problem = await bench.fails(deadline=0)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)


@in_virtual_time
async def test_a_pause_that_ends_after_the_deadline_is_not_made() -> None:
    bench = Bench(reply(429, retry_after=5))
    problem = await bench.fails(deadline=5)
    assert (problem.code, problem.retry_after) == ("partner_center_throttled", 5)
    assert monotonic() == 0


@in_virtual_time
async def test_a_wait_at_the_gate_that_ends_after_the_deadline_is_not_made() -> None:
    bench = Bench(reply(429, retry_after=57))
    await bench.fails()
    await asyncio.sleep(53)
    problem = await bench.fails(deadline=3)
    assert (problem.code, problem.retry_after) == ("partner_center_throttled", 4)
    assert monotonic() == 53


@in_virtual_time
async def test_a_slow_token_is_not_waited_for_beyond_the_deadline() -> None:
    bench = Bench()
    bench.tokens.seconds = 200
    problem = await bench.fails(deadline=30)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert bench.tries == []
    assert monotonic() == 30


@in_virtual_time
async def test_a_token_that_comes_with_the_deadline_comes_too_late() -> None:
    bench = Bench()
    bench.tokens.seconds = 30
    assert (await bench.fails(deadline=30)).code == "deadline_exceeded"
    assert bench.tries == []


# --- sticky doubt -----------------------------------------------------------------------------

DOUBTS: list[Result] = [reply(408), reply(502), reply(500, "800003"), TIMED_OUT, RESET, NO_CART]
REFUSALS: list[tuple[str, Result]] = [
    ("partner_center_invalid_request", reply(400, "7")),
    ("partner_center_forbidden", reply(403, "7")),
    ("partner_center_not_found", reply(404, "7")),
    ("partner_center_conflict", reply(409, "7")),
    ("partner_center_precondition_failed", reply(412, "7")),
    ("partner_center_expectation_failed", reply(417, "7")),
]
KEPT: list[tuple[str, Result]] = [
    ("partner_center_throttled", reply(429, "7", retry_after=57)),
    ("partner_center_unauthorized", reply(401, "7")),
    ("partner_center_unexpected", reply(405, "7")),
    ("partner_center_unreachable", NOT_SENT),
    ("partner_center_busy", reply(409, "800064")),
    ("partner_center_busy", reply(409, "800064", retry_after=57)),
]
OPEN = "An earlier try may have had its effect. The last one: "


def test_every_certain_failure_at_partner_center_is_in_one_of_the_tables() -> None:
    certain = {
        code
        for code, kind in CATALOGUE.items()
        if code.startswith("partner_center_") and kind.outcome is not Outcome.UNKNOWN
    }
    assert certain == {code for code, _ in REFUSALS + KEPT}
    assert {code for code in certain if CATALOGUE[code].status < 500} == {
        *(code for code, _ in REFUSALS),
        "partner_center_throttled",
    }


async def _alone(code: str, result: Result) -> Problem:
    """What it comes to without any doubt."""
    problem = await Bench(*[result] * 10).fails()
    assert problem.code == code
    assert problem.outcome is not Outcome.UNKNOWN
    assert OPEN not in problem.detail
    return problem


def _assert_left_open(problem: Problem, code: str, alone: Problem) -> None:
    assert (problem.code, problem.outcome) == (code, Outcome.UNKNOWN)
    assert problem.detail == OPEN + alone.detail
    assert (problem.fault, problem.retry_after) == (alone.fault, alone.retry_after)
    assert problem.errors == alone.errors
    body = problem.as_json(request_id=None, correlation_id="")
    assert (body["outcome"], body["retryable"]) == ("unknown", True)


@pytest.mark.parametrize("doubt", DOUBTS, ids=repr)
@pytest.mark.parametrize(("code", "later"), REFUSALS)
@in_virtual_time
async def test_a_later_refusal_does_not_settle_a_doubt(
    doubt: Result, code: str, later: Result
) -> None:
    alone = await _alone(code, later)
    bench = Bench(doubt, *[later] * 10)
    problem = await bench.fails()
    _assert_left_open(problem, "partner_center_no_answer", alone)
    assert problem.kind.status == 502
    assert problem.fault
    assert problem.fault.status == alone.kind.status
    assert (problem.fault.code, problem.fault.description) == ("7", "words")


@pytest.mark.parametrize("doubt", DOUBTS, ids=repr)
@pytest.mark.parametrize(("code", "later"), KEPT)
@in_virtual_time
async def test_what_says_nothing_of_the_cart_keeps_its_code_in_doubt(
    doubt: Result, code: str, later: Result
) -> None:
    alone = await _alone(code, later)
    bench = Bench(doubt, *[later] * 10)
    problem = await bench.fails()
    _assert_left_open(problem, code, alone)
    assert problem.kind == alone.kind


@pytest.mark.parametrize(
    ("code", "told", "later"),
    [(code, "partner_center_no_answer", later) for code, later in REFUSALS]
    + [(code, code, later) for code, later in KEPT],
)
@in_virtual_time
async def test_what_is_resumed_is_in_doubt_from_the_start(
    code: str, told: str, later: Result
) -> None:
    alone = await _alone(code, later)
    bench = Bench(*[later] * 10)
    _assert_left_open(await bench.fails(resumed=True), told, alone)


@pytest.mark.parametrize(("code", "later"), REFUSALS)
@in_virtual_time
async def test_a_refusal_is_not_tried_again_in_doubt_either(code: str, later: Result) -> None:
    """The code that it gets then is that of a lost answer, which would be tried again."""
    resumed = Bench(later)
    assert (await resumed.fails(resumed=True)).fault == (await _alone(code, later)).fault
    assert len(resumed.tries) == 1
    bench = Bench(RESET, later)
    await bench.fails()
    assert len(bench.tries) == 2


@pytest.mark.parametrize(
    ("code", "doubt"), [row for row in RETRIED if CATALOGUE[row[0]].outcome is Outcome.UNKNOWN]
)
@pytest.mark.parametrize("resumed", [False, True])
@in_virtual_time
async def test_what_is_open_by_itself_is_told_as_it_is(
    resumed: bool, code: str, doubt: Result
) -> None:
    certain = await Bench(*[doubt] * 10).fails()
    bench = Bench(TIMED_OUT, *[doubt] * 10)
    problem = await bench.fails(resumed=resumed)
    assert (problem.code, problem.outcome) == (code, Outcome.UNKNOWN)
    assert (problem.detail, problem.fault) == (certain.detail, certain.fault)
    assert not problem.detail.startswith(OPEN)
    assert len(bench.tries) == MAX_TRIES


@in_virtual_time
async def test_a_doubt_survives_the_gate_the_deadline_and_a_missing_token() -> None:
    throttled = Bench(reply(429, retry_after=57))
    await throttled.fails()
    problem = await throttled.fails(resumed=True)
    assert (problem.kind.status, problem.retry_after) == (429, 57)
    assert problem.outcome is Outcome.UNKNOWN
    assert problem.detail.startswith(OPEN)
    problem = await Bench().fails(deadline=0, resumed=True)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.UNKNOWN)
    assert problem.detail.startswith(OPEN)
    bench = Bench(RESET)
    bench.tokens.failures = [None, token_failure("token_rejected")]
    problem = await bench.fails()
    assert (problem.code, problem.outcome) == ("token_rejected", Outcome.UNKNOWN)
    assert problem.detail == OPEN + "words"


@in_virtual_time
async def test_a_doubt_keeps_what_else_is_known() -> None:
    bench = Bench(RESET, reply(429, "7", retry_after=57))
    problem = await bench.fails()
    assert (problem.retry_after, problem.kind.status) == (57, 429)
    assert problem.fault
    assert problem.fault.code == "7"
    assert "words" in problem.detail


@in_virtual_time
async def test_a_failure_before_the_doubt_is_told_without_it() -> None:
    problem = await Bench(NOT_SENT, reply(429, retry_after=1), reply(400)).fails()
    assert (problem.code, problem.outcome) == (
        "partner_center_invalid_request",
        Outcome.REJECTED,
    )
    assert OPEN not in problem.detail


@in_virtual_time
async def test_a_success_settles_every_doubt() -> None:
    assert await Bench(RESET, reply(503), reply(429, retry_after=1)).run(resumed=True) is CREATED


@in_virtual_time
async def test_the_doubt_of_one_request_is_not_anothers() -> None:
    """All who wait for one token are told one and the same failure."""
    bench = Bench()
    shared = token_failure("token_rejected")
    bench.tokens.failures = [shared, shared]
    in_doubt = await bench.fails(resumed=True)
    certain = await bench.fails()
    assert in_doubt.outcome is Outcome.UNKNOWN
    assert in_doubt is not shared
    assert (certain.detail, shared.detail) == ("words", "words")
    assert certain.outcome is Outcome.NOT_SENT
    assert shared.outcome is Outcome.NOT_SENT


# --- what has no effect, and what must not be repeated ----------------------------------------


@pytest.mark.parametrize("doubt", DOUBTS, ids=repr)
@pytest.mark.parametrize(("code", "later"), REFUSALS)
@in_virtual_time
async def test_what_has_no_effect_leaves_no_doubt(doubt: Result, code: str, later: Result) -> None:
    alone = await _alone(code, later)
    problem = await Bench(doubt, *[later] * 10).fails(has_effect=False)
    assert (problem.code, problem.outcome) == (code, alone.outcome)
    assert problem.detail == alone.detail


@pytest.mark.parametrize(
    ("code", "end"), [row for row in RETRIED if CATALOGUE[row[0]].outcome is Outcome.UNKNOWN]
)
@in_virtual_time
async def test_what_has_no_effect_is_tried_again_as_anything_else(code: str, end: Result) -> None:
    bench = Bench(*[end] * 10)
    problem = await bench.fails(has_effect=False)
    assert (problem.code, problem.outcome) == (code, Outcome.UNKNOWN)
    assert not problem.detail.startswith(OPEN)
    assert len(bench.tries) == MAX_TRIES


@in_virtual_time
async def test_whoever_asks_decides_what_is_worth_repeating() -> None:
    asked: list[str] = []

    def only_when_refused(problem: Problem) -> bool:
        asked.append(problem.code)
        return problem.outcome is not Outcome.UNKNOWN

    bench = Bench(NOT_SENT, reply(400), RESET, CREATED)
    problem = await bench.fails(worth_repeating=only_when_refused)
    assert (problem.code, problem.outcome) == ("partner_center_no_answer", Outcome.UNKNOWN)
    assert len(bench.tries) == 3
    assert asked == [
        "partner_center_unreachable",
        "partner_center_invalid_request",
        "partner_center_no_answer",
    ]


@in_virtual_time
async def test_a_pause_that_is_too_long_is_the_callers_whatever_is_worth_repeating() -> None:
    bench = Bench(reply(429, retry_after=57))
    problem = await bench.fails(worth_repeating=lambda _: True)
    assert problem.retry_after == 57
    assert len(bench.tries) == 1


# --- a refused token --------------------------------------------------------------------------


@in_virtual_time
async def test_a_refused_token_is_renewed_once() -> None:
    bench = Bench(reply(401))
    assert await bench.run() is CREATED
    assert [token for _, token, _ in bench.tries] == ["token-1", "token-2"]
    assert bench.tokens.renewed == ["token-1"]
    assert bench.slept == []


@in_virtual_time
async def test_a_token_that_is_refused_twice_is_told() -> None:
    bench = Bench(reply(401), reply(401))
    problem = await bench.fails()
    assert (problem.code, problem.outcome) == ("partner_center_unauthorized", Outcome.REJECTED)
    assert len(bench.tries) == 2


@in_virtual_time
async def test_a_token_that_cannot_be_renewed_leaves_the_401() -> None:
    bench = Bench(reply(401, "900421"))
    bench.tokens.renewal_failure = token_failure("token_unavailable")
    problem = await bench.fails()
    assert problem.code == "partner_center_unauthorized"
    assert "900421" in problem.detail
    assert len(bench.tries) == 1


@in_virtual_time
async def test_what_the_second_try_comes_to_counts() -> None:
    bench = Bench(reply(401), RESET, reply(400))
    problem = await bench.fails()
    assert (problem.code, problem.outcome) == ("partner_center_no_answer", Outcome.UNKNOWN)
    assert problem.fault
    assert problem.fault.status == 400
    assert len(bench.tries) == 3


@in_virtual_time
async def test_a_renewal_that_takes_too_long_leaves_the_401() -> None:
    bench = Bench(reply(401), seconds=10)
    run = asyncio.create_task(bench.fails(deadline=30))
    await asyncio.sleep(1)
    bench.tokens.seconds = 200
    assert (await run).code == "partner_center_unauthorized"
    assert len(bench.tries) == 1
    assert monotonic() == 30


@in_virtual_time
async def test_a_401_at_the_deadline_is_not_followed_by_another_try() -> None:
    bench = Bench(reply(401), seconds=30)
    assert (await bench.fails(deadline=30)).code == "partner_center_unauthorized"
    assert len(bench.tries) == 1


# --- the limit of calls under way -------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3])
@in_virtual_time
async def test_no_more_calls_are_under_way_than_allowed(limit: int) -> None:
    bench = Bench(max_concurrent=limit, seconds=1)
    await asyncio.gather(*(bench.run(f"customer-{number}") for number in range(12)))
    assert bench.most_under_way == limit
    assert monotonic() == 12 / limit


@in_virtual_time
async def test_who_does_not_get_a_place_in_time_is_told() -> None:
    bench = Bench(max_concurrent=1, seconds=50)
    first = asyncio.create_task(bench.run("customer-1"))
    await asyncio.sleep(0)
    problem = await bench.fails("customer-2", deadline=20)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert monotonic() == 20
    await first
    assert len(bench.tries) == 1
    assert await bench.run("customer-2") is CREATED


async def _cancelled_at_work(bench: Bench) -> None:
    bench.seconds = 50
    task = asyncio.create_task(bench.run())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _cancelled_in_line(bench: Bench) -> None:
    bench.seconds = 50
    first = asyncio.create_task(bench.run())
    await asyncio.sleep(1)
    second = asyncio.create_task(bench.run())
    await asyncio.sleep(1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await first


async def _cancelled_when_its_turn_comes(bench: Bench) -> None:
    bench.seconds = 10
    first = asyncio.create_task(bench.run())
    await asyncio.sleep(0)
    second = asyncio.create_task(bench.run())
    asyncio.get_running_loop().call_at(10, second.cancel)
    with pytest.raises(asyncio.CancelledError):
        await second
    await first


async def _cancelled_at_the_token(bench: Bench) -> None:
    bench.tokens.seconds = 50
    task = asyncio.create_task(bench.run())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _late_token(bench: Bench) -> None:
    bench.tokens.seconds = 200
    await bench.fails(deadline=10)


async def _no_token(bench: Bench) -> None:
    bench.tokens.failures = [token_failure("vault_denied")]
    await bench.fails()


async def _no_time(bench: Bench) -> None:
    await bench.fails(deadline=0)


async def _turn_at_the_deadline(bench: Bench) -> None:
    bench.seconds = 10
    first = asyncio.create_task(bench.run())
    await asyncio.sleep(0)
    await bench.fails("customer-2", deadline=10)
    await first


async def _throttled_in_line(bench: Bench) -> None:
    bench.seconds, bench.results = 10, [reply(429, retry_after=57)]
    await asyncio.gather(bench.fails(), bench.fails())
    await asyncio.sleep(57)


async def _killed(bench: Bench) -> None:
    bench.results = [Killed()]
    with pytest.raises(Killed):
        await bench.run()


async def _bug(bench: Bench) -> None:
    bench.results = [RuntimeError()]
    with pytest.raises(RuntimeError):
        await bench.run()


async def _refused(bench: Bench) -> None:
    bench.results = [reply(401), reply(503), NO_CART, reply(400)]
    await bench.fails()


@pytest.mark.parametrize(
    "path",
    [
        _cancelled_at_work,
        _cancelled_in_line,
        _cancelled_when_its_turn_comes,
        _cancelled_at_the_token,
        _late_token,
        _no_token,
        _no_time,
        _turn_at_the_deadline,
        _throttled_in_line,
        _killed,
        _bug,
        _refused,
    ],
    ids=lambda path: path.__name__,
)
@in_virtual_time
async def test_every_path_gives_its_place_back(path: Callable[[Bench], Any]) -> None:
    bench = Bench(max_concurrent=1)
    await path(bench)
    bench.seconds = bench.tokens.seconds = 0
    bench.results.clear()
    async with asyncio.timeout(1):
        assert await bench.run() is CREATED
    assert bench.most_under_way <= 1
    assert bench.forwarding._places._value == 1


@in_virtual_time
async def test_a_pause_between_tries_occupies_no_place() -> None:
    bench = Bench(reply(503), max_concurrent=1, jitter=1.0)
    first = asyncio.create_task(bench.run("customer-1"))
    await asyncio.sleep(0.25)
    assert await bench.run("customer-2") is CREATED
    assert monotonic() == 0.25
    await first


@in_virtual_time
async def test_a_cancelled_pause_is_not_followed_by_another_try() -> None:
    bench = Bench(reply(503), jitter=1.0)
    task = asyncio.create_task(bench.run())
    await asyncio.sleep(0.25)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(10)
    assert len(bench.tries) == 1
