"""Documents as JSON blobs in the container of the store, by the REST API of Blob Storage.

The facts of a document are the blob's metadata, so that a list gives them without reading a blob.
The error codes are those of Microsoft's "Blob service error codes" and "Specify conditional
headers".
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from cart_core.adapters.storage_rest import StorageRest, account_url
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.documents import Document, Listed
from cart_core.tokens import TokenCache

ROLE: Final = "Storage Blob Data Contributor on the container"
_METADATA: Final = "x-ms-meta-"
_SUFFIX: Final = ".json"


class BlobDocuments:
    """Documents (see cart_core.operations.documents) in the container at `container_url`."""

    def __init__(self, container_url: str, tokens: TokenCache) -> None:
        account, self._container = account_url(container_url)
        self._rest = StorageRest(account, tokens, what="The store in CART_STORE_URL", role=ROLE)

    async def create(self, name: str, content: bytes, facts: Mapping[str, str]) -> str | None:
        """See Documents."""
        return await self._put(name, content, facts, {"If-None-Match": "*"})

    async def read(self, name: str) -> Document | None:
        """See Documents."""
        answer = await self._rest.send(
            *("read", "GET", self._path(name)),
            expected=frozenset({200}),
            codes=frozenset({"BlobNotFound"}),
        )
        return Document(answer.body, answer.headers["etag"]) if answer.status == 200 else None

    async def replace(
        self, name: str, content: bytes, facts: Mapping[str, str], version: str
    ) -> str | None:
        """See Documents."""
        return await self._put(name, content, facts, {"If-Match": version})

    async def delete(self, name: str, version: str) -> bool:
        """See Documents."""
        answer = await self._rest.send(
            *("delete", "DELETE", self._path(name)),
            headers={"If-Match": version},
            expected=frozenset({202}),
            codes=frozenset({"BlobNotFound", "ConditionNotMet"}),
        )
        return answer.status == 202

    async def list(self, prefix: str) -> list[Listed]:
        """See Documents. A list comes in pages of 5000."""
        found: list[Listed] = []
        marker = ""
        while True:
            answer = await self._rest.send(
                "list",
                "GET",
                f"{self._container}?restype=container&comp=list&include=metadata"
                f"&prefix={quote(prefix, safe='')}&marker={quote(marker, safe='')}",
                expected=frozenset({200}),
            )
            try:
                # It is storage's own answer, over TLS.
                page = ElementTree.fromstring(answer.body)  # noqa: S314
            except ElementTree.ParseError:
                raise StoreUnavailable("The store in CART_STORE_URL gave no list.") from None
            for blob in page.iter("Blob"):
                metadata = blob.find("Metadata")
                members = () if metadata is None else metadata
                facts = {each.tag.lower(): each.text or "" for each in members}
                found.append(Listed((blob.findtext("Name") or "").removesuffix(_SUFFIX), facts))
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return found

    async def close(self) -> None:
        """Closes all connections."""
        await self._rest.close()

    async def _put(
        self, name: str, content: bytes, facts: Mapping[str, str], condition: Mapping[str, str]
    ) -> str | None:
        answer = await self._rest.send(
            *("write", "PUT", self._path(name)),
            headers={
                "x-ms-blob-type": "BlockBlob",
                "Content-Type": "application/json",
                **{_METADATA + fact: value for fact, value in facts.items()},
                **condition,
            },
            body=content,
            expected=frozenset({201}),
            codes=frozenset({"BlobAlreadyExists", "BlobNotFound", "ConditionNotMet"}),
        )
        return answer.headers["etag"] if answer.status == 201 else None

    def _path(self, name: str) -> str:
        return f"{self._container}/{name}{_SUFFIX}"
