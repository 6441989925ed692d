"""How fast requests go out, over all instances: they share no memory, but these records.

One record, `everybody`, is the gate: until when Partner Center wants no requests for each customer
that it throttles, and until when it wants none at all, which is so while two customers are
throttled at the same time (see cart_core.partner_center.throttle). So one request to the store
tells of all customers, and an instance makes one a second at most, however much it sends. Each
customer with accepted operations under way has one record more, which counts them.

These records decide only when something is tried. A gate that cannot be read holds nobody up,
because Partner Center says "too many" by itself; an operation that cannot be counted is put off.
"""

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.documents import Document, Documents

PREFIX: Final = "pace/"
EVERYBODY: Final = "everybody"
CACHE_SECONDS: Final = 1.0
"""For so long what was read of the gate is believed."""
PATIENCE: Final = 0.5
"""Seconds for which a request waits to read the gate; then it goes by what was known before."""

_TRIES: Final = 4


@dataclass(slots=True)
class _Pace:
    """One record: the gate, or what runs for a customer. Times are in POSIX seconds.

    `customers` has the end of each one's pause, `running` that of each operation's lease.
    """

    closed_until: float = 0.0
    customers: dict[str, float] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, content: bytes) -> "_Pace":
        """The record; an empty one where nobody can read it."""
        try:
            match json.loads(content):
                case {"closedUntil": closed, "customers": dict(customers), "running": dict(ends)}:
                    return cls(
                        float(closed),
                        {str(each): float(end) for each, end in customers.items()},
                        {str(each): float(end) for each, end in ends.items()},
                    )
        except (ValueError, TypeError):
            pass
        return cls()

    def is_over(self, now: float) -> bool:
        """Whether nothing of it counts any more."""
        ends = (self.closed_until, *self.customers.values(), *self.running.values())
        return all(end <= now for end in ends)

    def content(self, now: float) -> bytes:
        """The record as JSON, without what is over."""
        customers = {each: until for each, until in self.customers.items() if until > now}
        running = {each: until for each, until in self.running.items() if until > now}
        document: dict[str, Any] = {
            "closedUntil": self.closed_until,
            "customers": customers,
            "running": running,
        }
        return json.dumps(document).encode()


class Pacing:
    """Shares the gates and counts what runs. `clock` gives POSIX seconds.

    At most `limit` operations of a customer are under way at a time.
    """

    def __init__(self, documents: Documents, *, clock: Callable[[], float], limit: int) -> None:
        self._documents = documents
        self._clock = clock
        self._limit = limit
        self._gate = _Pace()
        self._read_at = -math.inf
        self._reading: asyncio.Task[None] | None = None

    async def closed_for(self, customer_id: str) -> float:
        """Seconds until a request for this customer may be sent; 0 if it may be sent now."""
        if not 0 <= self._clock() - self._read_at < CACHE_SECONDS:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read_gate())
            _, slow = await asyncio.wait({self._reading}, timeout=PATIENCE)
            if slow:  # The next requests wait no more than this one has.
                self._read_at = self._clock()
        now, customers = self._clock(), self._gate.customers
        return max(0.0, self._gate.closed_until - now, customers.get(customer_id, 0.0) - now)

    async def close(self, customer_id: str, seconds: float) -> None:
        """Partner Center asked for a pause of so many seconds for this customer."""
        until = self._clock() + seconds

        def close(pace: _Pace) -> bool:
            now = self._clock()
            pace.customers[customer_id] = max(until, pace.customers.get(customer_id, 0.0))
            ends = sorted(end for end in pace.customers.values() if end > now)
            if len(ends) > 1:
                pace.closed_until = max(pace.closed_until, ends[-2])
            return True

        await self._change(EVERYBODY, close)

    async def enter(self, customer_id: str, name: str, lease: float) -> bool:
        """Count an operation of a customer as under way for at most `lease` seconds.

        False where too many are under way, or where the store cannot be asked. `name` is the name
        of the operation's record.
        """

        def take(pace: _Pace) -> bool:
            now = self._clock()
            others = [end for each, end in pace.running.items() if each != name and end > now]
            pace.running[name] = now + lease
            return len(others) < self._limit

        return await self._change(customer_id, take)

    async def leave(self, customer_id: str, name: str) -> None:
        """The operation is not under way any more."""

        def give_back(pace: _Pace) -> bool:
            return pace.running.pop(name, None) is not None

        await self._change(customer_id, give_back)

    async def _read_gate(self) -> None:
        try:
            found = await self._documents.read(PREFIX + EVERYBODY)
        except StoreUnavailable:
            pass  # What was known before still holds.
        else:
            self._gate = _Pace.read(found.content) if found else _Pace()
        self._read_at = self._clock()

    async def _change(self, key: str, change: Callable[[_Pace], bool]) -> bool:
        """Apply `change` to a record and write it if `change` gives True; whether it was written.

        Where another instance wrote the record meanwhile, this reads it and tries again. A record
        in which nothing counts any more is deleted. A store that cannot be reached raises nothing.
        """
        name = PREFIX + key
        try:
            for _ in range(_TRIES):
                found = await self._documents.read(name)
                pace = _Pace.read(found.content) if found else _Pace()
                if not change(pace):
                    return False
                if await self._write(name, pace, found):
                    return True
        except StoreUnavailable:
            pass
        return False

    async def _write(self, name: str, pace: _Pace, found: Document | None) -> bool:
        now = self._clock()
        if found is None:
            return await self._documents.create(name, pace.content(now), {}) is not None
        if pace.is_over(now):
            return await self._documents.delete(name, found.version)
        content = pace.content(now)
        return await self._documents.replace(name, content, {}, found.version) is not None
