"""Sends requests to the function as callers do, and once more what was sent last."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import aiohttp
from partner_center_emulator.page.masking import masked_body, masked_headers
from partner_center_emulator.page.panels import Done, PageError, Section

Function = Callable[[], tuple[str, str] | None]
"""Gives the function's URL and its key, or None as long as it starts."""


class Request(NamedTuple):
    """A POST to the function; `with_key` says that it has the function key."""

    path: str
    content: str | bytes = ""
    headers: Mapping[str, str] = {}
    with_key: bool = True


class Deliveries:
    """What the page sends to one function."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._last: Callable[[], Request] | None = None

    async def send(self, made: Callable[[], Request]) -> Done:
        """Sends a request that may be delivered again. What a signature is of is made anew then."""
        self._last = made
        return await self.post(made())

    async def send_again(self) -> Done:
        """Delivers the last one again. Raises PageError where there is none."""
        if self._last is None:
            raise PageError("Nothing was sent yet.")
        return await self.post(self._last())

    async def post(self, request: Request) -> Done:
        """The answer. Raises PageError where there is none."""
        if (running := self._function()) is None:
            raise PageError("The function is not there yet.")
        url, function_key = running
        own = {"x-functions-key": function_key} if request.with_key else {}
        headers = {**own, **request.headers}
        content = request.content.encode() if isinstance(request.content, str) else request.content
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(url + request.path, data=content, headers=headers) as answer,
            ):
                body = await answer.read()
        except (aiohttp.ClientError, ValueError) as error:
            raise PageError(f"The function did not answer: {error}") from None
        replayed = ", replayed" if "Idempotent-Replayed" in answer.headers else ""
        sections: Sequence[Section] = (
            Section("Request", f"POST {request.path}\n{masked_headers(headers)}"),
            Section("Request body", masked_body(content)),
            Section("Answer body", masked_body(body)),
        )
        return Done(f"{answer.status} {answer.reason}{replayed}{_word(body)}", sections)


def _word(body: bytes) -> str:
    """The code of a problem, or the status or the state of what was asked for, at a glance."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    word = next(filter(None, map(document.get, ("code", "status", "state"))), "")
    return f": {word}" if word else ""
