"""Two workers, one key, and a world that interrupts them wherever they wait for it.

No event loop: the schedule itself drives the workers' coroutines, from one wait to the next, and
decides what comes of each: an answer, a lost answer, an outage, a death, a jump of the clock.
"""

import itertools
import types
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.deadline import Deadline
from cart_core.exactly_once import RETENTION, ExactlyOnce, Work
from cart_core.idempotency import OperationId, Replay, Reused, Run, Wait, decide, fingerprint
from cart_core.memory_store import MemoryStore
from cart_core.problem import Problem
from cart_core.record import Record, Step, StoredAnswer
from cart_core.store import StoreUnavailable, Versioned
from tests.unit.builders import CUSTOMER
from tests.unit.fakes import EPOCH_SECONDS

OPERATION = OperationId("create_cart", CUSTOMER, None, "key")
NAME = OPERATION.record_name()
CARTS: list[dict[str, Any]] = [{"quantity": 1}, {"quantity": 2}]
DEADLINE, MARGIN, LONGEST_WAIT = 10.0, 5.0, 4.0
EXPIRY = RETENTION.total_seconds()

Fate = Literal["well", "lost", "met itself", "down", "rejected", "unknown", "broken"]
"""What comes of a worker's wait; each kind of wait takes those for `well` that it cannot have."""


class Event(NamedTuple):
    """A turn of worker `worker`: its wait ends with `fate`, or it dies (`fate` is None)."""

    worker: int
    fate: Fate | None
    cart: int = 0
    """Which cart a new delivery asks for."""
    seconds: float = 0.0
    """By how much the time moves on before; the wall clock alone jumps by `jump`."""
    jump: float = 0.0


@types.coroutine
def turn() -> Generator[None, Fate, Fate]:
    """Wait for the schedule."""
    return (yield)


class World:
    """A store, Partner Center, and what must always hold of both."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.elapsed = 0.0
        self.shift = 0.0
        self.latest = self.clock()
        self.lifetime = 0
        """How many of the key's records have expired or were jumped over."""
        self.carts: dict[str, dict[str, Any]] = {}
        self.made_in: dict[int, set[str]] = {}
        self.sent_in: dict[int, list[str]] = {}
        self.released: set[str] = set()
        self.history: list[Record] = []
        nonces = itertools.count(1)
        self.once = ExactlyOnce(
            self,
            clock=self.clock,
            sleep=self.sleep,
            new_nonce=lambda: f"nonce-{next(nonces)}",
            lease_margin=MARGIN,
            longest_wait=LONGEST_WAIT,
        )

    def clock(self) -> float:
        return EPOCH_SECONDS + self.elapsed + self.shift

    def pass_time(self, seconds: float, jump: float) -> None:
        self.elapsed += seconds
        self.shift += jump
        self.latest = max(self.latest, self.clock())
        kept = self.kept
        if kept and kept.expires_at.timestamp() <= self.clock():
            self.lifetime += 1

    @property
    def kept(self) -> Record | None:
        found = self.store._records.get(NAME)
        return found.record if found else None

    # The store

    async def read(self, name: str) -> Versioned | None:
        if await turn() == "down":
            raise StoreUnavailable
        return await self.store.read(name)

    async def create(self, name: str, record: Record) -> str | None:
        return await self._write(record, lambda: self.store.create(name, record))

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        return await self._write(record, lambda: self.store.replace(name, record, version))

    async def _write(
        self, record: Record, write: Callable[[], Coroutine[Any, Any, str | None]]
    ) -> str | None:
        fate = await turn()
        if fate == "down":
            raise StoreUnavailable
        before = self.kept
        version = await write()
        if version is not None:
            self._check_step(before, record)
        if fate == "lost":
            raise StoreUnavailable
        return None if fate == "met itself" else version

    def _check_step(self, before: Record | None, after: Record) -> None:
        self.history.append(after)
        expired = before is None or before.expires_at.timestamp() <= self.clock()
        request_id = after.steps[0].request_id
        if before and not expired:
            assert before.state != "completed", "a completed envelope was overwritten"
            assert after.epoch >= before.epoch
            if before.state != "released":
                assert request_id == before.steps[0].request_id, "not released, yet another id"
        if after.state == "released":
            assert request_id not in self.carts, "released, although a cart was made"
            self.released.add(request_id)
        if after.state == "completed":
            assert after.answer
            assert after.answer.body == self.carts[request_id]

    # Partner Center, which honours request ids

    async def make_cart(self, work: Work, cart: dict[str, Any], deadline: Deadline) -> StoredAnswer:
        lifetime = self.lifetime
        fate = await turn()
        if not deadline.remaining():
            raise Problem("deadline_exceeded", "")
        if lifetime == self.lifetime:
            assert work.request_id not in self.released, "a released id was sent again"
        if fate == "rejected":
            raise Problem("partner_center_invalid_request", "")
        self.carts.setdefault(work.request_id, {"id": len(self.carts), "cart": cart})
        if lifetime == self.lifetime:
            made = self.made_in.setdefault(lifetime, set())
            made.add(work.request_id)
            assert len(made) == 1, "two carts for one key"
        fate = await turn()
        if fate == "unknown":
            raise Problem("partner_center_timeout", "")
        if fate == "broken":
            raise RuntimeError
        return StoredAnswer(status=201, headers={}, body=self.carts[work.request_id])

    # The workers

    async def sleep(self, seconds: float) -> None:
        await turn()
        self.pass_time(seconds, 0)

    async def deliver(self, cart: dict[str, Any]) -> tuple[StoredAnswer, bool] | Problem | None:
        deadline = Deadline.after(DEADLINE, lambda: self.elapsed)

        async def work(todo: Work) -> StoredAnswer:
            return await self.make_cart(todo, cart, deadline)

        try:
            answer, replayed = await self.once.run(
                OPERATION, cart, "cart", CUSTOMER, deadline, work
            )
        except RuntimeError:
            return None
        except Problem as problem:
            return problem
        assert answer.body["cart"] == cart, "the answer to another request"
        assert {**answer.body, "warnings": 0} == {
            **next(made for made in self.carts.values() if made["id"] == answer.body["id"]),
            "warnings": 0,
        }
        return answer, replayed


Worker = Coroutine[None, Fate, tuple[StoredAnswer, bool] | Problem | None]


class Play:
    """Plays a schedule of events in a world."""

    def __init__(self) -> None:
        self.world = World()
        self.workers: dict[int, Worker] = {}

    def happen(self, event: Event) -> None:
        self.world.pass_time(event.seconds, event.jump)
        worker = self.workers.pop(event.worker, None)
        if event.fate is None:
            if worker:
                worker.close()
            return
        if worker is None:
            worker = self.world.deliver(CARTS[event.cart])
            worker.send(None)  # type: ignore[arg-type]
            self.workers[event.worker] = worker
            return
        try:
            worker.send(event.fate)
        except StopIteration:
            return
        self.workers[event.worker] = worker

    def kill_all(self) -> None:
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()

    def undisturbed(self, cart: dict[str, Any]) -> tuple[StoredAnswer, bool] | Problem | None:
        """One delivery with nobody else about, in a world where all goes well."""
        worker = self.world.deliver(cart)
        fate: Any = None
        for _ in range(100):
            try:
                worker.send(fate)
            except StopIteration as end:
                result: tuple[StoredAnswer, bool] | Problem | None = end.value
                return result
            fate = "well"
        raise AssertionError("it does not come to an end")


FATES: list[Fate] = ["lost", "met itself", "down", "rejected", "unknown", "broken"]
EVENTS = st.builds(
    Event,
    worker=st.integers(0, 1),
    fate=st.sampled_from([*["well"] * 12, *FATES, "rejected", "unknown", None]),
    cart=st.sampled_from([0, 0, 0, 1]),
    seconds=st.sampled_from([0.0, 0.0, 0.0, 0.1, 3.0, DEADLINE, DEADLINE + MARGIN]),
    jump=st.sampled_from([0.0] * 8 + [-30.0, 1.0, DEADLINE + MARGIN, EXPIRY]),
)


@settings(max_examples=400)
@given(st.lists(EVENTS, min_size=10, max_size=60))
def test_whatever_happens_one_key_makes_one_cart_and_comes_to_rest(events: list[Event]) -> None:
    play = Play()
    for event in events:
        play.happen(event)
    play.kill_all()
    world = play.world
    world.pass_time(0, world.latest - world.clock())  # a clock that was put back is right again

    # Whoever is left alone gets the cart in the end, and then always the same one.
    kept = world.kept
    cart = next(
        (each for each in CARTS if kept and fingerprint(each) == kept.fingerprint), CARTS[0]
    )
    for _ in range(20):
        result = play.undisturbed(cart)
        if isinstance(result, tuple):
            break
        assert isinstance(result, Problem)
        assert result.code == "operation_in_progress"
    assert isinstance(result, tuple), "it never ends well"
    carts, writes = len(world.carts), len(world.history)
    assert play.undisturbed(cart) == (result[0], True)
    assert (len(world.carts), len(world.history)) == (carts, writes), "a replay acted"
    other = play.undisturbed(CARTS[1 - CARTS.index(cart)])
    assert isinstance(other, Problem)
    assert other.code == "idempotency_key_reused"


@pytest.mark.parametrize("seconds", [0.0, 0.5])
@settings(max_examples=100)
@given(order=st.lists(st.integers(0, 1), min_size=10, max_size=40))
def test_two_workers_without_faults_make_one_cart_at_the_first_try(
    seconds: float, order: list[int]
) -> None:
    play = Play()
    for worker in order:
        play.happen(Event(worker, "well", seconds=seconds))
    completed = [record for record in play.world.history if record.state == "completed"]
    assert len(completed) <= 1
    assert len(play.world.carts) <= 1
    assert {record.epoch for record in play.world.history} <= {0}


# --- the pure function ------------------------------------------------------------------------

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENTS = st.integers(-3, 3).map(lambda seconds: NOW + timedelta(seconds=seconds))


def _record(**members: Any) -> Record:
    return Record(**members)  # by its members' names: Hypothesis would go by the aliases


RECORDS = st.builds(
    _record,
    operation=st.just("create_cart"),
    customer_id=st.just(CUSTOMER),
    caller_id=st.none(),
    key=st.just("key"),
    fingerprint=st.sampled_from([fingerprint(cart) or "" for cart in CARTS]),
    state=st.sampled_from(["in_progress", "unknown", "released", "completed"]),
    epoch=st.integers(0, 5),
    nonce=st.just("nonce"),
    lease_until=MOMENTS,
    expires_at=MOMENTS,
    correlation_id=st.just(CUSTOMER),
    steps=st.just([Step(name="cart", request_id=CUSTOMER)]),
    answer=st.just(StoredAnswer(status=201, headers={}, body={})),
)


@settings(max_examples=300)
@given(RECORDS, MOMENTS, st.sampled_from(CARTS))
def test_the_epoch_of_what_is_not_released_never_changes(
    record: Record, now: datetime, cart: dict[str, Any]
) -> None:
    same = fingerprint(cart) == record.fingerprint
    match decide(record, now, cart):
        case Run(epoch, resumed):
            if now >= record.expires_at:
                assert (epoch, resumed) == (record.epoch + 1, False)
            elif record.state == "released":
                assert (epoch, resumed) == (record.epoch, False)
            else:
                assert (epoch, resumed, same) == (record.epoch, True, True)
                assert record.state == "unknown" or now >= record.lease_until
                assert record.state != "completed"
        case Replay(answer):
            assert same
            assert (record.state, answer) == ("completed", record.answer)
            assert now < record.expires_at
        case Wait():
            assert same
            assert record.state == "in_progress"
            assert now < min(record.lease_until, record.expires_at)
        case Reused():
            assert not same
            assert record.state != "released"
            assert now < record.expires_at


@given(RECORDS, MOMENTS, MOMENTS, st.sampled_from(CARTS))
def test_time_alone_never_turns_a_run_back_into_a_wait(
    record: Record, one: datetime, other: datetime, cart: dict[str, Any]
) -> None:
    earlier, later = sorted([one, other])
    if isinstance(decide(record, earlier, cart), Run):
        assert isinstance(decide(record, later, cart), Run)
