"""How an operation is claimed: by whom, after which wait, and under which MS-RequestIds."""

import asyncio
import itertools
from typing import Any

import pytest

from cart_core.call import Answer
from cart_core.idempotency.claim import Claim
from cart_core.problem import Code, Outcome, Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import Killed, StoreFault, in_virtual_time, monotonic
from tests.unit.idempotency.world import (
    DEADLINE,
    LEASE,
    MARGIN,
    NOT_SENT,
    OTHER_CONTENT,
    REJECTED,
    REQUEST_SECONDS,
    UNKNOWN,
    End,
    World,
    done,
    every_plan,
    every_step,
)


@pytest.mark.parametrize("seconds", [DEADLINE, 0])
@every_plan
@in_virtual_time
async def test_each_step_is_sent_under_a_claim_that_was_written_before(
    plan: str, seconds: float
) -> None:
    world = World(plan)
    await world.deliver(seconds=seconds)
    for place, request in enumerate(world.requests):
        record = request.record
        assert (record.state, record.answer) == ("in_progress", None)
        assert record.steps[place].request_id == request.request_id
        assert done(record) == [step < place for step in range(len(record.steps))]
    assert set(world.store.lease_ends) == {seconds + MARGIN}  # No later write renews a lease.
    assert world.store.record.state == "completed"


# --- the key belongs to nobody ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "another", "told"),
    [(None, "two", 0), ("one", None, 0), ("one", "one", 0), ("one", "two", 1)],
    ids=["signed-in-from-now-on", "no-more-signed-in", "the-same", "another-owner"],
)
@pytest.mark.parametrize("end", [None, UNKNOWN, NOT_SENT, Killed()], ids=repr)
@every_plan
@in_virtual_time
async def test_whoever_repeats_an_operation_goes_on_with_it_and_does_it_once(
    plan: str,
    end: End,
    one: str | None,
    another: str | None,
    told: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That another caller did it before is logged, where both are known, but not who they are."""
    world = World(plan)
    world.ends[world.plan.steps[-1]] = [end]
    await world.ends_somehow(caller=one)
    await asyncio.sleep(LEASE)
    answer = await world.deliver(caller=another)
    assert (answer.body["number"], answer.replayed) == (1, end is None)
    assert len(world.effects) == len(world.plan.steps)
    assert world.store.written[0].caller_id == one
    assert world.store.record.caller_id == (another if end else one)
    assert [record.getMessage() for record in caplog.records] == [
        f"another caller used the key before, correlation ids {CUSTOMER} and {CUSTOMER}"
    ] * told


# --- another call works on the operation ------------------------------------------------------


@every_plan
@in_virtual_time
async def test_fifty_calls_with_one_key_have_one_effect_and_one_answer(plan: str) -> None:
    world = World(plan)
    answers = await asyncio.gather(*(world.deliver() for _ in range(50)))
    assert len({str(answer.body) for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert [request.step for request in world.requests] == world.plan.steps


@pytest.mark.parametrize(
    ("longest_wait", "seconds", "pauses"),
    [
        (25, DEADLINE, [0.2, 0.4, 0.8, 1.6, *[2.0] * 11]),
        (25, 2, [0.2, 0.4, 0.8, 0.6]),
        (0, DEADLINE, []),
    ],
)
@in_virtual_time
async def test_a_waiting_call_looks_less_and_less_often_and_then_gives_up(
    longest_wait: float, seconds: float, pauses: list[float]
) -> None:
    """At its deadline at the latest."""
    world = World(longest_wait=longest_wait)
    world.seconds["cart"] = [90]
    first = await world.start()
    looks: list[float] = []
    world.store.point = lambda at: looks.append(monotonic()) if at == "before read" else None
    problem = await world.fails(code="operation_in_progress", seconds=seconds)
    between = [later - look for look, later in itertools.pairwise([*looks, monotonic()])]
    assert [pause for pause in between if pause > 1e-6] == pytest.approx(pauses)
    assert (problem.kind.status, problem.kind.retryable) == (503, True)
    assert problem.outcome is Outcome.UNKNOWN
    assert len(world.requests) == 1
    await first
    assert (await world.deliver()).replayed


@pytest.mark.parametrize(("later", "retry_after"), [(0, 10), (15, 6), (20.9, 1)])
@in_virtual_time
async def test_a_caller_is_asked_to_come_back_when_the_lease_is_over(
    later: float, retry_after: int
) -> None:
    """In 1 to 10 seconds."""
    world = World(longest_wait=0)
    world.seconds["cart"], world.ends["cart"] = [0], [Killed()]
    await world.ends_somehow(seconds=1)  # Its lease lasts 21 seconds.
    await asyncio.sleep(later)
    problem = await world.fails(code="operation_in_progress")
    assert problem.retry_after == retry_after


@pytest.mark.parametrize("code", ["partner_center_throttled", "partner_center_unreachable"])
@every_plan
@in_virtual_time
async def test_what_passes_by_itself_does_not_change_what_is_sent_again(
    plan: str, code: Code
) -> None:
    """An earlier call may have made a cart under this MS-RequestId."""
    world = World(plan)
    first = world.plan.steps[0]
    world.ends[first] = [UNKNOWN]
    await world.fails(code=UNKNOWN.code)

    async def passing(claim: Claim) -> Answer:
        assert claim.resumed
        raise Problem(code, "It will pass.")

    await world.fails(code=code, perform=passing)
    await world.deliver()
    assert len(world.ids(first)) == 1


@pytest.mark.parametrize("refused", [REJECTED, NOT_SENT], ids=["rejected", "not-sent"])
@every_plan
@in_virtual_time
async def test_a_call_that_waited_for_a_refused_one_does_not_begin_anew(
    plan: str, refused: Problem
) -> None:
    """Its caller may have ordered under another key since."""
    world = World(plan)
    last = world.plan.steps[-1]
    world.ends[last] = [refused]
    first = await world.start()
    waiting = await world.start()
    assert isinstance(await first, Problem)
    problem = await waiting
    assert isinstance(problem, Problem)
    assert (problem.code, problem.retry_after) == ("operation_in_progress", 1)
    assert problem.outcome is Outcome.UNKNOWN
    assert len(world.sent(last)) == 1
    await world.deliver()
    assert len(world.sent(last)) == 2


@every_step
@in_virtual_time
async def test_of_many_waiting_calls_one_takes_over_when_the_lease_is_over(
    plan: str, step: str
) -> None:
    world = World(plan, longest_wait=60)
    world.ends[step] = [Killed()]
    await world.ends_somehow(seconds=8)
    answers = await asyncio.gather(*(world.deliver() for _ in range(20)))
    assert sum(not answer.replayed for answer in answers) == 1
    assert [request.resumed for request in world.sent(step)] == [False, True]
    assert len(world.ids(step)) == 1
    took_over = monotonic() - REQUEST_SECONDS * (2 if (plan, step) == ("order", "cart") else 1)
    assert 8 + MARGIN <= took_over <= 8 + MARGIN + 2
    assert world.store.record.epoch == 0


# --- the key belongs to its content -----------------------------------------------------------


@pytest.mark.parametrize("end", [None, UNKNOWN, Killed(), "partial"], ids=repr)
@every_plan
@in_virtual_time
async def test_a_key_is_refused_with_other_content(plan: str, end: End) -> None:
    """At once, while a call works on the operation and afterwards, whatever has come of it."""
    world = World(plan)
    world.ends[world.plan.steps[-1]] = [end]
    first = await world.start()
    problem = await world.fails(OTHER_CONTENT, code="idempotency_key_reused")
    assert (problem.kind.status, problem.outcome) == (422, Outcome.NOT_SENT)
    assert monotonic() == 0
    await first
    await asyncio.sleep(LEASE)
    requests, writes = len(world.requests), len(world.store.written)
    await world.fails(OTHER_CONTENT, code="idempotency_key_reused", caller="another")
    assert (len(world.requests), len(world.store.written)) == (requests, writes)


@every_plan
@in_virtual_time
async def test_a_key_is_free_for_other_content_if_nothing_came_of_the_first(plan: str) -> None:
    world = World(plan)
    world.ends[world.plan.steps[0]] = [REJECTED]
    assert await world.ends_somehow() is REJECTED
    answer = await world.deliver(OTHER_CONTENT)
    assert (await world.deliver(OTHER_CONTENT)).body == answer.body
    await world.fails(code="idempotency_key_reused")


# --- the store --------------------------------------------------------------------------------


@pytest.mark.parametrize("earlier", [None, UNKNOWN, REJECTED], ids=repr)
@in_virtual_time
async def test_a_claim_is_known_again_although_the_stores_answer_was_lost(
    earlier: Problem | None,
) -> None:
    world = World()
    if earlier:
        world.ends["cart"] = [earlier]
        await world.ends_somehow()
    begun = monotonic()
    world.store.fails("replace" if earlier else "create", "met itself")
    answer = await world.deliver()
    assert monotonic() - begun == REQUEST_SECONDS
    assert world.requests[-1].resumed == (earlier is UNKNOWN)
    assert world.requests[-1].first == (earlier is None)
    assert (await world.deliver()).body == answer.body


@pytest.mark.parametrize(
    ("earlier", "call", "faults"),
    [
        (None, "create", ["down"]),
        (None, "create", ["lost"]),
        (UNKNOWN, "read", ["down"]),
        (UNKNOWN, "replace", ["down"]),
        (UNKNOWN, "replace", ["lost"]),
        ("partial", "read", ["", "", "down"]),
    ],
)
@in_virtual_time
async def test_nothing_is_sent_without_a_claim(
    earlier: End, call: str, faults: list[StoreFault]
) -> None:
    world = World("check out")
    world.store.reason, world.store.retry_after = "The store answered 403.", 60
    first = None
    if earlier:
        world.ends["checkout"] = [earlier]
        first = await world.start()
        if earlier is UNKNOWN:
            await first
    requests = len(world.requests)
    world.store.fails(call, *faults)
    problem = await world.fails(code="store_unavailable")
    assert (problem.kind.status, problem.kind.retryable) == (503, True)
    assert problem.outcome is Outcome.UNKNOWN  # An earlier call may have had its effect.
    assert problem.detail == "The store answered 403. This request sent nothing."
    assert problem.retry_after == 60
    assert len(world.requests) == requests
    if first:
        await first


@in_virtual_time
async def test_a_takeover_whose_record_vanishes_is_still_one() -> None:
    """What an earlier call may have done does not vanish with the record of it."""
    world = World()
    world.ends["cart"] = [REJECTED, UNKNOWN]
    await world.ends_somehow()
    await world.ends_somehow()
    world.vanish("before replace")
    await world.deliver()
    assert [request.resumed for request in world.requests] == [False, False, True]
    assert world.requests[1].request_id == world.requests[2].request_id


@in_virtual_time
async def test_a_store_that_contradicts_itself_is_given_up_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    async def nothing(*_: Any) -> None:
        await asyncio.sleep(1)
        assert monotonic() < 2 * DEADLINE

    monkeypatch.setattr(world.store, "create", nothing)
    monkeypatch.setattr(world.store, "read", nothing)
    problem = await world.fails(code="operation_in_progress")
    assert problem.retry_after == 1
    assert monotonic() <= DEADLINE + 2
    assert world.requests == []


# --- what it costs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "calls"),
    [
        ([], ["create", "replace"]),
        ([None], ["create", "read"]),
        ([UNKNOWN], ["create", "read", "replace", "replace"]),
        ([REJECTED], ["create", "read", "replace", "replace"]),
    ],
    ids=["first", "replay", "after-an-unknown-end", "after-a-rejection"],
)
@in_virtual_time
async def test_the_store_is_called_no_more_than_needed(
    earlier: list[End], calls: list[str]
) -> None:
    world = World()
    for end in earlier:
        world.ends["cart"] = [end]
        await world.ends_somehow()
    world.store.calls.clear()
    await world.deliver()
    assert world.store.calls == calls
