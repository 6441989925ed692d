"""Whether a failed try is reported as not sent, or as possibly sent, over real sockets.

Everything here runs on the client that ships. The rule under test: `sent=False` only where the
server saw no request; any doubt is `sent=True`; and one call never makes two requests.

No test depends on how fast the machine is: a try ends when a test says so, and the real limits (of
0.1 s) are for connections that nobody will ever accept.
"""

import asyncio
import gzip
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme

from cart_core.adapters import partner_center_http as partner_center
from cart_core.adapters.partner_center_http import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    PartnerCenterHttp,
    open_sessions,
)
from cart_core.call import Call
from cart_core.deadline import Deadline
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
    """The time limit of the last try: it runs out when a test calls this, and not by time.

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
    async with open_sessions(url, max_connections=max_connections) as sessions:
        yield PartnerCenterHttp(sessions, base_url=url, application_name="tests")


Serving = Callable[..., AbstractAsyncContextManager[tuple[RawServer, PartnerCenterHttp]]]
Proxied = Callable[..., AbstractAsyncContextManager[tuple[RawServer, RawServer]]]


@pytest.fixture
def serving(certificates: Certificates) -> Serving:
    """Opens a server that does what a script says, and a client of it."""

    @asynccontextmanager
    async def serve(
        script: Script, *, max_connections: int = 10
    ) -> AsyncIterator[tuple[RawServer, PartnerCenterHttp]]:
        async with (
            RawServer(script, certificates.good) as server,
            center(server.url, max_connections=max_connections) as to,
        ):
            yield server, to

    return serve


@pytest.fixture
def proxied(environment: pytest.MonkeyPatch, certificates: Certificates) -> Proxied:
    """Opens a server and the proxy that leads to it."""

    @asynccontextmanager
    async def serve(
        script: Script, *, proxy: Script | None = None, certificate: str = "good"
    ) -> AsyncIterator[tuple[RawServer, RawServer]]:
        async with (
            RawServer(script, getattr(certificates, certificate)) as server,
            RawServer(proxy or tunnels_to(server.port)) as between,
        ):
            environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
            yield server, between
            assert all(head.startswith(b"CONNECT ") for head in between.heads)
            assert TOKEN.encode() not in b"".join(between.heads)

    return serve


CALL = Call(
    "22222222-0000-0000-0000-000000000000", CUSTOMER, "en-US", Deadline.after(300, time.monotonic)
)


def attempt(within: float = 300.0, *, fresh: bool = False) -> Attempt:
    return Attempt(TOKEN, "11111111-0000-0000-0000-000000000000", within, fresh)


async def post(
    to: PartnerCenterHttp, *, within: float = 300.0, cart: Mapping[str, object] | None = None
) -> Reply | NoReply:
    async with asyncio.timeout(120):  # a test that hangs fails in the end
        result = await to.create_cart(CALL, cart or {"lineItems": []}, attempt(within))
    assert TOKEN not in repr(result)
    assert TOKEN not in repr(to)
    return result


Operation = Callable[[PartnerCenterHttp], Awaitable[Reply | NoReply]]
OPERATIONS: dict[str, Operation] = {
    "create": post,
    "get": lambda to: to.get_cart(CALL, CART_ID, attempt()),
    "update": lambda to: to.update_cart(CALL, CART_ID, {"lineItems": []}, attempt()),
    "checkout": lambda to: to.checkout_cart(CALL, CART_ID, None, attempt()),
}


async def post_once(url: str, *, within: float = 300.0) -> Reply | NoReply:
    async with center(url) as to:
        return await post(to, within=within)


def not_sent(reason: str, *, timed_out: bool = False) -> NoReply:
    return NoReply(sent=False, timed_out=timed_out, reason=reason)


def unknown(reason: str, *, timed_out: bool = False) -> NoReply:
    return NoReply(sent=True, timed_out=timed_out, reason=reason)


def assert_unknown(result: Reply | NoReply) -> None:
    assert isinstance(result, NoReply)
    assert result.sent


def assert_answered(result: Reply | NoReply, body: bytes = CART) -> None:
    assert isinstance(result, Reply)
    assert result.body == body


UNREADABLE = unknown("the answer is cut short or garbled")
CLOSED = unknown("the connection was closed without an answer")
SILENCE = unknown("no complete answer in time", timed_out=True)


# --- before the request is sent


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_connection_refused() -> None:
    with refusing_port() as port:
        result = await post_once(f"https://127.0.0.1:{port}")
    assert result == not_sent("the connection could not be made")


async def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # A real look-up may take seconds to fail where no name server answers.
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    result = await post_once("https://partner-center.invalid")
    assert result == not_sent("the host name was not found")


async def test_no_room_in_the_servers_backlog() -> None:
    with ExitStack() as sockets:
        listener, *fillers = (sockets.enter_context(socket.socket()) for _ in range(4))
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        result = await post_once(f"https://127.0.0.1:{listener.getsockname()[1]}", within=0.1)
    assert result == not_sent("no connection in time", timed_out=True)


@pytest.mark.parametrize("certificate", ["untrusted", "wrong_name", "expired"])
async def test_bad_certificate(
    environment: pytest.MonkeyPatch, proxied: Proxied, certificate: str
) -> None:
    invalid = not_sent("the server's certificate is not valid")
    async with proxied(keeps_answering(OK), certificate=certificate) as (server, proxy):
        assert await post_once(server.url) == invalid
        environment.delenv("HTTPS_PROXY")
        assert await post_once(server.url) == invalid
        assert (server.heads, proxy.connections) == ([], 1)


async def _answers_in_plain_text(peer: Peer) -> None:
    assert b"POST" not in await peer.read()
    await peer.write(reply(b"plain", status="400 Bad Request"))


async def _closes_during_the_handshake(peer: Peer) -> None:
    await peer.read()


@pytest.mark.parametrize(
    ("script", "within", "reason"),
    [
        (_answers_in_plain_text, 300, "the TLS handshake failed"),
        (says_nothing, 0.1, "no connection in time"),
        (_closes_during_the_handshake, 300, None),  # The reason depends on the TLS library.
    ],
)
async def test_no_tls_handshake(script: Script, within: float, reason: str | None) -> None:
    async with RawServer(script) as server:
        result = await post_once(server.url, within=within)
    assert isinstance(result, NoReply)
    assert result == not_sent(reason or result.reason, timed_out=within < 1)


async def test_wait_for_a_free_connection(serving: Serving) -> None:
    leave = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await leave.wait()
        await peer.write(OK)

    async with serving(script, max_connections=1) as (server, to):
        first = asyncio.create_task(post(to))
        await server.arrived.wait()
        assert await post(to, within=0.1) == not_sent("no connection in time", timed_out=True)
        assert server.requests == 1
        leave.set()
        assert_answered(await first)


# --- the proxy

REFUSED = not_sent("the proxy refused the connection")


@pytest.mark.parametrize(
    ("script", "within", "expected"),
    [
        (answers(reply(b"", status="403 Forbidden")), 300, REFUSED),
        (answers(reply(b"", status="407 Log in")), 300, REFUSED),
        (answers(reply(b"", status="502 Bad Gateway")), 300, REFUSED),
        (says_nothing, 0.1, not_sent("no connection in time", timed_out=True)),
        # This cannot be told from a server that closes the connection, so it counts as sent.
        (answers(b""), 300, CLOSED),
        (answers(b"garbage\r\n\r\n"), 300, UNREADABLE),
    ],
    ids=["403", "407", "502", "silent", "hangs up", "garbled"],
)
async def test_proxy_makes_no_tunnel(
    proxied: Proxied, script: Script, within: float, expected: NoReply
) -> None:
    async with proxied(keeps_answering(OK), proxy=script) as (server, _):
        assert await post_once(server.url, within=within) == expected
        assert server.heads == []


async def test_proxy_refuses_the_connection(environment: pytest.MonkeyPatch) -> None:
    with refusing_port() as port:
        environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
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
    environment: pytest.MonkeyPatch, proxied: Proxied, script: Script, expected: NoReply | None
) -> None:
    async with proxied(script) as (server, proxy):
        environment.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")  # The scheme may be missing.
        result = await post_once("https://partner-center.invalid")
        assert result == (expected or Reply(201, {"content-length": "10"}, CART))
        assert server.requests == 1
        assert proxy.heads[0].startswith(b"CONNECT partner-center.invalid:443 ")


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


CREATED_HEAD = b"HTTP/1.1 201 Created\r\n"
# `None` is any NoReply that says "sent": which one depends on what the close overtakes.
INCOMPLETE: dict[str, tuple[Script, NoReply | None]] = {
    "close": (answers(), CLOSED),
    "reset at once": (_resets_at_once, None),
    "reset while reading": (_reads_the_head_and_resets, None),
    "reset": (resets, None),
    "silence": (_then_silence(), SILENCE),
    "silence in the head": (_then_silence(b"HTTP/1.1 201 Cre"), SILENCE),
    "silence in the body": (_then_silence(OK[:-2]), SILENCE),
    "drip": (_then_silence(CREATED_HEAD + b"Content-Length: 99\r\n\r\n", *[b"x"] * 20), SILENCE),
    "only 100s": (_then_silence(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 20), SILENCE),
    "cut head": (answers(b"HTTP/1.1 201 Cre"), CLOSED),
    "cut body": (answers(OK[:-2]), UNREADABLE),
    "reset in the body": (_resets_in_the_body, None),
    "chunked, cut at once": (answers(CHUNKED), UNREADABLE),
    "cut chunk": (answers(CHUNKED + b"a\r\n{"), UNREADABLE),
    "no last chunk": (answers(CHUNKED + b"a\r\n" + CART + b"\r\n"), UNREADABLE),
    "bad chunk size": (answers(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"), UNREADABLE),
    "bad chunk size, later": (_goes_bad_in_the_body, None),
    "garbled status line": (answers(b"garbage\r\n\r\n"), UNREADABLE),
    "huge header": (answers(reply(CART, "X: " + "a" * (MAX_HEADER_BYTES + 1))), UNREADABLE),
    "too many headers": (answers(reply(CART, *["X: a"] * MAX_HEADERS)), UNREADABLE),
    "length is a word": (answers(CREATED_HEAD + b"Content-Length: x\r\n\r\n"), UNREADABLE),
    "two different lengths": (answers(reply(CART, "Content-Length: 3")), UNREADABLE),
    "length and chunks": (answers(reply(CART, "Transfer-Encoding: chunked")), UNREADABLE),
    "100 and no more": (answers(b"HTTP/1.1 100 Continue\r\n\r\n"), CLOSED),
    "101": (answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), UNREADABLE),
}


@pytest.mark.parametrize(("script", "expected"), INCOMPLETE.values(), ids=INCOMPLETE)
async def test_no_complete_answer(
    serving: Serving, script: Script, expected: NoReply | None
) -> None:
    """A failed try is not repeated, and gives its place in the pool (of one) back."""
    async with serving(script, max_connections=1) as (server, to):
        result = await post(to)
        assert_unknown(result)
        assert expected is None or (result, server.requests) == (expected, 1)
        assert (server.connections, server.requests <= 1) == (1, True)
        assert_unknown(await post(to))
        assert server.requests <= 2


# --- complete answers


COMPLETE: dict[str, tuple[bytes, int, bytes]] = {
    "length": (OK, 201, CART),
    "chunked": (CHUNKED + b"a\r\n" + CART + b"\r\n0\r\n\r\n", 201, CART),
    "until the close": (CREATED_HEAD + b"\r\n" + CART, 201, CART),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 201, CART),
    "103 first": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 201, CART),
    "5xx": (reply(b"<html>", status="502 Bad Gateway"), 502, b"<html>"),
    "long header": (reply(CART, "X: " + "a" * MAX_HEADER_BYTES), 201, CART),
    "long header of a 401": (reply(b"", "X: " + "a" * 20_000, status="401 No"), 401, b""),
    "many headers": (reply(CART, *["X: a"] * (MAX_HEADERS - 1)), 201, CART),
    "many long headers": (reply(CART, *["X: " + "a" * 9000] * 100), 201, CART),
    "reason in Latin-1": (reply(CART, status="400 Ung\xfcltig"), 400, CART),
    # Nobody looks at the address of a redirect.
    "bad address": (reply(b"", "Location: ::", status="307 Moved"), 307, b""),
}


@pytest.mark.parametrize(("data", "status", "body"), COMPLETE.values(), ids=COMPLETE)
async def test_complete_answer(serving: Serving, data: bytes, status: int, body: bytes) -> None:
    async with serving(answers(data)) as (server, to):
        result = await post(to)
        assert isinstance(result, Reply)
        assert (result.status, result.body, server.requests) == (status, body, 1)


REFUSED_HEAD = b"HTTP/1.1 429 Slow down\r\nRetry-After: 57\r\nTransfer-Encoding: chunked\r\n\r\n"
SPOILT: dict[str, tuple[Script, bytes]] = {
    "cut": (answers(REFUSED_HEAD + b"a\r\n{"), b"{"),
    "cut gzip": (answers(REFUSED_HEAD + b"4\r\n" + gzip.compress(CART)[:4]), b""),
}


@pytest.mark.parametrize(("script", "body"), SPOILT.values(), ids=SPOILT)
async def test_a_refusal_is_read_whatever_becomes_of_its_body(
    serving: Serving, script: Script, body: bytes
) -> None:
    """Its status and headers say what it is; the connection is not used again."""
    async with serving(script, max_connections=1) as (server, to):
        for number in (1, 2):
            result = await post(to)
            assert isinstance(result, Reply)
            assert (result.status, result.headers["retry-after"]) == (429, "57")
            assert body.startswith(result.body)
            assert (server.connections, server.requests) == (number, number)


SENT_ALWAYS = {
    *("accept", "accept-encoding", "authorization", "host", "user-agent", "x-locale"),
    *("ms-correlationid", "ms-partnercenter-application", "ms-requestid"),
}
OF_A_BODY = {"content-length", "content-type"}
PLACE = f"/v1/customers/{CUSTOMER}/carts"


@pytest.mark.parametrize(
    ("operation", "line", "more"),
    [
        ("create", f"POST {PLACE}", OF_A_BODY),
        ("get", f"GET {PLACE}/{CART_ID}", set()),
        ("update", f"PUT {PLACE}/{CART_ID}", OF_A_BODY),
        ("checkout", f"POST {PLACE}/{CART_ID}/checkout", {"content-length"}),
    ],
)
async def test_aiohttp_adds_nothing_to_what_is_sent(
    serving: Serving, operation: str, line: str, more: set[str]
) -> None:
    async with serving(keeps_answering(OK)) as (server, to):
        assert_answered(await OPERATIONS[operation](to))
        request_line, *headers = server.heads[0].decode().split("\r\n")[:-2]
        assert request_line == f"{line} HTTP/1.1"
        sent = [header.lower().partition(": ")[0] for header in headers]
        assert sorted(sent) == sorted(SENT_ALWAYS | more)


@pytest.mark.parametrize("status", ["302 Found", "303 See Other", "308 Moved"])
async def test_redirect_is_not_followed(serving: Serving, status: str) -> None:
    async with serving(keeps_answering(OK)) as (elsewhere, _):
        redirect = reply(b"", f"Location: {elsewhere.url}/elsewhere", status=status)
        async with serving(keeps_answering(redirect)) as (server, to):
            result = await post(to)
            assert isinstance(result, Reply)
            assert (result.status, server.requests) == (int(status[:3]), 1)
        assert elsewhere.connections == 0


async def test_no_cookie_is_kept(proxied: Proxied) -> None:
    data = reply(CART, "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2")
    # Cookie jars refuse bare addresses of themselves, so that this needs a name.
    async with (
        proxied(keeps_answering(data)) as (server, _),
        center("https://partner-center.invalid") as to,
    ):
        for _ in range(3):
            assert_answered(await post(to))
        assert (server.connections, server.requests) == (1, 3)
        assert b"cookie" not in b"".join(server.heads).lower()


@pytest.mark.parametrize("status", ["413 Too Large", "429 Too Many", "401 Unauthorized"])
async def test_answer_before_the_request_is_read(serving: Serving, status: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.write(reply(b"early", status=status))
        await says_nothing(peer)

    async with serving(script) as (_, to):
        assert_answered(await post(to, cart={"x": "y" * 256 * 1024}), b"early")


# --- connections that are used again


async def test_idle_connection_closed_by_the_server(serving: Serving) -> None:
    """The client has noticed, so that the next try makes a connection of its own."""
    async with serving(answers(OK)) as (server, to):
        assert_answered(await post(to))
        await server.ended.wait()
        assert_answered(await post(to))
        assert (server.connections, server.requests) == (2, 2)


@pytest.mark.parametrize("drop", [Peer.abort, Peer.reset])
async def test_idle_connection_closed_unnoticed(
    serving: Serving, drop: Callable[[Peer], None]
) -> None:
    """The close is under way when the next try is written: unknown, and not sent again."""
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await peer.read_request()
        await peer.write(OK)
        await says_nothing(peer)

    async with serving(script) as (server, to):
        assert_answered(await post(to))
        drop(peers[0])
        assert_unknown(await post(to))
        assert (server.connections, server.requests) == (1, 1)


async def test_a_fresh_connection_is_neither_from_the_pool_nor_kept_in_it(
    serving: Serving,
) -> None:
    """Every kept connection dies as the next request arrives."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(OK)
        await peer.read_request()
        peer.reset()

    async def check_out() -> Reply | NoReply:
        return await to.checkout_cart(CALL, CART_ID, None, attempt(fresh=True))

    async with serving(script, max_connections=1) as (server, to):
        assert_answered(await post(to))
        assert_answered(await check_out())
        assert_answered(await check_out())
        assert_unknown(await post(to))
        assert_answered(await check_out())
        assert_answered(await post(to))
        assert (server.connections, server.requests) == (5, 6)
        closing = [b"connection: close" in head.lower() for head in server.heads]
        assert closing == [False, True, True, False, True, False]


@pytest.mark.parametrize("end", [Peer.hang_up, Peer.reset], ids=["close", "reset"])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_one_call_is_one_request(
    serving: Serving, operation: Operation, end: Callable[[Peer], Awaitable[None] | None]
) -> None:
    """aiohttp itself would send some again where a kept connection ends without an answer."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        if peer.server.requests == 1:
            await peer.write(OK)
            await peer.read_request()
        if ended := end(peer):
            await ended

    async with serving(script) as (server, to):
        assert_answered(await post(to))
        assert_unknown(await operation(to))
        assert (server.connections, server.requests) == (1, 2)


async def test_an_unrequested_answer_is_not_used(serving: Serving) -> None:
    """A second answer to the first request must not be taken for the answer to the second."""
    async with serving(keeps_answering(OK + reply(b'{"id":"stray"}'), OK)) as (server, to):
        assert_answered(await post(to))
        assert_answered(await post(to))
        assert (server.connections, server.requests) == (2, 2)


async def test_an_answer_after_the_try_is_not_used(serving: Serving) -> None:
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        if peer.server.requests == 1:
            end_of_try()
            await over.wait()
            await peer.write(reply(b'{"id":"late"}'))
        await peer.write(OK)

    async with serving(script) as (_, to):
        assert await post(to) == SILENCE
        over.set()
        assert_answered(await post(to))
