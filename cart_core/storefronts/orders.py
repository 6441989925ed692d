"""Work storefronts' orders off: look into what was stored, and hand over what is to be bought."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from cart_core import telemetry
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.deferral import comes_back
from cart_core.operations.documents import Documents
from cart_core.problem import Problem
from cart_core.storefronts.bodies import Bodies
from cart_core.storefronts.customers import Customers
from cart_core.storefronts.fetching import ShopUnavailable
from cart_core.storefronts.json_body import UnreadableBody, read_body
from cart_core.storefronts.order import Ignored, Notice, StorefrontOrder
from cart_core.storefronts.order_record import (
    OrderRecord,
    PartResult,
    StoredPart,
    purchase_key,
    source_of,
)
from cart_core.storefronts.parking import Reason
from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.ports import Bell, Fetched, HandedOver, Purchases, Reports
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

SHORTEST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 900.0
"""Seconds after which an order is worked off again that a failure has put off."""

Change = Callable[[OrderRecord], Awaitable[OrderRecord | None]]
"""Gives the next record, or None where there is nothing to write."""


class Orders:
    """The orders of all sources, each by the name of its record.

    `since` gives when a source was connected. `fetched` has the shop's own API by source, for
    platforms whose webhooks do not have the order. `clock` gives POSIX seconds. Every method raises
    StoreUnavailable; to call it again then is right.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        documents: Documents,
        bodies: Bodies,
        bell: Bell,
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
        self._bodies = bodies
        self._bell = bell
        self._since = since
        self._customers = customers
        self._purchases = purchases
        self._reports = reports
        self._fetched = fetched
        self._clock = clock

    async def work(self, name: str) -> OrderRecord | None:
        """Do what there is to do for an order now; None for one that nobody knows.

        What fails is put off, and a bell rings then. One that was put off is left alone until then.
        A source that has left the file leaves its orders as they are.
        """
        if not self._is_known(name):
            return None
        try:
            return await self._work(name)
        except Problem as problem:
            failure: Exception = problem
            asked = problem.retry_after
        except ShopUnavailable as unavailable:
            failure, asked = unavailable, unavailable.retry_after
        return await self._put_off(name, failure, asked or 0)

    async def may_buy(self, name: str, customer_id: str) -> bool:
        """Whether the checkout of a customer's part may be sent now.

        To be asked just before each one. From a yes on a cancellation comes too late, until
        `nothing_bought` is called. Where the shop can be asked, it is asked again; raises
        ShopUnavailable or Problem where it cannot be reached.
        """

        async def begun(record: OrderRecord) -> OrderRecord | None:
            if customer_id not in record.begun and await self._is_stopped(record):
                return record.found_cancelled()
            return record.with_begun(customer_id)

        if not self._is_known(name):
            return False
        record = await self._changed(name, begun)
        return record is not None and customer_id in record.begun

    async def nothing_bought(self, name: str, customer_id: str) -> None:
        """Note that a checkout after a yes of `may_buy` has certainly bought nothing."""

        async def noted(record: OrderRecord) -> OrderRecord | None:
            return record.with_nothing_bought(customer_id)

        await self._changed(name, noted)

    async def part_ended(self, name: str, customer_id: str, result: PartResult) -> None:
        """Note what became of one customer's part, and report it."""

        async def noted(record: OrderRecord) -> OrderRecord | None:
            return record.with_result(customer_id, result)

        if record := await self._changed(name, noted):
            await self._report(record)

    async def find(self, name: str) -> OrderRecord | None:
        """The record of an order."""
        found = await self._documents.read(name)
        return _record(name, found.content) if found else None

    async def release(self, name: str) -> OrderRecord | None:
        """Let a parked order be looked into again, after the map or the shop was corrected.

        The timer would find it, should the bell be lost.
        """
        record = await self.find(name)
        if record is None or record.state != "parked":
            return record
        await self._bodies.reopen(record, self._clock())

        async def released(record: OrderRecord) -> OrderRecord | None:
            return record.released()

        after = await self._changed(name, released)
        await self._bell.ring(name)
        return after

    async def discard(self, name: str) -> OrderRecord | None:
        """Let a parked order never be bought, whatever the shop still sends of it.

        Where the order is not parked, this only settles its flags.
        """

        async def discarded(record: OrderRecord) -> OrderRecord | None:
            return record.discarded()

        after = await self._changed(name, discarded)
        if after and not after.needs_person:
            after = await self._report(after)
            await self._bodies.settle(after, self._clock())
        return after

    def _is_known(self, name: str) -> bool:
        return source_of(name) in self._sources

    async def _work(self, name: str) -> OrderRecord | None:
        record = await self._changed(name, self._looked_into)
        if record is None or self._is_early(record):
            return record
        if record.state == "frozen" and not record.cancelled and not record.handed_over:
            record = await self._hand_over(record)
        record = await self._report(record)
        await self._bodies.settle(record, self._clock())
        return record

    async def _put_off(self, name: str, failure: Exception, asked: int) -> OrderRecord | None:
        """Come back to an order later: the longer it has waited, the longer is the pause."""
        now = self._clock()

        async def put_off(record: OrderRecord) -> OrderRecord | None:
            if self._is_early(record):  # Somebody else has put it off, and hung a bell up.
                return None
            waited = now - record.received_at.timestamp()
            pause = max(float(asked), SHORTEST_PAUSE, min(waited / 2, LONGEST_PAUSE))
            return record.put_off(datetime.fromtimestamp(now, UTC) + timedelta(seconds=pause))

        record = await self._changed(name, put_off)
        if record and record.next_attempt:
            seconds = record.next_attempt.timestamp() - now
            code = failure.code if isinstance(failure, Problem) else "shop_unavailable"
            _LOG.warning(
                "an order of %s is put off for %d seconds: %s", record.source, seconds, code
            )
            await self._bell.ring(name, seconds)
        return record

    def _is_early(self, record: OrderRecord) -> bool:
        later = record.next_attempt
        return later is not None and later.timestamp() - self._clock() > 1.0

    async def _looked_into(self, record: OrderRecord) -> OrderRecord | None:
        if record.is_looked_into or record.state == "discarded" or self._is_early(record):
            return record
        after = await self._resolved(record)
        told = (record.state == "parked", record.flags)
        if after.needs_person and told != (after.state == "parked", after.flags):
            reasons = [*(each["code"] for each in after.reasons), *(f.code for f in after.flags)]
            _LOG.warning(
                "an order of %s needs a person: %s", record.source, ", ".join(sorted({*reasons}))
            )
            telemetry.count_parked(record.source)
        return after

    async def _resolved(self, record: OrderRecord) -> OrderRecord:
        """The record after the deciding body was read and resolved."""
        if record.cancelled:
            return record.looked_into().found_cancelled()
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
        body = await self._bodies.read(record.standing.body)
        received = datetime.fromtimestamp(self._clock(), UTC)
        reading = self._reads[record.source](read_body(body), received)
        if isinstance(reading, Notice) and record.source in self._fetched:
            reading = await self._fetched[record.source].fetch(record.order_id)
        if isinstance(reading, Ignored | Notice):
            raise UnreadableBody("it has no order")
        return reading

    async def _rules(self, source: str) -> MappingRules:
        return self._sources[source].rules(await self._since(source))

    async def _hand_over(self, record: OrderRecord) -> OrderRecord:
        """Have all parts bought, once. What is refused for good is that part's result."""
        ended: dict[str, PartResult] = {}
        for part in record.parts or ():
            try:
                result = await self._purchases.accept(self._handed_over(record, part))
            except Problem as problem:
                if comes_back(problem):
                    raise
                result = PartResult(status="failed", problem=problem.code)
            if result:
                ended[part.customer_id] = result

        async def noted(record: OrderRecord) -> OrderRecord | None:
            after = record.with_parts_handed_over()
            for customer_id, result in ended.items():
                after = after.with_result(customer_id, result)
            return after

        return await self._changed(record.name, noted) or record

    def _handed_over(self, record: OrderRecord, part: StoredPart) -> HandedOver:
        source = self._sources[record.source]
        return HandedOver(
            record.name,
            record.source,
            part.customer_id,
            purchase_key(record.source, record.order_id),
            source.into,
            source.preflight,
            part.cart,
        )

    async def _report(self, record: OrderRecord) -> OrderRecord:
        """Hand over the messages that the order owes, where its source wants any."""
        source = self._sources.get(record.source)
        if source is None or source.report is None:
            return record
        for report in due_reports(record):
            await self._reports.send(record.source, report.id, report.body(self._clock()))

            async def noted(known: OrderRecord, sent: str = report.id) -> OrderRecord | None:
                return known.with_report(sent)

            record = await self._changed(record.name, noted) or record
        return record

    async def _changed(self, name: str, change: Change) -> OrderRecord | None:
        """The record after `change`, which is called again where another process wrote first.

        None where there is no record, or where `change` gives None: then nothing is written.
        """
        for _ in range(_TRIES):
            found = await self._documents.read(name)
            if found is None:
                return None
            record = _record(name, found.content)
            after = await change(record)
            if after is None or after == record:
                return after
            if await self._documents.replace(name, after.to_json(), {}, found.version):
                return after
        raise StoreUnavailable("Others write the same record again and again.")


def _record(name: str, content: bytes) -> OrderRecord:
    try:
        return OrderRecord.from_json(content)
    except ValueError:
        raise StoreUnavailable(f"The record {name} cannot be read.") from None
