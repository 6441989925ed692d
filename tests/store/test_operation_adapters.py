"""Documents and bells in Azurite: what the ports promise, lost answers, refusals and silence."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from cart_core.adapters.blob_documents import BlobDocuments
from cart_core.adapters.blob_store import RESOURCE
from cart_core.adapters.managed_identity import ManagedIdentity
from cart_core.adapters.storage_queue import POISON_QUEUE, QUEUE, StorageQueue
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.documents import Documents
from cart_core.operations.memory_documents import MemoryDocuments
from cart_core.tokens import TokenCache
from tests.store.blobs import Blobs

NAME = "operations/purchases/" + "ab" * 32
FACTS = {"state": "waiting", "accepted": "1795348800.000", "customer": "d6bf25b7"}


class Accepted:
    """The adapters, and the account as its owner sees it."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        environment = blobs.environment
        identity = ManagedIdentity(environment["AZURE_CLIENT_ID"])
        tokens = TokenCache(lambda _: identity.fetch(RESOURCE))
        self.documents = BlobDocuments(environment["CART_STORE_URL"], tokens)
        self.queue = StorageQueue(environment["AzureWebJobsStorage__queueServiceUri"], tokens)

    async def messages(self, queue: str = QUEUE) -> list[tuple[str, str]]:
        """The text of each message that is visible, and its time of expiry."""
        answer = await self.blobs.storage.ask_queue(
            "GET", f"/{queue}/messages?numofmessages=32&peekonly=true"
        )
        return [
            (each.findtext("MessageText") or "", each.findtext("ExpirationTime") or "")
            for each in ElementTree.fromstring(answer).iter("QueueMessage")
        ]


@pytest.fixture
async def accepted(blobs: Blobs) -> AsyncIterator[Accepted]:
    made = Accepted(blobs)
    yield made
    await made.documents.close()
    await made.queue.close()


@pytest.fixture(params=["memory", "Azurite"])
def documents(request: pytest.FixtureRequest) -> Documents:
    if request.param == "memory":
        return MemoryDocuments()
    made: Accepted = request.getfixturevalue("accepted")
    return made.documents


# --- the contract of documents


async def test_a_document_is_written_once_and_replaced_by_its_version(
    documents: Documents,
) -> None:
    assert await documents.read(NAME) is None
    first = await documents.create(NAME, b'{"a": "\xc3\xa9"}', FACTS)
    assert first
    assert await documents.create(NAME, b"{}", {}) is None
    assert await documents.read(NAME) == (b'{"a": "\xc3\xa9"}', first)
    second = await documents.replace(NAME, b"{}", FACTS | {"state": "dead"}, first)
    assert second not in (None, first)
    assert await documents.replace(NAME, b"[]", {}, first) is None
    assert await documents.read(NAME) == (b"{}", second)
    assert second
    assert not await documents.delete(NAME, first)
    assert await documents.delete(NAME, second)
    assert not await documents.delete(NAME, second)
    assert await documents.read(NAME) is None
    assert await documents.replace(NAME, b"[]", {}, second) is None


async def test_a_list_has_the_facts_of_what_begins_so(documents: Documents) -> None:
    for name in (NAME, "operations/carts/1", "purchases/ended/1", "operationsx"):
        await documents.create(name, b"{}", FACTS if name == NAME else {})
    found = await documents.list("operations/")
    assert [(each.name, dict(each.facts)) for each in found] == [
        ("operations/carts/1", {}),
        (NAME, FACTS),
    ]


# --- the queue


async def test_a_bell_is_hung_up_with_one_call_and_never_expires(accepted: Accepted) -> None:
    await accepted.blobs.warm()
    await accepted.queue.hang('{"v": 1, "record": "<&>"}', 0.0)
    await accepted.queue.hang("later", 3.2)
    arrivals = accepted.blobs.cloud.journal.requests("storage")
    assert [(each.method, each.status) for each in arrivals] == [("POST", 201)] * 2
    assert "visibilitytimeout=4" in arrivals[1].query
    [(text, expiry)] = await accepted.messages()
    assert text == '{"v": 1, "record": "<&>"}'
    assert expiry.endswith("9999 23:59:59 GMT")


async def test_poisoned_messages_are_taken_and_deleted(accepted: Accepted) -> None:
    body = b"<QueueMessage><MessageText>%b</MessageText></QueueMessage>"
    for text in (b"one", b"two"):
        await accepted.blobs.storage.ask_queue("POST", f"/{POISON_QUEUE}/messages", body % text)
    taken = await accepted.queue.take_poisoned()
    assert sorted(each.text for each in taken) == ["one", "two"]
    assert await accepted.queue.take_poisoned() == []
    for each in taken:
        await accepted.queue.delete_poisoned(each)
        await accepted.queue.delete_poisoned(each)


async def test_a_poison_queue_that_is_not_there_is_empty(accepted: Accepted) -> None:
    await accepted.blobs.storage.ask_queue("DELETE", f"/{POISON_QUEUE}")
    try:
        assert await accepted.queue.take_poisoned() == []
    finally:
        await accepted.blobs.storage.ask_queue("PUT", f"/{POISON_QUEUE}")


# --- faults

Ask = Callable[[Accepted], Awaitable[Any]]
ASKS: dict[str, Ask] = {
    "create": lambda each: each.documents.create(NAME, b"{}", FACTS),
    "read": lambda each: each.documents.read(NAME),
    "replace": lambda each: each.documents.replace(NAME, b"{}", FACTS, '"0x1"'),
    "delete": lambda each: each.documents.delete(NAME, '"0x1"'),
    "list": lambda each: each.documents.list("operations/"),
    "hang": lambda each: each.queue.hang("text", 0.0),
    "take": lambda each: each.queue.take_poisoned(),
}
every_ask = pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)


@every_ask
@pytest.mark.parametrize(
    ("disturbance", "said"),
    [
        ({"status": 403}, "refuses the managed identity"),
        ({"status": 404}, "HTTP 404"),
        ({"status": 503}, "HTTP 503"),
        ({"status": 500, "body": "<html>"}, "HTTP 500"),
        ({"status": 302, "headers": {"Location": "https://elsewhere"}}, "HTTP 302"),
    ],
    ids=lambda value: str(value)[:16],
)
async def test_a_fault_is_never_taken_for_an_answer(
    accepted: Accepted, ask: Ask, disturbance: dict[str, Any], said: str
) -> None:
    accepted.blobs.disturb(times=None, **disturbance)
    with pytest.raises(StoreUnavailable, match=said):
        await ask(accepted)


@every_ask
async def test_what_passes_by_itself_is_tried_again(accepted: Accepted, ask: Ask) -> None:
    await accepted.blobs.warm()
    accepted.blobs.disturb(times=2, status=503)
    await ask(accepted)
    assert len(accepted.blobs.calls) == 3


async def test_a_write_whose_answer_was_lost_says_no_and_has_happened(accepted: Accepted) -> None:
    accepted.blobs.lose_answer(status=500)
    assert await accepted.documents.create(NAME, b"{}", FACTS) is None
    found = await accepted.documents.read(NAME)
    assert found
    assert found.content == b"{}"
