"""How much may be bought within an hour and at once, and what does not count."""

from typing import Any

import pytest

from cart_core.problem import Problem
from tests.kit.builders import cart, line
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import refused
from tests.kit.world import CALLER, World

OTHER_CUSTOMER = "e6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"


async def outcome(world: World, key: str, caller: str = "one", **more: Any) -> str:
    """`201`, or the code of the problem, of an order under a key."""
    try:
        return str(
            (await world.order(headers={"idempotency-key": key, CALLER: caller}, **more)).status
        )
    except Problem as problem:
        return problem.code


@pytest.mark.parametrize(
    ("setting", "more"),
    [
        ("CART_MAX_PURCHASES_PER_CALLER", {"customer": OTHER_CUSTOMER}),
        ("CART_MAX_PURCHASES_PER_CUSTOMER", {"caller": "two"}),
    ],
)
@in_virtual_time
async def test_no_more_is_begun_in_an_hour_than_is_allowed(
    setting: str, more: dict[str, Any]
) -> None:
    world = World(**{setting: "2"})
    assert [await outcome(world, key) for key in ("a", "b")] == ["201", "201"]
    # Whatever is repeated is the same purchase; and each limit is of one caller, or one customer.
    for again in ("a", "b"):
        assert await outcome(world, again) == "201"
    assert await outcome(world, "c", **more) == "purchase_limit_exceeded"
    other = {"caller": "two", "customer": OTHER_CUSTOMER}
    assert await outcome(world, "d", **other) == "201"
    with pytest.raises(Problem) as over:
        await world.order(headers={"idempotency-key": "c", CALLER: "one"})
    assert over.value.kind.status == 403
    assert over.value.outcome == "not_sent"
    assert 0 < (over.value.retry_after or 0) <= 3600
    assert len(world.center.bought) == 3

    world.clock.shift += 3600
    assert await outcome(world, "c") == "201"


@in_virtual_time
async def test_a_further_try_of_a_purchase_does_not_count() -> None:
    world = World(CART_MAX_PURCHASES_PER_CALLER="1")
    world.center.script["create"] = [refused(403)]
    assert await outcome(world, "a") == "partner_center_forbidden"
    assert await outcome(world, "b") == "purchase_limit_exceeded"
    assert await outcome(world, "a") == "201"


@in_virtual_time
async def test_a_checkout_counts_like_an_order_and_an_orders_own_checkout_does_not() -> None:
    world = World(CART_MAX_PURCHASES_PER_CALLER="2")
    assert await outcome(world, "a") == "201"
    cart_id = (await world.create()).body["id"]
    for _ in range(2):
        assert (await world.check_out(cart_id, headers={CALLER: "one"})).status == 201
    assert await outcome(world, "b") == "purchase_limit_exceeded"


@pytest.mark.parametrize(("quantity", "allowed"), [(10, True), (11, False)])
@pytest.mark.parametrize("way", ["order", "checkout"])
@in_virtual_time
async def test_one_purchase_has_no_more_pieces_than_is_allowed(
    way: str, quantity: int, allowed: bool
) -> None:
    world = World(CART_MAX_ORDER_QUANTITY="15")
    lines = [line(quantity=5), line(quantity=quantity - 1, addonItems=[line(quantity=1)])]
    document = cart(*lines)

    async def buy() -> None:
        if way == "order":
            await world.order(document)
        else:
            await world.check_out((await world.create(document)).body["id"])

    if allowed:
        await buy()
        return
    with pytest.raises(Problem) as over:
        await buy()
    assert over.value.code == "purchase_limit_exceeded"
    assert "checkout" not in world.center.operations()


@in_virtual_time
async def test_nothing_is_bought_while_the_store_cannot_count() -> None:
    world = World(CART_MAX_PURCHASES_PER_CALLER="2")
    world.store.fails("read", "down", times=9)
    assert await outcome(world, "a") == "store_unavailable"
    assert world.center.operations() == []
