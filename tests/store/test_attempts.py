"""The spans of the store, with the SDK's own tries counted."""

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.watch.faults import Fault

from cart_core.adapters.blob_store import BlobStore
from cart_core.idempotency.store import StoreUnavailable
from tests.kit.signals import collected
from tests.store.records import name_of, record

NAME = name_of("one")


async def test_each_operation_is_a_span_that_counts_its_tries(
    cloud: LocalCloud, blob_store: BlobStore, pauses: list[float]
) -> None:
    with collected() as signals:
        version = await blob_store.create(NAME, record("first"))
        assert version
        cloud.faults.inject(Fault("storage", status=503, times=2))
        assert await blob_store.replace(NAME, record("second"), version)
        assert await blob_store.read(NAME)
        cloud.faults.inject(Fault("storage", status=500, times=3))
        with pytest.raises(StoreUnavailable):
            await blob_store.read(NAME)

    found = [(s.name, dict(s.attributes or {})) for s in signals.spans]
    assert found[1:] == [  # the first is the token's
        ("store.create", {"attempt": 1}),
        ("store.replace", {"attempt": 3}),
        ("store.read", {"attempt": 1}),
        ("store.read", {"attempt": 3}),
    ]
    assert found[0] == ("token.fetch", {"attempt": 1})
    assert [span.status.is_ok for span in signals.spans] == [True] * 4 + [False]
    assert NAME not in signals.text()
