"""Short soaks of both kinds, side by side; `make soak` runs the long one."""

import asyncio
import random

import pytest
from partner_center_emulator.services.azurite import Azurite

from tests.soak.report import table
from tests.soak.soak import Plan, soak

KEYS, KILLS, CALLS_PER_KILL = 24, 3, 12
"""Every key takes a call at least, and every other one a second: all kills come in time."""


@pytest.mark.slow
async def test_a_short_soak(azurite: Azurite) -> None:
    assert KILLS * CALLS_PER_KILL <= KEYS * 3 / 2
    seed = random.randrange(10**6)
    # Whether Partner Center knows repeated requests, and answers a repeated checkout again.
    kinds = zip((True, False), random.sample((True, False), 2), strict=True)
    plans = [
        Plan(KEYS, seed, deduplicate, repeats, kills=KILLS, calls_per_kill=CALLS_PER_KILL)
        for deduplicate, repeats in kinds
    ]

    results = await asyncio.gather(*(soak(plan, azurite) for plan in plans))

    for result in results:
        assert result.failures == [], table(result)
        assert result.kills == KILLS
