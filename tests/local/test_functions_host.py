"""The local Functions host, serving a small app of its own."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud

from local import loopback_guard
from local.environment import app_environment
from local.function_process import FunctionProcess

APP = """
import asyncio, json, logging, socket, threading, urllib.request
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
fired = []

@app.route("things/{thingId}/parts", methods=["POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("echoing")
    received = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode("latin-1"),
    }
    return func.HttpResponse(
        json.dumps(received),
        status_code=201,
        headers={"X-Made": "yes"},
        mimetype="application/json",
    )

@app.route("open", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def in_a_thread(req: func.HttpRequest) -> str:
    return threading.current_thread().name

@app.route("nothing")
async def nothing(req: func.HttpRequest) -> None:
    await asyncio.sleep(0)

@app.route("fails", methods=["GET"])
async def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("on purpose")

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


@pytest.fixture(scope="module")
def app_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("app")
    (directory / "function_app.py").write_text(textwrap.dedent(APP))
    settings = {"version": "2.0", "extensions": {"http": {"routePrefix": "v9"}}}
    (directory / "host.json").write_text(json.dumps(settings))
    return directory


@pytest.fixture(scope="module")
def guard_log(app_dir: Path) -> Path:
    return app_dir / "addresses.log"


@pytest.fixture(scope="module")
def process(app_dir: Path, guard_log: Path) -> Iterator[FunctionProcess]:
    with LocalCloud.in_thread() as cloud:
        environment = app_environment(
            cloud, FUNCTIONS_KEY="a key", **{loopback_guard.VARIABLE: str(guard_log)}
        )
        with FunctionProcess(environment, app_dir=app_dir) as running:
            yield running


@pytest.fixture
def client(process: FunctionProcess) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=process.url, trust_env=False, timeout=60, headers={"x-functions-key": "a key"}
    ) as running:
        yield running


def test_a_function_gets_the_request_as_it_was_sent(client: httpx.Client) -> None:
    answer = client.post(
        "/V9/things/A%20b%2Fc/parts?x=1&x=2&code=ignored",
        content=b"\x00\xff",
        headers=[("X-Twice", "1"), ("X-Twice", "2"), ("Content-Encoding", "gzip")],
    )
    assert answer.status_code == 201
    assert answer.headers["X-Made"] == "yes"
    assert answer.headers["Content-Type"] == "application/json"
    received = answer.json()
    assert received["method"] == "POST"
    assert received["url"] == f"{client.base_url}/V9/things/A%20b%2Fc/parts?x=1&x=2&code=ignored"
    assert received["headers"]["x-twice"] == "1, 2"
    assert received["headers"]["content-encoding"] == "gzip"
    assert received["params"]["x"] == "1"
    assert received["route"] == {"thingId": "A b%2Fc"}
    assert received["body"] == "\x00\xff"


def test_answers_of_other_kinds(client: httpx.Client) -> None:
    plain = client.get("/v9/open")
    assert plain.text.startswith("asyncio_")
    assert client.put("/v9/nothing").status_code == 204


def test_a_key_is_needed_where_the_app_says_so(process: FunctionProcess) -> None:
    with httpx.Client(base_url=process.url, trust_env=False, timeout=60) as stranger:
        for headers in ({}, {"x-functions-key": "wrong"}):
            answer = stranger.post("/v9/things/1/parts", headers=headers)
            assert (answer.status_code, answer.content) == (401, b"")
        assert stranger.post("/v9/things/1/parts?code=a%20key").status_code == 201
        assert stranger.get("/v9/open").status_code == 200
        assert stranger.get("/admin/functions").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v9/things/1/parts", 404),
        ("HEAD", "/v9/open", 404),
        ("POST", "/v9/things//parts", 404),
        ("POST", "/v9/things/1/2/parts", 404),
        ("POST", "/api/things/1/parts", 404),
        ("GET", "/", 404),
        ("GET", "/v9/things/%2e%2e/open", 200),
        ("GET", "/v9/open%00", 400),
        ("GET", "/v9/fails", 500),
    ],
)
def test_what_the_platform_answers_itself(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.content == b"" or status == 200


def test_an_escaping_exception_is_logged(client: httpx.Client, process: FunctionProcess) -> None:
    client.get("/v9/fails")
    assert "RuntimeError: on purpose" in process.output()


def test_functions_are_listed_and_timers_fired(client: httpx.Client) -> None:
    listed = {function["name"]: function for function in client.get("/admin/functions").json()}
    assert listed.keys() == {"echo", "in_a_thread", "nothing", "fails", "reach", "nightly"}
    assert listed["echo"]["methods"] == ["POST"]
    assert listed["echo"]["route"] == "things/{thingId}/parts"
    assert listed["in_a_thread"]["auth_level"] == "anonymous"
    assert listed["nightly"]["type"] == "timerTrigger"
    assert client.post("/admin/functions/nightly").status_code == 202
    assert client.post("/admin/functions/nightly").status_code == 500
    assert client.post("/admin/functions/echo").status_code == 400
    assert client.post("/admin/functions/unknown").status_code == 404


def test_the_guard_keeps_the_process_on_loopback(client: httpx.Client, guard_log: Path) -> None:
    assert client.get("/v9/reach/example.com").text == "PermissionError"
    assert client.get("/v9/reach/198.51.100.7").text == "PermissionError"
    assert client.get("/v9/reach/127.0.0.1").text == "ConnectionRefusedError"
    log = guard_log.read_text()
    assert "refused ('example.com', 9)" in log
    assert "refused ('198.51.100.7', 9)" in log
    assert "allowed ('127.0.0.1', 9)" in log


def test_a_process_that_cannot_start_says_why(app_dir: Path, tmp_path: Path) -> None:
    with LocalCloud.in_thread() as cloud:
        (tmp_path / "host.json").write_text("{}")
        (tmp_path / "function_app.py").write_text("import no_such_module")
        with pytest.raises(RuntimeError, match="no_such_module"):
            FunctionProcess(app_environment(cloud), app_dir=tmp_path)
        with FunctionProcess(app_environment(cloud), app_dir=app_dir) as first:
            port = int(first.url.rpartition(":")[2])
            with pytest.raises(RuntimeError, match=f"Port {port} is taken"):
                FunctionProcess(app_environment(cloud), app_dir=app_dir, port=port)
            assert first.stop() == 0


def test_a_killed_process_can_be_started_again_on_its_port(app_dir: Path) -> None:
    with LocalCloud.in_thread() as cloud:
        with FunctionProcess(app_environment(cloud), app_dir=app_dir) as first:
            assert first.kill() == -9
        port = int(first.url.rpartition(":")[2])
        with FunctionProcess(app_environment(cloud), app_dir=app_dir, port=port) as second:
            assert second.url == first.url
            assert (
                httpx.get(f"{second.url}/v9/open", trust_env=False, timeout=60).status_code == 200
            )
