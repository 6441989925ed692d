"""The runner over a store in memory, in virtual time: no test here waits for anything."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cart_core.idempotency.decision import OperationId
from cart_core.idempotency.memory_store import MemoryStore
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.runner import RETENTION, ExactlyOnce, Plan, Work
from cart_core.idempotency.store import StoreUnavailable
from cart_core.partner_center.errors import in_doubt
from cart_core.problem import Outcome, Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import (
    EPOCH_SECONDS,
    FakeStore,
    Fault,
    Killed,
    WallClock,
    in_virtual_time,
    monotonic,
    within,
)

BODY = {"lineItems": [{"quantity": 1}]}
OTHER_BODY = {"lineItems": [{"quantity": 2}]}
OPERATION = OperationId("create_cart", CUSTOMER, None, "key")
PLAN = Plan(["cart"], RETENTION)
DEADLINE, MARGIN, LEASE = 100.0, 20.0, 120.0
START = datetime.fromtimestamp(EPOCH_SECONDS, UTC)

REJECTED = Problem("partner_center_invalid_request", "no")
NOT_SENT = Problem("partner_center_unreachable", "no")
UNKNOWN = Problem("partner_center_timeout", "who knows")
UNKNOWN_400 = Problem("partner_center_invalid_request", "no", outcome=Outcome.UNKNOWN)

Job = Callable[[Work], Awaitable[StoredAnswer]]


class PartnerCenter:
    """Makes a cart, and keeps to a request id. The next answers get lost in `ends`.

    As all work must, it says of what is resumed that a refusal leaves it open.
    """

    def __init__(self) -> None:
        self.heard: list[Work] = []
        self.carts: dict[str, dict[str, Any]] = {}
        self.ends: list[BaseException | None] = []
        self.seconds = 5.0

    async def __call__(self, work: Work) -> StoredAnswer:
        self.heard.append(work)
        end = self.ends.pop(0) if self.ends else None
        if not (isinstance(end, Problem) and end.outcome is not Outcome.UNKNOWN):
            self.carts.setdefault(work.request_id, {"id": f"cart-{len(self.carts) + 1}"})
        await asyncio.sleep(self.seconds)
        if isinstance(end, Problem) and work.resumed:
            raise in_doubt(end)
        if end:
            raise end
        cart = self.carts[work.request_id]
        return StoredAnswer(status=201, headers={"MS-RequestId": work.request_id}, body=cart)

    @property
    def request_ids(self) -> list[str]:
        return [work.request_id for work in self.heard]

    @property
    def resumptions(self) -> list[bool]:
        return [work.resumed for work in self.heard]


class Function:
    """Processes of one function app: they share a store, and nothing else."""

    def __init__(self, longest_wait: float = 25.0) -> None:
        self.store = FakeStore()
        self.center = PartnerCenter()
        self.clock = WallClock()
        nonces = itertools.count(1)
        self.once = ExactlyOnce(
            self.store,
            clock=self.clock,
            sleep=asyncio.sleep,
            new_nonce=lambda: f"nonce-{next(nonces)}",
            lease_margin=MARGIN,
            longest_wait=longest_wait,
        )

    async def deliver(
        self,
        body: dict[str, Any] = BODY,
        *,
        operation: OperationId = OPERATION,
        plan: Plan = PLAN,
        seconds: float = DEADLINE,
        work: Job | None = None,
    ) -> tuple[StoredAnswer, bool]:
        return await self.once.run(
            operation, plan, body, CUSTOMER, within(seconds), work or self.center
        )

    async def fails(
        self, body: dict[str, Any] = BODY, *, plan: Plan = PLAN, work: Job | None = None
    ) -> Problem:
        with pytest.raises(Problem) as caught:
            await self.deliver(body, plan=plan, work=work)
        return caught.value


def warnings(answer: StoredAnswer) -> list[str]:
    return [warning["code"] for warning in answer.body.get("warnings", [])]


# --- the common paths -------------------------------------------------------------------------


@in_virtual_time
async def test_the_first_run_does_it_and_remembers() -> None:
    app = Function()
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    kept = app.store.record
    assert (kept.state, kept.answer, kept.epoch) == ("completed", answer, 0)
    assert [(step.name, step.request_id, step.done) for step in kept.steps] == [
        ("cart", app.center.request_ids[0], True)
    ]
    assert kept.expires_at == START + timedelta(seconds=5) + RETENTION
    assert app.center.resumptions == [False]


@in_virtual_time
async def test_the_claim_is_written_before_the_work_begins() -> None:
    app = Function()

    async def work(todo: Work) -> StoredAnswer:
        claim = app.store.record
        assert (claim.state, claim.answer) == ("in_progress", None)
        assert claim.lease_until == START + timedelta(seconds=LEASE)
        assert [step.request_id for step in claim.steps] == [todo.request_id]
        return await app.center(todo)

    await app.deliver(work=work)


@in_virtual_time
async def test_a_repetition_gets_the_same_answer_and_does_nothing() -> None:
    app = Function()
    first, _ = await app.deliver()
    assert await app.deliver() == (first, True)
    assert len(app.center.heard) == 1
    assert monotonic() == app.center.seconds


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(StoredAnswer(status=201, headers={}, body={}), id="empty-body"),
        pytest.param(
            StoredAnswer(status=200, headers={}, body={"a": None, "b": 0, "c": "", "d": []}),
            id="falsy-members",
        ),
        pytest.param(StoredAnswer(status=204, headers={"X": ""}, body={}), id="no-content"),
    ],
)
@in_virtual_time
async def test_whatever_was_answered_is_replayed_whole(answer: StoredAnswer) -> None:
    app = Function()

    async def work(todo: Work) -> StoredAnswer:
        app.center.heard.append(todo)
        return answer

    assert await app.deliver(work=work) == (answer, False)
    assert await app.deliver(work=work) == (answer, True)
    assert len(app.center.heard) == 1


@in_virtual_time
async def test_keys_customers_callers_and_operations_do_not_meet() -> None:
    app = Function()
    operations = [
        OPERATION,
        OperationId("create_cart", CUSTOMER, None, "key-2"),
        OperationId("create_cart", CUSTOMER, "someone", "key"),
        OperationId("create_cart", CUSTOMER.replace("d", "e"), None, "key"),
        OperationId("check_out", CUSTOMER, None, "key"),
    ]
    answers = await asyncio.gather(*(app.deliver(operation=each) for each in operations))
    assert len({answer.body["id"] for answer, _ in answers}) == len(operations)
    assert not any(replayed for _, replayed in answers)


@in_virtual_time
async def test_a_reused_key_is_told_and_nothing_is_done() -> None:
    app = Function()
    await app.deliver()
    problem = await app.fails(OTHER_BODY)
    assert (problem.code, problem.kind.status) == ("idempotency_key_reused", 422)
    assert len(app.center.heard) == 1
    assert app.store.record.state == "completed"


# --- twins ------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_twin_waits_and_gets_the_same_answer() -> None:
    app = Function()
    (first, mine), (second, replayed) = await asyncio.gather(app.deliver(), app.deliver())
    assert first == second
    assert (mine, replayed) == (False, True)
    assert len(app.center.heard) == 1


@in_virtual_time
async def test_fifty_twins_get_one_cart() -> None:
    app = Function()
    answers = await asyncio.gather(*(app.deliver() for _ in range(50)))
    assert {answer.body["id"] for answer, _ in answers} == {"cart-1"}
    assert sum(not replayed for _, replayed in answers) == 1
    assert len(app.center.heard) == 1


@in_virtual_time
async def test_a_waiting_twin_looks_less_and_less_often() -> None:
    app = Function()
    app.center.seconds = 90
    looks: list[float] = []
    read = app.store.read

    async def watched(name: str) -> Any:
        looks.append(monotonic())
        return await read(name)

    app.store.read = watched  # type: ignore[method-assign]
    first = asyncio.create_task(app.deliver())
    await asyncio.sleep(0)
    problem = await app.fails()
    pauses = [round(b - a, 6) for a, b in itertools.pairwise(looks)]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert set(pauses[4:]) == {2.0}
    assert 23 <= looks[-1] <= 25
    assert problem.code == "operation_in_progress"
    await first


@in_virtual_time
async def test_a_twin_that_waited_long_enough_is_told_to_come_back() -> None:
    app = Function()
    app.center.seconds = 90
    first = asyncio.create_task(app.deliver())
    await asyncio.sleep(0)
    problem = await app.fails()
    assert (problem.code, problem.kind.status) == ("operation_in_progress", 503)
    assert problem.outcome is Outcome.UNKNOWN
    assert problem.kind.retryable
    assert problem.retry_after is not None
    assert 1 <= problem.retry_after <= 10
    assert 23 <= monotonic() <= 25
    answer, _ = await first
    assert await app.deliver() == (answer, True)


@in_virtual_time
async def test_who_may_not_wait_is_told_at_once() -> None:
    app = Function(longest_wait=0)
    first = asyncio.create_task(app.deliver())
    await asyncio.sleep(0)
    assert (await app.fails()).code == "operation_in_progress"
    assert monotonic() == 0
    await first


@in_virtual_time
async def test_a_twin_does_not_wait_beyond_its_own_deadline() -> None:
    app = Function()
    app.center.seconds = 90
    first = asyncio.create_task(app.deliver())
    await asyncio.sleep(0)
    with pytest.raises(Problem, match="operation_in_progress"):
        await app.deliver(seconds=3)
    assert monotonic() <= 3
    await first


@pytest.mark.parametrize("jump", [-3600.0, 30.0])
@in_virtual_time
async def test_a_clock_that_is_set_does_not_change_how_long_a_twin_waits(jump: float) -> None:
    app = Function()
    app.center.seconds = 90
    first = asyncio.create_task(app.deliver())
    await asyncio.sleep(0)
    second = asyncio.create_task(app.fails())
    await asyncio.sleep(1)
    app.clock.shift = jump
    assert (await second).code == "operation_in_progress"
    assert 23 <= monotonic() <= 25
    await first


@in_virtual_time
async def test_another_cart_is_refused_without_waiting_for_the_twin() -> None:
    app = Function()
    first = asyncio.create_task(app.deliver())
    await asyncio.sleep(0)
    assert (await app.fails(OTHER_BODY)).code == "idempotency_key_reused"
    assert monotonic() == 0
    await first


@in_virtual_time
async def test_a_lease_that_ends_while_a_twin_waits_is_taken_over() -> None:
    app = Function()
    app.center.ends = [Killed()]
    with pytest.raises(Killed):
        await app.deliver(seconds=1)  # the lease ends 21 seconds after its beginning
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    assert len(set(app.center.request_ids)) == 1
    assert app.center.resumptions == [False, True]
    assert 21 <= monotonic() - app.center.seconds <= 23
    assert app.store.record.epoch == 0


@in_virtual_time
async def test_of_many_twins_one_takes_over() -> None:
    app = Function()
    app.center.ends = [Killed()]
    with pytest.raises(Killed):
        await app.deliver(seconds=1)
    answers = await asyncio.gather(*(app.deliver() for _ in range(20)))
    assert {answer.body["id"] for answer, _ in answers} == {"cart-1"}
    assert sum(not replayed for _, replayed in answers) == 1
    assert app.center.resumptions == [False, True]


@in_virtual_time
async def test_a_waiting_twin_takes_over_what_was_given_up() -> None:
    app = Function()
    app.center.ends = [UNKNOWN]
    first = asyncio.create_task(app.fails())
    await asyncio.sleep(0)
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    assert (await first).code == "partner_center_timeout"
    assert len(set(app.center.request_ids)) == 1
    assert app.center.resumptions == [False, True]


@in_virtual_time
async def test_a_waiting_twin_tries_anew_what_was_rejected() -> None:
    app = Function()
    app.center.ends = [NOT_SENT]
    first = asyncio.create_task(app.fails())
    await asyncio.sleep(0)
    answer, _ = await app.deliver()
    assert (await first).code == "partner_center_unreachable"
    assert answer.body == {"id": "cart-1"}
    assert len(set(app.center.request_ids)) == 2
    assert app.center.resumptions == [False, False]


# --- how a run ends ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", [UNKNOWN, UNKNOWN_400, RuntimeError("a bug"), ValueError()])
@in_virtual_time
async def test_what_may_have_been_done_is_resumed_under_the_same_request_id(
    end: Exception,
) -> None:
    app = Function()
    app.center.ends = [end]
    with pytest.raises(type(end)) as caught:
        await app.deliver()
    assert caught.value is end
    assert (app.store.record.state, app.store.record.epoch) == ("unknown", 0)
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    assert len(set(app.center.request_ids)) == 1
    assert app.center.resumptions == [False, True]
    assert (await app.deliver())[1]


@pytest.mark.parametrize(
    "end",
    [
        REJECTED,
        NOT_SENT,
        Problem("partner_center_throttled", "no", retry_after=60),
        Problem("token_unavailable", "no"),
        Problem("deadline_exceeded", "no"),
    ],
    ids=lambda problem: problem.code,
)
@in_virtual_time
async def test_what_was_certainly_not_done_is_tried_anew_under_another_request_id(
    end: Problem,
) -> None:
    app = Function()
    app.center.ends = [end]
    assert await app.fails() is end
    assert (app.store.record.state, app.store.record.epoch) == ("released", 1)
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    assert len(set(app.center.request_ids)) == 2
    assert app.center.resumptions == [False, False]
    assert (app.store.record.state, app.store.record.epoch) == ("completed", 1)


@in_virtual_time
async def test_every_release_raises_the_epoch() -> None:
    app = Function()
    app.center.ends = [REJECTED, NOT_SENT, REJECTED]
    for _ in range(3):
        await app.fails()
    await app.deliver()
    assert len(set(app.center.request_ids)) == 4
    assert app.store.record.epoch == 3


@in_virtual_time
async def test_after_a_release_a_corrected_cart_may_use_the_key() -> None:
    app = Function()
    app.center.ends = [REJECTED]
    await app.fails(BODY)
    answer, _ = await app.deliver(OTHER_BODY)
    assert await app.deliver(OTHER_BODY) == (answer, True)
    assert (await app.fails(BODY)).code == "idempotency_key_reused"


@in_virtual_time
async def test_while_it_is_unknown_no_other_cart_may_use_the_key() -> None:
    app = Function()
    app.center.ends = [UNKNOWN]
    await app.fails()
    assert (await app.fails(OTHER_BODY)).code == "idempotency_key_reused"
    assert app.store.record.state == "unknown"


@pytest.mark.parametrize("end", [REJECTED, NOT_SENT], ids=["rejected", "not-sent"])
@in_virtual_time
async def test_what_was_once_unknown_is_never_released(end: Problem) -> None:
    """Though this run certainly did nothing: an earlier one may have, and the work says so."""
    app = Function()
    app.center.ends = [UNKNOWN, end, end]
    for _ in range(3):
        await app.fails()
        assert (app.store.record.state, app.store.record.epoch) == ("unknown", 0)
    answer, _ = await app.deliver()
    assert answer.body == {"id": "cart-1"}
    assert len(set(app.center.request_ids)) == 1
    assert app.center.resumptions == [False, True, True, True]


@in_virtual_time
async def test_what_was_taken_over_is_never_released() -> None:
    app = Function()
    app.center.ends = [Killed(), REJECTED]
    with pytest.raises(Killed):
        await app.deliver()
    await asyncio.sleep(LEASE)
    await app.fails()
    assert (app.store.record.state, app.store.record.epoch) == ("unknown", 0)


@in_virtual_time
async def test_a_record_that_expired_is_run_anew_under_another_request_id() -> None:
    app = Function()
    await app.deliver()
    app.clock.shift = RETENTION.total_seconds() - 0.001
    assert (await app.deliver())[1]
    app.clock.shift = RETENTION.total_seconds()
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-2"}, False)
    assert len(set(app.center.request_ids)) == 2
    assert app.center.resumptions == [False, False]
    assert await app.deliver() == (answer, True)


@in_virtual_time
async def test_an_expired_record_does_not_stand_in_the_way_of_another_cart() -> None:
    app = Function()
    await app.deliver()
    app.clock.shift = RETENTION.total_seconds()
    answer, _ = await app.deliver(OTHER_BODY)
    assert answer.body == {"id": "cart-2"}


@in_virtual_time
async def test_a_takeover_goes_under_the_id_on_record_even_if_this_release_would_make_another() -> (
    None
):
    """A rolling update may bring another namespace or fingerprint; what was sent stays sent."""
    app = Function()
    app.center.ends = [UNKNOWN]
    await app.fails()
    name = OPERATION.record_name()
    left = app.store.record
    steps = [step.model_copy(update={"request_id": "of-an-older-release"}) for step in left.steps]
    stored = await app.store.inner.read(name)
    assert stored
    await app.store.inner.replace(name, left.model_copy(update={"steps": steps}), stored.version)
    await app.deliver()
    assert app.center.request_ids[-1] == "of-an-older-release"
    assert app.store.record.steps[0].request_id == "of-an-older-release"
    assert app.store.record.fingerprint == left.fingerprint


# --- lost answers -----------------------------------------------------------------------------


@in_virtual_time
async def test_a_claim_whose_answer_got_lost_is_ours() -> None:
    app = Function()
    app.store.fails("create", "met itself")
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    assert monotonic() == app.center.seconds
    assert app.center.resumptions == [False]
    assert await app.deliver() == (answer, True)


@in_virtual_time
async def test_a_completion_whose_answer_got_lost_is_ours() -> None:
    app = Function()
    app.store.fails("replace", "met itself")
    answer, _ = await app.deliver()
    assert warnings(answer) == []
    assert await app.deliver() == (answer, True)
    assert app.store.calls.count("replace") == 1


@in_virtual_time
async def test_a_completion_that_is_written_twice_is_written_once() -> None:
    app = Function()
    app.store.fails("replace", "lost")
    answer, _ = await app.deliver()
    assert warnings(answer) == []
    assert [record.state for record in app.store.written] == ["in_progress", "completed"]
    assert await app.deliver() == (answer, True)


@in_virtual_time
async def test_a_completion_is_ours_even_if_it_takes_long_to_find_out() -> None:
    app = Function()
    app.store.fails("replace", "lost", "down", "down")
    app.store.fails("read", "down", "down")
    answer, _ = await app.deliver()
    assert warnings(answer) == []


@pytest.mark.parametrize(
    ("end", "resumed"), [(UNKNOWN, True), (REJECTED, False)], ids=["takeover", "after-release"]
)
@in_virtual_time
async def test_a_second_claim_whose_answer_got_lost_is_ours(end: Problem, resumed: bool) -> None:
    app = Function()
    app.center.ends = [end]
    await app.fails()
    app.store.fails("replace", "met itself")
    answer, replayed = await app.deliver()
    assert (answer.body, replayed, warnings(answer)) == ({"id": "cart-1"}, False, [])
    assert app.center.resumptions == [False, resumed]
    assert await app.deliver() == (answer, True)


@pytest.mark.parametrize("fault", ["met itself", "lost"])
@pytest.mark.parametrize(
    ("end", "state"), [(UNKNOWN, "unknown"), (REJECTED, "released")], ids=["unknown", "released"]
)
@in_virtual_time
async def test_a_run_given_up_stays_so_though_the_stores_answer_got_lost(
    fault: Fault, end: Problem, state: str
) -> None:
    app = Function()
    app.center.ends = [end]
    app.store.fails("replace", fault)
    assert await app.fails() is end
    assert app.store.record.state == state
    assert (await app.deliver())[0].body == {"id": "cart-1"}
    assert len(app.center.carts) == 1


@in_virtual_time
async def test_two_writes_never_carry_the_same_nonce() -> None:
    app = Function()
    app.center.ends = [REJECTED, UNKNOWN, None]
    await app.fails()
    await app.fails()
    await app.deliver()
    nonces = [record.nonce for record in app.store.written]
    assert len(nonces) == len(set(nonces)) == 6


# --- the store is away ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["down", "lost"])
@in_virtual_time
async def test_without_a_claim_nothing_is_done(fault: Fault) -> None:
    app = Function()
    app.store.fails("create", fault)
    problem = await app.fails()
    assert (problem.code, problem.kind.status) == ("store_unavailable", 503)
    assert problem.kind.retryable
    assert problem.outcome is Outcome.UNKNOWN  # an earlier delivery may have made the cart
    assert problem.detail.endswith(" This request sent nothing.")
    assert app.center.heard == []


@in_virtual_time
async def test_the_stores_reason_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = Function()
    app.store.reason = "The store answered 403."
    app.store.fails("create", "down")
    assert (await app.fails()).detail == "The store answered 403. This request sent nothing."
    app.store.fails("replace", "down", times=1000)
    with caplog.at_level(logging.WARNING, "cart_core.idempotency.runner"):
        answer, _ = await app.deliver()
    assert warnings(answer) == ["not_recorded"]
    assert [record.getMessage() for record in caplog.records] == [
        f"not recorded, correlation id {CUSTOMER}: The store answered 403."
    ]


@in_virtual_time
async def test_a_claim_that_nobody_knows_of_costs_time_and_no_cart() -> None:
    app = Function(longest_wait=LEASE + 10)
    app.store.fails("create", "lost")
    await app.fails()
    answer, _ = await app.deliver(seconds=LEASE + 50)
    assert answer.body == {"id": "cart-1"}
    assert len(app.center.carts) == 1
    assert app.center.resumptions == [True]


@pytest.mark.parametrize("call", ["read", "replace"])
@pytest.mark.parametrize("fault", ["down", "lost"])
@in_virtual_time
async def test_without_the_second_claim_nothing_is_done_either(call: str, fault: Fault) -> None:
    app = Function()
    app.center.ends = [UNKNOWN]
    await app.fails()
    app.store.fails(call, "down" if call == "read" else fault)
    problem = await app.fails()
    assert (problem.code, problem.outcome) == ("store_unavailable", Outcome.UNKNOWN)
    assert problem.detail.endswith("This request sent nothing.")
    assert len(app.center.heard) == 1


@in_virtual_time
async def test_a_store_that_goes_away_while_a_twin_waits_is_told() -> None:
    app = Function()
    first = asyncio.create_task(app.deliver())
    await asyncio.sleep(0)
    app.store.fails("read", "", "", "down")
    assert (await app.fails()).code == "store_unavailable"
    answer, _ = await first
    assert await app.deliver() == (answer, True)


@in_virtual_time
async def test_a_store_that_comes_back_in_time_learns_of_the_cart() -> None:
    app = Function()
    app.store.fails("replace", "down", times=8)
    answer, _ = await app.deliver()
    assert warnings(answer) == []
    assert app.store.record.state == "completed"
    assert monotonic() < DEADLINE
    assert await app.deliver() == (answer, True)


@in_virtual_time
async def test_a_store_that_stays_away_costs_nobody_the_cart() -> None:
    app = Function()
    app.store.fails("replace", "down", times=1000)
    answer, replayed = await app.deliver()
    assert (answer.status, answer.body["id"], replayed) == (201, "cart-1", False)
    assert warnings(answer) == ["not_recorded"]
    assert DEADLINE - 5 < monotonic() <= DEADLINE
    assert app.store.record.state == "in_progress"
    app.store.faults.clear()
    await asyncio.sleep(LEASE - monotonic())
    again, replayed = await app.deliver()
    assert (again.body, replayed) == ({"id": "cart-1"}, False)
    assert app.center.resumptions == [False, True]
    assert len(set(app.center.request_ids)) == 1


@in_virtual_time
async def test_the_warning_comes_after_those_that_the_cart_has() -> None:
    app = Function()
    app.store.fails("replace", "down", times=1000)
    body = {"id": "1", "warnings": [{"pointer": "", "code": "mine", "detail": ""}]}
    given = StoredAnswer(status=201, headers={}, body=body)

    async def work(todo: Work) -> StoredAnswer:
        return given

    answer, _ = await app.deliver(work=work)
    assert warnings(answer) == ["mine", "not_recorded"]
    assert warnings(given) == ["mine"]


@in_virtual_time
async def test_an_answer_at_the_very_end_is_still_recorded() -> None:
    app = Function()
    app.center.seconds = DEADLINE
    answer, _ = await app.deliver()
    assert warnings(answer) == []
    assert await app.deliver() == (answer, True)


@in_virtual_time
async def test_giving_up_is_tried_once_and_does_not_hide_why() -> None:
    app = Function()
    app.center.ends = [REJECTED]
    app.store.fails("replace", "down")
    assert await app.fails() is REJECTED
    assert monotonic() == app.center.seconds
    assert app.store.record.state == "in_progress"
    await asyncio.sleep(LEASE)
    answer, _ = await app.deliver()
    assert answer.body == {"id": "cart-1"}
    assert app.center.resumptions == [False, True]


@in_virtual_time
async def test_a_record_that_vanishes_is_claimed_afresh() -> None:
    """The lifecycle rule collects it between our create and our read."""
    app = Function()
    await app.deliver()
    read = app.store.read

    async def vanishing(name: str) -> Any:
        if app.store.inner._records:
            app.store.inner._records.clear()
            app.store.read = read  # type: ignore[method-assign]
        return await read(name)

    app.store.read = vanishing  # type: ignore[method-assign]
    answer, replayed = await app.deliver()
    assert not replayed
    assert answer.body == {"id": "cart-1"}  # the same request id, so the same cart
    assert app.store.record.state == "completed"


@in_virtual_time
async def test_a_record_that_vanishes_before_its_takeover_takes_no_doubt_with_it() -> None:
    app = Function()
    app.center.ends = [REJECTED, UNKNOWN]
    await app.fails()
    await app.fails()
    replace = app.store.replace

    async def vanishing(*_: Any) -> None:
        app.store.inner._records.clear()
        app.store.replace = replace  # type: ignore[method-assign]

    app.store.replace = vanishing  # type: ignore[method-assign, assignment]
    answer, _ = await app.deliver()
    assert answer.body == {"id": "cart-1"}
    assert app.center.request_ids[1] == app.center.request_ids[2]
    assert app.center.resumptions == [False, False, True]


@in_virtual_time
async def test_a_store_that_contradicts_itself_does_not_keep_us_for_ever() -> None:
    app = Function()

    async def nothing(*_: Any) -> Any:
        await asyncio.sleep(1)

    app.store.create = app.store.read = nothing  # type: ignore[method-assign, assignment]
    problem = await app.fails()
    assert (problem.code, problem.outcome) == ("operation_in_progress", Outcome.UNKNOWN)
    assert problem.retry_after == 1
    assert monotonic() <= DEADLINE + 2
    assert app.center.heard == []


# --- slower than the lease --------------------------------------------------------------------


def slowly(app: Function, seconds: float) -> Job:
    """The work of a process that stands still for so long once it has its answer."""

    async def work(todo: Work) -> StoredAnswer:
        try:
            return await app.center(todo)
        finally:
            await asyncio.sleep(seconds)

    return work


@pytest.mark.parametrize("end", [None, REJECTED, UNKNOWN, RuntimeError()], ids=repr)
@in_virtual_time
async def test_a_slow_first_run_cannot_overwrite_its_successor(end: Exception | None) -> None:
    app = Function()
    app.center.ends = [end]
    first = asyncio.create_task(app.deliver(work=slowly(app, 300)))
    await asyncio.sleep(LEASE)
    second, _ = await app.deliver()
    before = app.store.record
    (result,) = await asyncio.gather(first, return_exceptions=True)
    assert monotonic() >= 300
    assert app.store.record is before
    assert (before.state, before.answer) == ("completed", second)
    if end is None or end is REJECTED:
        assert result == (second, True)
    else:
        assert result is end
    assert len(set(app.center.request_ids)) == 1
    assert await app.deliver() == (second, True)


@pytest.mark.parametrize("end", [None, REJECTED, UNKNOWN], ids=repr)
@in_virtual_time
async def test_a_slow_first_run_cannot_end_what_its_successor_is_at(
    end: Exception | None,
) -> None:
    app = Function()
    app.center.ends = [end]
    first = asyncio.create_task(app.deliver(work=slowly(app, LEASE)))  # ends 5 seconds later
    await asyncio.sleep(LEASE)
    second = asyncio.create_task(app.deliver(work=slowly(app, 10)))
    (result,) = await asyncio.gather(first, return_exceptions=True)
    if end is UNKNOWN:
        assert result is end
    else:
        assert isinstance(result, Problem)
        assert (result.code, result.outcome) == ("operation_in_progress", Outcome.UNKNOWN)
        assert result.retry_after == 10  # the successor's lease has much longer to go
    assert not second.done()
    answer, replayed = await second
    assert (warnings(answer), replayed) == ([], False)
    states = [record.state for record in app.store.written]
    assert states == ["in_progress", "in_progress", "completed"]


@in_virtual_time
async def test_who_lost_the_lease_is_not_given_the_answer_to_another_cart() -> None:
    app = Function()
    first = asyncio.create_task(app.fails(work=slowly(app, LEASE + 1)))
    await asyncio.sleep(LEASE)
    app.clock.shift = RETENTION.total_seconds()  # the first one's record is out of date
    await app.deliver({"lineItems": [{"id": 7}]})
    overtaken = await first
    assert (overtaken.code, overtaken.outcome) == ("operation_in_progress", Outcome.UNKNOWN)


@in_virtual_time
async def test_a_record_that_vanishes_at_the_end_is_told() -> None:
    app = Function()
    first = asyncio.create_task(app.deliver(work=slowly(app, 10)))
    await asyncio.sleep(5)
    app.store.inner = MemoryStore()
    answer, replayed = await first
    assert (warnings(answer), replayed) == (["not_recorded"], False)


@in_virtual_time
async def test_a_clock_that_is_put_forward_starts_no_second_operation() -> None:
    """Two processes are at it then, but under one request id."""
    app = Function()
    first = asyncio.create_task(app.fails())
    await asyncio.sleep(1)
    app.clock.shift = LEASE
    (second, replayed), overtaken = await asyncio.gather(app.deliver(), first)
    assert (second.body, replayed) == ({"id": "cart-1"}, False)
    assert (overtaken.code, overtaken.outcome) == ("operation_in_progress", Outcome.UNKNOWN)
    assert len(set(app.center.request_ids)) == 1
    assert await app.deliver() == (second, True)


@in_virtual_time
async def test_who_lost_the_lease_hands_on_what_the_successor_put_on_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not its own answer, which nobody will ever hear again."""
    app = Function()

    async def slow(todo: Work) -> StoredAnswer:
        answer = await slowly(app, LEASE)(todo)
        return answer.model_copy(update={"headers": {"MS-CV": "of the first"}})

    first = asyncio.create_task(app.deliver(work=slow))
    await asyncio.sleep(LEASE - 1)
    app.clock.shift = 1
    second, _ = await app.deliver()
    with caplog.at_level(logging.WARNING, "cart_core.idempotency.runner"):
        assert await first == (second, True)
    assert second.headers == {"MS-RequestId": app.center.request_ids[0]}
    assert warnings(second) == []
    assert app.center.resumptions == [False, True]
    assert [record.getMessage() for record in caplog.records] == [
        f"lost the lease, correlation id {CUSTOMER}"
    ]


@pytest.mark.parametrize(("later", "replayed"), [(0.001, True), (-0.001, False)])
@in_virtual_time
async def test_the_successors_last_write_is_where_the_answer_turns(
    later: float, replayed: bool
) -> None:
    app = Function()
    first = asyncio.create_task(app.deliver(work=slowly(app, LEASE + later)))
    await asyncio.sleep(LEASE)
    second = asyncio.create_task(app.deliver())
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(results[1], tuple)
    if replayed:
        assert results[0] == (results[1][0], True)
    else:
        assert isinstance(results[0], Problem)
        assert results[0].code == "operation_in_progress"


@pytest.mark.parametrize("end", [UNKNOWN, REJECTED, Killed()], ids=["unknown", "rejected", "over"])
@in_virtual_time
async def test_who_lost_the_lease_to_one_who_failed_is_told_to_come_back(
    end: BaseException,
) -> None:
    app = Function()
    first = asyncio.create_task(app.fails(work=slowly(app, 300)))
    await asyncio.sleep(LEASE)
    app.center.ends = [end]
    with contextlib.suppress(Problem, Killed):
        await app.deliver()
    problem = await first
    assert (problem.code, problem.outcome) == ("operation_in_progress", Outcome.UNKNOWN)
    assert problem.retry_after
    assert 1 <= problem.retry_after <= 10
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    assert len(set(app.center.request_ids)) == 1
    assert app.center.resumptions == [False, True, True]


@in_virtual_time
async def test_who_cannot_find_out_whether_the_lease_is_lost_says_so() -> None:
    """The write is refused, and then nobody can say what is on record instead."""
    app = Function()
    first = asyncio.create_task(app.deliver(work=slowly(app, 300)))
    await asyncio.sleep(LEASE)
    second, _ = await app.deliver()
    app.store.fails("read", "down", times=1000)
    answer, replayed = await first
    assert (answer.body["id"], replayed) == (second.body["id"], False)
    assert warnings(answer) == ["not_recorded"]


@in_virtual_time
async def test_a_lease_is_not_renewed() -> None:
    app = Function()
    app.center.seconds = 90
    await app.deliver()
    assert {record.lease_until for record in app.store.written} == {
        START + timedelta(seconds=LEASE)
    }


# --- what it costs ----------------------------------------------------------------------------


@in_virtual_time
async def test_storage_calls_first_run_and_replay() -> None:
    app = Function()
    await app.deliver()
    assert app.store.calls == ["create", "replace"]
    app.store.calls.clear()
    await app.deliver()
    assert app.store.calls == ["create", "read"]


@pytest.mark.parametrize("end", [UNKNOWN, REJECTED], ids=["takeover", "after-release"])
@in_virtual_time
async def test_storage_calls_of_a_second_run(end: Problem) -> None:
    app = Function()
    app.center.ends = [end]
    await app.fails()
    app.store.calls.clear()
    await app.deliver()
    assert app.store.calls == ["create", "read", "replace", "replace"]


@in_virtual_time
async def test_storage_calls_of_a_twin_one_for_each_poll() -> None:
    app = Function()
    app.center.seconds = 1
    first = asyncio.create_task(app.deliver())
    await asyncio.sleep(0)
    app.store.calls.clear()
    await app.deliver()
    app.store.calls.remove("replace")  # the first run's
    assert app.store.calls == ["create", "read"] + ["read"] * 3  # after 0.2, 0.6 and 1.4 s
    await first


# --- where a process dies ---------------------------------------------------------------------


class Crash:
    """One delivery that dies at a certain point, and what the next one finds."""

    def __init__(self, point: str, death: type[BaseException]) -> None:
        self.app = Function()
        self.point = point
        self.death = death
        self.app.store.death = death

    async def happens(self) -> None:
        app = self.app
        calls: dict[str, tuple[str, Fault]] = {
            "before the claim": ("create", "killed before"),
            "after the claim": ("create", "killed after"),
            "before the record": ("replace", "killed before"),
            "after the record": ("replace", "killed after"),
        }
        if fault := calls.get(self.point):
            app.store.fails(*fault)
        with pytest.raises(self.death):
            await app.deliver(work=self._work)

    async def _work(self, todo: Work) -> StoredAnswer:
        if self.point == "before sending":
            raise self.death
        if self.point == "after sending":
            self.app.center.ends = [self.death()]
        answer = await self.app.center(todo)
        if self.point == "after the answer":
            raise self.death
        return answer


AT_WORK = [
    "after the claim",
    "before sending",
    "after sending",
    "after the answer",
    "before the record",
]
DEATHS = pytest.mark.parametrize("death", [Killed, asyncio.CancelledError])


@DEATHS
@in_virtual_time
async def test_killed_before_the_claim_the_next_is_the_first(death: type[BaseException]) -> None:
    crash = Crash("before the claim", death)
    await crash.happens()
    app = crash.app
    assert app.store.written == []
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    assert app.center.resumptions == [False]


@DEATHS
@pytest.mark.parametrize("point", AT_WORK)
@in_virtual_time
async def test_killed_at_work_the_next_waits_and_is_told_to_come_back(
    point: str, death: type[BaseException]
) -> None:
    crash = Crash(point, death)
    await crash.happens()
    app = crash.app
    assert app.store.record.state == "in_progress"
    heard = len(app.center.heard)
    assert (await app.fails()).code == "operation_in_progress"
    assert len(app.center.heard) == heard


@DEATHS
@pytest.mark.parametrize("point", AT_WORK)
@in_virtual_time
async def test_killed_at_work_whoever_comes_after_the_lease_makes_the_same_cart(
    point: str, death: type[BaseException]
) -> None:
    crash = Crash(point, death)
    await crash.happens()
    app = crash.app
    await asyncio.sleep(LEASE)
    answer, replayed = await app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, False)
    assert len(set(app.center.request_ids)) == 1
    assert app.center.resumptions[-1]
    assert await app.deliver() == (answer, True)
    assert len(app.center.carts) == 1


@DEATHS
@in_virtual_time
async def test_killed_after_the_record_the_next_is_a_replay(death: type[BaseException]) -> None:
    crash = Crash("after the record", death)
    await crash.happens()
    answer, replayed = await crash.app.deliver()
    assert (answer.body, replayed) == ({"id": "cart-1"}, True)
    assert len(crash.app.center.heard) == 1


@pytest.mark.parametrize("point", AT_WORK)
@in_virtual_time
async def test_killed_twice_it_is_still_one_cart(point: str) -> None:
    crash = Crash(point, Killed)
    await crash.happens()
    await asyncio.sleep(LEASE)
    if point == "after the claim":
        crash.app.store.fails("replace", "killed after")
        crash.point = ""
    elif point == "before the record":
        crash.app.store.fails("replace", "", "killed before")
        crash.point = ""
    await crash.happens()
    await asyncio.sleep(LEASE)
    app = crash.app
    answer, _ = await app.deliver()
    assert answer.body == {"id": "cart-1"}
    assert len(app.center.carts) == len(set(app.center.request_ids)) == 1
    assert app.store.record.epoch == 0


@DEATHS
@pytest.mark.parametrize("fault", ["killed before", "killed after"])
@in_virtual_time
async def test_killed_at_the_release_nothing_is_lost(
    fault: Fault, death: type[BaseException]
) -> None:
    app = Function()
    app.store.death = death
    app.center.ends = [REJECTED]
    app.store.fails("replace", fault)
    with pytest.raises(death):
        await app.deliver()
    await asyncio.sleep(LEASE)
    answer, _ = await app.deliver()
    assert answer.body == {"id": "cart-1"}
    assert len(set(app.center.request_ids)) == (1 if fault == "killed before" else 2)


# --- faults of the best-known library, which we do not have -----------------------------------


@in_virtual_time
async def test_an_exception_after_the_effect_does_not_forget_the_operation() -> None:
    """There the record is deleted, and the retry acts a second time."""
    app = Function()

    async def work(todo: Work) -> StoredAnswer:
        await app.center(todo)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await app.deliver(work=work)
    await app.deliver()
    assert len(app.center.carts) == 1
    assert len(set(app.center.request_ids)) == 1


@in_virtual_time
async def test_an_operation_within_another_ends_under_its_own_key() -> None:
    """There the inner key replays the outer answer, and the outer one never ends."""
    app = Function()
    inner = OperationId("create_cart", CUSTOMER, None, "inner")

    async def work(todo: Work) -> StoredAnswer:
        await app.deliver(OTHER_BODY, operation=inner)
        return await app.center(todo)

    outer_answer, _ = await app.deliver(work=work)
    inner_answer, replayed = await app.deliver(OTHER_BODY, operation=inner)
    assert replayed
    assert (inner_answer.body["id"], outer_answer.body["id"]) == ("cart-1", "cart-2")
    assert await app.deliver() == (outer_answer, True)


@in_virtual_time
async def test_an_empty_answer_is_replayed_as_what_it_was() -> None:
    """There `{}` comes back as nothing."""
    app = Function()
    empty = StoredAnswer(status=201, headers={}, body={})

    async def work(todo: Work) -> StoredAnswer:
        return empty

    await app.deliver(work=work)
    answer, replayed = await app.deliver()
    assert (answer, replayed) == (empty, True)
    assert app.center.heard == []


@in_virtual_time
async def test_a_completion_is_written_under_the_lease_or_not_at_all() -> None:
    """There it is unconditional: who outlived the lease overwrites the successor."""
    app = Function()
    first = asyncio.create_task(app.deliver(work=slowly(app, 300)))
    await asyncio.sleep(LEASE)
    await app.deliver()
    kept = app.store.record
    answer, replayed = await first
    assert app.store.record is kept
    assert (answer, replayed) == (kept.answer, True)
    assert warnings(answer) == []


@in_virtual_time
async def test_every_write_keeps_the_fingerprint_and_who_asked() -> None:
    """There one store's completion drops it, and an honest retry is refused."""
    app = Function()
    app.center.ends = [REJECTED, UNKNOWN, None]
    await app.fails()
    await app.fails()
    await app.deliver()
    states = [record.state for record in app.store.written]
    assert states[0::2] == ["in_progress"] * 3
    assert states[1::2] == ["released", "unknown", "completed"]
    told = {
        (r.operation, r.customer_id, r.caller_id, r.key, r.fingerprint, r.correlation_id)
        for r in app.store.written
    }
    assert len(told) == 1


@pytest.mark.parametrize("end", [None, UNKNOWN, Killed()], ids=["completed", "unknown", "over"])
@in_virtual_time
async def test_no_shortcut_passes_by_the_fingerprint(end: BaseException | None) -> None:
    """There each store's own path had to check it, and some did not."""
    app = Function()
    app.center.ends = [end]
    with contextlib.suppress(Problem, Killed):
        await app.deliver()
    await asyncio.sleep(LEASE)
    assert (await app.fails(OTHER_BODY)).code == "idempotency_key_reused"
    assert len(app.center.heard) == 1


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_times_do_not_depend_on_where_the_machine_stands(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There they are naive and local."""

    @in_virtual_time
    async def deliver() -> None:
        app = Function()
        await app.deliver()
        assert app.store.record.lease_until == START + timedelta(seconds=LEASE)
        assert b"2026-11-22T12:02:00" in app.store.record.to_json()

    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        deliver()
    time.tzset()


@pytest.mark.parametrize("error", [StoreUnavailable("inner"), AttributeError("a bug")])
@in_virtual_time
async def test_an_error_of_the_work_is_not_taken_for_one_of_ours(error: Exception) -> None:
    """There a bug in the handler was reported as a wrong type of event."""
    app = Function()
    app.center.ends = [error]
    with pytest.raises(type(error)) as caught:
        await app.deliver()
    assert caught.value is error
    assert app.store.record.state == "unknown"


@in_virtual_time
async def test_no_time_left_is_not_taken_for_no_limit() -> None:
    """There zero seconds count as none given, and the lease is missing."""
    app = Function()
    await app.deliver(seconds=0)
    assert app.store.record.lease_until == START + timedelta(seconds=MARGIN)
