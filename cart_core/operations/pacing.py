"""How fast operations are worked off, over all instances: they share no memory, but these records.

Each customer has one record: until when Partner Center wants no requests for it, and which of its
operations are under way. One more says until when it wants none at all, which is so while two
customers are throttled at the same time (see cart_core.partner_center.throttle).

These records decide only when something is tried. A gate that cannot be read holds nobody up,
because Partner Center says "too many" by itself; an operation that cannot be counted is put off.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.documents import Documents

PREFIX: Final = "pace/"
EVERYBODY: Final = "everybody"
CACHE_SECONDS: Final = 1.0
"""For so long what was read of a gate is believed."""

_TRIES: Final = 4


@dataclass(slots=True)
class _Pace:
    """One record. Times are in POSIX seconds; `running` has the end of each operation's lease."""

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
        self._seen: dict[str, tuple[float, float]] = {}

    async def closed_for(self, customer_id: str) -> float:
        """Seconds until a request for this customer may be sent; 0 if it may be sent now."""
        now = self._clock()
        return max([0.0, *[await self._until(n) - now for n in (customer_id, EVERYBODY)]])

    async def close(self, customer_id: str, seconds: float) -> None:
        """Partner Center asked for a pause of so many seconds for this customer."""
        until = self._clock() + seconds

        def for_customer(pace: _Pace) -> bool:
            pace.closed_until = max(pace.closed_until, until)
            return True

        def for_everybody(pace: _Pace) -> bool:
            now = self._clock()
            pace.customers[customer_id] = max(until, pace.customers.get(customer_id, 0.0))
            ends = sorted(end for end in pace.customers.values() if end > now)
            if len(ends) > 1:
                pace.closed_until = max(pace.closed_until, ends[-2])
            return True

        await self._change(customer_id, for_customer)
        await self._change(EVERYBODY, for_everybody)

    async def enter(self, customer_id: str, name: str, lease: float) -> bool:
        """Count an operation of a customer as under way for so many seconds; False: too many are.

        `name` is the name of its record.
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

    async def _until(self, key: str) -> float:
        read_at, until = self._seen.get(key, (-math.inf, 0.0))
        now = self._clock()
        if not 0 <= now - read_at < CACHE_SECONDS:
            try:
                found = await self._documents.read(PREFIX + key)
            except StoreUnavailable:
                return until
            until = _Pace.read(found.content).closed_until if found else 0.0
            self._note(key, until)
        return until

    def _note(self, key: str, until: float) -> None:
        now = self._clock()
        self._seen = {
            each: seen for each, seen in self._seen.items() if now - seen[0] < CACHE_SECONDS
        } | {key: (now, until)}

    async def _change(self, key: str, change: Callable[[_Pace], bool]) -> bool:
        """Change a record if `change` says so, and whether it was; who is disturbed begins anew."""
        name = PREFIX + key
        try:
            for _ in range(_TRIES):
                found = await self._documents.read(name)
                pace = _Pace.read(found.content) if found else _Pace()
                if not change(pace):
                    return False
                content = pace.content(self._clock())
                written = (
                    await self._documents.replace(name, content, {}, found.version)
                    if found
                    else await self._documents.create(name, content, {})
                )
                if written is not None:
                    self._note(key, pace.closed_until)
                    return True
        except StoreUnavailable:
            pass
        return False
