"""Answers and problems become responses."""

from cart_core.api.messages import Invocation, Response
from cart_core.call import Answer
from cart_core.problem import Problem


def answer_response(answer: Answer, invocation: Invocation) -> Response:
    """The response for an answer, with the correlation id of the call that it answers."""
    headers = {**answer.headers, "MS-CorrelationId": invocation.correlation_id}
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.status, answer.body, headers)


def problem_response(problem: Problem, invocation: Invocation, accept: str) -> Response:
    """The response for a problem, as `application/problem+json` only if `accept` names that type.

    Logic Apps hands every JSON type but `application/json` on as base64.
    """
    trace = problem.trace
    headers = {"MS-CorrelationId": invocation.correlation_id}
    if trace:
        headers |= {"MS-RequestId": trace.request_id, **trace.headers}
    if "application/problem+json" in accept.lower():
        headers["Content-Type"] = "application/problem+json"
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    body = problem.as_json(
        request_id=trace.request_id if trace else None, correlation_id=invocation.correlation_id
    )
    return Response(problem.kind.status, body, headers)
