"""Blob and Queue Storage: Azurite, behind a relay that journals requests and disturbs them.

The relay passes every request on as it came, host name and token included. Disturbances therefore
happen between the caller and a storage account that behaves like a real one: an answer can be
dropped after Azurite has committed the write.
"""

import ssl
import uuid
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from partner_center_emulator.services.azurite import HOST, QUEUE_HOST, Azurite
from partner_center_emulator.services.tokens import Tokens

_AUDIENCE = "https://storage.azure.com"
_API_VERSION = "2025-11-05"
_HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length")


class BlobStorage:
    """One storage account with one new container and one empty queue, for one local cloud."""

    host: Final = HOST
    queue_host: Final = QUEUE_HOST
    queue: Final = "accepted-operations"

    def __init__(self, azurite: Azurite, tokens: Tokens, tenant_id: str) -> None:
        self._azurite = azurite
        self._tokens = tokens
        self._tenant_id = tenant_id
        self._container = f"carts-{uuid.uuid4().hex}"
        self._session: aiohttp.ClientSession | None = None

    @property
    def queue_service_url(self) -> str:
        """The https address of the queue service."""
        return f"https://{self.queue_host}"

    @property
    def container_url(self) -> str:
        """The https address of the container."""
        return f"https://{self.host}/{self._container}"

    def routes(self) -> list[web.RouteDef]:
        """One route for every request to the host."""
        return [web.route("*", "/{path:.*}", self._relay)]

    async def start(self) -> None:
        """Opens the connections to Azurite and makes the container."""
        trust = ssl.create_default_context(cafile=self._azurite.ca_file)
        # Shorter than Azurite's keep-alive: no connection is reused while Azurite closes it.
        connector = aiohttp.TCPConnector(ssl=trust, limit=0, keepalive_timeout=3)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        await self._ask("PUT", "?restype=container")
        for queue in (self.queue, f"{self.queue}-poison"):
            await self._ask_queue("PUT", f"/{queue}")
            await self._ask_queue("DELETE", f"/{queue}/messages")

    async def stop(self) -> None:
        """Closes the connections."""
        if self._session:
            await self._session.close()

    async def put(self, blob: str, content: bytes) -> None:
        """Writes or overwrites a blob, without a request that is journalled or disturbed."""
        await self._ask("PUT", f"/{blob}", content, **{"x-ms-blob-type": "BlockBlob"})

    async def get(self, blob: str) -> tuple[CIMultiDict[str], bytes]:
        """Reads the headers and the content of a blob, in the same way."""
        response = await self._ask("GET", f"/{blob}")
        assert isinstance(response.body, bytes)
        return response.headers, response.body

    async def delete_container(self) -> None:
        """Removes the container with everything in it, in the same way."""
        await self._ask("DELETE", "?restype=container")

    async def ask_queue(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Asks the queue service as its owner, in the same way; gives the body of the answer."""
        response = await self._ask_queue(method, path, body)
        assert isinstance(response.body, bytes)
        return response.body

    async def _ask_queue(self, method: str, path: str, body: bytes = b"") -> web.Response:
        return await self._send_as_owner(method, path, self.queue_host, {}, body)

    async def _ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> web.Response:
        return await self._send_as_owner(
            method, f"/{self._container}{path}", self.host, headers, body
        )

    async def _send_as_owner(
        self, method: str, path: str, host: str, headers: dict[str, str], body: bytes
    ) -> web.Response:
        """Sends a request as the account's owner. Raises RuntimeError where it is refused."""
        token = self._tokens.issue(
            600, aud=_AUDIENCE, iss=f"https://sts.windows.net/{self._tenant_id}/", sub="owner"
        )
        own = {"Host": host, "Authorization": f"Bearer {token}", "x-ms-version": _API_VERSION}
        response = await self._send(method, path, own | headers, body)
        if response.status >= 300:
            raise RuntimeError(f"Azurite: {response.status}\n{self._azurite.output()}")
        return response

    async def _relay(self, request: web.Request) -> web.Response:
        headers = CIMultiDict(request.headers)
        for name in _HOP_BY_HOP:
            headers.popall(name, None)
        body = await request.read()
        try:
            return await self._send(request.method, request.raw_path, headers, body)
        except aiohttp.ClientError:
            return web.Response(status=503, text="Azurite does not answer.")

    async def _send(
        self, method: str, path: str, headers: "CIMultiDict[str] | dict[str, str]", body: bytes
    ) -> web.Response:
        assert self._session
        of_queue = headers["Host"].startswith(self.queue_host)
        port = self._azurite.queue_port if of_queue else self._azurite.port
        async with self._session.request(
            method,
            URL(f"https://127.0.0.1:{port}{path}", encoded=True),
            headers=headers,
            data=body,
            server_hostname=self.queue_host if of_queue else self.host,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
        relayed = CIMultiDict(answer.headers)
        for name in _HOP_BY_HOP:
            relayed.popall(name, None)
        return web.Response(
            status=answer.status, reason=answer.reason, headers=relayed, body=content
        )
