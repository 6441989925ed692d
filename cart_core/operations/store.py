"""The records of accepted operations, on top of documents."""

from typing import Final, NamedTuple

from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.documents import Documents
from cart_core.operations.operation import OPEN_PREFIX, RESTING, AcceptedOperation, names_of


class Versioned(NamedTuple):
    """An operation and the version of its record, which a change of it must name."""

    operation: AcceptedOperation
    version: str


class Summary(NamedTuple):
    """What a list says of an operation that has not ended. Times are in POSIX seconds.

    `due` is None where nobody should work on it, `code` that of the problem of its last try.
    """

    name: str
    id: str
    state: str
    operation: str
    customer_id: str
    accepted: float
    changed: float
    due: float | None
    tries: int
    code: str | None
    outcome: str

    @property
    def rests(self) -> bool:
        """Whether nobody works on it until an operator says something."""
        return self.state in RESTING


_TRIES: Final = 3


class OperationStore:
    """Reads and writes operations. Everything raises StoreUnavailable."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def create(self, operation: AcceptedOperation) -> str | None:
        """Write a new one: its version, or None where its key has one that has not ended."""
        return await self._documents.create(
            operation.names.open, operation.to_json(), operation.facts()
        )

    async def read(self, name: str) -> Versioned | None:
        """The one under this name; None only where there certainly is none."""
        found = await self._documents.read(name)
        if found is None:
            return None
        try:
            return Versioned(AcceptedOperation.from_json(found.content), found.version)
        except ValueError:
            raise StoreUnavailable(f"The record {name} cannot be read.") from None

    async def find(self, operation_id: str) -> Versioned | None:
        """The one with this id, ended or not; None only where there certainly is none."""
        names = names_of(operation_id)
        if names is None:
            return None
        found = await self.read(names.open)
        if found is None or found.operation.id != operation_id:
            # It is put among those that have ended before it is deleted here.
            found = await self.read(names.ended)
        return found

    async def replace(self, operation: AcceptedOperation, version: str) -> str | None:
        """Overwrite exactly `version`: the new version, or None where somebody else was faster."""
        name = operation.names.open
        return await self._documents.replace(name, operation.to_json(), operation.facts(), version)

    async def put_away(self, operation: AcceptedOperation) -> None:
        """Put one that has ended where the ended ones are. To do it twice changes nothing."""
        names = operation.names
        await self._documents.create(names.ended, operation.to_json(), {})
        for _ in range(_TRIES):
            left = await self.read(names.open)
            if left is None or left.operation.id != operation.id:
                return
            if await self._documents.delete(names.open, left.version):
                return
        raise StoreUnavailable("Others write the same record again and again.")

    async def delete(self, operation: AcceptedOperation, version: str) -> bool:
        """Delete exactly `version` of one that has not ended; False where it is no longer that."""
        return await self._documents.delete(operation.names.open, version)

    async def list_open(self) -> list[Summary]:
        """All that have not ended, without reading any of them."""
        return [
            _summary(name, dict(facts)) for name, facts in await self._documents.list(OPEN_PREFIX)
        ]


def _summary(name: str, facts: dict[str, str]) -> Summary:
    return Summary(
        name,
        facts.get("id", ""),
        facts.get("state", ""),
        facts.get("operation", ""),
        facts.get("customer", ""),
        float(facts.get("accepted", 0)),
        float(facts.get("changed", 0)),
        float(facts["due"]) if "due" in facts else None,
        int(facts.get("tries", 0)),
        facts.get("code"),
        facts.get("outcome", "unknown"),
    )
