"""The local Functions host, serving a small app of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud

from local import loopback_guard
from local.environment import app_environment
from local.function_process import FunctionProcess

APP = """
import asyncio, json, logging, socket, threading
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
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def app_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("app")
    (directory / "function_app.py").write_text(APP)
    settings = {"version": "2.0", "extensions": {"http": {"routePrefix": "v9"}}}
    (directory / "host.json").write_text(json.dumps(settings))
    return directory


@pytest.fixture(scope="module")
def process(cloud: LocalCloud, app_dir: Path) -> Iterator[FunctionProcess]:
    more = {loopback_guard.VARIABLE: str(app_dir / "addresses.log")}
    environment = app_environment(cloud, FUNCTIONS_KEY="a key", **more)
    with FunctionProcess(environment, app_dir=app_dir) as running:
        yield running


@pytest.fixture
def client(process: FunctionProcess) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=process.url, trust_env=False, timeout=60, headers={"x-functions-key": "a key"}
    ) as running:
        yield running


def test_a_function_gets_the_request_as_it_was_sent_and_answers(client: httpx.Client) -> None:
    answer = client.post(
        "/V9/things/A%20b%2Fc/parts?x=1&x=2&code=ignored",
        content=b"\x00\xff",
        headers=[("X-Twice", "1"), ("X-Twice", "2"), ("Content-Encoding", "gzip")],
    )
    assert answer.status_code == 201
    assert answer.headers["X-Made"] == "yes"
    assert answer.headers["Content-Type"] == "application/json"
    received = answer.json()
    headers = received.pop("headers")
    assert (headers["x-twice"], headers["content-encoding"]) == ("1, 2", "gzip")
    assert received.pop("params")["x"] == "1"
    assert received == {
        "method": "POST",
        "url": f"{client.base_url}/V9/things/A%20b%2Fc/parts?x=1&x=2&code=ignored",
        "route": {"thingId": "A b%2Fc"},
        "body": "\x00\xff",
    }
    assert client.get("/v9/open").text.startswith("asyncio_")
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
    client: httpx.Client, process: FunctionProcess, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.content == b"" or status == 200
    assert "RuntimeError: on purpose" in process.output() or status != 500


def test_functions_are_listed_and_timers_fired(client: httpx.Client) -> None:
    listed = {function["name"]: function for function in client.get("/admin/functions").json()}
    assert listed.keys() == {"echo", "in_a_thread", "nothing", "fails", "reach", "nightly"}
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


def test_a_process_that_cannot_start_says_why(
    cloud: LocalCloud, process: FunctionProcess, app_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "host.json").write_text("{}")
    (tmp_path / "function_app.py").write_text("import no_such_module")
    with pytest.raises(RuntimeError, match="no_such_module"):
        FunctionProcess(app_environment(cloud), app_dir=tmp_path)
    port = int(process.url.rpartition(":")[2])
    with pytest.raises(RuntimeError, match=f"Port {port} is taken"):
        FunctionProcess(app_environment(cloud), app_dir=app_dir, port=port)


def test_a_process_is_started_again_on_its_port(cloud: LocalCloud, app_dir: Path) -> None:
    with FunctionProcess(app_environment(cloud), app_dir=app_dir) as first:
        assert first.kill() == -9
    port = int(first.url.rpartition(":")[2])
    with FunctionProcess(app_environment(cloud), app_dir=app_dir, port=port) as second:
        assert second.url == first.url
        answer = httpx.get(f"{second.url}/v9/open", trust_env=False, timeout=60)
        assert answer.status_code == 200
        assert second.stop() == 0
