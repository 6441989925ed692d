"""Work storefronts' orders off: look into what was stored, and hand over what is to be bought."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from cart_core import telemetry
from cart_core.idempotency.store import StoreUnavailable
from cart_core.storefronts.customers import Customers
from cart_core.storefronts.documents import Documents, Fetched, Purchases, Reports
from cart_core.storefronts.json_body import UnreadableBody, read_body
from cart_core.storefronts.order import Ignored, Notice, StorefrontOrder
from cart_core.storefronts.order_record import (
    OrderRecord,
    PartResult,
    purchase_key,
    record_name,
)
from cart_core.storefronts.parking import Reason
from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.reporting import due_reports
from cart_core.storefronts.resolution import (
    MappingRules,
    Parked,
    Parts,
    Refused,
    Verdict,
    resolve,
    standing_of,
)
from cart_core.storefronts.sources import Source

_LOG = logging.getLogger("cart_core.storefronts")

_TRIES: Final = 5
"""How often a record is written anew because somebody else was faster."""

Change = Callable[[OrderRecord], Awaitable[OrderRecord | None]]
"""Gives the next record, or None where there is nothing to write."""


class Orders:
    """The orders of all sources.

    `since` gives when a source was connected. `fetched` has the shop's own API by source, for
    platforms whose webhooks do not have the order. `clock` gives POSIX seconds. Every method raises
    StoreUnavailable, Problem where a customer could not be looked up, and ShopUnavailable where an
    order could not be fetched; to call it again then is right.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        documents: Documents,
        since: Callable[[str], Awaitable[datetime]],
        customers: Customers,
        purchases: Purchases,
        reports: Reports,
        fetched: Mapping[str, Fetched],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._reads = {name: platform_of(source).read for name, source in sources.items()}
        self._documents = documents
        self._since = since
        self._customers = customers
        self._purchases = purchases
        self._reports = reports
        self._fetched = fetched
        self._clock = clock

    async def work(self, source: str, order_id: str) -> OrderRecord | None:
        """Do what there is to do for an order now; None for one that nobody knows.

        A source that has left the file leaves its orders as they are.
        """
        if source not in self._sources:
            return None
        record = await self._changed(source, order_id, self._looked_into)
        if record is None:
            return None
        if record.state == "frozen" and not record.cancelled:
            await self._hand_over(record)
        return await self._report(record)

    async def may_buy(self, source: str, order_id: str, customer_id: str) -> bool:
        """Whether the checkout of a customer's part may be sent now.

        To be asked just before each one. From a yes on a cancellation comes too late, until
        `nothing_bought` is called. Where the shop can be asked, it is asked again.
        """

        async def begun(record: OrderRecord) -> OrderRecord | None:
            if customer_id not in record.begun and await self._is_stopped(record):
                return record.found_cancelled()
            return record.with_begun(customer_id)

        if source not in self._sources:
            return False
        record = await self._changed(source, order_id, begun)
        return record is not None and customer_id in record.begun

    async def nothing_bought(self, source: str, order_id: str, customer_id: str) -> None:
        """Note that a checkout after a yes of `may_buy` has certainly bought nothing."""

        async def noted(record: OrderRecord) -> OrderRecord | None:
            return record.with_nothing_bought(customer_id)

        await self._changed(source, order_id, noted)

    async def part_ended(
        self, source: str, order_id: str, customer_id: str, result: PartResult
    ) -> None:
        """Note what became of one customer's part, and report it."""

        async def noted(record: OrderRecord) -> OrderRecord | None:
            return record.with_result(customer_id, result)

        if record := await self._changed(source, order_id, noted):
            await self._report(record)

    async def release(self, source: str, order_id: str) -> OrderRecord | None:
        """Look into a parked order again, after a person has corrected the map or the shop."""

        async def released(record: OrderRecord) -> OrderRecord | None:
            return record.released()

        await self._changed(source, order_id, released)
        return await self.work(source, order_id)

    async def _looked_into(self, record: OrderRecord) -> OrderRecord | None:
        if record.is_looked_into or (record.cancelled and not record.is_bought):
            return record
        rules = await self._rules(record.source)
        try:
            order = await self._order(record)
        except UnreadableBody as unreadable:
            _LOG.warning(
                "the order of a delivery of %s cannot be read: %s", record.source, unreadable
            )
            return record.looked_into().resolved("parked", [Reason("lines_incomplete")])
        found = await resolve(order, rules, self._customers)
        looked = record.looked_into()
        if isinstance(found, Parts):
            return looked.frozen([part.as_json() for part in found.parts])
        if isinstance(found, Parked):
            codes = sorted({reason.code for reason in found.reasons})
            _LOG.warning("an order of %s is parked: %s", record.source, ", ".join(codes))
            telemetry.count_parked(record.source)
            return looked.resolved("parked", found.reasons)
        if isinstance(found, Refused):
            return looked.resolved(
                "refused", [Reason("foreign_line", line) for line in found.lines]
            )
        if found is Verdict.CANCELLED:
            return looked.found_cancelled()
        return looked.resolved("waiting" if found is Verdict.WAITING else "nothing")

    async def _is_stopped(self, record: OrderRecord) -> bool:
        """Whether the shop, asked again, says that the order is not to be bought now."""
        if record.cancelled or record.source not in self._fetched:
            return False
        try:
            order = await self._fetched[record.source].fetch(record.order_id)
        except UnreadableBody:  # It was deleted, or is not what it was.
            return True
        return standing_of(order, await self._rules(record.source)) is not None

    async def _order(self, record: OrderRecord) -> StorefrontOrder:
        """The order by the body that decides, or as the shop tells it where that has none."""
        stored = await self._documents.read(record.standing.body)
        if stored is None:
            raise UnreadableBody("its body was deleted")
        received = datetime.fromtimestamp(self._clock(), UTC)
        reading = self._reads[record.source](read_body(stored.content), received)
        if isinstance(reading, Notice) and record.source in self._fetched:
            reading = await self._fetched[record.source].fetch(record.order_id)
        if isinstance(reading, Ignored | Notice):
            raise UnreadableBody("it has no order")
        return reading

    async def _rules(self, source: str) -> MappingRules:
        return self._sources[source].rules(await self._since(source))

    async def _hand_over(self, record: OrderRecord) -> None:
        key = purchase_key(record.source, record.order_id)
        into = self._sources[record.source].into
        for part in record.parts or ():
            await self._purchases.accept(part.customer_id, key, into, part.cart)

    async def _report(self, record: OrderRecord) -> OrderRecord:
        """Hand over the messages that the order owes, where its source wants any."""
        source = self._sources.get(record.source)
        if source is None or source.report is None:
            return record
        for report in due_reports(record):
            await self._reports.send(record.source, report.id, report.body(self._clock()))

            async def noted(known: OrderRecord, sent: str = report.id) -> OrderRecord | None:
                return known.with_report(sent)

            record = await self._changed(record.source, record.order_id, noted) or record
        return record

    async def _changed(self, source: str, order_id: str, change: Change) -> OrderRecord | None:
        """The record after a change, which is made anew where somebody else was faster.

        None where there is no record, or where the change says that there must be none.
        """
        name = record_name(source, order_id)
        for _ in range(_TRIES):
            found = await self._documents.read(name)
            if found is None:
                return None
            try:
                record = OrderRecord.from_json(found.content)
            except ValueError:
                raise StoreUnavailable(f"The record {name} cannot be read.") from None
            after = await change(record)
            if after is None or after == record:
                return after
            content, facts = after.to_json(), after.facts()
            if await self._documents.replace(name, content, facts, found.version):
                return after
        raise StoreUnavailable("Others write the same record again and again.")
