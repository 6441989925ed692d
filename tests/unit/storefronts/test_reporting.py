"""What is reported: verified by libraries that nobody here wrote, and sent again on a schedule."""

import json
import time
from typing import Any

import pytest
import standardwebhooks
import svix
from hypothesis import given
from hypothesis import strategies as st

from cart_core.storefronts.changes import Standing
from cart_core.storefronts.order_record import OrderRecord, PartResult
from cart_core.storefronts.parking import Reason
from cart_core.storefronts.reporting import SCHEDULE, after_try, due_reports, signed_headers
from cart_core.storefronts.signatures import Scheme, matching_key, signing_key
from tests.unit.storefronts.builders import CONTOSO, CREATED, FABRIKAM

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPEN = OrderRecord.first("shop", "1", Standing.of(CREATED, cancelled=False, body="b"), CREATED)
PARTS = [{"customerId": id, "lines": ["1"], "cart": {}} for id in (CONTOSO, FABRIKAM)]
FROZEN = OPEN.frozen(PARTS)


def ended(*statuses: Any) -> OrderRecord:
    record = FROZEN
    for customer, status in zip((CONTOSO, FABRIKAM), statuses, strict=False):
        record = record.with_result(customer, PartResult(status=status, orders=["o1"]))
    return record


@pytest.mark.parametrize(
    ("record", "types"),
    [
        (OPEN, []),
        (OPEN.resolved("waiting"), []),
        (OPEN.resolved("nothing"), []),
        (OPEN.resolved("parked", [Reason("customer_unknown")]), ["order.parked"]),
        (OPEN.resolved("refused", [Reason("foreign_line")]), ["order.failed"]),
        (OPEN.found_cancelled(), []),
        (OPEN.with_report("of a parked order").found_cancelled(), ["order.cancelled"]),
        (FROZEN, ["order.submitted"]),
        (FROZEN.found_cancelled(), ["order.cancelled"]),
        (ended("completed"), ["order.submitted"]),
        (ended("completed", "completed"), ["order.submitted", "order.completed"]),
        (ended("completed", "failed"), ["order.submitted", "order.partially_completed"]),
        (ended("completed", "partial"), ["order.submitted", "order.partially_completed"]),
        (ended("failed", "failed"), ["order.submitted", "order.failed"]),
    ],
)
def test_the_messages_that_an_order_owes(record: OrderRecord, types: list[str]) -> None:
    reports = due_reports(record)

    assert [report.type for report in reports] == types
    for report in reports:
        record = record.with_report(report.id)
    assert due_reports(record) == []


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.Webhook])
def test_foreign_libraries_verify_what_is_sent(library: Any) -> None:
    (report,) = due_reports(FROZEN)
    now = time.time()  # The libraries compare with the real clock.
    body, key = report.body(now), signing_key(Scheme.STANDARD_WEBHOOKS, SECRET)
    assert key

    headers = signed_headers(report.id, body, key, now)

    library(SECRET).verify(body, headers)
    with pytest.raises(Exception, match="signature"):
        library(SECRET).verify(body + b" ", headers)
    assert json.loads(body)["data"]["customers"] == [CONTOSO, FABRIKAM]
    lower = {name.lower(): value for name, value in headers.items()}
    assert matching_key(Scheme.STANDARD_WEBHOOKS, lower, body, [key], now) == 0


@pytest.mark.parametrize(
    ("tries", "status", "retry_after", "after"),
    [
        (1, 200, None, "delivered"),
        (1, 204, None, "delivered"),
        (1, 410, None, "gone"),
        (1, None, None, 5),
        (1, 302, None, 5),
        (1, 500, None, 5),
        (2, 400, None, 300),
        (1, 429, 60, 60),
        (4, 503, 60, 7200),
        (1, 503, 10**9, 86_400),
        (9, 500, None, 86_400),
        (10, 500, None, "given_up"),
    ],
)
def test_what_follows_a_try(tries: int, status: int | None, retry_after: Any, after: Any) -> None:
    assert after_try(tries, status, retry_after) == after


@given(st.integers(1, 9), st.integers(400, 599) | st.none(), st.integers(0) | st.none())
def test_no_pause_is_shorter_than_the_schedule(tries: int, status: Any, asked: Any) -> None:
    after = after_try(tries, status, asked)

    assert after == "gone" or (isinstance(after, float) and after >= SCHEDULE[tries])
