"""A small Functions host: serves the functions that `function_app.app` declares, as Azure would.

`python -m local.functions_host --port 7071 --app-dir .` prints one JSON line with its URL as soon
as it accepts requests. Routes, methods and auth levels are those of the app's own triggers. The
function key is the environment variable FUNCTIONS_KEY, or `local-key` without it.
"""

import argparse
import asyncio
import errno
import importlib
import inspect
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import azure.functions as func
from aiohttp import web
from azure.functions.http import HttpResponseConverter
from azure.functions.meta import Datum
from azure.functions.timer import TimerRequestConverter

from local import loopback_guard

DEFAULT_KEY = "local-key"
_BODY_LIMIT = 100 * 1024 * 1024
_HEADER_LIMIT = 32 * 1024

_log = logging.getLogger("local.functions_host")


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a function. Without methods, an HTTP trigger accepts all of them."""

    type: str
    parameter: str
    route: str
    methods: tuple[str, ...]
    auth_level: str


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app."""

    name: str
    call: Callable[..., Any]
    trigger: Trigger

    async def invoke(self, argument: Any) -> Any:
        """Calls it and returns its result; a function that is not async runs in a thread."""
        if inspect.iscoroutinefunction(self.call):
            return await self.call(**{self.trigger.parameter: argument})
        return await asyncio.to_thread(self.call, **{self.trigger.parameter: argument})


def load(app_dir: Path) -> list[Function]:
    """Imports `function_app` from a directory and returns the functions of its `app`."""
    sys.path.insert(0, str(app_dir))
    app = importlib.import_module("function_app").app
    return [_function(declared) for declared in app.get_functions()]


def _function(declared: Any) -> Function:
    name = declared.get_function_name()
    trigger = declared.get_trigger().get_dict_repr()
    return Function(
        name,
        declared.get_user_function(),
        Trigger(
            trigger["type"],
            trigger["name"],
            trigger.get("route") or name,
            tuple(_text(method).upper() for method in trigger.get("methods") or ()),
            _text(trigger.get("authLevel", "function")),
        ),
    )


def _text(value: Any) -> str:
    """The value of an enumeration's member, or a string as it is."""
    return str(getattr(value, "value", value))


class Host:
    """The HTTP side: finds the function, checks the key, converts the request and the answer."""

    def __init__(self, functions: list[Function], prefix: str, key: str) -> None:
        self._functions = functions
        self._routes = [
            (_pattern(f"{prefix}/{function.trigger.route}"), function)
            for function in functions
            if function.trigger.type == "httpTrigger"
        ]
        self._key = key

    def application(self) -> web.Application:
        """The server's application."""
        application = web.Application(client_max_size=_BODY_LIMIT)
        application.router.add_get("/admin/functions", self._list)
        application.router.add_post("/admin/functions/{name}", self._fire)
        application.router.add_route("*", "/{path:(?s:.*)}", self._serve)
        return application

    async def _list(self, request: web.Request) -> web.Response:
        if not self._has_key(request):
            return web.Response(status=401)
        return web.json_response([{"name": f.name, **asdict(f.trigger)} for f in self._functions])

    async def _fire(self, request: web.Request) -> web.Response:
        """Runs a timer function now, and answers once it has finished."""
        if not self._has_key(request):
            return web.Response(status=401)
        for function in self._functions:
            if function.name == request.match_info["name"]:
                break
        else:
            return web.Response(status=404)
        if function.trigger.type != "timerTrigger":
            return web.Response(status=400)
        datum = Datum('{"IsPastDue": false}', "json")
        try:
            await function.invoke(TimerRequestConverter.decode(datum, trigger_metadata={}))
        except Exception:
            _log.exception("Function %s failed", function.name)
            return web.Response(status=500)
        return web.Response(status=202)

    async def _serve(self, request: web.Request) -> web.Response:
        path = _normal_path(request.raw_path.partition("?")[0])
        if path is None:
            return web.Response(status=400)
        for pattern, function in self._routes:
            match = pattern.fullmatch(path)
            methods = function.trigger.methods
            if match and (not methods or request.method in methods):
                break
        else:
            return web.Response(status=404)
        if function.trigger.auth_level != "anonymous" and not self._has_key(request):
            return web.Response(status=401)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        try:
            if "Transfer-Encoding" in request.headers:
                body = b""  # Azure hands on no body that came without a Content-Length.
            answer = await function.invoke(_to_function(request, match.groupdict(), body))
            return _from_function(answer)
        except Exception:
            _log.exception("Function %s failed", function.name)
            return web.Response(status=500)

    def _has_key(self, request: web.Request) -> bool:
        given = request.headers.get("x-functions-key") or request.query.get("code", "")
        return compare_digest(given.encode("utf-8", "replace"), self._key.encode())


def _pattern(template: str) -> re.Pattern[str]:
    """The regular expression of a route template. ASP.NET matches routes in any case."""
    parts = re.split(r"\{(\w+)[^}]*\}", template.strip("/"))
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [f"(?P<{name}>[^/]+)" for name in parts[1::2]]
    return re.compile(f"/{''.join(parts)}/?", re.IGNORECASE)


def _normal_path(raw: str) -> str | None:
    """The path as Azure's web server reads it: decoded except for slashes, with dots resolved.

    None where it refuses the request.
    """
    try:
        path = unquote(re.sub("%2[fF]", "%252F", raw), errors="strict")
    except UnicodeDecodeError:
        path = raw
    if "\0" in path or not path.startswith("/"):
        return None
    segments: list[str] = []
    for segment in path[1:].split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment != ".":
            segments.append(segment)
    return "/" + "/".join(segments)


def _to_function(
    request: web.Request, route_params: dict[str, str], body: bytes
) -> func.HttpRequest:
    headers: dict[str, str] = {}
    for name in request.headers:
        headers[name.lower()] = ", ".join(request.headers.getall(name))
    return func.HttpRequest(
        method=request.method,
        url=f"{request.scheme}://{request.host}{request.raw_path}",
        headers=headers,
        params=dict(request.query),
        route_params=route_params,
        body=body,
    )


def _from_function(answer: Any) -> web.Response:
    """The function's result as an HTTP answer, made with the converter that Azure uses."""
    if answer is None:
        return web.Response(status=204)
    datum = HttpResponseConverter.encode(answer, expected_type=None)
    if datum.type == "string":
        return web.Response(text=datum.value)
    return web.Response(
        status=int(datum.value["status_code"].value),
        headers={name: header.value for name, header in datum.value["headers"].items()},
        body=datum.value["body"].value,
    )


async def serve(app_dir: Path, port: int) -> None:
    """Serves the app on loopback until SIGTERM or SIGINT. Raises OSError if the port is taken."""
    settings = json.loads((app_dir / "host.json").read_text("utf-8"))
    prefix = settings.get("extensions", {}).get("http", {}).get("routePrefix", "api")
    functions = load(app_dir)
    host = Host(functions, prefix, os.environ.get("FUNCTIONS_KEY") or DEFAULT_KEY)
    runner = web.AppRunner(
        host.application(),
        access_log=None,
        auto_decompress=False,
        max_field_size=_HEADER_LIMIT,
        shutdown_timeout=5,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        print(json.dumps({"url": url, "functions": [f.name for f in functions]}), flush=True)
        await stopped.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.functions_host")
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one")
    parser.add_argument("--app-dir", type=Path, default=Path(), help="where function_app.py is")
    parser.add_argument("--log-level", default="INFO")
    options = parser.parse_args()
    if os.environ.get(loopback_guard.VARIABLE):
        loopback_guard.install()
    logging.basicConfig(level=options.log_level, stream=sys.stderr)
    try:
        asyncio.run(serve(options.app_dir.resolve(), options.port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(f"Port {options.port} is taken: choose another with --port.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
