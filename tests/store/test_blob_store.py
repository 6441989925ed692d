"""What only the Azure store can meet: lost answers, what is no record, and the calls it makes."""

import json
from collections import Counter
from typing import Any

import pytest
from partner_center_emulator.network.proxy import Connection

from cart_core.adapters import storage_rest
from cart_core.call import Answer
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.store import StoreUnavailable
from tests.kit.signals import collected
from tests.store.blobs import HOST, NAME, Blobs
from tests.store.stores import name_of, record

BLOB = f"{NAME}.json"


# --- calls and blobs


async def test_an_operation_is_one_call(blobs: Blobs) -> None:
    await blobs.warm()
    store = blobs.store
    version = await store.create(NAME, record("first"))
    assert version
    await store.create(NAME, record())
    await store.read(NAME)
    await store.read(name_of("nothing"))
    await store.replace(NAME, record("second"), version)
    await store.replace(NAME, record("third"), version)
    statuses = [("PUT", 201), ("PUT", 409), ("GET", 200), ("GET", 404), ("PUT", 201), ("PUT", 412)]
    assert blobs.calls == statuses
    assert blobs.cloud.journal.counts == Counter({"storage": 6})
    assert blobs.cloud.proxy.connections == [Connection(HOST, 443, True)]
    created, *_, replaced = blobs.cloud.journal.requests("storage")
    assert (created.headers["if-none-match"], created.headers.get("if-match")) == ("*", None)
    assert (replaced.headers["if-match"], replaced.headers.get("if-none-match")) == (version, None)


async def test_a_blob_can_be_opened_and_read(blobs: Blobs) -> None:
    await blobs.store.create(NAME, record(key="f\u00fcr Sie"))
    headers, content = await blobs.storage.get(BLOB)
    assert headers["Content-Type"] == "application/json"
    document = json.loads(content)
    assert document["key"] == "f\u00fcr Sie"
    assert document["expiresAt"] == "2026-03-08T12:00:00.123456Z"
    assert "f\u00fcr Sie".encode() in content


@pytest.mark.parametrize(
    ("last_modified", "date", "age"),
    [
        ("Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:00:01 GMT", 0),
        ("Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:01:01 GMT", 60),
        ("Sat, 28 Feb 2026 23:59:59 GMT", "Sun, 01 Mar 2026 00:00:01 GMT", 1),
        ("Sun, 01 Mar 2026 12:00:01 GMT", "Sun, 01 Mar 2026 12:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:00:00 GMT", "some day", None),
    ],
)
async def test_the_age_of_a_record_is_what_storage_says_less_a_second(
    blobs: Blobs, last_modified: str, date: str, age: float | None
) -> None:
    """Both times have lost their fraction, so a record may be up to a second younger."""
    content = record().to_json()
    headers = {"Last-Modified": last_modified, "Date": date, "ETag": '"0x1"'}
    blobs.disturb(method="GET", status=200, headers=headers, body=content)
    if age is None:
        with pytest.raises(StoreUnavailable, match="no usable answer"):
            await blobs.store.read(NAME)
    else:
        assert await blobs.store.read(NAME) == (record(), '"0x1"', age)
    assert len(blobs.calls) == 1


# --- an answer that is lost after the write


@pytest.mark.parametrize(
    "how",
    [
        *({"action": each} for each in ("drop", "reset", "garble", "silence")),
        {"status": 500},
        {"status": 503},
    ],
    ids=str,
)
@pytest.mark.parametrize("case", ["first call", "create", "replace"])
async def test_ones_own_write_is_known_by_its_nonce(
    blobs: Blobs, how: dict[str, Any], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        storage_rest, "TRY_SECONDS", 1.0 if how.get("action") == "silence" else 120.0
    )
    version = await blobs.store.create(NAME, record("first")) if case == "replace" else None
    if case == "create":
        await blobs.warm()
    blobs.cloud.journal.clear()
    blobs.lose_answer(**how)
    if version:
        assert await blobs.store.replace(NAME, record("mine"), version) is None
    else:
        assert await blobs.store.create(NAME, record("mine")) is None
    assert [method for method, _ in blobs.calls] == ["PUT", "PUT"]
    assert await blobs.nonce() == "mine"


# --- what is no record


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"{}",
        b"[1]",
        b'{"version": 1}',
        b"\xff",
        record().to_json()[:99],
        b"[" * 100_000,
    ],
    ids=["empty", "no-json", "no-members", "list", "one-member", "no-text", "cut", "deep"],
)
async def test_a_blob_that_is_no_record(blobs: Blobs, content: bytes) -> None:
    await blobs.storage.put(BLOB, content)
    with pytest.raises(StoreUnavailable, match=f"{BLOB} holds no record"):
        await blobs.store.read(NAME)
    assert await blobs.store.create(NAME, record()) is None


async def test_a_record_that_is_too_deep_is_not_sent(blobs: Blobs) -> None:
    body: dict[str, Any] = {}
    for _ in range(100_000):
        body = {"a": body}
    deep = record().completed(StoredAnswer.of(Answer(201, body, {})))
    for write in (blobs.store.create(NAME, deep), blobs.store.replace(NAME, deep, '"0x1"')):
        with pytest.raises(StoreUnavailable, match="cannot be written: it is nested too deeply"):
            await write
    assert blobs.calls == []


# --- telemetry


async def test_each_operation_is_a_span_that_counts_its_tries(blobs: Blobs) -> None:
    with collected() as signals:
        version = await blobs.store.create(NAME, record("first"))
        assert version
        blobs.disturb(status=503, times=2)
        assert await blobs.store.replace(NAME, record("second"), version)
        assert await blobs.store.read(NAME)
        blobs.disturb(status=500, times=3)
        with pytest.raises(StoreUnavailable):
            await blobs.store.read(NAME)

    assert [(s.name, dict(s.attributes or {}), s.status.is_ok) for s in signals.spans] == [
        ("token.fetch", {"attempt": 1}, True),
        ("store.create", {"attempt": 1}, True),
        ("store.replace", {"attempt": 3}, True),
        ("store.read", {"attempt": 1}, True),
        ("store.read", {"attempt": 3}, False),
    ]
    assert NAME not in signals.text()
