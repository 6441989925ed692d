"""Takes messages from a queue and calls a function for each, as the host's queue listener does.

A taken message is hidden for LOCK_SECONDS, which are renewed while its function runs. After a
success it is deleted. After a failure it is visible again once `visibilityTimeout` is over; after
`maxDequeueCount` tries its text is copied into the poison queue, and the message deleted. A process
that dies leaves its messages hidden until the lock ends.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol

from local.queue_trigger import Message, QueueSettings, WrongEncodingError

LOCK_SECONDS: Final = 600.0
RENEWED_AFTER: Final = LOCK_SECONDS / 2
SHORTEST_RENEWAL: Final = 60.0
"""Seconds after which a renewal that failed is tried again at the earliest; each pause is half as
long as the one before."""
FIRST_PAUSE: Final = 0.1
JITTER: Final = 0.2
POISON: Final = "-poison"

Run = Callable[[Message], Awaitable[object]]
"""Calls the function. Raises WrongEncodingError where it must not be called for this message."""

_log = logging.getLogger("local.queue_listener")


class QueueUnavailableError(Exception):
    """Storage gives no answer, or says that it cannot give one now."""


class Queue(Protocol):
    """The queue of a listener. Everything raises QueueUnavailableError.

    A receipt that is no longer the newest one belongs to somebody who has taken the message since.
    """

    name: str

    async def take(self, count: int, hidden: float) -> list[Message]:
        """Take messages, which are hidden for so many seconds; a missing queue is empty."""

    async def hide(self, message: Message, receipt: str, seconds: float) -> str | None:
        """Hide a message for so many seconds: its new receipt, or None with an old receipt."""

    async def delete(self, message: Message, receipt: str) -> None:
        """Delete a message; with an old receipt nothing happens."""

    async def poison(self, text: str) -> None:
        """Put a text into the poison queue, which is made if it is not there."""


class QueueListener:
    """Listens to one queue for one function. `sleep` and `uniform` go by seconds."""

    def __init__(
        self,
        queue: Queue,
        run: Run,
        settings: QueueSettings,
        *,
        sleep: Callable[[float], Awaitable[None]],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._queue = queue
        self._run = run
        self._settings = settings
        self._sleep = sleep
        self._uniform = uniform
        self._stopped = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Takes messages until `end` is called. Raises what storage refuses for good."""
        empty = 0
        while not self._stopped.is_set():
            try:
                found = await self._queue.take(self._settings.batch_size, LOCK_SECONDS)
            except QueueUnavailableError as failure:
                _log.warning("The queue %s cannot be read: %s", self._queue.name, failure)
                found = []
            for message in found:
                task = asyncio.create_task(self._process(message))
                self._running.add(task)
            if found:
                empty = 0
                await self._until_there_is_room()
            else:
                await self._pause(self._pause_after(empty))
                empty += 1
            self._look_at_the_done()

    async def end(self) -> None:
        """Takes no more messages, and waits until what was taken is done."""
        self._stopped.set()
        while self._running:
            await asyncio.wait(self._running)
            self._running = self._unfinished()

    def _pause_after(self, empty: int) -> float:
        """Seconds after a fetch without messages, when so many of them came before it."""
        if not empty:
            return min(FIRST_PAUSE, self._settings.max_polling_interval)
        step = FIRST_PAUSE * 2.0 ** min(empty - 1, 20) * self._uniform(1 - JITTER, 1 + JITTER)
        return min(FIRST_PAUSE + step, self._settings.max_polling_interval)

    async def _pause(self, seconds: float) -> None:
        waiting = {
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.ensure_future(self._stopped.wait()),
        }
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()

    async def _until_there_is_room(self) -> None:
        """Waits until so few messages are being worked on that more may be taken."""
        while len(self._unfinished()) > self._settings.new_batch_threshold:
            await asyncio.wait(self._unfinished(), return_when=asyncio.FIRST_COMPLETED)

    def _unfinished(self) -> set[asyncio.Task[None]]:
        return {task for task in self._running if not task.done()}

    def _look_at_the_done(self) -> None:
        """Forgets what is done. Raises what storage refused for good."""
        done = {task for task in self._running if task.done()}
        self._running -= done
        for task in done:
            task.result()

    async def _process(self, message: Message) -> None:
        lock = _Lock(self._queue, message, self._sleep)
        try:
            match await self._outcome(message, lock):
                case "done":
                    await self._queue.delete(message, lock.receipt)
                case "failed":
                    await self._queue.hide(message, lock.receipt, self._settings.visibility_timeout)
                case "poisonous":
                    # Two steps: who dies between them leaves two.
                    await self._queue.poison(message.text)
                    await self._queue.delete(message, lock.receipt)
        except QueueUnavailableError as failure:
            _log.warning(
                "A message of the queue %s stays hidden until its lock ends: %s",
                *(self._queue.name, failure),
            )

    async def _outcome(
        self, message: Message, lock: "_Lock"
    ) -> Literal["done", "failed", "poisonous"]:
        """Calls the function, and says what is to become of the message."""
        left = self._settings.max_dequeue_count - message.dequeue_count
        if self._queue.name.endswith(POISON):
            left = 1  # There is no poison queue of a poison queue: its messages return for ever.
        if left < 0:
            return "poisonous"
        renewing = asyncio.create_task(lock.renew())
        try:
            await self._run(message)
        except WrongEncodingError as error:
            _log.warning("%s It is poisoned. See messageEncoding in host.json.", error)
            return "poisonous"
        except Exception as error:
            _log.warning(
                "A message of the queue %s was taken for the %d. time, and failed: %s",
                *(self._queue.name, message.dequeue_count, type(error).__name__),
                exc_info=_log.isEnabledFor(logging.DEBUG),
            )
            return "failed" if left > 0 else "poisonous"
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
        return "done"


class _Lock:
    """Keeps a message hidden while its function runs. `receipt` is the newest one."""

    def __init__(
        self, queue: Queue, message: Message, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.receipt = message.receipt
        self._queue = queue
        self._message = message
        self._sleep = sleep

    async def renew(self) -> None:
        """Renews until it is cancelled, or somebody else has the message."""
        pause = RENEWED_AFTER
        while True:
            await self._sleep(pause)
            try:
                newer = await self._queue.hide(self._message, self.receipt, LOCK_SECONDS)
            except QueueUnavailableError:
                pause = max(SHORTEST_RENEWAL, pause / 2)
                continue
            if newer is None:
                return
            self.receipt, pause = newer, RENEWED_AFTER
