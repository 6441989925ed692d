"""The way into the local cloud: proxy and certificates."""

import asyncio
import gc
import ssl

import httpx
import pytest
from aiohttp import web
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.network.certificates import SERVER_NAMES
from partner_center_emulator.network.proxy import Connection
from partner_center_emulator.watch.disturbances import Disturbance

from tests.emulator.caller import CARTS


async def test_every_production_name_is_served_under_its_own_certificate(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    for name in SERVER_NAMES:
        host = name.replace("*", "carts-demo")
        if ".microsoft" in host or ".vault." in host or ".partnercenter" in host:
            await client.get(f"https://{host}/nothing")
            assert Connection(host, 443, True) in cloud.proxy.connections
    assert len(cloud.proxy.connections) == 6


async def test_the_proxy_refuses_and_records_every_other_host_and_port(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    for url in ("https://example.com/", "https://api.partnercenter.microsoft.com:8443/"):
        with pytest.raises(httpx.ProxyError, match="403"):
            await client.get(url)
    assert cloud.proxy.connections == [
        Connection("example.com", 443, False),
        Connection("api.partnercenter.microsoft.com", 8443, False),
    ]
    assert (await client.get("http://example.com/")).status_code == 405
    assert len(cloud.proxy.connections) == 2


async def test_a_newer_route_leads_a_host_to_another_server(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    context = cloud.certificate.server_context()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    cloud.proxy.add_route("other.vault.azure.net", server.sockets[0].getsockname()[1])
    async with server:
        response = await client.get("https://other.vault.azure.net/secrets")
    assert response.status_code == 204


async def test_a_third_party_is_reached_by_its_name_and_seen_in_the_journal() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"asked": request.path})

    shop = {"api.shop.example": [web.get("/{path:.*}", answer)]}
    async with LocalCloud(third_parties=shop) as cloud:
        trust = ssl.create_default_context(cafile=cloud.certificate.ca_file)
        cloud.disturbances.inject(Disturbance("third_party", status=503))
        async with httpx.AsyncClient(
            proxy=cloud.proxy.url, verify=trust, trust_env=False, timeout=60
        ) as client:
            url = "https://api.shop.example/orders/1"
            answers = [await client.get(url) for _ in range(2)]
    assert [each.status_code for each in answers] == [503, 200]
    assert answers[1].json() == {"asked": "/orders/1"}
    assert [each.host for each in cloud.journal.requests("third_party")] == ["api.shop.example"] * 2


async def test_only_the_clouds_own_authority_vouches_for_its_certificate(cloud: LocalCloud) -> None:
    context = ssl.create_default_context()
    async with httpx.AsyncClient(
        proxy=cloud.proxy.url, verify=context, trust_env=False, timeout=60
    ) as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(CARTS)


def test_the_cloud_runs_in_a_thread_until_the_block_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LocalCloud.in_thread(deduplicate=False) as cloud:
        assert httpx.get(f"{cloud.control_url}/counts", trust_env=False, timeout=60).json() == {}
        assert cloud.partner_center.deduplicate is False
        cloud.disturbances.inject(Disturbance("identity", action="silence"))
        url = cloud.connection_details().identity_endpoint
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(url, trust_env=False, timeout=httpx.Timeout(60, read=0.1))
    with pytest.raises(httpx.ConnectError):
        httpx.get(cloud.control_url, trust_env=False, timeout=60)
    gc.collect()
    assert caplog.messages == []  # asyncio logs a task that is destroyed before its end
