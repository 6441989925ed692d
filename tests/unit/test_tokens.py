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


class Entra:
    """Gives out token-1, token-2 and so on to a `cache`, at the time `now`.

    `failing` makes it fail, `gate` makes it wait. It counts its `calls`.
    """

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.calls = 0
        self.failing: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.cache = TokenCache(self.fetch, clock=lambda: self.now)

    def fetch(self) -> AccessToken:
        self.calls += 1
        call = self.calls
        assert self.gate.wait(60)
        if self.failing:
            raise self.failing
        return AccessToken(f"token-{call}", self.now + LIFE)


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


def test_every_code_says_whether_it_is_retryable() -> None:
    assert set(get_args(FailureCode)) <= set(CATALOGUE)
    assert not TokenFailure("consent_required", "sign in").kind.retryable
    assert TokenFailure("vault_unavailable", "try again").kind.retryable


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


@pytest.mark.parametrize("failing", [PASSING, DEFINITE], ids=lambda failure: failure.code)
async def test_a_failed_early_fetch_keeps_the_valid_token_and_waits_30_seconds(
    entra: Entra, failing: TokenFailure, caplog: pytest.LogCaptureFixture
) -> None:
    await entra.cache.get()
    entra.now += LIFE - 299
    entra.failing = failing
    for seconds, calls in ((0, 2), (29.9, 2), (0.1, 3), (29.9, 3), (0.2, 4)):
        entra.now += seconds
        assert (await entra.cache.get()).value == "token-1"
        await settled()
        assert entra.calls == calls
    levels = [record.levelno for record in caplog.records if record.name == "cart_core.tokens"]
    assert levels == [logging.WARNING] * 3
    entra.failing = None
    entra.now += 30
    await entra.cache.get()
    await settled()
    assert (await entra.cache.get()).value == "token-5"


@pytest.mark.parametrize("code", get_args(FailureCode))
async def test_a_failure_stands_for_a_second_or_where_it_is_definite_for_thirty(
    entra: Entra, code: FailureCode
) -> None:
    seconds = 1.0 if CATALOGUE[code].retryable else 30.0
    entra.failing = TokenFailure(code, "a reason")
    assert (await failure_of(entra.cache.get())).code == code
    entra.failing = None
    entra.now += seconds - 0.001
    remembered = await failure_of(entra.cache.get())
    assert (remembered.code, remembered.detail) == (code, "a reason")
    assert entra.calls == 1
    entra.now += 0.001
    assert (await entra.cache.get()).value == "token-2"


async def test_many_requests_in_an_outage_are_one_fetch_a_second(entra: Entra) -> None:
    entra.failing = PASSING
    for _ in range(80):  # ten seconds
        failures = await asyncio.gather(*(failure_of(entra.cache.get()) for _ in range(20)))
        assert {str(failure) for failure in failures} == {str(PASSING)}
        assert len({id(failure) for failure in failures}) == 20
        entra.now += 0.125
    assert entra.calls == 10
    entra.failing = None
    assert (await entra.cache.get()).value == "token-11"


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
    assert entra.calls == 1


async def test_after_a_success_an_earlier_failure_is_not_repeated(entra: Entra) -> None:
    entra.failing = DEFINITE
    await failure_of(entra.cache.get())
    entra.failing = None
    entra.now += PAUSE
    renewed = await entra.cache.renew(await entra.cache.get())
    assert renewed.value == "token-3"
    assert "newly issued" in (await failure_of(entra.cache.renew(renewed))).detail


@pytest.mark.parametrize("failing", [PASSING, DEFINITE], ids=lambda failure: failure.code)
async def test_a_clock_set_back_does_not_prolong_a_failure(
    entra: Entra, failing: TokenFailure
) -> None:
    entra.failing = failing
    await failure_of(entra.cache.get())
    entra.failing = None
    entra.now -= 3600
    assert (await entra.cache.get()).value == "token-2"


async def test_failures_bring_nothing_along(entra: Entra) -> None:
    def failing_with_context() -> AccessToken:
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


async def test_renew_fetches_a_newer_token_once(entra: Entra) -> None:
    rejected = await entra.cache.get()
    assert (await entra.cache.renew(rejected)).value == "token-2"
    assert (await entra.cache.get()).value == "token-2"
    assert (await entra.cache.renew(rejected)).value == "token-2"
    assert entra.calls == 2


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


async def test_a_fetch_is_forced_once_in_30_seconds(entra: Entra) -> None:
    renewed = await entra.cache.renew(await entra.cache.get())
    entra.now += 29.9
    failure = await failure_of(entra.cache.renew(renewed))
    assert failure.code == "token_rejected"
    assert "newly issued" in failure.detail
    assert entra.calls == 2
    entra.now += 0.1
    assert (await entra.cache.renew(renewed)).value == "token-3"


async def test_a_failed_forced_fetch_is_remembered_for_30_seconds(entra: Entra) -> None:
    rejected = await entra.cache.get()
    entra.failing = PASSING
    for seconds in (0, 29.9):
        entra.now += seconds
        failure = await failure_of(entra.cache.renew(rejected))
        assert (failure.code, failure.detail) == (PASSING.code, PASSING.detail)
    assert entra.calls == 2
    entra.now += 0.1
    entra.failing = None
    assert (await entra.cache.renew(rejected)).value == "token-3"


@pytest.mark.parametrize(("failing", "calls"), [(DEFINITE, 2), (PASSING, 3)])
async def test_renew_after_a_failed_early_fetch(
    entra: Entra, failing: TokenFailure, calls: int
) -> None:
    """A definite failure is repeated; one that will pass does not use up the forced fetch."""
    token = await entra.cache.get()
    entra.now += LIFE - 100
    entra.failing = failing
    await entra.cache.get()
    await settled()
    entra.failing = None
    if failing is DEFINITE:
        assert (await failure_of(entra.cache.renew(token))).detail == DEFINITE.detail
    else:
        assert (await entra.cache.renew(token)).value == "token-3"
    assert entra.calls == calls


async def test_a_fetch_that_hangs_is_given_up(entra: Entra) -> None:
    cache = TokenCache(entra.fetch, clock=lambda: entra.now, deadline=0.01)
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
    tokens = [AccessToken(value, now + LIFE), AccessToken("good", now + LIFE)]
    cache = TokenCache(lambda: tokens.pop(0), clock=lambda: now)
    failure = await failure_of(cache.get())
    assert (failure.code, failure.outcome) == ("token_unavailable", "not_sent")
    assert not value or value not in failure.detail
    now += BRIEF
    assert (await cache.get()).value == "good"
