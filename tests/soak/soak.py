"""One soak from the first start to the verdict."""

import asyncio
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from partner_center_emulator.partner_center.refusals import BUSY
from partner_center_emulator.services.azurite import Azurite

from tests.end_to_end.chain import FUNCTION_KEY, environment
from tests.soak import acceptances, judgement, scenario, trouble
from tests.soak.caller import Caller, Delivered
from tests.soak.fleet import Fleet, over
from tests.soak.judgement import Evidence
from tests.soak.ledger import SoakCloud, claims, purpose
from tests.soak.legs import Legs

CREDENTIALS: Final = ("secret", "certificate", "federated")
"""How each of the processes shows Entra who it is."""

ASYNCHRONOUS: Final = 0.75
"""How many of the deliveries nobody waits for, in a soak of accepted operations."""

LISTENER_OFF: Final = "AzureWebJobs.work_off.Disabled"

LONGEST_TROUBLE: Final = 240.0
"""Seconds after which the trouble ends for accepted operations: what is put off again and again
comes back ever later, and callers wait for it to the end."""

AFTERWARDS: Final = 120.0
"""Seconds after which everything must have ended that was accepted: the timer finds lost bells when
an operation is overdue by a minute."""

PATIENCE: Final = 420.0
"""Seconds after which callers give up, so that a soak that fails comes to its end.

Ten minutes after its start Azurite collects its garbage, and answers nothing for minutes then.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A soak. Without `deduplicate`, Partner Center makes a cart for each request it gets.

    Without `repeat_checkout`, it refuses to check out a cart that is ordered. The trouble lasts
    until all is delivered, or until so many processes were killed, or for LONGEST_TROUBLE.
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
    asynchronous: bool = False
    """Whether most deliveries are accepted, and worked off from the queue."""
    frozen: Mapping[str, float] = field(default_factory=lambda: {"queue": 150.0, "timer": 40.0})
    """For how many seconds each leg is frozen, one after the other."""


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
    legs: Counter[str]
    ends: Counter[str]


async def soak(plan: Plan, azurite: Azurite) -> Result:
    """Hand over all orders in trouble, then each once more in calm, and judge."""
    dice = random.Random(plan.seed)
    orders = scenario.orders(plan.keys, dice)
    async with SoakCloud(deduplicate=plan.deduplicate, seed=plan.seed, azurite=azurite) as cloud:
        cloud.partner_center.repeat_checkout = plan.repeat_checkout
        cloud.partner_center.change_seconds = scenario.CHECKOUT_SECONDS
        cloud.partner_center.busy_code = dice.choice(list(BUSY))
        cloud.partner_center.group_errors.append(scenario.GROUP_UNDER_WAY)
        share = ASYNCHRONOUS if plan.asynchronous else 0.0
        fleet = Fleet(list(_environments(plan, cloud)))
        async with fleet:
            caller = Caller(fleet, FUNCTION_KEY, cloud.recorded_cart, dice, PATIENCE)
            legs = Legs(cloud, fleet, FUNCTION_KEY, dice)
            deliveries = scenario.deliveries(orders, dice, share)
            began = time.monotonic()
            enough, end = asyncio.Event(), asyncio.Event()
            sweeping = None
            if plan.asynchronous:
                sweeping = asyncio.create_task(legs.sweep(end))
                asyncio.get_running_loop().call_later(LONGEST_TROUBLE, enough.set)
            async with asyncio.TaskGroup() as group:
                troubled = group.create_task(_trouble(plan, cloud, fleet, legs, dice, enough))
                delivered = await caller.hand_over(deliveries, scenario.LANES)
                enough.set()
            kills = fleet.kills
            once_more = scenario.once_more(deliveries, dice, share)
            in_calm = await caller.hand_over(once_more, scenario.LANES)
            still_open = await _until_all_have_ended(cloud)
            end.set()
            if sweeping:
                await sweeping
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
                legs=legs.happened,
                ends=Counter(),
            ),
            Evidence(orders, caller.desks, delivered + in_calm, cloud, plan.deduplicate),
            still_open,
            caller.tokens,
        )


def _environments(plan: Plan, cloud: SoakCloud) -> Iterator[dict[str, str]]:
    """Those of the processes. The first one has no listener, as an instance for HTTP in Azure."""
    for number, credential in enumerate(CREDENTIALS):
        settings = {**scenario.SETTINGS, "PARTNER_CENTER_CREDENTIAL": credential}
        listens = {LISTENER_OFF: None} if plan.asynchronous and number else {}
        yield environment(cloud, **settings, **listens)


async def _until_all_have_ended(cloud: SoakCloud) -> list[str]:
    """Waits until no accepted operation is open; those that are so for too long."""
    give_up = time.monotonic() + AFTERWARDS
    while (found := await cloud.still_open()) and time.monotonic() < give_up:  # noqa: ASYNC110
        await asyncio.sleep(1)  # Nothing sets an event for it.
    return found


async def _trouble(
    plan: Plan,
    cloud: SoakCloud,
    fleet: Fleet,
    legs: Legs,
    dice: random.Random,
    enough: asyncio.Event,
) -> float:
    """Everything that goes wrong, until it is enough, or for so many kills; when it ended."""
    cloud.disturbances.inject(*trouble.trouble(plan.without))
    more = [_outages(plan, cloud, dice, enough)]
    if plan.asynchronous:
        more += [legs.haunt(enough), legs.freeze(plan.frozen, enough)]
    others = [asyncio.create_task(each) for each in more]
    calls = cloud.ledger.calls_received
    await fleet.kill(plan.kills, plan.calls_per_kill, calls, dice, enough)
    enough.set()
    await asyncio.gather(*others)
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


async def _judged(
    result: Result, evidence: Evidence, still_open: list[str], tokens: set[str]
) -> Result:
    cloud = evidence.cloud
    blobs = await cloud.blobs()
    texts = {f"log {number}": log for number, log in enumerate(result.logs)}
    texts |= {name: content.decode() for name, content in blobs.items()}
    result.failures += itertools.chain(
        *(judgement.defects_in(log) for log in result.logs),
        acceptances.wrong_ends(evidence, still_open),
        judgement.wrong_purchases(evidence),
        judgement.wrong_answers(evidence),
        judgement.disagreements(evidence),
        judgement.false_comfort(evidence),
        judgement.wrong_carts(evidence),
        judgement.unclaimed_calls(evidence),
        judgement.wrong_blobs(evidence, blobs),
        judgement.wrong_writes(cloud),
        judgement.leaks(texts, cloud.secrets() | {FUNCTION_KEY}),
        judgement.leaks({n: text for n, text in texts.items() if "log" in n}, tokens),
    )
    result.ends = acceptances.ends(evidence)
    result.surplus = judgement.surplus(evidence, blobs.values())
    if result.surplus[judgement.UNEXPLAINED]:
        result.failures.append("a cart too many that no unknown outcome explains")
    return result
