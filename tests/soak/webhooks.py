"""`python -m tests.soak --webhooks`: shops deliver their orders again and again, in any order.

Three processes are killed and started again, answers to deliveries and calls are lost, throttled
and slow, bells are lost and doubled. In the end each order that is released is bought once, and no
other one is bought. WooCommerce sends a delivery once, all others send it until it is acknowledged.
"""

import asyncio
import math
import random
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.watch.disturbances import Disturbance

from cart_core.storefronts.order_record import RECORDS, record_name
from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.sources import read_sources
from local.storefronts import RESTING, local_secret, sign, storefront_environment
from tests.end_to_end.chain import FUNCTION_KEY, environment
from tests.kit.progress import Progress
from tests.kit.shop_orders import MADE, ShopOrder
from tests.soak import judgement, scenario, trouble
from tests.soak.fleet import Fleet
from tests.soak.ledger import SoakCloud
from tests.soak.legs import Legs
from tests.soak.shop_server import ShopServer
from tests.soak.soak import LISTENER_OFF

LANES: Final = 40
PROCESSES: Final = 3
QUANTITY: Final = 5
"""The seats of each order."""

REPORT_SECRET: Final = "report-secret"

DELIVERING: Final = 240.0
"""Seconds after which the shops send no more: after ten minutes Azurite answers nothing."""

STILL: Final = 200.0
"""Seconds without any news after which nothing more is waited for. An order that could not be
worked off is put off for half as long as it has waited; the timer finds a lost bell in a minute."""

LEFT_OUT: Final = frozenset({"late", "refused", "untrue", "bytes"})
"""Kinds of trouble after which Partner Center may refuse a good order for good."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A soak of webhooks. After so many deliveries at most the next process is killed."""

    orders: int
    seed: int
    kills: float = math.inf
    deliveries_per_kill: int = 100


@dataclass(slots=True)
class Deliveries:
    """What became of the deliveries of one order. Times are those of the monotonic clock."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    """When each event was acknowledged first."""
    released_at: float | None = None
    """When a delivery was sent first that says that the order is paid."""


class Sender:
    """Delivers the orders of all shops. `happened` counts what became of it."""

    def __init__(self, fleet: Fleet, text: str, dice: random.Random) -> None:
        self._fleet = fleet
        self._dice = dice
        sources = read_sources(text)
        self._signs = {
            name: (platform_of(source).scheme, local_secret(source.secrets[0]))
            for name, source in sources.items()
        }
        self._until = 0.0
        self.sent = 0
        self.happened = Counter[str]()
        self.of_orders: defaultdict[str, Deliveries] = defaultdict(Deliveries)

    async def send_all(self, orders: list[ShopOrder]) -> None:
        """Each event of each order 1 to 8 times, in any order; those that are in time."""
        steps = [
            (order, event)
            for order in orders
            for event in order.events
            for _ in range(self._dice.randint(1, 8))
        ]
        self._dice.shuffle(steps)
        waiting = iter(steps)
        self._until = time.monotonic() + DELIVERING

        async def lane() -> None:
            for order, event in waiting:
                if time.monotonic() > self._until:
                    return
                await self._deliver(session, order, event)
                progress.step()

        with Progress(len(steps), "deliveries") as progress:
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(LANES):
                    group.create_task(lane())

    async def _deliver(self, session: aiohttp.ClientSession, order: ShopOrder, event: str) -> None:
        """One delivery, until it is acknowledged; WooCommerce sends it once."""
        of_order = self.of_orders[order.id]
        while True:
            if event in ("paid", "updated") and of_order.released_at is None:
                of_order.released_at = time.monotonic()
            status = await self._post(session, order, event)
            self.happened[f"{'not answered' if status is None else status}"] += 1
            if status == 200:
                of_order.acknowledged.setdefault(event, time.monotonic())
            if status == 200 or order.source == "woo" or time.monotonic() > self._until:
                return
            await asyncio.sleep(self._dice.uniform(0.1, 1))

    async def _post(
        self, session: aiohttp.ClientSession, order: ShopOrder, event: str
    ) -> int | None:
        """The status of an answer; None where the shop hung up, or the process died."""
        body, (scheme, secret) = order.body(event), self._signs[order.source]
        hangs_up = self._dice.random() < 0.1
        seconds = self._dice.uniform(0.005, 0.1) if hangs_up else 60.0
        self.sent += 1
        try:
            async with session.post(
                f"{self._fleet.any(self._dice).function.url}/api/webhooks/{order.source}",
                data=body,
                headers=sign(scheme, secret, body, time.time()),
                timeout=aiohttp.ClientTimeout(seconds),
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None


@dataclass(slots=True)
class Result:
    """What came of a soak of webhooks."""

    plan: Plan
    seconds: float
    deliveries: int
    answers: Counter[str]
    kills: int
    bells: Counter[str]
    states: Counter[str]
    bought: int
    failures: list[str]
    logs: list[str]

    def table(self) -> str:
        """The figures, one a line."""
        counted = {"deliveries answered": self.answers, "of the legs": self.bells}
        counted["orders in the end"] = self.states
        lines = [f"orders: {self.plan.orders}, seed {self.plan.seed}"]
        lines += [f"deliveries: {self.deliveries}", f"processes killed: {self.kills}"]
        for what, counts in counted.items():
            lines += [f"{what}, {name}: {counts[name]}" for name in sorted(counts)]
        lines += [f"orders bought: {self.bought}", f"seconds: {self.seconds:.0f}"]
        verdict = "\n".join(["FAILED", *self.failures]) if self.failures else "passed"
        return "\n".join([*lines, f"verdict: {verdict}"])


async def soak(plan: Plan, azurite: Azurite) -> Result:
    """Deliver all orders in trouble, wait until all have ended in calm, and judge."""
    dice = random.Random(plan.seed)
    orders = [
        ShopOrder(100_000 + number, dice, str(uuid.UUID(int=dice.getrandbits(128), version=4)))
        for number in range(plan.orders)
    ]
    began = time.monotonic()
    async with (
        SoakCloud(deduplicate=True, seed=plan.seed, azurite=azurite) as cloud,
        ShopServer(
            {order.id: order for order in orders}, local_secret(REPORT_SECRET), dice
        ) as shops,
    ):
        text = sources(shops.url)
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "storefronts.toml"
            file.write_text(text, "utf-8")
            more = {**scenario.SETTINGS, **storefront_environment(cloud, file)}
            fleet = Fleet(
                # The first one has no listener, as an instance for HTTP in Azure.
                [
                    environment(cloud, **more, **({LISTENER_OFF: None} if number else {}))
                    for number in range(PROCESSES)
                ]
            )
            async with fleet:
                sender = Sender(fleet, text, dice)
                legs = Legs(cloud, fleet, FUNCTION_KEY, dice)
                enough, end = asyncio.Event(), asyncio.Event()
                sweeping = asyncio.create_task(legs.sweep(end))
                cloud.disturbances.inject(*trouble.trouble(LEFT_OUT), *_throttles())
                async with asyncio.TaskGroup() as group:
                    group.create_task(legs.haunt(enough))
                    per_kill = plan.deliveries_per_kill
                    group.create_task(
                        fleet.kill(plan.kills, per_kill, lambda: sender.sent, dice, enough)
                    )
                    await sender.send_all(orders)
                    enough.set()
                cloud.disturbances.clear()
                found = await _until_all_have_ended(fleet, orders, sender, shops, dice)
                end.set()
                await sweeping
        bought = Counter(
            (cloud.carts[stored.cart_id].customer_id, line["quantity"])
            for stored in cloud.orders.values()
            for line in stored.document["lineItems"]
        )
        failures = [
            *(defect for log in fleet.logs for defect in judgement.defects_in(log)),
            *_wrong(orders, sender, bought, found, shops),
            *judgement.leaks(
                {f"log {number}": log for number, log in enumerate(fleet.logs)}, cloud.secrets()
            ),
        ]
        return Result(
            plan,
            time.monotonic() - began,
            sender.sent,
            sender.happened,
            fleet.kills,
            legs.happened,
            Counter(f"{state}{', cancelled' * cancelled}" for state, cancelled in found.values()),
            bought.total(),
            failures,
            fleet.logs,
        )


def sources(url: str) -> str:
    """The file of sources: four shops, whose APIs and receiver are at `url`."""
    tables = {
        "shop": ('platform = "shopify"', "Microsoft tenant"),
        "woo": ('platform = "woocommerce"', "microsoft_tenant"),
        "big": (
            f'platform = "bigcommerce"\nstore_hash = "abc123"\naccess_token = "t"\napi = "{url}"',
            "Microsoft tenant",
        ),
        "pay": (f'platform = "stripe"\napi_key = "k"\napi = "{url}"', "tenant"),
    }
    return "\n".join(
        f'[{name}]\n{platform}\nsecrets = ["{name}-secret"]\nsince = {MADE.isoformat()}\n'
        f'customer = {{ attributes = ["{attribute}"] }}\n'
        f'report = {{ url = "{url}/reports", secret = "{REPORT_SECRET}" }}'
        for name, (platform, attribute) in tables.items()
    )


def _throttles() -> Iterator[Disturbance]:
    for seconds in ("1", "3"):
        throttled: dict[str, Any] = {"status": 429, "headers": {"Retry-After": seconds}}
        yield Disturbance("partner_center", times=None, probability=0.03, **throttled)


Found = dict[str, tuple[str, bool]]
"""Of each order by its id: its state as operators see it, and whether it is cancelled."""


async def _until_all_have_ended(
    fleet: Fleet,
    orders: list[ShopOrder],
    sender: Sender,
    shops: ShopServer,
    dice: random.Random,
) -> Found:
    """Ask for each order until nothing more happens by itself, and its news have arrived."""
    found: Found = {}
    waiting = [order for order in orders if sender.of_orders[order.id].acknowledged]
    news, known = time.monotonic(), ""
    async with aiohttp.ClientSession(headers={"x-functions-key": FUNCTION_KEY}) as session:
        while waiting and time.monotonic() - news < STILL:
            for order in list(waiting):
                name = record_name(order.source, order.id).removeprefix(RECORDS).replace("/", "-")
                url = f"{fleet.any(dice).function.url}/api/storefront-orders/{name}"
                async with session.get(url) as answer:
                    document = await answer.json()
                if answer.status != 200:
                    found[order.id] = (str(document["code"]), False)
                    continue
                state, cancelled = document["state"], document["cancelled"]
                found[order.id] = (state, cancelled)
                told = shops.reports[order.source, order.id]
                is_bought = any(part["result"] for part in document["parts"])
                if (
                    (state in RESTING or cancelled)
                    and ("order.completed" in told or state != "ended" or cancelled)
                    and (not cancelled or not document["parts"] or is_bought)
                ):
                    waiting.remove(order)
            if known != (known := f"{found}{shops.reports}"):
                news = time.monotonic()
            await asyncio.sleep(1)
    return found


def _wrong(
    orders: list[ShopOrder],
    sender: Sender,
    bought: Counter[tuple[str, int]],
    found: Found,
    shops: ShopServer,
) -> Iterator[str]:
    """Orders that were bought twice, wrongly or not at all, and reports that are not true."""
    known = {order.customer for order in orders}
    yield from (
        f"{customer}: nobody ordered that" for customer, _ in bought if customer not in known
    )
    yield from shops.wrong
    answers = {"200", "503", "not answered"}
    yield from (f"a delivery was answered {each}" for each in sender.happened.keys() - answers)
    for order in orders:
        of_order, state = sender.of_orders[order.id], found.get(order.id)
        what = f"{order.source} {order.id} ({', '.join(order.events)}), {state}"
        times = bought[order.customer, QUANTITY]
        if any(quantity != QUANTITY for customer, quantity in bought if customer == order.customer):
            yield f"{what}: another quantity was bought"
        if times > 1:
            yield f"{what}: bought {times} times"
        if times and not order.paid:
            yield f"{what}: bought, and it was never paid"
        acknowledged = of_order.acknowledged
        in_time = "cancelled" in acknowledged and (
            of_order.released_at is None or acknowledged["cancelled"] < of_order.released_at
        )
        asked_again = order.source in ("big", "pay")
        if times and order.cancelled and (in_time or asked_again):
            yield f"{what}: bought, although it was cancelled in time"
        released = acknowledged.keys() & {"paid", "updated"}
        if released and not order.cancelled and not times:
            yield f"{what}: acknowledged, and never bought"
        told = shops.reports[order.source, order.id]
        if ("order.completed" in told) != bool(times):
            yield f"{what}: bought {times} times, and told {', '.join(sorted(told))}"
