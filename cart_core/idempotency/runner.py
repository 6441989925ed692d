"""Perform an operation once for each key, whatever callers repeat and wherever a process dies."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from cart_core.call import Answer, Call
from cart_core.idempotency.claim import Claim, Claims, LeaseLost
from cart_core.idempotency.plan import Keyed, Sends
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.store import StoreUnavailable
from cart_core.problem import FieldError, Outcome, Problem

_NOT_RECORDED: Final = FieldError(
    "", "not_recorded", "It is done, but the idempotency store does not say so yet."
)


class ExactlyOnce:
    """Performs operations under the protection of a store."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def is_new(self, asked: Keyed) -> bool:
        """Whether nothing is remembered of what is asked for.

        Raises Problem `store_unavailable`.
        """
        try:
            return await self._claims.is_new(asked.operation, asked.content)
        except StoreUnavailable as failure:
            raise Problem(
                "store_unavailable",
                f"{failure} This request sent nothing.",
                retry_after=failure.retry_after,
                outcome=Outcome.NOT_SENT,
            ) from None

    async def run(
        self,
        call: Call,
        asked: Keyed,
        perform: Callable[[Claim], Awaitable[Answer]],
        lines: list[dict[str, Any]] | None = None,
        sends: Sends = Sends.AT_ONCE,
        items: list[dict[str, Any]] | None = None,
    ) -> Answer:
        """The answer of `perform`, which is called now or was called before.

        A key belongs to one content. `lines` are those that the cart of a purchase must have, if it
        is held to any. `items` were taken from the catalogue already, for an operation that begins
        now. Raises what `perform` raises, and Problem `store_unavailable`,
        `operation_in_progress` or `idempotency_key_reused` without having called it.
        """
        # Until the operation's record is read, an earlier call may have had its effect.
        had_effect, call.sent.may_have_effect = call.sent.may_have_effect, True
        try:
            claim = await self._claims.claim(
                call, asked.operation, asked.plan, asked.content, lines, sends, items
            )
        except StoreUnavailable as failure:
            sent = "goes no further: it bought nothing" if call.sent.tries else "sent nothing"
            raise Problem(
                "store_unavailable",
                f"{failure} This request {sent}.",
                retry_after=failure.retry_after,
            ) from None
        if isinstance(claim, StoredAnswer):
            return claim.replayed()
        call.sent.may_have_effect = had_effect or claim.resumed
        try:
            answer = await perform(claim)
        except Problem as problem:
            return await _failed(claim, problem)
        except Exception as error:
            with suppress(LeaseLost):
                await claim.record_failure(unknown=claim.begun, failure=error)
            raise
        return await _succeeded(claim, answer)


async def _succeeded(claim: Claim, answer: Answer) -> Answer:
    """The answer, once it is recorded, or that of the call that has claimed the operation since."""
    try:
        await claim.record_answer(answer)
    except StoreUnavailable:
        return answer.with_warning(_NOT_RECORDED.as_json())
    except LeaseLost as lost:
        with Problem.completing(trace=answer.trace):
            return claim.answer_of(lost.stored)
    return answer


async def _failed(claim: Claim, problem: Problem) -> Answer:
    """Record the failure and raise it again.

    If the operation was claimed by another call since, and this one is certain to have had no
    effect, that other call's answer is given instead.
    """
    unknown = problem.outcome is Outcome.UNKNOWN
    # What passes by itself refuses nothing, so what an earlier call sent is sent again as it was.
    keep = claim.resumed and problem.kind.retryable
    try:
        await claim.record_failure(unknown=unknown or keep, failure=problem)
    except LeaseLost as lost:
        if not unknown:
            with Problem.completing(trace=problem.trace):
                return claim.answer_of(lost.stored)
    raise problem
