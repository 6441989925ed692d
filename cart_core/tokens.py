"""When to fetch a token and for how long to keep it: policy, free of any vendor.

A look-up ends in one of three ways. A token with life left is returned as it is. In the last
minutes of its life it is still returned, and a newer one is fetched behind the scenes. Without a
valid token everybody waits for one and the same fetch.
"""

import asyncio
import logging
import math
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
"""Seconds before a token's end from which on a newer one is fetched ahead of need."""

PAUSE: Final = 30.0
"""Seconds between two early or two forced fetches, and for which a definite failure stands."""

BRIEF: Final = 1.0
"""Seconds for which a passing failure stands: many requests are no reason for many tries."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and the POSIX time in seconds at which it ends."""

    value: str = field(repr=False)
    expires_at: float


class TokenFailure(Problem):
    """There is no token to be had.

    `detail` says what to do about it and is safe to show and to log: it may name a setting, a
    secret's name or an AADSTS number, never a value and never another party's own words.
    """

    code: FailureCode

    def __init__(self, code: FailureCode, detail: str) -> None:
        super().__init__(code, detail)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class TokenCache:
    """One credential's access token, shared by all requests on an event loop.

    `fetch` blocks and runs in a thread; it is not called twice at once, unless an earlier call has
    outlived `deadline` seconds and was given up. `clock` returns POSIX seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], AccessToken],
        *,
        clock: Callable[[], float] = time.time,
        deadline: float = 30.0,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._deadline = deadline
        self._token: AccessToken | None = None
        self._failure: TokenFailure | None = None
        self._attempt = 0
        self._flight: asyncio.Task[AccessToken] | None = None
        self._started_at = self._forced_at = self._failed_at = -math.inf

    async def get(self) -> AccessToken:
        """A valid token, without waiting wherever there is one.

        Raises TokenFailure where there is none; one that is not retryable stands for PAUSE seconds.
        """
        token = self._token
        if token is None or (life := token.expires_at - self._clock()) <= 0:
            return await self._join()
        if life <= EARLY and not self._recent(self._started_at):
            self._launch()
        return token

    async def renew(self, rejected: AccessToken) -> AccessToken:
        """A token to use instead of `rejected`, which Partner Center has answered with a 401.

        That is the one in the cache where it is another already, else a newly fetched one. A fetch
        is forced once in PAUSE seconds; sooner than that this raises TokenFailure at once.
        """
        if self._token is None or self._token.value != rejected.value:
            return await self.get()
        if not self._under_way():
            if self._recent(self._forced_at):
                raise _copy(self._failure) if self._failure else _rejected_anew()
            self._forced_at = self._clock()
            if self._failure is None or self._failure.kind.retryable:
                self._launch()
        return await self._join()

    async def _join(self) -> AccessToken:
        """The outcome of the fetch under way, else of a new one."""
        flight = self._under_way()
        if flight is None:
            failure = self._failure
            if failure and self._recent(
                self._failed_at, BRIEF if failure.kind.retryable else PAUSE
            ):
                raise _copy(failure)
            flight = self._launch()
        try:
            return await asyncio.shield(flight)  # a waiter that is cancelled spares the others
        except TokenFailure as failure:
            own = _copy(failure)  # one exception must not travel up two stacks
        raise own

    def _under_way(self) -> asyncio.Task[AccessToken] | None:
        flight = self._flight
        if flight is None or flight.done() or flight.get_loop() is not asyncio.get_running_loop():
            return None
        return flight

    def _launch(self) -> asyncio.Task[AccessToken]:
        if (flight := self._under_way()) is None:
            self._started_at = self._clock()
            self._flight = flight = asyncio.create_task(self._refresh())
            flight.add_done_callback(_mark_seen)
        return flight

    async def _refresh(self) -> AccessToken:
        self._attempt += 1
        try:
            with telemetry.span("token.fetch", attempt=self._attempt):
                async with asyncio.timeout(self._deadline):
                    token = await asyncio.to_thread(self._fetch)
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
    """The same without what the original drags along: frames, and replies with secrets in them."""
    return TokenFailure(failure.code, failure.detail)


def _rejected_anew() -> TokenFailure:
    return TokenFailure(
        "token_rejected",
        "Partner Center rejects a token that was newly issued; see its own error for the reason.",
    )


def _mark_seen(flight: asyncio.Task[AccessToken]) -> None:
    """Keeps asyncio from reporting a failed early fetch, for which nobody waits."""
    error = None if flight.cancelled() else flight.exception()
    if error and not isinstance(error, TokenFailure):
        _LOG.error("Fetching a token broke down: %s", type(error).__name__)
