"""Bells (see bell.py) in the memory of one local process, which answers them itself."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from cart_core.operations.bells import TakenMessage

RETRY_SECONDS: Final = 30.0
MOST_TRIES: Final = 5
AT_ONCE: Final = 8
"""As in host.json: visibilityTimeout, maxDequeueCount, batchSize + newBatchThreshold."""

_LOG = logging.getLogger(__name__)


class MemoryBells:
    """Bells (see there) that are lost when the process ends.

    `answer` is called for each message when it is due. It is called again after RETRY_SECONDS when
    it raises, and after MOST_TRIES the message is poisoned, as with the queue trigger.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.answer: Callable[[str], Awaitable[None]] | None = None
        self._sleep = sleep
        self._poisoned: dict[str, TakenMessage] = {}
        self._numbers = itertools.count(1)
        self._hanging: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def hang(self, text: str, seconds: float) -> None:
        """See Bells."""
        task = asyncio.create_task(self._ring(text, seconds))
        self._hanging.add(task)  # The event loop itself keeps only weak references to tasks.
        task.add_done_callback(self._hanging.discard)

    async def look(self) -> None:
        """See Bells."""

    async def take_poisoned(self) -> list[TakenMessage]:
        """See Bells."""
        return list(self._poisoned.values())

    async def delete_poisoned(self, message: TakenMessage) -> None:
        """See Bells."""
        self._poisoned.pop(message.id, None)

    async def _ring(self, text: str, seconds: float) -> None:
        for _ in range(MOST_TRIES):
            await self._sleep(seconds)
            try:
                async with self._places:
                    if self.answer:
                        await self.answer(text)
                return
            except Exception as error:
                _LOG.warning("a bell was not answered: %s", type(error).__name__)
                seconds = RETRY_SECONDS
        number = str(next(self._numbers))
        self._poisoned[number] = TakenMessage(number, number, text)
