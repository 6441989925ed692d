"""Answers and problems become responses, in the form that the request prefers."""

from collections.abc import Mapping
from typing import Any, Final

from cart_core.api.headers import preferences
from cart_core.api.messages import Invocation, Response
from cart_core.call import Answer
from cart_core.problem import Problem

_OMIT_NULLS: Final = ("omit-values", "nulls")
"""A preference of OData 4.01: members that are null are left out."""


def answer_response(answer: Answer, invocation: Invocation, asked: Mapping[str, str]) -> Response:
    """The response for an answer, with the correlation id of the call that it answers.

    `asked` are the headers of the request.
    """
    headers = {**answer.headers, "MS-CorrelationId": invocation.correlation_id}
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return preferred(Response(answer.status, answer.body, headers), asked)


def problem_response(
    problem: Problem, invocation: Invocation, asked: Mapping[str, str]
) -> Response:
    """The response for a problem, as `application/problem+json` only if Accept names that type.

    `asked` are the headers of the request. Logic Apps hands every JSON type but `application/json`
    on as base64.
    """
    trace = problem.trace
    headers = {"MS-CorrelationId": invocation.correlation_id}
    if trace:
        headers |= {"MS-RequestId": trace.request_id, **trace.headers}
    if "application/problem+json" in asked.get("accept", "").lower():
        headers["Content-Type"] = "application/problem+json"
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    body = problem.as_json(
        request_id=trace.request_id if trace else None, correlation_id=invocation.correlation_id
    )
    return preferred(Response(problem.kind.status, body, headers), asked)


def preferred(response: Response, asked: Mapping[str, str]) -> Response:
    """The response without its nulls, if the request prefers that."""
    name, value = _OMIT_NULLS
    if preferences(asked).get(name, "").lower() != value:
        return response
    before = response.headers.get("Preference-Applied")
    applied = ", ".join(filter(None, [before, f"{name}={value}"]))
    headers = {**response.headers, "Preference-Applied": applied}
    return Response(response.status, _without_nulls(response.body), headers)


def _without_nulls(value: Any) -> Any:
    """A copy in which no object has a member that is null; what a list holds stays."""
    if isinstance(value, dict):
        return {
            name: _without_nulls(member) for name, member in value.items() if member is not None
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
