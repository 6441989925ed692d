"""One soak from the first start to the verdict."""

import asyncio
import itertools
import math
import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

from partner_center_emulator.partner_center.refusals import BUSY
from partner_center_emulator.services.azurite import Azurite

from tests.end_to_end.chain import FUNCTION_KEY, defects, environment
from tests.soak import judgement, scenario
from tests.soak.caller import Caller, Delivered
from tests.soak.fleet import Fleet, over
from tests.soak.ledger import SoakCloud, claims, purpose
from tests.soak.scenario import Order

CREDENTIALS: Final = ("secret", "certificate", "federated")
"""How each of the processes shows Entra who it is."""

PATIENCE: Final = 1800.0
"""Seconds after which callers give up. It only keeps a soak that fails from going on for ever."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A soak. Without `deduplicate`, Partner Center makes a cart for each request it gets.

    Without `repeat_checkout`, it refuses to check out a cart that is ordered. The trouble lasts
    until all is delivered, or until so many processes were killed.
    """

    keys: int
    seed: int
    deduplicate: bool = True
    repeat_checkout: bool = True
    kills: float = math.inf
    calls_per_kill: int = 30
    """After so many calls to Partner Center at most, the next process is killed."""


@dataclass(slots=True)
class Result:
    """What came of it. `seconds` are those of the trouble, and of the calm after it."""

    plan: Plan
    seconds: tuple[float, float]
    delivered: list[Delivered]
    in_calm: list[Delivered]
    kills: int
    claims: Counter[str]
    calls: Counter[str]
    carts: int
    bought: int
    purchases: int
    surplus: Counter[str]
    failures: list[str]
    logs: list[str]


async def soak(plan: Plan, azurite: Azurite) -> Result:
    """Hand over all orders in trouble, then each once more in calm, and judge."""
    dice = random.Random(plan.seed)
    orders = scenario.orders(plan.keys, dice)
    async with SoakCloud(deduplicate=plan.deduplicate, seed=plan.seed, azurite=azurite) as cloud:
        cloud.partner_center.repeat_checkout = plan.repeat_checkout
        cloud.partner_center.change_seconds = scenario.CHECKOUT_SECONDS
        cloud.partner_center.busy_code = dice.choice(list(BUSY))
        fleet = Fleet(
            [
                environment(cloud, **scenario.SETTINGS, PARTNER_CENTER_CREDENTIAL=credential)
                for credential in CREDENTIALS
            ]
        )
        async with fleet:
            caller = Caller(fleet, FUNCTION_KEY, cloud.recorded_cart, dice, PATIENCE)
            deliveries = scenario.deliveries(orders, dice)
            began = time.monotonic()
            enough = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                trouble = group.create_task(_trouble(plan, cloud, fleet, dice, enough))
                delivered = await caller.hand_over(deliveries, scenario.LANES)
                enough.set()
            kills = fleet.kills
            in_calm = await caller.hand_over(scenario.once_more(deliveries, dice), scenario.LANES)
            await asyncio.sleep(max(0, cloud.held_up_until() - time.time()))
            await cloud.idle()
            ended = time.monotonic()
        return await _judged(
            Result(
                plan=plan,
                seconds=(trouble.result() - began, ended - trouble.result()),
                delivered=delivered,
                in_calm=in_calm,
                kills=kills,
                claims=claims(cloud.ledger.commits),
                calls=Counter(
                    f"{purpose(call)}, {call.status or 'lost'}" for call in cloud.ledger.calls
                ),
                carts=len(cloud.carts),
                bought=sum(cart.ordered for cart in cloud.carts.values()),
                purchases=len(cloud.orders),
                surplus=Counter(),
                failures=[],
                logs=fleet.logs,
            ),
            orders,
            cloud,
        )


async def _trouble(
    plan: Plan, cloud: SoakCloud, fleet: Fleet, dice: random.Random, enough: asyncio.Event
) -> float:
    """Everything that goes wrong, until it is enough, or for so many kills; when it ended."""
    cloud.disturbances.inject(*scenario.trouble())
    outages = asyncio.create_task(_outages(cloud, dice, enough))
    calls = cloud.ledger.calls_received
    await fleet.kill(plan.kills, plan.calls_per_kill, calls, dice, enough)
    enough.set()
    await outages
    cloud.disturbances.clear()
    return time.monotonic()


async def _outages(cloud: SoakCloud, dice: random.Random, enough: asyncio.Event) -> None:
    """Now and then the store is gone for some seconds."""
    while not await over(enough, dice.uniform(5, 10)):
        outage = scenario.outage(dice)
        cloud.disturbances.inject(outage)
        await over(enough, dice.uniform(1, 8))
        cloud.disturbances.active.remove(outage)


async def _judged(result: Result, orders: list[Order], cloud: SoakCloud) -> Result:
    everything = result.delivered + result.in_calm
    blobs = await cloud.blobs()
    texts = {f"log {number}": log for number, log in enumerate(result.logs)}
    texts |= {name: content.decode() for name, content in blobs.items()}
    result.failures += itertools.chain(
        *(defects(log) for log in result.logs),
        judgement.wrong_answers(everything, cloud),
        judgement.disagreements(everything, deduplicated=result.plan.deduplicate),
        judgement.false_comfort(everything, cloud),
        judgement.wrong_carts(orders, cloud),
        judgement.wrong_requests(orders, cloud),
        judgement.wrong_purchases(orders, cloud),
        judgement.unclaimed_calls(everything, cloud),
        judgement.wrong_blobs(everything, cloud, blobs),
        judgement.wrong_writes(cloud),
        judgement.leaks(texts, cloud.secrets() | {FUNCTION_KEY}),
    )
    result.surplus = judgement.surplus(cloud, everything, blobs.values())
    freed = judgement.freed_keys(orders, cloud)
    if result.plan.deduplicate and result.surplus.total() > len(freed):
        result.failures.append(f"{result.surplus.total()} carts too many")
    if result.surplus[judgement.UNEXPLAINED]:
        result.failures.append("a cart too many that no unknown outcome explains")
    return result
