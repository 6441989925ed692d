"""Which refusals of storage are an answer, for each request: no other one may pass for it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.bells import TakenMessage
from tests.store.blobs import NAME, Blobs
from tests.store.stores import record

Ask = Callable[[Blobs], Awaitable[Any]]

WRITTEN = {"BlobAlreadyExists", "BlobNotFound", "ConditionNotMet"}
ASKS: dict[str, tuple[Ask, set[str]]] = {
    "create a record": (lambda on: on.store.create(NAME, record()), {"BlobAlreadyExists"}),
    "read a record": (lambda on: on.store.read(NAME), {"BlobNotFound"}),
    "replace a record": (lambda on: on.store.replace(NAME, record(), '"1"'), {"ConditionNotMet"}),
    "create a document": (lambda on: on.documents.create(NAME, b"{}", {}), WRITTEN),
    "read a document": (lambda on: on.documents.read(NAME), {"BlobNotFound"}),
    "replace a document": (lambda on: on.documents.replace(NAME, b"{}", {}, '"1"'), WRITTEN),
    "delete a document": (
        lambda on: on.documents.delete(NAME, '"1"'),
        {"BlobNotFound", "ConditionNotMet"},
    ),
    "list documents": (lambda on: on.documents.list("operations/"), set()),
    "hang a bell": (lambda on: on.queue.hang("text", 0.0), set()),
    "look": (lambda on: on.queue.look(), set()),
    "take what is poisoned": (lambda on: on.queue.take_poisoned(), {"QueueNotFound"}),
    "delete what is poisoned": (
        lambda on: on.queue.delete_poisoned(TakenMessage("id", "receipt", "text")),
        {"MessageNotFound", "PopReceiptMismatch"},
    ),
}

REFUSALS = [
    *((404, code) for code in (None, "BlobNotFound", "ContainerNotFound", "MessageNotFound")),
    *((404, code) for code in ("QueueNotFound", "ResourceNotFound")),
    *((409, code) for code in (None, "BlobAlreadyExists", "ContainerBeingDeleted")),
    *((409, code) for code in ("InvalidBlobType", "QueueBeingDeleted")),
    *((412, code) for code in (None, "ConditionNotMet", "LeaseIdMissing")),
    *((400, "PopReceiptMismatch"), (400, "InvalidHeaderValue"), (413, "RequestBodyTooLarge")),
    *((403, "AuthorizationFailure"), (307, None), (500, "InternalError"), (503, "ServerBusy")),
]


@pytest.mark.parametrize("name", ASKS)
async def test_no_other_refusal_is_an_answer(blobs: Blobs, name: str) -> None:
    ask, answers = ASKS[name]
    for status, code in REFUSALS:
        blobs.cloud.disturbances.clear()
        headers = {"x-ms-error-code": code} if code else {}
        blobs.disturb(status=status, headers=headers, body="", times=None)
        if code in answers:
            assert not await ask(blobs)
        else:
            missing = code in ("ContainerNotFound", "QueueNotFound")
            said = "does not exist" if missing else f"HTTP {status}"
            with pytest.raises(StoreUnavailable, match=said):
                await ask(blobs)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *((f"create a {kind}", 201) for kind in ("record", "document")),
        *((f"replace a {kind}", 201) for kind in ("record", "document")),
        *((f"read a {kind}", 200) for kind in ("record", "document")),
        *(("list documents", 200), ("take what is poisoned", 200)),
    ],
)
async def test_a_success_that_lacks_what_is_needed_is_no_answer(
    blobs: Blobs, name: str, status: int
) -> None:
    """Such as one that a proxy has made up: it has no ETag, and is no XML."""
    blobs.disturb(status=status, body="<html>")
    with pytest.raises(StoreUnavailable, match="no usable answer"):
        await ASKS[name][0](blobs)
