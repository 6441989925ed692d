"""Azure Storage by its REST API: the only module that sends it requests.

Records, documents and messages need a dozen requests in all. Microsoft's SDK takes several times
the processor time of the request itself (docs/performance.md), and its defaults (a first pause of
15 seconds, a minute for reading) would all have to be overridden. aiohttp is imported at first use.

Where nothing goes wrong an operation is one call, because the managed identity's token is cached
and is renewed before it ends.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Set
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from cart_core import __version__, telemetry
from cart_core.adapters.http_sessions import proxy_for
from cart_core.idempotency.store import StoreUnavailable
from cart_core.tokens import TokenCache, TokenFailure

if TYPE_CHECKING:
    import aiohttp
    from opentelemetry.trace import Span

T = TypeVar("T")

API_VERSION: Final = "2024-08-04"
"""The version of the REST API, which Azure and Azurite know. Azure keeps all versions."""

RESOURCE: Final = "https://storage.azure.com"
"""The resource of a token for Azure Storage; it is the same in every cloud."""

OPERATION_SECONDS: Final = 5.0
"""The time limit of an operation, including all tries and the wait for a token."""

CONNECT_SECONDS: Final = 2.0
"""The time limit for making a connection."""

TRY_SECONDS: Final = 2.0
"""Seconds without a byte from storage after which a try ends.

Two tries fit into OPERATION_SECONDS.
"""

TRIES: Final = 3
"""How often an operation is tried.

Within one try, aiohttp repeats a GET, PUT or DELETE at once where it used a kept connection that
storage had dropped.
"""

LONGEST_PAUSE: Final = 1.0
"""Seconds before the next try at most. Each pause is drawn, so that callers do not keep in step.

Storage asks for no pause of its own: it documents no Retry-After.
"""

_KEEP_ALIVE_SECONDS: Final = 30.0


class StorageAnswer(NamedTuple):
    """What storage has answered. Header names have no case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """Storage's error code; None where the answer has none, and so did not come from it."""
        code = self.headers.get("x-ms-error-code", "")
        return code if re.fullmatch("[A-Za-z]{1,64}", code) else None


class StorageRest:
    """Sends requests to the container or the service at `url`, which has no slash at its end.

    `tokens` gives tokens for RESOURCE to an identity with `role`. `place` says in the text of a
    failure what `url` leads to, and which setting holds it. After the first use this works only on
    the event loop of that use.
    """

    def __init__(
        self,
        url: str,
        tokens: TokenCache,
        *,
        place: str,
        role: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._url = url
        self._tokens = tokens
        self._place = place
        self._role = role
        self._sleep = sleep
        self._uniform = uniform
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        name: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        success: int,
        read: Callable[[StorageAnswer], T],
        otherwise: Set[str] = frozenset(),
    ) -> T | None:
        """What `read` makes of an answer with the status `success`, within OPERATION_SECONDS.

        None where storage refuses with an error code in `otherwise`. Every other answer and every
        error becomes StoreUnavailable, also one of `read`.

        `name` is the name of the span. `path` follows the URL, and is encoded. What may pass by
        itself is tried again, so a write may happen twice, and be refused because it happened.
        """
        limit = asyncio.timeout(OPERATION_SECONDS)
        try:
            with telemetry.span(name, attempt=1) as span:
                async with limit:
                    answer = await self._last_answer(span, method, path, headers or {}, body)
                if answer.status == success:
                    return read(answer)
                if answer.code in otherwise:
                    return None
                raise self._refusal(answer)
        except StoreUnavailable:
            raise
        except TokenFailure as failure:
            raise StoreUnavailable(failure.detail, failure.retry_after) from None
        except Exception as error:
            why = (
                f"no answer within {OPERATION_SECONDS:g} seconds"
                if limit.expired()
                else f"no usable answer ({type(error).__name__})"
            )
            raise StoreUnavailable(f"{self._place} gave {why}.") from None

    async def close(self) -> None:
        """Closes all connections."""
        if self._session:
            await self._session.close()
        self._session = None

    async def _last_answer(
        self,
        span: "Span",
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> StorageAnswer:
        """The answer to the last try. Raises what aiohttp raises where it had none."""
        import aiohttp

        session = self._session or self._open()
        for number in range(1, TRIES):
            try:
                answer = await self._try(session, method, path, headers, body)
            except (aiohttp.ClientError, OSError):  # A TimeoutError is an OSError.
                pass
            else:
                if not _passes(answer.status):
                    return answer
            await self._sleep(self._uniform(0.0, LONGEST_PAUSE))
            span.set_attribute("attempt", number + 1)
        return await self._try(session, method, path, headers, body)

    async def _try(
        self,
        session: "aiohttp.ClientSession",
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> StorageAnswer:
        from yarl import URL

        token = await self._tokens.get()
        async with session.request(
            method,
            URL(self._url + path, encoded=True),
            headers={
                "Authorization": f"Bearer {token.value}",
                "User-Agent": f"cart-core/{__version__}",
                "x-ms-version": API_VERSION,
                "x-ms-date": formatdate(usegmt=True),
                **headers,
            },
            data=body,
            allow_redirects=False,
        ) as response:
            return StorageAnswer(response.status, response.headers, await response.read())

    def _open(self) -> "aiohttp.ClientSession":
        """The session of all requests. It reads HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE."""
        import ssl

        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(), keepalive_timeout=_KEEP_ALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=TRY_SECONDS),
            proxy=proxy_for(self._url),
        )
        return self._session

    def _refusal(self, answer: StorageAnswer) -> StoreUnavailable:
        """What went wrong, and what to do about it, without a value of a setting."""
        shown = f"HTTP {answer.status}" + (f" {answer.code}" if answer.code else "")
        if answer.code in ("ContainerNotFound", "QueueNotFound"):
            what = "does not exist"
        elif answer.status < 400:
            what = f"gave no usable answer ({shown})"
        elif answer.status in (401, 403):
            what = (
                f"refuses the managed identity ({shown}): check that it has the role {self._role}"
                " and that the account's network rules let it in"
            )
        else:
            what = f"fails ({shown})"
        return StoreUnavailable(f"{self._place} {what}.")


def done(_: StorageAnswer) -> bool:
    """That it is done: the status says all."""
    return True


def _passes(status: int) -> bool:
    """Whether an answer may be another one soon, as Microsoft's SDK for Storage sees it.

    429 is added: Storage does not document it, but has been seen to send it.
    """
    return status in (408, 429) or (status >= 500 and status not in (501, 505))
