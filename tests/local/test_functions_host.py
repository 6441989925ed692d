"""The local Functions host does what Azure's own did when it was watched, row by row."""

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from partner_center_emulator.cloud import LocalCloud

from local import loopback_guard
from local.environment import app_environment
from local.function_process import ROOT, FunctionProcess
from local.functions_host import Function, Host, Trigger

APP = """
import asyncio, json, pathlib, socket, threading
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
fired = []

@app.route("things/{thingId}/parts", methods=["POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    received = {
        "method": req.method, "url": req.url, "headers": dict(req.headers),
        "params": dict(req.params), "route": dict(req.route_params),
        "body": req.get_body().decode("latin-1"),
    }
    answer = {"status_code": 201, "headers": {"X-Made": "yes"}, "mimetype": "application/json"}
    return func.HttpResponse(json.dumps(received), **answer)

@app.route("open", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def in_a_thread(req: func.HttpRequest) -> str:
    return threading.current_thread().name

@app.route("numbers/{n:int}")
async def number(req: func.HttpRequest) -> str:
    return req.method + " " + req.route_params["n"]

ANSWERS = {
    "nothing": lambda: None,
    "dict": lambda: {"status": 200},
    "line-feed": lambda: func.HttpResponse("x", headers={"X": "a\\nb"}),
    "accent": lambda: func.HttpResponse("x", headers={"X": "\\u00e9"}),
    "short": lambda: func.HttpResponse("x", headers={"Content-Length": "7"}),
    "right-length": lambda: func.HttpResponse("x", headers={"Content-Length": "1"}),
    "framed": lambda: func.HttpResponse("x", headers={"Transfer-Encoding": "gzip"}),
    "empty": lambda: func.HttpResponse(status_code=200),
    "no-content": lambda: func.HttpResponse("x", status_code=204),
    "odd": lambda: func.HttpResponse("x", status_code=799),
    "own": lambda: func.HttpResponse("x", headers={"Server": "me", "Date": "now", "X-Host": "f"}),
    "twice": lambda: twice("X-Twice"),
    "cookies": lambda: twice("Set-Cookie"),
}

def twice(name):
    answer = func.HttpResponse("x", headers={name: "a=1"})
    answer.headers.add(name, "b=2")
    return answer

@app.route("answers/{name}")
async def answers(req: func.HttpRequest):
    return ANSWERS[req.route_params["name"]]()

@app.route("held/{path}", methods=["GET"])
async def held(req: func.HttpRequest) -> str:
    directory = pathlib.Path(__file__).parent / req.route_params["path"]
    (directory / "started").touch()
    while not (directory / "released").exists():
        await asyncio.sleep(0.01)
    return "released"

@app.route("reach/{host}", methods=["GET"])
def reach(req: func.HttpRequest) -> str:
    try:
        socket.create_connection((req.route_params["host"], 9), timeout=1).close()
    except OSError as error:
        return type(error).__name__
    return "connected"

@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
async def nightly(timer: func.TimerRequest) -> None:
    fired.append(timer.past_due)
    if len(fired) > 1:
        raise RuntimeError("once is enough")
"""
KEY = "x-functions-key: a key"
PARTS = "POST /v9/things/1/parts"
END = b"0\r\n\r\n"
"""An empty body in chunks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def got(self, member: str, name: str) -> Any:
        """What the function `echo` says of the request that it got."""
        return json.loads(self.body)[member].get(name)


def ask(url: str, line: str, *headers: str, body: bytes = b"") -> Answer:
    """The answer to a request of these very bytes."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        lines = [f"{line} HTTP/1.1", *headers, "Connection: close", "", ""]
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        with HTTPResponse(connection) as response:
            response.begin()
            found: dict[str, str] = {}
            for name, value in response.getheaders():
                found[name] = f"{found[name]}; {value}" if name in found else value
            return Answer(response.status, found, response.read())


class Row(NamedTuple):
    """A request, what is looked at in its answer, and what that has to be."""

    line: str
    headers: tuple[str, ...]
    looked_at: Callable[[Answer], Any]
    value: Any
    body: bytes = b""


def status(line: str, value: int, *headers: str, key: bool = True, body: bytes = b"") -> Row:
    """A row for an answer of this status, which has no body if it is the host's own."""
    given = ("Host: x", *((KEY,) if key else ()), *headers)
    own = value != 200
    return Row(
        line,
        given,
        lambda answer: (answer.status, answer.body if own else b""),
        (value, b""),
        body,
    )


def got(member: str, name: str, value: Any, line: str, *headers: str, body: bytes = b"") -> Row:
    """A row for what the function gets."""
    return Row(
        line, ("Host: x", KEY, *headers), lambda answer: answer.got(member, name), value, body
    )


def arrived(value: str, *headers: str, body: bytes) -> Row:
    """A row for the body that the function gets."""
    given = ("Host: x", KEY, *headers)
    return Row(PARTS, given, lambda answer: json.loads(answer.body)["body"], value, body)


def sent(name: str, value: Any, of: str) -> Row:
    """A row for a header of the answer of one of the app's ANSWERS."""
    line = f"GET /v9/answers/{of}"
    return Row(line, ("Host: x", KEY), lambda answer: answer.headers.get(name), value)


HELD: dict[str, list[Row]] = {
    # Keys
    "No key or a wrong one: 401 with an empty body": [
        status(PARTS, 401, key=False),
        status(PARTS, 401, "x-functions-key: wrong", key=False),
        status(PARTS, 401, "x-functions-key: a key"),  # twice, so joined
    ],
    "/admin/host/ping is open, the rest of /admin wants a key": [
        status("GET /admin/host/ping", 200, key=False),
        status("GET /admin/functions", 401, key=False),
        status("POST /admin/functions/nightly", 401, key=False),
    ],
    "The header wins over the query": [
        status("GET /v9/numbers/1?code=a%20key", 200, key=False),
        status("GET /v9/numbers/1?code=a%20key", 401, "x-functions-key: wrong", key=False),
    ],
    "Both names are read without regard to case": [
        status("GET /v9/numbers/1?CODE=a%20key", 200, key=False),
        status("GET /v9/numbers/1", 200, "X-FUNCTIONS-KEY: a key", key=False),
    ],
    "code stays in what the function sees": [got("params", "code", "x", f"{PARTS}?code=x")],
    "The root answers with a page": [status("GET /", 200, key=False)],
    # Routes
    "A wrong method is 404 without Allow, undeclared HEAD and OPTIONS too": [
        status("GET /v9/things/1/parts", 404),
        status("HEAD /v9/open", 404),
        status("OPTIONS /v9/open", 404),
        Row("PUT /v9/open", ("Host: x",), lambda answer: answer.headers.get("Allow"), None),
    ],
    "No methods declared means all of them": [
        status("TRACE /v9/numbers/1", 200),
        status("DELETE /v9/numbers/1", 200),
    ],
    "An unknown route is 404 with an empty body": [
        status("POST /v9/things/1/2/parts", 404),
        status("POST /api/things/1/parts", 404),
    ],
    "Routes match in any case; one trailing slash is accepted; // is 404": [
        status("GET /V9/NUMBERS/1", 200),
        status("GET /v9/numbers/1/", 200),
        status("GET /v9/numbers/1//", 404),
        status("GET /v9//numbers/1", 404),
    ],
    "../ and %2e%2e are resolved before routing": [
        status("GET /v9/things/../open", 200),
        status("GET /v9/things/%2e%2e/open", 200),
    ],
    "{n:int} that does not fit is 404": [
        status("GET /v9/numbers/-7", 200),
        status("GET /v9/numbers/x", 404),
    ],
    "A slash stays encoded, and so does one that is encoded twice": [
        got("route", "thingId", "a%2Fb", "POST /v9/things/a%2Fb/parts"),
        got("route", "thingId", "a%2Fb", "POST /v9/things/a%252Fb/parts"),
    ],
    "UTF-8 and blanks are decoded, + stays, what is not UTF-8 stays": [
        got("route", "thingId", "é b", "POST /v9/things/%C3%A9%20b/parts"),
        got("route", "thingId", "a+b", "POST /v9/things/a+b/parts"),
        got("route", "thingId", "%ff", "POST /v9/things/%ff/parts"),
        got("route", "thingId", "é%FFé", "POST /v9/things/%C3%A9%FF%c3%a9/parts"),
    ],
    "%00 is 400": [status("GET /v9/open%00", 400)],
    # What the function gets
    "Header names in lower case; the same header twice is joined by a comma, cookies too": [
        got("headers", "x-twice", "1,2", PARTS, "X-Twice: 1", "x-TWICE: 2"),
        got("headers", "cookie", "a=1,b=2", PARTS, "Cookie: a=1", "Cookie: b=2"),
    ],
    "The same query name twice is joined by a comma, in any case": [
        got("params", "x", "1,2", f"{PARTS}?x=1&X=2"),
    ],
    "An empty query value is dropped": [
        got("params", "x", None, f"{PARTS}?x="),
        got("params", "x", "1", f"{PARTS}?x=&x=1"),
    ],
    "Request line up to 8,179 bytes, else 414": [
        status(f"GET /v9/open?{'a' * 8100}", 200),
        status(f"GET /v9/open?{'a' * 8200}", 414),
    ],
    "Headers up to 32 KB and 100 lines, else 431": [
        status("GET /v9/open", 200, f"X: {'a' * 32_000}"),
        status("GET /v9/open", 431, f"X: {'a' * 33_000}"),
        status("GET /v9/open", 431, *["X: a"] * 101),
    ],
    "Two different Content-Length, raw bytes outside ASCII, no Host: 400": [
        Row(PARTS, ("Host: x", "Content-Length: 1", "Content-Length: 2"), lambda a: a.status, 400),
        Row("GET /v9/\xe9", ("Host: x",), lambda a: a.status, 400),
        Row("GET /v9/open", (), lambda a: a.status, 400),
    ],
    "A chunked request body arrives empty": [
        arrived("", "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n" + END),
        got(
            "headers", "transfer-encoding", "chunked", PARTS, "Transfer-Encoding: chunked", body=END
        ),
    ],
    "A body over the limit is a 500 with an empty body": [
        status(PARTS, 500, "Content-Length: 3000", body=b"x" * 3000),
    ],
    "Compressed bodies are handed on compressed": [
        arrived("\x1f\x8b", "Content-Encoding: gzip", "Content-Length: 2", body=b"\x1f\x8b"),
    ],
    # What the caller gets
    "Chunked always, but for empty bodies": [
        sent("Transfer-Encoding", "chunked", of="own"),
        sent("Transfer-Encoding", "chunked", of="right-length"),
        sent("Transfer-Encoding", None, of="empty"),
    ],
    "Server and Date, which a function may overwrite": [
        sent("Server", "Kestrel", of="odd"),
        sent("Server", "me", of="own"),
        sent("Date", "now", of="own"),
    ],
    "A header set twice: the last one counts; only Set-Cookie multiplies": [
        sent("X-Twice", "b=2", of="twice"),
        sent("Set-Cookie", "a=1; b=2", of="cookies"),
    ],
    "204 carries no body, but a Content-Type": [
        status("GET /v9/answers/no-content", 204),
        sent("content-type", "text/plain; charset=utf-8", of="no-content"),
    ],
    "Any other number goes out as status": [
        Row("GET /v9/answers/odd", ("Host: x", KEY), lambda answer: answer.status, 799),
    ],
    "An exception, None, a dict, a bad header or length: 500 with an empty body": [
        status(f"GET /v9/answers/{name}", 500)
        for name in ("raises", "nothing", "dict", "line-feed", "accent", "short")
    ],
    "customHeaders are on every answer; the function's own value wins": [
        sent("X-Host", "here", of="odd"),
        sent("X-Host", "f", of="own"),
        Row("GET /v9/unknown", ("Host: x",), lambda answer: answer.headers["X-Host"], "here"),
        Row(PARTS, ("Host: x",), lambda answer: answer.headers["X-Host"], "here"),
    ],
    "Answers are never compressed": [sent("Content-Encoding", None, of="own")],
}
"""What it does as Azure does it. The load, a caller who hangs up, the page at the root that is
switched off, the refused start and the shutdown have tests of their own."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def app_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("app")
    (directory / "function_app.py").write_text(APP)
    http = {"routePrefix": "v9", "customHeaders": {"X-Host": "here"}}
    settings = {"version": "2.0", "extensions": {"http": http}}
    (directory / "host.json").write_text(json.dumps(settings))
    return directory


@pytest.fixture(scope="module")
def process(cloud: LocalCloud, app_dir: Path) -> Iterator[FunctionProcess]:
    environment = app_environment(
        cloud,
        FUNCTIONS_KEY="a key",
        FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="2000",
        **{loopback_guard.VARIABLE: str(app_dir / "addresses.log")},
    )
    with FunctionProcess(environment, app_dir=app_dir) as running:
        yield running


@pytest.fixture
def client(process: FunctionProcess) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=process.url, trust_env=False, timeout=60, headers={"x-functions-key": "a key"}
    ) as running:
        yield running


@pytest.mark.parametrize("name", HELD)
def test_a_row_is_held(process: FunctionProcess, name: str) -> None:
    for row in HELD[name]:
        answer = ask(process.url, row.line, *row.headers, body=row.body)
        assert row.looked_at(answer) == row.value, (row.line, answer)


def test_what_differs_from_azure_is_listed_with_the_reason() -> None:
    readme = (ROOT / "local" / "README.md").read_text("utf-8")
    table = readme.partition("| otherwise than in Azure | why |\n|---|---|\n")[2].partition("\n\n")[
        0
    ]
    rows = re.findall(r"^\| (.+) \| (.+) \|$", table, re.MULTILINE)

    assert [row for row, _ in rows] == NOT_HELD
    assert all(reason for _, reason in rows)


NOT_HELD = [
    "one key opens every route and all of `/admin`",
    "a method that HTTP does not know is 400",
    "`Content-Length` together with `Transfer-Encoding` is 400",
    "`Content-Type` or `User-Agent` twice is 400",
    "after a 401 to `Expect: 100-continue` the connection closes",
    "a `Transfer-Encoding` that the function sets is a 500",
    "`hsts` of host.json does nothing",
    "the page at the root is one line",
    "`functionTimeout` and a worker that dies are not imitated",
    "with `LOCAL_PAGE_URL` the root leads to the page, and `/admin/calls` lists calls",
    "a 401 and a 404 leave a line in the log that says why",
    "its speed and the time of its start are its own",
    "each process fires its timers, and never past due",
    "without a queue service in the settings no queue is read",
    "a storage that goes on failing leaves a message hidden until its lock ends",
]


def test_a_function_gets_its_url_and_runs_in_a_thread_or_not(client: httpx.Client) -> None:
    path = "/V9/things/A%20b/parts?x=1&code=ignored"
    assert client.post(path).json()["url"] == f"{client.base_url}{path}"
    assert client.get("/v9/open").text.startswith("asyncio_")


def test_functions_are_listed_and_timers_fired(client: httpx.Client) -> None:
    listed = {function["name"]: function for function in client.get("/admin/functions").json()}
    assert listed["echo"]["methods"] == ["POST"]
    assert listed["echo"]["route"] == "things/{thingId}/parts"
    assert listed["in_a_thread"]["auth_level"] == "anonymous"
    assert listed["nightly"]["type"] == "timerTrigger"
    names = ("nightly", "nightly", "echo", "unknown")
    statuses = [client.post(f"/admin/functions/{name}").status_code for name in names]
    assert statuses == [202, 500, 400, 404]


@pytest.mark.parametrize(
    ("host", "outcome", "logged"),
    [
        ("example.com", "PermissionError", "refused"),
        ("198.51.100.7", "PermissionError", "refused"),
        ("127.0.0.1", "ConnectionRefusedError", "allowed"),
    ],
)
def test_the_guard_lets_the_process_reach_loopback_only(
    client: httpx.Client, app_dir: Path, host: str, outcome: str, logged: str
) -> None:
    assert client.get(f"/v9/reach/{host}").text == outcome
    assert f"{logged} ('{host}', 9)" in (app_dir / "addresses.log").read_text()


# --- Load, and callers who hang up ------------------------------------------------------------


class Held:
    """A function that ends when it is told to, under a host with these settings."""

    DRAIN_SECONDS = 0.2

    def __init__(self, **settings: Any) -> None:
        self.started, self.release = asyncio.Event(), asyncio.Event()
        self.running = self.ended = 0
        trigger = Trigger("httpTrigger", "req", "held", (), "anonymous")
        self.host = Host([Function("held", self._call, trigger)], settings, "key")

    async def _call(self, req: object) -> str:
        self.running += 1
        self.started.set()
        await self.release.wait()
        self.running -= 1
        self.ended += 1
        return "ended"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the host."""
        runner = self.host.runner(self.DRAIN_SECONDS)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
            yield client
            await runner.cleanup()

    async def called(self, client: httpx.AsyncClient) -> "asyncio.Task[httpx.Response]":
        """A call that the function has got; else this fails with what became of the call."""
        caller = asyncio.create_task(client.get("/api/held"))
        started = asyncio.create_task(self.started.wait())
        done, _ = await asyncio.wait({caller, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        assert started in done, caller.result()
        return caller


async def test_more_requests_than_the_limits_allow_wait_or_are_429() -> None:
    held = Held(maxConcurrentRequests=2, maxOutstandingRequests=5)
    async with held.serving() as client:
        asked = {asyncio.create_task(client.get("/api/held")) for _ in range(8)}
        refused: set[asyncio.Task[httpx.Response]] = set()
        while len(refused) < 3:
            done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        for answer in [task.result() for task in refused]:
            assert (answer.status_code, answer.content) == (429, b"")
            assert answer.headers["X-FUNCTION-SCALEOUT"] == "1"
            assert "Retry-After" not in answer.headers
        assert (held.running, held.ended) == (2, 0)
        held.release.set()
        assert [(await task).status_code for task in asked] == [200] * 5


async def test_what_still_runs_when_the_time_after_sigterm_is_over_is_cut_off() -> None:
    held = Held()
    async with held.serving() as client:
        caller = await held.called(client)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await caller
    assert held.ended == 0


async def test_a_function_whose_caller_has_hung_up_runs_to_its_end_and_is_waited_for() -> None:
    held = Held()
    async with held.serving() as client:
        caller = await held.called(client)
        caller.cancel()
        await asyncio.wait([caller])
    # The connection is gone.
    await held.host.ended(0)
    assert held.ended == 0
    held.release.set()
    await held.host.ended(60)
    assert held.ended == 1


# --- Start and shutdown -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("import no_such_module", "no_such_module"),
        (APP.replace('"open"', '"admin/open"'), "admin/open is refused"),
        (APP.replace("{n:int}", "{n:guid}"), "constraint guid"),
    ],
    ids=["import", "admin", "constraint"],
)
def test_a_process_that_cannot_start_says_why(
    cloud: LocalCloud, tmp_path: Path, app: str, reason: str
) -> None:
    (tmp_path / "host.json").write_text("{}")
    (tmp_path / "function_app.py").write_text(app)
    with pytest.raises(RuntimeError, match=reason):
        FunctionProcess(app_environment(cloud), app_dir=tmp_path)


def test_a_process_is_started_again_on_its_port(cloud: LocalCloud, app_dir: Path) -> None:
    with FunctionProcess(app_environment(cloud), app_dir=app_dir) as first:
        assert first.kill() == -9
    port = int(first.url.rpartition(":")[2])
    environment = app_environment(cloud, AzureWebJobsDisableHomepage="True")
    with FunctionProcess(environment, app_dir=app_dir, port=port) as second:
        assert second.url == first.url
        assert ask(second.url, "GET /", "Host: x").status == 204
        assert second.stop() == 0


@pytest.mark.parametrize("released", [True, False], ids=["ends", "is cut off"])
def test_after_sigterm_nothing_is_accepted_and_what_runs_goes_on_for_a_while(
    cloud: LocalCloud, app_dir: Path, released: bool
) -> None:
    directory = app_dir / f"held-{released}"
    directory.mkdir()
    environment = app_environment(cloud, FUNCTIONS_KEY="a key")
    with FunctionProcess(
        environment, app_dir=app_dir, drain_seconds=60 if released else 0.2
    ) as running:
        address = urlsplit(running.url)
        with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
            line = f"GET /v9/held/{directory.name} HTTP/1.1"
            connection.sendall(f"{line}\r\nHost: x\r\n{KEY}\r\n\r\n".encode())
            _until((directory / "started").exists)
            running.process.send_signal(signal.SIGTERM)
            _until(lambda: _refuses(address.port))
            if released:
                assert running.process.poll() is None
                (directory / "released").touch()
            answer = _all_of(connection)
        assert (b"200 OK" in answer, b"released" in answer) == (released, released)
        assert running.process.wait(60) == 0


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up, "it did not come true"
        time.sleep(0.01)


def _refuses(port: int | None) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # It waited to be accepted when the socket was closed.
    return False


def _all_of(connection: socket.socket) -> bytes:
    try:
        return b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionResetError:
        return b""
