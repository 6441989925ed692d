"""The host's queue and timer triggers in a process of their own, over Azurite."""

import asyncio
import base64
import json
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.watch.disturbances import Disturbance

from local.environment import app_environment
from local.function_process import FunctionProcess

APP = """
import asyncio, json, pathlib
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
directory = pathlib.Path(__file__).parent

@app.route("held")
async def held(req: func.HttpRequest) -> str:
    (directory / "held").touch()
    while not (directory / "released").exists():
        await asyncio.sleep(0.01)
    return "released"

@app.queue_trigger("message", queue_name="QUEUE", connection="AzureWebJobsStorage")
async def take(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    with open(directory / "taken", "a") as log:
        log.write(json.dumps([text, message.id, message.dequeue_count]) + "\\n")
    if text == "bad":
        raise RuntimeError("It fails each time.")

@app.timer_trigger("timer", schedule="* * * * * *")
async def tick(timer: func.TimerRequest) -> None:
    with open(directory / "ticks", "a") as log:
        log.write("tick\\n")
"""
PATIENCE = 120.0
"""Seconds after which a test gives up; it only keeps a failed test from hanging."""


@dataclass
class Place:
    """An app with a queue of its own, whose name no other test knows."""

    cloud: LocalCloud
    directory: Path
    queue: str

    @asynccontextmanager
    async def started(
        self, encoding: str = "none", **changes: str
    ) -> AsyncIterator[FunctionProcess]:
        """The app under the host. What fails is tried twice, and at once.

        The host is started and stopped in a thread: what it asks its cloud for until it has ended
        is answered by the event loop.
        """
        queues = {
            "messageEncoding": encoding,
            "maxDequeueCount": 2,
            "maxPollingInterval": "00:00:01",
        }
        (self.directory / "host.json").write_text(json.dumps({"extensions": {"queues": queues}}))
        (self.directory / "function_app.py").write_text(APP.replace("QUEUE", self.queue))
        environment = app_environment(self.cloud) | changes
        running = await asyncio.to_thread(
            lambda: FunctionProcess(environment, app_dir=self.directory, drain_seconds=60)
        )
        try:
            yield running
        finally:
            await asyncio.to_thread(running.__exit__)

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Asks the queue service as its owner."""
        assert self.cloud.storage
        return await self.cloud.storage.ask_queue(method, path, body)

    async def put(self, text: str) -> None:
        """Puts a message into the queue."""
        message = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
        await self.ask("POST", f"/{self.queue}/messages", message)

    async def poisoned(self) -> list[str]:
        """The texts in the poison queue, once there is one with a text in it."""
        give_up = time.monotonic() + PATIENCE
        found: list[str] = []
        while not found:
            assert time.monotonic() < give_up, "nothing is poisoned"
            with suppress(RuntimeError):  # The host has not made the queue yet.
                found = await self.texts(f"{self.queue}-poison")
        return found

    async def texts(self, queue: str) -> list[str]:
        """The texts of the visible messages of a queue."""
        answer = await self.ask("GET", f"/{queue}/messages?peekonly=true&numofmessages=32")
        return [each.text or "" for each in ElementTree.fromstring(answer).iter("MessageText")]

    def lines(self, file: str) -> list[str]:
        """What the app has noted."""
        path = self.directory / file
        return path.read_text().splitlines() if path.exists() else []

    @property
    def taken(self) -> list[Any]:
        """Text and dequeue count of each message that the function got."""
        return [json.loads(line)[::2] for line in self.lines("taken")]


@pytest.fixture
async def place(azurite: Azurite, tmp_path: Path) -> AsyncIterator[Place]:
    async with LocalCloud(azurite=azurite) as cloud:
        made = Place(cloud, tmp_path, f"things-{uuid.uuid4().hex[:8]}")
        await made.ask("PUT", f"/{made.queue}")
        yield made


async def until(condition: Callable[[], object]) -> None:
    """Waits until a condition is true."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "it did not come true"
        await asyncio.sleep(0.02)


async def test_messages_are_deleted_or_poisoned(place: Place) -> None:
    for text in ("good", "bad", '{"id": 7}'):
        await place.put(text)
    async with place.started():
        assert await place.poisoned() == ["bad"]
        await until(lambda: len(place.taken) == 4)
        assert await place.texts(place.queue) == []
    assert sorted(place.taken) == [["bad", 1], ["bad", 2], ["good", 1], ['{"id": 7}', 1]]
    assert "7" in [json.loads(line)[1] for line in place.lines("taken")]


async def test_with_base64_plain_text_goes_straight_to_poison(place: Place) -> None:
    await place.put("plain")
    await place.put(base64.b64encode(b"good").decode())
    async with place.started("base64"):
        assert await place.poisoned() == ["plain"]
        await until(lambda: place.taken)
    assert place.taken == [["good", 1]]


async def test_after_sigterm_messages_are_taken_and_timers_fire_while_requests_drain(
    place: Place,
) -> None:
    async with place.started() as running:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            held = asyncio.create_task(client.get(f"{running.url}/api/held"))
            await until((place.directory / "held").exists)
            running.process.send_signal(signal.SIGTERM)
            await place.put("late")
            await until(lambda: place.taken)
            ticks = len(place.lines("ticks"))
            await until(lambda: len(place.lines("ticks")) > ticks)
            (place.directory / "released").touch()
            assert (await held).text == "released"
        assert await asyncio.to_thread(running.process.wait, PATIENCE) == 0
        await place.put("too late")
    assert place.taken == [["late", 1]]
    assert await place.texts(place.queue) == ["too late"]


async def test_what_is_switched_off_is_not_started(place: Place) -> None:
    await place.put("good")
    off = {f"AzureWebJobs.{name}.Disabled": "true" for name in ("take", "held")}
    async with place.started(**off) as running:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            assert (await client.get(f"{running.url}/api/held")).status_code == 404
        await until(lambda: len(place.lines("ticks")) > 1)
    assert (place.taken, await place.texts(place.queue)) == ([], ["good"])


async def test_a_storage_that_refuses_the_host_ends_it(place: Place) -> None:
    place.cloud.disturbances.inject(
        Disturbance("storage", times=None, path=place.queue, status=403)
    )
    async with place.started() as running:
        assert await asyncio.to_thread(running.process.wait, PATIENCE) == 1
        assert "QueueRefusedError" in running.output()
