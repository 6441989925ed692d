"""The cache of access tokens: one fetch for all, failures that are repeated, forced renewal."""

import asyncio
import logging
import math
import threading
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import pytest

from cart_core.problem import CATALOGUE
from cart_core.tokens import (
    BRIEF,
    LONGEST_LIFE,
    ONCE_MORE_AFTER,
    AccessToken,
    FailureCode,
    Renewal,
    RequestedPause,
    TokenCache,
    TokenFailure,
)

LIFE = 3600.0
DEFINITE = TokenFailure("token_rejected", "wrong secret")
PASSING = TokenFailure("token_unavailable", "Entra is down")
THROTTLED = TokenFailure("vault_unavailable", "too many requests", retry_after=60)


class Entra:
    """Gives out token-1, token-2 and so on to a `cache`, at the time `now`.

    `failing` makes it fail as long as `failures` lasts, `gate` makes it wait. It counts its `calls`
    and notes what each was demanded. A second try comes at once, after a pause that is noted.
    """

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.calls = 0
        self.demands: list[Renewal | None] = []
        self.failing: BaseException | None = None
        self.failures = math.inf
        self.life = LIFE
        self.pauses: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self.cache = self.new_cache()

    def new_cache(self, **options: Any) -> TokenCache:
        return TokenCache(self.fetch, clock=lambda: self.now, sleep=self._pause, **options)

    def fetch(self, renewal: Renewal | None) -> AccessToken:
        self.calls += 1
        self.demands.append(renewal)
        call = self.calls
        assert self.gate.wait(60)
        if self.failing and self.failures:
            self.failures -= 1
            raise self.failing
        return AccessToken(f"token-{call}", self.now + self.life)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def entra() -> Entra:
    return Entra()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a thread has no event to wait for
            await asyncio.sleep(0.001)


async def settled() -> None:
    """Lets background fetches come to their end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


async def failure_of(attempt: Awaitable[AccessToken]) -> TokenFailure:
    with pytest.raises(TokenFailure) as caught:
        await attempt
    return caught.value


def test_a_token_does_not_show_its_value() -> None:
    assert "planted" not in repr(AccessToken("planted", 1.0))


async def test_a_token_is_fetched_once_and_used_until_it_ends(entra: Entra) -> None:
    first = await entra.cache.get()
    entra.now += LIFE - 300.1
    assert await entra.cache.get() is first
    await settled()
    assert entra.calls == 1
    entra.now += 300.1
    assert (await entra.cache.get()).value == "token-2"


async def test_a_kept_token_comes_without_giving_up_the_loop(entra: Entra) -> None:
    await entra.cache.get()
    look_up = entra.cache.get()
    with pytest.raises(StopIteration):
        look_up.send(None)


@pytest.mark.parametrize("renewing", [False, True], ids=["get", "renew"])
async def test_200_callers_wait_for_one_fetch(entra: Entra, renewing: bool) -> None:
    rejected = await entra.cache.get() if renewing else None
    calls = entra.calls + 1
    entra.gate.clear()
    callers = [
        asyncio.create_task(entra.cache.renew(rejected) if rejected else entra.cache.get())
        for _ in range(200)
    ]
    await until(lambda: entra.calls == calls)
    entra.gate.set()
    assert {token.value for token in await asyncio.gather(*callers)} == {f"token-{calls}"}
    assert entra.calls == calls


@pytest.mark.parametrize("others", [0, 2])
async def test_a_cancelled_caller_ends_the_fetch_for_nobody(entra: Entra, others: int) -> None:
    entra.gate.clear()
    first, *waiting = [asyncio.create_task(entra.cache.get()) for _ in range(1 + others)]
    await until(lambda: entra.calls == 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    entra.gate.set()
    tokens = await asyncio.gather(*waiting, entra.cache.get())
    assert {token.value for token in tokens} == {"token-1"}
    assert entra.calls == 1


async def test_a_token_in_its_last_minutes_is_returned_while_a_newer_one_is_fetched(
    entra: Entra,
) -> None:
    await entra.cache.get()
    entra.now += LIFE - 300
    entra.gate.clear()
    for _ in range(3):
        assert (await entra.cache.get()).value == "token-1"
    await until(lambda: entra.calls == 2)
    entra.gate.set()
    await settled()
    assert (await entra.cache.get()).value == "token-2"
    assert entra.calls == 2


@pytest.mark.parametrize(
    ("failing", "pause", "tries"),
    [(PASSING, 30, 2), (DEFINITE, 30, 1), (THROTTLED, 60, 1)],
    ids=["passing", "definite", "throttled"],
)
async def test_a_failed_early_fetch_keeps_the_valid_token_and_waits(
    entra: Entra,
    failing: TokenFailure,
    pause: float,
    tries: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await entra.cache.get()
    entra.now += LIFE - 299
    entra.failing = failing
    for seconds, fetches in ((0, 1), (pause - 0.1, 1), (0.1, 2), (pause - 0.1, 2), (0.2, 3)):
        entra.now += seconds
        assert (await entra.cache.get()).value == "token-1"
        await settled()
        assert entra.calls == 1 + fetches * tries
    levels = [record.levelno for record in caplog.records if record.name == "cart_core.tokens"]
    assert levels == [logging.WARNING] * 3
    entra.failing = None
    entra.now += pause
    await entra.cache.get()
    await settled()
    assert (await entra.cache.get()).value == f"token-{2 + 3 * tries}"


@pytest.mark.parametrize("asked", [None, 3, 60, 3600])
@pytest.mark.parametrize("code", get_args(FailureCode))
async def test_a_failure_stands_for_the_pause_it_asks_for_else_a_second_or_thirty(
    entra: Entra, code: FailureCode, asked: int | None
) -> None:
    seconds = float(asked or (1 if CATALOGUE[code].retryable else 30))
    entra.failing = TokenFailure(code, "a reason", retry_after=asked)
    first = await failure_of(entra.cache.get())
    assert (first.code, first.retry_after) == (code, asked)
    calls, entra.failing = entra.calls, None
    assert calls == (2 if CATALOGUE[code].retryable and asked is None else 1)
    entra.now += seconds - 0.5
    remembered = await failure_of(entra.cache.get())
    assert (remembered.code, remembered.detail) == (code, "a reason")
    assert remembered.retry_after == (asked and 1)
    assert entra.calls == calls
    entra.now += 0.5
    assert (await entra.cache.get()).value == f"token-{calls + 1}"


@pytest.mark.parametrize("code", get_args(FailureCode))
async def test_a_passing_failure_is_tried_once_more_before_anybody_hears_of_it(
    entra: Entra, code: FailureCode, caplog: pytest.LogCaptureFixture
) -> None:
    entra.failing, entra.failures = TokenFailure(code, "a reason"), 1
    if CATALOGUE[code].retryable:
        assert (await entra.cache.get()).value == "token-2"
        assert (entra.pauses, caplog.messages) == ([ONCE_MORE_AFTER], [])
    else:
        assert (await failure_of(entra.cache.get())).code == code
        assert (entra.calls, entra.pauses, len(caplog.messages)) == (1, [], 1)


async def test_many_requests_in_an_outage_are_one_fetch_a_second(entra: Entra) -> None:
    entra.failing = PASSING
    for _ in range(80):  # ten seconds
        failures = await asyncio.gather(*(failure_of(entra.cache.get()) for _ in range(20)))
        assert {str(failure) for failure in failures} == {str(PASSING)}
        assert len({id(failure) for failure in failures}) == 20
        entra.now += 0.125
    assert entra.calls == 20  # ten fetches, each tried once more
    entra.failing = None
    assert (await entra.cache.get()).value == "token-21"


async def test_a_second_counts_from_the_end_of_the_fetch_that_failed(entra: Entra) -> None:
    entra.failing = PASSING
    entra.gate.clear()
    first = asyncio.create_task(failure_of(entra.cache.get()))
    await until(lambda: entra.calls == 1)
    entra.now += 20
    entra.gate.set()
    await first
    entra.now += BRIEF / 2
    await failure_of(entra.cache.get())
    assert entra.calls == 2


@pytest.mark.parametrize("failing", [PASSING, DEFINITE], ids=lambda failure: failure.code)
async def test_a_clock_set_back_does_not_prolong_a_failure(
    entra: Entra, failing: TokenFailure
) -> None:
    entra.failing = failing
    await failure_of(entra.cache.get())
    calls, entra.failing = entra.calls, None
    entra.now -= 3600
    assert (await entra.cache.get()).value == f"token-{calls + 1}"


async def test_failures_bring_nothing_along(entra: Entra) -> None:
    def failing_with_context(_: Renewal | None) -> AccessToken:
        try:
            raise ValueError("planted")
        except ValueError:
            raise DEFINITE from None

    caught = [await failure_of(TokenCache(failing_with_context).get())]
    entra.failing = DEFINITE
    caught += [await failure_of(entra.cache.get()), await failure_of(entra.cache.get())]
    for failure in caught:
        assert failure.__context__ is None
        assert failure.__cause__ is None


async def test_renew_joins_an_early_fetch(entra: Entra) -> None:
    rejected = await entra.cache.get()
    entra.now += LIFE - 10
    entra.gate.clear()
    await entra.cache.get()
    renewed = asyncio.create_task(entra.cache.renew(rejected))
    await until(lambda: entra.calls == 2)
    entra.gate.set()
    assert (await renewed).value == "token-2"
    assert entra.calls == 2


async def test_a_token_that_was_renewed_in_the_last_30_seconds_is_returned_again(
    entra: Entra,
) -> None:
    """Where Partner Center refuses it as well, another one would be refused too."""
    rejected = await entra.cache.get()
    renewed = await entra.cache.renew(rejected)
    for seconds in (0, 29.9):
        entra.now += seconds
        for token in (rejected, renewed):
            assert await entra.cache.renew(token) is renewed
    assert entra.demands == [None, Renewal()]
    entra.now += 0.1
    assert (await entra.cache.renew(renewed)).value == "token-3"


@pytest.mark.parametrize("early", [True, False], ids=["an early fetch failed", "it fails itself"])
@pytest.mark.parametrize(
    ("failing", "pause"),
    [(DEFINITE, 30), (PASSING, 1), (THROTTLED, 60)],
    ids=["definite", "passing", "throttled"],
)
async def test_a_renewal_that_fails_tells_why_and_waits_no_longer_than_any_fetch(
    entra: Entra, failing: TokenFailure, pause: float, early: bool
) -> None:
    rejected = await entra.cache.get()
    entra.failing = failing
    if early:
        entra.now += LIFE - 200
        await entra.cache.get()
        await settled()
    else:
        await failure_of(entra.cache.renew(rejected))
    calls = entra.calls
    entra.now += pause - 0.5
    failure = await failure_of(entra.cache.renew(rejected))
    assert (failure.code, failure.detail) == (failing.code, failing.detail)
    assert failure.retry_after == (1 if failing is THROTTLED else None)
    assert entra.calls == calls
    entra.now += 0.5
    entra.failing = None
    assert (await entra.cache.renew(rejected)).value == f"token-{calls + 1}"


# --- Claims challenges


async def test_claims_are_demanded_once_and_the_token_that_meets_them_is_kept(
    entra: Entra,
) -> None:
    challenged = await entra.cache.renew(await entra.cache.get())
    met = await entra.cache.renew(challenged, "claims")  # though a token was renewed just now
    assert entra.demands == [None, Renewal(), Renewal("claims")]
    for claims in ("claims", None):
        assert await entra.cache.renew(challenged, claims) is met
        assert await entra.cache.renew(met, claims) is met
    assert await entra.cache.get() is met
    assert (await entra.cache.renew(met, "others")).value == "token-4"


async def test_a_fetch_without_the_claims_is_not_taken_for_one_with_them(entra: Entra) -> None:
    challenged = await entra.cache.get()
    entra.now += LIFE - 10
    entra.gate.clear()
    await entra.cache.get()
    renewals = [asyncio.create_task(entra.cache.renew(challenged, "claims")) for _ in range(5)]
    await until(lambda: entra.calls == 2)
    entra.gate.set()
    assert {token.value for token in await asyncio.gather(*renewals)} == {"token-3"}
    assert entra.demands == [None, None, Renewal("claims")]


# --- How long a token is used


async def test_a_token_of_a_certain_age_is_replaced_in_the_background(entra: Entra) -> None:
    cache = entra.new_cache(replace_after=900.0)
    for seconds, value, calls in ((0, 1, 1), (899.9, 1, 1), (0.1, 1, 2), (0, 2, 2), (900, 2, 3)):
        entra.now += seconds
        assert (await cache.get()).value == f"token-{value}"
        await settled()
        assert entra.calls == calls


@pytest.mark.parametrize("life", [0.0, -1.0, -math.inf, math.nan])
async def test_a_token_without_a_life_is_a_failure_like_any_other(
    entra: Entra, life: float
) -> None:
    entra.life = life
    for _ in range(10):
        failure = await failure_of(entra.cache.get())
    assert (failure.code, entra.calls) == ("token_unavailable", 2)
    assert "clock" in failure.detail
    entra.life = LIFE
    entra.now += BRIEF
    assert (await entra.cache.get()).value == "token-3"


@pytest.mark.parametrize("life", [math.inf, 1e300, LONGEST_LIFE + 1])
async def test_no_token_is_used_for_longer_than_a_day(entra: Entra, life: float) -> None:
    entra.life = life
    assert (await entra.cache.get()).expires_at == entra.now + LONGEST_LIFE


# --- Pauses


@pytest.mark.parametrize("asked", [1, 60, 3600])
def test_a_service_is_not_asked_before_the_pause_is_over(entra: Entra, asked: int) -> None:
    pause, calls = RequestedPause(lambda: entra.now), 0

    def call(failure: TokenFailure | None) -> None:
        nonlocal calls
        with pause.observed():
            calls += 1
            if failure:
                raise failure

    with pytest.raises(TokenFailure):
        call(PASSING)  # It asks for no pause.
    with pytest.raises(TokenFailure):
        call(TokenFailure("vault_unavailable", "full", retry_after=asked))
    entra.now += asked - 0.5
    with pytest.raises(TokenFailure, match="full") as caught:
        call(None)
    assert (calls, caught.value.retry_after) == (2, 1)
    entra.now += 0.5
    call(None)
    assert calls == 3


# --- What goes wrong


async def test_a_fetch_that_hangs_is_given_up(entra: Entra) -> None:
    cache = entra.new_cache(deadline=0.01)
    entra.gate.clear()
    failure = await failure_of(cache.get())
    assert failure.code == "token_unavailable"
    assert "0.01 seconds" in failure.detail
    entra.gate.set()
    entra.now += BRIEF
    cache._deadline = 60  # the next fetch is not to be given up, however slow the machine is
    await cache.get()


async def test_a_bug_is_not_taken_for_a_failure(
    entra: Entra, caplog: pytest.LogCaptureFixture
) -> None:
    entra.failing = ZeroDivisionError("planted")
    with pytest.raises(ZeroDivisionError):
        await entra.cache.get()
    assert "ZeroDivisionError" in caplog.text
    assert "planted" not in caplog.text
    entra.failing = None
    assert (await entra.cache.get()).value == "token-2"


def test_a_fetch_on_one_loop_is_not_awaited_on_another(entra: Entra) -> None:
    async def start() -> asyncio.Task[AccessToken]:
        waiting = asyncio.create_task(entra.cache.get())
        await until(lambda: entra.calls == 1)
        return waiting

    entra.gate.clear()
    with asyncio.Runner() as first, asyncio.Runner() as second:
        waiting = first.run(start())
        entra.gate.set()
        assert second.run(entra.cache.get()).value == "token-2"
        assert first.run(asyncio.wait_for(waiting, 60)).value == "token-1"


@pytest.mark.parametrize("value", ["", "a b", "a\r\nX-Admin: 1", "caf\u00e9", "a\x00"])
async def test_a_token_that_no_header_can_carry_is_not_kept(value: str) -> None:
    now = 1_000_000.0
    bad, good = (AccessToken(text, now + LIFE) for text in (value, "good"))
    tokens = [bad, bad, good]
    cache = TokenCache(lambda _: tokens.pop(0), clock=lambda: now, sleep=lambda _: asyncio.sleep(0))
    failure = await failure_of(cache.get())
    assert (failure.code, failure.outcome) == ("token_unavailable", "not_sent")
    assert not value or value not in failure.detail
    now += BRIEF
    assert (await cache.get()).value == "good"
