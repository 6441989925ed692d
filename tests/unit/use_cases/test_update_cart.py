"""Updating a cart: an answer may come back as a request, with changes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cart_core.api.messages import Response
from cart_core.idempotency.plan import LONGEST_REQUEST
from cart_core.problem import Fault, Outcome
from tests.kit.builders import (
    CART_ID,
    SEED_RESPONSE,
)
from tests.kit.fakes import Killed, in_virtual_time
from tests.kit.partner_center import FORBIDDEN, LOST, cart_document, reply
from tests.kit.world import LEASE, World, problem_of

SAVED = reply(201, cart_document())
LINE = "/lineItems/0"


def sent(world: World) -> dict[str, Any]:
    """The cart that was sent last."""
    return dict(world.center.asked[-1].cart or {})


def warnings(response: Response) -> list[tuple[str, str]]:
    """The places and codes of an answer's warnings."""
    return [(warning["pointer"], warning["code"]) for warning in response.body["warnings"]]


@in_virtual_time
async def test_an_answer_is_sent_back_without_what_partner_center_assigns() -> None:
    world = World(reply(200, SEED_RESPONSE), reply(200, SEED_RESPONSE))
    answer = (await world.get()).body
    answer["lineItems"][0]["friendlyName"] = "Mine"
    assert warnings(await world.put(answer)) == []
    changes = {"friendlyName": "Mine", "participants": [], "addonItems": []}
    lines = [SEED_RESPONSE["lineItems"][0] | changes]
    assert sent(world) == {"id": CART_ID, "lineItems": lines}


# --- Members that nobody documents ------------------------------------------------------------


@pytest.mark.parametrize("rule", ["reject", "forward", ""])
@in_virtual_time
async def test_unknown_members_come_back_whatever_the_setting_is(rule: str) -> None:
    document = SEED_RESPONSE | {"renewalTerms": {"a": 1}}
    document["lineItems"] = [SEED_RESPONSE["lineItems"][0] | {"cadence": None, "quantities": [2]}]
    world = World(reply(200, document), reply(200, document), CART_UNKNOWN_MEMBERS=rule)
    response = await world.put((await world.get()).body)
    assert sent(world)["renewalTerms"] == {"a": 1}
    [item] = sent(world)["lineItems"]
    assert (item["cadence"], item["quantities"]) == (None, [2])
    pointers = ["/renewalTerms", f"{LINE}/cadence", f"{LINE}/quantities"]
    assert warnings(response) == [(pointer, "unknown_member") for pointer in pointers]


# --- A cart that is being bought --------------------------------------------------------------


@pytest.mark.parametrize("buy", [World.check_out, World.order])
@in_virtual_time
async def test_a_cart_that_may_be_bought_is_not_changed(buy: Callable[..., Any]) -> None:
    world = World()
    world.center.add()
    world.center.script["checkout"] = [LOST, FORBIDDEN]
    assert (await problem_of(buy(world))).outcome is Outcome.UNKNOWN
    cart_id = list(world.center.carts)[-1]
    problem = await problem_of(world.put(cart_id=cart_id))
    assert (problem.code, problem.kind.status) == ("operation_in_progress", 503)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.NOT_SENT, True)
    assert "update" not in world.center.operations()

    # Once no checkout can be under way any more, it may be changed again.
    await asyncio.sleep(LONGEST_REQUEST.total_seconds())
    assert (await world.put(cart_id=cart_id)).status == 200


@in_virtual_time
async def test_a_change_waits_for_a_purchase_that_is_under_way() -> None:
    world = World()
    world.center.add()
    world.center.seconds = 4
    purchase = asyncio.create_task(world.check_out())
    await asyncio.sleep(1)
    assert (await problem_of(world.put())).fault == Fault(400, "800065", "Said by Partner Center.")
    assert (await purchase).body["status"] == "completed"
    assert world.center.operations() == ["checkout", "get", "update"]


@in_virtual_time
async def test_a_purchase_waits_for_a_change_that_is_under_way() -> None:
    world = World()
    world.center.add()
    world.center.seconds = 4
    change = asyncio.create_task(world.put())
    await asyncio.sleep(1)
    assert (await world.check_out()).body["status"] == "completed"
    assert (await change).status == 200
    assert world.center.operations() == ["get", "update", "checkout"]


@in_virtual_time
async def test_the_hold_of_a_change_that_died_ends_by_itself() -> None:
    world = World()
    world.center.add()
    world.store.fails("replace", "killed before")
    with pytest.raises(Killed):
        await world.put()
    assert (await problem_of(world.check_out())).code == "operation_in_progress"
    await asyncio.sleep(LEASE)
    assert (await world.check_out()).body["status"] == "completed"


@pytest.mark.parametrize("call", ["read", "create", "replace"])
@in_virtual_time
async def test_a_change_needs_the_store_to_begin_and_not_to_end(call: str) -> None:
    world = World()
    world.center.add()
    world.store.fails(call, "down")
    if call == "replace":
        assert (await world.put()).status == 200
    else:
        problem = await problem_of(world.put())
        assert (problem.code, problem.outcome) == ("store_unavailable", Outcome.NOT_SENT)
        assert world.center.asked == []


@in_virtual_time
async def test_a_hold_whose_answer_was_lost_is_held() -> None:
    world = World()
    world.center.add()
    world.store.fails("create", "met itself")
    assert (await world.put()).status == 200
