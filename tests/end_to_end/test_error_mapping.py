"""What becomes of failures at Partner Center, over real connections: a row for each form of body.

There are fewer tries and shorter pauses than in production, and no Retry-After is waited for. The
unit tests have the tables of all statuses and bodies; test_documented_statuses has the other codes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from partner_center_emulator.watch.disturbances import Disturbance

from tests.end_to_end.chain import TEXT_OF_FAILURE, Chain, app_with_tries, problem

BOM = b"\xef\xbb\xbf"
HTML = "<html><head><title>Bad gateway</title></head><body><h1>nginx</h1></body></html>"
REFUSAL = {"code": "27006", "description": "Not so.", "data": ["line 0"], "source": "PartnerFD"}
BUSY = REFUSAL | {"code": "800064"}
NO_WORDS: dict[str, Any] = {"code": None, "description": None, "data": [], "source": None}


@pytest.mark.parametrize(
    ("given", "body", "status", "code", "outcome", "words"),
    [
        (
            *(400, BOM + json.dumps(REFUSAL | {"code": 27006}).encode()),
            *(400, "partner_center_invalid_request", "rejected", REFUSAL),
        ),
        (409, json.dumps(BUSY), 503, "partner_center_busy", "rejected", BUSY),
        (
            *(502, HTML, 502, "partner_center_failed", "unknown"),
            NO_WORDS | {"description": "Bad gateway"},
        ),
        (201, '{"id": "b4', 502, "partner_center_unreadable", "unknown", NO_WORDS),
        (302, "", 502, "partner_center_unreadable", "unknown", NO_WORDS),
    ],
    ids=["400", "busy", "502 as HTML", "201 cut", "302"],
)
def test_an_answer_becomes_an_error(
    buying: Chain,
    given: int,
    body: Any,
    status: int,
    code: str,
    outcome: str,
    words: dict[str, Any],
) -> None:
    headers = {"Location": "https://api.partnercenter.microsoft.com/v1/elsewhere"}
    buying.cloud.disturbances.inject(
        Disturbance("partner_center", times=None, status=given, body=body, headers=headers)
    )

    answer = buying.post()

    error = problem(answer, status, code, outcome, status > 500)
    assert answer.headers.get("Retry-After") == ("5" if code == "partner_center_busy" else None)
    assert error["partnerCenter"] == {"status": given, **words}
    assert (error["errors"], error["cart"], error["orderErrors"]) == ([], None, [])
    assert len(buying.sent()) == (1 if outcome == "rejected" else 2)
    assert len({(a.headers["ms-requestid"], a.body) for a in buying.sent()}) == 1


def test_no_way_to_partner_center(start: Callable[..., Chain], tmp_path: Path) -> None:
    chain = start(app_with_tries(tmp_path), PARTNER_CENTER_BASE_URL="https://carts.example")
    chain.expected_hosts |= {"carts.example"}

    error = problem(chain.post(), 502, "partner_center_unreachable", "not_sent", True)

    assert "proxy" in error["detail"]  # which knows no such host
    assert error["partnerCenter"] is None
    assert chain.sent() == []


def test_an_unexpected_exception(failing: Chain) -> None:
    correlation_id = "aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb"

    answer = failing.post(headers={"MS-CorrelationId": correlation_id})

    error = problem(answer, 500, "internal_error", "not_sent", True)
    assert error["correlationId"] == correlation_id
    log = failing.output()
    assert f"unexpected RuntimeError, correlation id {correlation_id}" in log
    for text in (log, answer.text):
        assert TEXT_OF_FAILURE not in text
