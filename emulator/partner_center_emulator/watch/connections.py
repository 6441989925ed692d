"""What a disturbance does to the connection instead of sending an answer properly."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Literal, get_args
from weakref import WeakSet

from aiohttp import web

from partner_center_emulator.network.tcp import reset

Action = Literal["drop", "reset", "silence", "garble", "truncate", "close_idle", "die_at_next"]

SENDS_ANSWER: frozenset[Action] = frozenset({"truncate", "close_idle", "die_at_next"})
"""The actions that send the answer, or a part of it."""

_SILENCE_SECONDS = 3600.0
_CLOSE_SECONDS = 0.05
_NOT_HTTP = b"This is not an answer in HTTP.\r\n\r\n"

Doomed = WeakSet[asyncio.BaseTransport]
"""The connections that end when the next request arrives on them."""


async def send(
    action: Action, request: web.Request, answer: web.Response, doomed: Doomed
) -> web.StreamResponse:
    """Carries out the action. The response that it returns reaches nobody after most of them."""
    await _ACTIONS[action](request, answer, doomed)
    return answer


async def drip(request: web.Request, answer: web.Response, pause: float) -> web.StreamResponse:
    """Sends the head of an answer, then its body byte by byte, with a pause before each."""
    assert isinstance(answer.body, bytes)
    slow = web.StreamResponse(status=answer.status, headers=answer.headers)
    slow.content_length = len(answer.body)
    with suppress(ConnectionResetError):  # the caller may be gone
        await slow.prepare(request)
        for number in range(len(answer.body)):
            await asyncio.sleep(pause)
            await slow.write(answer.body[number : number + 1])
        await slow.write_eof()
    return slow


async def _drop(request: web.Request, answer: web.Response, doomed: Doomed) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _reset(request: web.Request, answer: web.Response, doomed: Doomed) -> None:
    if request.transport is not None:
        reset(request.transport)


async def _silence(request: web.Request, answer: web.Response, doomed: Doomed) -> None:
    await asyncio.sleep(_SILENCE_SECONDS)


async def _garble(request: web.Request, answer: web.Response, doomed: Doomed) -> None:
    _send_and_close(request, _NOT_HTTP)


async def _truncate(request: web.Request, answer: web.Response, doomed: Doomed) -> None:
    """Half of the body, under a Content-Length that promises all of it."""
    assert isinstance(answer.body, bytes)
    head = [f"HTTP/1.1 {answer.status} {answer.reason}", f"Content-Length: {len(answer.body)}"]
    head += [f"{name}: {value}" for name, value in answer.headers.items()]
    half = answer.body[: len(answer.body) // 2]
    _send_and_close(request, "\r\n".join([*head, "", ""]).encode() + half)


async def _close_idle(request: web.Request, answer: web.Response, doomed: Doomed) -> None:
    if request.transport is not None:
        asyncio.get_running_loop().call_later(_CLOSE_SECONDS, request.transport.close)


async def _die_at_next(request: web.Request, answer: web.Response, doomed: Doomed) -> None:
    if request.transport is not None:
        doomed.add(request.transport)


def _send_and_close(request: web.Request, content: bytes) -> None:
    if request.transport is not None:
        request.transport.write(content)
        request.transport.close()


_ACTIONS: Mapping[Action, Callable[[web.Request, web.Response, Doomed], Awaitable[None]]] = {
    "drop": _drop,
    "reset": _reset,
    "silence": _silence,
    "garble": _garble,
    "truncate": _truncate,
    "close_idle": _close_idle,
    "die_at_next": _die_at_next,
}
assert tuple(_ACTIONS) == get_args(Action)
