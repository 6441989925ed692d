"""Records as JSON blobs, one each, in a container of Azure Blob Storage.

The only module that knows azure-storage-blob, which is imported at first use. An operation is one
call to storage where nothing goes wrong: the managed identity's token is kept, and fetched anew
before it ends. A claim is a conditional create (`If-None-Match: *`), a replacement carries the ETag
of what it replaces; storage decides between two writers.

Storage's words (Microsoft's "Blob service error codes" and "Specify conditional headers"): 409
BlobAlreadyExists for a name that is taken, 412 ConditionNotMet for another ETag.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from cart_core import telemetry
from cart_core.adapters.proxy_setting import proxy_for
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import StoreUnavailable, Versioned
from cart_core.tokens import TokenCache, TokenFailure

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials import AccessToken as AzureToken
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob.aio import ContainerClient

OPERATION_SECONDS: Final = 5.0
"""The longest that an operation takes, all tries and the wait for a token included."""

CONNECT_SECONDS: Final = 2.0
TRY_SECONDS: Final = 2.0
"""Storage's silence after which a try is given up: two fit into OPERATION_SECONDS."""

RETRIES: Final = 2
"""How often the SDK tries again, after up to a second each.

Beneath it aiohttp sends a request once more, at once, where the connection was dropped.
"""

RESOURCE: Final = "https://storage.azure.com"
"""What a token for Azure Storage is for, in every cloud."""

_KEEP_ALIVE_SECONDS: Final = 30.0


class BlobStore:
    """The Store (see there) in the container `container_url`, with tokens for RESOURCE.

    `container_url` is `https://ACCOUNT.blob.core.windows.net/CONTAINER`. The identity needs the
    role Storage Blob Data Contributor on it. A store belongs to the event loop of its first use.
    """

    def __init__(self, container_url: str, tokens: TokenCache) -> None:
        self._container_url = container_url
        self._tokens = tokens
        self._session: aiohttp.ClientSession | None = None
        self._container: ContainerClient | None = None

    async def create(self, name: str, record: Record) -> str | None:
        """See Store."""
        return await self._write(name, record, unless="BlobAlreadyExists", overwrite=False)

    async def read(self, name: str) -> Versioned | None:
        """See Store. A blob that is no record is StoreUnavailable."""
        from azure.core.exceptions import HttpResponseError

        async with self._asking("read") as (container, options):
            try:
                download = await container.download_blob(_blob(name), **options)
                data = await download.readall()
            except HttpResponseError as error:
                if _code(error) == "BlobNotFound":
                    return None
                raise
        try:
            return Versioned(Record.from_json(data), download.properties.etag)
        except ValueError:
            raise StoreUnavailable(f"The blob {_blob(name)} holds no record.") from None

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        """See Store."""
        from azure.core import MatchConditions

        return await self._write(
            name,
            record,
            unless="ConditionNotMet",
            overwrite=True,
            etag=version,
            match_condition=MatchConditions.IfNotModified,
        )

    async def close(self) -> None:
        """Ends all connections."""
        if self._session:
            await self._session.close()
        self._session = self._container = None

    async def _write(self, name: str, record: Record, *, unless: str, **terms: Any) -> str | None:
        """The new blob's ETag, or None where storage refuses it with the code `unless`."""
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import ContentSettings

        content = record.to_json()
        asking = self._asking("replace" if terms.get("overwrite") else "create")
        async with asking as (container, options):
            try:
                written = await container.get_blob_client(_blob(name)).upload_blob(
                    content,
                    content_settings=ContentSettings(content_type="application/json"),
                    **terms,
                    **options,
                )
            except HttpResponseError as error:
                if _code(error) == unless:
                    return None
                raise
        return str(written["etag"])

    @asynccontextmanager
    async def _asking(
        self, operation: str
    ) -> AsyncIterator[tuple["ContainerClient", dict[str, Any]]]:
        """The container, and options for its call, for as long as an operation may take.

        Its failures are StoreUnavailable.
        """
        from azure.core.exceptions import HttpResponseError

        try:
            container = self._container or self._open()
            with telemetry.span(f"store.{operation}", attempt=1) as span:
                attempts = itertools.count(2)

                def note_retry(**_: Any) -> None:
                    span.set_attribute("attempt", next(attempts))

                async with asyncio.timeout(OPERATION_SECONDS):
                    yield container, {"retry_hook": note_retry}
        except HttpResponseError as error:
            raise StoreUnavailable(_refusal(error)) from None
        except TokenFailure as failure:
            raise StoreUnavailable(failure.detail) from None
        except TimeoutError:
            raise StoreUnavailable(
                f"The store in CART_STORE_URL gave no answer within {OPERATION_SECONDS:g} seconds."
            ) from None
        except Exception as error:
            raise StoreUnavailable(
                f"The store in CART_STORE_URL gave no usable answer ({type(error).__name__})."
            ) from None

    def _open(self) -> "ContainerClient":
        """The client for all operations; HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE are read here.

        Its session is not the SDK's own: that one reads the environment and ~/.netrc again in two
        threads for every request.
        """
        import ssl

        import aiohttp
        from azure.core.pipeline.transport import AioHttpTransport
        from azure.storage.blob.aio import ContainerClient, LinearRetry

        identity: Any = _Identity(self._tokens)
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
            identity,
            transport=AioHttpTransport(
                session=self._session,
                session_owner=False,
                connection_timeout=CONNECT_SECONDS,
                read_timeout=TRY_SECONDS,
            ),
            # No base and a jitter of one: a pause between nothing and a second.
            retry_policy=LinearRetry(backoff=0, random_jitter_range=1, retry_total=RETRIES),
            permit_redirects=False,
        )
        return self._container


class _Identity:
    """The kept token in the form that the SDK asks for (azure.core's AsyncTokenCredential)."""

    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens

    async def get_token(self, *scopes: str, **options: Any) -> "AzureToken":
        from azure.core.credentials import AccessToken as AzureToken

        token = await self._tokens.get()
        return AzureToken(token.value, int(token.expires_at))


def _blob(name: str) -> str:
    return f"{name}.json"


def _code(error: "HttpResponseError") -> str | None:
    """Storage's own word for it; None where the answer is not storage's."""
    code = getattr(error.response, "headers", {}).get("x-ms-error-code")
    return code if code and re.fullmatch("[A-Za-z]{1,64}", code) else None


def _refusal(error: "HttpResponseError") -> str:
    status, code = error.status_code, _code(error)
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
