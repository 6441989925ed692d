"""Disturbances: what the local cloud does to requests instead of answering them properly."""

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import field
from http.client import responses
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from partner_center_emulator.network.tcp import reset
from partner_center_emulator.watch.journal import Journal, Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Action = Literal["drop", "reset", "silence", "garble", "truncate", "close_idle"]

_SILENCE_SECONDS = 3600.0
_NOT_HTTP = b"This is not an answer in HTTP.\r\n\r\n"


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return text


@dataclass(slots=True, config=ConfigDict(extra="forbid", strict=True))
class Disturbance:
    """What happens to the requests that match `service`, `method` and `path`.

    With `status` the answer is replaced. With `action` the connection is disturbed:
    drop (closed without an answer), reset (the same with a TCP reset), silence (no answer until the
    server stops), garble (bytes that are not HTTP), truncate (half of the body), close_idle
    (answered, then closed). With neither, the request is only slow.

    Raises ValueError where a value is wrong.
    """

    service: Service
    times: int | None = 1
    """How many requests it hits; None: all until it is removed."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How likely it hits a request that matches."""
    method: str | None = None
    """The HTTP method that it hits; None: all methods."""
    path: Annotated[str, AfterValidator(_regular_expression)] = ""
    """A regular expression, searched for in the path."""
    commit: bool = False
    """Whether the request takes effect before its answer is replaced or lost."""
    delay: Annotated[float, Field(ge=0)] = 0.0
    """Seconds before the request takes effect."""
    delay_after: Annotated[float, Field(ge=0)] = 0.0
    """Seconds from then to the answer."""
    action: Action | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    body: Any = None
    """The body that replaces the answer's: text and bytes as they are, anything else as JSON.
    Without one, it is the gateway's own `{"statusCode": ..., "message": ...}`."""
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    """More headers of the answer that replaces the true one."""

    @property
    def ends_request(self) -> bool:
        """Whether it does more than slow a request down."""
        return self.status is not None or self.action is not None

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out."""
        needs_answer = self.status is None and self.action in (None, "truncate", "close_idle")
        return self.commit or needs_answer

    def matches(self, service: Service, request: web.Request) -> bool:
        """Whether it is meant for this request."""
        return (
            self.service == service
            and self.method in (None, request.method)
            and re.search(self.path, request.path) is not None
        )

    def replacement(self) -> web.Response | None:
        """The answer to send instead of the true one; None where that one is to be sent."""
        if self.status is None:
            return None
        body = self.body
        if body is None:
            body = {"statusCode": self.status, "message": responses.get(self.status, "Unknown")}
        if not isinstance(body, str | bytes):
            body = json.dumps(body)
        content = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": self.content_type} | self.headers
        return web.Response(status=self.status, body=content, headers=headers)


class Disturbances:
    """The disturbances in force, in the order in which they were injected."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        """Decides about each `probability`. Seed it to repeat a run."""
        self.active: list[Disturbance] = []

    def inject(self, *disturbances: Disturbance) -> None:
        """Adds disturbances.

        A request suffers all delays that match, up to the first disturbance that does more.
        """
        self.active.extend(disturbances)

    def clear(self) -> None:
        """Removes all disturbances."""
        self.active.clear()

    def draw(self, service: Service, request: web.Request) -> list[Disturbance]:
        """Those that hit this request. One that does more than delay is the last of them."""
        drawn: list[Disturbance] = []
        for disturbance in list(self.active):
            if (
                not disturbance.matches(service, request)
                or self.random.random() >= disturbance.probability
            ):
                continue
            if disturbance.times is not None:
                disturbance.times -= 1
                if disturbance.times <= 0:
                    self.active.remove(disturbance)
            drawn.append(disturbance)
            if disturbance.ends_request:
                break
        return drawn


def watched(service: Service, journal: Journal, disturbances: Disturbances) -> Any:
    """The middleware of a service: it journals every request and carries out the disturbances."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        arrival = await journal.add(service, request)
        drawn = disturbances.draw(service, request)
        last = drawn[-1] if drawn else None
        await asyncio.sleep(sum(disturbance.delay for disturbance in drawn))
        response: web.StreamResponse | None = None
        if last is None or last.takes_effect:
            response = await handler(request)
        await asyncio.sleep(sum(disturbance.delay_after for disturbance in drawn))
        if last is not None:
            response = last.replacement() or response
            if last.action is not None and last.action != "close_idle":
                return await _disturb(last.action, request, response)
            if last.action is not None and request.transport is not None:
                asyncio.get_running_loop().call_later(0.05, request.transport.close)
        assert response is not None
        arrival.status = response.status
        return response

    return handle


async def _disturb(
    action: Action, request: web.Request, response: web.StreamResponse | None
) -> web.StreamResponse:
    """Does to the connection what `action` says. The response that it returns reaches nobody."""
    transport = request.transport
    if action == "silence":
        await asyncio.sleep(_SILENCE_SECONDS)
    elif transport is not None and action == "drop":
        transport.abort()
    elif transport is not None and action == "reset":
        reset(transport)
    elif transport is not None:
        transport.write(_first_half(response) if action == "truncate" else _NOT_HTTP)
        transport.close()
    return web.Response()


def _first_half(response: web.StreamResponse | None) -> bytes:
    """An answer with half of its body, under a Content-Length that promises all of it."""
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    head = [
        f"HTTP/1.1 {response.status} {response.reason}",
        f"Content-Length: {len(response.body)}",
    ]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + response.body[: len(response.body) // 2]
