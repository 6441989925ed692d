"""What is done about an order that is like another one which was placed minutes before.

It is looked for while the order's cart is being made, so no caller waits for it, and where only a
warning depends on it, its failure fails no order. Where such orders are refused, it is looked for
before anything is sent.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Literal

from cart_core import telemetry
from cart_core.idempotency.claim import Claim
from cart_core.idempotency.duplicates import Duplicates
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import StoreUnavailable
from cart_core.problem import FieldError, Outcome, Problem

Treatment = Literal["warn", "refuse", "ignore"]

PATIENCE: Final = 1.0
"""Seconds for which an order whose cart is made waits for the store's answer."""

_LOG = logging.getLogger(__name__)

Warnings = tuple[FieldError, ...]


class DuplicateOrders:
    """Looks for orders that are placed twice, under two keys."""

    def __init__(self, duplicates: Duplicates, treatment: Treatment) -> None:
        self._duplicates = duplicates
        self._treatment = treatment

    @asynccontextmanager
    async def looked_for(self, claim: Claim) -> AsyncIterator[Callable[[], Awaitable[Warnings]]]:
        """Looks for an order like the claimed one while the block runs, and gives the warnings.

        Raises Problem `possible_duplicate` or `store_unavailable` before the block if such orders
        are refused.
        """
        if self._treatment == "refuse":
            await self._refuse(claim)
        if self._treatment != "warn":
            yield _no_warnings
            return
        looking = asyncio.create_task(self._warnings(claim.record))
        try:
            yield partial(_in_time, looking, claim.record)
        finally:
            looking.cancel()

    async def _refuse(self, claim: Claim) -> None:
        try:
            earlier = await self._duplicates.earlier(claim.record)
        except StoreUnavailable as failure:
            raise Problem(
                "store_unavailable",
                f"{failure} So it is not known whether the same was ordered under another key."
                " This request sent nothing.",
                outcome=None if claim.resumed else Outcome.NOT_SENT,
            ) from None
        if earlier:
            _note(earlier, claim.record)
            raise Problem(
                "possible_duplicate",
                f"{self._description(earlier)} Nothing was sent. If it is another order, send it"
                " again after that time.",
                outcome=Outcome.REJECTED if claim.resumed else None,
            )

    async def _warnings(self, record: Record) -> Warnings:
        try:
            earlier = await self._duplicates.earlier(record)
        except StoreUnavailable as failure:
            _LOG.warning(
                "not compared with other orders, correlation id %s: %s",
                record.correlation_id,
                failure,
            )
            return ()
        if not earlier:
            return ()
        _note(earlier, record)
        detail = f"{self._description(earlier)} If both are one order, cancel one of them."
        return (FieldError("", "possible_duplicate", detail),)

    def _description(self, earlier: Record) -> str:
        minutes = self._duplicates.window.total_seconds() / 60
        return (
            f"Within the last {minutes:g} minutes the same was ordered for this customer under the"
            f" key '{earlier.key}' (correlation id {earlier.correlation_id})."
        )


async def _no_warnings() -> Warnings:
    return ()


async def _in_time(looking: "asyncio.Task[Warnings]", record: Record) -> Warnings:
    """The warnings, unless the store takes too long."""
    await asyncio.wait({looking}, timeout=PATIENCE)
    if looking.done():
        return looking.result()
    _LOG.warning(
        "not compared with other orders, correlation id %s: the store is slow",
        record.correlation_id,
    )
    return ()


def _note(earlier: Record, record: Record) -> None:
    _LOG.warning(
        "possible duplicate, correlation ids %s and %s",
        earlier.correlation_id,
        record.correlation_id,
    )
    telemetry.count_possible_duplicate(record.caller_id)
