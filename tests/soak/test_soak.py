"""Short soaks of both kinds, side by side; `make soak` runs the long one."""

import asyncio
import random

from partner_center_emulator.services.azurite import Azurite

from tests.soak.report import table
from tests.soak.soak import Plan, soak


async def test_a_short_soak(azurite: Azurite) -> None:
    seed = random.randrange(10**6)
    # Whether Partner Center knows repeated requests, and answers a repeated checkout again.
    kinds = zip((True, False), random.sample((True, False), 2), strict=True)

    results = await asyncio.gather(
        *(soak(Plan(30, seed, deduplicate, repeats, 8), azurite) for deduplicate, repeats in kinds)
    )

    for result in results:
        assert result.failures == [], table(result)
        assert result.kills
