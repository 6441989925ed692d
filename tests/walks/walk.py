"""Walks a plan: shop, processes of the app, store and Partner Center in virtual time."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.walks.judge import Judge, Violation
from tests.walks.partner_center import PartnerCenter, lines_of
from tests.walks.plan import Plan
from tests.walks.processes import Outside, Process, settings
from tests.walks.shop import Shop, order_lines
from tests.walks.story import Happened


@dataclass(frozen=True, slots=True)
class Walked:
    """What came of a walk.

    `statuses` counts what the shop was told: the status or the outcome. `met` are the features of
    the fates that requests had.
    """

    plan: Plan
    violation: Violation | None
    story: list[Happened]
    statuses: Counter[str]
    met: set[str]

    def told(self) -> str:
        """The walk as a text, with one line for each event."""
        return "\n".join(
            [
                f"Walk {self.plan.seed}: {self.violation or 'all is well'}",
                f"Habits: {self.plan.habits}",
                "Planned:",
                *(f"  {event}" for event in self.plan.events),
                "What happened:",
                *map(str, self.story),
            ]
        )


async def walk(plan: Plan) -> Walked:
    """Walk a plan on a loop of virtual time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    story: list[Happened] = []

    def now() -> float:
        return loop.time() - began

    def tell(who: str, what: str, *values: Any) -> None:
        story.append(Happened(now(), who, what, values))

    habits, lines = plan.habits, lines_of(order_lines(plan))
    app = settings()
    judge = Judge(
        now, app.deadline_seconds, app.longest_request_seconds, habits.deduplicates, [lines]
    )
    center = PartnerCenter(plan, now=now, tell=tell, arrived=judge.arrived, bought=judge.bought)
    judge.center = center
    outside = Outside(plan, center, now, tell)
    processes = [Process("process A", outside, 0.0), Process("process B", outside, habits.apart)]

    def be_calm() -> None:
        outside.calm = True
        center.be_calm()

    await Shop(plan, processes, judge, now=now, tell=tell, be_calm=be_calm).run()
    await asyncio.sleep(max(0.0, center.at_work_until - now()))
    judge.at_most_one_cart()
    for process in processes:
        process.die()
    violation = judge.violations[0] if judge.violations else None
    return Walked(plan, violation, story, judge.statuses, center.met)
