"""The Azure store in a cloud of its own, with what the tests of it do again and again."""

from dataclasses import dataclass, field
from typing import Any

from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.blob_storage import BlobStorage
from partner_center_emulator.watch.disturbances import Disturbance

from cart_core.adapters.blob_documents import BlobDocuments
from cart_core.adapters.blob_store import BlobStore
from cart_core.adapters.storage_queue import StorageQueue
from cart_core.adapters.storage_rest import StorageRest
from local.environment import app_environment
from tests.store.stores import name_of

NAME = name_of("one")
HOST = "cartslocal.blob.core.windows.net"


@dataclass
class Blobs:
    """The cloud, and adapters that reach it as production code does."""

    cloud: LocalCloud
    container: StorageRest = field(init=False)
    service: StorageRest = field(init=False)
    """The queue service."""
    draws: list[tuple[float, float]] = field(default_factory=list)
    """The ranges from which pauses were drawn: each draw is a tenth above the last one."""
    pauses: list[float] = field(default_factory=list)
    """The seconds of all pauses between tries, which take no time here."""

    def uniform(self, least: float, most: float) -> float:
        """A number that nothing else in the code comes to."""
        self.draws.append((least, most))
        return len(self.draws) / 10

    async def sleep(self, seconds: float) -> None:
        """Takes no time."""
        self.pauses.append(seconds)

    @property
    def store(self) -> BlobStore:
        """The store of records in the container."""
        return BlobStore(self.container)

    @property
    def documents(self) -> BlobDocuments:
        """The documents in the container."""
        return BlobDocuments(self.container)

    @property
    def queue(self) -> StorageQueue:
        """The queues of the account."""
        return StorageQueue(self.service)

    @property
    def storage(self) -> BlobStorage:
        """The storage account as its owner sees it."""
        assert self.cloud.storage
        return self.cloud.storage

    @property
    def environment(self) -> dict[str, str]:
        """What leads a process to the store."""
        return app_environment(self.cloud)

    @property
    def calls(self) -> list[tuple[str, int | None]]:
        """The method and the status of each request to storage."""
        return [(a.method, a.status) for a in self.cloud.journal.requests("storage")]

    def disturb(self, **disturbance: Any) -> None:
        """Injects a disturbance of storage."""
        self.cloud.disturbances.inject(Disturbance("storage", **disturbance))

    def lose_answer(self, **disturbance: Any) -> None:
        """Injects a disturbance that loses the answer to a write after it took effect."""
        self.disturb(method="PUT", commit=True, **disturbance)

    async def works(self) -> bool:
        """Whether the store answers."""
        return await self.store.read(name_of("nothing")) is None

    async def warm(self) -> None:
        """Gives the store a token and a connection, and forgets the requests for them."""
        assert await self.works()
        self.cloud.journal.clear()

    async def nonce(self) -> str | None:
        """The nonce of the record that is stored."""
        stored = await self.store.read(NAME)
        return stored.record.nonce if stored else None
