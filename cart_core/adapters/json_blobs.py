"""JSON blobs in a container: what they are called, and how one is written (Put Blob)."""

from collections.abc import Mapping, Set
from typing import Final

from cart_core.adapters.storage_rest import StorageAnswer, StorageRest

SUFFIX: Final = ".json"


def blob_name(name: str) -> str:
    """The name of the blob that holds the record or the document `name`."""
    return f"{name}{SUFFIX}"


def blob_path(name: str) -> str:
    """The path of that blob below the URL of its container."""
    return f"/{blob_name(name)}"


def etag(answer: StorageAnswer) -> str:
    """The version of the blob that was written or read."""
    return answer.headers["ETag"]


async def put_blob(
    container: StorageRest,
    span: str,
    name: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    otherwise: Set[str],
) -> str | None:
    """The new blob's ETag, or None where storage refuses with an error code in `otherwise`.

    `span` is the name of the span. `headers` are the condition of the write, and the metadata.
    Raises StoreUnavailable.
    """
    return await container.ask(
        *(span, "PUT", blob_path(name)),
        headers={"x-ms-blob-type": "BlockBlob", "Content-Type": "application/json", **headers},
        body=content,
        success=201,
        read=etag,
        otherwise=otherwise,
    )
