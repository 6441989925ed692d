"""Getting one request through to Partner Center: token, throttle, repetition, within a deadline.

Only failures that `may_retry` names are repeated, always under the same MS-RequestId (as
Microsoft's own SDK does). Once one try has left it open whether Partner Center acted, the whole
operation stays open: a later refusal speaks of that try alone.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from cart_core import telemetry
from cart_core.deadline import Deadline
from cart_core.partner_center.errors import classify, in_doubt, may_retry
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.partner_center.throttle import Throttle
from cart_core.problem import Outcome, Problem
from cart_core.tokens import AccessToken

TRY_TIMEOUT: Final = 60.0
"""Seconds for one try; the timestamps in Partner Center's examples say 4 to 19 s for a cart."""

MAX_TRIES: Final = 5
BACKOFF_FIRST = 0.5
"""Seconds; before try n+1 passes a random time of up to 2^(n-1) times this (full jitter)."""

T = TypeVar("T")


class Tokens(Protocol):
    """Where Partner Center tokens come from."""

    async def get(self) -> AccessToken:
        """A valid token. Raises TokenFailure."""

    async def renew(self, rejected: AccessToken) -> AccessToken:
        """A newer token than one that Partner Center refused. Raises TokenFailure."""


Send = Callable[[AccessToken, float], Awaitable[Reply | NoReply]]
"""One try, with a token and the seconds it may take."""


class Forwarding:
    """Sends requests of all customers; one for the process.

    `clock` gives POSIX seconds. A Retry-After of up to `longest_wait` seconds is waited for here, a
    longer one is the caller's; `max_concurrent` limits the calls under way.
    """

    def __init__(
        self,
        tokens: Tokens,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        uniform: Callable[[float, float], float],
        longest_wait: float,
        max_concurrent: int,
    ) -> None:
        self._tokens = tokens
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform
        self._longest_wait = longest_wait
        self._places = asyncio.Semaphore(max_concurrent)
        self._throttle = Throttle()

    async def run(
        self,
        customer_id: str,
        send: Send,
        read: Callable[[Reply], T],
        deadline: Deadline,
        *,
        resumed: bool = False,
        has_effect: bool = True,
        worth_repeating: Callable[[Problem], bool] = may_retry,
    ) -> T:
        """What `read` makes of the first 2xx. `resumed`: an earlier run may have been successful.

        Without `has_effect`, a failure leaves nothing open. Raises Problem, also where `read` does.
        """
        open_question = resumed

        def worth_it(error: BaseException) -> bool:
            return (
                isinstance(error, Problem)
                and worth_repeating(error)
                and (error.retry_after or 0) <= self._longest_wait
            )

        def enough(state: RetryCallState) -> bool:
            return state.attempt_number >= MAX_TRIES or state.upcoming_sleep >= deadline.remaining()

        tries = AsyncRetrying(
            retry=retry_if_exception(worth_it),
            wait=self._wait,
            stop=enough,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            async for attempt in tries:
                with attempt:
                    try:
                        return await self._try(customer_id, send, read, deadline)
                    except Problem as problem:
                        if has_effect and problem.outcome is Outcome.UNKNOWN:
                            open_question = True
                        raise
        except Problem as problem:
            if open_question:
                raise in_doubt(problem) from None
            raise
        raise AssertionError("the loop ends by a result or an exception")

    async def _try(
        self, customer_id: str, send: Send, read: Callable[[Reply], T], deadline: Deadline
    ) -> T:
        async with self._place(customer_id, deadline):
            result = await self._send(send, deadline)
        verdict = classify(result, self._clock())
        if isinstance(verdict, Reply):
            return read(verdict)
        if verdict.code == "partner_center_throttled":
            self._throttle.close(customer_id, verdict.retry_after or 0, deadline.clock())
            telemetry.count_throttle(verdict.retry_after or 0)
        raise verdict

    @asynccontextmanager
    async def _place(self, customer_id: str, deadline: Deadline) -> AsyncIterator[None]:
        """A place among the calls under way, at a moment when the throttle is off."""
        while True:
            await self._pass_throttle(customer_id, deadline)
            if self._places.locked():
                async with _until(deadline):
                    await self._places.acquire()
            else:
                await self._places.acquire()  # at once; a time-out would cost more than it
            if not self._throttle.wait(customer_id, deadline.clock()):
                break
            self._places.release()  # it went on while we stood in line
        try:
            yield
        finally:
            self._places.release()

    async def _pass_throttle(self, customer_id: str, deadline: Deadline) -> None:
        wait = self._throttle.wait(customer_id, deadline.clock())
        if wait > min(self._longest_wait, deadline.remaining()):
            raise Problem(
                "partner_center_throttled",
                "Partner Center asked for a pause that is not over yet; nothing was sent.",
                retry_after=math.ceil(wait),
                outcome=Outcome.NOT_SENT,
            )
        if wait > 0:  # not all at once when the pause is over
            await self._sleep(wait + self._uniform(0, BACKOFF_FIRST))

    async def _send(self, send: Send, deadline: Deadline) -> Reply | NoReply:
        """One try; where Partner Center refuses the token, once more with a renewed one."""
        async with _until(deadline):
            token = await self._tokens.get()
        result = await send(token, _try_seconds(deadline))
        if not isinstance(result, Reply) or result.status != 401:
            return result
        try:
            async with _until(deadline):
                token = await self._tokens.renew(token)
            seconds = _try_seconds(deadline)
        except Problem:
            return result
        return await send(token, seconds)

    def _wait(self, state: RetryCallState) -> float:
        limit = BACKOFF_FIRST * 2 ** (state.attempt_number - 1)
        problem = state.outcome.exception() if state.outcome else None
        asked = problem.retry_after if isinstance(problem, Problem) else None
        return (asked or 0) + self._uniform(0, limit)


@asynccontextmanager
async def _until(deadline: Deadline) -> AsyncIterator[None]:
    """Raises Problem `deadline_exceeded` for what is not done in time."""
    try:
        async with asyncio.timeout(deadline.remaining()):
            yield
    except TimeoutError:
        raise _exceeded() from None


def _try_seconds(deadline: Deadline) -> float:
    """How long a try may take that begins now. Raises Problem `deadline_exceeded`."""
    left = deadline.remaining()
    if not left:
        raise _exceeded()
    return min(TRY_TIMEOUT, left)


def _exceeded() -> Problem:
    return Problem("deadline_exceeded", "There was no time left to send the request.")
