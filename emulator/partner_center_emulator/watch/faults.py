"""Disturbances: what the local cloud does instead of answering properly, when told to."""

import asyncio
import contextlib
import json
import random
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http.client import responses
from typing import Any, Literal, get_args

from aiohttp import web

from partner_center_emulator.watch.journal import SERVICES, Journal, Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_SILENCE = 3600.0
_NOT_HTTP = b"It is not HTTP that speaks here\r\n\r\n"
Action = Literal["drop", "reset", "silence", "garble", "truncate", "close_idle"]


@dataclass(slots=True)
class Fault:
    """What happens to the requests that match `service`, `method` and `path`.

    With `status` the answer is replaced (a `body` that is no text is sent as JSON; without one the
    gateway's own shape is sent). With `action` the connection suffers:
    drop (closed without an answer), reset (the same with a TCP reset), silence (no answer until the
    server stops), garble (no HTTP), truncate (half of the body), close_idle (answered, then
    closed). With neither, the request is merely slow. Raises ValueError where the values are wrong.
    """

    service: Service
    times: int | None = 1
    """How many requests it hits; None: until it is removed."""
    probability: float = 1.0
    method: str | None = None
    path: str = ""
    """A regular expression, searched for in the path."""
    commit: bool = False
    """Whether the request takes effect before its answer is replaced or lost."""
    delay: float = 0.0
    """Seconds before the request takes effect."""
    delay_after: float = 0.0
    """Seconds from then to the answer."""
    action: Action | None = None
    status: int | None = None
    body: Any = None
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.service not in SERVICES:
            raise ValueError(f"service must be one of {', '.join(SERVICES)}")
        if self.action not in (None, *get_args(Action)):
            raise ValueError(f"action must be one of {', '.join(get_args(Action))}")
        re.compile(self.path)

    @property
    def answers(self) -> bool:
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
        """The answer to send instead, if there is one."""
        if self.status is None:
            return None
        body = self.body
        if body is None:
            body = {"statusCode": self.status, "message": responses.get(self.status, "Unknown")}
        if not isinstance(body, str | bytes):
            body = json.dumps(body)
        content = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": self.content_type}
        headers |= {name: str(value) for name, value in self.headers.items()}
        return web.Response(status=self.status, body=content, headers=headers)


class Faults:
    """The disturbances in force, in the order in which they were put in."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.active: list[Fault] = []

    def inject(self, *faults: Fault) -> None:
        """Adds disturbances. A request meets all delays that match, but one answering fault."""
        self.active.extend(faults)

    def clear(self) -> None:
        """Ends all disturbances."""
        self.active.clear()

    def draw(self, service: Service, request: web.Request) -> list[Fault]:
        """The faults that this request meets, the answering one (if any) last."""
        drawn: list[Fault] = []
        for fault in list(self.active):
            if not fault.matches(service, request) or self.random.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.active.remove(fault)
            drawn.append(fault)
            if fault.answers:
                break
        return drawn


def watched(service: Service, journal: Journal, faults: Faults) -> Any:
    """The middleware that writes down what arrives at a service and disturbs it when told to."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        arrival = await journal.add(service, request)
        drawn = faults.draw(service, request)
        last = drawn[-1] if drawn else None
        await asyncio.sleep(sum(fault.delay for fault in drawn))
        response: web.StreamResponse | None = None
        if last is None or last.takes_effect:
            response = await handler(request)
        await asyncio.sleep(sum(fault.delay_after for fault in drawn))
        if last is not None:
            response = last.replacement() or response
            if last.action is not None and last.action != "close_idle":
                return await _suffer(last.action, request, response)
            if last.action is not None and request.transport is not None:
                asyncio.get_running_loop().call_later(0.05, request.transport.close)
        assert response is not None
        arrival.status = response.status
        return response

    return handle


async def _suffer(
    action: Action, request: web.Request, response: web.StreamResponse | None
) -> web.StreamResponse:
    """Does to the connection what `action` says. What it returns reaches nobody."""
    transport = request.transport
    if action == "silence":
        await asyncio.sleep(_SILENCE)
    elif transport is not None and action == "drop":
        transport.abort()
    elif transport is not None and action == "reset":
        reset(transport)
    elif transport is not None:
        transport.write(_cut(response) if action == "truncate" else _NOT_HTTP)
        transport.close()
    return web.Response()


def _cut(response: web.StreamResponse | None) -> bytes:
    """The first half of an answer that promises the whole."""
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    head = [
        f"HTTP/1.1 {response.status} {response.reason}",
        f"Content-Length: {len(response.body)}",
    ]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + response.body[: len(response.body) // 2]


def reset(transport: asyncio.Transport | asyncio.WriteTransport) -> None:
    """Ends a connection with a TCP reset instead of a farewell."""
    linger_for_nothing = struct.pack("ii", 1, 0)
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it may be gone already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)
    transport.abort()
