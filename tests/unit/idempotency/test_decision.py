"""What follows from a record, for every state, on both sides of each moment that counts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cart_core.idempotency.decision import Replay, Reused, Run, Wait, decide
from cart_core.idempotency.operation_id import fingerprint
from cart_core.idempotency.record import RECORD_VERSION, Record, Step, StoredAnswer
from cart_core.idempotency.store import Versioned
from tests.kit.builders import CUSTOMER

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TICK, HOUR = timedelta(microseconds=1), timedelta(hours=1)
CONTENT, OTHER_CONTENT = {"quantity": 1}, {"quantity": 2}
ANSWER = StoredAnswer(status=200, headers={}, body={})
STATES = ["in_progress", "unknown", "released", "open", "completed", "accepted"]
LEASE = 120.0
LEASE_LASTS, LEASE_OVER = LEASE - 0.001, LEASE
"""The age of a record in seconds."""


def record(state: str, **changes: Any) -> Record:
    """A record with one of its two steps done; it has an answer if it is completed."""
    members: dict[str, Any] = {
        "operation": "place_order",
        "customer_id": CUSTOMER,
        "caller_id": None,
        "key": "key",
        "fingerprint": fingerprint(CONTENT),
        "state": state,
        "epoch": 3,
        "nonce": "nonce",
        "lease_seconds": LEASE,
        "expires_at": NOW + 2 * HOUR,
        "correlation_id": CUSTOMER,
        "steps": [
            Step(name="cart", request_id="1", done=True, result={"cartId": "c"}),
            Step(name="checkout", request_id="2"),
        ],
        "answer": ANSWER if state == "completed" else None,
    }
    return Record(**members | changes)


def stored(record: Record, age: float = LEASE_OVER) -> Versioned:
    return Versioned(record, "version", age)


def test_an_operation_without_a_record_is_run() -> None:
    assert decide(None, NOW, CONTENT) == Run(epoch=0, earlier=None, resumed=False)


@pytest.mark.parametrize("age", [LEASE_LASTS, LEASE_OVER], ids=["lasts", "over"])
@pytest.mark.parametrize("begun", [True, False], ids=["begun", "nothing-sent"])
@pytest.mark.parametrize("state", STATES)
def test_the_decision(state: str, begun: bool, age: float) -> None:
    found = record(state, begun=begun, expires_at=NOW + TICK)
    at_work = state == "in_progress" and age == LEASE_LASTS
    same = {
        "in_progress": Wait() if at_work else Run(3, found, resumed=begun),
        "unknown": Run(3, found, resumed=True),
        "released": Run(3, None, resumed=False),
        "open": Run(3, found, resumed=False),
        "completed": Replay(ANSWER),
        "accepted": Wait(),
    }
    before = found.to_json()
    assert decide(stored(found, age), NOW, CONTENT) == same[state]
    other = same[state] if state == "released" else Reused()
    assert decide(stored(found, age), NOW, OTHER_CONTENT) == other
    mine = same | {"accepted": Run(3, None, resumed=False)}
    assert decide(stored(found, age), NOW, CONTENT, works_off=True) == mine[state]
    assert decide(stored(found, age), NOW, OTHER_CONTENT, works_off=True) == other
    assert found.to_json() == before


@pytest.mark.parametrize("state", ["released", "accepted"])
def test_what_begins_anew_is_held_to_its_lines_and_stays_in_doubt(state: str) -> None:
    found = record(state, lines=[{"id": 0}], doubted=True)
    again = Run(3, lines=[{"id": 0}], doubted=True)
    assert decide(stored(found), NOW, CONTENT, works_off=True) == again


@pytest.mark.parametrize("age", [LEASE_LASTS, LEASE_OVER], ids=["lasts", "over"])
@pytest.mark.parametrize("state", STATES)
def test_of_an_expired_record_only_the_epoch_counts(state: str, age: float) -> None:
    for expires_at in (NOW, NOW - 1000 * HOUR):
        expired = stored(record(state, expires_at=expires_at), age)
        for content in (CONTENT, OTHER_CONTENT):
            assert decide(expired, NOW, content) == Run(epoch=4, earlier=None, resumed=False)


def test_a_completed_record_without_its_answer_is_resumed() -> None:
    damaged = record("completed", answer=None)
    assert decide(stored(damaged), NOW, CONTENT) == Run(3, damaged, resumed=True)


@pytest.mark.parametrize(
    "newer",
    [{"fingerprint": "2:" + "a" * 64}, {"version": RECORD_VERSION + 1}],
    ids=["fingerprint", "record"],
)
@pytest.mark.parametrize("state", [state for state in STATES if state != "released"])
def test_a_record_of_a_newer_release_is_left_to_that_release(
    state: str, newer: dict[str, Any]
) -> None:
    assert decide(stored(record(state, **newer)), NOW, CONTENT) == Wait()
