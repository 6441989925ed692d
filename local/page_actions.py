"""The actions of this app on the page of the local cloud: each calls it as a caller would."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import aiohttp
from partner_center_emulator.page.masking import masked_body, masked_headers
from partner_center_emulator.page.panels import Action, Done, Field, PageError, Section, Values

from local.samples import SAMPLES

_SAMPLES = "Send a sample"

Function = Callable[[], tuple[str, str] | None]
"""Gives the function's URL and its key, or None as long as it starts."""


class _Request(NamedTuple):
    """A POST to the function."""

    path: str
    content: str = ""
    headers: Mapping[str, str] = {}


def actions(function: Function) -> list[Action]:
    """All of them; those without a group belong to buttons of rows."""
    return [*_samples(function), _try_now(function)]


def _samples(function: Function) -> list[Action]:
    """Sends a sample with a key, and delivers the last one once more."""
    sent: list[_Request] = []

    async def send(values: Values) -> Done:
        sample = SAMPLES[values["sample"]]
        headers = {"Content-Type": "application/json"}
        if values["key"]:
            headers["Idempotency-Key"] = values["key"]
        if values["later"]:
            headers["Prefer"] = "respond-async"
        sent[:] = [_Request(sample.path, sample.content, headers)]
        return await _post(function, sent[0])

    async def send_again(values: Values) -> Done:
        if not sent:
            raise PageError("Nothing was sent yet.")
        return await _post(function, sent[0])

    choices = {name: sample.label for name, sample in SAMPLES.items()}
    return [
        Action(
            *("send", "Send a sample", "The same key again is the same order again."),
            *(send, _SAMPLES),
            (
                Field("sample", "Sample", "order", choices),
                Field("key", "Idempotency-Key", "order-1001"),
                Field("later", "Do not wait for it (Prefer: respond-async)", False),
            ),
        ),
        Action(
            *("send-again", "Deliver it again", "As a storefront does that got no answer."),
            *(send_again, _SAMPLES),
        ),
    ]


def _try_now(function: Function) -> Action:
    async def try_now(values: Values) -> Done:
        operation_id = str(values.get("operation"))
        return await _post(function, _Request(f"/api/operations/{operation_id}/replay"))

    return Action("try-now", "Try now", "An operator sets a queued operation going.", try_now)


async def _post(function: Function, request: _Request) -> Done:
    if (running := function()) is None:
        raise PageError("The function is not there yet.")
    url, function_key = running
    headers = {"x-functions-key": function_key, **request.headers}
    content = request.content.encode()
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
