"""The gate that all instances share: who closes it, who heeds it, and what that costs."""

import asyncio

import pytest

from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.documents import Document
from cart_core.operations.pacing import CACHE_SECONDS, PATIENCE, Pacing
from cart_core.problem import Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import WallClock, in_virtual_time, monotonic
from tests.unit.operations.house import HookedDocuments, House, order

ONE, TWO, THREE = "customer-1", "customer-2", "customer-3"
READ = "read pace"


class SlowDocuments(HookedDocuments):
    """Documents whose reads take so long."""

    seconds = 0.0

    async def read(self, name: str) -> Document | None:
        await asyncio.sleep(self.seconds)
        return await super().read(name)


def instances(documents: HookedDocuments) -> tuple[Pacing, Pacing]:
    """Two that share nothing but the documents."""
    clock = WallClock()
    first, second = (Pacing(documents, clock=clock, limit=2) for _ in range(2))
    return first, second


@in_virtual_time
async def test_a_pause_holds_for_the_customer_at_all_instances_until_it_is_over() -> None:
    here, there = instances(HookedDocuments())
    await here.close(ONE, 30)
    assert [await there.closed_for(each) for each in (ONE, TWO)] == [30, 0]
    await here.close(ONE, 10)
    await asyncio.sleep(20)
    assert await there.closed_for(ONE) == 10
    await asyncio.sleep(10)
    assert await there.closed_for(ONE) == 0


@in_virtual_time
async def test_two_customers_that_are_throttled_close_the_gate_for_all() -> None:
    here, there = instances(HookedDocuments())
    await here.close(ONE, 30)
    await there.close(TWO, 50)
    await asyncio.sleep(CACHE_SECONDS)
    assert [await here.closed_for(each) for each in (ONE, TWO, THREE)] == [29, 49, 29]


@in_virtual_time
async def test_one_read_a_second_tells_of_all_customers() -> None:
    documents = SlowDocuments()
    documents.seconds = 0.2
    here, _ = instances(documents)
    for _ in range(10):
        await asyncio.gather(*(here.closed_for(f"customer-{n}") for n in range(100)))
        await asyncio.sleep(0.3)
    assert documents.calls.count(READ) == 3


@in_virtual_time
async def test_a_gate_that_cannot_be_read_keeps_what_was_known_and_holds_nobody_up() -> None:
    documents = SlowDocuments()
    here, there = instances(documents)
    await here.close(ONE, 30)
    assert await there.closed_for(ONE) == 30
    documents.down = True
    await asyncio.sleep(5)
    assert [await there.closed_for(each) for each in (ONE, TWO)] == [25, 0]
    documents.seconds = 60.0
    await asyncio.sleep(5)
    began = monotonic()
    assert [await there.closed_for(each) for each in (ONE, TWO, THREE)] == [20 - PATIENCE, 0, 0]
    assert monotonic() - began == PATIENCE
    await asyncio.sleep(60)


@in_virtual_time
async def test_what_is_over_leaves_no_record() -> None:
    documents = HookedDocuments()
    here, there = instances(documents)
    assert await here.enter(ONE, "a", 100)
    assert await there.enter(ONE, "b", 100)
    assert not await here.enter(ONE, "c", 100)
    await here.leave(ONE, "a")
    assert len(await documents.list("pace/")) == 1
    await there.leave(ONE, "b")
    assert await documents.list("pace/") == []


@in_virtual_time
async def test_a_place_is_free_again_when_its_lease_has_ended() -> None:
    here, there = instances(HookedDocuments())
    assert await here.enter(ONE, "a", 100)
    assert await here.enter(ONE, "b", 100)
    await asyncio.sleep(100)
    assert await there.enter(ONE, "c", 100)


@in_virtual_time
async def test_a_store_that_is_away_lets_nobody_in_and_raises_nothing() -> None:
    documents = HookedDocuments()
    here, _ = instances(documents)
    documents.down = True
    assert not await here.enter(ONE, "a", 100)
    await here.leave(ONE, "a")
    await here.close(ONE, 30)
    with pytest.raises(StoreUnavailable):
        await documents.read("pace/everybody")


@in_virtual_time
async def test_a_caller_who_waits_heeds_the_pause_that_another_instance_was_asked_for() -> None:
    house = House()
    another = Pacing(house.documents, clock=house.clock, limit=2)
    await another.close(CUSTOMER, 300)
    with pytest.raises(Problem) as caught:
        await house.create({"lineItems": [LINE]})
    assert (caught.value.code, caught.value.retry_after) == ("partner_center_throttled", 300)
    assert (caught.value.outcome, house.center.asked) == ("not_sent", [])


@in_virtual_time
async def test_an_accepted_order_is_not_sent_either_and_costs_no_try() -> None:
    house = House()
    await Pacing(house.documents, clock=house.clock, limit=2).close(CUSTOMER, 300)
    await order(house)
    await house.pass_time(200)
    [waiting] = house.open
    assert (waiting.state, waiting.tries, house.center.asked) == ("waiting", 0, [])
    assert (waiting.deferrals, waiting.problem) == (0, None)
    await house.pass_time(400)
    assert len(house.center.bought) == 1


LINE = {"catalogItemId": "A:1:B", "quantity": 1, "billingCycle": "monthly"}
