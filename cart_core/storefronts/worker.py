"""Answer the bells (queue messages) of storefronts' orders and reports, and sweep for lost ones."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import NamedTuple

from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.sweeper import AT_ONCE, BEGIN_WITHIN, OVERDUE, UNANSWERED, rings_now
from cart_core.storefronts.bodies import Bodies
from cart_core.storefronts.intake import Intake
from cart_core.storefronts.orders import Orders
from cart_core.storefronts.ports import Bell
from cart_core.storefronts.report_delivery import REPORTS, ReportDelivery

_LOG = logging.getLogger("cart_core.storefronts")


class _Overdue(NamedTuple):
    name: str
    seconds: float


class StorefrontWorker:
    """Works orders and reports off. `clock` gives POSIX seconds."""

    def __init__(
        self,
        sources: Collection[str],
        intake: Intake,
        orders: Orders,
        bodies: Bodies,
        reports: ReportDelivery,
        bell: Bell,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._intake = intake
        self._orders = orders
        self._bodies = bodies
        self._reports = reports
        self._bell = bell
        self._clock = clock

    async def answer(self, record: str) -> None:
        """Do what a bell asks for. Raises StoreUnavailable where the queue has to give it again."""
        if record.startswith(REPORTS):
            await self._reports.deliver(record)
        else:
            await self._orders.work(record)

    async def sweep(self) -> None:
        """Once a minute: ring for what is overdue, and work off what nobody answers.

        The first one after a source was configured stores when that was. Raises StoreUnavailable
        where the lists cannot be read.
        """
        if not self._sources:
            return
        began = self._clock()
        for source in self._sources:
            await self._intake.since(source)
        orders, parked = await self._bodies.list_open(), await self._bodies.list_parked()
        reports = await self._reports.list_open()
        found = [_Overdue(each.record, began - each.since) for each in orders]
        found += [_Overdue(name, began - float(facts["due"])) for name, facts in reports]
        overdue = [each for each in found if each.seconds >= OVERDUE]
        # Alerts read this line, and its absence too.
        _LOG.info(
            "storefronts open=%d oldestSeconds=%d parked=%d reports=%d",
            len(orders),
            began - orders[0].since if orders else 0,
            len(parked),
            len(reports),
        )
        for each in overdue:
            if rings_now(each.seconds):
                if not each.name.startswith(REPORTS):
                    await self._intake.note_again(each.name)
                await self._bell.ring(each.name)
        await self._work_off([each.name for each in overdue if each.seconds >= UNANSWERED], began)

    async def _work_off(self, names: list[str], began: float) -> None:
        left = iter(names)

        async def one_after_another() -> None:
            for name in left:
                if self._clock() - began >= BEGIN_WITHIN:
                    return
                try:
                    await self.answer(name)
                except StoreUnavailable as failure:
                    _LOG.warning("an order was not worked off: %s", failure)

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
