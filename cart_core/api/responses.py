"""From a normalised answer to what is remembered of it, and to what the caller gets."""

from typing import Any

from cart_core.api.messages import Call, Response
from cart_core.idempotency.record import StoredAnswer


def to_store(status: int, body: dict[str, Any], call: Call, **headers: str) -> StoredAnswer:
    """The answer with the ids under which Partner Center knows what made it."""
    ids = {"MS-RequestId": call.request_id or "", **call.partner_center_headers}
    # Not validated: it is ours already.
    return StoredAnswer.model_construct(status=status, headers=headers | ids, body=body)


def to_response(answer: StoredAnswer, call: Call) -> Response:
    """The answer, made now or before, with the ids of the call that it answers."""
    call.request_id = answer.headers.get("MS-RequestId")
    headers = answer.headers | {"MS-CorrelationId": call.correlation_id}
    if call.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.status, answer.body, headers)
