"""Answering an invocation: whatever happens becomes an answer and one line in the log."""

import asyncio
import logging
import time

import pytest

from cart_core.api import invocation as module
from cart_core.api.invocation import Handler, answer
from cart_core.api.messages import Invocation, Request, Response
from cart_core.call import Trace
from cart_core.problem import Fault, FieldError, Problem
from tests.kit.builders import CUSTOMER, MARKER
from tests.kit.requests import NEW, OTHER, request
from tests.kit.signals import collected


def fails(problem: Exception, cart_id: str | None = None) -> Handler:
    """A handler that fails like this, after it has made a cart."""

    async def handler(_: Request, invocation: Invocation) -> Response:
        invocation.sent.cart_id = cart_id
        raise problem

    return handler


async def works(_: Request, invocation: Invocation) -> Response:
    """A handler that is answered."""
    invocation.cart_id, invocation.replayed = "a/b\r\nstatus=200 é", True
    return Response(201, {"id": "x"}, {"MS-RequestId": OTHER})


async def test_an_answer_is_handed_on_and_leaves_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with collected() as signals, caplog.at_level(logging.INFO):
        response = await answer("create_cart", works, request(), NEW)

    assert response == Response(201, {"id": "x"}, {"MS-RequestId": OTHER})
    [record] = caplog.records
    facts = dict(fact.split("=", 1) for fact in record.getMessage().split(" "))
    assert int(facts.pop("ms")) >= 0
    assert facts == {
        "operation": "create_cart",
        "status": "201",
        "replayed": "true",
        "tries": "0",
        "correlationId": NEW,
        "requestId": OTHER,
        # A cart's id is Partner Center's text, and must not write a log line of its own.
        "cartId": "a%2Fb%0D%0Astatus%3D200%20%C3%A9",
    }
    assert signals.metrics() == {}  # The use case counts what it has done.


async def test_a_problem_becomes_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    problem = Problem(
        "partner_center_throttled",
        "Slow down.",
        errors=[FieldError("/a", "b", "c")],
        fault=Fault(429, description="Slow down."),
        retry_after=57,
        trace=Trace(OTHER, {"MS-CV": "cv"}),
    )
    with caplog.at_level(logging.INFO):
        headers = request(ms_correlationid=CUSTOMER)
        response = await answer("place_order", fails(problem, "cart-1"), headers, NEW)

    assert response.status == 429
    assert response.headers == {
        "MS-CorrelationId": CUSTOMER,
        "MS-RequestId": OTHER,
        "MS-CV": "cv",
        "Retry-After": "57",
    }
    assert response.body == problem.as_json(request_id=OTHER, correlation_id=CUSTOMER)
    line = caplog.records[0].getMessage()
    assert " code=partner_center_throttled outcome=rejected " in line
    assert line.endswith(f" requestId={OTHER} cartId=cart-1")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        *((accept, None) for accept in ("", "*/*", "application/json", "application/problem+xml")),
        ("application/json, application/problem+json;q=0.9", "application/problem+json"),
        ("Application/Problem+JSON", "application/problem+json"),
    ],
)
async def test_a_problem_is_problem_json_only_if_accept_names_it(
    accept: str, media_type: str | None
) -> None:
    problem = Problem("invalid_json", "No.")
    failed = await answer("get_cart", fails(problem), request(accept=accept), NEW)
    worked = await answer("get_cart", works, request(accept=accept), NEW)

    assert failed.headers == {"MS-CorrelationId": NEW} | (
        {"Content-Type": media_type} if media_type else {}
    )
    assert failed.body["requestId"] is None  # Nothing was sent to Partner Center.
    assert "Content-Type" not in worked.headers


async def test_a_problem_has_no_nulls_for_who_prefers_that() -> None:
    problem = Problem("partner_center_conflict", "No.", fault=Fault(409, data=[None, {"a": None}]))
    answered = await answer("get_cart", fails(problem), request(prefer="omit-values=nulls"), NEW)

    assert answered.headers["Preference-Applied"] == "omit-values=nulls"
    assert answered.body["partnerCenter"] == {"status": 409, "data": [None, {}]}
    assert {"requestId", "cart"}.isdisjoint(answered.body)
    assert answered.body["orderErrors"] == []


@pytest.mark.parametrize("error", [ValueError(MARKER), RecursionError(MARKER)], ids=repr)
@pytest.mark.parametrize(
    ("sent", "may_have_effect", "outcome"),
    [(None, False, "not_sent"), (OTHER, False, "not_sent"), (OTHER, True, "unknown")],
)
async def test_an_unexpected_exception_is_a_500_that_does_not_show_it(
    error: Exception,
    sent: str | None,
    may_have_effect: bool,
    outcome: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def operation(_: Request, invocation: Invocation) -> Response:
        invocation.sent.request_id = sent
        invocation.sent.may_have_effect = may_have_effect
        try:
            raise OSError(MARKER)
        except OSError:
            raise error from None

    with caplog.at_level(logging.DEBUG):
        response = await answer("create_cart", operation, request(), NEW)

    body = response.body
    assert (response.status, body["code"], body["outcome"]) == (500, "internal_error", outcome)
    assert (body["requestId"], body["correlationId"]) == (sent, NEW)
    assert f"unexpected {type(error).__name__}, correlation id {NEW}\n" in caplog.text
    assert MARKER not in str(body) + caplog.text


@pytest.mark.parametrize("error", [RuntimeError(MARKER), Problem("invalid_json", "No.")], ids=repr)
async def test_a_call_is_answered_even_if_its_caller_goes_away(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    may_end = asyncio.Event()

    async def operation(_: Request, __: Invocation) -> Response:
        await may_end.wait()
        raise error

    with collected() as signals, caplog.at_level(logging.INFO):
        caller = asyncio.create_task(answer("create_cart", operation, request(), NEW))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        [task] = module._under_way  # Without this reference the event loop might lose the task.
        may_end.set()
        response, _ = await task

    code = "invalid_json" if isinstance(error, Problem) else "internal_error"
    assert response.body["code"] == code
    assert signals.metrics() == {"carts.refused": {(("code", code),): 1}}
    assert f"operation=create_cart status={response.status}" in caplog.text
    await asyncio.sleep(0)
    assert module._under_way == set()


async def test_a_defect_that_nobody_waits_for_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise AttributeError(MARKER)

    monkeypatch.setattr(module, "_log", broken)
    caller = asyncio.create_task(answer("create_cart", works, request(), NEW))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert "an invocation broke down: AttributeError" in caplog.text
    assert MARKER not in caplog.text


async def test_an_invocation_began_when_its_request_arrived() -> None:
    invocations = []

    async def operation(_: Request, invocation: Invocation) -> Response:
        invocations.append(invocation)
        return Response(200, {})

    before = time.monotonic()
    await answer("get_cart", operation, request(), NEW)

    assert before <= invocations[0].began <= time.monotonic()
