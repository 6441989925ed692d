"""What only the Azure store can meet: lost answers, refusals, silence, and the calls it makes."""

import asyncio
import json
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme
from partner_center_emulator.network.proxy import Connection
from partner_center_emulator.watch.disturbances import Disturbance

from cart_core.adapters import blob_store as module
from cart_core.adapters.blob_store import BlobStore
from cart_core.call import Answer
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.store import StoreUnavailable
from tests.kit.signals import collected
from tests.store.blobs import NAME, Blobs
from tests.store.stores import name_of, open_store, record

BLOB = f"{NAME}.json"
HOST = "cartslocal.blob.core.windows.net"

Operation = Callable[[BlobStore], Awaitable[object]]
OPERATIONS: dict[str, Operation] = {
    "create": lambda store: store.create(NAME, record()),
    "read": lambda store: store.read(NAME),
    "replace": lambda store: store.replace(NAME, record(), '"0x1"'),
}
every_operation = pytest.mark.parametrize("ask", OPERATIONS.values(), ids=OPERATIONS)


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
    created, *_, replaced = arrivals = blobs.cloud.journal.requests("storage")
    assert {arrival.headers["x-ms-version"] for arrival in arrivals} == {module.API_VERSION}
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
    monkeypatch.setattr(module, "TRY_SECONDS", 1.0 if how.get("action") == "silence" else 120.0)
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


# --- a storage that fails


async def test_the_pauses_are_short_and_few(blobs: Blobs) -> None:
    blobs.disturb(status=500, times=None)
    with pytest.raises(StoreUnavailable, match=r"fails \(HTTP 500\)"):
        await blobs.store.create(NAME, record())
    assert len(blobs.calls) == 1 + len(blobs.pauses) == 3
    assert all(0 <= seconds <= 1 for seconds in blobs.pauses)


@every_operation
async def test_a_storage_that_never_answers(
    blobs: Blobs, ask: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await blobs.warm()
    blobs.disturb(action="silence", times=None)
    with monkeypatch.context() as limit:
        limit.setattr(module, "OPERATION_SECONDS", 0.1)
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.1 seconds"):
            async with asyncio.timeout(60):
                await ask(blobs.store)
    blobs.cloud.disturbances.clear()
    assert await blobs.works()


@every_operation
async def test_a_storage_that_is_not_reached(blobs: Blobs, ask: Operation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    blobs.cloud.proxy.add_route(HOST, port)
    with pytest.raises(StoreUnavailable, match="no usable answer"):
        await ask(blobs.store)


@every_operation
async def test_a_container_that_is_missing(blobs: Blobs, ask: Operation) -> None:
    await blobs.storage.delete_container()
    with pytest.raises(StoreUnavailable, match=r"container in CART_STORE_URL does not exist"):
        await ask(blobs.store)


@pytest.mark.parametrize(
    ("status", "code", "detail"),
    [
        (403, "AuthorizationPermissionMismatch", "HTTP 403 Authoriz.*Blob Data Contributor"),
        # These are answers about something else than the blob that was asked for.
        (404, None, r"\(HTTP 404\)"),
        (404, "ResourceNotFound", "HTTP 404 ResourceNotFound"),
        (409, None, r"\(HTTP 409\)"),
        (409, "ContainerBeingDeleted", "HTTP 409 ContainerBeingDeleted"),
        (409, "InvalidBlobType", "HTTP 409 InvalidBlobType"),
        (412, None, r"\(HTTP 412\)"),
        (412, "LeaseIdMissing", "HTTP 412 LeaseIdMissing"),
        (413, "RequestBodyTooLarge", "HTTP 413 RequestBodyTooLarge"),
        # A redirect is not followed.
        (307, None, "no usable answer"),
    ],
)
@every_operation
async def test_other_refusals_are_no_verdict(
    blobs: Blobs, ask: Operation, status: int, code: str | None, detail: str
) -> None:
    headers = {"x-ms-error-code": code} if code else {"Location": "https://elsewhere.example/"}
    blobs.disturb(status=status, headers=headers, body="")
    with pytest.raises(StoreUnavailable, match=detail):
        await ask(blobs.store)
    assert len(blobs.calls) == 1
    assert {connection.host for connection in blobs.cloud.proxy.connections} == {HOST}


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


async def test_an_answer_that_is_cut(blobs: Blobs) -> None:
    version = await blobs.store.create(NAME, record())
    blobs.disturb(method="GET", action="truncate", times=None)
    with pytest.raises(StoreUnavailable):
        await blobs.store.read(NAME)
    blobs.cloud.disturbances.clear()
    stored = await blobs.store.read(NAME)
    assert stored
    assert stored[:2] == (record(), version)


async def test_an_operation_that_is_cancelled(blobs: Blobs) -> None:
    await blobs.warm()
    blobs.disturb(action="silence")
    asking = asyncio.create_task(blobs.store.create(NAME, record("mine")))
    async with asyncio.timeout(60):
        while not blobs.calls:  # noqa: ASYNC110 - the journal has no event
            await asyncio.sleep(0.001)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await blobs.works()


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


# --- the token


async def test_one_token_serves_all(blobs: Blobs) -> None:
    asked = await asyncio.gather(*(blobs.store.read(name_of(str(n))) for n in range(20)))
    assert asked == [None] * 20
    for number in range(5):
        await blobs.store.create(name_of(str(number)), record())
    (arrival,) = blobs.cloud.journal.requests("identity")
    query = parse_qs(arrival.query)
    assert query["resource"] == ["https://storage.azure.com"]
    assert query["client_id"] == [blobs.environment["AZURE_CLIENT_ID"]]


@every_operation
async def test_an_identity_without_token(blobs: Blobs, ask: Operation) -> None:
    blobs.cloud.disturbances.inject(Disturbance("identity", status=400, times=None))
    with pytest.raises(StoreUnavailable, match="identity in AZURE_CLIENT_ID"):
        await ask(blobs.store)
    assert blobs.calls == []


async def test_an_identity_that_fails_once_is_heard_of_by_nobody(blobs: Blobs) -> None:
    blobs.cloud.disturbances.inject(Disturbance("identity", status=500))
    assert await blobs.store.read(NAME) is None


async def test_an_identity_that_asks_for_a_pause(blobs: Blobs) -> None:
    blobs.cloud.disturbances.inject(
        Disturbance("identity", status=429, headers={"Retry-After": "60"})
    )
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="asked too often") as failure:
            await blobs.store.read(NAME)
        assert 55 <= (failure.value.retry_after or 0) <= 60
    assert blobs.cloud.journal.counts["identity"] == 1


# --- the way there


@pytest.mark.parametrize("wrong", ["account", "host name", "certificate"])
async def test_nobody_but_the_account_is_asked(
    blobs: Blobs, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = blobs.environment
    if wrong == "account":
        environment["CART_STORE_URL"] = "https://nobody.blob.core.windows.net/carts"
    elif wrong == "host name":
        port = blobs.cloud.proxy._port_for(HOST)
        assert port
        blobs.cloud.proxy.add_route("store.example", port)  # the certificate has another name
        environment["CART_STORE_URL"] = "https://store.example/carts"
    else:
        trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    store = open_store(environment)
    with pytest.raises(StoreUnavailable, match="no usable answer"):
        await store.read(NAME)
    await store.close()
    assert blobs.calls == []


async def test_nothing_secret_is_logged(blobs: Blobs, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await blobs.store.create(NAME, record())
        blobs.disturb(status=403, body="")
        with pytest.raises(StoreUnavailable) as failure:
            await blobs.store.read(NAME)
    (token,) = {a.headers["authorization"] for a in blobs.cloud.journal.requests("storage")}
    secret = token.removeprefix("Bearer ")
    for text in (caplog.text, repr(failure.value), repr(vars(blobs.store)["_tokens"])):
        assert secret not in text
        assert "local-identity-header" not in text
