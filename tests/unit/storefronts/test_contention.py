"""Deliveries, work and purchases that meet, and processes that die between any two writes."""

import asyncio
import random
from typing import Any

import pytest

from cart_core.operations.memory_documents import MemoryDocuments
from cart_core.storefronts.order_record import record_name
from tests.kit.fakes import in_virtual_time
from tests.unit.storefronts.builders import CONTOSO
from tests.unit.storefronts.shop import Shop

ORDER_ID = "820982911946154600"
RECORD = record_name("shop", ORDER_ID)
LATER = "2026-12-02T10:16:00-05:00"
CANCELLED = {"cancelled_at": LATER, "updated_at": LATER}
UPDATED = {"note": "x", "updated_at": "2026-12-02T10:15:30-05:00"}


class Died(Exception):
    """The process ended here."""


class DyingDocuments(MemoryDocuments):
    """Documents of a process that dies at the call with this number, before or after it."""

    def __init__(self, dies_at: int, *, after: bool) -> None:
        super().__init__()
        self.calls = 0
        self._dies_at, self._after = dies_at, after

    async def create(self, *arguments: Any) -> Any:
        return await self._call(super().create(*arguments))

    async def read(self, *arguments: Any) -> Any:
        return await self._call(super().read(*arguments))

    async def replace(self, *arguments: Any) -> Any:
        return await self._call(super().replace(*arguments))

    async def delete(self, *arguments: Any) -> Any:
        return await self._call(super().delete(*arguments))

    async def list(self, *arguments: Any) -> Any:
        return await self._call(super().list(*arguments))

    async def _call(self, operation: Any) -> Any:
        self.calls += 1
        if self.calls != self._dies_at:
            return await operation
        if self._after:
            await operation
        else:
            operation.close()
        raise Died


class SlowDocuments(MemoryDocuments):
    """Documents whose operations take a while, each a random one."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def create(self, *arguments: Any) -> str | None:
        await asyncio.sleep(self._chance.random())
        return await super().create(*arguments)

    async def read(self, *arguments: Any) -> Any:
        await asyncio.sleep(self._chance.random())
        return await super().read(*arguments)

    async def replace(self, *arguments: Any) -> str | None:
        await asyncio.sleep(self._chance.random())
        return await super().replace(*arguments)


def shop_with(documents: MemoryDocuments) -> Shop:
    shop = Shop()
    shop.documents = shop.stored = documents
    shop.configure(shop.sources)
    return shop


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", range(1, 26))
async def test_a_process_that_dies_anywhere_buys_once_when_the_shop_and_the_bell_repeat(
    dies_at: int, after: bool
) -> None:
    shop = shop_with(DyingDocuments(dies_at, after=after))
    for _ in range(2):
        try:
            await shop.deliver()
            await shop.work()
            assert await shop.orders.may_buy(RECORD, CONTOSO)
            await shop.deliver(**UPDATED)
            await shop.work()
        except Died:
            shop.configure(shop.sources)
            await shop.deliver(**UPDATED)
    record = await shop.work()

    assert record.state == "frozen"
    assert record.flags == []
    assert [customer for customer, _ in shop.buyer.accepted] == [CONTOSO]
    assert shop.inbox.types == ["order.submitted"]


@pytest.mark.parametrize("seed", range(50))
@in_virtual_time
async def test_a_cancellation_and_the_purchase_contend_for_one_record(seed: int) -> None:
    chance = random.Random(seed)
    shop = shop_with(SlowDocuments(chance))
    await shop.deliver()
    await shop.work()

    async def cancel() -> float:
        await asyncio.sleep(chance.random() * 3)
        assert (await shop.deliver(**CANCELLED)).status == 200
        return asyncio.get_running_loop().time()

    async def buy() -> tuple[float, bool]:
        await asyncio.sleep(chance.random() * 3)
        began = asyncio.get_running_loop().time()
        return began, await shop.orders.may_buy(RECORD, CONTOSO)

    acknowledged, (began, may), *_ = await asyncio.gather(
        cancel(), buy(), shop.deliver(**UPDATED), shop.orders.work(RECORD)
    )

    record = await shop.work()
    assert record.cancelled
    assert record.begun == ([CONTOSO] if may else [])
    assert not (may and acknowledged <= began)
    assert await shop.orders.may_buy(RECORD, CONTOSO) == may
    after = [
        message["data"]["afterPurchase"]
        for message in shop.inbox.messages.values()
        if message["type"] == "order.cancelled"
    ]
    assert after[-1] == may
