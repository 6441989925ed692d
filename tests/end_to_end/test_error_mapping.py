"""What becomes of failures at Partner Center, over real connections: a row for each form of body.

There are fewer tries and shorter pauses than in production, and no Retry-After is waited for. The
unit tests have the tables of all statuses and bodies; test_documented_statuses has the other codes.
"""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from partner_center_emulator.partner_center.refusals import NO_AGREEMENT
from partner_center_emulator.watch.faults import Action, Fault

from tests.end_to_end.chain import TEXT_OF_FAILURE, Chain, app_with_few_tries, problem, request_ids

BOM = b"\xef\xbb\xbf"
HTML = "<html><head><title>Bad gateway</title></head><body><h1>nginx</h1></body></html>"


def fault(code: str | int, data: list[Any] | None = None) -> bytes:
    """A fault as Partner Center sends it, byte order mark included."""
    document = {"code": code, "description": "Not so.", "data": data or [], "source": "PartnerFD"}
    return BOM + json.dumps(document).encode()


Words = tuple[str | None, str | None, str | None, list[Any]]
"""Code, description, source and data of the partnerCenter member."""


def words(code: str, data: list[Any] | None = None) -> Words:
    """Those of a fault."""
    return code, "Not so.", "PartnerFD", data or []


NO_WORDS: Words = (None, None, None, [])

ROWS: dict[str, tuple[int, bytes | str, int, str, str, Words]] = {
    "400": (
        *(400, fault(27006, ["lineItems[0]"])),
        *(400, "partner_center_invalid_request", "rejected"),
        words("27006", ["lineItems[0]"]),
    ),
    "404 of the gateway": (
        *(404, '{"statusCode": 404, "message": "Resource not found"}'),
        *(404, "partner_center_not_found", "rejected"),
        (None, "Resource not found", None, []),
    ),
    "410 without a body": (410, "", 502, "partner_center_unexpected", "rejected", NO_WORDS),
    "500": (500, fault("800003"), 502, "partner_center_failed", "unknown", words("800003")),
    "502 as HTML": (
        *(502, HTML, 502, "partner_center_failed", "unknown"),
        (None, "Bad gateway", None, []),
    ),
    "200 as HTML": (200, HTML, 502, "partner_center_unreadable", "unknown", NO_WORDS),
    "201 cut": (201, '{"id": "b4', 502, "partner_center_unreadable", "unknown", NO_WORDS),
    "302": (302, "", 502, "partner_center_unreadable", "unknown", NO_WORDS),
}


@pytest.mark.parametrize(
    ("given", "body", "status", "code", "outcome", "words"), ROWS.values(), ids=ROWS.keys()
)
def test_an_answer_becomes_an_error(
    impatient: Chain, given: int, body: Any, status: int, code: str, outcome: str, words: Words
) -> None:
    headers = {"Location": "https://api.partnercenter.microsoft.com/v1/elsewhere"}
    impatient.cloud.faults.inject(
        Fault("partner_center", times=None, status=given, body=body, headers=headers)
    )

    answer = impatient.post()

    error = problem(answer, status, code, outcome, outcome == "unknown")
    assert "Retry-After" not in answer.headers
    members = dict(zip(("code", "description", "source", "data"), words, strict=True))
    assert error["partnerCenter"] == {"status": given, **members}
    assert (error["errors"], error["cart"], error["orderErrors"]) == ([], None, [])
    assert len(impatient.sent()) == (1 if outcome == "rejected" else 2)
    assert len({(a.headers["ms-requestid"], a.body) for a in impatient.sent()}) == 1


def test_a_customer_that_partner_center_refuses(impatient: Chain) -> None:
    answer = impatient.post(customer=NO_AGREEMENT)

    error = problem(answer, 403, "partner_center_forbidden", "rejected", False)
    assert error["partnerCenter"]["code"] == "13605"
    assert answer.headers["MS-CV"]
    assert answer.headers["MS-ServerId"] == "000001"


@pytest.mark.parametrize(
    ("action", "commit"), [("drop", True), ("reset", False), ("garble", True), ("truncate", True)]
)
def test_an_answer_that_is_lost(impatient: Chain, action: Action, commit: bool) -> None:
    impatient.cloud.faults.inject(Fault("partner_center", times=None, action=action, commit=commit))

    error = problem(impatient.post(), 502, "partner_center_no_answer", "unknown", True)

    assert error["partnerCenter"] is None
    assert len(request_ids(impatient.sent())) == 1
    assert len(impatient.cloud.partner_center.carts) == int(commit)


@pytest.mark.parametrize(
    ("given", "body", "headers", "status", "code", "seconds"),
    [
        (429, HTML, {"Retry-After": "57"}, 429, "partner_center_throttled", "57"),
        (409, fault("800064"), {}, 503, "partner_center_busy", "5"),
    ],
)
def test_a_wait_that_partner_center_asks_for_is_handed_on(
    impatient: Chain, given: int, body: Any, headers: dict[str, str], status: int, code: str,
    seconds: str,
) -> None:  # fmt: skip
    impatient.cloud.faults.inject(
        Fault("partner_center", times=None, status=given, body=body, headers=headers)
    )

    # A customer of its own: the function remembers for whom Partner Center asked for a pause.
    answer = impatient.post(customer=str(uuid.uuid4()))

    error = problem(answer, status, code, "rejected", True)
    assert error["partnerCenter"]["status"] == given
    assert answer.headers["Retry-After"] == seconds
    assert len(impatient.sent()) == 1


def test_no_way_to_partner_center(start: Callable[..., Chain], tmp_path: Path) -> None:
    chain = start(app_with_few_tries(tmp_path), PARTNER_CENTER_BASE_URL="https://carts.example")
    chain.expected_hosts |= {"carts.example"}
    plain_port = int(chain.function.url.rpartition(":")[2])
    secure_port = chain.cloud.proxy._port_for("api.partnercenter.microsoft.com")
    assert secure_port is not None

    reasons = []
    for port in (None, plain_port, secure_port):
        if port:
            chain.cloud.proxy.add_route("carts.example", port)
        error = problem(chain.post(), 502, "partner_center_unreachable", "not_sent", True)
        assert error["partnerCenter"] is None
        reasons.append(error["detail"])

    assert "proxy" in reasons[0]  # which knows no such host
    assert "TLS" in reasons[1]  # which is not spoken there
    assert "certificate" in reasons[2]  # which is of another name
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
