"""Records in Azure Blob Storage: each record is a JSON blob in one container.

An operation is one request of "Blob service REST API" (Put Blob, Get Blob). A record is created on
the condition that no blob has its name (`If-None-Match: *`), and replaced on the condition that the
blob still has the ETag that was read; so storage decides which of two writers succeeds.

How old a record is, storage says itself: the header `Last-Modified` has the time of the last write
and `Date` that of the answer, both in whole seconds.

The error codes are those of Microsoft's "Blob service error codes" and "Specify conditional
headers": 409 BlobAlreadyExists where the name is taken, 412 ConditionNotMet where the ETag differs.
"""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from cart_core.adapters.json_blobs import blob_name, blob_path, etag, put_blob
from cart_core.adapters.storage_rest import StorageAnswer, StorageRest
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import StoreUnavailable, Versioned


class BlobStore:
    """A Store (see cart_core.idempotency.store) in a container. Whoever opened that closes it."""

    def __init__(self, container: StorageRest) -> None:
        self._container = container

    async def create(self, name: str, record: Record) -> str | None:
        """See Store.create."""
        condition = {"If-None-Match": "*"}
        return await self._write("create", name, record, condition, conflict="BlobAlreadyExists")

    async def read(self, name: str) -> Versioned | None:
        """See Store.read. Raises StoreUnavailable also where the blob is not a record."""

        def versioned(answer: StorageAnswer) -> Versioned:
            last_modified, date = (
                parsedate_to_datetime(answer.headers[each]) for each in ("Last-Modified", "Date")
            )
            version, age = etag(answer), _age(last_modified, date)
            try:
                return Versioned(Record.from_json(answer.body), version, age)
            except ValueError:
                raise StoreUnavailable(f"The blob {blob_name(name)} holds no record.") from None

        return await self._container.ask(
            *("store.read", "GET", blob_path(name)),
            success=200,
            read=versioned,
            otherwise={"BlobNotFound"},
        )

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        """See Store.replace."""
        condition = {"If-Match": version}
        return await self._write("replace", name, record, condition, conflict="ConditionNotMet")

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
        return await put_blob(
            *(self._container, f"store.{operation}", name, content, condition), otherwise={conflict}
        )


def _age(last_modified: datetime, date: datetime) -> float:
    """A lower bound of a blob's age in seconds; its true age is less than two seconds more.

    Both times have lost their fraction of a second.
    """
    return max(0.0, (date - last_modified).total_seconds() - 1)
