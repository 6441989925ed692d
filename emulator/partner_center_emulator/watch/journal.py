"""The journal of the requests that arrive at the local cloud, and of how they are answered."""

import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, get_args

from aiohttp import web

Service = Literal["identity", "key_vault", "entra", "partner_center", "storage", "third_party"]
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
    number: int = 0
    """Counts the requests of the cloud from 1."""
    milliseconds: float | None = None
    """How long it took until the answer was ready; None before."""
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer_body: bytes = b""
    """Of the answer; both are empty before it is sent, and where it is withheld."""

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON object without the answer's headers and body, the body as text."""
        hidden = {"answer_headers", "answer_body"}
        fields = {name: getattr(self, name) for name in self.__slots__ if name not in hidden}
        return fields | {"body": self.body.decode("utf-8", "replace")}


class Journal:
    """The newest 20,000 requests in full, and a count of all of them by service."""

    def __init__(self) -> None:
        self._arrivals: deque[Arrival] = deque(maxlen=_MAXIMUM)
        self.counts: Counter[str] = Counter()
        self._numbers = count(1)

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
            number=next(self._numbers),
        )
        self._arrivals.append(arrival)
        self.counts[service] += 1
        return arrival

    def requests(self, service: Service | None = None, path: str = "") -> list[Arrival]:
        """The requests to one service (or all) whose path contains `path`, oldest first."""
        return [a for a in list(self._arrivals) if service in (None, a.service) and path in a.path]

    def find(self, number: int) -> Arrival | None:
        """The request with this number; None where there is none, or no longer."""
        return next((a for a in list(self._arrivals) if a.number == number), None)

    def clear(self) -> None:
        """Forgets everything."""
        self._arrivals.clear()
        self.counts.clear()


ARRIVAL = web.RequestKey("arrival", Arrival)
"""Where a request carries its own entry of the journal."""


def journalled(service: Service, journal: Journal) -> Any:
    """The middleware of a service that journals every request, and its answer if one is sent."""

    @web.middleware
    async def handle(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        arrival = request[ARRIVAL] = await journal.add(service, request)
        begun = time.perf_counter()
        try:
            answer = await handler(request)
        finally:
            arrival.milliseconds = 1000 * (time.perf_counter() - begun)
        if arrival.status is not None:
            arrival.answer_headers = {name.lower(): v for name, v in answer.headers.items()}
            if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
                arrival.answer_body = answer.body
        return answer

    return handle
