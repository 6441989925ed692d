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
from cart_core.idempotency.decision import (
    OperationId,
    Replay,
    Reused,
    Run,
    Wait,
    decide,
    fingerprint,
)
from cart_core.idempotency.memory_store import MemoryStore
from cart_core.idempotency.record import Record, Step, StoredAnswer
from cart_core.idempotency.runner import RETENTION, ExactlyOnce, Plan, Work
from cart_core.idempotency.store import StoreUnavailable, Versioned
from cart_core.partner_center.errors import in_doubt
from cart_core.problem import Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import EPOCH_SECONDS

OPERATION = OperationId("create_cart", CUSTOMER, None, "key")
NAME = OPERATION.record_name()
CARTS: list[dict[str, Any]] = [{"quantity": 1}, {"quantity": 2}]
DEADLINE, MARGIN, LONGEST_WAIT = 10.0, 5.0, 4.0
EXPIRY = RETENTION.total_seconds()

MAKE = Plan(["cart"], RETENTION)
BUY = Plan(["cart", "checkout"], RETENTION, lambda answer: bool(answer.body["inFull"]))
"""Make a cart and buy it, perhaps in part; the rest is bought by the next delivery."""

Fate = Literal["well", "lost", "met itself", "down", "rejected", "unknown", "broken", "partial"]
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
    """A store, Partner Center, and what must always hold of both.

    A Partner Center that does not `deduplicate` makes another cart whenever it is asked.
    """

    def __init__(self, plan: Plan, *, deduplicate: bool) -> None:
        self.plan = plan
        self.deduplicate = deduplicate
        self.store = MemoryStore()
        self.elapsed = 0.0
        self.shift = 0.0
        self.latest = self.clock()
        self.leaps = 0
        """How often the clock was put forward: only then can a lease end before its worker."""
        self.lifetime = 0
        """How many of the key's records have expired or were jumped over."""
        self.carts: list[dict[str, Any]] = []
        self.made: dict[str, dict[str, Any]] = {}
        """The last cart that was made under each request id."""
        self.sent_in: dict[int, set[str]] = {}
        """The request ids under which a cart was asked for."""
        self.sent: set[str] = set()
        """The request ids of all that was sent."""
        self.bought_in: dict[int, set[int]] = {}
        self.bought_in_full: set[int] = set()
        self.checked_out: set[tuple[int, int]] = set()
        """The lifetime and cart of all checkouts that were sent."""
        self.used_up: set[str] = set()
        """The request ids that came to a definite end."""
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
        self.leaps += jump > 0
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
        if before and before.expires_at.timestamp() > self.latest:
            assert before.state != "completed", "a completed envelope was overwritten"
            assert after.epoch >= before.epoch
            if before.state != "released":
                self._check_steps_kept(before, after)
            if before.answer:
                assert after.answer, "what was told of a part is forgotten"
                assert after.state != "released"
        if after.state == "released":
            assert not any(step.done for step in after.steps), "released, although a cart was made"
            assert not self.deduplicate or after.steps[0].request_id not in self.made
            self.used_up.add(after.steps[0].request_id)
        if after.state == "completed":
            assert all(step.done for step in after.steps)
            assert after.answer
            assert after.answer.body["cart"] in self.carts

    def _check_steps_kept(self, before: Record, after: Record) -> None:
        for old, new in zip(before.steps, after.steps, strict=True):
            assert new == old or not old.done, "what was done is forgotten"
            if new.request_id != old.request_id:
                assert (after.state, after.epoch) == ("open", before.epoch + 1)
                self.used_up.add(old.request_id)

    # Partner Center

    async def send(self, work: Work, begun: "Begun") -> Fate:
        """A request, until it arrives; what happens then is for the sender to say."""
        fate = await turn()
        if not begun.deadline.remaining():
            raise self.refusal("deadline_exceeded", doubt=work.resumed)
        if begun.leaps == self.leaps:  # or else another worker may be at it, too
            assert work.request_id not in self.used_up, "an id that was used up was sent again"
            assert work.resumed or work.request_id not in self.sent, "the work was not warned"
        self.sent.add(work.request_id)
        if fate == "rejected":
            raise self.refusal("partner_center_invalid_request", doubt=work.resumed)
        return fate

    def refusal(self, code: str, *, doubt: bool) -> Problem:
        return in_doubt(Problem(code, "")) if doubt else Problem(code, "")

    async def answer(self) -> Fate:
        """The way of an answer."""
        fate = await turn()
        if fate == "unknown":
            raise Problem("partner_center_timeout", "")
        if fate == "broken":
            raise RuntimeError
        return fate

    async def make_cart(self, work: Work, cart: dict[str, Any], begun: "Begun") -> dict[str, Any]:
        await self.send(work, begun)
        if not self.deduplicate or work.request_id not in self.made:
            self.made[work.request_id] = {"id": len(self.carts), "cart": cart}
            self.carts.append(self.made[work.request_id])
        made = self.made[work.request_id]
        if begun.lifetime == self.lifetime:
            ids = self.sent_in.setdefault(begun.lifetime, set())
            ids.add(work.request_id)
            assert len(ids) == 1, "two carts for one key"
        await self.answer()
        return made

    async def check_out(self, work: Work, cart_id: int, begun: "Begun") -> dict[str, Any]:
        """As the checkout procedure does: who is not the first looks first."""
        attempt = (begun.lifetime, cart_id)
        assert not (work.first and attempt in self.checked_out), "it was checked out before"
        assert any(
            record.steps[0].done and record.steps[0].result == {"cartId": cart_id}
            for record in self.history
        ), "nobody would know what was bought"
        if not work.first:
            if await turn() in ("rejected", "unknown", "down"):
                raise self.refusal("partner_center_unreachable", doubt=work.resumed)
            if cart_id in self.bought_in_full:
                return {"cart": self.carts[cart_id], "inFull": True}
        fate = await self.send(work, begun)
        self.checked_out.add(attempt)
        bought = self.bought_in.setdefault(begun.lifetime, set())
        bought.add(cart_id)
        assert len(bought) == 1, "two carts were bought under one key"
        if fate != "partial":
            self.bought_in_full.add(cart_id)
        in_full = cart_id in self.bought_in_full
        await self.answer()
        return {"cart": self.carts[cart_id], "inFull": in_full}

    # The workers

    async def sleep(self, seconds: float) -> None:
        await turn()
        self.pass_time(seconds, 0)

    async def deliver(self, cart: dict[str, Any]) -> tuple[StoredAnswer, bool] | Problem | None:
        deadline = Deadline.after(DEADLINE, lambda: self.elapsed)
        leaps = self.leaps

        async def work(todo: Work) -> StoredAnswer:
            begun = Begun(deadline, self.lifetime, leaps)
            made = todo.results.get("cart")
            if made is None:
                new = await self.make_cart(todo, cart, begun)
                made, body = {"cartId": new["id"]}, {"cart": new, "inFull": True}
                if self.plan is BUY:
                    todo = await todo.finish(made)
            if self.plan is BUY:
                body = await self.check_out(todo, made["cartId"], begun)
            return StoredAnswer(status=201, headers={}, body=body)

        try:
            answer, replayed = await self.once.run(
                OPERATION, self.plan, cart, CUSTOMER, deadline, work
            )
        except RuntimeError:
            return None
        except Problem as problem:
            return problem
        assert answer.body["cart"] in self.carts
        assert answer.body["cart"]["cart"] == cart, "the answer to another request"
        return answer, replayed


class Begun(NamedTuple):
    """How things stood when a delivery's work began; `leaps`, when the delivery did."""

    deadline: Deadline
    lifetime: int
    leaps: int


Worker = Coroutine[None, Fate, tuple[StoredAnswer, bool] | Problem | None]


class Play:
    """Plays a schedule of events in a world."""

    def __init__(self, plan: Plan, *, deduplicate: bool = True) -> None:
        self.world = World(plan, deduplicate=deduplicate)
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


FATES: list[Fate] = ["lost", "met itself", "down", "rejected", "unknown", "broken", "partial"]


def schedules(
    *, calm: int = 1, leaps: int = 1, shortest: int = 10, longest: int = 60
) -> st.SearchStrategy[list[Event]]:
    """The calmer, the further a worker comes before something happens; with `leaps`, both do."""
    ends: list[Fate] = ["rejected", "unknown", "partial", "partial", "partial"]
    event = st.builds(
        Event,
        worker=st.sampled_from([0] * calm + [1] * leaps),
        fate=st.sampled_from([*["well"] * 12 * calm, *FATES, *ends * calm, None]),
        cart=st.sampled_from([0] * 3 * calm + [1]),
        seconds=st.sampled_from([0.0] * 3 * calm + [0.1, 3.0, DEADLINE, DEADLINE + MARGIN]),
        jump=st.sampled_from([0.0] * 8 * calm + [-30.0, 1.0, EXPIRY] + [DEADLINE + MARGIN] * leaps),
    )
    return st.lists(event, min_size=shortest, max_size=longest)


PURCHASES = (
    schedules()
    | schedules(calm=4, shortest=25, longest=80)
    | schedules(calm=12, shortest=25, longest=80)
    | schedules(calm=12, leaps=12, shortest=25, longest=80)
)


def come_to_rest(play: Play) -> None:
    """Whoever is left alone gets the answer in the end, and then always the same one."""
    play.kill_all()
    world = play.world
    world.pass_time(0, world.latest - world.clock())  # a clock that was put back is right again
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
    assert result[0].body["inFull"]
    carts, writes, sent = len(world.carts), len(world.history), len(world.sent)
    assert play.undisturbed(cart) == (result[0], True)
    assert (len(world.carts), len(world.history), len(world.sent)) == (carts, writes, sent), (
        "a replay acted"
    )
    other = play.undisturbed(CARTS[1 - CARTS.index(cart)])
    assert isinstance(other, Problem)
    assert other.code == "idempotency_key_reused"


@settings(max_examples=400)
@given(schedules())
def test_whatever_happens_one_key_makes_one_cart_and_comes_to_rest(events: list[Event]) -> None:
    play = Play(MAKE)
    for event in events:
        play.happen(event)
    come_to_rest(play)
    assert len(play.world.carts) == len(play.world.made)


@pytest.mark.parametrize("deduplicate", [True, False], ids=["ids-honoured", "ids-ignored"])
@settings(max_examples=400)
@given(PURCHASES)
def test_whatever_happens_one_key_buys_one_cart_and_it_was_written_down_before(
    deduplicate: bool, events: list[Event]
) -> None:
    play = Play(BUY, deduplicate=deduplicate)
    for event in events:
        play.happen(event)
    come_to_rest(play)


@pytest.mark.parametrize("plan", [MAKE, BUY], ids=["make", "buy"])
@pytest.mark.parametrize("seconds", [0.0, 0.25])
@settings(max_examples=100)
@given(order=st.lists(st.integers(0, 1), min_size=10, max_size=40))
def test_two_workers_without_faults_are_done_at_the_first_try(
    plan: Plan, seconds: float, order: list[int]
) -> None:
    play = Play(plan)
    for worker in order:
        play.happen(Event(worker, "well", seconds=seconds))
    completed = [record for record in play.world.history if record.state == "completed"]
    assert len(completed) <= 1
    assert len(play.world.carts) <= 1
    assert {record.epoch for record in play.world.history} <= {0}
    assert len(play.world.sent) <= len(plan.steps)


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
    state=st.sampled_from(["in_progress", "unknown", "released", "open", "completed"]),
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
        case Run(epoch, steps, resumed):
            if now >= record.expires_at:
                assert (epoch, steps, resumed) == (record.epoch + 1, (), False)
            elif record.state == "released":
                assert (epoch, steps, resumed) == (record.epoch, (), False)
            else:
                assert (epoch, steps, same) == (record.epoch, record.steps, True)
                assert resumed == (record.state != "open")
                assert record.state in ("unknown", "open") or now >= record.lease_until
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
