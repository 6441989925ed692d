"""What the app says of itself: that it runs, and how it is called. Neither needs a setting."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from cart_core import __version__
from cart_core.api.messages import Call, Request, Response

OPENAPI_FILE = Path(__file__).with_name("openapi.json")
"""The description of this API; `make describe` writes it."""


async def get_health(request: Request, call: Call) -> Response:
    """200 with the version. Settings, tokens and Partner Center are deliberately not asked."""
    return Response(200, {"status": "ok", "version": __version__}, call.headers())


async def get_openapi(request: Request, call: Call) -> Response:
    """200 with this API as OpenAPI 3.1."""
    return Response(200, _openapi(), call.headers())


@cache
def _openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(OPENAPI_FILE.read_text("utf-8"))
    return document
