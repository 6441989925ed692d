"""Partner Center's carts over HTTP: the one module that knows the HTTP client and its engine.

The client is httpx with aiohttp as its engine. The engine's adapter (httpx-aiohttp) names errors by
resemblance: a server that hangs up after reading a request is a `ConnectTimeout` there, as a
refused connection could be. What happened is told by aiohttp's own exception, found in `__cause__`,
and `failures` is the one place that says what each of those means. A class that is not listed
there, an httpx error without such a cause included, means that the request may have arrived.

httpx and aiohttp are imported at first use; importing this module is cheap.
"""

import asyncio
import json
import zlib
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from cart_core import __version__
from cart_core.adapters.proxy_setting import proxy_for
from cart_core.partner_center.exchange import Attempt, NoReply, Reply

if TYPE_CHECKING:
    import httpx

MAX_REPLY_BYTES = 4 * 1024 * 1024

_CONNECT_SECONDS = 10.0
# A wait for a connection must end before the try does: only then does the end of the try always
# mean that a connection was had, and so that the request may have been sent.
_CONNECTED_BY = 0.8
# Well below the four minutes after which Azure's outbound NAT forgets an idle connection.
_KEEP_ALIVE_SECONDS = 30.0

_UNKNOWN = NoReply(sent=True, timed_out=False, reason="the connection failed after it was made")
_UNREADABLE = NoReply(sent=True, timed_out=False, reason="the answer is cut short or garbled")
_TOO_LARGE = NoReply(sent=True, timed_out=False, reason="the answer is too large")


class PartnerCenter:
    """Calls Partner Center through one shared transport; see `open_transport`.

    `base_url` has no trailing slash. The owner of `transport` closes it. Each call is one try of at
    most the attempt's `timeout`, of which a fifth is kept from the wait for a connection. Any
    complete HTTP answer is a Reply, whatever its status; all else is a NoReply. Raises TypeError or
    ValueError for a cart that is no JSON.
    """

    def __init__(
        self, transport: "httpx.AsyncBaseTransport", *, base_url: str, application_name: str
    ) -> None:
        self._transport = transport
        self._base_url = base_url
        self._application_name = application_name

    async def create_cart(
        self, customer_id: str, cart: Mapping[str, object], attempt: Attempt
    ) -> Reply | NoReply:
        """Post `cart`, ready for the wire, for one customer."""
        return await self._send("POST", _path(customer_id), attempt, cart)

    async def get_cart(self, customer_id: str, cart_id: str, attempt: Attempt) -> Reply | NoReply:
        """Read a cart."""
        return await self._send("GET", _path(customer_id, cart_id), attempt)

    async def update_cart(
        self, customer_id: str, cart_id: str, cart: Mapping[str, object], attempt: Attempt
    ) -> Reply | NoReply:
        """Put `cart`, ready for the wire, in the place of a cart; all its lines are replaced."""
        return await self._send("PUT", _path(customer_id, cart_id), attempt, cart)

    async def checkout_cart(
        self, customer_id: str, cart_id: str, customer_user: str | None, attempt: Attempt
    ) -> Reply | NoReply:
        """Buy what is in a cart; `customer_user` is the customer's user who gets the licence."""
        path = f"{_path(customer_id, cart_id)}/checkout"
        extra = {"x-ms-customeruser-upn": customer_user} if customer_user else {}
        return await self._send("POST", path, attempt, extra=extra)

    async def _send(
        self,
        method: str,
        path: str,
        attempt: Attempt,
        document: Mapping[str, object] | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Reply | NoReply:
        import aiohttp
        import httpx
        from aiohttp.http_exceptions import HttpProcessingError

        headers = {
            "Authorization": f"Bearer {attempt.token}",
            "Accept": "application/json",
            # Replies are a few kilobytes; to compress them would cost more than it saves.
            "Accept-Encoding": "identity",
            "MS-RequestId": attempt.request_id,
            "MS-CorrelationId": attempt.correlation_id,
            "X-Locale": attempt.locale,
            "MS-PartnerCenter-Application": self._application_name,
            "User-Agent": f"cart-core/{__version__}",
            **(extra or {}),
        }
        content = None
        if document is not None:
            headers["Content-Type"] = "application/json"
            content = _encoded(document)
        connected_by = _CONNECTED_BY * attempt.timeout
        request = httpx.Request(
            method,
            _url(self._base_url + path),
            headers=headers,
            content=content,
            extensions={
                "timeout": {
                    "connect": min(_CONNECT_SECONDS, connected_by),
                    # The engine counts the wait for a free connection, the look-up, the proxy
                    # and the TLS handshake under this name.
                    "pool": connected_by,
                    "read": None,
                    "write": None,
                }
            },
        )
        try:
            async with asyncio.timeout(attempt.timeout):
                response = await self._transport.handle_async_request(request)
                try:
                    return await _read(response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, aiohttp.ClientError, HttpProcessingError, OSError) as error:
            return no_reply(error)


def open_transport(base_url: str, *, max_connections: int = 100) -> "httpx.AsyncBaseTransport":
    """The connections for all calls to `base_url`. Must be called on the loop that will use them.

    HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR are read here, once. It keeps no cookies,
    follows no redirects and sends nothing twice. There is no httpx.AsyncClient around it: what
    that adds (redirects, cookies, authentication flows) is not wanted here, and costs as much as
    the sending itself.
    """
    import aiohttp
    import httpx
    from httpx_aiohttp import AiohttpTransport

    class Answer(aiohttp.ClientResponse):
        # The adapter fails on a reason phrase that is not UTF-8, and would leave the connection in
        # use for good. Nobody reads the phrase.
        async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            await super().start(connection)
            self.reason = None
            return self

    tls = httpx.create_ssl_context()
    proxy = proxy_for(base_url)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=max_connections, keepalive_timeout=_KEEP_ALIVE_SECONDS, ssl=tls
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=Answer,
        skip_auto_headers=["Content-Type"],  # it would give a checkout one, for no body at all
    )
    # It would send a GET or PUT once more where a kept connection is cut, and then tell of the
    # second time alone: not sent, though the first may have arrived. There is no public name.
    session._retry_connection = False
    return AiohttpTransport(client=session, verify=tls, proxy=httpx.Proxy(proxy) if proxy else None)


@cache
def failures() -> Mapping[type[BaseException], NoReply]:
    """What each exception of the engine means, by its exact class.

    Not sent: those that aiohttp raises only while it is looking for a connection. A class that is
    missing here is unknown, whatever its base classes are.
    """
    import aiohttp
    import httpx

    def not_sent(reason: str, *, timed_out: bool = False) -> NoReply:
        return NoReply(sent=False, timed_out=timed_out, reason=reason)

    silence = NoReply(sent=True, timed_out=True, reason="no complete answer in time")
    return {
        aiohttp.ClientConnectorDNSError: not_sent("the host name was not found"),
        aiohttp.ClientConnectorCertificateError: not_sent("the server's certificate is not valid"),
        aiohttp.ClientConnectorSSLError: not_sent("the TLS handshake failed"),
        aiohttp.ClientProxyConnectionError: not_sent("the proxy could not be reached"),
        aiohttp.ClientHttpProxyError: not_sent("the proxy refused the connection"),
        aiohttp.ClientConnectorError: not_sent("the connection could not be made"),
        aiohttp.ConnectionTimeoutError: not_sent("no connection in time", timed_out=True),
        aiohttp.ServerDisconnectedError: NoReply(
            sent=True, timed_out=False, reason="the connection was closed without an answer"
        ),
        aiohttp.ClientPayloadError: _UNREADABLE,
        aiohttp.ClientResponseError: _UNREADABLE,
        httpx.RemoteProtocolError: _UNREADABLE,
        aiohttp.SocketTimeoutError: silence,
        # The end of the try.
        TimeoutError: silence,
    }


def no_reply(error: BaseException) -> NoReply:
    """What an exception of the client or its engine means for the request."""
    import httpx

    # Only httpx's errors wrap the truth; the cause of an engine's own exception is a detail of it.
    truth = error.__cause__ if isinstance(error, httpx.HTTPError) else None
    return failures().get(type(truth or error), _UNKNOWN)


def _path(customer_id: str, cart_id: str | None = None) -> str:
    carts = f"/v1/customers/{quote(customer_id, safe='')}/carts"
    return carts if cart_id is None else f"{carts}/{quote(cart_id, safe='')}"


@lru_cache(maxsize=256)
def _url(text: str) -> "httpx.URL":
    """A parsed URL; taking one apart is dear, and the same customers come again."""
    import httpx

    return httpx.URL(text)


async def _read(response: "httpx.Response") -> Reply | NoReply:
    if response.status_code < 200:
        return _UNREADABLE
    content = bytearray()
    # The stream itself: httpx would decode a cut gzip body without complaint.
    async for chunk in cast("httpx.AsyncByteStream", response.stream):
        content += chunk
        if len(content) > MAX_REPLY_BYTES:
            return _TOO_LARGE
    headers = dict(response.headers.items())
    body: bytes | None = bytes(content)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if body and encoding != "identity":
        body = _gunzipped(body) if encoding == "gzip" else None
    if body is None:
        return _UNREADABLE
    return Reply(status=response.status_code, headers=headers, body=body)


def _gunzipped(data: bytes) -> bytes | None:
    """The content of one complete gzip member of bounded size; None if `data` is anything else."""
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = member.decompress(data, MAX_REPLY_BYTES)
    except zlib.error:
        return None
    return content if member.eof and not member.unused_data else None


def _encoded(document: Mapping[str, object]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")
