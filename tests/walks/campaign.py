"""Many walks, one after the other, and the smallest plan of the first that breaks a rule."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field

from tests.kit.fakes import VirtualTimeLoop
from tests.walks.draw import draw
from tests.walks.plan import Plan
from tests.walks.shrink import shrink
from tests.walks.walk import Walked, walk


@dataclass(slots=True)
class Tally:
    """What many walks came to. `failed` are those that broke a rule."""

    walks: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    failed: list[Walked] = field(default_factory=list)

    def add(self, walked: Walked) -> None:
        """Count a walk."""
        self.walks += 1
        self.statuses.update(walked.statuses)
        self.met.update(walked.met)
        if walked.violation:
            self.failed.append(walked)


def campaign(seeds: Iterable[int], features: Set[str]) -> Iterator[Walked]:
    """The walks of these seeds."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loop = runner.get_loop()  # Runner.run would make a text of each story.
        for seed in seeds:
            yield loop.run_until_complete(walk(draw(seed, features)))


def walk_alone(plan: Plan) -> Walked:
    """A walk on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(walk(plan))


def smallest(failed: Walked) -> Walked:
    """The smallest walk that breaks the same rule."""

    def fails(plan: Plan) -> bool:
        violation = walk_alone(plan).violation
        return bool(violation and failed.violation and violation.rule == failed.violation.rule)

    return walk_alone(shrink(failed.plan, fails))
