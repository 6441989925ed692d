"""Disturbances, as clients feel them, and the control endpoint that orders them."""

import asyncio
import time
from typing import Any

import aiohttp
import httpx
import pytest
from partner_center_emulator import cloud as local
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.watch.faults import Fault

from local.__main__ import SAMPLE_CART
from tests.emulator.requests_to_cloud import CARTS, ask_entra, bearer, identity_token


async def post(cloud: LocalCloud, client: httpx.AsyncClient) -> httpx.Response:
    """A cart, sent with a good token."""
    return await client.post(CARTS, headers=await bearer(cloud, client), content=SAMPLE_CART)


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("drop", httpx.RemoteProtocolError),
        ("reset", httpx.ReadError),
        ("garble", httpx.RemoteProtocolError),
    ],
)
async def test_an_answer_that_never_comes(
    cloud: LocalCloud,
    client: httpx.AsyncClient,
    action: Any,
    error: type[Exception],
    commit: bool,
) -> None:
    cloud.faults.inject(Fault("partner_center", action=action, commit=commit))
    with pytest.raises(error):
        await post(cloud, client)
    assert len(cloud.partner_center.carts) == int(commit)
    (arrival,) = cloud.journal.requests("partner_center")
    assert arrival.status is None
    assert (await post(cloud, client)).status_code == 201


async def test_half_an_answer(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    cloud.faults.inject(Fault("partner_center", action="truncate"))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await post(cloud, client)
    assert len(cloud.partner_center.carts) == 1


async def test_silence(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    cloud.faults.inject(Fault("partner_center", action="silence"))
    client.timeout = httpx.Timeout(0.2)
    with pytest.raises(httpx.ReadTimeout):
        await post(cloud, client)
    assert cloud.partner_center.carts == {}


async def test_a_caller_that_gives_up_does_not_stop_the_commit(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cloud.faults.inject(Fault("partner_center", delay=0.2))
    client.timeout = httpx.Timeout(0.1)
    with pytest.raises(httpx.ReadTimeout):
        await post(cloud, client)
    assert cloud.partner_center.carts == {}
    await asyncio.sleep(0.2)
    assert len(cloud.partner_center.carts) == 1


async def test_a_connection_closed_while_idle(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    cloud.faults.inject(Fault("partner_center", action="close_idle"))
    for _ in range(2):
        assert (await post(cloud, client)).status_code == 201
        await asyncio.sleep(0.1)
    partner_center = [c for c in cloud.proxy.connections if c.host.startswith("api.")]
    assert len(partner_center) == 2


async def test_a_throttle_has_the_gateways_shape_and_passes(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cloud.faults.inject(Fault("partner_center", times=2, status=429, headers={"Retry-After": "7"}))
    for _ in range(2):
        answer = await post(cloud, client)
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "7"
        assert answer.json() == {"statusCode": 429, "message": "Too Many Requests"}
    assert (await post(cloud, client)).status_code == 201
    assert [a.status for a in cloud.journal.requests("partner_center")] == [429, 429, 201]


async def test_any_answer_in_the_place_of_the_true_one(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cloud.faults.inject(
        Fault("partner_center", status=201, body=[], commit=True),
        Fault("partner_center", status=502, body="<html>", content_type="text/html"),
    )
    answer = await post(cloud, client)
    assert (answer.status_code, answer.content) == (201, b"[]")
    answer = await post(cloud, client)
    assert (answer.status_code, answer.content) == (502, b"<html>")
    assert answer.headers["Content-Type"] == "text/html"
    assert len(cloud.partner_center.carts) == 1


async def test_delays_add_up_around_the_commit(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cloud.faults.inject(
        Fault("partner_center", times=None, delay=0.1),
        Fault("partner_center", times=None, delay_after=0.2),
    )
    headers = await bearer(cloud, client)
    started = time.monotonic()
    pending = asyncio.create_task(client.post(CARTS, headers=headers, content=SAMPLE_CART))
    await asyncio.sleep(0.05)
    assert cloud.partner_center.carts == {}
    await asyncio.sleep(0.15)
    assert len(cloud.partner_center.carts) == 1
    assert not pending.done()
    assert (await pending).status_code == 201
    assert time.monotonic() - started >= 0.3


async def test_the_other_services_suffer_too(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    cloud.faults.inject(
        Fault("entra", path="/token$", status=503),
        Fault("key_vault", method="GET", status=500),
        Fault("identity", status=429),
    )
    assert (await ask_entra(cloud, client)).status_code == 503
    vault = f"https://{local.VAULT}.vault.azure.net/secrets/x"
    assert (await client.put(vault)).status_code == 401
    assert (await client.get(vault)).status_code == 500
    assert (await identity_token(cloud)).status_code == 429
    assert cloud.journal.counts == {"entra": 1, "key_vault": 2, "identity": 1}
    assert cloud.faults.active == []


async def test_probability_is_repeatable() -> None:
    async def draws() -> list[bool]:
        async with LocalCloud(seed=7) as cloud:
            cloud.faults.inject(Fault("identity", times=None, probability=0.5, status=500))
            return [(await identity_token(cloud)).status_code == 500 for _ in range(20)]

    first = await draws()
    assert first == await draws()
    assert 3 < sum(first) < 17


async def test_the_control_endpoint(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    async with aiohttp.ClientSession(cloud.control_url + "/") as control:

        async def get(path: str) -> Any:
            async with control.get(path) as answer:
                return await answer.json()

        async def post_json(path: str, document: Any = None) -> int:
            async with control.post(path, json=document) as answer:
                return answer.status

        assert await get("environment") == cloud.environment()
        fault = {"service": "partner_center", "status": 500}
        assert await post_json("faults", [fault, fault]) == 200
        assert [f["status"] for f in await get("faults")] == [500, 500]
        async with control.delete("faults"):
            assert cloud.faults.active == []
        for wrong in ({"service": "moon"}, {**fault, "action": "explode"}, {"status": 500}):
            assert await post_json("faults", wrong) == 400

        answer = await post(cloud, client)
        (request,) = await get("requests?service=partner_center&path=/carts")
        assert request["status"] == 201
        assert request["headers"]["authorization"].startswith("Bearer ")
        assert request["body"] == SAMPLE_CART
        (cart,) = await get("carts")
        assert cart["requestIds"] == [answer.headers["MS-RequestId"]]
        assert (await get("counts"))["partner_center"] == 1
        assert {c["host"] for c in await get("connections")} == {
            "login.microsoftonline.com",
            "api.partnercenter.microsoft.com",
        }

        settings = {"deduplicate": False, "token_lifetime": 5, "mfa": False, "seed": 3}
        assert await post_json("settings", settings) == 200
        assert cloud.partner_center.deduplicate is False
        assert (cloud.entra.token_lifetime, cloud.entra.mfa) == (5, False)
        (old,) = cloud.entra.client_secrets
        assert await post_json("rotate-secret", {"in_vault": False}) == 200
        (new,) = cloud.entra.client_secrets
        (kept,) = cloud.key_vault.versions(local.VAULT, local.CLIENT_SECRET_NAME)
        assert kept.value == old != new
        assert await post_json("revoke-tokens") == 200
        assert await post_json("routes", {"host": "a.blob.core.windows.net", "port": 1}) == 200
        assert await post_json("reset") == 200
        assert await get("carts") == await get("requests") == []
