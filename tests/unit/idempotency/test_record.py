"""The record of an operation: its named transitions, and its JSON."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cart_core.call import Answer
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.record import RECORD_VERSION, Record, Step, StoredAnswer
from tests.kit.builders import CUSTOMER

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OPERATION = OperationId("place_order", CUSTOMER, "key-1")
FINGERPRINT = "1:bb7a4a54a0906bc6804a9e4ce865a27d47431ed71687aac111cd186fb5926cf9"
ANSWER = StoredAnswer(status=201, headers={}, body={"status": "completed"})
PARTIAL = StoredAnswer(
    status=201, headers={"MS-CV": "cv.1"}, body={"status": "partial", "name": "Zürich \ud83d"}
)


def claimed(**changes: Any) -> Record:
    return Record.claimed(
        OPERATION,
        ["cart", "checkout"],
        fingerprint=FINGERPRINT,
        epoch=0,
        nonce="nonce-1",
        lease_seconds=120.0,
        expires_at=NOW + timedelta(days=90, microseconds=1),
        caller_id="someone",
        correlation_id=CUSTOMER,
    ).model_copy(update=changes)


RESULT = {"cartId": "c"}
CART, CHECKOUT = claimed().steps
CART_DONE = Step(name="cart", request_id=CART.request_id, done=True, result=RESULT)
CHECKOUT_DONE = Step(name="checkout", request_id=CHECKOUT.request_id, done=True)
CHECKOUT_ANEW = Step(name="checkout", request_id="new")
FOR = 300.0
AT_CHECKOUT = claimed(steps=[CART_DONE, CHECKOUT], answer=PARTIAL)
WITH_OTHER_IDS = claimed(steps=[CART_DONE, CHECKOUT_ANEW], answer=PARTIAL)


@pytest.mark.parametrize(
    ("before", "transition", "changes"),
    [
        pytest.param(
            claimed(),
            lambda record: record.step_done(RESULT),
            {"steps": [CART_DONE, CHECKOUT]},
            id="step-done",
        ),
        pytest.param(
            AT_CHECKOUT,
            lambda record: record.completed(ANSWER),
            {"state": "completed", "steps": [CART_DONE, CHECKOUT_DONE], "answer": ANSWER},
            id="completed",
        ),
        pytest.param(
            AT_CHECKOUT,
            lambda record: record.unknown(FOR),
            {"state": "unknown", "under_way_seconds": FOR},
            id="unknown",
        ),
        pytest.param(claimed(), Record.released, {"state": "released", "epoch": 1}, id="released"),
        pytest.param(
            AT_CHECKOUT,
            lambda record: record.reopened("new"),
            {"state": "open", "epoch": 1, "steps": [CART_DONE, CHECKOUT_ANEW]},
            id="reopened-with-the-earlier-answer",
        ),
        pytest.param(
            AT_CHECKOUT,
            lambda record: record.reopened("new", ANSWER),
            {"state": "open", "epoch": 1, "steps": [CART_DONE, CHECKOUT_ANEW], "answer": ANSWER},
            id="reopened-with-an-answer",
        ),
        pytest.param(
            claimed(fingerprint="1:of-this-release", epoch=7, nonce="nonce-2"),
            lambda record: record.resuming(WITH_OTHER_IDS.unknown(FOR), FOR),
            {
                "fingerprint": FINGERPRINT,
                "steps": WITH_OTHER_IDS.steps,
                "answer": PARTIAL,
                "under_way_seconds": FOR,
            },
            id="resuming",
        ),
        pytest.param(
            AT_CHECKOUT.unknown(FOR),
            Record.released,
            {"state": "released", "epoch": 1, "under_way_seconds": None},
            id="released-and-nothing-is-under-way",
        ),
        pytest.param(
            AT_CHECKOUT,
            lambda record: record.stamped("nonce-2", 60.5, NOW),
            {"nonce": "nonce-2", "lease_seconds": 60.5, "expires_at": NOW},
            id="stamped",
        ),
    ],
)
def test_a_transition_changes_what_it_says_and_nothing_else(
    before: Record, transition: Callable[[Record], Record], changes: dict[str, Any]
) -> None:
    as_it_was = before.to_json()
    after = transition(before)
    assert after == before.model_copy(update=changes)
    assert Record.from_json(after.to_json()) == after
    assert before.to_json() == as_it_was


def test_the_open_step_is_the_first_one_that_is_not_done_or_else_the_last() -> None:
    assert (AT_CHECKOUT.open_step.name, AT_CHECKOUT.results) == ("checkout", {"cart": RESULT})
    completed = AT_CHECKOUT.completed(ANSWER)
    assert completed.open_step.name == "checkout"
    assert completed.results == {"cart": RESULT, "checkout": {}}
    without_result = claimed().step_done({})
    assert without_result.results == {"cart": {}}


def test_a_record_of_a_newer_release_is_refused() -> None:
    newer = AT_CHECKOUT.model_copy(update={"version": RECORD_VERSION + 1})

    with pytest.raises(ValueError, match="newer release"):
        Record.from_json(newer.to_json())


def test_the_json_of_a_record_is_the_same_in_every_release() -> None:
    request_id = OPERATION.request_id("checkout", FINGERPRINT, 1)
    record = claimed().step_done(RESULT).reopened(request_id, PARTIAL)
    assert (
        record.to_json().decode()
        == """\
{
  "version": 3,
  "operation": "place_order",
  "customerId": "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d",
  "callerId": "someone",
  "key": "key-1",
  "fingerprint": "1:bb7a4a54a0906bc6804a9e4ce865a27d47431ed71687aac111cd186fb5926cf9",
  "state": "open",
  "epoch": 1,
  "nonce": "nonce-1",
  "leaseSeconds": 120.0,
  "expiresAt": "2027-02-20T12:00:00.000001Z",
  "correlationId": "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d",
  "steps": [
    {
      "name": "cart",
      "requestId": "1feece03-1d93-511e-9eee-1b2dab7d39cb",
      "done": true,
      "result": {
        "cartId": "c"
      }
    },
    {
      "name": "checkout",
      "requestId": "54c7f4e9-a865-589d-941d-0c1dcb808fc3",
      "done": false,
      "result": null
    }
  ],
  "answer": {
    "status": 201,
    "headers": {
      "MS-CV": "cv.1"
    },
    "body": {
      "status": "partial",
      "name": "Zürich \\ud83d"
    }
  },
  "underWaySeconds": null,
  "lines": null,
  "items": null,
  "heldSeconds": null,
  "begun": true,
  "doubted": false,
  "checkoutCorrelationId": null
}"""
    )


def nested(begin: bytes, end: bytes, levels: int) -> bytes:
    return begin * levels + b"1" + end * levels


def test_an_answer_that_is_too_deep_for_json_is_refused_as_a_value() -> None:
    body: dict[str, Any] = {}
    for _ in range(10_000):
        body = {"a": body}
    answer = StoredAnswer.of(Answer(201, body, {}))
    with pytest.raises(ValueError, match="nested too deeply"):
        claimed().completed(answer).to_json()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"\xff",
        b'{"version": 1}',
        claimed().to_json().replace(b'"in_progress"', b'"complet"'),
        claimed().to_json().replace(b"00.000001Z", b"00.000001"),
        b"[" * 10_000,
        claimed().to_json().replace(b"null", nested(b'{"a":', b"}", 10_000)),
        claimed().to_json().replace(b'"key-1"', nested(b"[", b"]", 10_000)),
    ],
    ids=[
        *("empty", "no-members", "null", "no-text", "one-member", "no-such-state", "no-time-zone"),
        *("deep", "deep-members", "deep-key"),
    ],
)
def test_anything_else_is_not_a_record(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the parser's
        Record.from_json(data)
