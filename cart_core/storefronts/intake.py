"""Take a webhook in: verify it, store it, acknowledge it. Partner Center is not called here.

A body that was verified is always acknowledged once it is stored, also when nobody can map it: a
shop that gets refusals switches its hook off. Only what could not be stored is refused, with 503.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote

from cart_core import telemetry
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.documents import Documents
from cart_core.problem import Problem
from cart_core.storefronts.bodies import Bodies
from cart_core.storefronts.changes import Standing
from cart_core.storefronts.json_body import UnreadableBody, read_body
from cart_core.storefronts.order import Ignored, Notice, Reading, StorefrontOrder
from cart_core.storefronts.order_record import (
    OrderRecord,
    body_name,
    record_name,
    since_name,
    source_of,
)
from cart_core.storefronts.platforms import Platform, platform_of
from cart_core.storefronts.ports import Bell
from cart_core.storefronts.signatures import matching_key
from cart_core.storefronts.source_keys import SourceClosed, SourceKeys
from cart_core.storefronts.sources import Source
from cart_core.storefronts.woocommerce import PING

_LOG = logging.getLogger("cart_core.storefronts")

MAX_BODY_BYTES: Final = 1_048_576

_TRIES: Final = 5
"""How often a record is written anew because somebody else was faster."""


class Receipt(NamedTuple):
    """The answer to a delivery: an HTTP status, and for the log what it was taken for."""

    status: int
    verdict: str
    order_id: str | None = None


_REFUSED: Final = Receipt(401, "refused")


@dataclass(frozen=True, slots=True)
class _Open:
    source: Source
    platform: Platform


class Intake:
    """Takes deliveries of all sources. `clock` gives POSIX seconds."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        documents: Documents,
        bodies: Bodies,
        keys: SourceKeys,
        bell: Bell,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._sources = {
            name: _Open(source, platform_of(source)) for name, source in sources.items()
        }
        self._documents = documents
        self._bodies = bodies
        self._keys = keys
        self._bell = bell
        self._clock = clock
        self._since: dict[str, datetime] = {}

    async def __call__(self, name: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """The answer to a delivery: 200, 401, 411, 413 or 503. Nothing is raised.

        `headers` are by their names in lower case. Everything that is wrong with a signature, and a
        source that does not exist, get the same 401.
        """
        receipt = await self._receipt(name, headers, body)
        known = name if name in self._sources else "unknown"
        telemetry.count_webhook(known, receipt.verdict)
        order = quote(receipt.order_id or "", safe="")
        _LOG.info("webhook source=%s verdict=%s order=%s", known, receipt.verdict, order)
        return receipt

    async def _receipt(self, name: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        if not body and headers.get("transfer-encoding", "").strip():
            return Receipt(411, "length_required")
        if len(body) > MAX_BODY_BYTES:
            return Receipt(413, "too_large")
        source = self._sources.get(name)
        if source is None:
            return _REFUSED
        if source.platform.answers_pings and PING.fullmatch(body):
            return Receipt(200, Ignored.PING)
        try:
            if not await self._is_signed(name, source, headers, body):
                return _REFUSED
            receipt = await self._store(name, source, body, self._now())
            if receipt.order_id:
                await self._ring(name, receipt.order_id)
            return receipt
        except SourceClosed as closed:
            _LOG.error("the source %s is closed: %s", name, closed)
            return Receipt(503, "closed")
        except (Problem, StoreUnavailable) as failure:
            _LOG.error("a delivery of the source %s could not be stored: %s", name, failure)
            return Receipt(503, "not_stored")

    async def _is_signed(
        self, name: str, open_source: _Open, headers: Mapping[str, str], body: bytes
    ) -> bool:
        """Whether one of the source's keys has signed the delivery."""
        scheme, secrets = open_source.platform.scheme, open_source.source.secrets
        keys, _ = await self._keys.keys(name, scheme, secrets)
        used = matching_key(scheme, headers, body, keys, self._clock())
        if used is None:
            # Perhaps the secret was renewed a moment ago.
            keys, changed = await self._keys.keys(name, scheme, secrets, renew=True)
            used = matching_key(scheme, headers, body, keys, self._clock()) if changed else None
        if used:
            _LOG.warning(
                "a delivery of %s was signed with the older secret %s", name, secrets[used]
            )
        return used is not None

    async def note_again(self, record: str) -> None:
        """Note the bodies of an order that a process has stored which died before it noted them.

        Those that are in the order's record change nothing. Raises StoreUnavailable.
        """
        name = source_of(record)
        if source := self._sources.get(name):
            for body, received in await self._bodies.read_open(record):
                await self._store(name, source, body, datetime.fromtimestamp(received, UTC))

    async def _store(self, name: str, source: _Open, body: bytes, received: datetime) -> Receipt:
        since = await self.since(name)
        try:
            reading: Reading = source.platform.read(read_body(body), received)
        except UnreadableBody as unreadable:
            # It may have been an order, so that a person has to be able to see it.
            _LOG.warning("a signed delivery of %s cannot be read: %s", name, unreadable)
            await self._bodies.keep_unreadable(name, body)
            reading = Ignored.UNREADABLE
        if isinstance(reading, StorefrontOrder):
            reading = _wanted(reading, since)
        if isinstance(reading, Ignored):
            return Receipt(200, reading)
        order_id = reading.order_id if isinstance(reading, Notice) else reading.id
        stored_as = body_name(name, order_id, body)
        await self._note(name, order_id, _standing(reading, stored_as), body, received)
        return Receipt(200, "stored", order_id)

    async def _ring(self, name: str, order_id: str) -> None:
        try:
            await self._bell.ring(record_name(name, order_id))
        except StoreUnavailable as failure:  # It is stored: the timer will find it.
            _LOG.warning("a delivery of %s has no bell: %s", name, failure)

    async def _note(
        self, name: str, order_id: str, standing: Standing, body: bytes, received: datetime
    ) -> None:
        """Note a delivery in its order's record; its body is stored only if it decides there."""
        documents, place = self._documents, record_name(name, order_id)
        is_stored = False
        for _ in range(_TRIES):
            found = await documents.read(place)
            record = _record(place, found.content) if found else None
            if record:
                after = record.received(standing, received)
            else:
                after = OrderRecord.first(name, order_id, standing, received)
            if after is record:
                return
            if not is_stored and after.standing.body == standing.body:
                await self._bodies.keep(standing.body, body, received.timestamp())
                is_stored = True
            if found is None:
                written = await documents.create(place, after.to_json(), {})
            else:
                written = await documents.replace(place, after.to_json(), {}, found.version)
            if written:
                return
        raise StoreUnavailable("Others write the same record again and again.")

    async def since(self, name: str) -> datetime:
        """From when on orders of a source are bought: as its file says, or when it was first seen.

        The latter is stored by the timer, and before the first delivery is acknowledged. Raises
        StoreUnavailable.
        """
        if configured := self._sources[name].source.since:
            return configured
        if name not in self._since:
            now = self._now().isoformat()
            if await self._documents.create(since_name(name), now.encode(), {}) is None:
                found = await self._documents.read(since_name(name))
                if found is None:
                    raise StoreUnavailable("The record of a source is gone.")
                now = found.content.decode()
            self._since[name] = datetime.fromisoformat(now)
        return self._since[name]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _wanted(order: StorefrontOrder, since: datetime) -> StorefrontOrder | Ignored:
    if order.test:
        return Ignored.TEST
    if order.draft:
        return Ignored.DRAFT
    return Ignored.BEFORE_SINCE if order.created < since else order


def _standing(reading: StorefrontOrder | Notice, body: str) -> Standing:
    if isinstance(reading, Notice):
        return Standing.of(reading.changed, cancelled=reading.cancelled, body=body)
    return Standing.of(
        reading.changed,
        cancelled=reading.cancelled,
        paid=reading.paid,
        units=reading.units,
        body=body,
    )


def _record(place: str, content: bytes) -> OrderRecord:
    try:
        return OrderRecord.from_json(content)
    except ValueError:
        raise StoreUnavailable(f"The record {place} cannot be read.") from None
