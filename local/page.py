"""What only this app has on the page of the local cloud: its calls, its records, its samples."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import aiohttp
from partner_center_emulator.page.masking import masked_body, masked_headers
from partner_center_emulator.page.panels import (
    Action,
    Done,
    Field,
    PageError,
    Panel,
    Row,
    Section,
    Tone,
    Values,
)
from partner_center_emulator.page.site import Site
from partner_center_emulator.page.views import clock, pretty, tone
from partner_center_emulator.watch.journal import Journal

from local.samples import SAMPLES

_SAMPLES = "Send a sample"
_TONES: dict[str, Tone] = {"completed": "good", "in_progress": "busy", "unknown": "bad"}

Function = Callable[[], tuple[str, str] | None]
"""Gives the function's URL and its key, or None as long as it starts."""


class Cloud(Protocol):
    """The parts of a cloud that are used here."""

    page: Site
    journal: Journal


def extend(cloud: Cloud, function: Function, *, has_storage: bool) -> None:
    """Adds this app's panels and actions to a cloud's page, before the cloud's own."""
    cloud.page.title = "Partner Center carts, in the local cloud"
    cloud.page.panels[:0] = [calls_panel(function)]
    cloud.page.panels[2:2] = [records_panel(cloud.journal, has_storage=has_storage)]
    cloud.page.actions[:0] = sample_actions(function)


def calls_panel(function: Function) -> Panel:
    """The function's calls, newest first."""

    async def rows() -> list[Row]:
        return [_call(call) for call in reversed(await _calls(function))]

    async def detail(row: str) -> list[Section]:
        for call in await _calls(function):
            if str(call["number"]) == row:
                return [
                    Section("Request", f"{call['method']} {call['target']}"),
                    Section("Request headers", masked_headers(call["headers"])),
                    Section("Request body", masked_body(call["body"].encode())),
                    Section("Answer headers", masked_headers(call["answer_headers"])),
                    Section("Answer body", masked_body(call["answer_body"].encode())),
                ]
        raise PageError("This call is forgotten.")

    return Panel(
        "function-calls",
        "Calls of the function",
        "What callers sent to this app, newest first.",
        ("Time", "Method", "Path", "Idempotency-Key", "Status", "ms"),
        rows,
        detail,
    )


def _call(call: dict[str, Any]) -> Row:
    replayed = " replayed" if "idempotent-replayed" in call["answer_headers"] else ""
    key = call["headers"].get("idempotency-key") or call["headers"].get("webhook-id", "")
    status, took = call["status"], f"{call['milliseconds']:.0f}"
    cells = (clock(call["time"]), call["method"], call["target"].partition("?")[0], key)
    return Row(str(call["number"]), (*cells, f"{status}{replayed}", took), tone(status))


async def _calls(function: Function) -> list[dict[str, Any]]:
    """The calls that the Functions host remembers; none where it does not answer."""
    if (running := function()) is None:
        return []
    url, key = running
    try:
        async with (
            aiohttp.ClientSession(headers={"x-functions-key": key}) as session,
            session.get(f"{url}/admin/calls") as answer,
        ):
            calls: list[dict[str, Any]] = await answer.json()
            return calls
    except aiohttp.ClientError:
        return []


def records_panel(journal: Journal, *, has_storage: bool) -> Panel:
    """The idempotency records, as they were written to Blob Storage."""

    async def rows() -> list[Row]:
        return [_record(name, record) for name, record in reversed(_records(journal).items())]

    async def detail(row: str) -> list[Section]:
        record = _records(journal).get(row)
        if record is None:
            raise PageError("This record is forgotten.")
        return [Section("Record", pretty(record))]

    return Panel(
        "records",
        "Idempotency records",
        "What the app remembers of each key, by customer, newest first.",
        ("Key", "Operation", "State", "Steps", "Kept until"),
        rows,
        detail,
        "Nothing yet."
        if has_storage
        else "They are in the function's memory, where nobody can look: there is no Azurite here.",
    )


def _records(journal: Journal) -> dict[str, dict[str, Any]]:
    """The newest version of each record that was written, by operation, customer and key.

    An operation may have a copy of its record, by which another one like it is noticed; the copy
    is not written again, so the record is the newer of the two.
    """
    records: dict[str, dict[str, Any]] = {}
    for arrival in journal.requests("storage"):
        if arrival.method != "PUT" or arrival.status != 201:
            continue
        try:
            document = json.loads(arrival.body)
        except ValueError:
            continue
        if isinstance(document, dict) and "operation" in document:
            name = "/".join(document[part] for part in ("operation", "customerId", "key"))
            records.pop(name, None)
            records[name] = document
    return records


def _record(name: str, record: dict[str, Any]) -> Row:
    steps = [f"{s['name']}{' (done)' if s['done'] else ''}" for s in record["steps"]]
    until = record["expiresAt"][:16].replace("T", " ")
    cells = (record["key"], record["operation"], record["state"], ", ".join(steps), until)
    group = f"Customer {record['customerId']}"
    return Row(name, cells, _TONES.get(record["state"], ""), group)


def sample_actions(function: Function) -> list[Action]:
    """Sends a sample with a key, and delivers the last one once more."""
    sent: list[tuple[str, str, str]] = []

    async def send(values: Values) -> Done:
        sample = SAMPLES[values["sample"]]
        sent[:] = [(sample.path, sample.content, values["key"])]
        return await _send(function, *sent[0])

    async def send_again(values: Values) -> Done:
        if not sent:
            raise PageError("Nothing was sent yet.")
        return await _send(function, *sent[0])

    choices = {name: sample.label for name, sample in SAMPLES.items()}
    return [
        Action(
            *("send", "Send a sample", "The same key again is the same order again."),
            *(send, _SAMPLES),
            (
                Field("sample", "Sample", "order", choices),
                Field("key", "Idempotency-Key", "order-1001"),
            ),
        ),
        Action(
            *("send-again", "Deliver it again", "As a storefront does that got no answer."),
            *(send_again, _SAMPLES),
        ),
    ]


async def _send(function: Function, path: str, content: str, key: str) -> Done:
    if (running := function()) is None:
        raise PageError("The function is not there yet.")
    url, function_key = running
    headers = {"x-functions-key": function_key, "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url + path, data=content.encode(), headers=headers) as answer,
        ):
            body = await answer.read()
    except (aiohttp.ClientError, ValueError) as error:
        raise PageError(f"The function did not answer: {error}") from None
    replayed = ", replayed" if "Idempotent-Replayed" in answer.headers else ""
    sections: Sequence[Section] = (
        Section("Request", f"POST {path}\n{masked_headers(headers)}"),
        Section("Request body", masked_body(content.encode())),
        Section("Answer body", masked_body(body)),
    )
    return Done(f"{answer.status} {answer.reason}{replayed}{_code(body)}", sections)


def _code(body: bytes) -> str:
    """The code of a problem, or the status of a cart or of orders, to be read at a glance."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    word = document.get("code") or document.get("status")
    return f": {word}" if word else ""
