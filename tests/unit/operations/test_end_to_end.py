"""An accepted operation from 202 to its result, over the app with its queue in the process."""

import pytest

from tests.kit.fakes import in_virtual_time
from tests.kit.world import KEYED, World
from tests.unit.operations.house import ASYNC, ended, monitor


@pytest.mark.parametrize("endpoint", ["create_cart", "place_order", "checkout_cart"])
@in_virtual_time
async def test_the_result_is_what_the_synchronous_call_is_answered(endpoint: str) -> None:
    answers = []
    for headers in (KEYED, ASYNC):
        world = World()
        made = await world.answer("create_cart", headers={"idempotency-key": "another"})
        of_cart = {"cart_id": made.body["id"], "document": {}}
        given = of_cart if endpoint == "checkout_cart" else {}
        answer = await world.answer(endpoint, headers=headers, **given)
        if headers is ASYNC:
            assert answer.status == 202
            accepted, answer = answer, await ended(world, answer)
            assert (await monitor(world, accepted)).body["status"] == "Succeeded"
        answers.append((answer.status, answer.body, answer.headers.keys()))

    assert answers[0] == answers[1]
    assert answers[0][0] == 201
