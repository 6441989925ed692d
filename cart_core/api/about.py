"""The routes about the function itself: its health and its OpenAPI document.

Both work without any setting.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from cart_core import __version__
from cart_core.api.messages import Call, Request, Response

OPENAPI_FILE = Path(__file__).with_name("openapi.json")
"""The OpenAPI document of this API. `make describe` generates it from the code."""


async def get_health(request: Request, call: Call) -> Response:
    """200 with the version. Settings, tokens and Partner Center are deliberately not checked."""
    return Response(200, {"status": "ok", "version": __version__}, call.headers())


async def get_openapi(request: Request, call: Call) -> Response:
    """200 with the OpenAPI 3.1 document of this API."""
    return Response(200, _openapi(), call.headers())


@cache
def _openapi() -> dict[str, Any]:
    """The parsed file; each process reads it once."""
    document: dict[str, Any] = json.loads(OPENAPI_FILE.read_text("utf-8"))
    return document
