"""The daily rotation of the refresh token: dying, failing, and in two instances at once."""

import itertools
import logging
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta

import pytest

from cart_core.tokens import TokenFailure
from cart_core.use_cases.rotate_refresh_token import KEPT_VERSIONS, LIFETIME, ONCE_MORE_AFTER
from tests.kit.fakes import Killed
from tests.kit.refresh_tokens import NOW, RefreshTokens, Version

DENIED = TokenFailure("vault_denied", "The vault refuses.")

STEPS = ["get", "exchange", "exchange", "get", "set", "get", "get", "list", "update", "update"]
"""A run over the tokens below: look, exchange, prove, look again, write, read back, tidy up."""


@pytest.fixture
def tokens() -> RefreshTokens:
    """A vault with a history: two versions too many, and one that was disabled long ago."""
    tokens = RefreshTokens()
    for days in (40, 20, 10):
        tokens.sign_in(f"{days} days old", timedelta(days=days))
    tokens.versions[0].enabled = False
    tokens.versions.insert(0, Version("ancient", None, "v-1", enabled=False))
    tokens.store("5 days old", timedelta(days=5), tags={"issued": "2026-11-16T12:00:00+00:00"})
    tokens.good.add("5 days old")
    return tokens


# --- One run ----------------------------------------------------------------------------------


def test_a_new_token_is_proved_written_read_back_and_then_older_ones_are_disabled(
    tokens: RefreshTokens, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[str] = []
    tokens.step = steps.append
    with caplog.at_level(logging.INFO):
        tokens.rotation()()
    assert steps == STEPS
    assert tokens.current.value == "issued-1"
    assert tokens.current.tags == {"issued": "2026-11-22T12:00:00+00:00"}
    assert tokens.current.expires_on == NOW + LIFETIME
    assert tokens.enabled == ["5 days old", "issued-1"]
    assert caplog.messages == ["refresh token rotated"]


def test_if_entra_issues_no_new_token_nothing_is_written(
    tokens: RefreshTokens, caplog: pytest.LogCaptureFixture
) -> None:
    tokens.issues = False
    with pytest.raises(TokenFailure) as failed:
        tokens.rotation()()
    assert failed.value.code == "token_rejected"
    assert "no new refresh token" in failed.value.detail
    assert tokens.current.value == "5 days old"
    assert "refresh token rotation failed: token_rejected: " in caplog.text


# --- What an operator reads -------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, 1, 59, 120])
def test_a_failure_logs_the_age_as_the_alert_reads_it(
    days: int, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = RefreshTokens()
    tokens.store("expired", timedelta(days=days, hours=23))
    with pytest.raises(TokenFailure):
        tokens.rotation()()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "refresh token rotation failed: consent_required: AADSTS700082: sign in again."),
        ("WARNING", f"refresh token age {days} days; it ends at 90"),
    ]


def test_an_age_that_cannot_be_read_does_not_hide_the_failure(
    tokens: RefreshTokens, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = itertools.count(1)

    def deny(step: str) -> None:
        raise TokenFailure("vault_denied", f"failure {next(numbers)}")

    tokens.step = deny
    with pytest.raises(TokenFailure) as failed:
        tokens.rotation()()
    assert failed.value.detail == "failure 1"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


# --- Every step fails, and the process dies at every step -------------------------------------


@pytest.mark.parametrize("end", [DENIED, Killed()], ids=["failure", "death"])
@pytest.mark.parametrize("number", range(len(STEPS)))
def test_wherever_it_ends_the_vault_holds_a_working_token(
    tokens: RefreshTokens, number: int, end: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[str] = []

    def step(name: str) -> None:
        assert tokens.works()
        steps.append(name)
        if len(steps) == number + 1:
            raise end

    tokens.step = step
    with pytest.raises(type(end)):
        tokens.rotation()()
    assert steps[: number + 1] == STEPS[: number + 1]

    assert tokens.works()
    assert tokens.current.value == ("issued-1" if number > STEPS.index("set") else "5 days old")
    assert "5 days old" in tokens.enabled
    if end is DENIED:
        failure, age = caplog.messages
        assert failure == "refresh token rotation failed: vault_denied: The vault refuses."
        assert age.startswith("refresh token age ")

    tokens.step = lambda name: None
    tokens.now += timedelta(days=1)
    tokens.rotation()()
    assert tokens.works()
    assert len(tokens.enabled) == KEPT_VERSIONS


@pytest.mark.parametrize(
    ("asked", "times", "pauses", "rotated"),
    [
        (None, 1, [ONCE_MORE_AFTER], True),
        (60, 1, [60], True),
        (61, 1, [], False),
        (None, 2, [ONCE_MORE_AFTER], False),
    ],
)
@pytest.mark.parametrize("number", range(len(STEPS)))
def test_a_failure_that_passes_is_tried_once_more_before_anybody_hears_of_it(
    tokens: RefreshTokens,
    number: int,
    asked: int | None,
    times: int,
    pauses: list[float],
    rotated: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps, failing = itertools.count(), iter([number, number + 1][:times])
    failing_step = next(failing)

    def step(name: str) -> None:
        nonlocal failing_step
        if next(steps) == failing_step:
            failing_step = next(failing, -1)
            raise TokenFailure("vault_unavailable", "Not now.", retry_after=asked)

    tokens.step, tokens.tick = step, timedelta(seconds=1)
    with caplog.at_level(logging.INFO), nullcontext() if rotated else pytest.raises(TokenFailure):
        tokens.rotation()()
    assert tokens.pauses == pauses
    assert (caplog.messages == ["refresh token rotated"]) == rotated
    assert tokens.works()
    assert not rotated or len(tokens.enabled) == KEPT_VERSIONS


def test_a_token_that_entra_refuses_at_once_is_never_written(tokens: RefreshTokens) -> None:
    tokens.step = lambda name: tokens.good.discard("issued-1")
    with pytest.raises(TokenFailure):
        tokens.rotation()()
    assert tokens.current.value == "5 days old"


# --- Somebody else at the same time -----------------------------------------------------------


class Instances:
    """Two instances that rotate the same token, step by step in a given order."""

    def __init__(self, tokens: RefreshTokens) -> None:
        self._tokens = tokens
        self._go = [threading.Semaphore(0), threading.Semaphore(0)]
        self._stopped = threading.Semaphore(0)
        self._local = threading.local()
        self._ended = [False, False]
        self.failures: list[BaseException] = []
        tokens.step = self._step

    def _step(self, name: str) -> None:
        if name != "exchange":  # What one of them asks of Entra does not concern the other.
            self._stopped.release()
            self._go[self._local.number].acquire()

    def _run(self, number: int) -> None:
        self._local.number = number
        try:
            self._tokens.rotation()()
        except BaseException as failure:
            self.failures.append(failure)
        self._ended[number] = True
        self._stopped.release()

    def run(self, order: list[int]) -> None:
        """The instance of each number makes a step; one that has ended leaves it to the other."""
        threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in (0, 1)]
        for thread in threads:
            thread.start()
            self._stopped.acquire()
        for turn in itertools.chain(order, itertools.cycle((0, 1))):
            if all(self._ended):
                break
            number = turn if not self._ended[turn] else 1 - turn
            self._go[number].release()
            self._stopped.acquire()
            assert self._tokens.works(), order
        for thread in threads:
            thread.join()


def orders(steps: int, changes: int) -> Iterator[list[int]]:
    """Every order of `steps` steps each in which the turn changes at most so many times."""
    for order in itertools.product((0, 1), repeat=2 * steps - 1):
        turns = [0, *order]
        if sum(turns) == steps and sum(map(int.__ne__, turns, turns[1:])) <= changes:
            yield turns


@pytest.mark.parametrize("tick", [0, 1], ids=["in one second", "second by second"])
def test_two_instances_are_harmless_in_every_order(tick: int) -> None:
    count = 0
    for order in orders(7, changes=4):  # get, get, set, get, get, list, update
        tokens = RefreshTokens(tick=timedelta(seconds=tick))
        tokens.sign_in("2 days old", timedelta(days=2))
        tokens.sign_in("1 day old", timedelta(days=1))
        instances = Instances(tokens)

        instances.run(order)

        assert instances.failures == [], order
        assert tokens.works(), order
        assert tokens.current.value.startswith("issued-"), order
        assert tokens.versions[-2].enabled, order
        assert len(tokens.enabled) in (2, 3), order
        assert set(tokens.enabled) <= tokens.good
        count += 1
    assert count == 133


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_a_person_who_signs_in_again_meanwhile_is_not_overruled(
    tokens: RefreshTokens, number: int
) -> None:
    steps: list[str] = []

    def step(name: str) -> None:
        if len(steps) == number:
            tokens.sign_in("signed in again")
        steps.append(name)

    tokens.step = step
    tokens.tick = timedelta(seconds=1)
    tokens.rotation()()
    assert tokens.works()
    assert "signed in again" in tokens.enabled
    # Otherwise it started from the new token, or looked a moment before it was there.
    if number not in (0, STEPS.index("set")):
        assert tokens.current.value == "signed in again"


def test_a_token_that_was_revoked_meanwhile_does_not_replace_a_persons_new_one(
    tokens: RefreshTokens,
) -> None:
    steps: list[str] = []

    def step(name: str) -> None:
        if steps == ["get", "exchange"]:
            tokens.good.clear()
            tokens.sign_in("signed in again")
        steps.append(name)

    tokens.step = step
    tokens.rotation()()
    assert tokens.current.value == "signed in again"
    assert tokens.works()
