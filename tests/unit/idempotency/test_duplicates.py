"""Operations of one content under two keys: which of them is taken for a duplicate."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from cart_core.idempotency.duplicates import Duplicates
from cart_core.idempotency.operation_id import OperationId, fingerprint
from cart_core.idempotency.record import Record, StoredAnswer
from cart_core.idempotency.store import StoreUnavailable
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import FakeStore, StoreFault, in_virtual_time
from tests.unit.idempotency.world import CONTENT, LEASE, OTHER_CONTENT, PLANS, START

PLAN = PLANS["order"]
WINDOW = 600.0
ANSWER = StoredAnswer(status=201, headers={}, body={"status": "completed"})


def claimed(key: str, *, customer: str = CUSTOMER, content: Any = CONTENT) -> Record:
    return Record.claimed(
        OperationId("place_order", customer, key),
        PLAN.steps,
        fingerprint=fingerprint(content),
        epoch=0,
        nonce=f"nonce-{key}",
        lease_seconds=LEASE,
        expires_at=START + PLAN.retention,
        caller_id=None,
        correlation_id=f"call-{key}",
    )


class Orders:
    """Orders that are placed one after the other."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.duplicates = Duplicates(self.store, window=timedelta(seconds=WINDOW))

    async def place(self, record: Record) -> str | None:
        """The key of the earlier order. The record is stored first, as a claim does it."""
        assert await self.store.inner.create(_operation(record).record_name(), record)
        return await self.look(record)

    async def look(self, record: Record) -> str | None:
        """The key of the earlier order."""
        self.store.calls.clear()
        earlier = await self.duplicates.earlier(record)
        return earlier.key if earlier else None

    async def becomes(self, record: Record) -> None:
        """The stored record of an operation is this now."""
        name = _operation(record).record_name()
        stored = await self.store.inner.read(name)
        assert stored
        assert await self.store.inner.replace(name, record, stored.version)


def _operation(record: Record) -> OperationId:
    return OperationId(record.operation, record.customer_id, record.key)


ONE, TWO = claimed("one"), claimed("two")
WITH_CART = ONE.step_done({"cartId": "c"})


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (ONE, True),
        (WITH_CART, True),
        (ONE.unknown(300), True),
        (WITH_CART.unknown(300), True),
        (WITH_CART.completed(ANSWER), True),
        (WITH_CART.reopened("again", ANSWER), True),
        (WITH_CART.reopened("again"), False),
        (ONE.released(), False),
        (claimed("one", content=OTHER_CONTENT), False),
    ],
    ids=[
        *("at-work", "at-work-at-its-checkout", "unknown", "unknown-at-its-checkout", "completed"),
        *("bought-in-part", "refused-at-its-checkout", "refused", "key-used-for-another"),
    ],
)
@in_virtual_time
async def test_an_order_is_a_duplicate_of_one_that_bought_or_may_do_so(
    now: Record, told: bool
) -> None:
    orders = Orders()
    assert await orders.place(ONE) is None
    await orders.becomes(now)
    assert await orders.place(TWO) == ("one" if told else None)
    assert orders.store.calls == ["create", "read", "read", *([] if told else ["replace"])]
    # Then an order is compared with the one that bought.
    assert await orders.place(claimed("three")) == ("one" if told else "two")


@pytest.mark.parametrize(
    "other",
    [
        claimed("two", content=OTHER_CONTENT),
        claimed("two", customer=CUSTOMER.replace("d", "e")),
        claimed("one", customer=CUSTOMER.replace("d", "e")),
    ],
    ids=["content", "customer", "customer-with-the-same-key"],
)
@in_virtual_time
async def test_what_differs_is_no_duplicate_and_costs_one_call(other: Record) -> None:
    orders = Orders()
    await orders.place(ONE)
    assert await orders.place(other) is None
    assert orders.store.calls == ["create"]


@pytest.mark.parametrize(("seconds", "told"), [(0, True), (WINDOW - 1, True), (WINDOW, False)])
@in_virtual_time
async def test_an_order_counts_for_the_window(seconds: float, told: bool) -> None:
    orders = Orders()
    await orders.place(ONE)
    await asyncio.sleep(seconds)
    assert await orders.place(TWO) == ("one" if told else None)
    assert await orders.place(claimed("three")) == ("one" if told else "two")


@in_virtual_time
async def test_an_order_is_no_duplicate_of_itself() -> None:
    orders = Orders()
    await orders.place(ONE)
    assert await orders.look(ONE) is None
    assert orders.store.calls == ["create", "read"]
    await orders.place(TWO)
    assert (await orders.look(ONE), await orders.look(TWO)) == (None, "one")


@pytest.mark.parametrize("seconds", [None, WINDOW], ids=["no-earlier-one", "one-that-is-too-old"])
@in_virtual_time
async def test_of_orders_that_are_placed_at_once_all_but_one_are_duplicates(
    seconds: float | None,
) -> None:
    orders = Orders()
    if seconds:
        await orders.place(ONE)
        await asyncio.sleep(seconds)
    found = await asyncio.gather(*(orders.place(claimed(f"at-once-{n}")) for n in range(5)))
    assert sorted(key or "" for key in found) == ["", *[found and "at-once-0"] * 4]


@pytest.mark.parametrize("call", ["create", "read", "replace"])
@pytest.mark.parametrize("fault", ["down", "lost"])
@in_virtual_time
async def test_without_the_store_it_is_not_known(call: str, fault: StoreFault) -> None:
    orders = Orders()
    await orders.place(ONE)
    await orders.becomes(ONE.released())
    orders.store.fails(call, "down" if call == "read" else fault)
    with pytest.raises(StoreUnavailable):
        await orders.place(TWO)
    # Whatever came of it, the next look is right.
    assert await orders.look(TWO) is None
    assert await orders.place(claimed("three")) == "two"


@in_virtual_time
async def test_a_write_whose_answer_was_lost_is_known_again() -> None:
    orders = Orders()
    orders.store.fails("create", "met itself")
    assert await orders.place(ONE) is None
    assert orders.store.calls == ["create", "read"]


@in_virtual_time
async def test_a_store_that_contradicts_itself_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = Orders()

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(orders.store, "create", nothing)
    with pytest.raises(StoreUnavailable):
        await orders.look(ONE)
