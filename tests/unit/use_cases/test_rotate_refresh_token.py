"""The daily exchange over a vault and an Entra in memory: dying, failing, and in two instances."""

import itertools
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cart_core.adapters.key_vault import KeyVault
from cart_core.tokens import AccessToken, TokenFailure
from cart_core.use_cases.rotate_refresh_token import KEPT_VERSIONS, LIFETIME, RotateRefreshToken
from tests.kit.fakes import EPOCH_SECONDS, Killed

NAME = "partner-center-refresh-token"
NOW = datetime.fromtimestamp(EPOCH_SECONDS, UTC)
DENIED = TokenFailure("vault_denied", "The vault refuses.")


@dataclass
class Version:
    value: str
    created_on: datetime | None
    version: str
    tags: dict[str, str] | None = None
    expires_on: datetime | None = None
    enabled: bool = True


@dataclass
class World:
    """What outlives a process: the vault's versions, and the tokens that Entra takes.

    `step` is called with the name of each step before it is done.
    """

    step: Callable[[str], None] = lambda name: None
    versions: list[Version] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    issues: bool = True
    now: datetime = NOW
    tick: timedelta = timedelta(0)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def keep(self, value: str, age: timedelta = timedelta(0), **properties: Any) -> None:
        """Store a version, as long ago as `age`."""
        made = f"v{len(self.versions)}"
        self.versions.append(Version(value, self.now - age, made, **properties))
        self.now += self.tick

    def consent(self, value: str, age: timedelta = timedelta(0)) -> None:
        """A person signs in, and stores the new refresh token."""
        self.good.add(value)
        self.keep(value, age)

    @property
    def current(self) -> Version:
        return self.versions[-1]

    @property
    def enabled(self) -> list[str]:
        return [version.value for version in self.versions if version.enabled]

    def works(self) -> bool:
        """Whether a function that starts now gets a token."""
        return self.current.enabled and self.current.value in self.good

    def rotate(self) -> RotateRefreshToken:
        return RotateRefreshToken(
            NAME, Vault(self), lambda: Exchanger(self), clock=self.now.timestamp
        )


class Vault(KeyVault):
    """The real one but for the SDK's client."""

    def __init__(self, world: World) -> None:
        super().__init__("https://vault.example", None)
        self._world = world

    @contextmanager
    def _open(self) -> Iterator[Any]:
        yield self

    def get_secret(self, name: str) -> SimpleNamespace:
        assert name == NAME
        self._world.step("get")
        current = self._world.current
        if not current.enabled:
            raise TokenFailure("secret_missing", "disabled")
        return SimpleNamespace(value=current.value, properties=current)

    def set_secret(self, name: str, value: str, **properties: Any) -> None:
        self._world.step("set")
        self._world.keep(value, **properties)

    def list_properties_of_secret_versions(self, name: str) -> list[Version]:
        self._world.step("list")
        return sorted(
            self._world.versions, key=lambda version: hash((version.version, "any order"))
        )

    def update_secret_properties(self, name: str, version: str, *, enabled: bool) -> None:
        self._world.step("update")
        (found,) = [each for each in self._world.versions if each.version == version]
        found.enabled = enabled


class Exchanger:
    """What EntraTokens does with a refresh token, a look at the vault after a refusal included."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stored: str | None = None
        self._newest = ""

    @property
    def rotated_refresh_token(self) -> str | None:
        return self._newest if self._newest != self._stored else None

    def fetch(self) -> AccessToken:
        world = self._world
        first = self._stored is None
        if first:
            self._stored = self._newest = world.current.value
        world.step("exchange")
        if self._newest not in world.good and not first and self._stored != world.current.value:
            self._stored = self._newest = world.current.value
        if self._newest not in world.good:
            raise TokenFailure("consent_required", "AADSTS700082: sign in again.")
        if world.issues:
            self._newest = f"issued-{next(world.numbers)}"
            world.good.add(self._newest)
        return AccessToken("access", 0.0)


STEPS = ["get", "exchange", "exchange", "get", "set", "get", "get", "list", "update", "update"]
"""A run over the world below: look, exchange, prove, look again, write, read back, tidy up."""


@pytest.fixture
def world() -> World:
    """A vault with a history: two versions too many, and one that was disabled long ago."""
    world = World()
    for days in (40, 20, 10):
        world.consent(f"{days} days old", timedelta(days=days))
    world.versions[0].enabled = False
    world.versions.insert(0, Version("ancient", None, "v-1", enabled=False))
    world.keep("5 days old", timedelta(days=5), tags={"issued": "2026-11-16T12:00:00+00:00"})
    world.good.add("5 days old")
    return world


# --- One run


def test_a_new_token_is_proved_written_read_back_and_then_older_ones_are_disabled(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[str] = []
    world.step = steps.append

    with caplog.at_level(logging.INFO):
        world.rotate()()

    assert steps == STEPS
    assert world.current.value == "issued-1"
    assert world.current.tags == {"issued": "2026-11-22T12:00:00+00:00"}
    assert world.current.expires_on == NOW + LIFETIME
    assert world.enabled == ["5 days old", "issued-1"]
    assert [record.getMessage() for record in caplog.records] == ["refresh token rotated"]


def test_the_next_day_goes_on_from_there(world: World) -> None:
    for day in range(1, 100):
        world.now += timedelta(days=1)
        world.rotate()()
        assert world.works()
        assert len(world.enabled) == KEPT_VERSIONS
        assert world.current.value == world.enabled[-1] == f"issued-{2 * day - 1}"


def test_the_first_version_has_nothing_before_it() -> None:
    world = World()
    world.consent("first", timedelta(days=1))

    world.rotate()()

    assert world.enabled == ["first", "issued-1"]


def test_where_entra_issues_no_new_token_nothing_is_written(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.issues = False

    with pytest.raises(TokenFailure) as failed:
        world.rotate()()

    assert failed.value.code == "token_rejected"
    assert "no new refresh token" in failed.value.detail
    assert world.current.value == "5 days old"
    assert "refresh token rotation failed: token_rejected: " in caplog.text


# --- What a person is told


@pytest.mark.parametrize("days", [0, 1, 6, 59, 89, 120])
def test_a_failure_tells_the_age_as_the_alert_reads_it(
    days: int, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.keep("expired", timedelta(days=days, hours=23))

    with pytest.raises(TokenFailure):
        world.rotate()()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "refresh token rotation failed: consent_required: AADSTS700082: sign in again."),
        ("WARNING", f"refresh token age {days} days; it ends at 90"),
    ]


def test_the_age_is_the_tokens_and_not_the_versions(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.good.clear()

    with pytest.raises(TokenFailure):
        world.rotate()()

    assert "refresh token age 6 days; it ends at 90" in caplog.text


def test_an_age_that_cannot_be_had_does_not_hide_the_failure(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = itertools.count(1)

    def deny(step: str) -> None:
        raise TokenFailure("vault_denied", f"failure {next(numbers)}")

    world.step = deny

    with pytest.raises(TokenFailure) as failed:
        world.rotate()()

    assert failed.value.detail == "failure 1"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


# --- Every step fails, and the process dies at every step


@pytest.mark.parametrize("death", [DENIED, Killed()], ids=["failure", "death"])
@pytest.mark.parametrize("number", range(len(STEPS)))
def test_wherever_it_ends_the_vault_holds_a_working_token(
    world: World,
    number: int,
    death: BaseException,
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps: list[str] = []

    def end(name: str) -> None:
        assert world.works()
        steps.append(name)
        if len(steps) == number + 1:
            raise death

    world.step = end
    with pytest.raises(type(death)):
        world.rotate()()
    assert steps[: number + 1] == STEPS[: number + 1]

    assert world.works()
    assert world.current.value == ("issued-1" if number > STEPS.index("set") else "5 days old")
    assert "5 days old" in world.enabled
    if death is DENIED:
        (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert (
            error.getMessage() == "refresh token rotation failed: vault_denied: The vault refuses."
        )
        assert re.search(r"refresh token age (\d+) days", caplog.text)

    world.step = lambda name: None
    world.now += timedelta(days=1)
    world.rotate()()
    assert world.works()
    assert len(world.enabled) == KEPT_VERSIONS


def test_a_token_that_entra_refuses_at_once_is_never_written(world: World) -> None:
    def refuse(step: str) -> None:
        world.good.discard("issued-1")

    world.step = refuse

    with pytest.raises(TokenFailure):
        world.rotate()()

    assert world.current.value == "5 days old"


# --- Somebody else at the same time


class Turns:
    """Runs two instances step by step in a given order."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._go = [threading.Semaphore(0), threading.Semaphore(0)]
        self._stopped = threading.Semaphore(0)
        self._local = threading.local()
        self._ended = [False, False]
        self.failures: list[BaseException] = []
        world.step = self._step

    def _step(self, name: str) -> None:
        if name != "exchange":  # what one of them asks of Entra does not concern the other
            self._stopped.release()
            self._go[self._local.number].acquire()

    def _run(self, number: int) -> None:
        self._local.number = number
        try:
            self._world.rotate()()
        except BaseException as failure:
            self.failures.append(failure)
        self._ended[number] = True
        self._stopped.release()

    def play(self, order: tuple[int, ...]) -> None:
        """The instance of each number makes a step; one that has ended leaves it to the other."""
        threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in (0, 1)]
        for thread in threads:
            thread.start()
            assert self._stopped.acquire(timeout=10)
        for turn in itertools.chain(order, itertools.cycle((0, 1))):
            if all(self._ended):
                break
            number = turn if not self._ended[turn] else 1 - turn
            self._go[number].release()
            assert self._stopped.acquire(timeout=10)
            assert self._world.works(), order
        for thread in threads:
            thread.join(10)


def orders(steps: int) -> Iterator[tuple[int, ...]]:
    """Every order of two times `steps` steps, the first instance beginning."""
    for second in itertools.combinations(range(1, 2 * steps), steps):
        yield tuple(int(turn in second) for turn in range(2 * steps))


@pytest.mark.parametrize("tick", [0, 1], ids=["in one second", "second by second"])
def test_two_instances_are_harmless_in_every_order(tick: int) -> None:
    # get, get, set, get, get, list, update
    count = 0
    for order in orders(7):
        world = World(tick=timedelta(seconds=tick))
        world.consent("2 days old", timedelta(days=2))
        world.consent("1 day old", timedelta(days=1))
        turns = Turns(world)

        turns.play(order)

        assert turns.failures == [], order
        assert world.works(), order
        assert world.current.value.startswith("issued-"), order
        assert world.versions[-2].enabled, order
        assert len(world.enabled) in (2, 3), order
        assert set(world.enabled) <= world.good
        count += 1
    assert count == 1716


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_a_person_who_signs_in_again_meanwhile_is_not_overruled(world: World, number: int) -> None:
    steps: list[str] = []

    def sign_in(name: str) -> None:
        if len(steps) == number:
            world.consent("signed in again")
        steps.append(name)

    world.step = sign_in
    world.tick = timedelta(seconds=1)
    world.rotate()()

    assert world.works()
    assert "signed in again" in world.enabled
    # Otherwise it started from the new token, or looked a moment before it was there.
    if number not in (0, STEPS.index("set")):
        assert world.current.value == "signed in again"


def test_a_token_that_was_revoked_meanwhile_does_not_replace_a_persons_new_one(
    world: World,
) -> None:
    steps: list[str] = []

    def revoke(name: str) -> None:
        if steps == ["get", "exchange"]:
            world.good.clear()
            world.consent("signed in again")
        steps.append(name)

    world.step = revoke
    world.rotate()()

    assert world.current.value == "signed in again"
    assert world.works()
