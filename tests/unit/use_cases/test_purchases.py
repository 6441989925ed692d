"""What holds for a checkout and for an order alike: the rules of spending money."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from cart_core.api.endpoints import Endpoint
from cart_core.api.messages import Response
from cart_core.partner_center.exchange import Reply
from cart_core.problem import Outcome
from tests.kit.builders import CART_ID, cart, line
from tests.kit.fakes import Killed, in_virtual_time
from tests.kit.partner_center import HOPELESS, USER, reply
from tests.kit.signals import collected
from tests.kit.world import FOR_USER, KEYED, LEASE, World, problem_of, warnings

ANOTHER_USER = {"x-ms-customeruser-upn": "adele@contoso.example"}
GOOD = "A:1:B"
IN_PART = (GOOD, HOPELESS)

Buy = Callable[..., Awaitable[Response]]
Items = tuple[str, ...]


async def check_out(
    world: World, headers: dict[str, str] = FOR_USER, items: Items = (GOOD,), **more: Any
) -> Response:
    """Check a cart of these items out."""
    if CART_ID not in world.center.carts:
        world.center.add(CART_ID, *items)
    return await world.check_out(headers=headers, **more)


async def order(
    world: World, headers: dict[str, str] = FOR_USER, items: Items = (GOOD,), **more: Any
) -> Response:
    """Order these items."""
    document = cart(*(line(catalogItemId=item) for item in items))
    return await world.order(document, KEYED | headers, **more)


BOTH = pytest.mark.parametrize("buy", [check_out, order])


def operations(world: World) -> list[str]:
    """The operation of each request, but for the one that creates the cart of an order."""
    created = world.center.operations().count("create")
    assert created <= 1
    return world.center.operations()[created:]


def checkout_ids(world: World) -> list[str]:
    """The MS-RequestId of each checkout."""
    return [asked.request_id for asked in world.center.requests_for("checkout")]


# --- Once -------------------------------------------------------------------------------------


@BOTH
@in_virtual_time
async def test_the_record_holds_neither_the_customers_user_nor_a_token(buy: Buy) -> None:
    world = World()
    await buy(world)
    text = b"".join(record.to_json() for record in world.store.written).decode()
    assert USER.partition("@")[0] not in text
    assert "token-1" not in text


@pytest.mark.parametrize(
    ("first", "second"), [(FOR_USER, ANOTHER_USER), (FOR_USER, {}), ({}, FOR_USER)]
)
@BOTH
@in_virtual_time
async def test_the_customers_user_is_part_of_the_content(
    buy: Buy, first: dict[str, str], second: dict[str, str]
) -> None:
    world = World()
    await buy(world, first)
    problem = await problem_of(buy(world, second))
    assert (problem.code, problem.outcome) == ("idempotency_key_reused", Outcome.NOT_SENT)
    assert operations(world) == ["checkout"]


# --- Allowed or not ---------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["", "false"])
@pytest.mark.parametrize("endpoint", ["checkout_cart", "place_order"])
@in_virtual_time
async def test_without_permission_nothing_else_is_looked_at(endpoint: str, setting: str) -> None:
    world = World(CART_ALLOW_CHECKOUT=setting)
    for headers in ({}, {"x-ms-customeruser-upn": "x", "content-type": "text/xml"}):
        problem = await problem_of(world.call(endpoint, {}, headers, b"x"))
        assert (problem.code, problem.kind.status) == ("checkout_disabled", 403)
        assert (problem.outcome, problem.kind.retryable) == (Outcome.NOT_SENT, False)
        assert "CART_ALLOW_CHECKOUT" in problem.detail
    assert (world.store.calls, world.center.asked) == ([], [])


@pytest.mark.parametrize(
    ("buy", "endpoint"), [(check_out, "checkout_cart"), (order, "place_order")]
)
@in_virtual_time
async def test_the_use_case_itself_asks_for_permission_too(buy: Buy, endpoint: str) -> None:
    world = World(CART_ALLOW_CHECKOUT="false")
    guarded = cast(Endpoint[Any], world.endpoints[endpoint])
    world.endpoints[endpoint] = replace(guarded, require=lambda: None)
    assert (await problem_of(buy(world))).code == "checkout_disabled"
    assert (world.store.calls, world.center.asked) == ([], [])


# --- Bought in part ---------------------------------------------------------------------------


@BOTH
@in_virtual_time
async def test_a_partial_purchase_goes_on_until_all_is_bought(buy: Buy) -> None:
    world = World()
    first = await buy(world, items=IN_PART)
    cart_id = first.body["cartId"]
    assert (first.status, first.body["status"]) == (201, "partial")
    assert len(first.body["orders"]) == len(first.body["orderErrors"]) == 1
    assert (world.record.state, world.record.epoch) == ("open", 1)
    assert world.record.answer
    assert world.record.answer.body == first.body

    second = await buy(world, items=IN_PART)
    assert second.body == first.body
    assert "Idempotent-Replayed" not in second.headers

    await world.put(cart(*[line(catalogItemId=GOOD)] * 2), cart_id=cart_id)
    third = await buy(world, items=IN_PART)
    assert (third.body["status"], len(third.body["orders"])) == ("completed", 2)
    assert operations(world) == [
        "checkout",
        *["get", "checkout"],
        *["get", "update"],
        *["get", "checkout"],
    ]
    assert len(set(checkout_ids(world))) == 3

    fourth = await buy(world, items=IN_PART)
    assert (fourth.body, fourth.headers["Idempotent-Replayed"]) == (third.body, "true")
    assert len(checkout_ids(world)) == 3


@in_virtual_time
async def test_an_order_without_an_id_is_not_taken_for_another_one() -> None:
    def orders(name: str, *errors: Any) -> Reply:
        return reply(201, {"orders": [{"alternateId": name}], "orderErrors": errors})

    world = World()
    world.center.add()
    world.center.script["checkout"] = [orders("first", {"code": 1}), orders("second")]
    await world.check_out()
    last = await world.check_out()
    assert [order["alternateId"] for order in last.body["orders"]] == ["first", "second"]


# --- The store, and the end of processes ------------------------------------------------------


@pytest.mark.parametrize(("repeat", "status"), [(True, "completed"), (False, "ordered")])
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "unrecorded"])
@BOTH
@in_virtual_time
async def test_a_purchase_that_nobody_recorded_is_found_again(
    buy: Buy, killed: bool, repeat: bool, status: str
) -> None:
    world = World()
    world.center.repeat_checkout = repeat

    def end(true: Reply) -> Reply:
        if killed:
            raise Killed
        world.store.fails("replace", "down", times=1000)
        return true

    world.center.script["checkout"] = [end]
    if killed:
        with pytest.raises(Killed):
            await buy(world)
    else:
        first = await buy(world)
        assert (first.body["status"], warnings(first)) == ("completed", ["not_recorded"])
        world.store.faults.clear()
    await asyncio.sleep(LEASE)

    response = await buy(world)
    assert response.body["status"] == status
    assert operations(world) == ["checkout", "get", "checkout"]
    assert set(checkout_ids(world)) == {response.headers["MS-RequestId"]}
    assert world.center.bought == [response.body["cartId"]]
    again = await buy(world)
    assert (again.body, again.headers["Idempotent-Replayed"]) == (response.body, "true")


# --- Counted ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("items", "status"), [((GOOD,), "completed"), (IN_PART, "partial")])
@BOTH
@in_virtual_time
async def test_purchases_are_counted_by_status(buy: Buy, items: Items, status: str) -> None:
    world = World()
    with collected() as signals:
        await buy(world, items=items)
        await buy(world, items=items)
    metrics = signals.metrics()
    key = (("status", status),)
    assert metrics["purchases.answered"] == {key: 1 if status == "completed" else 2}
    assert metrics.get("purchases.replayed", {}) == ({key: 1} if status == "completed" else {})
    assert "carts.created" not in metrics
