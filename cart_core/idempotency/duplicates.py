"""Whether an operation of the same content was begun under another key a short time ago.

One key has one effect. So an order that is sent under two keys is bought twice, and rightly so: two
orders may well be alike. But a workflow that makes a new key for each of its runs means one order.
To notice that, the first operation of a content leaves a copy of its record under a name that is
made of the content. That is one write for an operation that is like no other. Where the copy of
another operation is there, two reads follow: of the copy, and of that operation's own record, for
what was refused is no reason to warn.
"""

from datetime import timedelta
from typing import Final

from cart_core.idempotency.operation_id import OperationId, recent_name
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import Store, StoreUnavailable

_TRIES: Final = 3


class Duplicates:
    """Remembers the contents of operations for `window`, measured by the store's clock."""

    def __init__(self, store: Store, *, window: timedelta) -> None:
        self.window = window
        self._store = store

    async def earlier(self, record: Record) -> Record | None:
        """The record of another operation of this content that has its effect, or may get it.

        Where there is none, `record` is remembered, which is that of an operation at work. Raises
        StoreUnavailable.
        """
        name = recent_name(record.customer_id, record.fingerprint)
        for _ in range(_TRIES):
            if await self._store.create(name, record) is not None:
                return None
            found = await self._store.read(name)
            if found is None:  # It was deleted between the two requests.
                continue
            if _same_operation(found.record, record):
                return None
            if found.age < self.window.total_seconds():
                earlier = await self._effective(found.record)
                if earlier:
                    return earlier
            if await self._store.replace(name, record, found.version) is not None:
                return None
        raise StoreUnavailable("Others write the same record again and again.")

    async def _effective(self, copy: Record) -> Record | None:
        """The record as it is now of the operation that left this copy; None if nothing came of it.

        A key is free after a refusal, so its record may be that of other content by now.
        """
        operation = OperationId(copy.operation, copy.customer_id, copy.key)
        stored = await self._store.read(operation.record_name())
        if stored is None or stored.record.fingerprint != copy.fingerprint:
            return None
        return stored.record if stored.record.may_have_effect else None


def _same_operation(one: Record, other: Record) -> bool:
    return (one.operation, one.customer_id, one.key) == (
        other.operation,
        other.customer_id,
        other.key,
    )
