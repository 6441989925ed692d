"""Records in this process's memory: for one local process, and for tests."""

import itertools
from collections.abc import Callable
from typing import Final, NamedTuple

from cart_core.idempotency.record import Record
from cart_core.idempotency.store import Versioned

MAX_RECORDS: Final = 10_000


class _Stored(NamedTuple):
    record: Record
    version: str
    written_at: float


class MemoryStore:
    """A Store whose records are lost when the process ends. `clock` gives seconds.

    Beyond MAX_RECORDS, the record that was created first is deleted.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: dict[str, _Stored] = {}
        self._versions = itertools.count(1)

    async def create(self, name: str, record: Record) -> str | None:
        """See Store."""
        return None if name in self._records else self._write(name, record)

    async def read(self, name: str) -> Versioned | None:
        """See Store."""
        if not (stored := self._records.get(name)):
            return None
        return Versioned(stored.record, stored.version, max(0, self._clock() - stored.written_at))

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        """See Store."""
        stored = self._records.get(name)
        return self._write(name, record) if stored and stored.version == version else None

    def _write(self, name: str, record: Record) -> str:
        version = str(next(self._versions))
        self._records[name] = _Stored(record, version, self._clock())
        if len(self._records) > MAX_RECORDS:
            del self._records[next(iter(self._records))]
        return version
