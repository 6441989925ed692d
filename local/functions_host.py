"""A small Functions host: serves the functions that `function_app.app` declares, as Azure would.

Besides HTTP it listens to queues, where the environment names a queue service, and fires timers.

`python -m local.functions_host --port 7071 --app-dir .` prints one JSON line with its URL as soon
as it accepts requests. Routes, methods and auth levels are those of the app's own triggers. The
function key is the environment variable FUNCTIONS_KEY, or `local-key` without it. Where the
variable LOCAL_PAGE_URL names the page of a local cloud, the root leads there and calls are
remembered for it. README.md lists what it does otherwise than Azure.
"""

import argparse
import asyncio
import contextlib
import errno
import importlib
import inspect
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from hmac import compare_digest
from pathlib import Path
from typing import Any

from aiohttp import web

from local import loopback_guard, timer_trigger
from local.host_calls import BODY, Calls
from local.host_messages import from_function, normal_path, route_pattern, to_function
from local.host_queue import host_storage
from local.host_triggers import Triggers

DEFAULT_KEY = "local-key"
DRAIN_SECONDS = 30.0
"""How long Azure lets running functions go on after SIGTERM."""

_BODY_LIMIT = 104_857_600
_REQUEST_LINE_LIMIT = 8179
_HEADER_LIMIT = 32 * 1024
_HEADER_COUNT_LIMIT = 100
_DISABLE_HOME_PAGE = "AzureWebJobsDisableHomepage"
_PAGE_URL = "LOCAL_PAGE_URL"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("local.functions_host")


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a function. Without methods, an HTTP trigger accepts all of them."""

    type: str
    parameter: str
    route: str
    methods: tuple[str, ...]
    auth_level: str
    queue: str = ""
    schedule: str = ""


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


def _is_disabled(name: str) -> bool:
    """Whether a setting switches a function off: only `POST /admin/functions/NAME` starts it."""
    return os.environ.get(f"AzureWebJobs.{name}.Disabled", "").lower() in ("1", "true")


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
            trigger.get("queueName") or "",
            trigger.get("schedule") or "",
        ),
    )


def _text(value: Any) -> str:
    """The value of an enumeration's member, or a string as it is."""
    return str(getattr(value, "value", value))


class Host:
    """The HTTP side: finds the function, checks the key, and limits how much runs at once."""

    def __init__(self, functions: list[Function], settings: Mapping[str, Any], key: str) -> None:
        """`settings` are those of `extensions.http` in host.json."""
        self._functions = functions
        prefix = settings.get("routePrefix", "api")
        self._prefix = f"/{prefix}/".replace("//", "/")
        self._routes = [
            (route_pattern(prefix, function.trigger.route), function)
            for function in functions
            if function.trigger.type == "httpTrigger" and not _is_disabled(function.name)
        ]
        self._key = key
        self._headers = {"Server": "Kestrel", **settings.get("customHeaders", {})}
        self._outstanding = _limit(settings, "maxOutstandingRequests")
        self._places = asyncio.Semaphore(_limit(settings, "maxConcurrentRequests"))
        self._calls = Calls() if os.environ.get(_PAGE_URL) else None
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def runner(self, drain_seconds: float) -> web.AppRunner:
        """The server, which at its end waits so long for requests that are under way."""
        return web.AppRunner(
            self._application(),
            access_log=None,
            auto_decompress=False,
            max_line_size=2 * _HEADER_LIMIT,
            max_field_size=2 * _HEADER_LIMIT,
            max_headers=2 * _HEADER_COUNT_LIMIT,
            shutdown_timeout=drain_seconds / 2,  # aiohttp waits twice for a handler to end
        )

    def _application(self) -> web.Application:
        limit = int(os.environ.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT") or _BODY_LIMIT)
        application = web.Application(client_max_size=limit, middlewares=[self._guard])
        application.router.add_get("/admin/host/ping", self._ping)
        application.router.add_get("/admin/functions", self._list)
        application.router.add_post("/admin/functions/{name}", self._fire)
        application.router.add_get("/admin/calls", self._list_calls)
        # The host answers an `Expect` only when it reads the body.
        application.router.add_route(
            "*", "/{path:(?s:.*)}", self._serve, expect_handler=_expect_nothing
        )
        return application

    async def ended(self, seconds: float) -> None:
        """Waits until no function runs any more, or for so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses what Kestrel would, and gives every answer the headers that the host adds."""
        begun = time.perf_counter()
        headers = request.raw_headers
        if len(f"{request.method} {request.raw_path} HTTP/1.1") > _REQUEST_LINE_LIMIT:
            response: web.StreamResponse = web.Response(status=414)
        elif (
            len(headers) > _HEADER_COUNT_LIMIT
            or sum(len(name) + len(value) + 4 for name, value in headers) > _HEADER_LIMIT
        ):
            response = web.Response(status=431)
        else:
            response = await handler(request)
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        if self._calls and not request.path.startswith("/admin/") and request.path != "/":
            self._calls.add(request, response, time.perf_counter() - begun)
        return response

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _list(self, request: web.Request) -> web.Response:
        if not self._has_key(request):
            return web.Response(status=401)
        return web.json_response([{"name": f.name, **asdict(f.trigger)} for f in self._functions])

    async def _list_calls(self, request: web.Request) -> web.Response:
        """The newest calls, where a page shows them; this is not Azure's."""
        if not self._has_key(request):
            return web.Response(status=401)
        return web.json_response(self._calls.as_json() if self._calls else [])

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
        return web.Response(status=202 if await self.fire(function) else 500)

    async def fire(self, function: Function) -> bool:
        """Calls the function of a timer, and says whether it ended without an exception."""
        try:
            with self._counted():
                await function.invoke(timer_trigger.to_function())
        except Exception as error:
            _log.exception("Function %s failed: %s", function.name, type(error).__name__)
            return False
        return True

    async def _serve(self, request: web.Request) -> web.Response:
        """Answers a call. What no function sees leaves a line in the log that says why."""
        path = normal_path(request.raw_path.partition("?")[0])
        if path is None:
            return web.Response(status=400)
        for pattern, function in self._routes:
            match = pattern.fullmatch(path)
            methods = function.trigger.methods
            if match and (not methods or request.method in methods):
                break
        else:
            if path == "/":
                return _home_page()
            _log.warning("404: %s", self._why_not_found(request.method, path))
            return web.Response(status=404)
        if function.trigger.auth_level != "anonymous" and not self._has_key(request):
            given = "another key" if self._given_keys(request) else "no key"
            _log.warning(
                "401: %s needs the function key, in the header x-functions-key, and got %s.",
                *(function.name, given),
            )
            return web.Response(status=401)
        if self._under_way >= self._outstanding:
            return web.Response(status=429, headers={"X-FUNCTION-SCALEOUT": "1"})
        with self._counted():
            async with self._places:
                return await self._answer(function, request, match.groupdict())

    async def _answer(
        self, function: Function, request: web.Request, route: dict[str, str]
    ) -> web.Response:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # aiohttp must not take this for the answer's beginning.
        try:
            body = request[BODY] = await request.read()
            return from_function(await function.invoke(to_function(request, route, body)), request)
        except Exception:
            _log.exception("Function %s failed", function.name)
            return web.Response(status=500)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Counts what is under way while the block runs."""
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    def _has_key(self, request: web.Request) -> bool:
        """Whether the key is right."""
        given = self._given_keys(request)
        return compare_digest(",".join(given).encode("utf-8", "replace"), self._key.encode())

    def _given_keys(self, request: web.Request) -> list[str]:
        """The keys of a request; the header wins over the query, whose names have no case."""
        return request.headers.getall("x-functions-key", None) or [
            value for name, value in request.query.items() if name.lower() == "code"
        ]

    def _why_not_found(self, method: str, path: str) -> str:
        """Why no function is called: the path has other methods, or there is no such route."""
        methods = [
            name
            for pattern, function in self._routes
            if pattern.fullmatch(path)
            for name in function.trigger.methods
        ]
        if methods:
            return f"{path} takes {', '.join(methods)}, and not {method}."
        return f"No function has a route for {path}. All begin with {self._prefix}."


def _limit(settings: Mapping[str, Any], name: str) -> int:
    """A limit of host.json; -1 there, or nothing, means that there is none."""
    limit = int(settings.get(name, -1))
    return limit if limit > 0 else sys.maxsize


async def _expect_nothing(request: web.Request) -> None:
    """Sends no `100 Continue` yet."""


def _home_page() -> web.Response:
    """What Azure shows at the root of an app, in short, or the way to the page of the cloud."""
    if page_url := os.environ.get(_PAGE_URL):
        return web.Response(status=302, headers={"Location": page_url})
    if os.environ.get(_DISABLE_HOME_PAGE, "").lower() == "true":
        return web.Response(status=204)
    return web.Response(
        text="<h1>Your function app is up and running</h1>", content_type="text/html"
    )


def _triggers(functions: list[Function], host: Host, settings: Mapping[str, Any]) -> Triggers:
    """What starts the functions that have no HTTP trigger."""
    triggers = Triggers(settings, host_storage())
    for function in functions:
        if _is_disabled(function.name):
            continue
        if function.trigger.type == "queueTrigger":
            triggers.listen(function.trigger.queue, function.invoke)
        elif function.trigger.type == "timerTrigger":
            triggers.fire(function.trigger.schedule, partial(host.fire, function))
    return triggers


async def serve(app_dir: Path, port: int, drain_seconds: float) -> None:
    """Serves the app on loopback until SIGTERM or SIGINT. Raises OSError if the port is taken.

    Then the listening socket closes at once, and what runs goes on for `drain_seconds` at most.
    Meanwhile timers fire and messages are taken; only when all requests are answered, that stops
    too. What still runs in the end is cut off, and its messages stay hidden until their locks end.
    """
    extensions = json.loads((app_dir / "host.json").read_text("utf-8")).get("extensions", {})
    functions = load(app_dir)
    key = os.environ.get("FUNCTIONS_KEY") or DEFAULT_KEY
    host = Host(functions, extensions.get("http", {}), key)
    triggers = _triggers(functions, host, extensions.get("queues", {}))
    runner = host.runner(drain_seconds)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        print(json.dumps({"url": url, "functions": [f.name for f in functions]}), flush=True)
        triggers.start()
        await _first(stopped.wait(), triggers.failure())
        # No function app closes its connections, because in Azure the process just ends.
        logging.getLogger("asyncio").addFilter(lambda line: "Unclosed c" not in line.getMessage())
    finally:
        drained = time.monotonic() + drain_seconds
        await runner.cleanup()
        # A function whose caller has hung up belongs to no connection any more.
        await host.ended(drained - time.monotonic())
        await triggers.end(drained - time.monotonic())


async def _first(*waiting: Coroutine[Any, Any, object]) -> None:
    """Waits until one of them ends, and raises what it raised."""
    tasks = {asyncio.create_task(each) for each in waiting}
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    for task in done:
        task.result()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.functions_host")
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one")
    parser.add_argument("--app-dir", type=Path, default=Path(), help="where function_app.py is")
    parser.add_argument("--log-level", default="INFO")
    parser.add_argument(
        "--drain-seconds", type=float, default=DRAIN_SECONDS, help="for what runs at SIGTERM"
    )
    options = parser.parse_args()
    if os.environ.get(loopback_guard.VARIABLE):
        loopback_guard.install()
    logging.basicConfig(level=options.log_level, stream=sys.stderr)
    try:
        asyncio.run(serve(options.app_dir.resolve(), options.port, options.drain_seconds))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(f"Port {options.port} is taken: choose another with --port.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
