"""The shops of storefronts.toml in a local cloud.

They send signed webhooks, answer at their platforms' own host names for the orders that they have
sent, and take in the reports.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from cart_core.storefronts.json_body import UnreadableBody, read_body
from cart_core.storefronts.order import Ignored
from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.sources import BigCommerceSource, Source, StripeSource
from local.storefront_samples import Kind, answers_for_the_samples, sample_order
from local.storefronts import local_secret, sign

_SECRET_OF_NOBODY = local_secret("a-secret-that-no-source-has")
_SAYS_NOTHING = b"{}"


class UnfitSampleError(Exception):
    """A sample says nothing to the expressions of a source."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body on its way to the address of a source; each time it is signed anew, as shops do."""

    source: str
    body: bytes
    message_id: str
    sign: Callable[[bytes, str], dict[str, str]]

    @property
    def path(self) -> str:
        """The path of the address that the shop has."""
        return f"/api/webhooks/{self.source}"

    def headers(self) -> dict[str, str]:
        """The headers of a delivery that is made now."""
        own = {"Content-Type": "application/json"}
        return own | self.sign(self.body, self.message_id)


class Shops:
    """All of them, by the names of their sources. `clock` gives POSIX seconds."""

    def __init__(
        self, sources: Mapping[str, Source], clock: Callable[[], float] = time.time
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._answers: dict[str, Any] = {}
        for source in sources.values():
            self._answers |= answers_for_the_samples(source)

    @property
    def platforms(self) -> dict[str, str]:
        """The platform of each source."""
        return {name: source.platform for name, source in self._sources.items()}

    def third_parties(self) -> dict[str, list[web.RouteDef]]:
        """The hosts that the app asks or reports to, with the routes of each."""
        addresses = [
            source.api
            for source in self._sources.values()
            if isinstance(source, BigCommerceSource | StripeSource)
        ]
        addresses += [each.report.url for each in self._sources.values() if each.report]
        routes = [web.get("/{path:.*}", self._answer), web.post("/{path:.*}", self._take)]
        return {host: routes for address in addresses if (host := urlsplit(address).hostname)}

    def greeting(self, name: str) -> Delivery:
        """A delivery that says nothing, as platforms send one when an address is entered.

        The app remembers that it has seen the source.
        """
        return self._delivery(name, _SAYS_NOTHING)

    def order(self, name: str, number: int, kind: Kind, *, wrongly_signed: bool) -> Delivery:
        """The delivery of a sample order, which the shop's own API knows from now on.

        Raises UnfitSampleError.
        """
        source, now = self._sources[name], self._clock()
        sample = sample_order(source, number, kind, now)
        body = json.dumps(sample.webhook).encode()
        try:
            reading = platform_of(source).read(read_body(body), datetime.fromtimestamp(now, UTC))
        except UnreadableBody as unreadable:
            raise UnfitSampleError(str(unreadable)) from None
        if isinstance(reading, Ignored):
            raise UnfitSampleError(reading.value)
        self._answers |= sample.answers
        return self._delivery(name, body, _SECRET_OF_NOBODY if wrongly_signed else None)

    def _delivery(self, name: str, body: bytes, secret: str | None = None) -> Delivery:
        source = self._sources[name]
        scheme = platform_of(source).scheme
        key = secret or local_secret(source.secrets[0])

        def signed(content: bytes, message_id: str) -> dict[str, str]:
            return sign(scheme, key, content, self._clock(), message_id)

        return Delivery(name, body, f"msg_{uuid.uuid4().hex}", signed)

    async def _answer(self, request: web.Request) -> web.Response:
        """What a platform's own API answers; everything is on the first page."""
        if request.path not in self._answers:
            return web.json_response({"status": 404, "title": "Not found"}, status=404)
        if request.query.get("page", "1") != "1":
            return web.Response(status=204)
        return web.json_response(self._answers[request.path])

    async def _take(self, request: web.Request) -> web.Response:
        return web.Response(status=204)
