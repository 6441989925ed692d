"""The right to change a cart: as long as it is held, nobody buys the cart under its record.

A purchase and a change of one cart share the record of its checkout. A hold is an entry in that
record which ends by itself, so a process that dies leaves nothing to be cleaned up.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cart_core.call import Call
from cart_core.idempotency.claim import (
    POLL_FIRST,
    POLL_LONGEST,
    Claims,
    seconds_left,
    under_way_for,
)
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.plan import Plan
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import StoreUnavailable, Versioned
from cart_core.problem import Outcome, Problem


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to change a cart. `release` gives it back."""

    _claims: Claims
    _name: str
    _record: Record
    _version: str

    @property
    def may_be_ordered(self) -> bool:
        """Whether the cart is ordered in part, or a purchase was ever without a clear answer."""
        return self._record.doubted or self._record.answer is not None

    async def release(self, lines: list[dict[str, Any]] | None, *, doubted: bool) -> None:
        """Give the cart free. `lines` are its new ones, None if they are not known.

        `doubted`: a request that was to change it was left without a clear answer.

        That the store cannot be reached is no error: the hold ends by itself, and a purchase that
        finds lines which it does not know buys nothing.
        """
        record = self._record.changed(self._claims.new_nonce(), lines)
        if doubted:
            record = record.in_doubt()
        with suppress(StoreUnavailable):
            await self._claims.store.replace(self._name, record, self._version)


async def hold(claims: Claims, call: Call, purchase: OperationId, plan: Plan) -> Hold | None:
    """Hold the cart of a purchase; None if it is bought, so that a change can harm no purchase.

    This waits for a purchase that is under way. Raises Problem `operation_in_progress` if that
    purchase does not end soon, or may have bought the cart; raises `store_unavailable`.
    """
    name, patience, pause = purchase.record_name(), claims.patience(call), POLL_FIRST
    lease, record = claims.lease(call), None
    try:
        while True:
            stored = await claims.store.read(name)
            if stored and record and stored.record.nonce == record.nonce:
                return Hold(claims, name, record, stored.version)  # Our write's answer was lost.
            if stored is None:
                record = _unclaimed(claims, call, purchase, plan, seconds_left(lease))
                version = await claims.store.create(name, record)
            elif stored.record.state == "completed" and stored.record.expires_at > claims.now():
                return None
            elif _may_change(stored, plan):
                record = stored.record.held(claims.new_nonce(), seconds_left(lease), stored.age)
                version = await claims.store.replace(name, record, stored.version)
            else:
                if not patience.remaining():
                    raise _in_progress(stored.lease_left)
                await claims.sleep(min(pause, patience.remaining()))
                pause = min(2 * pause, POLL_LONGEST)
                continue
            if version is not None:
                return Hold(claims, name, record, version)
    except StoreUnavailable as failure:
        raise Problem(
            "store_unavailable",
            f"{failure} The cart was not changed.",
            retry_after=failure.retry_after,
            outcome=Outcome.NOT_SENT,
        ) from None


def _unclaimed(
    claims: Claims, call: Call, purchase: OperationId, plan: Plan, seconds: float
) -> Record:
    """The held record of a cart that nobody has bought.

    It is that of a purchase that was released, so the next one begins as the first.
    """
    record = Record.claimed(
        purchase,
        plan.steps,
        fingerprint="",
        epoch=0,
        nonce=claims.new_nonce(),
        lease_seconds=seconds,
        expires_at=claims.now() + plan.retention,
        caller_id=call.caller_id,
        correlation_id=call.correlation_id,
    )
    return record.unclaimed().held(record.nonce, seconds, age=0)


def _may_change(stored: Versioned, plan: Plan) -> bool:
    """Whether nobody changes the cart, and no checkout of it is accepted or can be under way."""
    record = stored.record
    settled = record.state in ("released", "open") and record.under_way_seconds is None
    promised = record.state == "accepted"
    return not stored.held and not promised and (settled or under_way_for(stored, plan) <= 0)


def _in_progress(lease_left: float) -> Problem:
    return Problem(
        "operation_in_progress",
        "The cart is being bought or changed, or nobody knows yet whether it was bought. Repeat"
        " that request until its outcome is known; the cart was not changed.",
        retry_after=max(1, min(10, round(lease_left))),
        outcome=Outcome.NOT_SENT,
    )
