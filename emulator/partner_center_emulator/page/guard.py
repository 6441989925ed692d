"""Lets only this machine's own pages and programs use what listens on loopback.

A web site in a browser on this machine could send requests here, or lead a host name of its own to
127.0.0.1 (DNS rebinding). The first names another origin, the second another host.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from yarl import URL

_OWN_NAMES = {"127.0.0.1", "localhost"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def only_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers 403 to another `Host` name than this machine's, and to another `Origin`."""
    if not _is_own(f"http://{request.host}"):
        return _refused("Use the host name 127.0.0.1 or localhost.")
    for origin in request.headers.getall("Origin", []):
        if origin != f"http://{request.host}":
            return _refused("Requests of other origins are refused.")
    return await handler(request)


def _is_own(address: str) -> bool:
    try:
        return URL(address).host in _OWN_NAMES
    except ValueError:
        return False


def _refused(error: str) -> web.Response:
    return web.json_response({"error": error}, status=403)
