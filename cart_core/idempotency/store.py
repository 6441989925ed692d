"""The port to whatever keeps records: three operations, each atomic for one name."""

from typing import NamedTuple, Protocol

from cart_core.idempotency.record import Record


class StoreUnavailable(Exception):
    """The store could not be asked, or gave no usable answer; a write may have happened or not.

    `retry_after` is the pause in seconds that it, or the service that lets us in, has asked for.
    """

    def __init__(self, reason: str = "", retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Versioned(NamedTuple):
    """A record and the opaque version (ETag) that a replacement must name.

    `age` is how many seconds ago it was written, by the store's own clock. It is never more than
    that, and less by two seconds at most. So no clock of an instance of this app has a say in when
    a lease ends.
    """

    record: Record
    version: str
    age: float

    @property
    def lease_left(self) -> float:
        """Seconds until the record's lease ends; negative once it has ended."""
        return self.record.lease_seconds - self.age

    @property
    def held(self) -> bool:
        """Whether somebody changes the cart of this purchase."""
        return (self.record.held_seconds or 0) > self.age


class Store(Protocol):
    """Records by name (a prefix and 64 hex digits).

    Every operation raises StoreUnavailable when in doubt.

    A write that says "no" may still have happened: its answer got lost and the driver's own retry
    met its own record. Whoever writes tells by the record's nonce.
    """

    async def create(self, name: str, record: Record) -> str | None:
        """Write a record that must not exist yet: its version, or None where one exists."""

    async def read(self, name: str) -> Versioned | None:
        """The record as it is now, or None where there is none."""

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        """Overwrite exactly `version`: the new version, or None where it is no longer that."""
