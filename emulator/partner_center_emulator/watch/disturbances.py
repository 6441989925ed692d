"""Disturbances: what the local cloud does to requests instead of answering them properly."""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from http.client import responses
from typing import Annotated, Any

from aiohttp import web
from multidict import CIMultiDict
from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from partner_center_emulator.watch.alterations import (
    Encoding,
    Told,
    change_members,
    change_request,
    encoded,
)
from partner_center_emulator.watch.connections import SENDS_ANSWER, Action, Doomed, drip, send
from partner_center_emulator.watch.journal import ARRIVAL, Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Seconds = Annotated[float, Field(ge=0)]


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return text


@dataclass(slots=True, config=ConfigDict(extra="forbid", strict=True))
class Disturbance:
    """What happens to the requests that match `service`, `method`, `path` and `while_late`.

    README.md describes every member. Raises ValueError where a value is wrong.
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
    while_late: bool = False
    """Whether it hits only while an earlier request with this method and path is `late`."""
    commit: bool = False
    """Whether the request takes effect although its answer is replaced or lost."""
    late: Seconds = 0.0
    """Seconds from the answer to the effect; 0: the effect comes first."""
    delay: Seconds = 0.0
    """Seconds before the request takes effect or, where that is late, before the answer."""
    delay_after: Seconds = 0.0
    """Seconds from then to the answer."""
    request: dict[str, Any] = field(default_factory=dict)
    """Changes of what Partner Center takes the request to say; see alterations.Changes."""
    action: Action | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    """The status of an answer that replaces the true one."""
    body: Any = None
    """The body that replaces the answer's: text and bytes as they are, anything else as JSON.
    Without one, it is the gateway's own `{"statusCode": ..., "message": ...}`."""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    """More headers of the answer, the true one or its replacement; a list is a repeated header."""
    answer: dict[str, Any] = field(default_factory=dict)
    """Changes of what the true answer says; see alterations.Changes."""
    another: bool = False
    """Whether the answer has the body of the newest answer to another path of the same route."""
    encoding: Encoding | None = None
    """How the body is encoded, whatever its headers say."""
    drip: Seconds = 0.0
    """Seconds before each byte of the answer's body; 0: it is sent at once."""

    @model_validator(mode="after")
    def _is_possible(self) -> "Disturbance":
        if self.late and not (self.commit and not self._sends_true_answer):
            raise ValueError("late needs commit, and an answer that is replaced or lost")
        if self.request and self.service != "partner_center":
            raise ValueError("request changes what Partner Center takes, and nothing else")
        return self

    @property
    def _sends_true_answer(self) -> bool:
        return self.status is None and (self.action is None or self.action in SENDS_ANSWER)

    @property
    def ends_request(self) -> bool:
        """Whether it does more than slow a request down."""
        return bool(
            self.status is not None
            or self.action is not None
            or self.request
            or self.headers
            or self.answer
            or self.another
            or self.encoding
            or self.drip
        )

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out, sooner or later."""
        return self.commit or self._sends_true_answer

    def matches(self, service: Service, request: web.Request) -> bool:
        """Whether it is meant for this request, where nothing is late."""
        return (
            self.service == service
            and self.method in (None, request.method)
            and re.search(self.path, request.path) is not None
        )

    def answer_to(
        self, request: web.Request, true: web.Response | None, told: Told
    ) -> web.Response:
        """The answer to send; `true` is the service's own, where the request took effect."""
        if self.status is not None:
            answer, body = web.Response(status=self.status), self._replacing_body()
            answer.headers["Content-Type"] = self.content_type
        elif true is None:
            return web.Response()  # it reaches nobody
        else:
            assert isinstance(true.body, bytes)
            answer, body = true, true.body
            if self.answer:
                body = change_members(body, self.answer)
            if self.another:
                body = told.another(request) or body
        answer.body = encoded(body, self.encoding)
        for name, value in self.headers.items():
            answer.headers.popall(name, None)
            answer.headers.extend(
                CIMultiDict((name, v) for v in ([value] if isinstance(value, str) else value))
            )
        return answer

    def _replacing_body(self) -> bytes:
        body = self.body
        if body is None:
            message = responses.get(self.status or 0, "Unknown")
            body = {"statusCode": self.status, "message": message}
        if not isinstance(body, str | bytes):
            body = json.dumps(body)
        return body.encode() if isinstance(body, str) else body


class Disturbances:
    """The disturbances in force, in the order in which they were injected."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        """Decides about each `probability`. Seed it to repeat a run."""
        self.active: list[Disturbance] = []
        self._late: dict[asyncio.Task[None], tuple[str, str]] = {}

    def inject(self, *disturbances: Disturbance) -> None:
        """Adds disturbances.

        A request suffers all delays that match, up to the first disturbance that does more.
        """
        self.active.extend(disturbances)

    def clear(self) -> None:
        """Removes all disturbances. What is late already takes effect all the same."""
        self.active.clear()

    def draw(self, service: Service, request: web.Request) -> list[Disturbance]:
        """Those that hit this request. One that does more than delay is the last of them."""
        drawn: list[Disturbance] = []
        late = Counter(self._late.values())
        for each in list(self.active):
            if each.while_late and not late[request.method, request.path]:
                continue
            if not each.matches(service, request) or self.random.random() >= each.probability:
                continue
            if each.times is not None:
                each.times -= 1
                if each.times <= 0:
                    self.active.remove(each)
            drawn.append(each)
            if each.ends_request:
                break
        return drawn

    def take_effect_later(self, seconds: float, request: web.Request, handler: Handler) -> None:
        """Carries a request out after so many seconds. Nobody gets the answer."""

        async def take_effect() -> None:
            await asyncio.sleep(seconds)
            await handler(request)

        task = asyncio.get_running_loop().create_task(take_effect())
        self._late[task] = request.method, request.path
        task.add_done_callback(self._late.pop)

    async def settle(self) -> None:
        """Waits until everything that is late has taken effect."""
        while self._late:
            await asyncio.wait(list(self._late))

    def forget_late(self) -> None:
        """Lets nothing take effect any more that is late."""
        for task in list(self._late):
            task.cancel()


def disturbed(service: Service, disturbances: Disturbances) -> Any:
    """The middleware of a journalled service that carries out the disturbances."""
    told, doomed = Told(), Doomed()

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        arrival = request[ARRIVAL]
        if request.transport in doomed:
            return await send("drop", request, web.Response(), doomed)
        drawn = disturbances.draw(service, request)
        last = drawn[-1] if drawn else None
        await asyncio.sleep(sum(each.delay for each in drawn))
        if last and last.request:
            await change_request(request, last.request)
        true: web.Response | None = None
        if last and last.late:
            disturbances.take_effect_later(last.late, request, handler)
        elif last is None or last.takes_effect:
            response = await handler(request)
            assert isinstance(response, web.Response)
            true = response
            if isinstance(true.body, bytes) and true.status < 300:
                told.remember(request, true.body)
        await asyncio.sleep(sum(each.delay_after for each in drawn))
        if last is None:
            assert true is not None
            arrival.status = true.status
            return true
        answer = last.answer_to(request, true, told)
        if last.action is None or last.action in ("close_idle", "die_at_next"):
            arrival.status = answer.status
        if last.drip:
            return await drip(request, answer, last.drip)
        return await send(last.action, request, answer, doomed) if last.action else answer

    return handle
