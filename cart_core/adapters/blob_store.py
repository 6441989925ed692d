"""Records in Azure Blob Storage: each record is a JSON blob in one container.

An operation is one request of "Blob service REST API" (Put Blob, Get Blob), sent through a pipeline
of Microsoft's SDK that holds only what an operation needs: its retries, its bearer token and its
transport. The SDK's clients for blobs would make the same request at four times the processor time
(docs/performance.md). The SDK is imported at first use. Where nothing goes wrong an operation is
one call to storage, because the managed identity's token is cached and is renewed before it ends.

A record is created on the condition that no blob has its name (`If-None-Match: *`), and replaced on
the condition that the blob still has the ETag that was read; so storage decides which of two
writers succeeds.

How old a record is, storage says itself: the header `Last-Modified` has the time of the last write
and `Date` that of the answer, both in whole seconds.

The error codes are those of Microsoft's "Blob service error codes" and "Specify conditional
headers": 409 BlobAlreadyExists where the name is taken, 412 ConditionNotMet where the ETag differs.
"""

import asyncio
import itertools
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cart_core import __version__, telemetry
from cart_core.adapters.http_sessions import proxy_for
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import StoreUnavailable, Versioned
from cart_core.tokens import TokenCache, TokenFailure

if TYPE_CHECKING:
    import aiohttp
    from azure.core import AsyncPipelineClient
    from azure.core.credentials import AccessToken as AzureToken
    from azure.core.rest import AsyncHttpResponse, HttpRequest

T = TypeVar("T")

API_VERSION: Final = "2023-11-03"
"""The version of the REST API. Any since 2017-11-09 takes bearer tokens; storage keeps them all."""

OPERATION_SECONDS: Final = 5.0
"""The time limit of an operation, including all tries and the wait for a token."""

CONNECT_SECONDS: Final = 2.0
"""The time limit for making a connection."""

TRY_SECONDS: Final = 2.0
"""Seconds without a byte from storage after which a try ends.

Two tries fit into OPERATION_SECONDS.
"""

RETRIES: Final = 2
"""How often the SDK tries again, each time after a pause of at most a second.

Below the SDK, aiohttp sends a request once more at once where the connection was dropped.
"""

RESOURCE: Final = "https://storage.azure.com"
"""The resource of a token for Azure Storage; it is the same in every cloud."""

_KEEP_ALIVE_SECONDS: Final = 30.0


class BlobStore:
    """A Store (see cart_core.idempotency.store) in the container at `container_url`.

    `container_url` is `https://ACCOUNT.blob.core.windows.net/CONTAINER`. `tokens` gives tokens for
    RESOURCE to an identity with the role Storage Blob Data Contributor on the container. After the
    first use the store works only on the event loop of that use.
    """

    def __init__(self, container_url: str, tokens: TokenCache) -> None:
        self._container_url = container_url
        self._tokens = tokens
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    async def create(self, name: str, record: Record) -> str | None:
        """See Store.create."""
        condition = {"If-None-Match": "*"}
        return await self._write("create", name, record, condition, conflict="BlobAlreadyExists")

    async def read(self, name: str) -> Versioned | None:
        """See Store.read. Raises StoreUnavailable also where the blob is not a record."""
        request = self._request("GET", name)
        found = await self._ask("read", request, 200, _found, otherwise="BlobNotFound")
        if found is None:
            return None
        data, version, age = found
        try:
            return Versioned(Record.from_json(data), version, age)
        except ValueError:
            raise StoreUnavailable(f"The blob {blob_name(name)} holds no record.") from None

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        """See Store.replace."""
        condition = {"If-Match": version}
        return await self._write("replace", name, record, condition, conflict="ConditionNotMet")

    async def close(self) -> None:
        """Closes all connections."""
        if self._session:
            await self._session.close()
        self._session = self._client = None

    async def _write(
        self,
        operation: str,
        name: str,
        record: Record,
        condition: Mapping[str, str],
        *,
        conflict: str,
    ) -> str | None:
        """The new blob's ETag, or None where storage refuses with the error code `conflict`.

        Raises StoreUnavailable also where the record cannot be written as JSON.
        """
        try:
            content = record.to_json()
        except ValueError as error:
            raise StoreUnavailable(f"The record cannot be written: it is {error}.") from None
        headers = {"Content-Type": "application/json", "x-ms-blob-type": "BlockBlob", **condition}
        request = self._request("PUT", name, headers, content)
        return await self._ask(operation, request, 201, _etag, otherwise=conflict)

    def _request(
        self,
        method: str,
        name: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> "HttpRequest":
        from azure.core.rest import HttpRequest

        url = f"{self._container_url}/{blob_name(name)}"
        return HttpRequest(method, url, headers={**_HEADERS, **(headers or {})}, content=content)

    async def _ask(
        self,
        operation: str,
        request: "HttpRequest",
        success: int,
        read: Callable[["AsyncHttpResponse"], T],
        *,
        otherwise: str,
    ) -> T | None:
        """What `read` makes of an answer with the status `success`, within OPERATION_SECONDS.

        None where storage refuses with the error code `otherwise`. Every other answer and every
        error becomes StoreUnavailable.
        """
        try:
            client = self._client or self._open()
            with telemetry.span(f"store.{operation}", attempt=1) as span:
                attempts = itertools.count(2)

                def note_retry(**_: Any) -> None:
                    span.set_attribute("attempt", next(attempts))

                async with asyncio.timeout(OPERATION_SECONDS):
                    response = await client.send_request(request, retry_hook=note_retry)
                if response.status_code == success:
                    return read(response)
                if _error_code(response) == otherwise:
                    return None
                raise StoreUnavailable(_refusal(response))
        except StoreUnavailable:
            raise
        except TokenFailure as failure:
            raise StoreUnavailable(failure.detail, failure.retry_after) from None
        except TimeoutError:
            raise StoreUnavailable(
                f"The store in CART_STORE_URL gave no answer within {OPERATION_SECONDS:g} seconds."
            ) from None
        except Exception as error:
            raise StoreUnavailable(_no_usable_answer(type(error).__name__)) from None

    def _open(self) -> "AsyncPipelineClient[HttpRequest, AsyncHttpResponse]":
        """Makes the client for all operations. It reads HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE.

        It uses a session of ours instead of the SDK's, which would read the environment and
        ~/.netrc again for every request, in two threads. It follows no redirect.
        """
        import ssl

        import aiohttp
        from azure.core import AsyncPipelineClient
        from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
        from azure.core.pipeline.transport import AioHttpTransport
        from azure.storage.blob.aio import LinearRetry

        credential: Any = _CachedTokenCredential(self._tokens)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(), keepalive_timeout=_KEEP_ALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            proxy=proxy_for(self._container_url),
        )
        self._client = AsyncPipelineClient(
            self._container_url,
            policies=[
                # A base of zero and a jitter of one make a pause of zero to one second.
                LinearRetry(backoff=0, random_jitter_range=1, retry_total=RETRIES),
                AsyncBearerTokenCredentialPolicy(credential, f"{RESOURCE}/.default"),
            ],
            transport=AioHttpTransport(
                session=self._session,
                session_owner=False,
                connection_timeout=CONNECT_SECONDS,
                read_timeout=TRY_SECONDS,
            ),
        )
        return self._client


class _CachedTokenCredential:
    """The cached token in the form that the SDK asks for (azure.core's AsyncTokenCredential)."""

    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens

    async def get_token(self, *scopes: str, **options: Any) -> "AzureToken":
        from azure.core.credentials import AccessToken as AzureToken

        token = await self._tokens.get()
        return AzureToken(token.value, int(token.expires_at))


def blob_name(name: str) -> str:
    """The name of the blob that holds the record `name`."""
    return f"{name}.json"


_HEADERS: Final = {"x-ms-version": API_VERSION, "User-Agent": f"cart-core/{__version__}"}


def _etag(response: "AsyncHttpResponse") -> str:
    return response.headers["ETag"]


def _found(response: "AsyncHttpResponse") -> tuple[bytes, str, float]:
    """A blob's content, its ETag, and its age in seconds. Raises an exception without these."""
    last_modified, date = (
        parsedate_to_datetime(response.headers[name]) for name in ("Last-Modified", "Date")
    )
    return response.content, _etag(response), _age(last_modified, date)


def _age(last_modified: datetime, date: datetime) -> float:
    """How many seconds ago a blob was written, at least; two seconds more at most.

    Both times have lost their fraction of a second.
    """
    return max(0.0, (date - last_modified).total_seconds() - 1)


def _error_code(response: "AsyncHttpResponse") -> str | None:
    """Storage's error code; None where the answer has none, and so did not come from storage."""
    code = response.headers.get("x-ms-error-code")
    return code if code and re.fullmatch("[A-Za-z]{1,64}", code) else None


def _refusal(response: "AsyncHttpResponse") -> str:
    """What went wrong, and what to do about it, without a value of a setting."""
    status, code = response.status_code, _error_code(response)
    if code == "ContainerNotFound":
        return "The container in CART_STORE_URL does not exist."
    answer = f"HTTP {status} {code}" if code else f"HTTP {status}"
    if status < 400:
        return _no_usable_answer(answer)
    if status in (401, 403):
        return (
            f"The store in CART_STORE_URL refuses the managed identity ({answer}): check that it "
            "has the role Storage Blob Data Contributor on the container and that the account's "
            "network rules let it in."
        )
    return f"The store in CART_STORE_URL fails ({answer})."


def _no_usable_answer(reason: str) -> str:
    return f"The store in CART_STORE_URL gave no usable answer ({reason})."
