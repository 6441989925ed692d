"""An accepted operation from 202 to its result, over the app with its queue in the process."""

import logging

import pytest

from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import refused
from tests.kit.signals import collected
from tests.kit.world import KEYED, World
from tests.unit.operations.house import ASYNC, House, ended, monitor, order


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


@in_virtual_time
async def test_lines_and_metrics_of_what_is_done_later_say_who_asked_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with collected() as signals, caplog.at_level(logging.INFO):
        house = House()
        await order(house, caller="one", idempotency_key="a")
        await order(house, caller="one", idempotency_key="b")
        await house.pass_time(60)
        house.center.script["create"] = [refused(403)]
        await order(house, caller="one", idempotency_key="c")
        await house.pass_time(60)

    metrics = signals.metrics()
    for name in (
        *("operations.accepted", "operations.ended", "purchases.answered", "carts.refused"),
        "purchases.possible_duplicates",
    ):
        assert metrics[name]
        assert all(("caller", "one") in attributes for attributes in metrics[name]), name
    lines = [each for each in caplog.messages if each.startswith("operation=")]
    assert len(lines) >= 6
    assert [each for each in lines if " caller=one " not in each] == []
