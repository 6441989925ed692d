"""What every Store does, in memory and in Azure Blob Storage."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from partner_center_emulator.services.azurite import Azurite

from cart_core.idempotency.memory_store import MemoryStore
from cart_core.idempotency.operation_id import CARTS_PREFIX, PURCHASES_PREFIX
from cart_core.idempotency.record import Step, StoredAnswer
from cart_core.idempotency.store import Store
from local.environment import app_environment
from tests.store.clouds import leading_to_cloud
from tests.store.opening import open_store
from tests.store.records import name_of, record

NAME = name_of("one")


@pytest.fixture(params=["memory", "blob"])
async def store(
    request: pytest.FixtureRequest, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with leading_to_cloud(azurite, monkeypatch) as cloud:
        blobs = open_store(app_environment(cloud))
        yield blobs
        await blobs.close()


async def test_what_was_created_is_read(store: Store) -> None:
    written = record()
    version = await store.create(NAME, written)
    assert version
    assert await store.read(NAME) == (written, version)


async def test_what_exists_is_not_created_again(store: Store) -> None:
    version = await store.create(NAME, record("first"))
    assert await store.create(NAME, record("second")) is None
    assert await store.read(NAME) == (record("first"), version)


async def test_an_unknown_name(store: Store) -> None:
    version = await store.create(NAME, record())
    assert version
    assert await store.read(name_of("other")) is None
    assert await store.replace(name_of("other"), record(), version) is None
    assert await store.read(name_of("other")) is None


async def test_only_the_current_version_is_replaced(store: Store) -> None:
    first = await store.create(NAME, record("first"))
    assert first
    second = await store.replace(NAME, record("second"), first)
    assert second
    assert await store.replace(NAME, record("third"), first) is None
    assert await store.read(NAME) == (record("second"), second)


async def test_each_write_is_a_new_version_that_leads_to_the_next(store: Store) -> None:
    version = await store.create(NAME, record())
    versions = {version}
    for _ in range(4):
        stored = await store.read(NAME)
        assert stored == (record(), version)
        assert stored
        version = await store.replace(NAME, record(), stored.version)
        versions.add(version)
    assert len(versions) == 5
    assert None not in versions


async def test_names_do_not_meet(store: Store) -> None:
    names = [name_of(text, prefix) for text in "012" for prefix in (CARTS_PREFIX, PURCHASES_PREFIX)]
    for number, name in enumerate(names):
        assert await store.create(name, record(str(number)))
    for number, name in enumerate(names):
        stored = await store.read(name)
        assert stored
        assert stored.record == record(str(number))


async def test_everything_in_a_record_survives(store: Store) -> None:
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
            body={"cart": {}, "text": "gr\u00f6\u00dfer \x00 \u2028 \U0001f6d2", "price": 1.5},
        ),
    )
    version = await store.create(NAME, written)
    assert await store.read(NAME) == (written, version)


# aiohttp would rather be given a file of that size, for the copy takes a few milliseconds.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_record_of_a_mebibyte(store: Store) -> None:
    body = {"cart": {"notes": ["\u00e4" * 1024] * 512}}
    written = record(answer=StoredAnswer(status=201, headers={}, body=body))
    assert len(written.to_json()) > 1024 * 1024
    version = await store.create(NAME, written)
    assert version
    assert await store.read(NAME) == (written, version)
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
    assert await store.read(NAME) == won
