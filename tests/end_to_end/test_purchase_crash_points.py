"""A process that buys is killed with a call at each point of its work; another one gets them again.

Whether Partner Center honours a repeated MS-RequestId, and whether it repeats what it answered for
a cart that is ordered: there is one order in the end, and everybody is told of it.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

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
from tests.end_to_end.chain import FOR_USER, USER, cart, problem

LONG = 9.0
"""Seconds for which something is held: the process is killed long before."""
LATE = 10.0
"""Seconds after which something arrives that everybody has given up."""
HASTY = {
    "CART_ALLOW_CHECKOUT": "true",
    "CART_DEADLINE_SECONDS": "4",
    "CART_LEASE_MARGIN_SECONDS": "1",
    "CART_INFLIGHT_WAIT_SECONDS": "1",
    "CART_MAX_WAIT_SECONDS": "1",
}
HASTIER = HASTY | {"CART_DEADLINE_SECONDS": "2"}
PATIENT = HASTY | {"CART_DEADLINE_SECONDS": "30", "CART_INFLIGHT_WAIT_SECONDS": "20"}

Route = Literal["checkout", "order"]


@dataclass
class Story:
    """One purchase: a customer, a key and, for the checkout route, a cart of its own."""

    cloud: LocalCloud
    route: Route
    customer: str = field(default_factory=lambda: str(uuid.uuid4()))
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    cart_id: str = ""

    def buy(self, process: FunctionProcess, patience: float = 60) -> httpx.Response:
        """One request, the same one every time."""
        base = f"/api/customers/{self.customer}"
        if self.route == "order":
            key = {"Idempotency-Key": self.key}
            return _post(process, f"{base}/orders", cart(), key, patience)
        return _post(process, f"{base}/carts/{self.cart_id}/checkout", None, {}, patience)

    def make_cart(self, process: FunctionProcess) -> None:
        """The cart that is to be checked out."""
        answer = _post(process, f"/api/customers/{self.customer}/carts", cart(), {})
        self.cart_id = answer.json()["id"]

    def redeliver(self, process: FunctionProcess) -> httpx.Response:
        """The request again, until somebody answers it."""
        for _ in range(20):
            answer = self.buy(process)
            if answer.status_code != 503:
                return answer
            assert problem(answer)["code"] == "operation_in_progress"
            time.sleep(float(answer.headers["Retry-After"]))
        raise AssertionError(answer.text)

    @property
    def name(self) -> str:
        """The name of the record."""
        if self.route == "order":
            return OperationId("place_order", self.customer, None, self.key).record_name()
        return OperationId("checkout_cart", self.customer, None, self.cart_id).record_name()

    def writes(self) -> list[Arrival]:
        """What the store was asked to write of it."""
        asked = self.cloud.journal.requests("storage", self.name)
        return [arrival for arrival in asked if arrival.method == "PUT"]

    def record(self) -> Record:
        """What is remembered of it."""
        return Record.from_json([w for w in self.writes() if w.status == 201][-1].body)

    def sent(self, last: str = "") -> list[Arrival]:
        """What Partner Center received for the customer, or what of it went to one kind of path."""
        sent = self.cloud.journal.requests("partner_center", self.customer)
        return [arrival for arrival in sent if arrival.path.endswith(last)]

    def trail(self) -> list[str]:
        """The same in words."""
        names = {"carts": "create", "checkout": "checkout"}
        return [names.get(a.path.rpartition("/")[2], a.method.lower()) for a in self.sent()]

    def carts(self) -> list[str]:
        """The customer's carts."""
        kept = list(self.cloud.partner_center.carts.items())
        return [cart_id for cart_id, stored in kept if stored.customer_id == self.customer]

    def orders(self) -> list[str]:
        """The carts of the customer's orders."""
        kept = list(self.cloud.partner_center.orders.values())
        return [order.cart_id for order in kept if order.customer_id == self.customer]

    def hold(self, last: str, **how: Any) -> None:
        """Keep the next request to one kind of path."""
        path = f"{self.customer}/.*{last}$"
        self.cloud.faults.inject(Fault("partner_center", path=path, **how))

    def hold_write(self, **how: Any) -> None:
        """Keep the next write."""
        self.cloud.faults.inject(Fault("storage", method="PUT", path=self.name, **how))

    def hold_write_after(self, last: str, **how: Any) -> None:
        """Keep the write that follows on Partner Center's answer."""
        until(lambda: self.sent(last))  # whose answer takes a while
        written = len(self.writes())
        self.hold_write(**how)
        until(lambda: len(self.writes()) > written)
        if "action" not in how:
            time.sleep(0.3)  # it is on its way to Azurite


Start = Callable[[], None]


def before_the_claim(story: Story, start: Start) -> None:
    story.hold_write(delay=LONG, action="drop")
    start()
    until(story.writes)


def when_it_is_claimed(story: Story, start: Start) -> None:
    story.hold_write(delay_after=LONG)
    start()
    until(story.writes)
    time.sleep(0.3)  # it is on its way to Azurite


def before_the_cart_is_made(story: Story, start: Start) -> None:
    story.hold("carts", delay=LONG, action="drop")
    start()
    until(lambda: story.sent("carts"))


def when_the_cart_is_made(story: Story, start: Start) -> None:
    story.hold("carts", delay_after=LONG)
    start()
    until(story.carts)


def before_the_cart_is_written_down(story: Story, start: Start) -> None:
    story.hold("carts", delay_after=0.5)
    start()
    story.hold_write_after("carts", delay=LONG, action="drop")


def when_the_cart_is_written_down(story: Story, start: Start) -> None:
    story.hold("carts", delay_after=0.5)
    start()
    story.hold_write_after("carts", delay_after=LONG)


def before_it_is_ordered(story: Story, start: Start) -> None:
    story.hold("checkout", delay=LONG, action="drop")
    start()
    until(lambda: story.sent("checkout"))


def before_it_is_ordered_late(story: Story, start: Start) -> None:
    story.hold("checkout", delay=LATE)
    start()
    until(lambda: story.sent("checkout"))


def when_it_is_ordered(story: Story, start: Start) -> None:
    story.hold("checkout", delay_after=LONG)
    start()
    until(story.orders)


def before_the_end_is_written_down(story: Story, start: Start) -> None:
    story.hold("checkout", delay_after=0.5)
    start()
    story.hold_write_after("checkout", delay=LONG, action="drop")


def when_the_end_is_written_down(story: Story, start: Start) -> None:
    story.hold("checkout", delay_after=0.5)
    start()
    story.hold_write_after("checkout", delay_after=LONG)


EARLY = (before_the_claim, when_it_is_claimed)
MAKING = (
    before_the_cart_is_made,
    when_the_cart_is_made,
    before_the_cart_is_written_down,
    when_the_cart_is_written_down,
)
BUYING = (
    before_it_is_ordered,
    before_it_is_ordered_late,
    when_it_is_ordered,
    before_the_end_is_written_down,
    when_the_end_is_written_down,
)
POINTS: list[tuple[Route, Any]] = [
    *(("checkout", point) for point in (*EARLY, *BUYING)),
    *(("order", point) for point in (*EARLY, *MAKING, *BUYING)),
]
NAMES = [f"{route}-{point.__name__}" for route, point in POINTS]


class Death(NamedTuple):
    """How far a purchase had come when its process died."""

    writes: int
    trail: list[str]
    carts: int
    orders: int

    @classmethod
    def of(cls, story: Story) -> Self:
        """As it is now."""
        return cls(len(story.writes()), story.trail(), len(story.carts()), len(story.orders()))


@dataclass(frozen=True)
class Aftermath:
    """A process that was killed with one call at each of the POINTS, and what became of them."""

    deduplicate: bool
    repeat_checkout: bool
    stories: dict[str, Story]
    deaths: dict[str, Death]
    answers: dict[str, httpx.Response]
    replays: dict[str, httpx.Response]
    trails: dict[str, list[str]]
    """What Partner Center received before the replays."""
    outputs: list[str]


@pytest.fixture(
    scope="module",
    params=[(d, r) for d in (True, False) for r in (True, False)],
    ids=lambda given: f"deduplicate={given[0]:d}-repeat={given[1]:d}",
)
def aftermath(
    request: pytest.FixtureRequest, cloud: LocalCloud, survivor: FunctionProcess
) -> Aftermath:
    """One massacre for each way in which Partner Center may behave."""
    cloud.reset()
    deduplicate, repeat_checkout = request.param
    partner_center = cloud.partner_center
    partner_center.deduplicate, partner_center.repeat_checkout = deduplicate, repeat_checkout
    stories = [Story(cloud, route) for route, _ in POINTS]
    calls: list[Future[httpx.Response]] = []
    with (
        ThreadPoolExecutor(3 * len(POINTS)) as pool,
        FunctionProcess(app_environment(cloud, **HASTY)) as doomed,
    ):
        warm(doomed)
        for story in stories:
            if story.route == "checkout":
                story.make_cart(survivor)
        cloud.journal.clear()

        def bring(story: Story, point: Any) -> None:
            point(story, lambda: calls.append(pool.submit(story.buy, doomed)))

        for held in [pool.submit(bring, s, p) for s, (_, p) in zip(stories, POINTS, strict=True)]:
            held.result()
        assert not any(call.done() for call in calls)
        doomed.kill()
        for call in calls:
            with pytest.raises(httpx.TransportError):
                call.result()
        deaths = [Death.of(story) for story in stories]
        cloud.faults.clear()

        answers = list(pool.map(lambda story: story.redeliver(survivor), stories))
        late = [s for s, (_, p) in zip(stories, POINTS, strict=True) if "late" in p.__name__]
        for story in late:
            until(lambda story=story: story.sent("checkout")[0].status)  # type: ignore[misc]
        trails = [story.trail() for story in stories]
        replays = list(pool.map(lambda story: story.buy(survivor), stories))
        outputs = [doomed.output(), survivor.output()]
    return Aftermath(
        deduplicate,
        repeat_checkout,
        dict(zip(NAMES, stories, strict=True)),
        dict(zip(NAMES, deaths, strict=True)),
        dict(zip(NAMES, answers, strict=True)),
        dict(zip(NAMES, replays, strict=True)),
        dict(zip(NAMES, trails, strict=True)),
        outputs,
    )


@pytest.fixture(scope="module")
def cloud(azurite: Azurite) -> Iterator[LocalCloud]:
    with LocalCloud.in_thread(azurite=azurite) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def survivor(cloud: LocalCloud) -> Iterator[FunctionProcess]:
    with FunctionProcess(app_environment(cloud, **PATIENT)) as process:
        warm(process)
        yield process


@pytest.fixture(scope="module")
def hasty(cloud: LocalCloud) -> Iterator[FunctionProcess]:
    with FunctionProcess(app_environment(cloud, **HASTIER)) as process:
        warm(process)
        yield process


@pytest.fixture(params=["checkout", "order"])
def story(
    request: pytest.FixtureRequest, cloud: LocalCloud, survivor: FunctionProcess
) -> Iterator[Story]:
    """A purchase that is about to begin; Partner Center repeats nothing."""
    cloud.reset()
    cloud.partner_center.deduplicate = cloud.partner_center.repeat_checkout = False
    story = Story(cloud, request.param)
    if story.route == "checkout":
        story.make_cart(survivor)
        cloud.journal.clear()
    yield story
    cloud.faults.clear()


# --- killed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_there_is_one_order_in_the_end(aftermath: Aftermath, name: str) -> None:
    story, answer = aftermath.stories[name], aftermath.answers[name]
    told = answer.json()

    assert answer.status_code == 201, answer.text
    assert story.orders() == [told["cartId"]]
    assert (told["customerId"], told["orderErrors"]) == (story.customer, [])
    ordered_before = aftermath.deaths[name].orders == 1
    remembered = name.endswith("when_the_end_is_written_down")
    repeated = aftermath.deduplicate or aftermath.repeat_checkout
    if ordered_before and not remembered and not repeated:
        assert (told["status"], told["orders"]) == ("ordered", [])
        assert [w["code"] for w in told["warnings"]] == ["orders_not_retrieved"]
    else:
        assert (told["status"], len(told["orders"]), told["warnings"]) == ("completed", 1, [])
    [order] = [
        o for o in story.cloud.partner_center.orders.values() if o.customer_id == story.customer
    ]
    assert order.customer_user == USER


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_was_made(aftermath: Aftermath, name: str) -> None:
    story = aftermath.stories[name]
    twice = not aftermath.deduplicate and name in (
        "order-when_the_cart_is_made",
        "order-before_the_cart_is_written_down",
    )

    assert len(story.carts()) == (2 if twice else 1)
    ids = {a.headers["ms-requestid"] for a in story.sent("checkout")}
    assert len(ids) == 1
    assert len({a.headers["ms-requestid"] for a in story.sent("carts")}) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_what_was_asked_for(aftermath: Aftermath, name: str) -> None:
    route, _, point = name.partition("-")
    make, again = (["create"], "create") if route == "order" else ([], "get")
    expected = {
        "before_the_claim": [*make, "checkout"],
        "when_it_is_claimed": [*make, *([] if make else ["get"]), "checkout"],
        "before_the_cart_is_made": ["create", again, "checkout"],
        "when_the_cart_is_made": ["create", again, "checkout"],
        "before_the_cart_is_written_down": ["create", again, "checkout"],
        "when_the_cart_is_written_down": ["create", "get", "checkout"],
        "when_the_end_is_written_down": [*make, "checkout"],
    }.get(point, [*make, "checkout", "get", "checkout"])

    assert aftermath.trails[name] == expected


@pytest.mark.parametrize("name", NAMES)
def test_from_now_on_everybody_is_told_the_same(aftermath: Aftermath, name: str) -> None:
    story, first, again = (
        aftermath.stories[name],
        aftermath.answers[name],
        aftermath.replays[name],
    )

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["MS-RequestId"] == first.headers["MS-RequestId"]
    assert story.trail() == aftermath.trails[name]
    record = story.record()
    assert (record.state, all(step.done for step in record.steps)) == ("completed", True)
    at_last = name.endswith("when_the_end_is_written_down")
    assert ("Idempotent-Replayed" in first.headers) is at_last


@pytest.mark.parametrize("name", NAMES)
def test_the_process_died_where_it_should(aftermath: Aftermath, name: str) -> None:
    """Without this, the other tests would prove little."""
    route, _, point = name.partition("-")
    make, made = (["create"], 1) if route == "order" else ([], 0)
    in_flight = Death(1 + made, [*make, "checkout"], 1, 0)
    expected = {
        "before_the_claim": Death(1, [], 1 - made, 0),
        "when_it_is_claimed": Death(1, [], 1 - made, 0),
        "before_the_cart_is_made": Death(1, ["create"], 0, 0),
        "when_the_cart_is_made": Death(1, ["create"], 1, 0),
        "before_the_cart_is_written_down": Death(2, ["create"], 1, 0),
        "when_the_cart_is_written_down": Death(2, ["create"], 1, 0),
        "before_it_is_ordered": in_flight,
        "before_it_is_ordered_late": in_flight,
        "when_it_is_ordered": in_flight._replace(orders=1),
        "before_the_end_is_written_down": in_flight._replace(orders=1, writes=2 + made),
        "when_the_end_is_written_down": in_flight._replace(orders=1, writes=2 + made),
    }

    assert aftermath.deaths[name] == expected[point]


def test_no_record_and_no_log_names_the_customers_user(aftermath: Aftermath) -> None:
    cloud = next(iter(aftermath.stories.values())).cloud
    writes = [a for a in cloud.journal.requests("storage") if a.method == "PUT"]

    assert len(writes) > len(POINTS)
    for text in (*aftermath.outputs, *(write.body.decode() for write in writes)):
        assert "megan" not in text.lower()
        assert USER.partition("@")[2] not in text
    assert any(USER in a.headers.values() for a in cloud.journal.requests("partner_center"))


def test_killed_twice(story: Story, cloud: LocalCloud, survivor: FunctionProcess) -> None:
    """Whoever goes on is killed as well, when the order is made."""
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        for _ in range(2):
            doomed = stack.enter_context(FunctionProcess(app_environment(cloud, **HASTIER)))
            warm(doomed)
            expected = len(story.sent("checkout")) + 1
            story.hold("checkout", delay_after=1.5)
            call = pool.submit(story.redeliver, doomed)
            until(lambda expected=expected: len(story.sent("checkout")) == expected)  # type: ignore[misc]
            until(story.orders)
            time.sleep(0.2)
            doomed.kill()
            with pytest.raises(httpx.TransportError):
                call.result()
        answer = story.redeliver(survivor)

    assert (answer.status_code, answer.json()["status"]) == (201, "ordered")
    assert story.orders() == [answer.json()["cartId"]]
    assert len(story.carts()) == 1
    assert len({a.headers["ms-requestid"] for a in story.sent("checkout")}) == 1


# --- the store is lost ------------------------------------------------------------------------


def test_a_store_that_is_lost_before_the_claim(story: Story, hasty: FunctionProcess) -> None:
    story.cloud.faults.inject(Fault("storage", times=None, status=503))

    told = problem(story.buy(hasty))

    assert (told["status"], told["code"]) == (503, "store_unavailable")
    assert (told["outcome"], told["retryable"]) == ("unknown", True)
    assert story.sent() == []
    story.cloud.faults.clear()
    assert story.redeliver(hasty).json()["status"] == "completed"


@pytest.mark.parametrize(
    ("fault", "deduplicate"),
    [
        ({"status": 503}, True),
        ({"status": 503}, False),
        ({"action": "drop", "commit": True}, False),
    ],
    ids=["honoured", "not-honoured", "written-all-the-same"],
)
def test_a_store_that_is_lost_between_cart_and_checkout(
    cloud: LocalCloud,
    hasty: FunctionProcess,
    survivor: FunctionProcess,
    fault: dict[str, Any],
    deduplicate: bool,
) -> None:
    cloud.reset()
    cloud.partner_center.deduplicate = deduplicate
    cloud.partner_center.repeat_checkout = False
    story = Story(cloud, "order")
    story.hold("carts", delay_after=0.5)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(story.buy, hasty)
        until(story.carts)
        cloud.faults.inject(Fault("storage", times=None, **fault))
        told = problem(call.result())
    cloud.faults.clear()

    assert (told["status"], told["code"]) == (503, "store_unavailable")
    assert (told["outcome"], told["retryable"]) == ("unknown", True)
    assert story.trail() == ["create"]
    assert story.orders() == []

    answer = story.redeliver(survivor)

    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert story.orders() == [answer.json()["cartId"]]
    written = "commit" in fault
    assert len(story.carts()) == (1 if deduplicate or written else 2)
    assert len({a.headers["ms-requestid"] for a in story.sent("carts")}) == 1


@pytest.mark.parametrize("repeat_checkout", [True, False])
def test_a_store_that_is_lost_when_it_is_ordered(
    story: Story, hasty: FunctionProcess, survivor: FunctionProcess, repeat_checkout: bool
) -> None:
    story.cloud.partner_center.repeat_checkout = repeat_checkout
    story.hold("checkout", delay_after=0.5)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(story.buy, hasty)
        until(story.orders)
        story.cloud.faults.inject(Fault("storage", times=None, status=503))
        told = call.result()
    story.cloud.faults.clear()

    assert (told.status_code, told.json()["status"]) == (201, "completed")
    assert [warning["code"] for warning in told.json()["warnings"]] == ["not_recorded"]
    assert story.record().state == "in_progress"
    answer = story.redeliver(survivor)
    assert answer.json()["cartId"] == told.json()["cartId"]
    assert answer.json()["status"] == ("completed" if repeat_checkout else "ordered")
    assert story.orders() == [told.json()["cartId"]]
    again = story.buy(hasty)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (answer.json(), "true")


@pytest.mark.parametrize("action", [None, "drop"])
def test_a_store_that_fails_once_at_each_write_is_not_missed(
    story: Story, survivor: FunctionProcess, action: Any
) -> None:
    lasts = ("carts", "checkout") if story.route == "order" else ("checkout",)
    status = None if action else 503
    with ThreadPoolExecutor() as pool:
        for last in lasts:
            story.hold(last, delay_after=0.5)
        story.hold_write(action=action, status=status, commit=True)
        call = pool.submit(story.buy, survivor)
        for last in lasts:
            until(lambda last=last: story.sent(last))  # type: ignore[misc]
            story.hold_write(action=action, status=status, commit=True)
        answer = call.result()

    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert answer.json()["warnings"] == []
    assert story.orders() == [answer.json()["cartId"]]
    assert story.buy(survivor).headers["Idempotent-Replayed"] == "true"


def test_a_caller_that_goes_away(story: Story, survivor: FunctionProcess) -> None:
    story.hold("checkout", delay_after=1)
    with pytest.raises(httpx.ReadTimeout):
        story.buy(survivor, patience=0.5)

    until(lambda: story.writes() and json.loads(story.writes()[-1].body)["state"] == "completed")
    answer = story.redeliver(survivor)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert story.orders() == [answer.json()["cartId"]]
    assert len(story.sent("checkout")) == 1


def warm(process: FunctionProcess) -> None:
    """Give it its tokens, with a cart of its own."""
    for _ in range(5):  # a cold process may need more time than a call has here
        path = f"/api/customers/{uuid.uuid4()}/carts"
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if _post(process, path, cart(), headers).status_code == 201:
            return
    raise AssertionError(process.output())


def until(what: Callable[[], object]) -> None:
    """Waits for something that is about to happen."""
    give_up = time.monotonic() + 20
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def _post(
    process: FunctionProcess,
    path: str,
    body: Any,
    headers: dict[str, str],
    patience: float = 60,
) -> httpx.Response:
    return httpx.post(
        process.url + path,
        headers={"x-functions-key": process.key, **FOR_USER, **headers},
        json=body,
        timeout=patience,
        trust_env=False,
    )
