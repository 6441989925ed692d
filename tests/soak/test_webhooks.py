"""A short soak of webhooks; `make soak` runs the long one."""

import random

import pytest
from partner_center_emulator.services.azurite import Azurite

from tests.soak.webhooks import Plan, soak


@pytest.mark.slow
async def test_each_released_order_is_bought_once_and_no_other_one(azurite: Azurite) -> None:
    result = await soak(
        Plan(orders=16, seed=random.randrange(10**6), kills=2, deliveries_per_kill=40), azurite
    )

    assert result.failures == [], result.table()
    assert result.kills == 2
