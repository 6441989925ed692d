"""The cache of access tokens: one fetch for all, failures that are repeated, forced renewal."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import get_args

import pytest

from cart_core.problem import CATALOGUE
from cart_core.tokens import BRIEF, PAUSE, AccessToken, FailureCode, TokenCache, TokenFailure

LIFE = 3600.0
DEFINITE = TokenFailure("token_rejected", "wrong secret")
PASSING = TokenFailure("token_unavailable", "Entra is down")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Fetch:
    """Gives out token-1, token-2 and so on. `failing` makes it fail, `gate` makes it wait."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls = 0
        self.failing: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> AccessToken:
        self.calls += 1
        call = self.calls
        assert self.gate.wait(60)
        if self.failing:
            raise self.failing
        return AccessToken(f"token-{call}", self.clock.now + LIFE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetch(clock: Clock) -> Fetch:
    return Fetch(clock)


@pytest.fixture
def cache(fetch: Fetch, clock: Clock) -> TokenCache:
    return TokenCache(fetch, clock=clock)


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


def test_every_code_says_whether_it_is_retryable() -> None:
    assert set(get_args(FailureCode)) <= set(CATALOGUE)
    assert not TokenFailure("consent_required", "sign in").kind.retryable
    assert TokenFailure("vault_unavailable", "try again").kind.retryable


def test_a_token_does_not_show_its_value() -> None:
    assert "planted" not in repr(AccessToken("planted", 1.0))


async def test_a_token_is_fetched_once_and_used_until_it_ends(
    cache: TokenCache, fetch: Fetch, clock: Clock
) -> None:
    first = await cache.get()
    clock.now += LIFE - 300.1
    assert await cache.get() is first
    await settled()
    assert fetch.calls == 1
    clock.now += 300.1
    assert (await cache.get()).value == "token-2"


async def test_a_kept_token_comes_without_giving_up_the_loop(cache: TokenCache) -> None:
    await cache.get()
    look_up = cache.get()
    with pytest.raises(StopIteration):
        look_up.send(None)


@pytest.mark.parametrize("renewing", [False, True], ids=["get", "renew"])
async def test_200_callers_wait_for_one_fetch(
    cache: TokenCache, fetch: Fetch, renewing: bool
) -> None:
    rejected = await cache.get() if renewing else None
    calls = fetch.calls + 1
    fetch.gate.clear()
    callers = [
        asyncio.create_task(cache.renew(rejected) if rejected else cache.get()) for _ in range(200)
    ]
    await until(lambda: fetch.calls == calls)
    fetch.gate.set()
    assert {token.value for token in await asyncio.gather(*callers)} == {f"token-{calls}"}
    assert fetch.calls == calls


@pytest.mark.parametrize("others", [0, 2])
async def test_a_cancelled_caller_ends_the_fetch_for_nobody(
    cache: TokenCache, fetch: Fetch, others: int
) -> None:
    fetch.gate.clear()
    first, *waiting = [asyncio.create_task(cache.get()) for _ in range(1 + others)]
    await until(lambda: fetch.calls == 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    fetch.gate.set()
    tokens = await asyncio.gather(*waiting, cache.get())
    assert {token.value for token in tokens} == {"token-1"}
    assert fetch.calls == 1


async def test_a_token_in_its_last_minutes_is_returned_while_a_newer_one_is_fetched(
    cache: TokenCache, fetch: Fetch, clock: Clock
) -> None:
    await cache.get()
    clock.now += LIFE - 300
    fetch.gate.clear()
    for _ in range(3):
        assert (await cache.get()).value == "token-1"
    await until(lambda: fetch.calls == 2)
    fetch.gate.set()
    await settled()
    assert (await cache.get()).value == "token-2"
    assert fetch.calls == 2


@pytest.mark.parametrize("failing", [PASSING, DEFINITE], ids=lambda failure: failure.code)
async def test_a_failed_early_fetch_keeps_the_valid_token_and_waits_30_seconds(
    cache: TokenCache,
    fetch: Fetch,
    clock: Clock,
    failing: TokenFailure,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await cache.get()
    clock.now += LIFE - 299
    fetch.failing = failing
    for seconds, calls in ((0, 2), (29.9, 2), (0.1, 3), (29.9, 3), (0.2, 4)):
        clock.now += seconds
        assert (await cache.get()).value == "token-1"
        await settled()
        assert fetch.calls == calls
    assert [r.levelno for r in caplog.records if r.name == "cart_core.tokens"] == [
        logging.WARNING
    ] * 3
    fetch.failing = None
    clock.now += 30
    await cache.get()
    await settled()
    assert (await cache.get()).value == "token-5"


RETRYABLE = [code for code in get_args(FailureCode) if CATALOGUE[code].retryable]
FINAL = [code for code in get_args(FailureCode) if not CATALOGUE[code].retryable]


@pytest.mark.parametrize(
    ("code", "seconds"), [(code, BRIEF) for code in RETRYABLE] + [(code, PAUSE) for code in FINAL]
)
async def test_a_failure_stands_for_a_second_or_where_it_is_definite_for_thirty(
    cache: TokenCache, fetch: Fetch, clock: Clock, code: FailureCode, seconds: float
) -> None:
    assert (BRIEF, PAUSE) == (1.0, 30.0)
    fetch.failing = TokenFailure(code, "a reason")
    assert (await failure_of(cache.get())).code == code
    fetch.failing = None
    clock.now += seconds - 0.001
    remembered = await failure_of(cache.get())
    assert (remembered.code, remembered.detail) == (code, "a reason")
    assert fetch.calls == 1
    clock.now += 0.001
    assert (await cache.get()).value == "token-2"


async def test_many_requests_in_an_outage_are_one_fetch_a_second(
    cache: TokenCache, fetch: Fetch, clock: Clock
) -> None:
    fetch.failing = PASSING
    for _ in range(80):  # ten seconds
        failures = await asyncio.gather(*(failure_of(cache.get()) for _ in range(20)))
        assert {str(failure) for failure in failures} == {str(PASSING)}
        assert len({id(failure) for failure in failures}) == 20
        clock.now += 0.125
    assert fetch.calls == 10
    fetch.failing = None
    assert (await cache.get()).value == "token-11"


async def test_a_second_counts_from_the_end_of_the_fetch_that_failed(
    cache: TokenCache, fetch: Fetch, clock: Clock
) -> None:
    fetch.failing = PASSING
    fetch.gate.clear()
    first = asyncio.create_task(failure_of(cache.get()))
    await until(lambda: fetch.calls == 1)
    clock.now += 20
    fetch.gate.set()
    await first
    clock.now += BRIEF / 2
    await failure_of(cache.get())
    assert fetch.calls == 1


async def test_after_a_success_an_earlier_failure_is_not_repeated(
    cache: TokenCache, fetch: Fetch, clock: Clock
) -> None:
    fetch.failing = DEFINITE
    await failure_of(cache.get())
    fetch.failing = None
    clock.now += PAUSE
    renewed = await cache.renew(await cache.get())
    assert renewed.value == "token-3"
    assert "newly issued" in (await failure_of(cache.renew(renewed))).detail


@pytest.mark.parametrize("failing", [PASSING, DEFINITE], ids=lambda failure: failure.code)
async def test_a_clock_set_back_does_not_prolong_a_failure(
    cache: TokenCache, fetch: Fetch, clock: Clock, failing: TokenFailure
) -> None:
    fetch.failing = failing
    await failure_of(cache.get())
    fetch.failing = None
    clock.now -= 3600
    assert (await cache.get()).value == "token-2"


async def test_failures_bring_nothing_along(cache: TokenCache, fetch: Fetch) -> None:
    def failing_with_context() -> AccessToken:
        try:
            raise ValueError("planted")
        except ValueError:
            raise DEFINITE from None

    caught = [await failure_of(TokenCache(failing_with_context).get())]
    fetch.failing = DEFINITE
    caught += [await failure_of(cache.get()), await failure_of(cache.get())]
    for failure in caught:
        assert failure.__context__ is None
        assert failure.__cause__ is None


async def test_renew_fetches_a_newer_token_once(cache: TokenCache, fetch: Fetch) -> None:
    rejected = await cache.get()
    assert (await cache.renew(rejected)).value == "token-2"
    assert (await cache.get()).value == "token-2"
    assert (await cache.renew(rejected)).value == "token-2"
    assert fetch.calls == 2


async def test_renew_joins_an_early_fetch(cache: TokenCache, fetch: Fetch, clock: Clock) -> None:
    rejected = await cache.get()
    clock.now += LIFE - 10
    fetch.gate.clear()
    await cache.get()
    renewed = asyncio.create_task(cache.renew(rejected))
    await until(lambda: fetch.calls == 2)
    fetch.gate.set()
    assert (await renewed).value == "token-2"
    assert fetch.calls == 2


async def test_a_fetch_is_forced_once_in_30_seconds(
    cache: TokenCache, fetch: Fetch, clock: Clock
) -> None:
    renewed = await cache.renew(await cache.get())
    clock.now += 29.9
    failure = await failure_of(cache.renew(renewed))
    assert failure.code == "token_rejected"
    assert "newly issued" in failure.detail
    assert fetch.calls == 2
    clock.now += 0.1
    assert (await cache.renew(renewed)).value == "token-3"


async def test_a_failed_forced_fetch_is_remembered_for_30_seconds(
    cache: TokenCache, fetch: Fetch, clock: Clock
) -> None:
    rejected = await cache.get()
    fetch.failing = PASSING
    for seconds in (0, 29.9):
        clock.now += seconds
        failure = await failure_of(cache.renew(rejected))
        assert (failure.code, failure.detail) == (PASSING.code, PASSING.detail)
    assert fetch.calls == 2
    clock.now += 0.1
    fetch.failing = None
    assert (await cache.renew(rejected)).value == "token-3"


@pytest.mark.parametrize(("failing", "calls"), [(DEFINITE, 2), (PASSING, 3)])
async def test_renew_after_a_failed_early_fetch(
    cache: TokenCache, fetch: Fetch, clock: Clock, failing: TokenFailure, calls: int
) -> None:
    """A definite failure is repeated; one that will pass does not use up the forced fetch."""
    token = await cache.get()
    clock.now += LIFE - 100
    fetch.failing = failing
    await cache.get()
    await settled()
    fetch.failing = None
    if failing is DEFINITE:
        assert (await failure_of(cache.renew(token))).detail == DEFINITE.detail
    else:
        assert (await cache.renew(token)).value == "token-3"
    assert fetch.calls == calls


async def test_a_fetch_that_hangs_is_given_up(fetch: Fetch, clock: Clock) -> None:
    cache = TokenCache(fetch, clock=clock, deadline=0.01)
    fetch.gate.clear()
    failure = await failure_of(cache.get())
    assert failure.code == "token_unavailable"
    assert "0.01 seconds" in failure.detail
    fetch.gate.set()
    clock.now += BRIEF
    cache._deadline = 60  # the next fetch is not to be given up, however slow the machine is
    await cache.get()


async def test_a_bug_is_not_taken_for_a_failure(
    cache: TokenCache, fetch: Fetch, caplog: pytest.LogCaptureFixture
) -> None:
    fetch.failing = ZeroDivisionError("planted")
    with pytest.raises(ZeroDivisionError):
        await cache.get()
    assert "ZeroDivisionError" in caplog.text
    assert "planted" not in caplog.text
    fetch.failing = None
    assert (await cache.get()).value == "token-2"


def test_a_fetch_on_one_loop_is_not_awaited_on_another(cache: TokenCache, fetch: Fetch) -> None:
    async def start() -> asyncio.Task[AccessToken]:
        waiting = asyncio.create_task(cache.get())
        await until(lambda: fetch.calls == 1)
        return waiting

    fetch.gate.clear()
    with asyncio.Runner() as first, asyncio.Runner() as second:
        waiting = first.run(start())
        fetch.gate.set()
        assert second.run(cache.get()).value == "token-2"
        assert first.run(asyncio.wait_for(waiting, 60)).value == "token-1"


@pytest.mark.parametrize("value", ["", "a b", "a\r\nX-Admin: 1", "caf\u00e9", "a\x00"])
async def test_a_token_that_no_header_can_carry_is_not_kept(value: str, clock: Clock) -> None:
    tokens = [AccessToken(value, clock.now + LIFE), AccessToken("good", clock.now + LIFE)]
    cache = TokenCache(lambda: tokens.pop(0), clock=clock)
    with pytest.raises(TokenFailure) as caught:
        await cache.get()
    assert (caught.value.code, caught.value.outcome) == ("token_unavailable", "not_sent")
    assert not value or value not in caught.value.detail
    clock.now += BRIEF
    assert (await cache.get()).value == "good"
