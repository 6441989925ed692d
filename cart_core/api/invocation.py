"""Answering an invocation: whatever happens becomes a documented answer and one line in the log."""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from cart_core.api.messages import Invocation, Request, Response
from cart_core.api.parameters import correlation_id
from cart_core.api.responses import problem_response
from cart_core.call import Trace
from cart_core.problem import Outcome, Problem

_LOG = logging.getLogger("cart_core")

Handler = Callable[[Request, Invocation], Coroutine[Any, Any, Response]]
"""Answers the requests of one route, or raises Problem."""

Ending = tuple[Response, Problem | None]
"""How an invocation ends: its response, and the problem that this states, if there is one."""

_under_way: set[asyncio.Task[Ending]] = set()


async def answer(name: str, handler: Handler, request: Request, new_guid: str) -> Response:
    """Run a handler to its end, even if the caller goes away: a purchase must not be dropped.

    `name` is what the log calls it. `new_guid` identifies the call if the caller gave no
    id of its own.
    """
    invocation = Invocation(correlation_id(request.headers, new_guid), began=time.monotonic())
    task = asyncio.create_task(perform(name, handler, request, invocation))
    _under_way.add(task)  # The event loop itself keeps only weak references to tasks.
    task.add_done_callback(_ended)
    response, _ = await asyncio.shield(task)
    return response


def _ended(task: asyncio.Task[Ending]) -> None:
    """Log an exception that would be lost, because the caller may no longer wait for the task."""
    _under_way.discard(task)
    if not task.cancelled() and (error := task.exception()):
        _LOG.error("an invocation broke down: %s", type(error).__name__)


async def perform(name: str, handler: Handler, request: Request, invocation: Invocation) -> Ending:
    """Run a handler: every exception becomes a response, and a line is logged."""
    from cart_core import telemetry  # It reads the environment when it is imported.

    problem = None
    try:
        response = await handler(request, invocation)
    except Problem as stated:
        problem = stated
    except Exception as error:
        problem = _unexpected(error, invocation)
    if problem:
        telemetry.count_problem(problem, invocation.caller)
        invocation.cart_id = invocation.sent.cart_id or invocation.cart_id
        response = problem_response(problem, invocation, request.headers)
    request_id = response.headers.get("MS-RequestId")
    _log(name, response.status, problem, request_id, invocation)
    return response, problem


def _unexpected(error: Exception, invocation: Invocation) -> Problem:
    """Log an exception that is no Problem; the answer is `internal_error`."""
    # Neither the text of the exception nor its locals: both may contain the order or a token.
    _LOG.error(
        "unexpected %s, correlation id %s\n%s",
        type(error).__name__,
        invocation.correlation_id,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    sent = invocation.sent
    return Problem(
        "internal_error",
        "Quote the correlationId to the operator of this function.",
        outcome=Outcome.UNKNOWN if sent.may_have_effect else Outcome.NOT_SENT,
        trace=Trace(sent.request_id) if sent.request_id else None,
    )


def _log(
    name: str, status: int, problem: Problem | None, request_id: str | None, invocation: Invocation
) -> None:
    """The one line that a request leaves, `name=value` throughout: never a body or a token."""
    cart_id = invocation.cart_id
    facts = {
        "operation": name,
        "status": status,
        "code": problem.code if problem else None,
        "outcome": problem.outcome if problem else None,
        "replayed": "true" if invocation.replayed else None,
        "tries": invocation.sent.tries,
        "ms": round((time.monotonic() - invocation.began) * 1000),
        "correlationId": invocation.correlation_id,
        "requestId": request_id,
        "caller": invocation.caller,
        "customerId": invocation.customer_id,
        "cartId": quote(cart_id, safe="") if cart_id else None,
        "operationId": invocation.operation_id,
    }
    _LOG.info(" ".join(f"{name}={fact}" for name, fact in facts.items() if fact is not None))
