"""The routes about the function itself: its health and its OpenAPI document.

Both work without any setting.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from cart_core import __version__
from cart_core.api.messages import Invocation, Request, Response

OPENAPI_FILE: Final = Path(__file__).with_name("openapi.json")
"""The OpenAPI document of this API. `make describe` generates it from the code."""


async def get_health(request: Request, invocation: Invocation) -> Response:
    """200 with the version. Settings, tokens and Partner Center are deliberately not checked."""
    return _response({"status": "ok", "version": __version__}, invocation)


async def get_openapi(request: Request, invocation: Invocation) -> Response:
    """200 with the OpenAPI 3.1 document of this API."""
    return _response(_openapi(), invocation)


def _response(body: dict[str, Any], invocation: Invocation) -> Response:
    return Response(200, body, {"MS-CorrelationId": invocation.correlation_id})


@cache
def _openapi() -> dict[str, Any]:
    """The parsed file; each process reads it once."""
    document: dict[str, Any] = json.loads(OPENAPI_FILE.read_text("utf-8"))
    return document
