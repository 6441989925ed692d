"""Deliver reports: each has a record until it has arrived, and the queue's bells time its tries."""

import base64
import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from cart_core import telemetry
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.documents import Documents, Listed
from cart_core.problem import Problem
from cart_core.storefronts.fetching import ShopAnswer, ShopUnavailable
from cart_core.storefronts.ports import Bell
from cart_core.storefronts.reporting import after_try, signed_headers
from cart_core.storefronts.signatures import Scheme
from cart_core.storefronts.source_keys import SourceClosed, SourceKeys
from cart_core.storefronts.sources import Source

REPORTS: Final = "reports/"

LOOK_AGAIN: Final = 300.0
"""Seconds after which a report is tried again whose secret could not be read."""

_DUE: Final = "due"

_LOG = logging.getLogger("cart_core.storefronts")


class Receiver(Protocol):
    """Posts to one host."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> ShopAnswer:
        """One try; no redirect is followed. Raises ShopUnavailable where there is no answer."""


class _Report(BaseModel):
    """A report that has not arrived. `body` are the signed bytes, in base64."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    source: str
    message_id: str
    body: str
    tries: int = 0
    due: datetime

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        return cls.model_validate_json(content)

    def to_json(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()

    def facts(self) -> dict[str, str]:
        return {_DUE: f"{self.due.timestamp():.3f}"}


class ReportDelivery:
    """Takes reports over (the port Reports), and delivers them. `clock` gives POSIX seconds.

    `receivers` has the connections by source. Everything raises StoreUnavailable.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        documents: Documents,
        keys: SourceKeys,
        bell: Bell,
        receivers: Mapping[str, Receiver],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._documents = documents
        self._keys = keys
        self._bell = bell
        self._receivers = receivers
        self._clock = clock

    async def send(self, source: str, message_id: str, body: bytes) -> None:
        """See Reports."""
        if await self._documents.read(self._gone_name(source)):
            return
        report = _Report(
            source=source,
            message_id=message_id,
            body=base64.b64encode(body).decode(),
            due=self._now(),
        )
        name = f"{REPORTS}{source}/{hashlib.sha256(message_id.encode()).hexdigest()}"
        await self._documents.create(name, report.to_json(), report.facts())
        await self._bell.ring(name)

    async def deliver(self, name: str) -> None:
        """Answer the bell of a report: try it, if it is due."""
        found = await self._documents.read(name)
        if found is None:
            return
        try:
            report = _Report.from_json(found.content)
        except ValueError:
            raise StoreUnavailable(f"The record {name} cannot be read.") from None
        source = self._sources.get(report.source)
        if source is None or source.report is None:
            await self._documents.delete(name, found.version)
            return
        if (report.due - self._now()).total_seconds() > 1.0:
            return  # Whoever has put it off has hung a bell up.
        try:
            keys, _ = await self._keys.keys(
                f"reports of {report.source}", Scheme.STANDARD_WEBHOOKS, [source.report.secret]
            )
        except (Problem, SourceClosed) as failure:
            _LOG.error("the reports of %s cannot be signed: %s", report.source, failure)
            return await self._again(name, report, found.version, LOOK_AGAIN)
        # This keeps other processes from trying it too, and counts a try in which this one dies.
        trying = report.model_copy(
            update={"tries": report.tries + 1, "due": self._now() + timedelta(seconds=60)}
        )
        version = await self._documents.replace(
            name, trying.to_json(), trying.facts(), found.version
        )
        if version is None:
            return
        answer = await self._try(trying, source.report.url, keys[0])
        after = after_try(
            trying.tries, answer.status if answer else None, answer.retry_after if answer else None
        )
        if isinstance(after, float):
            telemetry.count_report("failed")
            return await self._again(name, trying, version, after)
        telemetry.count_report(after)
        if after == "gone":
            await self._documents.create(self._gone_name(report.source), b"{}", {})
        if after != "delivered":
            _LOG.error("a report of %s was not delivered: %s", report.source, after)
        await self._documents.delete(name, version)

    async def list_open(self) -> list[Listed]:
        """The reports that have not arrived; the fact `due` is in POSIX seconds."""
        return await self._documents.list(REPORTS)

    async def _try(self, report: _Report, url: str, key: bytes) -> ShopAnswer | None:
        body = base64.b64decode(report.body)
        headers = signed_headers(report.message_id, body, key, self._clock())
        try:
            return await self._receivers[report.source].post(url, headers, body)
        except ShopUnavailable:
            return None

    async def _again(self, name: str, report: _Report, version: str, seconds: float) -> None:
        later = report.model_copy(update={"due": self._now() + timedelta(seconds=seconds)})
        if await self._documents.replace(name, later.to_json(), later.facts(), version):
            await self._bell.ring(name, seconds)

    def _gone_name(self, source: str) -> str:
        """The name of the document that says that the source's receiver wants no more reports.

        A new address of the receiver begins anew.
        """
        report = self._sources[source].report
        address = hashlib.sha256((report.url if report else "").encode()).hexdigest()[:16]
        return f"sources/{source}-gone-{address}"

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
