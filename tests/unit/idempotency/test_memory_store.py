"""What only the store in memory does; what every store does is tested in tests/store."""

import pytest

from cart_core.idempotency import memory_store
from tests.kit.fakes import in_virtual_time
from tests.unit.idempotency.world import World


@in_virtual_time
async def test_the_oldest_record_goes_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_store, "MAX_RECORDS", 2)
    world = World()
    await world.deliver()
    for name in ("second", "third"):
        await world.store.create(name, world.store.record)
    assert await world.store.read(world.operation.record_name()) is None
    assert await world.store.read("second")
    assert await world.store.read("third")
