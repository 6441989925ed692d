"""Remembers the calls of the Functions host, for the page of the local cloud."""

import time
from collections import deque
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from aiohttp import web

_REMEMBERED = 200
_SHOWN_BYTES = 64 * 1024

BODY = web.RequestKey("body", bytes)
"""Where a request carries its body, once a function gets it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function. Header names are in lower case; `time` is in Unix seconds."""

    number: int
    method: str
    target: str
    """The path with the query."""
    headers: dict[str, str]
    body: str
    time: float
    status: int
    milliseconds: float
    answer_headers: dict[str, str]
    answer_body: str


class Calls:
    """The newest calls, oldest first."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=_REMEMBERED)
        self._numbers = count(1)

    def add(self, request: web.Request, answer: web.StreamResponse, seconds: float) -> None:
        """Remembers a call that took so long."""
        content = answer.body if isinstance(answer, web.Response) else None
        self._calls.append(
            Call(
                next(self._numbers),
                request.method,
                request.raw_path,
                {name.lower(): value for name, value in request.headers.items()},
                _text(request.get(BODY, b"")),
                time.time() - seconds,
                answer.status,
                1000 * seconds,
                {name.lower(): value for name, value in answer.headers.items()},
                _text(content if isinstance(content, bytes) else b""),
            )
        )

    def as_json(self) -> list[dict[str, Any]]:
        """The calls as JSON objects."""
        return [asdict(call) for call in self._calls]


def _text(body: bytes) -> str:
    return body[:_SHOWN_BYTES].decode("utf-8", "replace")
