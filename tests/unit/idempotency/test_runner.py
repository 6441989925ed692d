"""How a call ends, what is recorded of that, and what the next call with its key does."""

import asyncio
import logging
from datetime import timedelta

import pytest

from cart_core.call import Answer, Call
from cart_core.idempotency.claim import Claim
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.store import StoreUnavailable
from cart_core.problem import Outcome, Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import Killed, StoreFault, in_virtual_time, monotonic, within
from tests.unit.idempotency.world import (
    DEADLINE,
    LEASE,
    NOT_SENT,
    OTHER_CONTENT,
    REJECTED,
    REQUEST_SECONDS,
    START,
    UNKNOWN,
    End,
    World,
    done,
    every_plan,
    every_purchase,
    every_step,
    warnings,
)

# --- completed --------------------------------------------------------------------------------


@every_plan
@in_virtual_time
async def test_the_steps_are_done_in_turn_and_the_answer_is_given_again(plan: str) -> None:
    world = World(plan)
    answer = await world.deliver()
    seconds, steps = monotonic(), world.plan.steps
    assert [request.step for request in world.requests] == steps
    assert all(request.first and not request.resumed for request in world.requests)
    for place, request in enumerate(world.requests):
        assert list(request.results) == steps[:place]
        for step, result in zip(request.record.steps, request.results.values(), strict=False):
            assert result == step.result == world.effects[step.request_id] | {"status": "completed"}
    record = world.store.record
    assert [step.request_id for step in record.steps] == list(world.effects)
    assert record.answer == StoredAnswer.of(answer)
    assert [(each.state, each.epoch, sum(done(each))) for each in world.store.written] == [
        *(("in_progress", 0, count) for count in range(len(steps))),
        ("completed", 0, len(steps)),
    ]
    again = await world.deliver()
    assert again == Answer(answer.status, answer.body, answer.headers, replayed=True)
    assert not answer.replayed
    assert (monotonic(), len(world.requests)) == (seconds, len(steps))


# --- in doubt ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        UNKNOWN,
        Problem("partner_center_invalid_request", "no", outcome=Outcome.UNKNOWN),
        RuntimeError("a bug"),
        StoreUnavailable("not ours"),
        Killed(),
    ],
    ids=repr,
)
@every_step
@in_virtual_time
async def test_a_step_that_may_have_taken_effect_is_resumed_under_its_request_id(
    plan: str, step: str, end: BaseException
) -> None:
    """However often it is refused afterwards, which says nothing of the first request."""
    world = World(plan)
    world.ends[step] = [end, REJECTED, NOT_SENT]
    assert await world.ends_somehow() is end
    assert world.store.record.state == ("in_progress" if isinstance(end, Killed) else "unknown")
    await asyncio.sleep(LEASE)
    for _ in range(2):
        problem = await world.ends_somehow()
        assert isinstance(problem, Problem)
        assert problem.outcome is Outcome.UNKNOWN
        assert (world.store.record.state, world.store.record.epoch) == ("unknown", 0)
    answer = await world.deliver()
    assert (answer.replayed, answer.body["number"]) == (False, 1)
    assert [request.resumed for request in world.sent(step)] == [False, True, True, True]
    assert [request.first for request in world.sent(step)] == [True, False, False, False]
    for other in world.plan.steps:
        assert len(world.ids(other)) == 1
        if other != step:
            (request,) = world.sent(other)
            assert (request.resumed, request.first) == (False, True)
    assert (await world.deliver()).body == answer.body
    nonces = {record.nonce for record in world.store.written}
    assert len(nonces) == len(world.store.written)


@every_step
@in_virtual_time
async def test_a_doubt_is_over_when_the_use_case_has_found_out(plan: str, step: str) -> None:
    world = World(plan)
    world.ends[step] = [UNKNOWN]
    await world.ends_somehow()

    async def finds_out(claim: Claim) -> Answer:
        assert claim.resumed
        raise REJECTED

    assert await world.ends_somehow(perform=finds_out) is REJECTED
    assert world.store.record.epoch == 1
    await world.deliver()
    assert [request.resumed for request in world.sent(step)] == [False, False]
    assert len(world.ids(step)) == 2


@pytest.mark.parametrize("sent_before", [False, True])
@pytest.mark.parametrize(("earlier", "resumed"), [(UNKNOWN, True), (REJECTED, False)])
@in_virtual_time
async def test_a_call_that_resumes_may_have_had_its_effect_before_it_sends_anything(
    earlier: Problem, resumed: bool, sent_before: bool
) -> None:
    world = World()
    world.ends["cart"] = [earlier]
    await world.ends_somehow()
    call = Call(CUSTOMER, CUSTOMER, "en-US", within(DEADLINE))
    call.sent.may_have_effect = sent_before  # As it is where a call claims a second operation.
    await world.once.run(call, world.keyed(), world.perform)
    assert call.sent.may_have_effect == (resumed or sent_before)


@pytest.mark.parametrize("broken", ["create", "read", "replace"])
@pytest.mark.parametrize("error", [RecursionError(), MemoryError(), KeyError("a")], ids=repr)
@in_virtual_time
async def test_a_call_that_cannot_claim_for_a_bug_does_not_know_what_an_earlier_one_did(
    broken: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.ends["cart"] = [UNKNOWN]
    await world.ends_somehow()
    call = Call(CUSTOMER, CUSTOMER, "en-US", within(DEADLINE))

    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(world.store, broken, fail)
    with pytest.raises(type(error)):
        await world.once.run(call, world.keyed(), world.perform)
    assert call.sent.may_have_effect
    assert len(world.requests) == 1


# --- certainly not done -----------------------------------------------------------------------


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
@every_step
@in_virtual_time
async def test_a_step_that_was_certainly_not_done_is_done_anew_under_another_request_id(
    plan: str, step: str, end: Problem
) -> None:
    """The steps before it are not repeated."""
    world = World(plan)
    world.ends[step] = [end, NOT_SENT]
    state = "released" if step == world.plan.steps[0] else "open"
    for epoch, expected in enumerate([end, NOT_SENT], start=1):
        assert await world.ends_somehow() is expected
        assert (world.store.record.state, world.store.record.epoch) == (state, epoch)
    answer = await world.deliver()
    assert (answer.replayed, answer.body["number"]) == (False, 1)
    assert (world.store.record.state, world.store.record.epoch) == ("completed", 2)
    assert len(world.ids(step)) == 3
    assert [request.resumed for request in world.sent(step)] == [False, False, False]
    assert [request.first for request in world.sent(step)] == [True, False, False]
    for other in world.plan.steps:
        if other != step:
            (request,) = world.sent(other)
            assert (request.resumed, request.first) == (False, True)


# --- done in part -----------------------------------------------------------------------------


@every_purchase
@in_virtual_time
async def test_an_operation_stays_open_after_an_answer_that_is_not_final(plan: str) -> None:
    world = World(plan)
    world.ends["checkout"] = ["partial", "partial"]
    answers = [await world.deliver() for _ in range(3)]
    assert [answer.body["status"] for answer in answers] == ["partial", "partial", "completed"]
    assert not any(answer.replayed for answer in answers)
    assert [(record.state, record.epoch) for record in world.store.written if record.answer] == [
        ("open", 1),
        ("in_progress", 1),
        ("open", 2),
        ("in_progress", 2),
        ("completed", 2),
    ]
    checkouts = world.sent("checkout")
    assert len(world.ids("checkout")) == 3
    assert [request.first for request in checkouts] == [True, False, False]
    assert not any(request.resumed for request in checkouts)
    earlier = [request.earlier_answer for request in checkouts]
    assert [each and each.body for each in earlier] == [None, answers[0].body, answers[1].body]
    assert len(world.requests) == len(world.plan.steps) + 2
    assert (await world.deliver()).body == answers[2].body


@pytest.mark.parametrize("end", [UNKNOWN, REJECTED, Killed(), RuntimeError()], ids=repr)
@every_purchase
@in_virtual_time
async def test_the_answer_for_a_part_is_not_forgotten_by_any_later_end(
    plan: str, end: BaseException
) -> None:
    """Nor does the key become free for other content."""
    world = World(plan)
    world.ends["checkout"] = ["partial", end]
    partial = await world.deliver()
    assert await world.ends_somehow() is end
    assert world.store.record.answer
    assert world.store.record.answer.body == partial.body
    assert world.store.record.state != "released"
    await asyncio.sleep(LEASE)
    await world.fails(OTHER_CONTENT, code="idempotency_key_reused")
    await world.deliver()
    last = world.requests[-1]
    assert last.earlier_answer
    assert last.earlier_answer.body == partial.body
    assert (last.first, last.resumed) == (False, end is not REJECTED)


# --- expired ----------------------------------------------------------------------------------


@every_plan
@in_virtual_time
async def test_a_record_counts_from_its_last_write_for_as_long_as_the_plan_says(plan: str) -> None:
    world = World(plan)
    answer = await world.deliver()
    assert [record.expires_at - START - world.plan.retention for record in world.store.written] == [
        timedelta(seconds=REQUEST_SECONDS * writes) for writes in range(len(world.store.written))
    ]
    world.clock.shift = world.plan.retention.total_seconds() - 0.001
    assert (await world.deliver()).body == answer.body
    world.clock.shift += 0.001
    assert not (await world.deliver()).replayed


@pytest.mark.parametrize("end", [None, "partial", REJECTED, UNKNOWN], ids=repr)
@every_plan
@in_virtual_time
async def test_an_expired_operation_begins_anew_with_any_content(plan: str, end: End) -> None:
    world = World(plan)
    world.ends[world.plan.steps[-1]] = [end]
    await world.ends_somehow()
    world.clock.shift = world.plan.retention.total_seconds()
    answer = await world.deliver(OTHER_CONTENT)
    assert not answer.replayed
    for step in world.plan.steps:
        last = world.sent(step)[-1]
        assert (last.resumed, last.earlier_answer, len(world.ids(step))) == (False, None, 2)
    begun = world.sent(world.plan.steps[0])[-1]
    assert (begun.first, begun.results) == (False, {})


# --- the store fails at the end ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("replaces", "reads"),
    [
        (["met itself"], []),
        (["lost"], []),
        (["lost", "down", "", ""], ["down", "down"]),
        (["down"] * 8, []),
    ],
    ids=["met-itself", "lost", "long-unsure", "away-for-a-while"],
)
@pytest.mark.parametrize(
    ("plan", "write"), [("create", 0), ("check out", 0), ("order", 0), ("order", 1)]
)
@in_virtual_time
async def test_a_write_is_repeated_until_it_is_certain_and_has_happened_once(
    plan: str, write: int, replaces: list[StoreFault], reads: list[StoreFault]
) -> None:
    world = World(plan)
    world.store.fails("replace", "", times=write)
    world.store.fails("replace", *replaces)
    world.store.fails("read", *reads)
    answer = await world.deliver()
    assert warnings(answer) == []
    assert world.states == ["in_progress"] * len(world.plan.steps) + ["completed"]
    assert len(world.requests) == len(world.plan.steps)
    assert monotonic() < DEADLINE
    assert (await world.deliver()).body == answer.body


@pytest.mark.parametrize("end", [None, "partial"], ids=["whole", "partial"])
@every_purchase
@in_virtual_time
async def test_an_answer_that_cannot_be_recorded_is_given_with_a_warning(
    plan: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(plan)
    world.ends["checkout"] = [end]
    world.store.reason = "The store answered 403."
    world.store.fails("replace", "", times=len(world.plan.steps) - 1)
    world.store.fails("replace", "down", times=1000)
    with caplog.at_level(logging.WARNING, "cart_core.idempotency"):
        answer = await world.deliver()
    assert [record.getMessage() for record in caplog.records] == [
        f"not recorded, correlation id {CUSTOMER}: The store answered 403."
    ]
    assert (answer.status, answer.body["status"]) == (201, end or "completed")
    assert (warnings(answer), answer.replayed) == (["not_recorded"], False)
    assert DEADLINE - 5 < monotonic() <= DEADLINE
    world.store.faults.clear()
    await asyncio.sleep(LEASE - monotonic())
    again = await world.deliver()
    assert (again.body["number"], again.replayed) == (1, False)
    assert world.requests[-1].resumed
    assert len(world.ids("checkout")) == 1


@in_virtual_time
async def test_a_record_that_vanishes_before_the_last_write_is_not_written_again() -> None:
    world = World()
    world.vanish("after cart")
    assert warnings(await world.deliver()) == ["not_recorded"]
    assert world.states == ["in_progress"]


@in_virtual_time
async def test_a_failure_is_recorded_in_one_try_or_the_next_call_waits_for_the_lease() -> None:
    world = World()
    world.ends["cart"] = [REJECTED]
    world.store.fails("replace", "down")
    assert await world.ends_somehow() is REJECTED
    assert monotonic() == REQUEST_SECONDS
    assert world.states == ["in_progress"]
    await world.fails(code="operation_in_progress")
    await asyncio.sleep(LEASE)
    await world.deliver()
    assert [request.resumed for request in world.requests] == [False, True]
