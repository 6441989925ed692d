"""The cache of access tokens: when to fetch a token, and how long to use it. It knows no vendor.

A look-up ends in one of three ways. A token that is still valid is returned at once. In the last
EARLY seconds before its end it is still returned, and a newer one is fetched in the background.
Where there is no valid token, all callers wait for the same fetch.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from cart_core import telemetry
from cart_core.problem import Problem

_LOG = logging.getLogger(__name__)

FailureCode = Literal[
    "managed_identity_unavailable",
    "vault_unavailable",
    "vault_denied",
    "secret_missing",
    "token_unavailable",
    "token_rejected",
    "consent_required",
]

EARLY: Final = 300.0
"""Seconds before a token's end from which on a newer one is fetched in the background."""

PAUSE: Final = 30.0
"""Seconds between two background fetches, and between two fetches that `renew` starts.

A failure that is not retryable is repeated to all callers for as long.
"""

BRIEF: Final = 1.0
"""Seconds for which a retryable failure is repeated: many requests must not cause many fetches."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token, and its end in POSIX seconds."""

    value: str = field(repr=False)
    expires_at: float


class TokenFailure(Problem):
    """No token could be obtained.

    `detail` says what to do about it. It is safe to show and to log: it may hold the name of a
    setting or of a secret and an AADSTS number, but no value and no text of another party.
    """

    code: FailureCode

    def __init__(self, code: FailureCode, detail: str) -> None:
        super().__init__(code, detail)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class TokenCache:
    """The access token of one credential, shared by all requests on an event loop.

    `fetch` blocks, so it runs in a thread. It is called again while an earlier call is running only
    where that call has taken more than `deadline` seconds. `clock` returns POSIX seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], AccessToken],
        *,
        clock: Callable[[], float] = time.time,
        deadline: float = 30.0,
    ) -> None:
        self._fetch_token = fetch
        self._clock = clock
        self._deadline = deadline
        self._token: AccessToken | None = None
        self._failure: TokenFailure | None = None
        self._attempt = 0
        self._task: asyncio.Task[AccessToken] | None = None
        self._started_at = self._forced_at = self._failed_at = -math.inf

    async def get(self) -> AccessToken:
        """A valid token; at once where the cache holds one.

        Raises TokenFailure where no token could be fetched, now or a short time ago.
        """
        token = self._token
        if token is None or (seconds_left := token.expires_at - self._clock()) <= 0:
            return await self._wait_for_token()
        if seconds_left <= EARLY and not self._recent(self._started_at):
            self._start_fetch()
        return token

    async def renew(self, rejected: AccessToken) -> AccessToken:
        """A token to use instead of `rejected`, which Partner Center has answered with a 401.

        This is the token in the cache where that is a different one, else a newly fetched one. It
        starts a fetch at most once in PAUSE seconds, and raises TokenFailure at once before that.
        """
        if self._token is None or self._token.value != rejected.value:
            return await self.get()
        if not self._running_fetch():
            if self._recent(self._forced_at):
                raise _copy(self._failure) if self._failure else _new_token_rejected()
            self._forced_at = self._clock()
            if self._failure is None or self._failure.kind.retryable:
                self._start_fetch()
        return await self._wait_for_token()

    async def _wait_for_token(self) -> AccessToken:
        """The token of the running fetch, or of a new one. Raises TokenFailure."""
        task = self._running_fetch()
        if task is None:
            failure = self._failure
            if failure and self._recent(
                self._failed_at, BRIEF if failure.kind.retryable else PAUSE
            ):
                raise _copy(failure)
            task = self._start_fetch()
        try:
            # The shield keeps the fetch running for the others where this caller is cancelled.
            return await asyncio.shield(task)
        except TokenFailure as failure:
            copy = _copy(failure)  # several callers must not raise the same exception object
        raise copy

    def _running_fetch(self) -> asyncio.Task[AccessToken] | None:
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            return None
        return task

    def _start_fetch(self) -> asyncio.Task[AccessToken]:
        """The running fetch, or a new one."""
        if (task := self._running_fetch()) is None:
            self._started_at = self._clock()
            self._task = task = asyncio.create_task(self._fetch())
            task.add_done_callback(_retrieve_exception)
        return task

    async def _fetch(self) -> AccessToken:
        self._attempt += 1
        try:
            with telemetry.span("token.fetch", attempt=self._attempt):
                async with asyncio.timeout(self._deadline):
                    token = await asyncio.to_thread(self._fetch_token)
            if not re.fullmatch("[!-~]+", token.value):
                raise TokenFailure(
                    "token_unavailable", "The token that was issued cannot be sent as a header."
                )
        except TimeoutError:
            failure = TokenFailure(
                "token_unavailable", f"No token came within {self._deadline:g} seconds; try again."
            )
        except TokenFailure as error:
            failure = _copy(error)
        else:
            self._token, self._failure, self._attempt = token, None, 0
            return token
        self._failure, self._failed_at = failure, self._clock()
        _LOG.warning("No new token: %s", failure)
        raise failure

    def _recent(self, moment: float, seconds: float = PAUSE) -> bool:
        return 0 <= self._clock() - moment < seconds


def _copy(failure: TokenFailure) -> TokenFailure:
    """An equal failure without the original's traceback, whose frames may hold secrets."""
    return TokenFailure(failure.code, failure.detail)


def _new_token_rejected() -> TokenFailure:
    return TokenFailure(
        "token_rejected",
        "Partner Center rejects a token that was newly issued; see its own error for the reason.",
    )


def _retrieve_exception(task: asyncio.Task[AccessToken]) -> None:
    """Logs a bug in a fetch.

    It also keeps asyncio from logging that nobody retrieved the exception of a background fetch.
    """
    error = None if task.cancelled() else task.exception()
    if error and not isinstance(error, TokenFailure):
        _LOG.error("Fetching a token broke down: %s", type(error).__name__)
