"""The journal of the requests that arrive at the local cloud."""

import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Literal, get_args

from aiohttp import web

Service = Literal["identity", "key_vault", "entra", "partner_center", "storage"]
SERVICES: tuple[Service, ...] = get_args(Service)

_MAXIMUM = 20_000
"""How many requests are remembered in full."""


@dataclass(slots=True)
class Arrival:
    """One request as it arrived. Header names are in lower case; `time` is in Unix seconds."""

    service: Service
    method: str
    host: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    time: float
    status: int | None = None
    """The HTTP status of the answer; None before it is sent, and where it is withheld."""

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON object, the body as text."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"body": self.body.decode("utf-8", "replace")}


class Journal:
    """The newest 20,000 requests in full, and a count of all of them by service."""

    def __init__(self) -> None:
        self._arrivals: deque[Arrival] = deque(maxlen=_MAXIMUM)
        self.counts: Counter[str] = Counter()

    async def add(self, service: Service, request: web.Request) -> Arrival:
        """Reads a request to its end and records it."""
        arrival = Arrival(
            service,
            request.method,
            request.host,
            request.path,
            request.query_string,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
            time.time(),
        )
        self._arrivals.append(arrival)
        self.counts[service] += 1
        return arrival

    def requests(self, service: Service | None = None, path: str = "") -> list[Arrival]:
        """The requests to one service (or all) whose path contains `path`, oldest first."""
        return [a for a in list(self._arrivals) if service in (None, a.service) and path in a.path]

    def clear(self) -> None:
        """Forgets everything."""
        self._arrivals.clear()
        self.counts.clear()
