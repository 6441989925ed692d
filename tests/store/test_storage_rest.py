"""Requests to Azure Storage: tries, pauses, time limits, refusals, tokens, and the way there.

They are seen through the store of records; what differs from request to request is tested with
those who send it.
"""

import asyncio
import logging
import socket
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import trustme
from partner_center_emulator.watch.disturbances import Disturbance

from cart_core import __version__
from cart_core.adapters import storage_rest as module
from cart_core.adapters.blob_store import BlobStore
from cart_core.idempotency.store import StoreUnavailable
from cart_core.tokens import AccessToken, TokenCache
from tests.store.blobs import HOST, NAME, Blobs
from tests.store.stores import name_of, open_storage, record


async def test_what_every_request_says(blobs: Blobs) -> None:
    blobs.disturb(headers={"Set-Cookie": "a=b"})
    assert await blobs.works()
    assert await blobs.works()
    for arrival in blobs.cloud.journal.requests("storage"):
        assert arrival.headers["x-ms-version"] == module.API_VERSION
        assert parsedate_to_datetime(arrival.headers["x-ms-date"]).tzinfo
        assert arrival.headers["user-agent"] == f"cart-core/{__version__}"
        assert not {"content-type", "cookie"} & {name.lower() for name in arrival.headers}


# --- tries and pauses


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 507])
async def test_what_may_pass_is_tried_three_times_after_a_pause_of_up_to_a_second(
    blobs: Blobs, status: int
) -> None:
    blobs.disturb(status=status, times=None)
    with pytest.raises(StoreUnavailable, match=rf"fails \(HTTP {status}\)"):
        await blobs.store.create(NAME, record())
    assert len(blobs.calls) == 3
    assert blobs.draws == [(0.0, 1.0)] * 2
    assert blobs.pauses == [0.1, 0.2]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 405, 409, 412, 413, 416, 501, 505])
async def test_what_will_not_pass_is_tried_once(blobs: Blobs, status: int) -> None:
    blobs.disturb(status=status, times=None)
    with pytest.raises(StoreUnavailable, match=rf"HTTP {status}\b"):
        await blobs.store.create(NAME, record())
    assert (len(blobs.calls), blobs.pauses) == (1, [])


@pytest.mark.parametrize("action", ["drop", "reset", "garble", "truncate"])
async def test_an_answer_that_does_not_come_whole_is_asked_for_again(
    blobs: Blobs, action: str
) -> None:
    version = await blobs.store.create(NAME, record())
    blobs.cloud.journal.clear()
    blobs.disturb(action=action, times=None)
    with pytest.raises(StoreUnavailable, match=r"^The container .* usable answer \([A-Z]\w+\)"):
        await blobs.store.read(NAME)
    assert blobs.pauses == [0.1, 0.2]
    blobs.cloud.disturbances.clear()
    blobs.disturb(action=action, times=2)
    stored = await blobs.store.read(NAME)
    assert stored
    assert stored[:2] == (record(), version)


async def test_what_was_closed_opens_again(blobs: Blobs) -> None:
    assert await blobs.works()
    await blobs.container.close()
    assert await blobs.works()
    assert len(blobs.cloud.proxy.connections) == 2


async def test_a_connection_that_was_dropped_meanwhile_costs_no_pause(blobs: Blobs) -> None:
    await blobs.warm()
    blobs.disturb(action="drop")
    assert await blobs.works()
    assert (len(blobs.calls), blobs.pauses) == (2, [])


# --- time limits


async def test_a_storage_that_never_answers(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    await blobs.warm()
    blobs.disturb(action="silence", times=None)
    with monkeypatch.context() as limit:
        limit.setattr(module, "OPERATION_SECONDS", 0.1)
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.1 seconds"):
            async with asyncio.timeout(60):
                await blobs.store.read(NAME)
    blobs.cloud.disturbances.clear()
    assert await blobs.works()


async def test_a_silent_try_ends_before_the_operation(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRY_SECONDS", 0.05)
    blobs.disturb(action="silence", times=None)
    with pytest.raises(StoreUnavailable, match=r"no usable answer \(SocketTimeoutError\)"):
        async with asyncio.timeout(60):
            await blobs.store.read(NAME)
    assert len(blobs.calls) == 3


async def test_a_connection_that_nobody_takes_is_given_up(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        blobs.cloud.proxy.add_route(HOST, silent.getsockname()[1])
        with pytest.raises(StoreUnavailable, match="no usable answer"):
            async with asyncio.timeout(60):
                await blobs.store.read(NAME)
    assert len(blobs.cloud.proxy.connections) == 3


# --- what an operator is told


async def test_a_storage_that_is_not_reached(blobs: Blobs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    blobs.cloud.proxy.add_route(HOST, port)
    with pytest.raises(StoreUnavailable, match=r"no usable answer \([A-Z]\w+\)"):
        await blobs.store.read(NAME)


async def test_a_container_that_is_missing(blobs: Blobs) -> None:
    await blobs.storage.delete_container()
    with pytest.raises(StoreUnavailable, match=r"container in CART_STORE_URL does not exist\.$"):
        await blobs.store.create(NAME, record())


@pytest.mark.parametrize("status", [401, 403])
async def test_an_identity_that_is_refused(blobs: Blobs, status: int) -> None:
    blobs.disturb(status=status, headers={"x-ms-error-code": "NoReason"})
    said = rf"HTTP {status} NoReason.*role Planter on the container.*network rules"
    with pytest.raises(StoreUnavailable, match=said):
        await blobs.store.read(NAME)


async def test_a_redirect_is_not_followed(blobs: Blobs) -> None:
    blobs.disturb(status=307, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(StoreUnavailable, match=r"no usable answer \(HTTP 307\)"):
        await blobs.store.create(NAME, record())
    assert {connection.host for connection in blobs.cloud.proxy.connections} == {HOST}


async def test_an_error_that_nobody_has_thought_of(blobs: Blobs) -> None:
    with pytest.raises(StoreUnavailable, match=r"no usable answer \(ValueError\)"):
        await blobs.documents.create(NAME, b"{}", {"state": "no\nheader"})
    assert (blobs.calls, blobs.pauses) == ([], [])


async def test_a_code_that_storage_would_not_send_is_not_repeated(blobs: Blobs) -> None:
    blobs.disturb(status=409, headers={"x-ms-error-code": "<b>BlobAlreadyExists</b>"})
    with pytest.raises(StoreUnavailable, match=r"fails \(HTTP 409\)"):
        await blobs.store.create(NAME, record())


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


async def test_a_token_that_has_ended_is_not_sent_again(blobs: Blobs) -> None:
    now = 0.0

    async def sleep(_: float) -> None:
        nonlocal now
        now += 100

    tokens = TokenCache(
        lambda _: AccessToken(f"until-{now + 100:g}", now + 100), clock=lambda: now, sleep=sleep
    )
    container = open_storage(blobs.environment, tokens=tokens, sleep=sleep)
    blobs.disturb(status=503, times=None)
    with pytest.raises(StoreUnavailable):
        await BlobStore(container).read(NAME)
    await container.close()
    assert [each.headers["authorization"] for each in blobs.cloud.journal.requests("storage")] == [
        f"Bearer until-{end}" for end in (100, 200, 300)
    ]


async def test_an_identity_without_token(blobs: Blobs) -> None:
    blobs.cloud.disturbances.inject(Disturbance("identity", status=400, times=None))
    with pytest.raises(StoreUnavailable, match="identity in AZURE_CLIENT_ID"):
        await blobs.store.create(NAME, record())
    assert (blobs.calls, blobs.pauses) == ([], [])


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
    container = open_storage(environment, sleep=blobs.sleep)
    with pytest.raises(StoreUnavailable, match="no usable answer"):
        await BlobStore(container).read(NAME)
    await container.close()
    assert blobs.calls == []


async def test_nothing_secret_is_logged(blobs: Blobs, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await blobs.store.create(NAME, record())
        blobs.disturb(status=403, body="")
        with pytest.raises(StoreUnavailable) as failure:
            await blobs.store.read(NAME)
    (token,) = {a.headers["authorization"] for a in blobs.cloud.journal.requests("storage")}
    secret = token.removeprefix("Bearer ")
    for text in (caplog.text, repr(failure.value), repr(vars(blobs.container)["_tokens"])):
        assert secret not in text
        assert "local-identity-header" not in text
