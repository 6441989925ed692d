"""Everything but HTTP that starts functions in this host: queues and timers, from start to end."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

import azure.functions as func

from local import queue_trigger, timer_trigger
from local.host_queue import HostQueue, HostStorage
from local.queue_listener import QueueListener
from local.queue_trigger import Message, QueueSettings
from local.timer_trigger import Schedule


class Triggers:
    """The listeners and the timers of an app. `settings` are `extensions.queues` of host.json.

    Without a storage no queue is listened to.
    """

    def __init__(self, settings: Mapping[str, Any], storage: HostStorage | None) -> None:
        self._settings = QueueSettings.read(settings)
        self._storage = storage
        self._listeners: list[QueueListener] = []
        self._timers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._listening: set[asyncio.Task[None]] = set()
        self._ticking: set[asyncio.Task[None]] = set()

    def listen(self, queue: str, call: Callable[[func.QueueMessage], Awaitable[object]]) -> None:
        """Calls a function for each message of a queue, from `start` on."""
        if self._storage is None:
            return
        encoding = self._settings.message_encoding

        async def run(message: Message) -> None:
            body = queue_trigger.body_of(message, encoding)
            await call(queue_trigger.to_function(message, body))

        self._listeners.append(
            QueueListener(
                HostQueue(self._storage, queue),
                run,
                self._settings,
                sleep=asyncio.sleep,
                uniform=random.uniform,
            )
        )

    def fire(self, schedule: str, call: Callable[[], Awaitable[object]]) -> None:
        """Calls a function whenever a schedule is due, from `start` on. Raises ValueError."""
        due = Schedule(schedule)

        async def run() -> None:
            await timer_trigger.fire(due, call, now=lambda: datetime.now(UTC), sleep=asyncio.sleep)

        self._timers.append(run)

    def start(self) -> None:
        """Begins."""
        self._listening = {asyncio.create_task(each.listen()) for each in self._listeners}
        self._ticking = {asyncio.create_task(run()) for run in self._timers}

    async def failure(self) -> None:
        """Waits until storage refuses a listener for good, and raises that."""
        if self._listening:
            await asyncio.wait(self._listening, return_when=asyncio.FIRST_EXCEPTION)
        for task in self._listening:
            if task.done():
                task.result()
        await asyncio.Event().wait()

    async def end(self, seconds: float) -> None:
        """Takes and fires nothing more, and waits so long for what runs. The rest is cut off."""
        ending = [each.end() for each in self._listeners]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await asyncio.gather(*self._listening, *ending, return_exceptions=True)
        for task in self._ticking:
            task.cancel()
        await asyncio.gather(*self._ticking, return_exceptions=True)
        if self._storage:
            await self._storage.close()
