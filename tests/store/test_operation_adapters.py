"""Documents and bells in Azurite: what the ports promise, and that their calls are few."""

from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest

from cart_core.adapters.storage_queue import POISON_QUEUE, QUEUE
from cart_core.operations.documents import Documents
from cart_core.operations.memory_documents import MemoryDocuments
from tests.store.blobs import Blobs

NAME = "operations/purchases/" + "ab" * 32
FACTS = {"state": "waiting", "accepted": "1795348800.000", "customer": "d6bf25b7"}


async def messages(blobs: Blobs) -> list[tuple[str, str]]:
    """The text of each message that is visible, and its time of expiry."""
    answer = await blobs.storage.ask_queue(
        "GET", f"/{QUEUE}/messages?numofmessages=32&peekonly=true"
    )
    return [
        (each.findtext("MessageText") or "", each.findtext("ExpirationTime") or "")
        for each in ElementTree.fromstring(answer).iter("QueueMessage")
    ]


@pytest.fixture(params=["memory", "Azurite"])
def documents(request: pytest.FixtureRequest, blobs: Blobs) -> Documents:
    return MemoryDocuments() if request.param == "memory" else blobs.documents


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


async def test_a_list_is_read_to_its_end(blobs: Blobs) -> None:
    for name, marker in (("a", "2!8&b"), ("b", "")):
        page = f"<R><Blobs><Blob><Name>{name}.json</Name></Blob></Blobs>"
        page += f"<NextMarker>{marker.replace('&', '&amp;')}</NextMarker></R>"
        blobs.disturb(status=200, body=page)
    assert [each.name for each in await blobs.documents.list("")] == ["a", "b"]
    asked = [parse_qs(each.query) for each in blobs.cloud.journal.requests("storage")]
    assert [each.get("marker") for each in asked] == [None, ["2!8&b"]]


# --- the queue


async def test_a_bell_is_hung_up_with_one_call_and_never_expires(blobs: Blobs) -> None:
    await blobs.warm()
    await blobs.queue.hang('{"v": 1, "record": "<&>"}', 0.0)
    await blobs.queue.hang("later", 3.2)
    arrivals = blobs.cloud.journal.requests("storage")
    assert [(each.method, each.status) for each in arrivals] == [("POST", 201)] * 2
    assert "visibilitytimeout=4" in arrivals[1].query
    [(text, expiry)] = await messages(blobs)
    assert text == '{"v": 1, "record": "<&>"}'
    assert expiry.endswith("9999 23:59:59 GMT")


async def test_poisoned_messages_are_taken_and_deleted(blobs: Blobs) -> None:
    body = b"<QueueMessage><MessageText>%b</MessageText></QueueMessage>"
    for text in (b"one", b"two"):
        await blobs.storage.ask_queue("POST", f"/{POISON_QUEUE}/messages", body % text)
    taken = await blobs.queue.take_poisoned()
    assert sorted(each.text for each in taken) == ["one", "two"]
    assert await blobs.queue.take_poisoned() == []
    for each in taken:
        await blobs.queue.delete_poisoned(each)
        await blobs.queue.delete_poisoned(each)


async def test_a_poison_queue_that_is_not_there_is_empty(blobs: Blobs) -> None:
    await blobs.storage.ask_queue("DELETE", f"/{POISON_QUEUE}")
    try:
        assert await blobs.queue.take_poisoned() == []
    finally:
        await blobs.storage.ask_queue("PUT", f"/{POISON_QUEUE}")


async def test_a_write_whose_answer_was_lost_says_no_and_has_happened(blobs: Blobs) -> None:
    blobs.lose_answer(status=500)
    assert await blobs.documents.create(NAME, b"{}", FACTS) is None
    found = await blobs.documents.read(NAME)
    assert found
    assert found.content == b"{}"
