"""The cache of access tokens: when to fetch a token, and how long to use it. It knows no vendor.

A look-up ends in one of three ways. A token that is still valid is returned at once. Once it is old
enough to be replaced, it is still returned, and a newer one is fetched in the background. Where
there is no valid token, all callers wait for the same fetch.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
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
"""Seconds between two background fetches, and for which a token that `renew` fetched counts as new.

A failure that is not retryable is repeated to all callers for as long.
"""

BRIEF: Final = 1.0
"""Seconds for which a retryable failure is repeated: many requests must not cause many fetches.

A failure that asks for a pause is repeated for that pause instead.
"""

REPLACE_AFTER: Final = 900.0
"""Seconds after which a token for Partner Center is replaced, long before its end.

A secret that a person has stored in the meantime is then used: for a sign-in of another agent, say.
"""

ONCE_MORE_AFTER: Final = 0.5
"""Seconds after which a fetch that failed is tried once more, before anybody hears of it."""

LONGEST_LIFE: Final = 86_400.0
"""Seconds for which a token is used at most. Microsoft's tokens live for a day at the longest."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token, and its end in POSIX seconds."""

    value: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Renewal:
    """Why a fetch must not use what is known already: the last token was refused.

    `claims` is what the refusal demands of the next token, in the words of its claims challenge.
    """

    claims: str | None = None


Fetch = Callable[[Renewal | None], AccessToken]
"""Fetches a new token. It blocks, and raises TokenFailure."""


class TokenFailure(Problem):
    """No token could be obtained.

    `detail` says what to do about it. It is safe to show and to log: it may hold the name of a
    setting or of a secret and an AADSTS number, but no value and no text of another party.
    `retry_after` is the pause in seconds that the service in question has asked for.
    """

    code: FailureCode

    def __init__(self, code: FailureCode, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(code, detail, retry_after=retry_after)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    def repeated(self, elapsed: float = 0.0) -> "TokenFailure":
        """An equal failure so many seconds later, without the traceback of this one.

        The frames of a traceback may hold secrets, and no two callers may raise the same object.
        """
        pause = self.retry_after
        left = None if pause is None else max(1, math.ceil(pause - elapsed))
        return TokenFailure(self.code, self.detail, retry_after=left)


class RequestedPause:
    """The pause that one service has asked for: nobody asks it anything before that is over.

    `clock` returns POSIX seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failure: TokenFailure | None = None
        self._failed_at = -math.inf

    @contextmanager
    def observed(self) -> Iterator[None]:
        """Around a request to the service. Raises TokenFailure instead during the pause."""
        failure = self._failure
        if failure and 0 <= (elapsed := self._clock() - self._failed_at) < _pause(failure):
            raise failure.repeated(elapsed)
        try:
            yield
        except TokenFailure as caught:
            if caught.retry_after is not None:
                self._failure, self._failed_at = caught.repeated(), self._clock()
            raise


class TokenCache:
    """The access token of one credential, shared by all requests on an event loop.

    `fetch` runs in a thread. It is called again while an earlier call is running only where that
    call has taken more than `deadline` seconds. A token that is `replace_after` seconds old is
    replaced in the background. `clock` returns POSIX seconds.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        deadline: float = 30.0,
        replace_after: float = math.inf,
    ) -> None:
        self._fetch_token = fetch
        self._clock = clock
        self._sleep = sleep
        self._deadline = deadline
        self._replace_after = replace_after
        self._token: AccessToken | None = None
        self._claims: str | None = None  # what the kept token was demanded to meet
        self._failure: TokenFailure | None = None
        self._attempt = 0
        self._task: asyncio.Task[AccessToken] | None = None
        self._task_claims: str | None = None
        self._started_at = self._fetched_at = self._renewed_at = self._failed_at = -math.inf

    async def get(self) -> AccessToken:
        """A valid token; at once where the cache holds one.

        Raises TokenFailure where no token could be fetched, now or a short time ago.
        """
        token = self._token
        if token is None or (seconds_left := token.expires_at - self._clock()) <= 0:
            return await self._wait_for_token(None)
        old = seconds_left <= EARLY or not self._recent(self._fetched_at, self._replace_after)
        if old and not self._recent(self._started_at, PAUSE) and self._standing_failure() is None:
            self._start_fetch(None)
        return token

    async def renew(self, rejected: AccessToken, claims: str | None = None) -> AccessToken:
        """A token to use instead of `rejected`, which Partner Center has answered with a 401.

        This is the token in the cache where that is a different one, else a newly fetched one. A
        token that was renewed less than PAUSE seconds ago is returned again, because another one
        would be refused for the same reason. `claims` are the demands of a claims challenge: the
        token was fetched with them. Raises TokenFailure.
        """
        while claims not in (None, self._task_claims) and (running := self._running_fetch()):
            await asyncio.wait([running])  # It does not fetch what is demanded.
        token = self._token
        meets_claims = claims in (None, self._claims)
        if token is None or (token.value != rejected.value and meets_claims):
            return await self.get()
        if meets_claims and self._recent(self._renewed_at, PAUSE) and not self._running_fetch():
            return token
        return await self._wait_for_token(Renewal(claims))

    async def _wait_for_token(self, renewal: Renewal | None) -> AccessToken:
        """The token of the running fetch, or of a new one. Raises TokenFailure."""
        task = self._running_fetch()
        if task is None:
            if failure := self._standing_failure():
                raise failure
            task = self._start_fetch(renewal)
        try:
            # The shield keeps the fetch running for the others where this caller is cancelled.
            return await asyncio.shield(task)
        except TokenFailure as failure:
            repeated = failure.repeated()
        raise repeated

    def _standing_failure(self) -> TokenFailure | None:
        """The last failure, for as long as no new fetch may begin."""
        failure = self._failure
        if failure is None or not self._recent(self._failed_at, _pause(failure)):
            return None
        return failure.repeated(self._clock() - self._failed_at)

    def _running_fetch(self) -> asyncio.Task[AccessToken] | None:
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            return None
        return task

    def _start_fetch(self, renewal: Renewal | None) -> asyncio.Task[AccessToken]:
        """The running fetch, or a new one."""
        if (task := self._running_fetch()) is None:
            self._started_at = self._clock()
            self._task_claims = renewal.claims if renewal else None
            self._task = task = asyncio.create_task(self._fetch(renewal))
            task.add_done_callback(_retrieve_exception)
        return task

    async def _fetch(self, renewal: Renewal | None) -> AccessToken:
        try:
            async with asyncio.timeout(self._deadline):
                token = await self._fetch_or_try_once_more(renewal)
        except TimeoutError:
            failure = TokenFailure(
                "token_unavailable", f"No token came within {self._deadline:g} seconds; try again."
            )
        except TokenFailure as error:
            failure = error.repeated()
        else:
            self._token, self._failure, self._attempt = token, None, 0
            self._claims = renewal.claims if renewal else None
            self._fetched_at = self._clock()
            if renewal:
                self._renewed_at = self._fetched_at
            return token
        self._failure, self._failed_at = failure, self._clock()
        _LOG.warning("No new token: %s", failure)
        raise failure

    async def _fetch_or_try_once_more(self, renewal: Renewal | None) -> AccessToken:
        try:
            return await self._fetch_once(renewal)
        except TokenFailure as failure:
            if not failure.kind.retryable or failure.retry_after is not None:
                raise
        await self._sleep(ONCE_MORE_AFTER)
        return await self._fetch_once(renewal)

    async def _fetch_once(self, renewal: Renewal | None) -> AccessToken:
        self._attempt += 1
        with telemetry.span("token.fetch", attempt=self._attempt):
            token = await asyncio.to_thread(self._fetch_token, renewal)
            return usable(token, self._clock())

    def _recent(self, moment: float, seconds: float) -> bool:
        return 0 <= self._clock() - moment < seconds


def usable(token: AccessToken, now: float) -> AccessToken:
    """The token, with an end after LONGEST_LIFE at the latest. `now` is in POSIX seconds.

    Raises TokenFailure for one that has ended, or that no header can carry.
    """
    if not re.fullmatch("[!-~]+", token.value):
        raise TokenFailure(
            "token_unavailable", "The token that was issued cannot be sent as a header."
        )
    if not token.expires_at > now:  # It may be no number at all.
        raise TokenFailure(
            "token_unavailable",
            "The token that was issued has ended already; is this machine's clock right?",
        )
    latest = now + LONGEST_LIFE
    return token if token.expires_at <= latest else AccessToken(token.value, latest)


def _pause(failure: TokenFailure) -> float:
    """Seconds for which a failure is repeated instead of trying again."""
    if failure.retry_after is not None:
        return failure.retry_after
    return BRIEF if failure.kind.retryable else PAUSE


def _retrieve_exception(task: asyncio.Task[AccessToken]) -> None:
    """Logs a bug in a fetch.

    It also keeps asyncio from logging that nobody retrieved the exception of a background fetch.
    """
    error = None if task.cancelled() else task.exception()
    if error and not isinstance(error, TokenFailure):
        _LOG.error("Fetching a token broke down: %s", type(error).__name__)
