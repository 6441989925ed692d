"""A process is killed at each point of its work; another one then gets the same requests again.

Carts, checkouts and orders, with records in Azurite. Whether or not Partner Center recognises a
repeated MS-RequestId, and whether or not it repeats what it answered for an ordered cart: there is
one cart, or one order, in the end, and everybody gets the same answer.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.watch.disturbances import Disturbance
from partner_center_emulator.watch.journal import Arrival

from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.record import Record
from local.function_process import ROOT, FunctionProcess
from tests.end_to_end.chain import (
    FOR_USER,
    KEY_HEADER,
    USER,
    WAIT_SECONDS,
    Chain,
    app_with_patient_store,
    app_with_short_pauses,
    cart,
    environment,
    operations,
    problem,
    request_ids,
    started,
    until,
)
from tests.end_to_end.recorded_storage import LaterDisturbance, RecordedStorage

LONG = 60.0
"""Seconds for which a request is held. Its process is killed long before."""
LATE = 3.0
"""Seconds after which a request takes effect whose process was killed meanwhile."""
AHEAD = 600.0
"""Seconds by which storage's clock is ahead for the process that takes over: all leases are over
for it, without a wait."""

Route = Literal["cart", "checkout", "order"]
Moment = Literal["before", "late", "after"]


class Point(NamedTuple):
    """Where a process is killed: while one of its requests is held, before or after its effect."""

    route: Route
    held: str
    """A write of the record, by its number, or the last part of a path at Partner Center."""
    moment: Moment
    at_death: str
    """What Partner Center had been asked for when the process died."""
    in_the_end: str
    """What it had been asked for when another process had answered."""

    @property
    def name(self) -> str:
        """An id for tests."""
        return f"{self.route}-{self.moment}-{self.held.replace(' ', '-')}"

    @property
    def writes(self) -> int:
        """How many writes of the record storage accepted before the death."""
        if self.held.startswith("write"):
            return int(self.held[-1]) - (self.moment == "before")
        return 2 if (self.route, self.held) == ("order", "checkout") else 1

    @property
    def recorded(self) -> bool:
        """Whether the last write, with the answer, was accepted."""
        return self.writes == (3 if self.route == "order" else 2) and self.held != "checkout"

    @property
    def replayed(self) -> bool:
        """Whether the answer is that of a record; the purchase of an order has one of its own."""
        return self.recorded or (self.route, self.held) == ("order", "write 3")

    def had_effect(self, operation: Literal["create", "checkout"]) -> bool:
        """Whether Partner Center carried out the first such request before the death."""
        held = {"carts": "create"}.get(self.held, self.held)
        return operation in self.at_death and (held != operation or self.moment == "after")


POINTS = [
    Point("cart", "write 1", "before", "", "create"),
    Point("cart", "write 1", "after", "", "create"),
    Point("cart", "carts", "before", "create", "create create"),
    Point("cart", "carts", "late", "create", "create create"),
    Point("cart", "carts", "after", "create", "create create"),
    Point("cart", "write 2", "before", "create", "create create"),
    Point("cart", "write 2", "after", "create", "create"),
    Point("checkout", "write 1", "before", "", "checkout"),
    Point("checkout", "write 1", "after", "", "get checkout"),
    Point("checkout", "checkout", "before", "checkout", "checkout get checkout"),
    Point("checkout", "checkout", "late", "checkout", "checkout get checkout"),
    Point("checkout", "checkout", "after", "checkout", "checkout get checkout"),
    Point("checkout", "write 2", "before", "checkout", "checkout get checkout"),
    Point("checkout", "write 2", "after", "checkout", "checkout"),
    Point("order", "write 1", "before", "", "create checkout"),
    Point("order", "write 1", "after", "", "create checkout"),
    Point("order", "carts", "before", "create", "create create checkout"),
    Point("order", "carts", "after", "create", "create create checkout"),
    Point("order", "write 2", "before", "create", "create create checkout"),
    Point("order", "write 2", "after", "create", "create get checkout"),
    Point("order", "checkout", "before", "create checkout", "create checkout get checkout"),
    Point("order", "checkout", "late", "create checkout", "create checkout get checkout"),
    Point("order", "checkout", "after", "create checkout", "create checkout get checkout"),
    Point("order", "write 3", "before", "create checkout", "create checkout"),
    Point("order", "write 3", "after", "create checkout", "create checkout"),
]
POINTS.sort(key=lambda point: point.moment == "late")  # these may not be held as long as others


class RecordingCloud(LocalCloud):
    """A cloud that keeps all records that its storage accepted, by their names."""

    def __init__(self, azurite: Azurite) -> None:
        super().__init__(azurite=azurite)
        self.records: defaultdict[str, list[Record]] = defaultdict(list)
        self.storage = RecordedStorage(azurite, self.tokens, self._record)

    def _record(self, blob: str, content: bytes) -> None:
        self.records[blob.removesuffix(".json")].append(Record.from_json(content))


class Case:
    """One request that is repeated, of a customer who has made no other."""

    def __init__(self, cloud: RecordingCloud, route: Route) -> None:
        self.cloud = cloud
        self.route = route
        self.customer = str(uuid.uuid4())
        self.key = str(uuid.uuid4())
        name = {"cart": "create_cart", "checkout": "checkout_cart", "order": "place_order"}[route]
        self.record_name = OperationId(name, self.customer, self.key).record_name()

    def send(self, process: FunctionProcess, *, changed: bool = False) -> httpx.Response:
        """The request, the same one every time, or one with the same key and other content."""
        headers = KEY_HEADER | ({} if changed and self.route == "checkout" else FOR_USER)
        body: Any = cart(quantity=1 + changed)
        if self.route == "checkout":
            path, body = f"carts/{self.key}/checkout", None
        else:
            path = {"cart": "carts", "order": "orders"}[self.route]
            headers["Idempotency-Key"] = self.key
        url = f"{process.url}/api/customers/{self.customer}/{path}"
        # Without `verify`, no time is spent on certificates, which http:// does not need.
        how: dict[str, Any] = {"timeout": WAIT_SECONDS, "trust_env": False, "verify": False}
        return httpx.post(url, headers=headers, json=body, **how)

    def make_cart(self, chain: Chain) -> None:
        """Make the cart that is to be checked out: its id is the key."""
        self.key = chain.post(customer=self.customer).json()["id"]
        operation = OperationId("checkout_cart", self.customer, self.key)
        self.record_name = operation.record_name()

    def sent(self, operation: str = "") -> list[Arrival]:
        """What Partner Center received for the customer, or what of it was one operation."""
        sent = self.cloud.journal.requests("partner_center", self.customer)
        return [each for each in sent if operation in ("", *operations([each]))]

    def records(self) -> list[Record]:
        """The records that storage accepted, oldest first."""
        return self.cloud.records[self.record_name]

    def carts(self) -> list[str]:
        """The customer's carts."""
        carts = list(self.cloud.partner_center.carts.items())
        return [cart_id for cart_id, stored in carts if stored.customer_id == self.customer]

    def orders(self) -> list[str]:
        """The carts of the customer's orders."""
        orders = list(self.cloud.partner_center.orders.values())
        return [order.cart_id for order in orders if order.customer_id == self.customer]

    def hold(self, held: str, moment: Moment) -> None:
        """Hold a request of the next run; see Point."""
        how: dict[Moment, dict[str, Any]] = {
            "before": {"delay": LONG, "action": "drop"},
            "late": {"delay": LATE},
            "after": {"delay_after": LONG},
        }
        if held.startswith("write"):
            path, passes = self.record_name, int(held[-1]) - 1
            disturbance = LaterDisturbance(
                "storage", method="PUT", path=path, passes=passes, **how[moment]
            )
        else:
            disturbance = LaterDisturbance(
                "partner_center", path=f"{self.customer}/.*{held}$", **how[moment]
            )
        self.cloud.disturbances.inject(disturbance)

    def is_held(self, held: str, moment: Moment) -> bool:
        """Whether that request has arrived, and has had its effect where it is held after it."""
        if held.startswith("write"):
            arrived = self.cloud.journal.requests("storage", self.record_name)
            count = len(self.records() if moment == "after" else arrived)
            return count >= int(held[-1])
        if moment == "after":
            return bool(self.orders() if held == "checkout" else self.carts())
        return bool(self.sent("checkout" if held == "checkout" else "create"))


class State(NamedTuple):
    """How far a case has come."""

    writes: int
    asked: str
    carts: int
    orders: int

    @classmethod
    def of(cls, case: Case) -> "State":
        """As it is now."""
        asked = " ".join(operations(case.sent()))
        return cls(len(case.records()), asked, len(case.carts()), len(case.orders()))


@dataclass(frozen=True)
class Aftermath:
    """What became of a request whose process was killed."""

    case: Case
    repeats: bool
    """Whether Partner Center repeats its answers."""
    at_death: State
    early: list[httpx.Response]
    """While the dead process has its lease: the answers to the request and to a changed one."""
    answer: httpx.Response
    """After the lease."""
    again: httpx.Response
    """The next answer after that."""


@pytest.fixture(scope="module")
def cloud(azurite: Azurite) -> Iterator[RecordingCloud]:
    with RecordingCloud.in_thread(azurite=azurite) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def punctual(cloud: RecordingCloud) -> Iterator[Chain]:
    """A process that waits for no other process that has a lease."""
    settings = {"CART_ALLOW_CHECKOUT": "true", "CART_INFLIGHT_WAIT_SECONDS": "0"}
    with started(ROOT, cloud, **settings) as chain:
        yield chain


@pytest.fixture(scope="module")
def later(cloud: RecordingCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A process that takes over at once, as all leases are over for it."""
    app = app_with_short_pauses(tmp_path_factory.mktemp("later"), records_aged=AHEAD)
    with started(app, cloud, CART_ALLOW_CHECKOUT="true") as chain:
        yield chain


@pytest.fixture(scope="module", params=[True, False], ids=["answers-repeated", "not-repeated"])
def aftermaths(
    request: pytest.FixtureRequest,
    cloud: RecordingCloud,
    punctual: Chain,
    later: Chain,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Point, Aftermath]:
    """A process is killed with one request at each of the POINTS, and what became of them.

    Partner Center repeats its answers, to a repeated MS-RequestId and for an ordered cart, or not.
    """
    cloud.reset()
    repeats: bool = request.param
    cloud.partner_center.deduplicate = cloud.partner_center.repeat_checkout = repeats
    cases = {point: Case(cloud, point.route) for point in POINTS}
    for case in cases.values():
        if case.route == "checkout":
            case.make_cart(punctual)
    app_dir = app_with_patient_store(tmp_path_factory.mktemp("doomed"))
    variables = environment(cloud, CART_ALLOW_CHECKOUT="true")
    with (
        ThreadPoolExecutor(len(POINTS)) as pool,
        FunctionProcess(variables, app_dir=app_dir, log_level="DEBUG") as doomed,
    ):
        assert Case(cloud, "cart").send(doomed).status_code == 201  # it has its tokens now
        cloud.journal.clear()
        calls = []
        for late in (False, True):  # the late ones may not be held for as long as the others
            points = [point for point in POINTS if late is (point.moment == "late")]
            for point in points:
                cases[point].hold(point.held, point.moment)
                calls.append(pool.submit(cases[point].send, doomed))
            for point in points:
                until(partial(cases[point].is_held, point.held, point.moment))
        assert not any(call.done() for call in calls)
        doomed.kill()
        for call in calls:
            with pytest.raises(httpx.TransportError):
                call.result()
        assert USER not in doomed.output()
        deaths = {point: State.of(case) for point, case in cases.items()}
        cloud.disturbances.clear()

        def redeliver(point: Point) -> Aftermath:
            case, function = cases[point], punctual.function
            early = []
            if point.writes:
                early = [case.send(function), case.send(function, changed=True)]
            answer = case.send(later.function)
            if point.moment == "late":
                operation = point.at_death.split()[-1]
                until(lambda: case.sent(operation)[0].status)
            return Aftermath(case, repeats, deaths[point], early, answer, case.send(function))

        aftermaths = dict(zip(POINTS, pool.map(redeliver, POINTS), strict=True))
    assert all(USER.encode() not in a.body for a in cloud.journal.requests("storage"))
    return aftermaths


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_the_process_died_where_it_should(aftermaths: dict[Point, Aftermath], point: Point) -> None:
    carts = point.route == "checkout" or point.had_effect("create")
    orders = point.had_effect("checkout")
    expected = State(point.writes, point.at_death, int(carts), int(orders))

    assert aftermaths[point].at_death == expected


@pytest.mark.parametrize(
    "point", [point for point in POINTS if point.writes], ids=lambda point: point.name
)
def test_while_the_lease_lasts_nobody_takes_over(
    aftermaths: dict[Point, Aftermath], point: Point
) -> None:
    same, changed = aftermaths[point].early

    problem(changed, 422, "idempotency_key_reused", "not_sent", False)
    if point.recorded:
        assert same.headers["Idempotent-Replayed"] == "true"
    else:
        problem(same, 503, "operation_in_progress", "unknown", True)
        assert 1 <= int(same.headers["Retry-After"]) <= 10


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_there_is_one_cart_or_order_and_everybody_gets_the_same_answer(
    aftermaths: dict[Point, Aftermath], point: Point
) -> None:
    aftermath = aftermaths[point]
    case, answer, again = aftermath.case, aftermath.answer, aftermath.again
    body = answer.json()

    assert answer.status_code == 201, answer.text
    assert ("Idempotent-Replayed" in answer.headers) is point.replayed
    assert " ".join(operations(case.sent())) == point.in_the_end
    for operation in ("create", "checkout"):
        assert len(request_ids(case.sent(operation))) == (operation in point.in_the_end)
    assert (again.status_code, again.json()) == (201, body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["MS-RequestId"] == answer.headers["MS-RequestId"]
    assert again.headers["MS-CV"] == answer.headers["MS-CV"]
    record = case.records()[-1]
    assert (record.state, all(step.done for step in record.steps)) == ("completed", True)
    created = point.had_effect("create") or point.moment == "late"
    created_twice = created and "create create" in point.in_the_end and not aftermath.repeats
    assert len(case.carts()) == (2 if created_twice else 1)
    if point.route == "cart":
        assert body["id"] in case.carts()
        return
    assert case.orders() == [body["cartId"]]
    assert (body["customerId"], body["orderErrors"]) == (case.customer, [])
    warnings = [warning["code"] for warning in body["warnings"]]
    result = (body["status"], len(body["orders"]), *warnings)
    completed = ("completed", 1)
    ordered = ("ordered", 0, "orders_not_retrieved")
    if aftermath.repeats or point.replayed or not point.had_effect("checkout"):
        # What arrives late may be faster than the next checkout.
        assert result == completed or (point.moment == "late" and result == ordered)
    else:
        assert result == ordered


# --- the caller goes away ---------------------------------------------------------------------


def test_a_caller_that_goes_away(cloud: RecordingCloud, punctual: Chain) -> None:
    cloud.reset()
    case = Case(cloud, "order")
    cloud.disturbances.inject(Disturbance("partner_center", path="/checkout$", delay_after=0.5))
    body = json.dumps(cart())
    request = [
        f"POST /api/customers/{case.customer}/orders HTTP/1.1",
        f"Host: 127.0.0.1\r\nContent-Length: {len(body)}\r\nContent-Type: application/json",
        *(f"{name}: {value}" for name, value in (KEY_HEADER | FOR_USER).items()),
        f"Idempotency-Key: {case.key}\r\n\r\n{body}",
    ]

    with punctual.connection() as connection:
        connection.sendall("\r\n".join(request).encode())
        until(lambda: case.sent("checkout"))

    until(lambda: case.records()[-1].state == "completed")
    answer = case.send(punctual.function)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert case.orders() == [answer.json()["cartId"]]
    assert operations(case.sent()) == ["create", "checkout"]
