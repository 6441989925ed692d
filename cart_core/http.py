"""HTTP as the core sees it, free of any server's types, and the rules for headers and bodies."""

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from cart_core import telemetry
from cart_core.problem import FieldError, Outcome, Problem

_LOG = logging.getLogger("cart_core")
_LOG.setLevel(logging.INFO)

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Header names are in lower case; `path` holds the route's parameters."""

    headers: Mapping[str, str]
    path: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A JSON answer."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """What identifies one call in answers and logs, filled in as the call proceeds."""

    correlation_id: str
    request_id: str | None = None
    customer_id: str | None = None
    cart_id: str | None = None
    tries: int = 0
    replayed: bool = False
    partner_center_headers: dict[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """The headers that every answer of this call carries."""
        ids = {"MS-CorrelationId": self.correlation_id}
        if self.request_id:
            ids["MS-RequestId"] = self.request_id
        return ids | self.partner_center_headers


Operation = Callable[[Request, Call], Coroutine[Any, Any, Response]]
"""A use case: it answers, or raises Problem."""


def correlation_id(headers: Mapping[str, str], new_guid: str) -> str:
    """The caller's MS-CorrelationId, else Logic Apps' x-ms-client-tracking-id, else `new_guid`."""
    for name in ("ms-correlationid", "x-ms-client-tracking-id"):
        if GUID.fullmatch(value := headers.get(name, "").strip()):
            return value.lower()
    return new_guid


def locale(headers: Mapping[str, str], default: str) -> str:
    """The caller's X-Locale where it is a language tag, else `default`."""
    value = headers.get("x-locale", "").strip()
    return value if LOCALE.fullmatch(value) else default


def customer_flaws(customer_id: str) -> list[FieldError]:
    """What is wrong with a route's customerId; Partner Center knows customers by tenant GUID."""
    if GUID.fullmatch(customer_id):
        return []
    return [FieldError("", "invalid_customer_id", "The customerId in the path must be a GUID.")]


def json_body(request: Request, max_bytes: int) -> bytes:
    """The body, once its headers and size say that it can be read as JSON.

    Raises Problem `unsupported_media_type`, `unsupported_content_encoding` or `body_too_large`.
    """
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    media_type = media_type.strip() or "application/json"
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters)
    if media_type != "application/json" and not re.fullmatch(r"[^/]+/[^/]+\+json", media_type):
        raise Problem("unsupported_media_type", "Send the body as 'application/json'.")
    if charset and charset[1] not in {"utf-8", "utf8", "us-ascii"}:
        raise Problem("unsupported_media_type", "Send the body in UTF-8.")
    if request.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
        raise Problem("unsupported_content_encoding", "Send the body without Content-Encoding.")
    if len(request.body) > max_bytes:
        raise Problem("body_too_large", f"The body may have at most {max_bytes} bytes.")
    return request.body


async def answer(operation: Operation, request: Request, new_guid: str) -> Response:
    """Run an operation; whatever happens becomes an answer of the documented shape.

    `new_guid` identifies the call where the caller gave no id of its own.
    """
    call = Call(correlation_id(request.headers, new_guid))
    began = time.monotonic()
    problem: Problem | None = None
    try:
        response = await _to_the_end(operation(request, call))
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
            outcome=Outcome.UNKNOWN if call.request_id else Outcome.NOT_SENT,
        )
    if problem:
        telemetry.count_problem(problem)
        response = _problem_response(problem, call, request.headers.get("accept", ""))
    _log(operation.__name__, response.status, problem, call, time.monotonic() - began)
    return response


def _log(operation: str, status: int, problem: Problem | None, call: Call, seconds: float) -> None:
    """The one line that a request leaves, `name=value` throughout: never a body or a token."""
    facts = {
        "operation": operation,
        "status": status,
        "code": problem.code if problem else None,
        "outcome": problem.outcome if problem else None,
        "replayed": "true" if call.replayed else None,
        "tries": call.tries,
        "ms": round(seconds * 1000),
        "correlationId": call.correlation_id,
        "requestId": call.request_id,
        "customerId": call.customer_id,
        "cartId": quote(call.cart_id, safe="") if call.cart_id else None,
    }
    _LOG.info(" ".join(f"{name}={fact}" for name, fact in facts.items() if fact is not None))


async def _to_the_end(work: Coroutine[Any, Any, Response]) -> Response:
    """Await `work`, which goes on when the caller goes away: a cart in flight is not dropped."""
    task = asyncio.create_task(work)
    _under_way.add(task)  # the event loop itself holds tasks only weakly
    task.add_done_callback(_under_way.discard)
    return await asyncio.shield(task)


_under_way: set[asyncio.Task[Response]] = set()


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
