"""Documents as JSON blobs in a container, by the REST API of Blob Storage.

The facts of a document are the blob's metadata, so that a list gives them without reading a blob.
The error codes are those of Microsoft's "Blob service error codes" and "Specify conditional
headers".
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from cart_core.adapters.json_blobs import SUFFIX, blob_path, etag, put_blob
from cart_core.adapters.storage_rest import StorageAnswer, StorageRest, done
from cart_core.operations.documents import Document, Listed

_METADATA: Final = "x-ms-meta-"


class BlobDocuments:
    """Documents (see cart_core.operations.documents) in a container.

    Whoever opened that closes it.
    """

    def __init__(self, container: StorageRest) -> None:
        self._container = container

    async def create(self, name: str, content: bytes, facts: Mapping[str, str]) -> str | None:
        """See Documents."""
        return await self._put(name, content, facts, {"If-None-Match": "*"})

    async def read(self, name: str) -> Document | None:
        """See Documents."""
        return await self._container.ask(
            *("storage.read", "GET", blob_path(name)),
            success=200,
            read=lambda answer: Document(answer.body, etag(answer)),
            otherwise={"BlobNotFound"},
        )

    async def replace(
        self, name: str, content: bytes, facts: Mapping[str, str], version: str
    ) -> str | None:
        """See Documents."""
        return await self._put(name, content, facts, {"If-Match": version})

    async def delete(self, name: str, version: str) -> bool:
        """See Documents."""
        deleted = await self._container.ask(
            *("storage.delete", "DELETE", blob_path(name)),
            headers={"If-Match": version},
            success=202,
            read=done,
            otherwise={"BlobNotFound", "ConditionNotMet"},
        )
        return bool(deleted)

    async def list(self, prefix: str) -> list[Listed]:
        """See Documents. A list comes in pages of 5000."""
        found: list[Listed] = []
        marker = ""
        while True:
            page = await self._container.ask(
                "storage.list",
                "GET",
                "?restype=container&comp=list&include=metadata"
                f"&prefix={quote(prefix, safe='')}&marker={quote(marker, safe='')}",
                success=200,
                read=_page,
            )
            listed, marker = page or ([], "")
            found += listed
            if not marker:
                return found

    async def _put(
        self, name: str, content: bytes, facts: Mapping[str, str], condition: Mapping[str, str]
    ) -> str | None:
        return await put_blob(
            *(self._container, "storage.write", name, content),
            {**{_METADATA + fact: value for fact, value in facts.items()}, **condition},
            otherwise={"BlobAlreadyExists", "BlobNotFound", "ConditionNotMet"},
        )


def _page(answer: StorageAnswer) -> tuple[list[Listed], str]:
    """What a page of a list says, and where the next one begins; empty at the last."""
    # It is storage's own answer, over TLS.
    page = ElementTree.fromstring(answer.body)  # noqa: S314
    listed = []
    for blob in page.iter("Blob"):
        metadata = blob.find("Metadata")
        members = () if metadata is None else metadata
        facts = {each.tag.lower(): each.text or "" for each in members}
        listed.append(Listed((blob.findtext("Name") or "").removesuffix(SUFFIX), facts))
    return listed, page.findtext("NextMarker") or ""
