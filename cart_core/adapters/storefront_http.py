"""Shops' own APIs over HTTP, for orders that are fetched back; and reports to a shop's owner.

aiohttp is imported at first use, so that importing this module is cheap.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cart_core import __version__
from cart_core.adapters.http_sessions import proxy_for
from cart_core.storefronts.fetching import ShopAnswer, ShopUnavailable

if TYPE_CHECKING:
    import aiohttp

TRY_SECONDS: Final = 15.0
"""For one request, with its connection. Standard Webhooks advises 15 to 30 s for a delivery."""

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


class StorefrontHttp:
    """Sends single requests to one host. It follows no redirect, keeps no cookie, repeats nothing.

    The environment's proxy and certificates are read at the first request.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, headers: Mapping[str, str]) -> ShopAnswer:
        """See ShopApi."""
        return await self._send("GET", url, headers, None)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> ShopAnswer:
        """Deliver a report. Raises ShopUnavailable where there is no answer."""
        return await self._send("POST", url, headers, body)

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> ShopAnswer:
        import aiohttp
        from yarl import URL

        session = self._session or self._open()
        own = {**headers, "User-Agent": f"cart-core/{__version__}"}
        try:
            async with (
                asyncio.timeout(TRY_SECONDS),
                session.request(
                    method,
                    URL(url, encoded=True),
                    headers=own,
                    data=body,
                    allow_redirects=False,
                ) as response,
            ):
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise ShopUnavailable("The answer is too large.")
                return ShopAnswer(response.status, bytes(content), _pause(response.headers))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ShopUnavailable(f"There was no answer ({type(error).__name__}).") from None

    def _open(self) -> "aiohttp.ClientSession":
        import ssl

        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=10, ssl=ssl.create_default_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy_for(self._base_url),
        )
        return self._session


def _pause(headers: Mapping[str, str]) -> int | None:
    """The seconds of a Retry-After; a date counts as none."""
    text = headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
