"""Documents in this process's memory: for one local process, and for tests."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryDocument:
    """A document that is lost when the process ends."""

    content: bytes
    version: str
    facts: Mapping[str, str]


class MemoryDocuments:
    """See the port Documents."""

    def __init__(self) -> None:
        self.all: dict[str, MemoryDocument] = {}
        self._versions = itertools.count(1)

    async def create(self, name: str, content: bytes, facts: Mapping[str, str]) -> str | None:
        """See Documents."""
        return None if name in self.all else self._write(name, content, facts)

    async def read(self, name: str) -> MemoryDocument | None:
        """See Documents."""
        return self.all.get(name)

    async def replace(
        self, name: str, content: bytes, facts: Mapping[str, str], version: str
    ) -> str | None:
        """See Documents."""
        known = self.all.get(name)
        return self._write(name, content, facts) if known and known.version == version else None

    def _write(self, name: str, content: bytes, facts: Mapping[str, str]) -> str:
        version = str(next(self._versions))
        self.all[name] = MemoryDocument(content, version, dict(facts))
        return version
