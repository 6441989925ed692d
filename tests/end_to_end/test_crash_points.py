"""A process is killed at each point of its work; another one then gets the same request.

Also what the store is asked for in each case, and what becomes of a cart whose caller went away.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.watch.faults import Fault
from partner_center_emulator.watch.journal import Arrival

from cart_core.idempotency.decision import OperationId
from cart_core.idempotency.record import Record
from local.environment import app_environment
from local.function_process import FunctionProcess
from tests.end_to_end.chain import CUSTOMER, cart, problem

SETTINGS = {
    "CART_DEADLINE_SECONDS": "2",
    "CART_LEASE_MARGIN_SECONDS": "1",
    "CART_INFLIGHT_WAIT_SECONDS": "1",
    "CART_MAX_WAIT_SECONDS": "1",
}
LEASE = 3.0
LONG = 3.0
"""Seconds for which something is held: the process is killed long before."""


@dataclass
class Process:
    """A function process as a caller knows it."""

    function: FunctionProcess

    def post(self, key: str | None, *, quantity: int = 1, patience: float = 30) -> httpx.Response:
        """One request; with a key it is the same one every time."""
        return httpx.post(
            f"{self.function.url}/api/customers/{CUSTOMER}/carts",
            headers={"x-functions-key": self.function.key}
            | ({"Idempotency-Key": key} if key else {}),
            json=cart(quantity=quantity),
            timeout=patience,
            trust_env=False,
        )


class Scene:
    """One local cloud with storage, a process that lives, and a key that nobody has used yet."""

    def __init__(self, cloud: LocalCloud, survivor: Process, pool: ThreadPoolExecutor) -> None:
        self.cloud = cloud
        self.survivor = survivor
        self.key = str(uuid.uuid4())
        self._pool = pool

    def posting(self, process: Process) -> "Future[httpx.Response]":
        """A request under way."""
        return self._pool.submit(process.post, self.key)

    def sent(self) -> list[Arrival]:
        """What Partner Center received."""
        return self.cloud.journal.requests("partner_center")

    def asked(self, method: str = "") -> list[Arrival]:
        """What the store was asked for."""
        asked = self.cloud.journal.requests("storage")
        return [arrival for arrival in asked if method in ("", arrival.method)]

    def carts(self) -> list[str]:
        """The carts that exist."""
        return list(self.cloud.partner_center.carts)

    def record(self) -> Record:
        """What is remembered under the key, as the relay last saw it accepted."""
        name = OperationId("create_cart", CUSTOMER, None, self.key).record_name()
        written = [
            write for write in self.asked("PUT") if name in write.path and write.status == 201
        ]
        return Record.from_json(written[-1].body)

    def until(self, what: Callable[[], object]) -> None:
        """Waits for something that is about to happen."""
        give_up = time.monotonic() + 15
        while not what():
            assert time.monotonic() < give_up
            time.sleep(0.01)

    def redeliver(self) -> list[httpx.Response]:
        """Post to the living process, and again after each Retry-After, until there is a cart."""
        answers = [self.survivor.post(self.key)]
        while answers[-1].status_code == 503:
            assert problem(answers[-1])["code"] == "operation_in_progress"
            assert len(answers) < 10
            time.sleep(float(answers[-1].headers["Retry-After"]))
            answers.append(self.survivor.post(self.key))
        return answers


@pytest.fixture(scope="module")
def cloud(azurite: Azurite) -> Iterator[LocalCloud]:
    with LocalCloud.in_thread(azurite=azurite) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def survivor(cloud: LocalCloud) -> Iterator[Process]:
    with FunctionProcess(app_environment(cloud, **SETTINGS)) as function:
        process = Process(function)
        _warm(process)
        yield process


@pytest.fixture
def scene(cloud: LocalCloud, survivor: Process) -> Iterator[Scene]:
    cloud.reset()
    with ThreadPoolExecutor() as pool:
        yield Scene(cloud, survivor, pool)
        cloud.faults.clear()


@pytest.fixture
def start(cloud: LocalCloud) -> Iterator[Callable[..., Process]]:
    """Starts a process that is to die; unless `cold` it has its tokens."""
    with ExitStack() as stack:

        def start(*, cold: bool = False, **settings: str) -> Process:
            environment = app_environment(cloud, **SETTINGS | settings)
            process = Process(stack.enter_context(FunctionProcess(environment)))
            if not cold:
                _warm(process)
                cloud.reset()
            return process

        yield start


def _warm(process: Process) -> None:
    """Give it its tokens, with a cart of its own."""
    for _ in range(5):  # a cold process may need more time than a call has here
        if process.post(str(uuid.uuid4())).status_code == 201:
            return
    raise AssertionError(process.function.output())


def _kill(process: Process, call: "Future[httpx.Response]") -> None:
    """SIGKILL, with a call under way."""
    assert not call.done()
    process.function.kill()
    with pytest.raises(httpx.TransportError):
        call.result()


def _taken_over(scene: Scene) -> None:
    """The redelivery has to wait, then resumes under the same MS-RequestId: one cart."""
    abandoned = scene.record()
    assert abandoned.state == "in_progress"

    *early, answer = scene.redeliver()

    assert early
    assert time.time() >= abandoned.lease_until.timestamp()
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers
    assert scene.carts() == [answer.json()["id"]]
    assert {call.headers["ms-requestid"] for call in scene.sent()} == {
        abandoned.steps[0].request_id
    }
    assert answer.headers["MS-RequestId"] == abandoned.steps[0].request_id
    _replayed(scene, answer)


def _replayed(scene: Scene, first: httpx.Response) -> None:
    """From now on everybody gets that answer, and Partner Center hears no more of it."""
    calls = len(scene.sent())
    again = scene.survivor.post(scene.key)
    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["MS-RequestId"] == first.headers["MS-RequestId"]
    assert again.headers["MS-CV"] == first.headers["MS-CV"]
    assert len(scene.sent()) == calls
    assert scene.record().state == "completed"


def test_killed_before_the_claim(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start()
    scene.cloud.faults.inject(Fault("storage", method="PUT", delay=LONG, action="drop"))
    call = scene.posting(doomed)
    scene.until(lambda: scene.asked("PUT"))

    _kill(doomed, call)

    [answer] = scene.redeliver()
    assert answer.status_code == 201
    assert len(scene.sent()) == 1
    _replayed(scene, answer)


def test_killed_after_the_claim(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start(cold=True, CART_DEADLINE_SECONDS="6")
    scene.cloud.faults.inject(Fault("entra", delay=LONG))
    call = scene.posting(doomed)
    scene.until(lambda: scene.cloud.journal.requests("entra"))

    _kill(doomed, call)

    assert scene.sent() == []
    _taken_over(scene)
    assert len(scene.sent()) == 1


def test_killed_after_sending(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start()
    scene.cloud.faults.inject(Fault("partner_center", delay=LONG, action="drop"))
    call = scene.posting(doomed)
    scene.until(scene.sent)

    _kill(doomed, call)

    assert scene.carts() == []
    _taken_over(scene)
    assert len(scene.sent()) == 2


def test_killed_after_sending_what_arrives_late(
    scene: Scene, start: Callable[..., Process]
) -> None:
    doomed = start()
    scene.cloud.faults.inject(Fault("partner_center", delay=LEASE + 3))
    call = scene.posting(doomed)
    scene.until(scene.sent)

    _kill(doomed, call)

    _taken_over(scene)
    first, second = scene.sent()
    scene.until(lambda: first.status)
    assert second.time < first.time + LEASE + 3  # it overtook
    assert len(scene.carts()) == 1


def test_killed_when_the_cart_is_made(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start()
    scene.cloud.faults.inject(Fault("partner_center", delay_after=LONG))
    call = scene.posting(doomed)
    scene.until(scene.carts)

    _kill(doomed, call)

    _taken_over(scene)
    assert len(scene.sent()) == 2


def test_killed_after_the_answer(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start()
    call = _held_at_the_end(scene, doomed, Fault("storage", delay=LONG, action="drop"))

    _kill(doomed, call)

    assert scene.sent()[0].status == 201
    _taken_over(scene)
    assert len(scene.sent()) == 2


def test_killed_when_the_record_is_written(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start()
    call = _held_at_the_end(scene, doomed, Fault("storage", delay_after=LONG))

    _kill(doomed, call)

    [answer] = scene.redeliver()
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert scene.carts() == [answer.json()["id"]]
    assert len(scene.sent()) == 1


def test_killed_after_the_record(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start()
    answer = doomed.post(scene.key)
    assert answer.status_code == 201

    doomed.function.kill()

    _replayed(scene, answer)
    assert len(scene.sent()) == 1


def test_a_changed_cart_does_not_take_over(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start()
    scene.cloud.faults.inject(Fault("partner_center", delay=LONG, action="drop"))
    call = scene.posting(doomed)
    scene.until(scene.sent)
    _kill(doomed, call)

    for pause in (0, LEASE):  # while somebody may be at it, and when it is to be taken over
        time.sleep(pause)
        answer = scene.survivor.post(scene.key, quantity=2)
        assert (answer.status_code, problem(answer)["code"]) == (422, "idempotency_key_reused")

    assert len(scene.sent()) == 1


def test_a_caller_that_goes_away(scene: Scene) -> None:
    scene.cloud.faults.inject(Fault("partner_center", delay_after=1))

    with pytest.raises(httpx.ReadTimeout):
        scene.survivor.post(scene.key, patience=0.5)

    scene.until(lambda: len(scene.asked("PUT")) == 2)
    [answer] = scene.redeliver()
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert scene.carts() == [answer.json()["id"]]
    assert len(scene.sent()) == 1


def test_a_store_that_is_lost_before_the_claim(scene: Scene) -> None:
    scene.cloud.faults.inject(Fault("storage", times=None, status=503))

    answer = scene.survivor.post(scene.key)

    assert (answer.status_code, problem(answer)["code"]) == (503, "store_unavailable")
    assert problem(answer)["outcome"] == "unknown"  # for what earlier requests may have done
    assert scene.sent() == []


def test_a_store_that_is_lost_when_the_cart_exists(scene: Scene) -> None:
    scene.cloud.faults.inject(Fault("partner_center", delay_after=0.3))
    call = scene.posting(scene.survivor)
    scene.until(scene.sent)
    scene.cloud.faults.inject(Fault("storage", times=None, status=503))
    told = call.result()
    scene.cloud.faults.clear()

    assert told.status_code == 201
    assert [warning["code"] for warning in told.json()["warnings"]] == ["not_recorded"]
    assert scene.record().state == "in_progress"
    answer = scene.redeliver()[-1]
    assert answer.json() == told.json() | {"warnings": []}
    assert scene.carts() == [told.json()["id"]]
    assert len({call.headers["ms-requestid"] for call in scene.sent()}) == 1
    _replayed(scene, answer)


def test_what_the_store_is_asked_for(scene: Scene) -> None:
    def asks() -> list[str]:
        scene.cloud.journal.clear()
        scene.survivor.post(scene.key)
        return [arrival.method for arrival in scene.asked()]

    scene.cloud.faults.inject(Fault("partner_center", status=400))
    assert asks() == ["PUT", "PUT"]  # a first run, which is released
    assert asks() == ["PUT", "GET", "PUT", "PUT"]  # the run after it
    assert asks() == ["PUT", "GET"]  # a replay


def test_what_a_takeover_asks_the_store_for(scene: Scene, start: Callable[..., Process]) -> None:
    doomed = start()
    scene.cloud.faults.inject(Fault("partner_center", delay=LONG, action="drop"))
    call = scene.posting(doomed)
    scene.until(scene.sent)
    _kill(doomed, call)
    assert [arrival.method for arrival in scene.asked()] == ["PUT"]
    time.sleep(LEASE)

    scene.cloud.journal.clear()
    assert scene.survivor.post(scene.key).status_code == 201

    assert [arrival.method for arrival in scene.asked()] == ["PUT", "GET", "PUT", "PUT"]


def test_what_a_poll_asks_the_store_for(scene: Scene) -> None:
    scene.cloud.faults.inject(Fault("partner_center", delay_after=0.4))
    call = scene.posting(scene.survivor)
    scene.until(scene.sent)

    twin = scene.survivor.post(scene.key)

    assert twin.headers["Idempotent-Replayed"] == "true"
    assert twin.json() == call.result().json()
    # It looks at once, then after 0.2 s and, where the first run takes its time, 0.4 s more.
    assert len(scene.asked("PUT")) == 3
    assert len(scene.asked("GET")) in (2, 3)
    assert len(scene.sent()) == 1


def _held_at_the_end(scene: Scene, process: Process, hold: Fault) -> "Future[httpx.Response]":
    """A call whose answer has come, and whose last write `hold` keeps."""
    scene.cloud.faults.inject(Fault("partner_center", delay_after=0.3))
    call = scene.posting(process)
    scene.until(scene.sent)
    hold.method = "PUT"
    scene.cloud.faults.inject(hold)
    scene.until(lambda: _states(scene)[-1:] == ["completed"])
    if hold.takes_effect:
        time.sleep(0.3)  # it is on its way to Azurite
    return call


def _states(scene: Scene) -> list[str]:
    """The states that were written, or were to be."""
    return [json.loads(write.body)["state"] for write in scene.asked("PUT")]
