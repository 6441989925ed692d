"""Whether a failed try is reported as not sent, or as possibly sent, over real sockets.

Everything here runs on the client that ships. The rule under test: `sent=False` only where the
server saw no request; any doubt is `sent=True`; and one call never makes two requests.
"""

import asyncio
import gzip
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme

from cart_core.adapters import partner_center_http as partner_center
from cart_core.adapters.partner_center_http import PartnerCenterHttp, open_transport
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from tests.transport.raw_server import (
    Peer,
    RawServer,
    Script,
    answers,
    keeps_answering,
    reply,
    resets,
    says_nothing,
)

TOKEN = "planted-bearer-token"
CUSTOMER = "11111111-2222-3333-4444-555555555555"
CART_ID = "55555555-4444-3333-2222-111111111111"
CART = b'{"id":"c"}'
OK = reply(CART)
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Certificates:
    """The CA that the client trusts, and server contexts good and bad."""

    trusted: Path
    good: ssl.SSLContext
    untrusted: ssl.SSLContext
    wrong_name: ssl.SSLContext
    expired: ssl.SSLContext


def _server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    ca = trustme.CA()
    trusted = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca.cert_pem.write_to_path(str(trusted))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return Certificates(
        trusted=trusted,
        good=_server_context(ca.issue_cert("127.0.0.1", "partner-center.invalid")),
        untrusted=_server_context(trustme.CA().issue_cert("127.0.0.1")),
        wrong_name=_server_context(ca.issue_cert("elsewhere.example")),
        expired=_server_context(ca.issue_cert("127.0.0.1", not_after=yesterday)),
    )


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.trusted))
    return monkeypatch


@pytest.fixture(autouse=True)
def nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    assert TOKEN not in caplog.text


class EndOfTry:
    """Stands in for the time limit of a try, which here ends when a test calls this, not by time.

    The unit tests prove that a try ends after the attempt's seconds.
    """

    def __init__(self) -> None:
        self._limits: list[asyncio.Timeout] = []

    def timeout(self, seconds: float) -> asyncio.Timeout:
        self._limits.append(asyncio.timeout(None))
        return self._limits[-1]

    def __call__(self) -> None:
        self._limits[-1].reschedule(asyncio.get_running_loop().time())


end_of_try = EndOfTry()


@pytest.fixture(autouse=True)
def tries_end_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partner_center, "asyncio", SimpleNamespace(timeout=end_of_try.timeout))


@asynccontextmanager
async def center(url: str, *, max_connections: int = 10) -> AsyncIterator[PartnerCenterHttp]:
    async with open_transport(url, max_connections=max_connections) as transport:
        yield PartnerCenterHttp(transport, base_url=url, application_name="tests")


Operation = Callable[[PartnerCenterHttp], Awaitable[Reply | NoReply]]


def attempt(within: float = 300.0) -> Attempt:
    return Attempt(
        TOKEN,
        request_id="11111111-0000-0000-0000-000000000000",
        correlation_id="22222222-0000-0000-0000-000000000000",
        locale="en-US",
        timeout=within,
    )


async def post(
    to: PartnerCenterHttp, *, within: float = 300.0, cart: dict[str, object] | None = None
) -> Reply | NoReply:
    body: dict[str, object] = {"lineItems": []} if cart is None else cart
    async with asyncio.timeout(120):  # a test that hangs fails in the end
        result = await to.create_cart(CUSTOMER, body, attempt(within))
    assert TOKEN not in repr(result)
    assert TOKEN not in repr(to)
    return result


async def get(to: PartnerCenterHttp) -> Reply | NoReply:
    return await to.get_cart(CUSTOMER, CART_ID, attempt())


async def put(to: PartnerCenterHttp) -> Reply | NoReply:
    return await to.update_cart(CUSTOMER, CART_ID, {"lineItems": []}, attempt())


async def check_out(to: PartnerCenterHttp) -> Reply | NoReply:
    return await to.checkout_cart(CUSTOMER, CART_ID, None, attempt())


async def post_once(url: str, *, within: float = 300.0) -> Reply | NoReply:
    async with center(url) as to:
        return await post(to, within=within)


def not_sent(reason: str, *, timed_out: bool = False) -> NoReply:
    return NoReply(sent=False, timed_out=timed_out, reason=reason)


def unknown(reason: str, *, timed_out: bool = False) -> NoReply:
    return NoReply(sent=True, timed_out=timed_out, reason=reason)


UNREADABLE = unknown("the answer is cut short or garbled")
CLOSED = unknown("the connection was closed without an answer")
SILENCE = unknown("no complete answer in time", timed_out=True)


# --- before the request is sent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_connection_refused() -> None:
    result = await post_once(f"https://127.0.0.1:{free_port()}")
    assert result == not_sent("the connection could not be made")


async def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # A real look-up may take seconds to fail where no name server answers.
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    result = await post_once("https://partner-center.invalid")
    assert result == not_sent("the host name was not found")


async def test_no_room_in_the_servers_backlog() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            result = await post_once(f"https://127.0.0.1:{port}", within=0.1)
        finally:
            for filler in fillers:
                filler.close()
    assert result == not_sent("no connection in time", timed_out=True)


@pytest.mark.parametrize("certificate", ["untrusted", "wrong_name", "expired"])
async def test_bad_certificate(certificates: Certificates, certificate: str) -> None:
    async with RawServer(keeps_answering(OK), getattr(certificates, certificate)) as server:
        result = await post_once(server.url)
    assert result == not_sent("the server's certificate is not valid")
    assert server.heads == []


async def test_plain_text_on_the_tls_port() -> None:
    async def script(peer: Peer) -> None:
        assert b"POST" not in await peer.read()
        await peer.write(reply(b"plain", status="400 Bad Request"))

    async with RawServer(script) as server:
        assert await post_once(server.url) == not_sent("the TLS handshake failed")


async def test_tls_handshake_never_answered() -> None:
    async with RawServer(says_nothing) as server:
        result = await post_once(server.url, within=0.1)
    assert result == not_sent("no connection in time", timed_out=True)


async def test_connection_closed_during_the_tls_handshake() -> None:
    async def script(peer: Peer) -> None:
        await peer.read()

    async with RawServer(script) as server:
        result = await post_once(server.url)
    assert isinstance(result, NoReply)
    assert not result.sent


async def test_wait_for_a_free_connection(certificates: Certificates) -> None:
    leave = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await leave.wait()
        await peer.write(OK)

    async with (
        RawServer(script, certificates.good) as server,
        center(server.url, max_connections=1) as to,
    ):
        first = asyncio.create_task(post(to))
        await server.arrived.wait()
        assert await post(to, within=0.1) == not_sent("no connection in time", timed_out=True)
        assert server.requests == 1
        leave.set()
        assert isinstance(await first, Reply)


# --- the proxy

REFUSED = not_sent("the proxy refused the connection")


@pytest.mark.parametrize(
    ("script", "within", "expected"),
    [
        pytest.param(answers(reply(b"", status="403 Forbidden")), 300, REFUSED, id="403"),
        pytest.param(answers(reply(b"", status="407 Log in")), 300, REFUSED, id="407"),
        pytest.param(answers(reply(b"", status="502 Bad Gateway")), 300, REFUSED, id="502"),
        pytest.param(
            says_nothing, 0.1, not_sent("no connection in time", timed_out=True), id="silent"
        ),
        # This cannot be told from a server that closes the connection, so it counts as sent.
        pytest.param(answers(b""), 300, CLOSED, id="hangs up"),
        pytest.param(answers(b"garbage\r\n\r\n"), 300, UNREADABLE, id="garbled"),
    ],
)
async def test_proxy_makes_no_tunnel(
    environment: pytest.MonkeyPatch,
    certificates: Certificates,
    script: Script,
    within: float,
    expected: NoReply,
) -> None:
    async with (
        RawServer(keeps_answering(OK), certificates.good) as server,
        RawServer(script) as proxy,
    ):
        environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert await post_once(server.url, within=within) == expected
        assert server.heads == []
        assert all(head.startswith(b"CONNECT ") for head in proxy.heads)
        assert TOKEN.encode() not in b"".join(proxy.heads)


async def test_proxy_refuses_the_connection(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    result = await post_once("https://partner-center.invalid")
    assert result == not_sent("the proxy could not be reached")


def tunnels_to(port: int) -> Script:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await peer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def back() -> None:
            try:
                while data := await reader.read(65536):
                    await peer.write(data)
            finally:
                peer.abort()

        returning = asyncio.create_task(back())
        try:
            while data := await peer.read():
                writer.write(data)
        finally:
            writer.close()
            await asyncio.gather(returning, return_exceptions=True)

    return script


@pytest.mark.parametrize(
    ("script", "expected"), [(keeps_answering(OK), None), (answers(), CLOSED), (resets, CLOSED)]
)
async def test_through_the_proxys_tunnel(
    environment: pytest.MonkeyPatch,
    certificates: Certificates,
    script: Script,
    expected: NoReply | None,
) -> None:
    async with (
        RawServer(script, certificates.good) as server,
        RawServer(tunnels_to(server.port)) as proxy,
    ):
        environment.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
        result = await post_once("https://partner-center.invalid")
        assert result == (expected or Reply(201, {"content-length": "10"}, CART))
        assert server.requests == 1
        assert proxy.heads[0].startswith(b"CONNECT partner-center.invalid:443 ")
        assert TOKEN.encode() not in b"".join(proxy.heads)


async def test_bad_certificate_behind_the_proxy(
    environment: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    async with (
        RawServer(keeps_answering(OK), certificates.wrong_name) as server,
        RawServer(tunnels_to(server.port)) as proxy,
    ):
        environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        result = await post_once("https://partner-center.invalid")
        assert result == not_sent("the server's certificate is not valid")
        assert server.heads == []


# --- after the request is sent


async def _reads_the_head_and_resets(peer: Peer) -> None:
    await peer.read()
    peer.reset()


async def _resets_at_once(peer: Peer) -> None:
    peer.reset()


def _then_silence(*parts: bytes) -> Script:
    """Reads one request, writes `parts`, and lets the try end."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        for part in parts:
            await peer.write(part)
        end_of_try()
        await asyncio.Event().wait()

    return script


async def _resets_in_the_body(peer: Peer) -> None:
    await peer.read_request()
    await peer.write(OK[:-2])
    peer.reset()


async def _goes_bad_in_the_body(peer: Peer) -> None:
    """aiohttp wakes no reader of a body that goes bad after its first piece: the try's end does."""
    await peer.read_request()
    await peer.write(CHUNKED)
    await peer.write(b"zz\r\n")
    await peer.hang_up()
    end_of_try()


GZIPPED = gzip.compress(CART * 50)
GZIP = "Content-Encoding: gzip"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(answers(), CLOSED, id="close"),
        pytest.param(_resets_at_once, None, id="reset at once"),
        pytest.param(_reads_the_head_and_resets, None, id="reset while reading"),
        pytest.param(resets, None, id="reset"),
        pytest.param(_then_silence(), SILENCE, id="silence"),
        pytest.param(_then_silence(b"HTTP/1.1 201 Cre"), SILENCE, id="silence in the head"),
        pytest.param(_then_silence(OK[:-2]), SILENCE, id="silence in the body"),
        pytest.param(
            _then_silence(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n", *[b"x"] * 20),
            SILENCE,
            id="drip",
        ),
        pytest.param(
            _then_silence(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 20), SILENCE, id="only 100s"
        ),
        pytest.param(answers(b"HTTP/1.1 201 Cre"), CLOSED, id="cut head"),
        pytest.param(answers(OK[:-2]), UNREADABLE, id="cut body"),
        pytest.param(_resets_in_the_body, None, id="reset in the body"),
        pytest.param(answers(CHUNKED), UNREADABLE, id="chunked, cut at once"),
        pytest.param(answers(CHUNKED + b"a\r\n{"), UNREADABLE, id="cut chunk"),
        pytest.param(answers(CHUNKED + b"a\r\n" + CART + b"\r\n"), UNREADABLE, id="no last chunk"),
        pytest.param(answers(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"), UNREADABLE, id="bad chunk size"),
        pytest.param(_goes_bad_in_the_body, None, id="bad chunk size, later"),
        pytest.param(answers(b"garbage\r\n\r\n"), UNREADABLE, id="garbled status line"),
        pytest.param(answers(b"HTTP/1.1 20 Created\r\n\r\n"), UNREADABLE, id="two-digit status"),
        pytest.param(answers(b"\x00\x00\x12\x04\x00\x00\x00"), UNREADABLE, id="HTTP/2 frame"),
        pytest.param(
            answers(b"HTTP/1.1 201 Created\r\nX: " + b"a" * 20_000 + b"\r\n\r\n"),
            UNREADABLE,
            id="huge header",
        ),
        pytest.param(
            answers(b"HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n"),
            UNREADABLE,
            id="length is a word",
        ),
        pytest.param(
            answers(reply(CART, "Content-Length: 3")), UNREADABLE, id="two different lengths"
        ),
        pytest.param(
            answers(reply(CART, "Transfer-Encoding: chunked")), UNREADABLE, id="length and chunks"
        ),
        pytest.param(answers(b"HTTP/1.1 100 Continue\r\n\r\n"), CLOSED, id="100 and no more"),
        pytest.param(
            answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
            UNREADABLE,
            id="101",
        ),
        pytest.param(answers(reply(GZIPPED[:-9], GZIP)), UNREADABLE, id="cut gzip"),
    ],
)
async def test_no_complete_answer(
    certificates: Certificates, script: Script, expected: NoReply | None
) -> None:
    """A failed try is not repeated, and gives its place in the pool (of one) back.

    `None` is any NoReply that says "sent": which one depends on what the close overtakes.
    """
    async with (
        RawServer(script, certificates.good) as server,
        center(server.url, max_connections=1) as to,
    ):
        result = await post(to)
        assert isinstance(result, NoReply)
        assert result.sent
        assert expected is None or result == expected
        assert server.connections == 1
        assert server.requests <= 1
        assert expected is None or server.requests == 1
        again = await post(to)
        assert isinstance(again, NoReply)
        assert again.sent
        assert server.requests <= 2


# --- complete answers


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        pytest.param(OK, 201, CART, id="length"),
        pytest.param(CHUNKED + b"a\r\n" + CART + b"\r\n0\r\n\r\n", 201, CART, id="chunked"),
        pytest.param(b"HTTP/1.1 201 Created\r\n\r\n" + CART, 201, CART, id="until the close"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", id="no content"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 201, CART, id="100 first"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 201, CART, id="103"),
        pytest.param(reply(b"\xef\xbb\xbf" + CART), 201, b"\xef\xbb\xbf" + CART, id="BOM kept"),
        pytest.param(reply(GZIPPED, GZIP), 201, CART * 50, id="gzip"),
        pytest.param(reply(b"<html>", status="502 Bad Gateway"), 502, b"<html>", id="5xx"),
        pytest.param(reply(CART, status="400 Ung\xfcltig"), 400, CART, id="reason in Latin-1"),
    ],
)
async def test_complete_answer(
    certificates: Certificates, data: bytes, status: int, body: bytes
) -> None:
    async with RawServer(answers(data), certificates.good) as server:
        result = await post_once(server.url)
        assert isinstance(result, Reply)
        assert (result.status, result.body) == (status, body)
        assert server.requests == 1


SENT_ALWAYS = {
    "accept",
    "accept-encoding",
    "authorization",
    "host",
    "ms-correlationid",
    "ms-partnercenter-application",
    "ms-requestid",
    "user-agent",
    "x-locale",
}
OF_A_BODY = {"content-length", "content-type"}
PLACE = f"/v1/customers/{CUSTOMER}/carts"


@pytest.mark.parametrize(
    ("operation", "line", "more"),
    [
        pytest.param(post, f"POST {PLACE}", OF_A_BODY, id="create"),
        pytest.param(get, f"GET {PLACE}/{CART_ID}", set(), id="get"),
        pytest.param(
            check_out, f"POST {PLACE}/{CART_ID}/checkout", {"content-length"}, id="checkout"
        ),
    ],
)
async def test_aiohttp_adds_nothing_to_what_is_sent(
    certificates: Certificates, operation: Operation, line: str, more: set[str]
) -> None:
    async with (
        RawServer(keeps_answering(OK), certificates.good) as server,
        center(server.url) as to,
    ):
        assert isinstance(await operation(to), Reply)
        request_line, *headers = server.heads[0].decode().split("\r\n")[:-2]
        assert request_line == f"{line} HTTP/1.1"
        sent = dict(header.lower().split(": ", 1) for header in headers)
        assert len(sent) == len(headers)
        assert set(sent) == SENT_ALWAYS | more


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Moved", "308"])
async def test_redirect_is_not_followed(certificates: Certificates, status: str) -> None:
    async with RawServer(keeps_answering(OK), certificates.good) as elsewhere:
        redirect = reply(b"", f"Location: {elsewhere.url}/elsewhere", status=status)
        async with RawServer(keeps_answering(redirect), certificates.good) as server:
            result = await post_once(server.url)
            assert isinstance(result, Reply)
            assert result.status == int(status[:3])
            assert server.requests == 1
        assert elsewhere.heads == []


@pytest.mark.parametrize("location", ["http://a:b", "http:a/b", "::", ""])
async def test_a_garbled_location_is_ignored(certificates: Certificates, location: str) -> None:
    answer = reply(b"", f"Location: {location}", status="307 Moved")
    async with RawServer(answers(answer), certificates.good) as server:
        result = await post_once(server.url)
    assert isinstance(result, Reply)
    assert result.status == 307


async def test_no_cookie_is_kept(
    environment: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    url = "https://partner-center.invalid"  # cookie jars refuse bare addresses of themselves
    data = reply(CART, "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2")
    async with (
        RawServer(keeps_answering(data), certificates.good) as server,
        RawServer(tunnels_to(server.port)) as proxy,
    ):
        environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with open_transport(url) as transport:
            to = PartnerCenterHttp(transport, base_url=url, application_name="tests")
            for _ in range(3):
                assert isinstance(await post(to), Reply)
        assert (server.connections, server.requests) == (1, 3)
        assert b"cookie" not in b"".join(server.heads).lower()


@pytest.mark.parametrize(
    "status", ["413 Payload Too Large", "429 Too Many Requests", "401 Unauthorized"]
)
async def test_answer_before_the_request_is_read(certificates: Certificates, status: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.write(reply(b"early", status=status))
        await says_nothing(peer)

    async with RawServer(script, certificates.good) as server, center(server.url) as to:
        result = await post(to, cart={"x": "y" * 256 * 1024})
        assert isinstance(result, Reply)
        assert result.body == b"early"


# --- connections that are used again


async def test_idle_connection_closed_by_the_server(certificates: Certificates) -> None:
    """The client has noticed, so that the next try makes a connection of its own."""
    async with (
        RawServer(answers(OK), certificates.good) as server,
        center(server.url) as to,
    ):
        assert isinstance(await post(to), Reply)
        await server.ended.wait()
        assert isinstance(await post(to), Reply)
        assert (server.connections, server.requests) == (2, 2)


@pytest.mark.parametrize("drop", [Peer.abort, Peer.reset])
async def test_idle_connection_closed_unnoticed(
    certificates: Certificates, drop: Callable[[Peer], None]
) -> None:
    """The close is under way when the next try is written: unknown, and not sent again."""
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await peer.read_request()
        await peer.write(OK)
        await says_nothing(peer)

    async with RawServer(script, certificates.good) as server, center(server.url) as to:
        assert isinstance(await post(to), Reply)
        drop(peers[0])
        result = await post(to)
        assert isinstance(result, NoReply)
        assert result.sent
        assert (server.connections, server.requests) == (1, 1)


@pytest.mark.parametrize("end", [Peer.hang_up, Peer.reset], ids=["close", "reset"])
@pytest.mark.parametrize(
    "operation", [post, get, put, check_out], ids=["create", "get", "update", "checkout"]
)
async def test_one_call_is_one_request(
    certificates: Certificates,
    operation: Operation,
    end: Callable[[Peer], Awaitable[None] | None],
) -> None:
    """aiohttp itself would send some again where a kept connection ends without an answer."""

    async def script(peer: Peer) -> None:
        if server.connections == 1:
            await peer.read_request()
            await peer.write(OK)
        await peer.read_request()
        if ended := end(peer):
            await ended

    async with RawServer(script, certificates.good) as server, center(server.url) as to:
        assert isinstance(await post(to), Reply)
        result = await operation(to)
        assert isinstance(result, NoReply)
        assert result.sent
        assert (server.connections, server.requests) == (1, 2)


async def test_an_unrequested_answer_is_not_used(certificates: Certificates) -> None:
    """A second answer to the first request must not be taken for the answer to the second."""
    stray = reply(b'{"id":"stray"}')

    async with (
        RawServer(keeps_answering(OK + stray, OK), certificates.good) as server,
        center(server.url) as to,
    ):
        for _ in range(2):
            result = await post(to)
            assert isinstance(result, Reply)
            assert result.body == CART
        assert (server.connections, server.requests) == (2, 2)


async def test_an_answer_after_the_try_is_not_used(certificates: Certificates) -> None:
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        if server.requests == 1:
            end_of_try()
            await over.wait()
            await peer.write(reply(b'{"id":"late"}'))
        await peer.write(OK)

    async with RawServer(script, certificates.good) as server, center(server.url) as to:
        assert await post(to) == SILENCE
        over.set()
        result = await post(to)
        assert isinstance(result, Reply)
        assert result.body == CART


# --- the caller goes away


async def _holds(peer: Peer) -> None:
    await peer.read_request()
    await says_nothing(peer)


async def test_cancellation_passes_untouched(certificates: Certificates) -> None:
    async with RawServer(_holds, certificates.good) as server, center(server.url) as to:
        task = asyncio.create_task(post(to))
        await server.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.connections == 1
