"""What becomes of every failure at Partner Center, over real connections.

There are fewer tries and shorter pauses than in production, and no Retry-After is waited for.
"""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from partner_center_emulator.partner_center.refusals import NO_AGREEMENT, UNKNOWN_CUSTOMER
from partner_center_emulator.watch.faults import Action, Fault

from tests.end_to_end.chain import Chain, cart, hasty_app, patched_app, problem, started

Start = Callable[..., Chain]

NEVER_WAIT = {"CART_MAX_WAIT_SECONDS": "0"}
BOM = b"\xef\xbb\xbf"
HTML = "<html><head><title>Bad gateway</title></head><body><h1>nginx</h1></body></html>"


@pytest.fixture(scope="module")
def _hasty_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with started(hasty_app(tmp_path_factory.mktemp("app")), **NEVER_WAIT) as chain:
        assert chain.post().status_code == 201
        yield chain


@pytest.fixture
def chain(_hasty_chain: Chain) -> Iterator[Chain]:
    _hasty_chain.forget()
    yield _hasty_chain
    assert _hasty_chain.healthy()


def fault(code: str | int, description: str = "Told by Partner Center.", **more: Any) -> bytes:
    """A fault as Partner Center sends it, byte order mark included."""
    document: dict[str, Any] = {
        "code": code,
        "description": description,
        "data": [],
        "source": "PartnerFD",
    }
    return BOM + json.dumps(document | more).encode()


@dataclass(frozen=True, slots=True)
class Row:
    """An answer of Partner Center, and what it becomes."""

    given: int
    body: Any
    status: int
    code: str
    outcome: str
    retryable: bool
    told: tuple[str | None, str | None, str | None, list[Any]] = (
        None,
        "Told by Partner Center.",
        "PartnerFD",
        [],
    )
    """Code, description, source and data of the partnerCenter member."""
    content_type: str = "application/json; charset=utf-8"


def rejected(given: int, code: str, status: int | None = None, **more: Any) -> Row:
    theirs = more.pop("theirs", "900000")
    told = (str(theirs), "Told by Partner Center.", "PartnerFD", more.pop("data", []))
    body = fault(theirs, data=told[3])
    return Row(given, body, status or given, code, "rejected", False, told, **more)


def unknown(given: int, body: Any, *told: Any, code: str = "partner_center_failed") -> Row:
    status = 504 if code == "partner_center_timeout" else 502
    return Row(
        given, body, status, code, "unknown", True, (*told, *(None, None, None)[len(told) :], [])
    )


ROWS = {
    "400": rejected(400, "partner_center_invalid_request", theirs="900142"),
    "400 with a number as code": rejected(400, "partner_center_invalid_request", theirs=27006),
    "400 with data": rejected(400, "partner_center_invalid_request", data=["lineItems[0]"]),
    "400 as ASP.NET says it": Row(
        400,
        {"Message": "The request is invalid.", "ModelState": {"cart": ["wrong"]}},
        400,
        "partner_center_invalid_request",
        "rejected",
        False,
        (None, "The request is invalid.", None, [{"cart": ["wrong"]}]),
    ),
    "400 of the sibling API": Row(
        400,
        {"error": {"code": "2013", "message": "Not so.", "target": "cart", "innerError": {}}},
        400,
        "partner_center_invalid_request",
        "rejected",
        False,
        ("2013", "Not so.", "cart", [{}]),
    ),
    "403": rejected(403, "partner_center_forbidden", theirs="20002"),
    "404": rejected(404, "partner_center_not_found", theirs="60003"),
    "404 of the gateway": Row(
        404,
        {"statusCode": 404, "message": "Resource not found"},
        404,
        "partner_center_not_found",
        "rejected",
        False,
        (None, "Resource not found", None, []),
    ),
    "409": rejected(409, "partner_center_conflict", theirs="900112"),
    "412": rejected(412, "partner_center_precondition_failed"),
    "417": rejected(417, "partner_center_expectation_failed", theirs="800036"),
    "405": rejected(405, "partner_center_unexpected", 502),
    "406": rejected(406, "partner_center_unexpected", 502),
    "410 without a body": Row(
        410, "", 502, "partner_center_unexpected", "rejected", False, (None, None, None, [])
    ),
    "415 in plain text": Row(
        415,
        "MFA required. (10001)",
        502,
        "partner_center_unexpected",
        "rejected",
        False,
        ("10001", "MFA required. (10001)", None, []),
        "text/plain",
    ),
    "451": rejected(451, "partner_center_unexpected", 502),
    "408": unknown(
        408,
        fault("0"),
        "0",
        "Told by Partner Center.",
        "PartnerFD",
        code="partner_center_timeout",
    ),
    "500": unknown(500, fault("800003"), "800003", "Told by Partner Center.", "PartnerFD"),
    "500 that nobody retries": unknown(
        500, fault("800031"), "800031", "Told by Partner Center.", "PartnerFD"
    ),
    "501": unknown(501, fault(0), "0", "Told by Partner Center.", "PartnerFD"),
    "502 as HTML": unknown(502, HTML, None, "Bad gateway"),
    "503": unknown(
        503, {"statusCode": 503, "message": "Service unavailable"}, None, "Service unavailable"
    ),
    "503 without a body": unknown(503, ""),
    "504 in plain text": unknown(504, "upstream timed out", None, "upstream timed out"),
    "200 as HTML": unknown(200, HTML, code="partner_center_unreadable"),
    "200 with an empty object": unknown(200, "{}", code="partner_center_unreadable"),
    "201 without a body": unknown(201, "", code="partner_center_unreadable"),
    "201 with a list": unknown(201, "[]", code="partner_center_unreadable"),
    "201 with half a document": unknown(201, '{"id": "b4c8', code="partner_center_unreadable"),
    "201 that is not UTF-8": unknown(201, b'{"id": "\xff"}', code="partner_center_unreadable"),
    "201 without line items": unknown(201, '{"id": "x"}', code="partner_center_unreadable"),
    "201 too deep": unknown(201, "[" * 100_000, code="partner_center_unreadable"),
    "202": unknown(202, {"statusCode": 202}, code="partner_center_unreadable"),
    "204": unknown(204, "", code="partner_center_unreadable"),
    "302": unknown(302, "", code="partner_center_unreadable"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_every_answer(chain: Chain, row: Row) -> None:
    headers = {"Location": "https://api.partnercenter.microsoft.com/v1/elsewhere"}
    chain.cloud.faults.inject(
        Fault(
            "partner_center",
            times=None,
            status=row.given,
            body=row.body,
            content_type=row.content_type,
            headers=headers if row.given == 302 else {},
        )
    )

    answer = chain.post()

    told = problem(answer)
    assert (answer.status_code, told["code"]) == (row.status, row.code)
    assert (told["outcome"], told["retryable"]) == (row.outcome, row.retryable)
    assert "Retry-After" not in answer.headers
    code, description, source, data = row.told
    assert told["partnerCenter"] == {
        "status": row.given,
        "code": code,
        "description": description,
        "source": source,
        "data": data,
    }
    assert (told["errors"], told["cart"], told["orderErrors"]) == ([], None, [])
    _same_request(chain, once=row.outcome == "rejected")


@pytest.mark.parametrize(
    ("customer", "status", "code", "theirs"),
    [
        (UNKNOWN_CUSTOMER, 404, "partner_center_not_found", "60003"),
        (NO_AGREEMENT, 403, "partner_center_forbidden", "13605"),
    ],
)
def test_customers_that_partner_center_refuses(
    chain: Chain, customer: str, status: int, code: str, theirs: str
) -> None:
    answer = chain.post(customer=customer)

    told = problem(answer)
    assert (answer.status_code, told["code"]) == (status, code)
    assert told["partnerCenter"]["code"] == theirs
    assert answer.headers["MS-CV"]
    assert answer.headers["MS-ServerId"] == "000001"


@pytest.mark.parametrize(
    ("action", "commit"),
    [
        ("drop", False),
        ("drop", True),
        ("reset", False),
        ("reset", True),
        ("garble", False),
        ("garble", True),
        ("truncate", True),
    ],
)
def test_an_answer_that_is_lost(chain: Chain, action: Action, commit: bool) -> None:
    chain.cloud.faults.inject(Fault("partner_center", times=None, action=action, commit=commit))

    told = problem(chain.post())

    assert (told["status"], told["code"]) == (502, "partner_center_no_answer")
    assert (told["outcome"], told["retryable"]) == ("unknown", True)
    assert told["partnerCenter"] is None
    _same_request(chain)
    assert len(chain.cloud.partner_center.carts) == int(commit)


def test_a_connection_that_was_closed_while_idle_is_not_missed(chain: Chain) -> None:
    chain.cloud.faults.inject(Fault("partner_center", times=None, action="close_idle"))

    for _ in range(3):
        assert chain.post().status_code == 201


def test_silence(start: Start, tmp_path: Path) -> None:
    chain = start(hasty_app(tmp_path, try_timeout=0.5), **NEVER_WAIT)
    chain.cloud.faults.inject(Fault("partner_center", times=None, action="silence"))

    told = problem(chain.post())

    assert (told["status"], told["code"]) == (504, "partner_center_timeout")
    assert (told["outcome"], told["retryable"]) == ("unknown", True)
    assert told["partnerCenter"] is None
    _same_request(chain)


THROTTLED = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 41 seconds."}


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [(THROTTLED, {"Retry-After": "57"}, 57), (THROTTLED, {}, 41), (HTML, {}, 5)],
)
def test_throttling(start: Start, body: Any, headers: dict[str, str], seconds: int) -> None:
    chain = start(**NEVER_WAIT)  # of its own, for it remembers that it was throttled

    answer = _asked_for_patience(chain, 429, body, headers)

    assert (answer.status_code, answer.json()["code"]) == (429, "partner_center_throttled")
    assert answer.headers["Retry-After"] == str(seconds)


@pytest.mark.parametrize(
    ("code", "headers", "seconds"), [("800064", {"Retry-After": "57"}, 57), (800064, {}, 5)]
)
def test_a_cart_in_use(
    chain: Chain, code: str | int, headers: dict[str, str], seconds: int
) -> None:
    answer = _asked_for_patience(chain, 409, fault(code), headers)

    assert (answer.status_code, answer.json()["code"]) == (503, "partner_center_busy")
    assert answer.json()["partnerCenter"]["code"] == "800064"
    assert answer.headers["Retry-After"] == str(seconds)


def test_no_way_to_partner_center_through_the_proxy(start: Start, tmp_path: Path) -> None:
    chain = start(
        hasty_app(tmp_path), PARTNER_CENTER_BASE_URL="https://carts.example", **NEVER_WAIT
    )
    chain.expected_hosts |= {"carts.example"}
    plain_port = int(chain.function.url.rpartition(":")[2])
    secure_port = chain.cloud.proxy._port_for("api.partnercenter.microsoft.com")
    assert secure_port is not None

    reasons = [_unreachable(chain)]  # the proxy knows no such host
    for port in (plain_port, secure_port):  # no TLS there; a certificate of another name
        chain.cloud.proxy.add_route("carts.example", port)
        reasons.append(_unreachable(chain))

    assert "proxy" in reasons[0]
    assert "TLS" in reasons[1]
    assert "certificate" in reasons[2]
    assert chain.sent() == []


def test_a_refused_connection(start: Start, tmp_path: Path) -> None:
    with socket.socket() as deaf:  # its port is taken, but nobody listens
        deaf.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        chain = start(hasty_app(tmp_path), PARTNER_CENTER_BASE_URL=base_url, **NEVER_WAIT)

        assert "connection could not be made" in _unreachable(chain)


def test_an_unexpected_exception(start: Start, tmp_path: Path) -> None:
    secret = "a-secret-in-the-exception"
    chain = start(
        patched_app(
            tmp_path,
            "from cart_core import composition",
            f"secret = '{secret}'",
            "async def fail(request, call):",
            "    raise RuntimeError(secret)",
            "composition.create_cart = fail",
        )
    )
    correlation_id = "aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb"

    answer = chain.post(headers={"MS-CorrelationId": correlation_id})

    told = problem(answer)
    assert (answer.status_code, told["code"]) == (500, "internal_error")
    assert (told["outcome"], told["retryable"]) == ("not_sent", True)
    assert told["correlationId"] == correlation_id
    assert secret not in answer.text
    logged = chain.output()
    assert secret not in logged
    assert "RuntimeError" in logged
    assert correlation_id in logged
    assert chain.healthy()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("Application/Problem+JSON;q=0.9, application/json", "application/problem+json"),
    ],
)
def test_the_media_type_of_a_problem(chain: Chain, accept: str | None, expected: str) -> None:
    answer = chain.post("{}", headers={"Accept": accept} if accept else {})

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == expected
    assert answer.json()["code"] == "invalid_request"


def _asked_for_patience(
    chain: Chain, status: int, body: Any, headers: dict[str, str]
) -> httpx.Response:
    chain.cloud.faults.inject(
        Fault("partner_center", times=None, status=status, body=body, headers=headers)
    )
    answer = chain.post()
    told = problem(answer)
    assert (told["outcome"], told["retryable"]) == ("rejected", True)
    assert told["partnerCenter"]["status"] == status
    _same_request(chain, once=True)
    return answer


def _unreachable(chain: Chain) -> str:
    told = problem(chain.post(cart()))
    assert (told["status"], told["code"]) == (502, "partner_center_unreachable")
    assert (told["outcome"], told["retryable"]) == ("not_sent", True)
    assert told["partnerCenter"] is None
    return str(told["detail"])


def _same_request(chain: Chain, *, once: bool = False) -> None:
    """However often it was sent, it was one and the same request."""
    sent = chain.sent()
    assert sent
    assert len(sent) == 1 or not once
    assert len({(a.headers["ms-requestid"], a.body) for a in sent}) == 1
