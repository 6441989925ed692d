"""The port to where operations are kept: whole documents by name, each write atomic."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Document(NamedTuple):
    """A document and the opaque version (ETag) that a replacement must name."""

    content: bytes
    version: str


class Listed(NamedTuple):
    """What a list says of a document: its name, and the facts that were written with it."""

    name: str
    facts: Mapping[str, str]


class Documents(Protocol):
    """Every operation raises StoreUnavailable when in doubt.

    A write that says "no" may still have happened: its answer got lost and the driver's own retry
    met its own write. `facts` are a few short ASCII texts, which a list gives without reading.
    """

    async def create(self, name: str, content: bytes, facts: Mapping[str, str]) -> str | None:
        """Write a document that must not exist yet: its version, or None where one exists."""

    async def read(self, name: str) -> Document | None:
        """The document as it is now; None only where there certainly is none."""

    async def replace(
        self, name: str, content: bytes, facts: Mapping[str, str], version: str
    ) -> str | None:
        """Overwrite exactly `version`: the new version, or None where it is no longer that."""

    async def delete(self, name: str, version: str) -> bool:
        """Delete exactly `version`; False where it is no longer that, or not there."""

    async def list(self, prefix: str) -> list[Listed]:
        """All documents whose names begin like this, by name."""
