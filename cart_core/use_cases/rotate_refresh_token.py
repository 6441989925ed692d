"""Renew the refresh token of app+user mode, so that no person has to sign in again.

Entra's refresh tokens end 90 days after they were issued. Each exchange issues a new one and leaves
the old one valid (Entra's "Refresh tokens" page). So a crash between any two steps of the rotation
leaves a working token as the vault's current version, and two instances that rotate at the same
time write two working ones.
"""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from cart_core import telemetry
from cart_core.tokens import AccessToken, TokenFailure

LIFETIME: Final = timedelta(days=90)
KEPT_VERSIONS: Final = 2
"""The current one and the one before it."""

ONCE_MORE_AFTER: Final = 5
"""Seconds after which a rotation that failed is tried once more; the next one is tomorrow's."""

LONGEST_PAUSE: Final = 60
"""Seconds that a service may ask to wait before that; after a longer pause nothing is tried."""

_LOG = logging.getLogger(__name__)


class RefreshTokenVault(Protocol):
    """The vault that holds the refresh token. Everything raises TokenFailure."""

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """The current versions."""

    def issued_at(self, name: str) -> datetime:
        """When the current version was issued."""

    def write(self, name: str, value: str, issued: datetime, expires: datetime) -> None:
        """Add a version, which is then the current one."""

    def disable_older(self, name: str, kept: int) -> None:
        """Disable all versions but the newest `kept`."""


class Exchanger(Protocol):
    """Exchanges the vault's refresh token for an access token and a newer refresh token."""

    @property
    def rotated_refresh_token(self) -> str | None:
        """The newest refresh token, where it is not the vault's."""

    def fetch(self) -> AccessToken:
        """Exchange the newest refresh token. Raises TokenFailure."""


class RotateRefreshToken:
    """The daily exchange of the refresh token called `name`.

    `clock` gives POSIX seconds, `sleep` waits for some.
    """

    def __init__(
        self,
        name: str,
        vault: RefreshTokenVault,
        new_exchanger: Callable[[], Exchanger],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._vault = vault
        self._new_exchanger = new_exchanger
        self._clock = clock
        self._sleep = sleep

    def __call__(self) -> None:
        """Write a new refresh token that works, and disable old versions.

        Blocks. A failure that passes by itself is tried once more. Raises TokenFailure, after it
        has logged the failure and the token's age.
        """
        try:
            with telemetry.span("refresh_token.rotate"):
                self._rotate_or_try_once_more()
        except TokenFailure as failure:
            _LOG.error("refresh token rotation failed: %s", failure)
            with suppress(TokenFailure):
                self._log_age()
            raise
        _LOG.info("refresh token rotated")

    def _rotate_or_try_once_more(self) -> None:
        try:
            return self._rotate()
        except TokenFailure as failure:
            pause = failure.retry_after or ONCE_MORE_AFTER
            if not failure.kind.retryable or pause > LONGEST_PAUSE:
                raise
        self._sleep(pause)
        self._rotate()

    def _rotate(self) -> None:
        before = self._current()
        exchanger = self._new_exchanger()
        exchanger.fetch()
        newest = exchanger.rotated_refresh_token
        if newest is None:
            raise TokenFailure("token_rejected", "Microsoft Entra ID issued no new refresh token.")
        exchanger.fetch()  # Only a token that works may become the current version.
        if self._current() == before:
            # Otherwise a person has signed in again, or another instance was faster.
            issued = datetime.fromtimestamp(self._clock(), UTC)
            self._vault.write(self._name, newest, issued, issued + LIFETIME)
        if self._current() != newest:
            _LOG.info("somebody else has replaced the refresh token at the same time")
        self._vault.disable_older(self._name, KEPT_VERSIONS)

    def _current(self) -> str:
        return self._vault.read([self._name])[self._name]

    def _log_age(self) -> None:
        """Log the token's age in whole days; an alert reads this line."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        age = (now - self._vault.issued_at(self._name)).days
        _LOG.warning("refresh token age %d days; it ends at %d", age, LIFETIME.days)
