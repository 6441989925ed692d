"""What the timer of each minute finds, and what it reports."""

import logging
import re
from datetime import timedelta

import pytest

from cart_core import __version__
from cart_core.operations.bell import Bell
from cart_core.operations.bells import TakenMessage
from cart_core.operations.operation import KEPT
from cart_core.operations.sweeper import UNANSWERED
from tests.kit.fakes import EPOCH_SECONDS, in_virtual_time
from tests.kit.partner_center import refused
from tests.unit.operations.house import House, monitor, order, result

DAY = 86_400.0


@in_virtual_time
async def test_a_lost_bell_is_hung_up_again() -> None:
    house = House()
    accepted = await order(house)
    house.bells.messages.clear()
    await house.pass_time(UNANSWERED - 1)  # Later the timer works it off itself.
    assert (await result(house, accepted)).status == 201
    assert house.bells.messages == []


@in_virtual_time
async def test_orders_are_worked_off_while_the_queue_is_frozen() -> None:
    house = House(CART_MAX_CUSTOMER_OPERATIONS="100")
    house.queue = False
    house.center.seconds = 4.0
    orders = [await order(house, idempotency_key=f"order-{number}") for number in range(12)]
    await house.pass_time(600)
    assert {(await result(house, each)).status for each in orders} == {201}
    assert len(house.center.bought) == 12
    house.queue = True  # The bells of that time ring for nothing.
    await house.pass_time(600)
    assert (len(house.center.bought), house.bells.messages) == (12, [])


@in_virtual_time
async def test_a_queue_that_only_waits_its_turn_gets_few_doubles() -> None:
    house = House()
    house.queue = False
    house.documents.down = False
    house.center.script["create"] = [refused(429, retry_after="3600")] * 1000
    await order(house)
    await house.pass_time(4 * 3600)
    assert house.bells.hung <= 16


@in_virtual_time
async def test_bells_that_are_doubled_late_and_for_nothing_do_no_harm() -> None:
    house = House()
    accepted = await order(house)
    [bell] = house.bells.messages
    for delay in (0.0, 0.0, 5.0, 900.0, 7200.0):
        await house.bells.hang(bell.text, delay)
    await house.pass_time(3 * 3600)
    assert (await result(house, accepted)).status == 201
    assert len(house.center.bought) == 1
    assert house.bells.messages == []


@in_virtual_time
async def test_a_hiccup_of_the_storage_poisons_bells_and_loses_nothing() -> None:
    house = House()
    accepted = await order(house)
    house.documents.down = True
    await house.pass_time(600)
    assert len(house.bells.poisoned) == 1
    house.documents.down = False
    await house.pass_time(300)
    assert (await result(house, accepted)).status == 201
    assert (house.bells.poisoned, house.bells.messages) == ([], [])


@in_virtual_time
async def test_a_poisoned_bell_is_hung_up_before_its_copy_is_deleted() -> None:
    house = House()
    bell = Bell("orders/shop/" + "0" * 64, EPOCH_SECONDS).text()  # In no list of operations.
    house.queue, house.bells.poisoned = False, [TakenMessage("1", "a-receipt", bell)]
    house.bells.down = True
    await house.pass_time(60)
    assert (len(house.bells.poisoned), house.bells.messages) == (1, [])
    house.bells.down = False
    await house.pass_time(60)
    assert house.bells.poisoned == []
    assert [each.text for each in house.bells.messages] == [bell]


@in_virtual_time
async def test_a_message_that_is_no_bell_stays_among_the_poisoned_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "cart_core")
    house = House()
    await house.bells.hang("what is this", 0.0)
    await house.pass_time(1200)
    assert [each.text for each in house.bells.poisoned] == ["what is this"]
    assert "poisoned=1" in caplog.text


@in_virtual_time
async def test_a_report_says_how_old_the_oldest_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cart_core")
    house = House()
    house.center.script["create"] = [refused(429, retry_after="600")] * 2
    await house.pass_time(30)
    await order(house)
    await house.pass_time(420)
    reports = re.findall(r"^operations (.*)$", "\n".join(caplog.messages), re.MULTILINE)
    assert len(reports) == 7
    assert reports[-1].startswith("oldestSeconds=390 waiting=1 running=0 dead=0 parked=0 ")
    assert reports[-1].endswith(f" version={__version__}")


@in_virtual_time
async def test_the_dead_are_deleted_after_90_days_and_their_keys_are_free() -> None:
    house = House()
    house.center.script["create"] = [refused(429, retry_after="86400")] * 200
    accepted = await order(house)
    await house.pass_time(2.2 * DAY)
    assert [each.state for each in house.open] == ["dead"]
    house.clock.shift += (KEPT - timedelta(days=2)).total_seconds()
    await house.pass_time(120)
    assert (await monitor(house, accepted)).status == 200
    house.clock.shift += 2 * DAY
    await house.pass_time(120)
    assert house.open == []
    assert (await monitor(house, accepted)).status == 404
    assert house.record.state == "released"
