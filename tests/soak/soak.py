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
from tests.soak import judgement, scenario, trouble
from tests.soak.caller import Caller, Delivered
from tests.soak.fleet import Fleet, over
from tests.soak.judgement import Evidence
from tests.soak.ledger import SoakCloud, claims, purpose

CREDENTIALS: Final = ("secret", "certificate", "federated")
"""How each of the processes shows Entra who it is."""

PATIENCE: Final = 420.0
"""Seconds after which callers give up, so that a soak that fails comes to its end.

Ten minutes after its start Azurite collects its garbage, and answers nothing for minutes then.
"""


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
    without: frozenset[str] = frozenset()
    """The kinds of trouble that are left out."""
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
    keys_given_up: int
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
        cloud.partner_center.group_errors.append(scenario.GROUP_UNDER_WAY)
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
                troubled = group.create_task(_trouble(plan, cloud, fleet, dice, enough))
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
                seconds=(troubled.result() - began, ended - troubled.result()),
                delivered=delivered,
                in_calm=in_calm,
                keys_given_up=sum(desk.refusals for desk in caller.desks.values()),
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
            Evidence(orders, caller.desks, delivered + in_calm, cloud, plan.deduplicate),
        )


async def _trouble(
    plan: Plan, cloud: SoakCloud, fleet: Fleet, dice: random.Random, enough: asyncio.Event
) -> float:
    """Everything that goes wrong, until it is enough, or for so many kills; when it ended."""
    cloud.disturbances.inject(*trouble.trouble(plan.without))
    outages = asyncio.create_task(_outages(plan, cloud, dice, enough))
    calls = cloud.ledger.calls_received
    await fleet.kill(plan.kills, plan.calls_per_kill, calls, dice, enough)
    enough.set()
    await outages
    cloud.disturbances.clear()
    return time.monotonic()


async def _outages(
    plan: Plan, cloud: SoakCloud, dice: random.Random, enough: asyncio.Event
) -> None:
    """Now and then the store is gone for some seconds."""
    while "storage" not in plan.without and not await over(enough, dice.uniform(5, 10)):
        outage = trouble.outage(dice)
        cloud.disturbances.inject(outage)
        await over(enough, dice.uniform(1, 8))
        cloud.disturbances.active.remove(outage)


async def _judged(result: Result, evidence: Evidence) -> Result:
    cloud = evidence.cloud
    blobs = await cloud.blobs()
    texts = {f"log {number}": log for number, log in enumerate(result.logs)}
    texts |= {name: content.decode() for name, content in blobs.items()}
    result.failures += itertools.chain(
        *(defects(log) for log in result.logs),
        judgement.wrong_purchases(evidence),
        judgement.wrong_answers(evidence),
        judgement.disagreements(evidence),
        judgement.false_comfort(evidence),
        judgement.wrong_carts(evidence),
        judgement.unclaimed_calls(evidence),
        judgement.wrong_blobs(evidence, blobs),
        judgement.wrong_writes(cloud),
        judgement.leaks(texts, cloud.secrets() | {FUNCTION_KEY}),
    )
    result.surplus = judgement.surplus(evidence, blobs.values())
    if result.surplus[judgement.UNEXPLAINED]:
        result.failures.append("a cart too many that no unknown outcome explains")
    return result
