"""Random walks of calls with one key, in a world that interrupts them wherever they wait.

There is no event loop. A walk drives the coroutines of its calls from one wait to the next, and
draws what comes of each: an answer, a lost answer, an outage, a death, a jump of the clock. A judge
sees all that is written, sent and answered, and knows nothing of how the runner decides.
"""

import itertools
import random
import types
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from cart_core.call import Answer, Call
from cart_core.deadline import Deadline
from cart_core.idempotency.claim import Claim, Claims
from cart_core.idempotency.memory_store import MemoryStore
from cart_core.idempotency.operation_id import fingerprint
from cart_core.idempotency.plan import RETENTION, Keyed, Plan
from cart_core.idempotency.record import Record, StoredAnswer
from cart_core.idempotency.runner import ExactlyOnce
from cart_core.idempotency.store import StoreUnavailable, Versioned
from cart_core.partner_center.errors import in_doubt
from cart_core.problem import Code, Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import EPOCH_SECONDS
from tests.unit.idempotency.world import CONTENT, OPERATIONS, OTHER_CONTENT

OPERATION = OPERATIONS["order"]
DEADLINE, MARGIN, LONGEST_WAIT = 10.0, 5.0, 4.0
LEASE, EXPIRY = DEADLINE + MARGIN, RETENTION.total_seconds()
TURNS, CALLS = 40, 3

CREATE = Plan(["cart"], RETENTION)
ORDER = Plan(["cart", "checkout"], RETENTION, lambda answer: bool(answer.body["whole"]))

Fate = Literal[
    "well", "lost", "met itself", "down", "rejected", "unknown", "late", "broken", "part"
]
"""What comes of a wait; each kind of wait takes those for `well` that it cannot have."""
TROUBLES: list[Fate] = ["lost", "met itself", "down", "rejected", "unknown", "late", "broken"]


@types.coroutine
def turn() -> Generator[None, Fate, Fate]:
    """Wait for the walk."""
    return (yield)


@dataclass(eq=False)
class Cart:
    """`ordered` is how many of its two parts are ordered."""

    content: dict[str, Any]
    ordered: int = 0


@dataclass
class Work:
    """What a call does under its claim.

    `alone` says that no lease can have ended before its call, because the clock was not put
    forward since this one began. `lifetime` counts how often the record has expired.
    """

    call: Call
    claim: Claim
    alone: Callable[[], bool]
    lifetime: int


@dataclass
class Judge:
    """What must hold, whatever happens.

    With `honoured`, Partner Center does nothing twice under one MS-RequestId.
    """

    honoured: bool
    history: list[Record] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    begun: set[tuple[int, str]] = field(default_factory=set)
    used_up: set[str] = field(default_factory=set)
    """The MS-RequestIds of attempts that have certainly ended."""
    effective: set[str] = field(default_factory=set)
    """The MS-RequestIds of requests that have taken effect, or that may still do so."""
    created: dict[int, list[Cart]] = field(default_factory=lambda: defaultdict(list))
    bought: dict[int, set[Cart]] = field(default_factory=lambda: defaultdict(set))

    def record_written(self, before: Record | None, after: Record) -> None:
        """A record replaces another one, which is None if it has expired."""
        self.history.append(after)
        undone = {step.request_id for step in after.steps if not step.done}
        if before:
            assert before.state != "completed", "a completed record was overwritten"
            for old, new in zip(before.steps, after.steps, strict=True):
                assert new == old or not old.done, "a finished step was forgotten"
                if new.request_id != old.request_id and before.state != "released":
                    assert after.state == "open", "work goes on under another id"
                    answered = after.answer != before.answer
                    assert answered or old.request_id not in self.effective, "it is unknown"
                    self.used_up.add(old.request_id)
            assert after.answer or not before.answer, "the answer for a part was forgotten"
        if after.state == "released":
            assert all(not step.done for step in after.steps), "released, although a step is done"
            assert not undone & self.effective, "released, although it is unknown"
            self.used_up |= undone
        if after.state == "completed":
            assert not undone, "completed, although a step is not done"
            assert after.answer
            assert after.answer.body["whole"], "completed, although a part is not done"

    def request_sent(self, work: Work, step: str, stored: Record | None) -> None:
        """A request is sent while this is stored."""
        claim, begun = work.claim, (work.lifetime, step)
        if work.alone():
            assert stored
            assert stored.correlation_id == work.call.correlation_id, "sent without the claim"
            assert stored.state == "in_progress"
            assert stored.open_step.request_id == claim.request_id
            assert claim.request_id not in self.used_up, "sent under an id that is used up"
            assert claim.resumed or claim.request_id not in self.sent, "the call was not warned"
            assert not (claim.first and begun in self.begun), "not the first"
        self.sent.append(claim.request_id)
        self.begun.add(begun)

    def cart_created(self, work: Work, cart: Cart) -> None:
        self.created[work.lifetime].append(cart)
        assert not self.honoured or len(self.created[work.lifetime]) == 1, "two carts for one key"

    def cart_ordered(self, work: Work, cart: Cart) -> None:
        assert not self.honoured or cart.ordered < 2, "a cart was ordered twice"
        self.bought[work.lifetime].add(cart)
        assert len(self.bought[work.lifetime]) == 1, "two carts were ordered for one key"

    def answered(self, answer: Answer) -> None:
        """A caller is given an answer, which is the recorded one unless it says that it is not."""
        stored = StoredAnswer.of(answer)
        states = {record.state for record in self.history if record.answer == stored}
        assert states or "warnings" in answer.body, "an answer that is not on record"
        assert "completed" in states or not answer.replayed, "a part was given again"


class Walk:
    """A store, Partner Center and the calls, with everything drawn from the seed.

    With `leaps`, the clock is put forward by whole leases; then nobody ever finds out that a
    request has had no effect.
    """

    def __init__(
        self,
        seed: int,
        plan: Plan,
        *,
        honoured: bool = True,
        leaps: bool = False,
    ) -> None:
        self.random = random.Random(seed)
        self.plan, self.may_leap = plan, leaps
        self.trouble = self.random.choice([0.0, 0.1, 0.2, 0.4])
        self.judge = Judge(honoured)
        self.store = MemoryStore(self.clock)
        self.store_is_away = False
        self.elapsed = self.shift = 0.0
        self.latest = self.clock()
        self.leaps = self.lifetime = 0
        self.carts: dict[str, Cart] = {}
        self.checked_out: set[str] = set()
        self.in_flight: list[Callable[[], None]] = []
        """Requests whose sender has given up, and which Partner Center has not received yet."""
        self.calls: dict[int, Coroutine[None, Fate, Answer | Problem | None]] = {}
        self.numbers = itertools.count()
        claims = Claims(
            self,
            clock=self.clock,
            sleep=self.sleep,
            new_nonce=lambda: f"nonce-{next(self.numbers)}",
            lease_margin=MARGIN,
            longest_wait=LONGEST_WAIT,
        )
        self.once = ExactlyOnce(claims)

    # Time

    def clock(self) -> float:
        return EPOCH_SECONDS + self.elapsed + self.shift

    async def sleep(self, seconds: float) -> None:
        await turn()
        self.pass_time(seconds)

    def pass_time(self, seconds: float, jump: float = 0.0) -> None:
        self.elapsed += seconds
        self.shift += jump
        self.leaps += jump > 0
        self.latest = max(self.latest, self.clock())
        self.lifetime += self.stored is None

    @property
    def stored(self) -> Record | None:
        """The record, unless it has expired by any time that the clock has ever shown."""
        found = self.store._records.get(OPERATION.record_name())
        return found.record if found and found.record.expires_at.timestamp() > self.latest else None

    # The store

    async def create(self, name: str, record: Record) -> str | None:
        return await self._write(record, lambda: self.store.create(name, record))

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        return await self._write(record, lambda: self.store.replace(name, record, version))

    async def read(self, name: str) -> Versioned | None:
        if await turn() == "down" or self.store_is_away:
            raise StoreUnavailable
        return await self.store.read(name)

    async def _write(
        self, record: Record, write: Callable[[], Coroutine[Any, Any, str | None]]
    ) -> str | None:
        fate = await turn()
        if fate == "down" or self.store_is_away:
            raise StoreUnavailable
        before = self.stored
        version = await write()
        if version is not None:
            self.judge.record_written(before, record)
        if fate == "lost":
            raise StoreUnavailable
        return None if fate == "met itself" else version

    # The calls

    async def deliver(self, content: dict[str, Any]) -> Answer | Problem | None:
        """A call; None if it ends by an error that is not a Problem."""
        deadline = Deadline.after(DEADLINE, lambda: self.elapsed)
        call = Call(f"call-{next(self.numbers)}", CUSTOMER, "en-US", deadline)
        leaps = self.leaps

        async def perform(claim: Claim) -> Answer:
            work = Work(call, claim, lambda: self.leaps == leaps, self.lifetime)
            body = claim.results.get("cart")
            if body is None:
                body = {"cart": await self._create(work, content), "whole": True}
                if self.plan is ORDER:
                    await claim.finish_step(body)
            if self.plan is ORDER:
                body = body | {"whole": await self._check_out(work, body["cart"])}
            return Answer(201, body, {"MS-CV": call.correlation_id})

        try:
            answer = await self.once.run(call, Keyed(OPERATION, self.plan, content), perform)
        except RuntimeError:
            return None
        except Problem as problem:
            return problem
        assert answer.body["cart"].content == content, "the answer to another request"
        self.judge.answered(answer)
        return answer

    async def _create(self, work: Work, content: dict[str, Any]) -> Cart:
        request_id = work.claim.request_id

        def effect(_: Fate) -> None:
            if not (self.judge.honoured and request_id in self.carts):
                self.carts[request_id] = Cart(content)
                self.judge.cart_created(work, self.carts[request_id])

        self._find_out(work.claim)
        await self._send(work, "cart", effect)
        return self.carts[request_id]

    async def _check_out(self, work: Work, cart: Cart) -> bool:
        """As a use case must, whoever is not the first looks at the cart before."""
        request_id = work.claim.request_id

        def effect(fate: Fate) -> None:
            if not (self.judge.honoured and request_id in self.checked_out):
                self.checked_out.add(request_id)
                self.judge.cart_ordered(work, cart)
                cart.ordered = max(cart.ordered, 1 if fate == "part" else 2)

        if not work.claim.first:
            if await turn() in ("rejected", "unknown", "down"):
                raise self._refusal(work.claim, "partner_center_unreachable")
            if cart.ordered == 2:
                return True
            self._find_out(work.claim)
        await self._send(work, "checkout", effect)
        return cart.ordered == 2

    def _find_out(self, claim: Claim) -> None:
        """Sometimes, that an earlier request has certainly had no effect."""
        unsent = claim.request_id not in self.judge.effective
        if claim.resumed and unsent and not self.may_leap and self.random.random() < 0.2:
            raise Problem("partner_center_invalid_request", "")

    async def _send(self, work: Work, step: str, effect: Callable[[Fate], None]) -> None:
        fate = await turn()
        if not work.call.deadline.remaining():
            raise self._refusal(work.claim, "deadline_exceeded")
        self.judge.request_sent(work, step, self.stored)
        if fate == "rejected":
            raise self._refusal(work.claim, "partner_center_invalid_request")
        if fate != "unknown":
            self.judge.effective.add(work.claim.request_id)
        if fate == "late":
            self.in_flight.append(lambda: effect("well"))
        if fate in ("unknown", "late"):
            raise Problem("partner_center_timeout", "")
        effect(fate)
        match await turn():
            case "broken":
                raise RuntimeError
            case "lost" | "unknown" | "late":
                raise Problem("partner_center_timeout", "")

    def _refusal(self, claim: Claim, code: Code) -> Problem:
        return in_doubt(Problem(code, "")) if claim.resumed else Problem(code, "")

    # The walk

    def step(self) -> None:
        """One turn of one call, after a while."""
        chance = self.random.random
        seconds = [0.0, 0.1, 3.0, DEADLINE, LEASE, EXPIRY]
        self.pass_time(self.random.choices(seconds, [85, 8, 4, 1.5, 1.5, 0.2])[0])
        if chance() < 0.02:
            self.pass_time(0.0, -30.0)
        if self.may_leap and chance() < 0.05:
            self.pass_time(0.0, self.random.choices([LEASE, EXPIRY], [10, 1])[0])
        self.store_is_away = chance() < (0.97 if self.store_is_away else self.trouble / 20)
        if self.in_flight and chance() < 0.2:
            self.in_flight.pop()()
        place = self.random.randrange(CALLS)
        call = self.calls.pop(place, None)
        if call and chance() < self.trouble / 4:
            call.close()
            return
        fate: Any = None
        if call is None:
            call = self.deliver(OTHER_CONTENT if chance() < 0.1 else CONTENT)
        elif chance() < self.trouble:
            fate = self.random.choice(TROUBLES)
        else:
            fate = "part" if chance() < 0.15 else "well"
        try:
            call.send(fate)
        except StopIteration:
            return
        self.calls[place] = call

    def undisturbed(self, content: dict[str, Any]) -> Answer | Problem | None:
        """What a call comes to with nobody else about, in a world where all goes well."""
        call = self.deliver(content)
        fate: Any = None
        for _ in range(100):
            try:
                call.send(fate)
            except StopIteration as end:
                result: Answer | Problem | None = end.value
                return result
            fate = "well"
        raise AssertionError("a call does not come to an end")

    def come_to_rest(self) -> None:
        """Whoever is left alone gets the answer in the end, and then always the same one."""
        for call in self.calls.values():
            call.close()
        for arrive in self.in_flight:
            arrive()
        self.store_is_away = False
        self.pass_time(0.0, self.latest - self.clock())  # A clock that was put back is right again.
        content, other = CONTENT, OTHER_CONTENT
        if self.stored and self.stored.fingerprint == fingerprint(other):
            content, other = other, content
        for _ in range(12):
            answer = self.undisturbed(content)
            if isinstance(answer, Answer) and answer.body["whole"]:
                break
        assert isinstance(answer, Answer), "the calls never come to an answer"
        before = len(self.judge.history), len(self.judge.sent)
        again = self.undisturbed(content)
        assert again == Answer(answer.status, answer.body, answer.headers, replayed=True)
        problem = self.undisturbed(other)
        assert isinstance(problem, Problem)
        assert problem.code == "idempotency_key_reused"
        assert (len(self.judge.history), len(self.judge.sent)) == before, "a repetition acted"


@pytest.mark.parametrize(
    "seeds",
    [range(60), pytest.param(range(1_000, 2_000), marks=pytest.mark.slow)],
    ids=["some", "many"],
)
@pytest.mark.parametrize(
    ("plan", "options"),
    [
        pytest.param(CREATE, {}, id="create"),
        pytest.param(CREATE, {"leaps": True}, id="create-leaps"),
        pytest.param(ORDER, {}, id="order"),
        pytest.param(ORDER, {"leaps": True}, id="order-leaps"),
        pytest.param(ORDER, {"honoured": False}, id="order-ids-ignored"),
        pytest.param(ORDER, {"honoured": False, "leaps": True}, id="order-ids-ignored-leaps"),
    ],
)
def test_one_key_has_one_effect_and_one_answer(
    plan: Plan, options: dict[str, bool], seeds: range
) -> None:
    for seed in seeds:
        walk = Walk(seed, plan, **options)
        try:
            for _ in range(TURNS):
                walk.step()
            walk.come_to_rest()
        except AssertionError as error:
            error.add_note(f"in the walk of seed {seed}")
            raise
