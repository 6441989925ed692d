"""Running an operation: whatever happens becomes a documented answer and one line in the log."""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from cart_core.api.messages import Call, Request, Response, correlation_id
from cart_core.problem import Outcome, Problem

_LOG = logging.getLogger("cart_core")

Operation = Callable[[Request, Call], Coroutine[Any, Any, Response]]
"""A use case: it answers, or raises Problem."""

_under_way: set[asyncio.Task[Response]] = set()


async def answer(operation: Operation, request: Request, new_guid: str) -> Response:
    """Run an operation to its end, even when the caller goes away: a cart in flight is not dropped.

    `new_guid` identifies the call where the caller gave no id of its own.
    """
    call = Call(correlation_id(request.headers, new_guid), began=time.monotonic())
    task = asyncio.create_task(_answer(operation, request, call))
    _under_way.add(task)  # the event loop itself holds tasks only weakly
    task.add_done_callback(_under_way.discard)
    return await asyncio.shield(task)


async def _answer(operation: Operation, request: Request, call: Call) -> Response:
    from cart_core import telemetry  # it looks at the environment when it is imported

    problem = None
    try:
        response = await operation(request, call)
    except Problem as stated:
        problem = stated
    except Exception as error:
        # Neither the text of the exception nor its locals: both may quote the order or a token.
        _LOG.error(
            "unexpected %s, correlation id %s\n%s",
            type(error).__name__,
            call.correlation_id,
            "".join(traceback.format_tb(error.__traceback__)),
        )
        problem = Problem(
            "internal_error",
            "Quote the correlationId to the operator of this function.",
            outcome=Outcome.UNKNOWN if call.may_have_effect else Outcome.NOT_SENT,
        )
    if problem:
        telemetry.count_problem(problem)
        response = _problem_response(problem, call, request.headers.get("accept", ""))
    _log(operation.__name__, response.status, problem, call)
    return response


def _problem_response(problem: Problem, call: Call, accept: str) -> Response:
    """As `application/problem+json` only where `accept` names it.

    Logic Apps hands every JSON type but `application/json` on as base64.
    """
    headers = call.headers()
    if "application/problem+json" in accept.lower():
        headers["Content-Type"] = "application/problem+json"
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    body = problem.as_json(request_id=call.request_id, correlation_id=call.correlation_id)
    return Response(problem.kind.status, body, headers)


def _log(operation: str, status: int, problem: Problem | None, call: Call) -> None:
    """The one line that a request leaves, `name=value` throughout: never a body or a token."""
    facts = {
        "operation": operation,
        "status": status,
        "code": problem.code if problem else None,
        "outcome": problem.outcome if problem else None,
        "replayed": "true" if call.replayed else None,
        "tries": call.tries,
        "ms": round((time.monotonic() - call.began) * 1000),
        "correlationId": call.correlation_id,
        "requestId": call.request_id,
        "customerId": call.customer_id,
        "cartId": quote(call.cart_id, safe="") if call.cart_id else None,
    }
    _LOG.info(" ".join(f"{name}={fact}" for name, fact in facts.items() if fact is not None))
