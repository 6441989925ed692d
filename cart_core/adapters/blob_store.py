"""Records in Azure Blob Storage: each record is a JSON blob in one container.

This is the only module that uses azure-storage-blob, which is imported at first use. Where nothing
goes wrong an operation is one call to storage, because the managed identity's token is cached and
is renewed before it ends. A record is created on the condition that no blob has its name
(`If-None-Match: *`), and replaced on the condition that the blob still has the ETag that was read;
so storage decides which of two writers succeeds.

How old a record is, storage says itself: the header `Last-Modified` has the time of the last write
and `Date` that of the answer, both in whole seconds.

The error codes are those of Microsoft's "Blob service error codes" and "Specify conditional
headers": 409 BlobAlreadyExists where the name is taken, 412 ConditionNotMet where the ETag differs.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from cart_core import telemetry
from cart_core.adapters.http_sessions import proxy_for
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import StoreUnavailable, Versioned
from cart_core.tokens import TokenCache, TokenFailure

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials import AccessToken as AzureToken
    from azure.core.exceptions import HttpResponseError
    from azure.core.pipeline import PipelineResponse
    from azure.core.pipeline.transport import AsyncHttpResponse
    from azure.storage.blob.aio import ContainerClient

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
        self._container: ContainerClient | None = None

    async def create(self, name: str, record: Record) -> str | None:
        """See Store.create."""
        return await self._write(name, record, conflict="BlobAlreadyExists", overwrite=False)

    async def read(self, name: str) -> Versioned | None:
        """See Store.read. Raises StoreUnavailable also where the blob is not a record."""
        from azure.core.exceptions import HttpResponseError

        date = ""

        def note_date(response: "PipelineResponse[Any, AsyncHttpResponse]") -> None:
            nonlocal date
            date = response.http_response.headers["Date"]

        async with self._operation("read") as (container, options):
            try:
                download = await container.download_blob(
                    blob_name(name), raw_response_hook=note_date, **options
                )
                data = await download.readall()
                age = _age(download.properties.last_modified, parsedate_to_datetime(date))
            except HttpResponseError as error:
                if _error_code(error) == "BlobNotFound":
                    return None
                raise
        try:
            return Versioned(Record.from_json(data), download.properties.etag, age)
        except ValueError:
            raise StoreUnavailable(f"The blob {blob_name(name)} holds no record.") from None

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        """See Store.replace."""
        from azure.core import MatchConditions

        return await self._write(
            name,
            record,
            conflict="ConditionNotMet",
            overwrite=True,
            etag=version,
            match_condition=MatchConditions.IfNotModified,
        )

    async def close(self) -> None:
        """Closes all connections."""
        if self._session:
            await self._session.close()
        self._session = self._container = None

    async def _write(
        self, name: str, record: Record, *, conflict: str, **conditions: Any
    ) -> str | None:
        """The new blob's ETag, or None where storage refuses with the error code `conflict`.

        Raises StoreUnavailable also where the record cannot be written as JSON.
        """
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import ContentSettings

        try:
            content = record.to_json()
        except ValueError as error:
            raise StoreUnavailable(f"The record cannot be written: it is {error}.") from None
        operation = self._operation("replace" if conditions["overwrite"] else "create")
        async with operation as (container, options):
            try:
                written = await container.get_blob_client(blob_name(name)).upload_blob(
                    content,
                    content_settings=ContentSettings(content_type="application/json"),
                    **conditions,
                    **options,
                )
            except HttpResponseError as error:
                if _error_code(error) == conflict:
                    return None
                raise
        return str(written["etag"])

    @asynccontextmanager
    async def _operation(
        self, name: str
    ) -> AsyncIterator[tuple["ContainerClient", dict[str, Any]]]:
        """The container and the options for one call to it, within the operation's time limit.

        Turns every error into StoreUnavailable.
        """
        from azure.core.exceptions import HttpResponseError

        try:
            container = self._container or self._open()
            with telemetry.span(f"store.{name}", attempt=1) as span:
                attempts = itertools.count(2)

                def note_retry(**_: Any) -> None:
                    span.set_attribute("attempt", next(attempts))

                async with asyncio.timeout(OPERATION_SECONDS):
                    yield container, {"retry_hook": note_retry}
        except HttpResponseError as error:
            raise StoreUnavailable(_description(error)) from None
        except TokenFailure as failure:
            raise StoreUnavailable(failure.detail, failure.retry_after) from None
        except TimeoutError:
            raise StoreUnavailable(
                f"The store in CART_STORE_URL gave no answer within {OPERATION_SECONDS:g} seconds."
            ) from None
        except Exception as error:
            raise StoreUnavailable(
                f"The store in CART_STORE_URL gave no usable answer ({type(error).__name__})."
            ) from None

    def _open(self) -> "ContainerClient":
        """Makes the client for all operations. It reads HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE.

        It uses a session of ours instead of the SDK's, which would read the environment and
        ~/.netrc again for every request, in two threads.
        """
        import ssl

        import aiohttp
        from azure.core.pipeline.transport import AioHttpTransport
        from azure.storage.blob.aio import ContainerClient, LinearRetry

        credential: Any = _CachedTokenCredential(self._tokens)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(), keepalive_timeout=_KEEP_ALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            proxy=proxy_for(self._container_url),
        )
        self._container = ContainerClient.from_container_url(
            self._container_url,
            credential,
            transport=AioHttpTransport(
                session=self._session,
                session_owner=False,
                connection_timeout=CONNECT_SECONDS,
                read_timeout=TRY_SECONDS,
            ),
            # A base of zero and a jitter of one make a pause of zero to one second.
            retry_policy=LinearRetry(backoff=0, random_jitter_range=1, retry_total=RETRIES),
            permit_redirects=False,
        )
        return self._container


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


def _age(last_modified: datetime, date: datetime) -> float:
    """How many seconds ago a blob was written, at least; two seconds more at most.

    Both times have lost their fraction of a second.
    """
    return max(0.0, (date - last_modified).total_seconds() - 1)


def _error_code(error: "HttpResponseError") -> str | None:
    """Storage's error code; None where the answer has none, and so did not come from storage."""
    code = getattr(error.response, "headers", {}).get("x-ms-error-code")
    return code if code and re.fullmatch("[A-Za-z]{1,64}", code) else None


def _description(error: "HttpResponseError") -> str:
    """What went wrong, and what to do about it, without a value of a setting."""
    status, code = error.status_code, _error_code(error)
    if code == "ContainerNotFound":
        return "The container in CART_STORE_URL does not exist."
    if status is None or status < 400:
        return f"The store in CART_STORE_URL gave no usable answer ({type(error).__name__})."
    answer = f"HTTP {status} {code}" if code else f"HTTP {status}"
    if status in (401, 403):
        return (
            f"The store in CART_STORE_URL refuses the managed identity ({answer}): check that it "
            "has the role Storage Blob Data Contributor on the container and that the account's "
            "network rules let it in."
        )
    return f"The store in CART_STORE_URL fails ({answer})."
