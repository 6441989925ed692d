"""One request to Azure Storage's REST API, for documents and for the queue.

The SDK is not used here. Of the queue the app needs three requests and of the documents five, while
a caller who is to be answered within a fraction of a second waits for three of them in a row; the
SDK's pipeline takes several times the CPU of the request itself, and its defaults (a first pause of
15 seconds, a minute for reading) would all have to be overridden.
"""

import asyncio
import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from cart_core import telemetry
from cart_core.adapters.http_sessions import proxy_for
from cart_core.idempotency.store import StoreUnavailable
from cart_core.tokens import TokenCache, TokenFailure

if TYPE_CHECKING:
    import aiohttp

API_VERSION: Final = "2024-08-04"
"""A version that Azure and Azurite know."""

OPERATION_SECONDS: Final = 5.0
"""The time limit of a request, including all tries and the wait for a token."""
CONNECT_SECONDS: Final = 2.0
TRY_SECONDS: Final = 2.0
"""Seconds without an answer after which a try ends. Two tries fit into OPERATION_SECONDS."""
TRIES: Final = 3
PAUSES: Final = (0.1, 0.5)
"""Seconds before the second and the third try."""

_KEEP_ALIVE_SECONDS: Final = 30.0


class Answer(NamedTuple):
    """What storage has answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """Storage's error code; None where the answer has none, and so did not come from it."""
        code = self.headers.get("x-ms-error-code", "")
        return code if re.fullmatch("[A-Za-z]{1,64}", code) else None


class StorageRest:
    """Sends requests to the service at `url`, such as `https://ACCOUNT.queue.core.windows.net`.

    After the first use it works only on the event loop of that use. `what` names the service in the
    text of a failure.
    """

    def __init__(self, url: str, tokens: TokenCache, *, what: str, role: str) -> None:
        self._url = url
        self._tokens = tokens
        self._what = what
        self._role = role
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        name: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        expected: frozenset[int],
        codes: frozenset[str] = frozenset(),
    ) -> Answer:
        """The answer, if its status is one of `expected`, or its error code one of `codes`.

        `path` begins with a slash and is encoded. What passes by itself is tried again, so a write
        may happen twice. Raises StoreUnavailable in every other case.
        """
        with telemetry.span(f"storage.{name}") as span:
            try:
                async with asyncio.timeout(OPERATION_SECONDS):
                    for number in range(1, TRIES + 1):
                        span.set_attribute("attempt", number)
                        token = await self._tokens.get()
                        answer = await self._try(method, path, headers or {}, body, token.value)
                        if answer and (answer.status in expected or answer.code in codes):
                            return answer
                        if number == TRIES or (answer and not _passes(answer)):
                            raise self._failure(answer)
                        await asyncio.sleep(PAUSES[number - 1])
            except TokenFailure as failure:
                raise StoreUnavailable(failure.detail, failure.retry_after) from None
            except TimeoutError:
                raise StoreUnavailable(
                    f"{self._what} gave no answer within {OPERATION_SECONDS:g} seconds."
                ) from None
        raise AssertionError("the loop ends by a return or an exception")

    async def close(self) -> None:
        """Closes all connections."""
        if self._session:
            await self._session.close()
        self._session = None

    async def _try(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, token: str
    ) -> Answer | None:
        """One try; None where there was no answer."""
        import aiohttp
        from yarl import URL

        session = self._session or self._open()
        try:
            async with session.request(
                method,
                URL(self._url + path, encoded=True),
                headers={
                    "Authorization": f"Bearer {token}",
                    "x-ms-version": API_VERSION,
                    "x-ms-date": formatdate(usegmt=True),
                    **headers,
                },
                data=body,
                allow_redirects=False,
            ) as response:
                content = await response.read()
                found = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, found, content)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    def _open(self) -> "aiohttp.ClientSession":
        """The session of all requests. It reads HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE."""
        import ssl

        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(), keepalive_timeout=_KEEP_ALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=TRY_SECONDS + CONNECT_SECONDS,
                sock_connect=CONNECT_SECONDS,
                sock_read=TRY_SECONDS,
            ),
            proxy=proxy_for(self._url),
        )
        return self._session

    def _failure(self, answer: Answer | None) -> StoreUnavailable:
        """What went wrong, and what to do about it, without a value of a setting."""
        if answer is None:
            return StoreUnavailable(f"{self._what} gave no answer.")
        shown = f"HTTP {answer.status}" + (f" {answer.code}" if answer.code else "")
        if answer.status in (401, 403):
            return StoreUnavailable(
                f"{self._what} refuses the managed identity ({shown}): check that it has the role"
                f" {self._role} and that the account's network rules let it in."
            )
        return StoreUnavailable(f"{self._what} fails ({shown}).")


def _passes(answer: Answer) -> bool:
    """Whether an answer may be another one soon (Storage's "Common REST API error codes")."""
    return answer.status in (408, 429, 500, 502, 503, 504)


def account_url(url: str) -> tuple[str, str]:
    """The address of the account and the path after it, without a slash at its end."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
