"""What is done with a bell, for every record on both sides of each moment, and for any history.

The property is the one that everything hangs on: whatever is done with bells, in whatever order
they ring, an operation that somebody has to come back to has a bell that hangs.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.operations.bell import GUARD_SECONDS
from cart_core.operations.decision import (
    LONGEST_HANG,
    SHORTEST_HANG,
    Decision,
    Drop,
    Finish,
    GiveUp,
    HangUp,
    Work,
    decide,
)
from cart_core.operations.operation import MOST_LOST_TRIES, AcceptedOperation
from tests.kit.fakes import EPOCH_SECONDS
from tests.unit.operations.records import HOUR, NOW, SECOND, operation

STATES = ["waiting", "running", "succeeded", "failed", "dead", "parked"]
TICK = timedelta(milliseconds=1)
LEASED = {"lease_until": NOW + 120 * SECOND}


@pytest.mark.parametrize(
    ("state", "members", "after", "decision"),
    [
        ("waiting", {}, 0 * SECOND, Work()),
        ("waiting", {"next_attempt": NOW + 30 * SECOND}, 0 * SECOND, HangUp(30.0)),
        ("waiting", {"next_attempt": NOW + 30 * SECOND}, 30 * SECOND - TICK, HangUp(SHORTEST_HANG)),
        ("waiting", {"next_attempt": NOW + 30 * SECOND}, 30 * SECOND, Work()),
        ("waiting", {"next_attempt": NOW + 24 * HOUR}, 0 * SECOND, HangUp(LONGEST_HANG)),
        ("waiting", {}, 48 * HOUR, Work()),  # The last try, however late it comes.
        ("running", LEASED, 0 * SECOND, HangUp(120.0)),
        ("running", LEASED, 120 * SECOND, Work()),
        ("running", LEASED | {"lost_tries": MOST_LOST_TRIES - 2}, 120 * SECOND, Work()),
        ("running", LEASED | {"lost_tries": MOST_LOST_TRIES - 1}, 120 * SECOND, GiveUp()),
        ("running", LEASED | {"lost_tries": MOST_LOST_TRIES}, 119 * SECOND, HangUp(1.0)),
        ("succeeded", {}, 0 * SECOND, Finish()),
        ("failed", {}, 48 * HOUR, Finish()),
        ("dead", {}, 48 * HOUR, Drop()),
        ("parked", {}, 48 * HOUR, Drop()),
    ],
)
def test_the_decision(
    state: str, members: dict[str, Any], after: timedelta, decision: Decision
) -> None:
    assert decide(operation(state, **members), EPOCH_SECONDS, NOW + after) == decision


@pytest.mark.parametrize(
    ("age", "decision"),
    [
        (0.0, HangUp(GUARD_SECONDS)),
        (GUARD_SECONDS - 0.5, HangUp(SHORTEST_HANG)),
        (GUARD_SECONDS, Drop()),
        (1e9, Drop()),
        (-1e9, HangUp(GUARD_SECONDS)),  # Another instance's clock is ahead.
    ],
)
def test_a_bell_without_a_record_is_kept_until_none_can_come(
    age: float, decision: Decision
) -> None:
    assert decide(None, EPOCH_SECONDS - age, NOW) == decision


# --- any history


@st.composite
def operations(draw: st.DrawFn) -> AcceptedOperation:
    """Any operation: the times stand in any relation to now, as after a crash at any point."""
    near, far = st.integers(-2, 2), st.integers(-200_000, 200_000)
    moments = (near | far).map(lambda seconds: NOW + seconds * SECOND)
    return operation(
        draw(st.sampled_from(["waiting", "running", *STATES])),
        next_attempt=draw(st.none() | moments),
        lease_until=draw(moments),
        accepted_at=draw(moments),
        since=draw(moments),
        tries=draw(st.integers(0, 9)),
        lost_tries=draw(st.integers(0, MOST_LOST_TRIES)),
        deferrals=draw(st.integers(0, 99)),
        outcome=draw(st.sampled_from(["not_sent", "rejected", "unknown"])),
    )


@settings(max_examples=200)
@given(found=operations(), rung=st.floats(0, 4e9))
def test_whoever_has_to_be_come_back_to_keeps_a_bell(found: AcceptedOperation, rung: float) -> None:
    decision = decide(found, rung, NOW)
    due = found.due
    match decision:
        case Drop():
            assert found.state in ("dead", "parked")
        case Finish():
            assert found.state in ("succeeded", "failed")
        case HangUp(seconds):
            assert due
            assert due > NOW, "somebody may work on it now"
            assert SHORTEST_HANG <= seconds <= LONGEST_HANG
            # It rings in time, or earlier and is hung up once more; never much later.
            assert seconds <= max(SHORTEST_HANG, (due - NOW).total_seconds())
        case Work() | GiveUp():
            assert found.state in ("waiting", "running")
            assert due is None or due <= NOW, "it works under somebody's lease, or too early"
            dying = found.state == "running" and found.lost_tries >= MOST_LOST_TRIES - 1
            assert isinstance(decision, GiveUp) == dying


@given(found=operations(), early=st.floats(0, 4e9), late=st.floats(0, 4e9))
def test_how_often_and_since_when_a_bell_rings_makes_no_difference(
    found: AcceptedOperation, early: float, late: float
) -> None:
    assert decide(found, early, NOW) == decide(found, late, NOW)


@settings(max_examples=100)
@given(age=st.floats(-60, 60) | st.floats(-1e6, 1e6))
def test_a_bell_without_a_record_ends(age: float) -> None:
    rung, now, rings = EPOCH_SECONDS - age, NOW, 0
    while isinstance(decision := decide(None, rung, now), HangUp):
        assert now.timestamp() < rung + GUARD_SECONDS, "no record can come any more"
        assert decision.seconds <= GUARD_SECONDS
        now, rings = now + timedelta(seconds=decision.seconds), rings + 1
        if rings > 3:
            assert age < -GUARD_SECONDS, "it is hung up without end"
            return
    assert decision == Drop()
    assert now.timestamp() >= rung + GUARD_SECONDS
