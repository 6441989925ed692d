"""Requests to shops, against a server that does what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cart_core.adapters import storefront_http
from cart_core.adapters.storefront_http import StorefrontHttp
from cart_core.storefronts.fetching import ShopAnswer, ShopUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def served() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    servers: list[TestServer] = []

    async def serve(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app)
        servers.append(server)
        await server.start_server()
        return str(server.make_url("/"))

    yield serve
    for server in servers:
        await server.close()


async def sent(url: str, body: bytes | None = None) -> ShopAnswer:
    http = StorefrontHttp(url)
    try:
        return await (http.post(url, {}, body) if body else http.get(url, {}))
    finally:
        await http.close()


async def test_an_answer_is_handed_on_with_its_pause(
    served: Callable[[Handler], Awaitable[str]],
) -> None:
    async def handler(request: web.Request) -> web.Response:
        headers = {"Retry-After": "7", "Set-Cookie": "a=b"}
        return web.Response(status=429, body=await request.read(), headers=headers)

    assert await sent(await served(handler), b"{}") == ShopAnswer(429, b"{}", 7)


async def test_no_redirect_is_followed(served: Callable[[Handler], Awaitable[str]]) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere", "Retry-After": "soon"})

    assert await sent(await served(handler)) == ShopAnswer(302, b"", None)
    assert paths == ["/"]


async def test_a_slow_or_a_huge_answer_is_none(
    served: Callable[[Handler], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await ended.wait()
        return web.Response()

    async def huge(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 100)

    monkeypatch.setattr(storefront_http, "MAX_ANSWER_BYTES", 99)
    with pytest.raises(ShopUnavailable, match="too large"):
        await sent(await served(huge))
    monkeypatch.setattr(storefront_http, "TRY_SECONDS", 0.2)
    with pytest.raises(ShopUnavailable, match="TimeoutError"):
        await sent(await served(slow))
    ended.set()


async def test_a_host_that_is_not_there_is_told() -> None:
    with pytest.raises(ShopUnavailable, match="no answer"):
        await sent("http://127.0.0.1:1/")
