"""A short soak of each kind, side by side; `make soak` runs the long one."""

import asyncio
import random

from emulator.azurite import Azurite
from tests.soak.report import table
from tests.soak.soak import Plan, soak


async def test_a_short_soak(azurite: Azurite) -> None:
    seed = random.randrange(10**6)

    results = await asyncio.gather(
        *(soak(Plan(30, seed, deduplicate), azurite) for deduplicate in (True, False))
    )

    for result in results:
        assert result.failures == [], table(result)
        assert result.kills
