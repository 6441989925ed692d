"""Sends one request to Partner Center: with a token, throttled, retried, and before a deadline.

Only failures that `may_retry` names are retried, always under the same MS-RequestId (as Microsoft's
own SDK does). Once one try may have taken effect, the outcome of the whole request stays unknown: a
later refusal says nothing about the earlier try.
"""

import asyncio
import itertools
import logging
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from cart_core import telemetry
from cart_core.call import Answered, Call, Trace
from cart_core.deadline import Deadline
from cart_core.partner_center.error_bodies import read_fault
from cart_core.partner_center.errors import classify, in_doubt, may_retry, not_the_document
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from cart_core.partner_center.foreign_json import foreign_text, read_foreign_json
from cart_core.partner_center.places import Places
from cart_core.partner_center.throttle import Throttle
from cart_core.partner_center.unauthorized import TokenEvidence, claims_challenge, explained
from cart_core.problem import Outcome, Problem
from cart_core.tokens import AccessToken

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

TRY_TIMEOUT: Final = 60.0
"""Seconds for one try; the timestamps in Partner Center's examples say 4 to 19 s for a cart."""

LEAST_TRY_SECONDS: Final = 1.0
"""Seconds. A request that has less time left is not sent, because its answer would be missed."""

MAX_TRIES: Final = 5
BACKOFF_FIRST: Final = 0.5
"""Seconds; before try n+1 passes a random time of up to 2^(n-1) times this (full jitter)."""

GATE_TASK: Final = "close the shared gate"

_TRACING_HEADERS: Final = {"ms-cv": "MS-CV", "ms-serverid": "MS-ServerId"}


class Tokens(Protocol):
    """Where Partner Center tokens come from."""

    async def get(self) -> AccessToken:
        """A valid token. Raises TokenFailure."""

    async def renew(self, rejected: AccessToken, claims: str | None = None) -> AccessToken:
        """The token to use after Partner Center refused one; it may be the same.

        `claims` are what the refusal demands of it. Raises TokenFailure.
        """


@dataclass(slots=True)
class PartnerCenterRequest:
    """A request for one call. `trace` is that of the last try, `tries` counts them.

    `send` makes one try. `read` normalises the JSON document of a 2xx answer; it raises ValueError
    for a document that is something else, and Problem. `has_effect` is False for a request that
    only reads, `purchase` True for a checkout. `may_retry` says after which failures the request
    may be sent again.
    """

    operation: str
    call: Call
    request_id: str
    send: Callable[[Attempt], Awaitable[Reply | NoReply]]
    read: Callable[[Any], dict[str, Any]]
    has_effect: bool = True
    purchase: bool = False
    may_retry: Callable[[Problem], bool] = may_retry
    trace: Trace = field(init=False)
    tries: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.trace = Trace(self.request_id)


class SharedGate(Protocol):
    """What all instances of this app know of Partner Center's throttling. Nothing is raised."""

    async def closed_for(self, customer_id: str) -> float:
        """Seconds until a request for this customer may be sent; 0 if it may be sent now."""

    async def close(self, customer_id: str, seconds: float) -> None:
        """Partner Center asked for a pause of so many seconds for this customer."""


class Sender:
    """Sends the requests of all customers; there is one for the process.

    `clock` gives POSIX seconds. A Retry-After of up to `longest_wait` seconds is waited for here;
    after a longer one the caller has to come back. At most `max_concurrent` requests are under way
    at a time, and not all of them for one customer; see Places. A 429 closes `shared_gate` for
    all instances, which heed it before each request. What is worked off waits for no pause here.
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
        shared_gate: SharedGate | None = None,
    ) -> None:
        self._tokens = tokens
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform
        self._longest_wait = longest_wait
        self._fastest: dict[str, float] = {}
        """Seconds that the fastest success of each operation took."""
        self._places = Places(max_concurrent)
        self._evidence = TokenEvidence()
        self._warned_of: str | None = None
        """The last token that Partner Center called not MFA compliant."""
        self._throttle = Throttle()
        self._shared_gate = shared_gate
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, request: PartnerCenterRequest, *, resumed: bool = False) -> Answered:
        """The document of the first 2xx answer.

        `resumed`: an earlier call may have sent the same request with success. Raises Problem.
        """
        may_have_effect = resumed
        for number in itertools.count(1):
            try:
                return Answered(await self._try(request), request.trace)
            except Problem as problem:
                problem.trace = request.trace
                if request.has_effect and problem.outcome is Outcome.UNKNOWN:
                    sent = request.call.sent
                    may_have_effect = sent.unanswered = sent.doubted = True
                pause = self._pause_before_retry(request, problem, number)
                if pause is None:
                    raise (in_doubt(problem) if may_have_effect else problem) from None
            await self._sleep(pause)
        raise AssertionError("the loop ends by a return or an exception")

    def _pause_before_retry(
        self, request: PartnerCenterRequest, problem: Problem, number: int
    ) -> float | None:
        """Seconds until the request is sent again after try `number`; None if it must not be."""
        asked, longest = problem.retry_after or 0, self._longest_wait_of(request)
        if not request.may_retry(problem) or asked > longest or number >= MAX_TRIES:
            return None
        pause = asked + self._uniform(0, BACKOFF_FIRST * 2 ** (number - 1))
        return pause if pause <= self._spare_seconds(request) else None

    def _spare_seconds(self, request: PartnerCenterRequest) -> float:
        """How long the request may still wait; after that there is too little time to send it.

        Less time than the fastest success took until now would end in an unknown outcome.
        """
        least = max(LEAST_TRY_SECONDS, self._fastest.get(request.operation, 0.0))
        return request.call.deadline.remaining() - least

    async def _try(self, request: PartnerCenterRequest) -> dict[str, Any]:
        """One try, when there is a place for it. Raises Problem for everything but a document."""
        customer_id, deadline = request.call.customer_id, request.call.deadline
        await self._take_place(request)
        try:
            result = await self._send_with_token(request)
        finally:
            self._places.release(customer_id)
        now = self._clock()
        verdict = classify(result, now, purchase=request.purchase)
        if isinstance(verdict, Reply):
            return _document(request, verdict, now)
        if verdict.code == "partner_center_unauthorized":
            token_works = self._evidence.refused(deadline.clock())
            verdict = explained(verdict, token_works=token_works)
        if verdict.code == "partner_center_throttled":
            self._throttle.close(customer_id, verdict.retry_after or 0, deadline.clock())
            self._close_shared_gate(customer_id, verdict.retry_after or 0)
            telemetry.count_throttle(verdict.retry_after or 0)
        raise verdict

    async def _take_place(self, request: PartnerCenterRequest) -> None:
        """Take one of the places for requests under way, at a moment when the throttle is open."""
        customer_id, deadline = request.call.customer_id, request.call.deadline
        while True:
            await self._pass_throttle(request)
            if not self._places.take(customer_id):
                await _by(deadline, self._places.wait(customer_id))
            if not self._throttle.wait(customer_id, deadline.clock()):
                return
            self._places.release(customer_id)  # The throttle closed while we waited for a place.

    def _close_shared_gate(self, customer_id: str, seconds: float) -> None:
        """Tell the other instances, while the caller is answered."""
        if self._shared_gate:
            closing = self._shared_gate.close(customer_id, seconds)
            task = asyncio.create_task(closing, name=GATE_TASK)
            self._closing.add(task)  # The event loop itself keeps only weak references to tasks.
            task.add_done_callback(self._closing.discard)

    def _longest_wait_of(self, request: PartnerCenterRequest) -> float:
        return 0.0 if request.call.worked_off else self._longest_wait

    async def _pass_throttle(self, request: PartnerCenterRequest) -> None:
        customer_id = request.call.customer_id
        wait = self._throttle.wait(customer_id, request.call.deadline.clock())
        if self._shared_gate:
            wait = max(wait, await self._shared_gate.closed_for(customer_id))
        if wait > 0 and wait > min(self._longest_wait_of(request), self._spare_seconds(request)):
            raise Problem(
                "partner_center_throttled",
                "Partner Center asked for a pause that is not over yet; nothing was sent.",
                retry_after=math.ceil(wait),
                outcome=Outcome.NOT_SENT,
            )
        if wait > 0:  # The random part keeps waiting requests from going out all at once.
            await self._sleep(wait + self._uniform(0, BACKOFF_FIRST))

    async def _send_with_token(self, request: PartnerCenterRequest) -> Reply | NoReply:
        """One try; if Partner Center refuses the token, once more with a renewed one.

        That may be the same token, because a 401 may pass by itself. Raises Problem.
        """
        deadline = request.call.deadline
        token = await _by(deadline, self._tokens.get())
        result = await self._send(request, token)
        if not isinstance(result, Reply) or result.status != 401:
            return result
        try:
            claims = claims_challenge(result.headers)
            token = await _by(deadline, self._tokens.renew(token, claims))
            return await self._send(request, token)
        except Problem as failure:
            raise _not_renewed(failure, result) from None

    async def _send(self, request: PartnerCenterRequest, token: AccessToken) -> Reply | NoReply:
        """Send the request once, and note that in its call, its trace and the telemetry.

        Raises Problem `deadline_exceeded` where too little time is left.
        """
        if self._spare_seconds(request) < 0:
            raise _exceeded()
        deadline, sent = request.call.deadline, request.call.sent
        seconds = min(TRY_TIMEOUT, deadline.remaining())
        sent.tries += 1
        request.tries += 1
        sent.may_have_effect |= request.has_effect
        sent.request_id = request.request_id
        began = deadline.clock()
        with telemetry.span(f"partner_center.{request.operation}", attempt=request.tries):
            result = await request.send(
                # Where one connection was lost, others of the pool may be dead as well.
                Attempt(
                    token.value, request.request_id, seconds, fresh_connection=sent.connection_lost
                )
            )
        now = deadline.clock()
        took = now - began
        status = result.status if isinstance(result, Reply) else None
        telemetry.count_try(request.tries, took, status)
        if isinstance(result, NoReply):
            sent.connection_lost |= result.sent
        else:
            self._evidence.answered(result.status, now)
            self._warn_of_missing_mfa(token, result)
            if 200 <= result.status < 300:
                fastest = self._fastest.get(request.operation, took)
                self._fastest[request.operation] = min(took, fastest)
        request.trace = Trace(request.request_id, _tracing_headers(result))
        return result

    def _warn_of_missing_mfa(self, token: AccessToken, reply: Reply) -> None:
        """One warning for each token that Partner Center calls not MFA compliant."""
        if reply.headers.get("ismfacompliant", "").strip().lower() != "false":
            return
        telemetry.count_missing_mfa()
        if token.value != self._warned_of:
            self._warned_of = token.value
            _LOG.warning("Partner Center calls the token not MFA compliant, and may refuse it soon")


def _not_renewed(failure: Problem, refusal: Reply) -> Problem:
    """The problem of a token that Partner Center answered with 401, and that was not renewed.

    The request had no effect: the 401 is Partner Center's answer to it.
    """
    return Problem(
        failure.code,
        f"Partner Center answered 401, and the token could not be renewed: {failure.detail}",
        fault=read_fault(refusal.status, refusal.body),
        retry_after=failure.retry_after,
        outcome=Outcome.REJECTED,
    )


def _document(request: PartnerCenterRequest, reply: Reply, now: float) -> dict[str, Any]:
    """The normalised document of a 2xx answer. `now` is in POSIX seconds. Raises Problem."""
    try:
        return request.read(read_foreign_json(foreign_text(reply.body)))
    except ValueError:
        raise not_the_document(reply, now, purchase=request.purchase) from None


def _tracing_headers(result: Reply | NoReply) -> dict[str, str]:
    """Partner Center's own ids of an answer; a value that a header cannot carry is left out."""
    if isinstance(result, NoReply):
        return {}
    values = {name: result.headers.get(given, "") for given, name in _TRACING_HEADERS.items()}
    return {name: value for name, value in values.items() if re.fullmatch(r"[!-~]{1,256}", value)}


async def _by(deadline: Deadline, result: Awaitable[T]) -> T:
    """The result, or Problem `deadline_exceeded` if there is none by the deadline."""
    try:
        async with asyncio.timeout(deadline.remaining()):
            return await result
    except TimeoutError:
        raise _exceeded() from None


def _exceeded() -> Problem:
    return Problem("deadline_exceeded", "There was too little time left to send the request.")
