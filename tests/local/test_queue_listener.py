"""The queue listener does what Azure's own did when it was watched, counted in virtual time."""

import asyncio
import base64
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from local.queue_listener import LOCK_SECONDS, QueueListener, QueueUnavailableError
from local.queue_trigger import (
    Message,
    QueueSettings,
    WrongEncodingError,
    body_of,
    to_function,
)
from tests.kit.fakes import in_virtual_time, monotonic

OURS = {
    "batchSize": 1,
    "newBatchThreshold": 7,
    "maxPollingInterval": "00:00:02",
    "visibilityTimeout": "00:00:30",
    "maxDequeueCount": 5,
    "messageEncoding": "none",
}
INSERTED, NEVER = "Sun, 22 Nov 2026 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"


class FakeQueue:
    """A queue that keeps time by the loop, and fails as told: a number of times for each request.

    `calls` notes what was asked, and when.
    """

    def __init__(self, *texts: str, name: str = "bells") -> None:
        self.name = name
        self.calls: list[tuple[str, float]] = []
        self.poisoned: list[str] = []
        self.fails = Counter[str]()
        self._receipts = 0
        self._kept: dict[str, dict[str, Any]] = {}
        for text in texts:
            self.put(text)

    def put(self, text: str) -> None:
        name = f"message-{len(self._kept)}"
        self._kept[name] = {"text": text, "visible": 0.0, "taken": 0, "receipt": ""}

    @property
    def left(self) -> list[str]:
        return [each["text"] for each in self._kept.values()]

    def times(self, what: str) -> list[float]:
        """When something was asked."""
        return [round(at, 3) for call, at in self.calls if call == what]

    async def take(self, count: int, hidden: float) -> list[Message]:
        self._note("take")
        visible = [n for n, each in self._kept.items() if each["visible"] <= monotonic()]
        return [self._taken(name, hidden) for name in visible[:count]]

    async def hide(self, message: Message, receipt: str, seconds: float) -> str | None:
        self._note("hide")
        each = self._kept.get(message.id)
        if each is None or each["receipt"] != receipt:
            return None
        self._hide(each, seconds)
        return str(each["receipt"])

    async def delete(self, message: Message, receipt: str) -> None:
        self._note("delete")
        each = self._kept.get(message.id)
        if each and each["receipt"] == receipt:
            del self._kept[message.id]

    async def poison(self, text: str) -> None:
        self._note("poison")
        self.poisoned.append(text)

    def _taken(self, name: str, hidden: float) -> Message:
        each = self._kept[name]
        each["taken"] += 1
        self._hide(each, hidden)
        receipt, taken = each["receipt"], each["taken"]
        return Message(name, receipt, each["text"], taken, INSERTED, NEVER, INSERTED)

    def _hide(self, each: dict[str, Any], seconds: float) -> None:
        self._receipts += 1
        each |= {"visible": monotonic() + seconds, "receipt": f"receipt-{self._receipts}"}

    def _note(self, what: str) -> None:
        self.calls.append((what, monotonic()))
        if self.fails[what]:
            self.fails[what] -= 1
            raise QueueUnavailableError(f"{what} fails.")


class Worker:
    """A function that notes when it began, takes so long, and fails so many times."""

    def __init__(self, *, seconds: float = 0.0, failures: int = 0) -> None:
        self.began: list[float] = []
        self.running = self.most = self.ended = 0
        self._seconds = seconds
        self._failures = failures

    async def __call__(self, message: Message) -> None:
        self.began.append(round(monotonic(), 3))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self.running -= 1
        self.ended += 1
        if self.ended <= self._failures:
            raise OSError("It failed.")


async def listening(queue: FakeQueue, run: Any, seconds: float, **settings: Any) -> QueueListener:
    """A listener that has listened for so long, and goes on in the background."""
    listener = QueueListener(
        queue,
        run,
        QueueSettings.read(OURS | settings),
        sleep=asyncio.sleep,
        uniform=lambda low, high: (low + high) / 2,
    )
    task = asyncio.create_task(listener.listen())
    await asyncio.sleep(seconds)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return listener


def test_the_hosts_defaults() -> None:
    assert QueueSettings.read({}) == QueueSettings(16, 8, 60.0, 0.0, 5, "base64")
    assert QueueSettings.read(OURS) == QueueSettings(1, 7, 2.0, 30.0, 5, "none")
    with pytest.raises(ValueError, match="the time span 2s"):
        QueueSettings.read({"maxPollingInterval": "2s"})


@in_virtual_time
async def test_pauses_double_up_to_the_longest_and_a_message_resets_them() -> None:
    queue = FakeQueue()
    await listening(queue, Worker(), 7.0)
    assert queue.times("take") == [0.0, 0.1, 0.3, 0.6, 1.1, 2.0, 3.7, 5.7]
    queue.put("bell")
    await asyncio.sleep(1.2)
    assert queue.times("take")[8:] == [7.7, 7.7, 7.8, 8.0]


@in_virtual_time
async def test_a_success_is_deleted() -> None:
    queue = FakeQueue("bell")
    await listening(queue, Worker(), 1.0)
    assert (queue.left, queue.poisoned, queue.times("hide")) == ([], [], [])


@in_virtual_time
async def test_a_failure_comes_back_after_the_visibility_timeout_and_is_poisoned_at_last() -> None:
    queue, worker = FakeQueue("bell"), Worker(failures=99)
    await listening(queue, worker, 200.0)
    gaps = [later - earlier for earlier, later in zip(worker.began, worker.began[1:], strict=False)]
    assert len(worker.began) == 5
    assert all(30.0 <= gap <= 32.1 for gap in gaps), gaps
    assert (queue.left, queue.poisoned) == ([], ["bell"])


@in_virtual_time
async def test_without_a_visibility_timeout_five_tries_take_no_time() -> None:
    queue, worker = FakeQueue("bell"), Worker(failures=99)
    await listening(queue, worker, 1.0, visibilityTimeout="00:00:00")
    assert len(worker.began) == 5
    assert worker.began[-1] < 0.5
    assert queue.poisoned == ["bell"]


@in_virtual_time
async def test_nothing_is_poisoned_of_a_poison_queue() -> None:
    queue, worker = FakeQueue("bell", name="bells-poison"), Worker(failures=99)
    await listening(queue, worker, 300.0)
    assert len(worker.began) > 5
    assert (queue.left, queue.poisoned) == (["bell"], [])


@pytest.mark.parametrize(
    ("batch", "threshold", "most"), [(1, 7, 8), (16, 8, 24), (2, 0, 2), (4, 1, 5)]
)
@in_virtual_time
async def test_so_many_run_at_once(batch: int, threshold: int, most: int) -> None:
    queue = FakeQueue(*["bell"] * 64)
    worker = Worker(seconds=5.0)
    await listening(queue, worker, 400.0, batchSize=batch, newBatchThreshold=threshold)
    assert (worker.most <= most, worker.ended, queue.left) == (True, 64, [])
    assert worker.most >= threshold + 1


@in_virtual_time
async def test_the_lock_is_renewed_while_the_function_runs_and_its_newest_receipt_counts() -> None:
    queue, worker = FakeQueue("bell"), Worker(seconds=2000.0)
    await listening(queue, worker, 2100.0)
    assert queue.times("hide") == [300.0, 600.0, 900.0, 1200.0, 1500.0, 1800.0]
    assert (len(worker.began), queue.left) == (1, [])


@in_virtual_time
async def test_a_renewal_that_fails_is_tried_again_sooner() -> None:
    queue, worker = FakeQueue("bell"), Worker(seconds=700.0)
    queue.fails["hide"] = 3
    await listening(queue, worker, 800.0)
    assert queue.times("hide") == [300.0, 450.0, 525.0, 585.0]
    assert (len(worker.began), queue.left) == (1, [])


@in_virtual_time
async def test_a_message_whose_process_died_is_hidden_until_its_lock_ends() -> None:
    queue, doomed, worker = FakeQueue("bell"), Worker(seconds=99.0), Worker()
    listener = await listening(queue, doomed, 1.0)
    for task in listener._running:
        task.cancel()
        await asyncio.wait([task])
    ending = asyncio.create_task(listener.end())
    await listening(queue, worker, 2 * LOCK_SECONDS)
    await ending
    assert len(worker.began) == 1
    assert LOCK_SECONDS <= worker.began[0] <= LOCK_SECONDS + 2.1


@pytest.mark.parametrize("request_that_fails", ["delete", "poison"])
@in_virtual_time
async def test_a_storage_that_fails_rings_again_after_the_lock(request_that_fails: str) -> None:
    queue = FakeQueue("bell")
    queue.fails[request_that_fails] = 1
    worker = Worker(failures=99 if request_that_fails == "poison" else 0)
    await listening(queue, worker, 3 * LOCK_SECONDS)
    assert queue.left == []
    if request_that_fails == "delete":
        assert len(worker.began) == 2
    else:  # Its count is over the greatest one now, so that it is not called any more.
        assert (len(worker.began), queue.poisoned) == (5, ["bell"])


@in_virtual_time
async def test_a_queue_that_cannot_be_read_is_read_later() -> None:
    queue, worker = FakeQueue("bell"), Worker()
    queue.fails["take"] = 4
    await listening(queue, worker, 5.0)
    assert (worker.began, queue.left) == ([1.1], [])


@in_virtual_time
async def test_at_the_end_nothing_is_taken_and_what_runs_is_waited_for() -> None:
    queue, worker = FakeQueue("first"), Worker(seconds=8.0)
    listener = await listening(queue, worker, 4.0)
    ending = asyncio.create_task(listener.end())
    await asyncio.sleep(0.1)
    queue.put("second")
    await ending
    assert monotonic() == 8.0
    assert (worker.ended, queue.left) == (1, ["second"])


@in_virtual_time
async def test_what_storage_refuses_for_good_ends_the_listener() -> None:
    class Refusing(FakeQueue):
        async def delete(self, message: Message, receipt: str) -> None:
            raise PermissionError("403")

    queue = Refusing("bell")
    listener = QueueListener(
        *(queue, Worker(), QueueSettings.read(OURS)),
        sleep=asyncio.sleep,
        uniform=lambda low, high: low,
    )
    with pytest.raises(PermissionError):
        await listener.listen()


# --- What the function gets


def message(text: str, taken: int = 3) -> Message:
    """A message of this text."""
    return Message("an-id", "a-receipt", text, taken, INSERTED, NEVER, INSERTED)


def test_a_function_gets_what_the_worker_library_makes_of_the_metadata() -> None:
    got = to_function(message("{}"), b"{}")
    assert (got.id, got.pop_receipt, got.dequeue_count) == ("an-id", "a-receipt", 3)
    assert got.get_body() == b"{}"
    assert got.insertion_time == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert got.expiration_time
    assert got.expiration_time.year == 9999


def test_members_of_a_json_message_overwrite_metadata() -> None:
    text = json.dumps({"id": 7, "DEQUEUECOUNT": 99, "popReceipt": "mine", "record": "x"})
    got = to_function(message(text), text.encode())
    assert (got.id, got.dequeue_count, got.pop_receipt) == ("7", 99, "mine")


@pytest.mark.parametrize("text", ["plain", "[1]", "", "7", "\N{SNOWMAN}"])
def test_any_other_text_arrives_as_it_is(text: str) -> None:
    got = to_function(message(text), body_of(message(text), "none"))
    assert (got.get_body().decode(), got.id) == (text, "an-id")


def test_with_base64_anything_else_never_reaches_the_function() -> None:
    with pytest.raises(WrongEncodingError):
        body_of(message('{"plain": "JSON"}'), "base64")
    encoded = message(base64.b64encode(b"bell").decode())
    assert body_of(encoded, "base64") == b"bell"
    with pytest.raises(UnicodeDecodeError):
        to_function(message(""), b"\xff")


@in_virtual_time
async def test_what_is_wrongly_encoded_is_poisoned_without_a_call_and_no_utf_8_after_five() -> None:
    calls: list[bytes] = []

    async def run(taken: Message) -> None:
        body = body_of(taken, "base64")
        calls.append(body)
        to_function(taken, body)

    bad = base64.b64encode(b"\xff").decode()
    queue = FakeQueue('{"plain": "JSON"}', bad)
    await listening(queue, run, 200.0, messageEncoding="base64")
    assert calls == [b"\xff"] * 5
    assert (queue.left, queue.poisoned) == ([], ['{"plain": "JSON"}', bad])
