"""Partner Center over HTTP: the only module that uses aiohttp to reach it.

What a failed try means for the request is said by the exact class of aiohttp's exception; the table
`failures` has them. Every class that it does not have means that the request may have arrived.

aiohttp is imported at first use, so that importing this module is cheap.
"""

import asyncio
import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlencode

from cart_core import __version__
from cart_core.adapters.http_sessions import proxy_for
from cart_core.call import Call
from cart_core.json_text import write_json
from cart_core.partner_center.exchange import Attempt, NoReply, Reply

if TYPE_CHECKING:
    import aiohttp

MAX_REPLY_BYTES = 4 * 1024 * 1024
"""The size limit of an answer's body, before and after decompression."""

MAX_HEADER_BYTES = 64 * 1024
"""The size limit of one header of an answer; proxies and front ends add long ones."""

MAX_HEADERS = 500
"""How many headers an answer may have."""

_CONNECT_SECONDS = 10.0
# The wait for a connection may take this share of the try's time. It must end before the try does,
# so that the end of a try always means: there was a connection, and the request may have been sent.
_CONNECT_SHARE = 0.8
# Azure's outbound NAT drops a connection after four idle minutes; this is well below.
_KEEP_ALIVE_SECONDS = 30.0

_GZIP = b"\x1f\x8b"  # how a gzip member begins (RFC 1952)
_CHUNK = 64 * 1024

_CONNECTION_LOST = NoReply(
    sent=True, timed_out=False, reason="the connection failed after it was made"
)
_UNREADABLE = NoReply(sent=True, timed_out=False, reason="the answer is cut short or garbled")
_TOO_LARGE = NoReply(sent=True, timed_out=False, reason="the answer is too large")


class PartnerCenterHttp:
    """Calls Partner Center through shared connections; see `open_sessions`.

    `base_url` has no trailing slash. Whoever opened `sessions` closes them. Each call is one try,
    which takes at most the attempt's `timeout`; waiting for a connection takes at most four fifths
    of it. An answer becomes a Reply, and everything else a NoReply. A 2xx has to be complete,
    because its body is what was asked for. Any other status speaks for itself: its body is what
    could be read of it. Raises TypeError or ValueError where the cart cannot be written as JSON.
    """

    def __init__(self, sessions: "Sessions", *, base_url: str, application_name: str) -> None:
        self._sessions = sessions
        self._base_url = base_url
        self._application_name = application_name

    async def create_cart(
        self, call: Call, cart: Mapping[str, object], attempt: Attempt
    ) -> Reply | NoReply:
        """Create a cart for a customer; `cart` is sent as it is."""
        return await self._send("POST", _carts_path(call), call, attempt, cart)

    async def get_cart(self, call: Call, cart_id: str, attempt: Attempt) -> Reply | NoReply:
        """Read a cart."""
        return await self._send("GET", _carts_path(call, cart_id), call, attempt)

    async def update_cart(
        self, call: Call, cart_id: str, cart: Mapping[str, object], attempt: Attempt
    ) -> Reply | NoReply:
        """Replace a cart and all its lines by `cart`, which is sent as it is."""
        return await self._send("PUT", _carts_path(call, cart_id), call, attempt, cart)

    async def checkout_cart(
        self, call: Call, cart_id: str, customer_user: str | None, attempt: Attempt
    ) -> Reply | NoReply:
        """Buy what is in a cart; `customer_user` is the customer's user who gets the licence."""
        path = f"{_carts_path(call, cart_id)}/checkout"
        extra = {"x-ms-customeruser-upn": customer_user} if customer_user else {}
        return await self._send("POST", path, call, attempt, extra=extra)

    async def read_document(
        self,
        call: Call,
        path: str,
        query: Mapping[str, str],
        attempt: Attempt,
        *,
        continuation: str | None,
    ) -> Reply | NoReply:
        """Read a document at a path below the version, or a further page of a list."""
        extra = {"MS-ContinuationToken": continuation} if continuation else {}
        return await self._send("GET", _path(path, query), call, attempt, extra=extra)

    async def ask(
        self,
        call: Call,
        path: str,
        query: Mapping[str, str],
        document: Mapping[str, object],
        attempt: Attempt,
    ) -> Reply | NoReply:
        """Send a question that changes nothing, as a document to a path below the version."""
        return await self._send("POST", _path(path, query), call, attempt, document)

    async def _send(
        self,
        method: str,
        path: str,
        call: Call,
        attempt: Attempt,
        document: Mapping[str, object] | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Reply | NoReply:
        import aiohttp
        from aiohttp.http_exceptions import HttpProcessingError
        from yarl import URL

        headers = {
            "Authorization": f"Bearer {attempt.token}",
            "Accept": "application/json",
            # Answers are a few kilobytes; compressing them would cost more than it saves.
            "Accept-Encoding": "identity",
            "MS-RequestId": attempt.request_id,
            "MS-CorrelationId": call.correlation_id,
            "X-Locale": call.locale,
            "MS-PartnerCenter-Application": self._application_name,
            "User-Agent": f"cart-core/{__version__}",
            **(extra or {}),
        }
        content = None
        if document is not None:
            headers["Content-Type"] = "application/json"
            content = _json_bytes(document)
        connect_timeout = _CONNECT_SHARE * attempt.timeout
        session = self._sessions.fresh if attempt.fresh_connection else self._sessions.pooled
        response: aiohttp.ClientResponse | None = None
        received = bytearray()
        failure: NoReply | None = None
        try:
            async with (
                asyncio.timeout(attempt.timeout),
                session.request(
                    method,
                    URL(self._base_url + path, encoded=True),
                    headers=headers,
                    data=content,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(
                        # This one is for the whole wait for a connection: for a free one, for name
                        # resolution, for the proxy and for the TLS handshake.
                        connect=connect_timeout,
                        sock_connect=min(_CONNECT_SECONDS, connect_timeout),
                    ),
                ) as response,
            ):
                await _read_into(received, response)
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            failure = no_reply(error)
            if response is None:
                return failure
        return _reply(response.status, _headers(response), received, failure)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The connections for all calls: `fresh` makes a new one for each, `pooled` keeps them."""

    pooled: "aiohttp.ClientSession"
    fresh: "aiohttp.ClientSession"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.pooled.close()
        await self.fresh.close()


def open_sessions(base_url: str, *, max_connections: int) -> Sessions:
    """The connections for all calls to `base_url`, for use on the running event loop.

    This reads HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR once. The sessions keep no
    cookies, decompress nothing and send nothing twice. Raises RuntimeError where no event loop is
    running.
    """
    import ssl

    import aiohttp

    tls = ssl.create_default_context()
    proxy = proxy_for(base_url)

    def through(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=["Content-Type"],  # a checkout has no body, and so no type of one
            proxy=proxy,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )
        # Where a connection that is used again is cut, aiohttp would send a GET or PUT once more
        # and report the second try alone: as "not sent", though the first may have arrived. aiohttp
        # has no public name for this switch.
        session._retry_connection = False
        return session

    connector = partial(aiohttp.TCPConnector, limit=max_connections, ssl=tls)
    return Sessions(
        pooled=through(connector(keepalive_timeout=_KEEP_ALIVE_SECONDS)),
        fresh=through(connector(force_close=True)),
    )


@cache
def failures() -> Mapping[type[BaseException], NoReply]:
    """What each exception means for the request, by the exception's exact class.

    "Not sent" are those that aiohttp raises only while it makes a connection. For a class that is
    missing here the request may have been sent, whatever the base classes say.
    """
    import aiohttp

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
        aiohttp.SocketTimeoutError: silence,
        TimeoutError: silence,  # the try's time is over
    }


def no_reply(error: BaseException) -> NoReply:
    """What an exception of aiohttp means for the request."""
    return failures().get(type(error), _CONNECTION_LOST)


def _path(path: str, query: Mapping[str, str]) -> str:
    return f"/v1{path}{'?' if query else ''}{urlencode(query, quote_via=quote)}"


def _carts_path(call: Call, cart_id: str | None = None) -> str:
    carts = f"/v1/customers/{quote(call.customer_id, safe='')}/carts"
    return carts if cart_id is None else f"{carts}/{quote(cart_id, safe='')}"


def _headers(response: "aiohttp.ClientResponse") -> dict[str, str]:
    """The headers with names in lower case; those of one name are joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _read_into(content: bytearray, response: "aiohttp.ClientResponse") -> None:
    """Read the body as it was sent, up to a few kilobytes beyond MAX_REPLY_BYTES."""
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_REPLY_BYTES:
            return


def _reply(
    status: int, headers: Mapping[str, str], content: bytearray, failure: NoReply | None
) -> Reply | NoReply:
    """The answer with what is there of its body. `failure` cut it short."""
    if status < 200:
        return failure or _UNREADABLE
    body, complete = _decompressed(bytes(content))
    needs_body = status < 300
    if needs_body and failure:
        return failure
    if needs_body and max(len(content), len(body)) > MAX_REPLY_BYTES:
        return _TOO_LARGE
    if needs_body and not complete:
        return _UNREADABLE
    return Reply(status=status, headers=headers, body=body)


def _decompressed(content: bytes) -> tuple[bytes, bool]:
    """A body as it was before it was compressed, and whether nothing is missing at its end.

    A body that begins like gzip is gzip, and no other is, because proxies remove, keep and add the
    header Content-Encoding without regard to the body. A body of several gzip members is
    their contents one after the other. No more is read than shows that it is too large.
    """
    if not content.startswith(_GZIP):
        return content, True
    body = bytearray()
    stream = gzip.GzipFile(fileobj=io.BytesIO(content))
    try:
        while len(body) <= MAX_REPLY_BYTES and (part := stream.read1(_CHUNK)):
            body += part
    except (OSError, EOFError, zlib.error):
        return bytes(body), False
    return bytes(body), True


def _json_bytes(document: Mapping[str, object]) -> bytes:
    text = write_json(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8")
