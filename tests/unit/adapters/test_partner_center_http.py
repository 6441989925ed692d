"""What is sent to Partner Center and what becomes of its answers, without a socket."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, cast

import aiohttp
import aiohttp.client_exceptions
import aiohttp.http_exceptions
import pytest
from yarl import URL

from cart_core import __version__
from cart_core.adapters.partner_center_http import (
    MAX_REPLY_BYTES,
    PartnerCenterHttp,
    Sessions,
    failures,
    no_reply,
    open_sessions,
)
from cart_core.call import Call
from cart_core.deadline import Deadline
from cart_core.partner_center.exchange import Attempt, NoReply, Reply

BASE_URL = "https://partner-center.example"
CUSTOMER, CART_ID = "11/../22?33#44", "55/../66?77#88"
"""Ids that would lead elsewhere unless they are quoted."""
CARTS = f"{BASE_URL}/v1/customers/11%2F..%2F22%3F33%2344/carts"
THE_CART = "/55%2F..%2F66%3F77%2388"
CALL = Call("the-correlation-id", CUSTOMER, "de-DE", Deadline.after(60, time.monotonic))
ATTEMPT = Attempt("secret-token", request_id="the-request-id", timeout=60.0)
HEADERS = {
    "Authorization": "Bearer secret-token",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "MS-RequestId": "the-request-id",
    "MS-CorrelationId": "the-correlation-id",
    "X-Locale": "de-DE",
    "MS-PartnerCenter-Application": "Storefront",
    "User-Agent": f"cart-core/{__version__}",
}

Try = Callable[[PartnerCenterHttp], Awaitable[Reply | NoReply]]


def create(cart: dict[str, object] | None = None, within: float = 60.0) -> Try:
    attempt = replace(ATTEMPT, timeout=within)
    return lambda to: to.create_cart(CALL, {} if cart is None else cart, attempt)


@dataclass(frozen=True)
class Sent:
    """A request as it was given to the session `session`: `pooled` or `fresh`."""

    session: str
    method: str
    url: URL
    headers: Mapping[str, str]
    data: bytes | None
    timeout: aiohttp.ClientTimeout
    allow_redirects: bool


class Answer:
    """An answer in aiohttp's form: with its body, and what `end` does after that."""

    def __init__(
        self,
        status: int = 201,
        headers: list[tuple[str, str]] | None = None,
        body: bytes = b"",
        end: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.status = status
        self.raw_headers = [(name.encode(), value.encode()) for name, value in headers or []]
        self.content = self
        self._body = body
        self._end = end

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body
        if self._end:
            await self._end()


Answering = Callable[[Sent], Awaitable[Answer]]


class Session:
    """What PartnerCenterHttp uses of aiohttp's session."""

    def __init__(self, name: str, answer: Answering) -> None:
        self._name = name
        self._answer = answer

    @asynccontextmanager
    async def request(self, method: str, url: URL, **options: Any) -> AsyncIterator[Answer]:
        yield await self._answer(Sent(self._name, method, url, **options))


async def outcome(answer: Answer | Answering, call: Try | None = None) -> Reply | NoReply:
    async def give(_: Sent) -> Answer:
        assert isinstance(answer, Answer)
        return answer

    answering = give if isinstance(answer, Answer) else answer
    sessions = Sessions(*(cast(Any, Session(name, answering)) for name in ("pooled", "fresh")))
    to = PartnerCenterHttp(sessions, base_url=BASE_URL, application_name="Storefront")
    return await (call or create())(to)


async def sent_by(call: Try) -> Sent:
    requests: list[Sent] = []

    async def answer(request: Sent) -> Answer:
        requests.append(request)
        return Answer()

    assert isinstance(await outcome(answer, call), Reply)
    (request,) = requests
    return request


# --- Requests

UPDATE, CHECKOUT = f"PUT {THE_CART}", f"POST {THE_CART}/checkout"
FOR_USER = {"x-ms-customeruser-upn": "a@b"}


@pytest.mark.parametrize(
    ("call", "line", "body", "more"),
    [
        (create({"a": 'ü "🛒"\u2028', "b": 1}), "POST", '{"a":"ü \\"🛒\\"\u2028","b":1}', {}),
        (lambda to: to.get_cart(CALL, CART_ID, ATTEMPT), f"GET {THE_CART}", None, {}),
        (lambda to: to.update_cart(CALL, CART_ID, {"a": 1}, ATTEMPT), UPDATE, '{"a":1}', {}),
        (lambda to: to.checkout_cart(CALL, CART_ID, None, ATTEMPT), CHECKOUT, None, {}),
        (lambda to: to.checkout_cart(CALL, CART_ID, "a@b", ATTEMPT), CHECKOUT, None, FOR_USER),
    ],
    ids=["create", "get", "update", "checkout", "checkout for a user"],
)
async def test_requests(call: Try, line: str, body: str | None, more: dict[str, str]) -> None:
    request = await sent_by(call)

    method, _, path = line.partition(" ")
    assert (request.method, str(request.url)) == (method, f"{CARTS}{path}")
    assert request.data == (None if body is None else body.encode())
    content = {"Content-Type": "application/json"} if body else {}
    assert request.headers == HEADERS | content | more
    assert not request.allow_redirects


@pytest.mark.parametrize(
    ("within", "connect", "pool"), [(60.0, 10.0, 48.0), (10.0, 8.0, 8.0), (0.5, 0.4, 0.4)]
)
async def test_connecting_ends_before_the_try(within: float, connect: float, pool: float) -> None:
    request = await sent_by(create(within=within))

    assert request.timeout == aiohttp.ClientTimeout(connect=pool, sock_connect=connect)


@pytest.mark.parametrize(("fresh", "session"), [(True, "fresh"), (False, "pooled")])
async def test_an_attempt_may_need_a_connection_of_its_own(fresh: bool, session: str) -> None:
    attempt = replace(ATTEMPT, fresh_connection=fresh)
    request = await sent_by(lambda to: to.checkout_cart(CALL, CART_ID, None, attempt))

    assert request.session == session


@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800"])
async def test_a_cart_that_is_no_json_is_not_sent(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        await outcome(lambda _: pytest.fail("sent"), create({"x": value}))


def test_an_attempt_does_not_show_its_token() -> None:
    assert "secret-token" not in repr(ATTEMPT)


def test_sessions_need_the_running_loop() -> None:
    with pytest.raises(RuntimeError):
        open_sessions(BASE_URL, max_connections=1)


# --- Answers


async def test_an_answer_is_returned_as_it_came() -> None:
    body = b'\xef\xbb\xbf{"id":"c"}'
    headers = [("MS-CV", "cv.0"), ("X-Locale", "en-US"), ("X-Locale", "en-US")]

    result = await outcome(Answer(418, headers, body))

    received = {"ms-cv": "cv.0", "x-locale": "en-US, en-US"}
    assert result == Reply(status=418, headers=received, body=body)


GZIPPED = gzip.compress(b"{}")
FULL = bytes(MAX_REPLY_BYTES)
BOMB = gzip.compress(FULL * 4)
GARBLED = "the answer is cut short or garbled"
TOO_LARGE = "the answer is too large"


@pytest.mark.parametrize(
    ("body", "encoding", "created", "refused"),
    [
        # What a 201 and a 400 with this body become: its bytes, or why there is no answer.
        pytest.param(FULL, "identity", FULL, FULL, id="the largest"),
        pytest.param(FULL + b"x", "identity", TOO_LARGE, FULL + b"x", id="too large"),
        pytest.param(GZIPPED, "GZIP", b"{}", b"{}", id="gzip, though not asked for"),
        pytest.param(GZIPPED, "x-gzip", b"{}", b"{}", id="gzip under its old name"),
        pytest.param(GZIPPED, "identity", b"{}", b"{}", id="gzip without a label"),
        pytest.param(GZIPPED, "br", b"{}", b"{}", id="gzip under a wrong label"),
        pytest.param(GZIPPED * 2, "gzip", b"{}{}", b"{}{}", id="two gzip members"),
        pytest.param(GZIPPED + bytes(9), "gzip", b"{}", b"{}", id="padded gzip"),
        pytest.param(b"", "gzip", b"", b"", id="empty"),
        pytest.param(b"{}", "gzip", b"{}", b"{}", id="JSON labelled gzip"),
        pytest.param(b"{}", "br, deflate", b"{}", b"{}", id="JSON under two wrong labels"),
        pytest.param(GZIPPED[:-9], "gzip", GARBLED, b"{", id="cut gzip"),
        pytest.param(GZIPPED[:3], "gzip", GARBLED, b"", id="gzip cut in its head"),
        pytest.param(GZIPPED + b"x", "gzip", GARBLED, b"{}", id="more than gzip"),
        pytest.param(GZIPPED[:-8] + bytes(8), "gzip", GARBLED, b"{}", id="wrong checksum"),
        pytest.param(BOMB, "gzip", TOO_LARGE, FULL, id="gzip bomb"),
    ],
)
async def test_a_body_is_decompressed_within_bounds_whatever_its_label_says(
    body: bytes, encoding: str, created: bytes | str, refused: bytes
) -> None:
    async def answer(status: int) -> Reply | NoReply:
        return await outcome(Answer(status, [("Content-Encoding", encoding)], body))

    read = await answer(201)
    if isinstance(created, bytes):
        assert isinstance(read, Reply)
        assert read.body == created
    else:
        assert read == NoReply(sent=True, timed_out=False, reason=created)
    read = await answer(400)
    assert isinstance(read, Reply)
    assert read.body[: len(refused)] == refused
    assert len(read.body) <= MAX_REPLY_BYTES + 64 * 1024


async def test_the_end_of_the_try_is_unknown() -> None:
    async def never(_: Sent) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    result = await outcome(never, create(within=0.01))

    assert result == NoReply(sent=True, timed_out=True, reason="no complete answer in time")


async def fails() -> None:
    raise aiohttp.ClientPayloadError


@pytest.mark.parametrize(
    ("end", "reason"),
    [(asyncio.Event().wait, "no complete answer in time"), (fails, GARBLED)],
    ids=["silence", "garbled"],
)
async def test_only_a_2xx_needs_the_end_of_its_body(
    end: Callable[[], Awaitable[object]], reason: str
) -> None:
    async def read(status: int) -> Reply | NoReply:
        answer = Answer(status, [("Retry-After", "57")], b'{"code":', end)
        return await outcome(answer, create(within=0.01))

    assert await read(201) == NoReply(sent=True, timed_out=end is not fails, reason=reason)
    for status in (307, 400, 401, 429, 503):
        assert await read(status) == Reply(status, {"retry-after": "57"}, b'{"code":')


@pytest.mark.parametrize("error", [TypeError("x"), RuntimeError("x"), asyncio.CancelledError()])
async def test_bugs_and_cancellation_pass(error: BaseException) -> None:
    async def answer(_: Sent) -> Answer:
        raise error

    with pytest.raises(type(error)):
        await outcome(answer)


# --- The table of failures


NOT_SENT = """
    ClientConnectorCertificateError ClientConnectorDNSError ClientConnectorError
    ClientConnectorSSLError ClientHttpProxyError ClientProxyConnectionError ConnectionTimeoutError
"""
TIMED_OUT = "ConnectionTimeoutError SocketTimeoutError TimeoutError"
UNKNOWN = """
    ClientPayloadError ClientResponseError ServerDisconnectedError SocketTimeoutError TimeoutError
"""
# This client never meets these, or meets them before and after sending: the default serves them.
UNLISTED_AIOHTTP = """
    BadHttpMessage BadHttpMethod BadStatusLine ClientConnectionError
    ClientConnectionResetError ClientError ClientOSError ClientSSLError ContentEncodingError
    ContentLengthError ContentTypeError DecompressSizeError HttpBadRequest HttpProcessingError
    InvalidHeader InvalidURL InvalidURLError InvalidUrlClientError InvalidUrlRedirectClientError
    LineTooLong NonHttpUrlClientError NonHttpUrlRedirectClientError PayloadEncodingError
    RedirectClientError ServerConnectionError ServerFingerprintMismatch ServerTimeoutError
    TooManyRedirects TransferEncodingError UnixClientConnectorError UploadAbortedError
    WSMessageTypeError WSServerHandshakeError
"""


def exception_classes(*modules: ModuleType) -> set[type[BaseException]]:
    return {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__.startswith(module.__name__)
    }


def names(classes: set[type[BaseException]]) -> list[str]:
    return sorted(each.__name__ for each in classes)


def test_every_failure_is_on_the_right_side() -> None:
    table = failures()

    assert names({each for each, meaning in table.items() if not meaning.sent}) == NOT_SENT.split()
    assert names({each for each, meaning in table.items() if meaning.sent}) == UNKNOWN.split()
    late = {each for each, meaning in table.items() if meaning.timed_out}
    assert names(late) == TIMED_OUT.split()
    assert all(0 < len(meaning.reason) < 60 for meaning in table.values())


def test_the_table_is_complete_for_the_installed_libraries() -> None:
    """A new, renamed or removed class of an upgraded library must be judged here first."""
    listed = set(failures())
    engine = exception_classes(aiohttp.client_exceptions, aiohttp.http_exceptions)

    assert names(engine - listed) == UNLISTED_AIOHTTP.split()
    assert listed - engine == {TimeoutError}


async def test_an_exception_of_the_session_becomes_its_meaning() -> None:
    async def answer(_: Sent) -> Answer:
        raise aiohttp.ConnectionTimeoutError from aiohttp.ServerDisconnectedError()

    result = await outcome(answer)

    assert result == no_reply(aiohttp.ConnectionTimeoutError())


def test_a_subclass_of_a_listed_class_is_unknown() -> None:
    class Newcomer(aiohttp.ConnectionTimeoutError):
        pass

    assert no_reply(Newcomer()).sent
