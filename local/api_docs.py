"""Shows the API's description in Swagger UI, and passes the calls made there on to the function.

The assets are those of the package swagger-ui-py, so nothing comes from the network. The browser
calls the function at this site's own origin, from where the calls are passed on.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

OPENAPI_FILE = Path(__file__).resolve().parent.parent / "cart_core" / "api" / "openapi.json"
ADDRESS = "/docs/"

_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_HEADERS = {
    # Swagger UI sets styles in elements, and has its pictures in its own style sheet.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_NOT_PASSED_ON = {
    *("connection", "content-encoding", "content-length", "host", "keep-alive", "origin"),
    "transfer-encoding",
}
_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API documentation</title>
<link rel="icon" href="/page/icon.svg">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<script src="/docs/swagger-ui-bundle.js" defer></script>
<script src="/docs/begin.js" defer></script>
</head>
<body><p><a href="/">Back to what happens</a></p><main id="swagger-ui"></main></body>
</html>
"""
_BEGIN = """\
const ui = SwaggerUIBundle({{
  url: "/docs/openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  tryItOutEnabled: true,
  onComplete: () => ui.preauthorizeApiKey("functionKey", {key}),
}});
"""


class ApiDocs:
    """The site. `function` gives the function's URL and its key, or None as long as it starts."""

    def __init__(self, function: Callable[[], tuple[str, str] | None]) -> None:
        self._function = function
        self._assets = assets()

    @property
    def has_assets(self) -> bool:
        """Whether Swagger UI is installed."""
        return self._assets is not None

    def routes(self) -> list[web.RouteDef]:
        """The documentation, where its assets are installed, and the API behind it."""
        docs = [web.get(ADDRESS, self._page), web.get(ADDRESS + "{name}", self._file)]
        return [*(docs if self._assets else ()), web.route("*", "/api/{path:.*}", self._pass_on)]

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=_HTML, content_type="text/html", headers=_HEADERS)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        function = self._function()
        if name == "openapi.json":
            document = json.loads(OPENAPI_FILE.read_text("utf-8"))
            document["servers"] = [{"url": "/", "description": "The app in this local cloud."}]
            return web.json_response(document)
        if name == "begin.js" and function:
            text = _BEGIN.format(key=json.dumps(function[1]))
            return web.Response(text=text, content_type="text/javascript", headers=_HEADERS)
        if self._assets is None or name not in _ASSETS:
            raise web.HTTPNotFound
        content = (self._assets / name).read_bytes()
        return web.Response(body=content, content_type=_ASSETS[name], headers=_HEADERS)

    async def _pass_on(self, request: web.Request) -> web.Response:
        """Sends a call to the function and gives its answer."""
        function = self._function()
        if function is None:
            raise web.HTTPServiceUnavailable
        headers = CIMultiDict(request.headers)
        for name in _NOT_PASSED_ON:
            headers.popall(name, None)
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                function[0] + request.raw_path,
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer,
        ):
            content = await answer.read()
            own = {n: v for n, v in answer.headers.items() if n.lower() not in _NOT_PASSED_ON}
            return web.Response(status=answer.status, body=content, headers=own)


def assets() -> Path | None:
    """The folder with Swagger UI's files; None where the package is not installed."""
    package = importlib.util.find_spec("swagger_ui")
    folders = package.submodule_search_locations if package else None
    return Path(folders[0]) / "static" if folders else None
