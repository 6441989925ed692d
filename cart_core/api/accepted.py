"""Answering before the work is done: 202 with two addresses, and what is found there later.

`Operation-Location` is the monitor: it answers 200 with the operation's status, also where the
operation has failed. `Location` is the result: it answers 202 until the operation has ended, then
what the synchronous call would have answered. Neither redirects, because Logic Apps takes a
redirect for an error. Both addresses carry the operation's token, so that whoever polls needs no
function key.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hmac import compare_digest
from typing import Any, Final
from urllib.parse import quote

from cart_core.api import query
from cart_core.api.headers import preferences
from cart_core.api.invocation import Handler, perform
from cart_core.api.messages import Invocation, Request, Response
from cart_core.api.responses import answer_response, preferred, problem_response
from cart_core.call import Answer, Call, WorkedOff
from cart_core.idempotency.plan import Keyed
from cart_core.idempotency.record import StoredAnswer, format_moment
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.acceptance import Acceptance
from cart_core.operations.deferral import whole_seconds_until
from cart_core.operations.operation import RESTING, AcceptedOperation, AcceptedRequest
from cart_core.operations.store import OperationStore
from cart_core.operations.worker import Performed
from cart_core.problem import FieldError, Outcome, Problem, invalid_request

PREFERENCE: Final = "respond-async"
"""The preference of RFC 7240, section 4.1."""

PATH: Final = "/api/accepted"
"""No other route has this prefix, so a sign-in in front of the app can leave it out."""

FIRST_POLL, NEXT_POLL, LONGEST_POLL = 10, 5, 60
"""Seconds that a caller is asked to wait: before it has begun, while it runs, and at most."""

STORE_POLL: Final = 5
"""Seconds that a caller is asked to wait while the store cannot be read."""

_KEPT_HEADERS: Final = (
    *("idempotency-key", "webhook-id", "x-ms-customeruser-upn", "content-type", "x-locale"),
    *("prefer", "accept", "ms-correlationid", "x-ms-client-tracking-id", "traceparent"),
)
"""The headers of a request that count when it is worked off."""

_KEPT_QUERY: Final = ("preflight",)
"""The parameters of the query that count then."""


def wants_asynchrony(request: Request) -> bool:
    """Whether the caller wants to be answered before the work is done.

    Callers that cannot set a header send `async=true` in the query. Raises Problem
    `invalid_request` for another value than true and false.
    """
    errors: list[FieldError] = []
    asked = query.flag(request.query, "async", errors)
    if errors:
        raise invalid_request(errors)
    return asked or PREFERENCE in preferences(request.headers)


class Accepting:
    """Accepts requests, and answers for them until they are done.

    `origin` is the address that callers use for the app, such as `https://host`. Where it is None,
    the addresses in an answer begin as the caller's own request did.
    """

    def __init__(
        self,
        acceptance: Acceptance,
        operations: OperationStore,
        *,
        origin: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._acceptance = acceptance
        self._operations = operations
        self._origin = origin
        self._clock = clock

    async def accept(
        self, request: Request, invocation: Invocation, call: Call, asked: Keyed
    ) -> Response:
        """202, or the stored answer where the key has been answered. Raises Problem."""
        kept = AcceptedRequest(
            path=dict(request.path),
            headers={
                name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers
            },
            body=request.body.decode(),
            query={name: request.query[name] for name in _KEPT_QUERY if name in request.query},
        )
        accepted = await self._acceptance(call, asked, kept)
        if isinstance(accepted, Answer):
            invocation.replayed = True
            return answer_response(accepted, invocation, request.headers)
        invocation.operation_id = accepted.operation.id
        invocation.replayed = not accepted.new
        response = self._accepted(accepted.operation, request, invocation)
        response.headers["Preference-Applied"] = PREFERENCE
        return preferred(response, request.headers)

    async def monitor(self, request: Request, invocation: Invocation) -> Response:
        """200 with the status of an operation, whatever it is. Raises Problem."""
        operation = await self._find(request, invocation)
        headers = self._headers(operation, invocation)
        if operation.due:
            headers["Retry-After"] = str(self._poll_after(operation))
        return Response(200, self._status(operation), headers)

    async def result(self, request: Request, invocation: Invocation) -> Response:
        """202 as long as an operation is open, then the answer to it. Raises Problem."""
        operation = await self._find(request, invocation)
        if operation.answer:
            stored = operation.answer
            return Response(stored.status, stored.body, dict(stored.headers))
        if operation.state in RESTING:
            raise _dead(operation)
        return self._accepted(operation, request, invocation)

    async def _find(self, request: Request, invocation: Invocation) -> AcceptedOperation:
        """The operation of an address. A wrong id and a wrong token raise the same Problem."""
        operation_id, token = request.path.get("id", ""), request.query.get("t", "")
        try:
            found = await self._operations.find(operation_id)
        except StoreUnavailable as failure:
            raise Problem(
                "store_unavailable",
                f"{failure} The operation goes on all the same; ask again.",
                retry_after=failure.retry_after or STORE_POLL,
                outcome=Outcome.REJECTED,
            ) from None
        if found is None or not compare_digest(found.operation.token.encode(), token.encode()):
            raise Problem(
                "operation_not_found",
                "There is no such operation, or the address is not complete, or it has ended so"
                " long ago that its answer is not kept any more.",
            )
        invocation.operation_id = operation_id
        invocation.customer_id = found.operation.customer_id
        return found.operation

    def _accepted(
        self, operation: AcceptedOperation, request: Request, invocation: Invocation
    ) -> Response:
        """202 with the addresses of an operation; each poll repeats them, as Logic Apps demands."""
        origin = self._origin or request.origin
        address = f"{origin}{PATH}/{operation.id}"
        token = f"t={quote(operation.token)}"
        headers = self._headers(operation, invocation) | {
            "Location": f"{address}/result?{token}",
            "Operation-Location": f"{address}?{token}",
            "Retry-After": str(self._poll_after(operation)),
        }
        return Response(202, self._status(operation), headers)

    def _headers(self, operation: AcceptedOperation, invocation: Invocation) -> dict[str, str]:
        return {"MS-CorrelationId": invocation.correlation_id, "Cache-Control": "no-store"}

    def _poll_after(self, operation: AcceptedOperation) -> int:
        now = datetime.fromtimestamp(self._clock(), UTC)
        if operation.state == "running":
            return NEXT_POLL
        if operation.next_attempt is None:
            return FIRST_POLL
        return min(LONGEST_POLL, whole_seconds_until(operation.next_attempt, now))

    def _status(self, operation: AcceptedOperation) -> dict[str, Any]:
        answer, error = operation.answer, None
        if answer and answer.status >= 400:
            error = answer.body
        elif operation.state in RESTING:
            error = _dead(operation).as_json(
                request_id=None, correlation_id=operation.correlation_id
            )
        result = (
            {"status": answer.status, "headers": answer.headers, "body": answer.body}
            if (answer and not error)
            else None
        )
        return {
            "id": operation.id,
            "status": _status_of(operation),
            "createdDateTime": format_moment(operation.accepted_at),
            "lastActionDateTime": format_moment(operation.changed_at),
            "attempts": operation.tries,
            "nextAttemptDateTime": (
                format_moment(operation.next_attempt) if operation.next_attempt else None
            ),
            "result": result,
            "error": error,
        }


def _status_of(operation: AcceptedOperation) -> str:
    if operation.state == "succeeded":
        return "Succeeded"
    if operation.state == "failed" or operation.state in RESTING:
        return "Failed"
    return "Running" if operation.tries else "NotStarted"


def _dead(operation: AcceptedOperation) -> Problem:
    """The problem of an operation that nobody tries any more."""
    last = (operation.problem or {}).get("detail")
    detail = "Its operator has to replay or discard it; do not order it in another way."
    if operation.state == "parked":
        detail = "Nobody knows whether it had its effect. Its operator has stopped trying."
    return Problem(
        "operation_dead",
        f"{detail} The last try: {last}" if last else detail,
        outcome=Outcome(operation.outcome),
    )


class Performing:
    """Works an accepted request off, by the endpoint that it came to.

    `require_wanted` is asked just before an operation buys that is a part of a storefront's order;
    it raises Problem where that must not be done any more.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Handler],
        require_wanted: Callable[[AcceptedOperation], Awaitable[None]],
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._endpoints = endpoints
        self._require_wanted = require_wanted
        self._monotonic = monotonic

    async def __call__(self, operation: AcceptedOperation, worked_off: WorkedOff) -> Performed:
        """The answer that the synchronous call would have been given."""
        kept = operation.request
        if kept is None:
            raise ValueError("an operation without its request has ended")
        request = Request(kept.headers, kept.path, kept.body.encode(), kept.query)
        invocation = Invocation(
            operation.correlation_id,
            self._monotonic(),
            caller=operation.caller_id,
            operation_id=operation.id,
            worked_off=worked_off,
        )
        name = operation.operation
        run = self._endpoints[name]
        if operation.order:
            require_wanted = partial(self._require_wanted, operation)
            invocation.worked_off = replace(worked_off, require_wanted=require_wanted)
            if name == "create_cart":  # Without a checkout, nothing would ask later.
                run = _asking_first(require_wanted, run)
        response, problem = await perform(name, run, request, invocation)
        return Performed(_stored(response), problem)


def _asking_first(require_wanted: Callable[[], Awaitable[None]], run: Handler) -> Handler:
    async def asked(request: Request, invocation: Invocation) -> Response:
        await require_wanted()
        return await run(request, invocation)

    return asked


def discarded(operation: AcceptedOperation, problem: Problem) -> StoredAnswer:
    """The answer of an operation that an operator has discarded."""
    asked = operation.request.headers if operation.request else {}
    invocation = Invocation(operation.correlation_id, 0.0)
    return _stored(problem_response(problem, invocation, asked))


def _stored(response: Response) -> StoredAnswer:
    """A response as it is stored, without the header `Idempotent-Replayed`.

    The caller has had no answer before, even where this try found the answer of an earlier try.
    """
    headers = {n: v for n, v in response.headers.items() if n != "Idempotent-Replayed"}
    return StoredAnswer(status=response.status, headers=headers, body=response.body)
