"""Tries whether the store and the queue do what accepting an operation needs of them."""

from typing import Final

from cart_core.idempotency.store import Store, StoreUnavailable
from cart_core.operations.bells import Bells
from cart_core.operations.documents import Documents
from cart_core.problem import Outcome, Problem

PROBE: Final = "ready/probe"
"""The one document that is written to see whether something can be written."""

NO_RECORD: Final = "ready/no-record"
"""A name that no record has."""


async def probe_store(store: Store, documents: Documents) -> None:
    """Read and write, as a request does. Raises Problem `store_unavailable`."""
    try:
        await store.read(NO_RECORD)
        found = await documents.read(PROBE)
        if found is None:
            await documents.create(PROBE, b"{}", {})
        else:
            await documents.replace(PROBE, b"{}", {}, found.version)
    except StoreUnavailable as failure:
        raise _unavailable(failure) from None


async def probe_queue(bells: Bells) -> None:
    """Look into the queue. Raises Problem `store_unavailable`."""
    try:
        await bells.look()
    except StoreUnavailable as failure:
        raise _unavailable(failure) from None


def _unavailable(failure: StoreUnavailable) -> Problem:
    return Problem(
        "store_unavailable",
        str(failure),
        retry_after=failure.retry_after,
        outcome=Outcome.NOT_SENT,
    )
