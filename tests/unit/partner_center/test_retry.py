"""How a request gets through: retries, pauses, throttle, deadline, token and places.

Everything runs in virtual time: no test here waits for anything. test_errors proves what each
result means and whether it may be retried.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cart_core.call import Answered, Call, Trace
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from cart_core.partner_center.pauses import LONGEST_PAUSE
from cart_core.partner_center.retry import (
    BACKOFF_FIRST,
    LEAST_TRY_SECONDS,
    MAX_TRIES,
    TRY_TIMEOUT,
    PartnerCenterRequest,
    Sender,
)
from cart_core.problem import Outcome, Problem
from cart_core.tokens import FailureCode, TokenFailure
from tests.kit.fakes import FakeTokens, Killed, WallClock, in_virtual_time, monotonic, within

Result = Reply | NoReply | BaseException
LONGEST_WAIT = 5.0
ONE, TWO = "customer-1", "customer-2"
DOCUMENT = {"id": 1}


def reply(status: int, code: str | None = None, retry_after: object = None) -> Reply:
    """An answer with DOCUMENT, or with an error that has this code."""
    body = {"code": code, "description": "words"} if code else DOCUMENT
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Reply(status, {"ms-cv": f"cv-{status}", **headers}, json.dumps(body).encode())


CREATED = reply(201)
NOT_SENT = NoReply(sent=False, timed_out=False, reason="connection refused")
TIMED_OUT = NoReply(sent=True, timed_out=True, reason="no answer in time")
LOST = NoReply(sent=True, timed_out=False, reason="connection reset")
UNREADABLE = Reply(200, {}, b"<html>")
PAUSE = reply(429, retry_after=57)


class Sending:
    """A Sender whose tries end as `results` say, then with CREATED, and what it did."""

    def __init__(
        self, *results: Result, max_concurrent: int = 64, jitter: float = 0.0, seconds: float = 0.0
    ) -> None:
        self.results = list(results)
        self.seconds = seconds
        """How long each try takes."""
        self.jitter = jitter
        self.tokens = FakeTokens()
        self.tries: list[tuple[float, str, float]] = []
        """When each try began, with which token, and how many seconds it was given."""
        self.fresh: list[bool] = []
        """Whether each try was to use a fresh connection."""
        self.jitter_limits: list[float] = []
        self.pauses: list[float] = []
        self.under_way = self.most_under_way = 0
        self.call: Call | None = None
        self.sender = Sender(
            self.tokens,
            clock=WallClock(),
            sleep=self._sleep,
            uniform=self._uniform,
            longest_wait=LONGEST_WAIT,
            max_concurrent=max_concurrent,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(seconds)

    def _uniform(self, low: float, high: float) -> float:
        assert low == 0
        self.jitter_limits.append(high)
        return high * self.jitter

    async def _send(self, attempt: Attempt) -> Reply | NoReply:
        assert attempt.request_id == "request-1"
        self.tries.append((monotonic(), attempt.token, attempt.timeout))
        self.fresh.append(attempt.fresh_connection)
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

    async def answered(
        self,
        customer: str = ONE,
        *,
        deadline: float = 100,
        resumed: bool = False,
        call: Call | None = None,
        read: Callable[[Any], dict[str, Any]] = lambda document: document,
        operation: str = "create_cart",
        **options: Any,
    ) -> Answered:
        """The answer to one request, which must not be a Problem."""
        self.call = call or Call("correlation-1", customer, "en-US", within(deadline))
        request = PartnerCenterRequest(
            operation, self.call, "request-1", self._send, read, **options
        )
        return await self.sender.send(request, resumed=resumed)

    async def failed(self, customer: str = ONE, **options: Any) -> Problem:
        """The problem of one request."""
        with pytest.raises(Problem) as caught:
            await self.answered(customer, **options)
        return caught.value

    @property
    def times(self) -> list[float]:
        """When each try began."""
        return [when for when, _, _ in self.tries]


def ending(problem: Problem) -> tuple[str, Outcome]:
    return problem.code, problem.outcome


# --- The retry loop ---------------------------------------------------------------------------


@in_virtual_time
async def test_a_request_is_sent_again_until_it_is_answered() -> None:
    sending = Sending(NOT_SENT, LOST, reply(503), UNREADABLE)
    assert await sending.answered() == (DOCUMENT, Trace("request-1", {"MS-CV": "cv-201"}))
    assert len(sending.tries) == 5


@pytest.mark.parametrize(
    ("result", "code", "tries"),
    [
        (LOST, "partner_center_no_answer", MAX_TRIES),
        (reply(400), "partner_center_invalid_request", 1),
    ],
)
@in_virtual_time
async def test_a_request_is_sent_five_times_or_once_if_a_retry_cannot_help(
    result: Result, code: str, tries: int
) -> None:
    sending = Sending(*[result] * 20)
    assert (await sending.failed()).code == code
    assert (len(sending.tries), len(sending.pauses)) == (tries, tries - 1)


@pytest.mark.parametrize(("code", "asked"), [("vault_unavailable", MAX_TRIES), ("vault_denied", 1)])
@in_virtual_time
async def test_a_missing_token_is_asked_for_again_if_that_may_help(
    code: FailureCode, asked: int
) -> None:
    sending = Sending()
    sending.tokens.failures = [TokenFailure(code, "words") for _ in range(20)]
    assert ending(await sending.failed()) == (code, Outcome.NOT_SENT)
    assert 20 - len(sending.tokens.failures) == asked
    assert sending.tries == []
    assert sending.call
    assert not sending.call.sent.may_have_effect


@in_virtual_time
async def test_the_request_says_after_which_failures_it_may_be_sent_again() -> None:
    asked: list[str] = []

    def may_retry(problem: Problem) -> bool:
        asked.append(problem.code)
        return problem.outcome is not Outcome.UNKNOWN

    sending = Sending(NOT_SENT, reply(400), LOST)
    problem = await sending.failed(may_retry=may_retry)
    assert ending(problem) == ("partner_center_no_answer", Outcome.UNKNOWN)
    assert asked == [
        "partner_center_unreachable",
        "partner_center_invalid_request",
        "partner_center_no_answer",
    ]
    assert (await Sending(PAUSE).failed(may_retry=lambda _: True)).retry_after == 57


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"id": 1', b"[" * 100_000, b'{"id": "a word"}'])
@in_virtual_time
async def test_an_answer_that_cannot_be_read_is_a_failure(body: bytes) -> None:
    sending = Sending(*[Reply(201, {}, body)] * 20)
    problem = await sending.failed(read=lambda document: {"id": int(document["id"])})
    assert ending(problem) == ("partner_center_unreadable", Outcome.UNKNOWN)
    assert problem.fault
    assert problem.fault.status == 201


@in_virtual_time
async def test_a_failure_has_the_ids_of_the_last_try() -> None:
    problem = await Sending(reply(503), reply(400)).failed()
    assert problem.trace == Trace("request-1", {"MS-CV": "cv-400"})
    assert (await Sending(reply(503), *[LOST] * 9).failed()).trace == Trace("request-1")
    assert (await Sending().failed(deadline=0)).trace == Trace("request-1")


# --- Pauses between tries ---------------------------------------------------------------------


@pytest.mark.parametrize("jitter", [0.0, 1.0])
@in_virtual_time
async def test_the_pauses_are_random_up_to_a_limit_that_doubles(jitter: float) -> None:
    sending = Sending(*[LOST] * 20, jitter=jitter)
    await sending.failed()
    assert BACKOFF_FIRST == 0.5
    assert sending.jitter_limits[: MAX_TRIES - 1] == [0.5, 1.0, 2.0, 4.0]
    assert sending.pauses == [limit * jitter for limit in (0.5, 1.0, 2.0, 4.0)]


@pytest.mark.parametrize("status", [409, 429, 503])
@pytest.mark.parametrize(
    ("seconds", "jitter"), [(1, 0.0), (LONGEST_WAIT, 0.0), (LONGEST_WAIT, 1.0)]
)
@in_virtual_time
async def test_a_short_retry_after_is_waited_for_and_the_random_pause_comes_on_top(
    status: int, seconds: float, jitter: float
) -> None:
    sending = Sending(reply(status, "800064", retry_after=seconds), jitter=jitter)
    await sending.answered()
    assert sending.times == [0, seconds + jitter * BACKOFF_FIRST]


@in_virtual_time
async def test_a_retry_after_may_be_a_date() -> None:
    sending = Sending(reply(429, retry_after="Sun, 22 Nov 2026 12:00:04 GMT"))
    await sending.answered()
    assert sending.times == [0, 4]


@pytest.mark.parametrize(
    ("status", "seconds", "outcome"),
    [(429, 6, Outcome.REJECTED), (503, 30, Outcome.UNKNOWN)],
)
@in_virtual_time
async def test_a_longer_retry_after_is_handed_on_at_once(
    status: int, seconds: int, outcome: Outcome
) -> None:
    sending = Sending(reply(status, retry_after=seconds))
    problem = await sending.failed()
    assert (problem.retry_after, problem.outcome) == (seconds, outcome)
    assert (sending.times, monotonic()) == ([0], 0)


@pytest.mark.parametrize("result", [reply(503), reply(429, retry_after=4)], ids=["503", "429"])
@in_virtual_time
async def test_a_pause_between_tries_occupies_no_place(result: Result) -> None:
    sending = Sending(result, max_concurrent=1, jitter=1.0)
    first = asyncio.create_task(sending.answered(ONE))
    await asyncio.sleep(0.25)
    await sending.answered(TWO)
    assert monotonic() == 0.25
    await first


# --- The throttle -----------------------------------------------------------------------------


@pytest.mark.parametrize(("retry_after", "pause"), [(57, 57), (999_999_999, LONGEST_PAUSE)])
@in_virtual_time
async def test_a_throttled_customer_is_told_the_seconds_that_remain(
    retry_after: int, pause: int
) -> None:
    sending = Sending(reply(429, retry_after=retry_after))
    assert (await sending.failed()).retry_after == pause
    await asyncio.sleep(pause - LONGEST_WAIT - 0.5)
    problem = await sending.failed()
    assert ending(problem) == ("partner_center_throttled", Outcome.NOT_SENT)
    assert problem.retry_after == LONGEST_WAIT + 1
    await asyncio.sleep(LONGEST_WAIT + 0.5)
    await sending.answered()
    assert sending.times == [0, pause]
    assert sending.pauses == []


@pytest.mark.parametrize("jitter", [0.0, 0.25, 1.0])
@in_virtual_time
async def test_a_throttled_customer_waits_for_a_short_rest_and_a_random_time(jitter: float) -> None:
    sending = Sending(PAUSE, jitter=jitter)
    await sending.failed()
    await asyncio.sleep(57 - LONGEST_WAIT)
    await sending.answered()
    assert sending.jitter_limits == [BACKOFF_FIRST]
    assert sending.times == [0, 57 + jitter * BACKOFF_FIRST]


@in_virtual_time
async def test_the_random_time_after_a_throttle_may_use_up_the_deadline() -> None:
    sending = Sending(PAUSE, jitter=1.0)
    await sending.failed()
    await asyncio.sleep(52)
    problem = await sending.failed(deadline=6.2)
    assert ending(problem) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert sending.times == [0]


@in_virtual_time
async def test_requests_that_wait_for_a_place_are_not_sent_once_the_throttle_closes() -> None:
    sending = Sending(PAUSE, max_concurrent=1, seconds=1)
    problems = await asyncio.gather(*(sending.failed() for _ in range(10)))
    assert len(sending.tries) == 1
    assert {problem.retry_after for problem in problems} == {57}
    assert [problem.outcome for problem in problems].count(Outcome.NOT_SENT) == 9


@in_virtual_time
async def test_a_request_that_waits_for_the_throttle_learns_that_it_was_closed_again() -> None:
    sending = Sending(reply(429, retry_after=4), PAUSE, seconds=2)
    under_way = asyncio.create_task(sending.failed())
    await asyncio.sleep(0)
    sending.seconds = 0
    throttled = asyncio.create_task(sending.failed())
    await asyncio.sleep(1)
    problem = await sending.failed()
    assert (problem.retry_after, problem.outcome, monotonic()) == (55, Outcome.NOT_SENT, 4)
    assert ((await throttled).retry_after, (await under_way).retry_after) == (55, 57)
    assert len(sending.tries) == 2


# --- The deadline -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deadline", "seconds"),
    [(200, [TRY_TIMEOUT] * 4), (90, [60, 60, 50, 30]), (59.5, [59.5, 39.5, 19.5])],
)
@in_virtual_time
async def test_a_try_may_take_a_minute_or_what_is_left(
    deadline: float, seconds: list[float]
) -> None:
    sending = Sending(*[TIMED_OUT] * 2, NOT_SENT, seconds=20)
    await (sending.answered if len(seconds) > 3 else sending.failed)(deadline=deadline)
    assert [given for _, _, given in sending.tries] == seconds


@pytest.mark.parametrize("deadline", [0.0, 0.5, 1.0, 7.0, 62.0])
@pytest.mark.parametrize("took", [0.0, 30.0])
@pytest.mark.parametrize("result", [TIMED_OUT, reply(429, retry_after=2)], ids=["time-out", "429"])
@in_virtual_time
async def test_nothing_is_sent_after_the_deadline(
    result: Result, took: float, deadline: float
) -> None:
    sending = Sending(*[result] * 20, jitter=1.0, seconds=took)
    await sending.failed(deadline=deadline)
    assert all(when <= deadline - LEAST_TRY_SECONDS for when in sending.times)
    assert all(when + seconds <= deadline for when, _, seconds in sending.tries)
    assert bool(sending.tries) == (deadline >= 1)


@pytest.mark.parametrize(
    ("took", "left", "sent"),
    [
        # How long successes took until now, how much time is left, and whether it is enough.
        ([], 1.0, True),
        ([], 0.99, False),
        ([0.2], 0.99, False),
        ([6.0], 5.9, False),
        ([6.0], 6.0, True),
        ([9.0, 4.0, 8.0], 3.9, False),
        ([9.0, 4.0, 8.0], 4.0, True),
    ],
)
@in_virtual_time
async def test_what_the_fastest_success_would_not_have_answered_is_not_sent(
    took: list[float], left: float, sent: bool
) -> None:
    sending = Sending()
    for sending.seconds in took:
        await sending.answered()
    sending.seconds, sending.tries = 0, []
    if sent:
        await sending.answered(deadline=left)
    else:
        problem = await sending.failed(deadline=left)
        assert ending(problem) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert bool(sending.tries) is sent


@pytest.mark.parametrize(
    ("result", "operation"),
    [(reply(400), "create_cart"), (LOST, "create_cart"), (CREATED, "get_cart")],
    ids=["a refusal", "no answer", "another operation"],
)
@in_virtual_time
async def test_only_successes_of_the_same_operation_say_how_fast_it_can_be(
    result: Result, operation: str
) -> None:
    sending = Sending(result, CREATED, seconds=3)
    await (sending.answered if result is CREATED else sending.failed)(
        operation=operation, may_retry=lambda _: False
    )
    await sending.answered(deadline=1)
    problem = await sending.failed(deadline=2.9)
    assert (problem.code, len(sending.tries)) == ("deadline_exceeded", 2)


@in_virtual_time
async def test_a_retry_without_time_for_its_answer_is_not_made() -> None:
    sending = Sending(CREATED, *[LOST] * 9, seconds=4)
    await sending.answered()
    problem = await sending.failed(deadline=7)
    assert ending(problem) == ("partner_center_no_answer", Outcome.UNKNOWN)
    assert sending.times == [0, 4]


@in_virtual_time
async def test_of_too_many_requests_some_are_not_sent_and_none_is_unknown() -> None:
    """The last ones would get their place too late for an answer."""

    async def send(customer: str) -> str:
        try:
            await sending.answered(customer, deadline=10)
        except Problem as problem:
            return problem.outcome
        return "answered"

    sending = Sending(max_concurrent=64, seconds=3)
    outcomes = await asyncio.gather(*(send(f"customer-{number}") for number in range(250)))
    assert {each: outcomes.count(each) for each in set(outcomes)} == {
        "answered": 3 * 64,
        "not_sent": 250 - 3 * 64,
    }


@in_virtual_time
async def test_a_pause_that_ends_after_the_deadline_is_not_made() -> None:
    sending = Sending(reply(429, retry_after=5))
    problem = await sending.failed(deadline=5)
    assert (problem.code, problem.retry_after) == ("partner_center_throttled", 5)
    problem = await sending.failed(deadline=3)  # The throttle is closed for longer than that.
    assert (problem.code, problem.retry_after) == ("partner_center_throttled", 5)
    assert monotonic() == 0


@pytest.mark.parametrize("seconds", [30, 200])
@in_virtual_time
async def test_a_slow_token_is_not_waited_for_beyond_the_deadline(seconds: float) -> None:
    sending = Sending()
    sending.tokens.seconds = seconds
    problem = await sending.failed(deadline=30)
    assert ending(problem) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert (sending.tries, monotonic()) == ([], 30)


# --- A lost connection ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "fresh"),
    [
        ([LOST], [False, True]),
        ([TIMED_OUT, reply(503)], [False, True, True]),
        ([reply(503), LOST, NOT_SENT], [False, False, True, True]),
        ([NOT_SENT, UNREADABLE, reply(401)], [False] * 4),
    ],
)
@pytest.mark.parametrize("has_effect", [True, False])
@in_virtual_time
async def test_after_a_lost_connection_a_call_uses_no_connection_twice(
    results: list[Result], fresh: list[bool], has_effect: bool
) -> None:
    sending = Sending(*results)
    await sending.answered(has_effect=has_effect)
    assert sending.fresh == fresh
    assert sending.call
    await sending.answered(call=sending.call)
    assert sending.fresh[len(fresh) :] == fresh[-1:]
    await sending.answered()
    assert sending.fresh[-1] is False


# --- Once a try may have had an effect, the outcome stays unknown ------------------------------


@in_virtual_time
async def test_a_refusal_after_a_doubtful_try_leaves_the_outcome_unknown() -> None:
    sending = Sending(LOST, NOT_SENT, reply(400, "7"))
    problem = await sending.failed()
    assert ending(problem) == ("partner_center_no_answer", Outcome.UNKNOWN)
    assert problem.fault
    assert (problem.fault.status, problem.fault.code) == (400, "7")
    assert len(sending.tries) == 3  # Under its new code, the refusal would have been retried.


@pytest.mark.parametrize(
    ("results", "options", "outcome"),
    [
        ([LOST, reply(400)], {"has_effect": False}, Outcome.REJECTED),
        ([NOT_SENT, reply(429, retry_after=1), reply(400)], {}, Outcome.REJECTED),
        ([reply(400)], {"resumed": True}, Outcome.UNKNOWN),
        ([PAUSE], {"resumed": True}, Outcome.UNKNOWN),
        ([], {"resumed": True, "deadline": 0}, Outcome.UNKNOWN),
        ([reply(401), LOST, reply(400)], {}, Outcome.UNKNOWN),
    ],
)
@in_virtual_time
async def test_only_a_request_that_may_have_had_an_effect_is_in_doubt(
    results: list[Result], options: dict[str, Any], outcome: Outcome
) -> None:
    assert (await Sending(*results).failed(**options)).outcome is outcome


@in_virtual_time
async def test_the_doubt_of_one_request_is_not_anothers() -> None:
    """All requests that wait for one token get one and the same exception if it fails."""
    sending = Sending()
    shared = TokenFailure("token_rejected", "words")
    sending.tokens.failures = [shared, shared]
    assert (await sending.failed(resumed=True)).outcome is Outcome.UNKNOWN
    certain = await sending.failed()
    assert (certain.detail, certain.outcome) == ("words", Outcome.NOT_SENT)


# --- A refused token --------------------------------------------------------------------------


UNAUTHORIZED = reply(401, "400")


@in_virtual_time
async def test_a_refused_token_is_renewed_once_without_a_pause() -> None:
    sending = Sending(reply(401))
    await sending.answered()
    assert [token for _, token, _ in sending.tries] == ["token-1", "token-2"]
    assert (sending.tokens.renewed, sending.pauses) == (["token-1"], [])
    sending = Sending(*[reply(401)] * 3)
    problem = await sending.failed()
    assert ending(problem) == ("partner_center_unauthorized", Outcome.REJECTED)
    assert len(sending.tries) == 2


@in_virtual_time
async def test_a_401_that_passes_by_itself_needs_no_other_token() -> None:
    """TokenCache gives the same token again where it was renewed a moment ago."""
    sending = Sending(reply(401), CREATED, reply(401))
    sending.tokens.renews = False
    await sending.answered()
    await sending.answered()
    assert [token for _, token, _ in sending.tries] == ["token-1"] * 4


@pytest.mark.parametrize(
    ("try_seconds", "token_seconds", "failure", "code"),
    [
        (0, 0, TokenFailure("token_rejected", "words"), "token_rejected"),
        (0, 0, TokenFailure("consent_required", "words"), "consent_required"),
        (10, 200, None, "deadline_exceeded"),
        (30, 0, None, "deadline_exceeded"),
        (29.5, 0, None, "deadline_exceeded"),
    ],
)
@in_virtual_time
async def test_why_a_token_was_not_renewed_is_told_and_the_401_had_no_effect(
    try_seconds: float, token_seconds: float, failure: TokenFailure | None, code: str
) -> None:
    sending = Sending(UNAUTHORIZED, seconds=try_seconds)
    sending.tokens.renewal_failure = failure
    sent = asyncio.create_task(sending.failed(deadline=30))
    await asyncio.sleep(0)
    sending.tokens.seconds = token_seconds
    problem = await sent
    assert ending(problem) == (code, Outcome.REJECTED)
    assert problem.fault
    assert (problem.fault.status, problem.fault.code) == (401, "400")
    assert problem.trace == Trace("request-1", {"MS-CV": "cv-401"})
    assert len(sending.tries) == 1


@pytest.mark.parametrize(
    ("pause", "tries"), [(60, 1), (2, 2)], ids=["a pause for the caller", "a pause for us"]
)
@in_virtual_time
async def test_a_renewal_that_fails_for_now_has_its_pause(pause: int, tries: int) -> None:
    sending = Sending(*[reply(401)] * 9)
    sending.tokens.renewal_failure = Problem("token_unavailable", "words", retry_after=pause)
    problem = await sending.failed(deadline=4)
    assert ending(problem) == ("token_unavailable", Outcome.REJECTED)
    assert (problem.retry_after, problem.kind.retryable) == (pause, True)
    assert sending.times == [0, 2][:tries]


@in_virtual_time
async def test_the_doubt_of_an_earlier_try_outlasts_a_renewal_that_fails() -> None:
    sending = Sending(LOST, reply(401))
    sending.tokens.renewal_failure = TokenFailure("token_rejected", "words")
    assert ending(await sending.failed()) == ("token_rejected", Outcome.UNKNOWN)


@in_virtual_time
async def test_the_claims_that_a_401_demands_go_to_the_renewal() -> None:
    challenge = {"www-authenticate": 'Bearer error="insufficient_claims", claims="e30="'}
    sending = Sending(Reply(401, challenge, b""), CREATED, reply(401))
    await sending.answered()
    await sending.answered()
    assert sending.tokens.claims == ["e30=", None]


@in_virtual_time
async def test_a_401_to_one_request_of_many_is_the_refusal_of_that_request() -> None:
    sending = Sending(CREATED, *[UNAUTHORIZED] * 4, CREATED, *[UNAUTHORIZED] * 2)
    await sending.answered()
    for customer in (ONE, TWO):
        problem = await sending.failed(customer)
        assert ending(problem) == ("partner_center_forbidden", Outcome.REJECTED)
        assert problem.fault
        assert (problem.kind.status, problem.fault.status) == (403, 401)
        assert problem.trace == Trace("request-1", {"MS-CV": "cv-401"})
    await sending.answered()
    assert (await sending.failed()).code == "partner_center_forbidden"


@in_virtual_time
async def test_a_token_that_is_not_mfa_compliant_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warned = Reply(201, {"ismfacompliant": " False"}, b"{}")
    fine = Reply(201, {"ismfacompliant": "true"}, b"{}")
    sending = Sending(fine, warned, CREATED, warned, reply(401), warned)
    for _ in range(4):
        await sending.answered()
    assert len(caplog.records) == 1
    await sending.answered()  # With another token.
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "MFA" in caplog.text
    assert "token-" not in caplog.text


# --- Places for requests under way ------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3])
@in_virtual_time
async def test_no_more_requests_are_under_way_than_allowed(limit: int) -> None:
    sending = Sending(max_concurrent=limit, seconds=1)
    await asyncio.gather(*(sending.answered(f"customer-{number}") for number in range(12)))
    assert (sending.most_under_way, monotonic()) == (limit, 12 / limit)


@in_virtual_time
async def test_a_request_without_a_place_fails_at_its_deadline() -> None:
    sending = Sending(max_concurrent=1, seconds=50)
    first = asyncio.create_task(sending.answered(ONE))
    await asyncio.sleep(0)
    problem = await sending.failed(TWO, deadline=20)
    assert ending(problem) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert monotonic() == 20
    await first
    assert len(sending.tries) == 1


async def _gets_its_place_at_the_deadline(sending: Sending) -> None:
    first = asyncio.create_task(sending.answered())
    await asyncio.sleep(0)
    await sending.failed(TWO, deadline=10)
    await first


async def _throttled_while_it_waits(sending: Sending) -> None:
    sending.results = [PAUSE]
    await asyncio.gather(sending.failed(), sending.failed())
    await asyncio.sleep(57)


async def _killed(sending: Sending) -> None:
    sending.results = [Killed()]
    with pytest.raises(Killed):
        await sending.answered()


@pytest.mark.parametrize(
    "ends",
    [
        _gets_its_place_at_the_deadline,
        _throttled_while_it_waits,
        _killed,
    ],
)
@in_virtual_time
async def test_a_request_gives_its_place_back_however_it_ends(
    ends: Callable[[Sending], Awaitable[None]],
) -> None:
    sending = Sending(max_concurrent=1, seconds=10)
    await ends(sending)
    sending.seconds = sending.tokens.seconds = 0
    sending.results.clear()
    async with asyncio.timeout(1):
        await sending.answered()
    assert sending.most_under_way <= 1
    places = sending.sender._places
    assert (places._free, places._held, places._waiting) == (1, {}, {})


@in_virtual_time
async def test_a_customer_whose_requests_hang_keeps_no_other_waiting() -> None:
    sending = Sending(max_concurrent=64, seconds=50)
    hanging = [asyncio.create_task(sending.answered(ONE)) for _ in range(70)]
    await asyncio.sleep(1)
    sending.seconds = 0
    await sending.answered(TWO)
    assert (len(sending.tries), monotonic()) == (49, 1)
    await asyncio.gather(*hanging)
    assert sending.times[49:] == [50] * 22
