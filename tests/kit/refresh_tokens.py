"""A vault with the versions of a refresh token, and an Entra that exchanges them, in memory."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from cart_core.adapters.key_vault import KeyVault
from cart_core.tokens import AccessToken, TokenFailure
from cart_core.use_cases.rotate_refresh_token import RotateRefreshToken
from tests.kit.fakes import EPOCH_SECONDS

NAME = "partner-center-refresh-token"
NOW = datetime.fromtimestamp(EPOCH_SECONDS, UTC)


@dataclass
class Version:
    """A version of the secret, as the vault's SDK shows it."""

    value: str
    created_on: datetime | None
    version: str
    tags: dict[str, str] | None = None
    expires_on: datetime | None = None
    enabled: bool = True


@dataclass
class RefreshTokens:
    """What outlives a process: the vault's versions, and the `good` tokens that Entra accepts.

    `step` is called with the name of each request to the vault or to Entra before it is done.
    Between two versions passes a `tick`. Entra `issues` a new refresh token at each exchange.
    """

    step: Callable[[str], None] = lambda name: None
    versions: list[Version] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    issues: bool = True
    now: datetime = NOW
    tick: timedelta = timedelta(0)
    pauses: list[float] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def store(self, value: str, age: timedelta = timedelta(0), **properties: Any) -> None:
        """Store a version, as long ago as `age`."""
        version = f"v{len(self.versions)}"
        self.versions.append(Version(value, self.now - age, version, **properties))
        self.now += self.tick

    def sign_in(self, value: str, age: timedelta = timedelta(0)) -> None:
        """A person signs in, and stores the new refresh token."""
        self.good.add(value)
        self.store(value, age)

    @property
    def current(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    @property
    def enabled(self) -> list[str]:
        """The tokens in all versions that are enabled."""
        return [version.value for version in self.versions if version.enabled]

    def works(self) -> bool:
        """Whether a function that starts now gets a token."""
        return self.current.enabled and self.current.value in self.good

    def rotation(self) -> RotateRefreshToken:
        """The use case, as one more process has it. What it waits for is noted in `pauses`."""
        return RotateRefreshToken(
            NAME,
            _Vault(self),
            lambda: _Exchanger(self),
            clock=self.now.timestamp,
            sleep=self.pauses.append,
        )


class _Vault(KeyVault):
    """The adapter of Key Vault, over a client in memory."""

    def __init__(self, tokens: RefreshTokens) -> None:
        super().__init__("https://vault.example", None)
        self._tokens = tokens

    @contextmanager
    def _open(self) -> Iterator[Any]:
        yield self

    def get_secret(self, name: str) -> SimpleNamespace:
        assert name == NAME
        self._tokens.step("get")
        current = self._tokens.current
        if not current.enabled:
            raise TokenFailure("secret_missing", "disabled")
        return SimpleNamespace(value=current.value, properties=current)

    def set_secret(self, name: str, value: str, **properties: Any) -> None:
        self._tokens.step("set")
        self._tokens.store(value, **properties)

    def list_properties_of_secret_versions(self, name: str) -> list[Version]:
        self._tokens.step("list")
        # The vault lists versions in no order.
        return sorted(self._tokens.versions, key=lambda version: hash((version.version, "salt")))

    def update_secret_properties(self, name: str, version: str, *, enabled: bool) -> None:
        self._tokens.step("update")
        [found] = [each for each in self._tokens.versions if each.version == version]
        found.enabled = enabled


class _Exchanger:
    """What EntraTokens does with a refresh token: after a refusal it looks into the vault again."""

    def __init__(self, tokens: RefreshTokens) -> None:
        self._tokens = tokens
        self._stored: str | None = None
        self._newest = ""

    @property
    def rotated_refresh_token(self) -> str | None:
        return self._newest if self._newest != self._stored else None

    def fetch(self) -> AccessToken:
        tokens = self._tokens
        first = self._stored is None
        if first:
            self._stored = self._newest = tokens.current.value
        tokens.step("exchange")
        if self._newest not in tokens.good and not first and self._stored != tokens.current.value:
            self._stored = self._newest = tokens.current.value
        if self._newest not in tokens.good:
            raise TokenFailure("consent_required", "AADSTS700082: sign in again.")
        if tokens.issues:
            self._newest = f"issued-{next(tokens.numbers)}"
            tokens.good.add(self._newest)
        return AccessToken("access", 0.0)
