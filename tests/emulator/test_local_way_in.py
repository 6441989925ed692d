"""The proxy, the certificate and the environment: how a process gets into the local cloud."""

import asyncio
import ssl

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.network.certificates import SERVER_NAMES
from partner_center_emulator.network.proxy import Connection

from tests.emulator.requests_to_cloud import CARTS


async def test_every_production_name_is_served_under_its_own_certificate(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    names = [name.replace("*", "carts-demo") for name in SERVER_NAMES if "." in name]
    for name in names:
        if not name.startswith("127") and "blob" not in name:
            await client.get(f"https://{name}/nothing")
            assert Connection(name, 443, True) in cloud.proxy.connections


async def test_an_unknown_host_is_refused_and_recorded(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    with pytest.raises(httpx.ProxyError, match="403"):
        await client.get("https://example.com/")
    with pytest.raises(httpx.ProxyError, match="403"):
        await client.get("https://api.partnercenter.microsoft.com:8443/")
    assert cloud.proxy.connections == [
        Connection("example.com", 443, False),
        Connection("api.partnercenter.microsoft.com", 8443, False),
    ]


async def test_the_proxy_forwards_nothing_but_connect(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    answer = await client.get("http://example.com/")
    assert answer.status_code == 405
    assert cloud.proxy.connections == []


async def test_a_route_added_later_leads_to_another_server(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    trust = cloud.certificate.server_context()
    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=trust)
    cloud.proxy.add_route("account.blob.core.windows.net", server.sockets[0].getsockname()[1])
    async with server:
        answer = await client.get("https://account.blob.core.windows.net/container")
    assert answer.status_code == 204


async def test_nothing_of_this_process_leaks_into_the_environment(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_DIR", "CURL_CA_BUNDLE", "https_proxy", "no_proxy", "AZURE_SECRET"):
        monkeypatch.setenv(name, "elsewhere")
    environment = cloud.environment(PARTNER_CENTER_CLOUD="china", KEY_VAULT_URL=None)
    assert "elsewhere" not in environment.values()
    assert environment["PARTNER_CENTER_CLOUD"] == "china"
    assert "KEY_VAULT_URL" not in environment
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"
    assert environment["SSL_CERT_FILE"] == environment["REQUESTS_CA_BUNDLE"]


async def test_a_stranger_does_not_trust_the_certificate(cloud: LocalCloud) -> None:
    stranger = ssl.create_default_context()
    async with httpx.AsyncClient(proxy=cloud.proxy.url, verify=stranger, trust_env=False) as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(CARTS)


def test_the_cloud_runs_in_a_thread() -> None:
    with LocalCloud.in_thread(deduplicate=False) as cloud:
        trust = ssl.create_default_context(cafile=cloud.certificate.ca_file)
        with httpx.Client(proxy=cloud.proxy.url, verify=trust, trust_env=False) as client:
            assert client.post(CARTS, json={}).status_code == 401
        assert [a.path for a in cloud.journal.requests("partner_center")] == [
            CARTS.partition(".com")[2]
        ]
    with pytest.raises(httpx.ConnectError):
        httpx.get(cloud.control_url, trust_env=False)
