"""The places for requests under way, shared out so that one customer cannot take them all.

A customer gets another place only while it holds fewer than three times as many as are free. So of
64 places one busy customer holds at most 48, and one who comes later finds a place at once. Two
busy ones hold 28 and 27, eight hold 7 or 8 each. (Switches share out their
buffers by this rule; see Choudhury and Hahne, "Dynamic queue length thresholds".)
"""

import asyncio
from collections import deque
from typing import Final

HELD_FOR_EACH_FREE: Final = 3
"""How many places a customer may hold for each one that is free."""


class Places:
    """So many places, for one event loop. Whoever has taken one gives it back with `release`."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def take(self, customer_id: str) -> bool:
        """Take a place for a customer if it may have one now; whether it did."""
        # Whoever waits may have none now, so that this takes nothing away from the others.
        held = self._held.get(customer_id, 0)
        if held >= HELD_FOR_EACH_FREE * self._free:
            return False
        self._held[customer_id] = held + 1
        self._free -= 1
        return True

    async def wait(self, customer_id: str) -> None:
        """Wait for a place for a customer, and take it.

        A place goes to the customer who holds the fewest, and among those to each in turn.
        """
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(customer_id, deque())
        queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self.release(customer_id)  # It had been given the place already.
            elif place in queue:
                queue.remove(place)
                if not queue:
                    del self._waiting[customer_id]
            raise

    def release(self, customer_id: str) -> None:
        """Give back a place that this customer holds."""
        self._free += 1
        self._held[customer_id] -= 1
        if not self._held[customer_id]:
            del self._held[customer_id]
        while self._waiting:
            next_id = min(self._waiting, key=lambda each: self._held.get(each, 0))
            queue = self._waiting[next_id]
            while queue and queue[0].cancelled():
                queue.popleft()
            if queue:
                if not self.take(next_id):
                    return
                queue.popleft().set_result(None)
            del self._waiting[next_id]
            if queue:
                self._waiting[next_id] = queue  # behind the others
