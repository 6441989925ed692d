"""Health: the app is up. Settings, tokens and Partner Center are deliberately not asked."""

from cart_core import __version__
from cart_core.http import Call, Request, Response


async def get_health(request: Request, call: Call) -> Response:
    """200 with the version, whatever the settings are."""
    return Response(200, {"status": "ok", "version": __version__}, call.headers())
