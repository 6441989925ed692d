"""The one module that knows Azure Functions: its requests in, its responses out."""

import json
import uuid

import azure.functions as func

from cart_core.http import Request, Response
from cart_core.serving import Operation, answer


async def serve(request: func.HttpRequest, operation: Operation) -> func.HttpResponse:
    """Answer an HTTP-triggered invocation with an operation of the core."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    inner = Request(headers, dict(request.route_params), request.get_body())
    return to_http_response(await answer(operation, inner, str(uuid.uuid4())))


def to_http_response(response: Response) -> func.HttpResponse:
    """The response as JSON; lone surrogates that Partner Center might send stay escaped."""
    headers = dict(response.headers)
    media_type = headers.pop("Content-Type", "application/json")
    return func.HttpResponse(
        json.dumps(response.body), status_code=response.status, headers=headers, mimetype=media_type
    )
