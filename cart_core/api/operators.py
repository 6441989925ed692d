"""The routes of operators: what waits, what is stuck and why, and how it is set going again."""

from typing import Final

from cart_core.api import query
from cart_core.api.messages import Invocation, Request, Response
from cart_core.operations.operators import Operators, as_json
from cart_core.problem import FieldError, invalid_request

MOST_LISTED: Final = 1000


class OperatorRoutes:
    """Answers operators. Every method raises Problem."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    async def list(self, request: Request, invocation: Invocation) -> Response:
        """200 with the operations that have not ended, the oldest first."""
        errors: list[FieldError] = []
        state = query.open_state(request.query, errors)
        customer_id = query.customer_id(request.query, errors)
        if errors:
            raise invalid_request(errors)
        found = await self._operators.list(state, customer_id)
        body = {
            "total": len(found),
            "operations": [as_json(each) for each in found[:MOST_LISTED]],
        }
        return _response(body, invocation)

    async def replay(self, request: Request, invocation: Invocation) -> Response:
        """200 with the operation, which waits to be worked off again."""
        operation = await self._operators.replay(request.path.get("id", ""))
        invocation.operation_id = operation.id
        return _response({"id": operation.id, "state": operation.state}, invocation)

    async def discard(self, request: Request, invocation: Invocation) -> Response:
        """200 with the operation, which nobody works on any more."""
        operation = await self._operators.discard(request.path.get("id", ""))
        invocation.operation_id = operation.id
        return _response({"id": operation.id, "state": operation.state}, invocation)


def _response(body: "dict[str, object]", invocation: Invocation) -> Response:
    return Response(200, body, {"MS-CorrelationId": invocation.correlation_id})
