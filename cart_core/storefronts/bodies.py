"""The bodies of deliveries, in a container of their own. A body's folder says how its order stands.

open        something is left to do for the order. The timer lists this folder: so it finds an
order whose bell was lost, and never has to read those of the past
parked      the order needs a person, as long as that takes
done        nothing is left to do; a rule of the storage account deletes what is old here
unreadable  signed, and no order as its platform documents it; the same rule deletes it
"""

import hashlib
from typing import Final, NamedTuple

from cart_core.operations.documents import Documents
from cart_core.storefronts.json_body import UnreadableBody
from cart_core.storefronts.order_record import RECORDS, OrderRecord, order_folder

OPEN: Final = "open/"
PARKED: Final = "parked/"
DONE: Final = "done/"
UNREADABLE: Final = "unreadable/"

NOTED_AFTER: Final = 180.0
"""Seconds after which a stored body counts as noted in its order's record.

By then the timer has noted a body whose receiver died between the two writes.
"""

_RECEIVED: Final = "received"


class OpenOrder(NamedTuple):
    """An order with something left to do: its record, and since when, in POSIX seconds."""

    record: str
    since: float


class Bodies:
    """Reads and writes bodies. Everything raises StoreUnavailable.

    `name` is that of body_name, the same in every folder.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def keep(self, name: str, body: bytes, now: float) -> None:
        """Store the body of a delivery. `now` is in POSIX seconds."""
        await self._documents.create(OPEN + name, body, {_RECEIVED: f"{now:.3f}"})

    async def read_open(self, record: str) -> list[tuple[bytes, float]]:
        """The bodies in `open` of an order, and when each was received, in POSIX seconds."""
        bodies: list[tuple[bytes, float]] = []
        for name, facts in await self._documents.list(OPEN + order_folder(record)):
            if found := await self._documents.read(name):
                bodies.append((found.content, float(facts.get(_RECEIVED, 0))))
        return bodies

    async def keep_unreadable(self, source: str, body: bytes) -> None:
        """Store a signed body that nobody can read, for a person."""
        name = f"{UNREADABLE}{source}/{hashlib.sha256(body).hexdigest()}"
        await self._documents.create(name, body, {})

    async def read(self, name: str) -> bytes:
        """The body. Raises UnreadableBody where it was deleted."""
        for folder in (OPEN, PARKED, DONE):
            if found := await self._documents.read(folder + name):
                return found.content
        raise UnreadableBody("its body was deleted")

    async def settle(self, record: OrderRecord, now: float) -> None:
        """Put each body of an order for which nothing is left to do now where it belongs.

        One that arrived a moment ago may not be in the record yet, and stays.
        """
        own = order_folder(record.name)
        for folder in (OPEN, PARKED):
            for full, facts in await self._documents.list(folder + own):
                name = full.removeprefix(folder)
                decides = name == record.standing.body
                aim = PARKED if decides and record.needs_person else DONE
                received = float(facts.get(_RECEIVED, 0))
                is_noted = decides or folder == PARKED or now - received >= NOTED_AFTER
                if is_noted and aim != folder:
                    await self._move(name, folder, aim, received)

    async def reopen(self, record: OrderRecord, now: float) -> None:
        """Let the timer find a parked order that is looked into again."""
        await self.keep(record.standing.body, await self.read(record.standing.body), now)

    async def list_open(self) -> list[OpenOrder]:
        """The orders with something left to do."""
        return await self._list(OPEN)

    async def list_parked(self) -> list[OpenOrder]:
        """The orders that wait for a person."""
        return await self._list(PARKED)

    async def _list(self, folder: str) -> list[OpenOrder]:
        """The orders with a body in a folder, the oldest first."""
        found: dict[str, float] = {}
        for name, facts in await self._documents.list(folder):
            order = RECORDS + name.removeprefix(folder).rpartition("/")[0]
            since = float(facts.get(_RECEIVED, 0))
            found[order] = min(since, found.get(order, since))
        return sorted((OpenOrder(*each) for each in found.items()), key=lambda each: each.since)

    async def _move(self, name: str, folder: str, aim: str, received: float) -> None:
        found = await self._documents.read(folder + name)
        if found:
            await self._documents.create(aim + name, found.content, {_RECEIVED: f"{received:.3f}"})
            await self._documents.delete(folder + name, found.version)
