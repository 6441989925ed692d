"""What only the store in memory does; what every store does is tested in tests/store."""

import pytest

from cart_core.idempotency import memory_store
from cart_core.idempotency.memory_store import MemoryStore
from cart_core.idempotency.store import Versioned
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


@in_virtual_time
async def test_the_age_of_a_record_goes_by_the_stores_clock_and_by_its_last_write() -> None:
    world = World()
    await world.deliver()
    times = [100.0]
    store = MemoryStore(lambda: times[-1])
    assert await store.create("a", world.store.record)
    for now, age in ((100.0, 0), (130.5, 30.5), (90.0, 0)):
        times.append(now)
        assert (await _read(store)).age == age
    times.append(300.0)
    assert await store.replace("a", world.store.record, (await _read(store)).version)
    times.append(301.0)
    assert (await _read(store)).age == 1


async def _read(store: MemoryStore) -> Versioned:
    stored = await store.read("a")
    assert stored
    return stored
