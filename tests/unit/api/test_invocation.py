"""Running an operation: every end is an answer, and leaves one line."""

import asyncio
import logging
import time
from typing import Any

import pytest

from cart_core.api import invocation
from cart_core.api.invocation import answer
from cart_core.api.messages import Call, Request, Response
from cart_core.problem import Fault, FieldError, Problem
from tests.kit.builders import CUSTOMER, MARKER
from tests.kit.signals import collected
from tests.unit.api.test_messages import NEW, OTHER, request


async def test_an_answer_is_handed_through() -> None:
    async def operation(_: Request, call: Call) -> Response:
        call.request_id = OTHER
        return Response(201, {"id": "x"}, call.headers())

    response = await answer(operation, request(), NEW)

    assert (response.status, response.body) == (201, {"id": "x"})
    assert response.headers == {"MS-CorrelationId": NEW, "MS-RequestId": OTHER}


async def test_a_problem_becomes_its_answer() -> None:
    async def operation(_: Request, call: Call) -> Response:
        call.request_id = OTHER
        call.partner_center_headers = {"MS-CV": "cv"}
        raise Problem(
            "partner_center_throttled",
            "Slow down.",
            errors=[FieldError("/a", "b", "c")],
            fault=Fault(429, description="Slow down."),
            retry_after=57,
        )

    response = await answer(operation, request(ms_correlationid=CUSTOMER), NEW)

    assert response.status == 429
    assert response.headers == {
        "MS-CorrelationId": CUSTOMER,
        "MS-RequestId": OTHER,
        "MS-CV": "cv",
        "Retry-After": "57",
    }
    body = response.body
    assert (body["requestId"], body["correlationId"]) == (OTHER, CUSTOMER)
    assert (body["status"], body["outcome"], body["retryable"]) == (429, "rejected", True)
    assert body["partnerCenter"]["status"] == 429
    assert body["errors"] == [{"pointer": "/a", "code": "b", "detail": "c"}]


async def test_before_anything_is_sent_there_is_no_request_id() -> None:
    async def operation(_: Request, __: Call) -> Response:
        raise Problem("invalid_json", "No.")

    response = await answer(operation, request(), NEW)

    assert response.headers == {"MS-CorrelationId": NEW}
    assert response.body["requestId"] is None


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", None),
        ("*/*", None),
        ("application/*", None),
        ("application/json", None),
        ("application/problem+json", "application/problem+json"),
        ("application/json, application/problem+json;q=0.9", "application/problem+json"),
        ("Application/Problem+JSON", "application/problem+json"),
        ("application/problem+xml", None),
    ],
)
async def test_problem_json_only_where_accept_names_it(accept: str, media_type: str | None) -> None:
    async def fails(_: Request, __: Call) -> Response:
        raise Problem("invalid_json", "No.")

    async def works(_: Request, __: Call) -> Response:
        return Response(201, {})

    failed = await answer(fails, request(accept=accept), NEW)
    worked = await answer(works, request(accept=accept), NEW)

    assert failed.headers.get("Content-Type", "application/json") == (
        media_type or "application/json"
    )
    assert "Content-Type" not in worked.headers


@pytest.mark.parametrize(
    "error",
    [ValueError(MARKER), KeyError(MARKER), RuntimeError(MARKER), RecursionError(MARKER)],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("sent", [True, False])
async def test_an_unexpected_exception_is_a_500_that_tells_nothing(
    error: Exception, sent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def operation(_: Request, call: Call) -> Response:
        call.request_id, call.may_have_effect = OTHER, sent
        try:
            raise OSError(MARKER)
        except OSError:
            raise error from None

    with caplog.at_level(logging.DEBUG):
        response = await answer(operation, request(), NEW)

    body: dict[str, Any] = response.body
    assert (response.status, body["code"]) == (500, "internal_error")
    assert body["outcome"] == ("unknown" if sent else "not_sent")
    assert body["correlationId"] == NEW
    assert MARKER not in str(body)
    assert NEW in caplog.text
    assert type(error).__name__ in caplog.text
    assert MARKER not in caplog.text


async def test_what_a_caller_does_not_wait_for_ends_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = asyncio.Event()

    async def operation(_: Request, call: Call) -> Response:
        await gone.wait()
        raise RuntimeError(MARKER)

    with caplog.at_level(logging.DEBUG):
        caller = asyncio.create_task(answer(operation, request(), NEW))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        gone.set()
        for _ in range(5):
            await asyncio.sleep(0)

    assert "operation=operation status=500" in caplog.text
    assert MARKER not in caplog.text


async def test_what_a_caller_does_not_wait_for_is_counted_and_logged_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = asyncio.Event()

    async def operation(_: Request, call: Call) -> Response:
        await gone.wait()
        raise Problem("invalid_json", "No.")

    with collected() as signals, caplog.at_level(logging.INFO):
        caller = asyncio.create_task(answer(operation, request(), NEW))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert len(invocation._under_way) == 1  # or else the loop might lose it
        gone.set()
        for _ in range(5):
            await asyncio.sleep(0)

    assert signals.metrics() == {"carts.refused": {(("code", "invalid_json"),): 1}}
    assert "operation=operation status=400" in caplog.text
    assert invocation._under_way == set()


async def test_a_call_began_when_it_arrived() -> None:
    calls: list[Call] = []

    async def operation(_: Request, call: Call) -> Response:
        calls.append(call)
        return Response(200, {})

    before = time.monotonic()
    await answer(operation, request(), NEW)

    assert before <= calls[0].began <= time.monotonic()


@pytest.mark.parametrize("replayed", [True, False])
async def test_what_a_cart_or_an_order_is_counted_as_is_left_to_the_operation(
    replayed: bool,
) -> None:
    async def operation(_: Request, call: Call) -> Response:
        call.cart_id, call.replayed = "cart-1", replayed
        return Response(201, {})

    with collected() as signals:
        await answer(operation, request(), NEW)

    assert signals.metrics() == {}


async def test_a_problem_is_counted_as_one_even_where_a_cart_is_known() -> None:
    async def operation(_: Request, call: Call) -> Response:
        call.cart_id = "cart-1"
        raise Problem("partner_center_timeout", "No.")

    with collected() as signals:
        await answer(operation, request(), NEW)

    assert signals.metrics() == {
        "carts.refused": {(("code", "partner_center_timeout"),): 1},
        "carts.outcome_unknown": {(): 1},
    }


async def test_the_log_leaves_no_room_for_a_line_of_the_callers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def operation(_: Request, call: Call) -> Response:
        call.cart_id = "a b\r\nstatus=200 é"
        return Response(201, {})

    with caplog.at_level(logging.INFO):
        await answer(operation, request(), NEW)

    (record,) = caplog.records
    assert record.getMessage().endswith(" cartId=a%20b%0D%0Astatus%3D200%20%C3%A9")
