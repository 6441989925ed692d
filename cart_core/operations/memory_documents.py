"""Documents in this process's memory: for one local process, and for tests."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

from cart_core.operations.documents import Document, Listed


class _Kept(NamedTuple):
    document: Document
    facts: Mapping[str, str]


class MemoryDocuments:
    """Documents (see there) that are lost when the process ends."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._versions = itertools.count(1)

    async def create(self, name: str, content: bytes, facts: Mapping[str, str]) -> str | None:
        """See Documents."""
        return None if name in self._kept else self._write(name, content, facts)

    async def read(self, name: str) -> Document | None:
        """See Documents."""
        kept = self._kept.get(name)
        return kept.document if kept else None

    async def replace(
        self, name: str, content: bytes, facts: Mapping[str, str], version: str
    ) -> str | None:
        """See Documents."""
        return self._write(name, content, facts) if self._is(name, version) else None

    async def delete(self, name: str, version: str) -> bool:
        """See Documents."""
        found = self._is(name, version)
        if found:
            del self._kept[name]
        return found

    async def list(self, prefix: str) -> list[Listed]:
        """See Documents."""
        names = sorted(name for name in self._kept if name.startswith(prefix))
        return [Listed(name, self._kept[name].facts) for name in names]

    def _is(self, name: str, version: str) -> bool:
        kept = self._kept.get(name)
        return kept is not None and kept.document.version == version

    def _write(self, name: str, content: bytes, facts: Mapping[str, str]) -> str:
        version = str(next(self._versions))
        self._kept[name] = _Kept(Document(content, version), dict(facts))
        return version
