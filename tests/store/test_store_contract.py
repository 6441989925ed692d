"""What every Store does, in memory and in Azure Blob Storage."""

import asyncio
import time

import pytest

from cart_core.idempotency.memory_store import MemoryStore
from cart_core.idempotency.operation_id import CARTS_PREFIX, PURCHASES_PREFIX
from cart_core.idempotency.record import Record, Step, StoredAnswer
from cart_core.idempotency.store import Store
from tests.store.blobs import NAME, Blobs
from tests.store.stores import name_of, record


@pytest.fixture(params=["memory", "blob"])
def store(request: pytest.FixtureRequest, blobs: Blobs) -> Store:
    return MemoryStore(time.monotonic) if request.param == "memory" else blobs.store


async def read(store: Store, name: str) -> tuple[Record, str]:
    """A record and its version. It was written just now, and is not taken for older than it is."""
    stored = await store.read(name)
    assert stored
    assert 0 <= stored.age < 60
    return stored.record, stored.version


async def test_what_exists_is_not_created_again(store: Store) -> None:
    version = await store.create(NAME, record("first"))
    assert version
    assert await store.create(NAME, record("second")) is None
    assert await read(store, NAME) == (record("first"), version)


async def test_what_does_not_exist_is_not_read_or_replaced(store: Store) -> None:
    version = await store.create(NAME, record())
    assert version
    assert await store.read(name_of("other")) is None
    assert await store.replace(name_of("other"), record(), version) is None
    assert await store.read(name_of("other")) is None


async def test_only_the_current_version_is_replaced(store: Store) -> None:
    version = await store.create(NAME, record("first"))
    assert version
    versions = {version}
    for number in range(4):
        replaced = record(str(number))
        newer = await store.replace(NAME, replaced, version)
        assert newer
        assert await store.replace(NAME, record("late"), version) is None
        assert await read(store, NAME) == (replaced, newer)
        versions.add(version := newer)
    assert len(versions) == 5


async def test_names_do_not_meet(store: Store) -> None:
    names = [name_of(text, prefix) for text in "012" for prefix in (CARTS_PREFIX, PURCHASES_PREFIX)]
    created = [(record(name), await store.create(name, record(name))) for name in names]
    assert [await read(store, name) for name in names] == created


# aiohttp would rather be given a file of that size, for the copy takes a few milliseconds.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_everything_in_a_record_survives_a_mebibyte_included(store: Store) -> None:
    written = record(
        caller_id="storefront",
        key="Bestellung \u201e4711\u201c \u2013 \U0001f6d2",
        state="completed",
        epoch=3,
        steps=[
            Step(name="cart", request_id="a", done=True, result={"id": "c", "empty": {}}),
            Step(name="checkout", request_id="b"),
        ],
        answer=StoredAnswer(
            status=201,
            headers={"MS-CV": "cv.1"},
            body={
                "cart": {"notes": ["\u00e4" * 1024] * 512},
                "text": "gr\u00f6\u00dfer \x00 \u2028 \U0001f6d2",
                "price": 1.5,
            },
        ),
    )
    assert len(written.to_json()) > 1024 * 1024
    version = await store.create(NAME, written)
    assert version
    assert await read(store, NAME) == (written, version)
    assert await store.replace(NAME, written, version)


@pytest.mark.parametrize("replacing", [False, True], ids=["create", "replace"])
async def test_one_of_many_writers_wins(store: Store, replacing: bool) -> None:
    version = await store.create(NAME, record("first")) if replacing else ""
    assert version is not None
    records = [record(f"nonce-{number}") for number in range(20)]
    versions = await asyncio.gather(
        *(
            store.replace(NAME, each, version) if replacing else store.create(NAME, each)
            for each in records
        )
    )
    (won,) = [each for each in zip(records, versions, strict=True) if each[1] is not None]
    assert await read(store, NAME) == won
