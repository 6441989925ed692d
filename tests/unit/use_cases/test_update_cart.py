"""Updating a cart: an answer may come back as a request, with changes."""

from typing import Any

import pytest

from cart_core.api.messages import Response
from tests.kit.builders import (
    CART_ID,
    CUSTOMER,
    SEED_REQUEST,
    SEED_RESPONSE,
    cart,
    line,
    places,
)
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import cart_document, reply
from tests.kit.world import World, problem_of

SAVED = reply(201, cart_document())
LINE = "/lineItems/0"


def sent(world: World) -> dict[str, Any]:
    """The cart that was sent last."""
    return dict(world.center.asked[-1].cart or {})


def warnings(response: Response) -> list[tuple[str, str]]:
    """The places and codes of an answer's warnings."""
    return [(warning["pointer"], warning["code"]) for warning in response.body["warnings"]]


@pytest.mark.parametrize("status", [200, 201])
@in_virtual_time
async def test_a_cart_is_replaced_and_comes_back_normalised(status: int) -> None:
    world = World(reply(status, SEED_RESPONSE))
    response = await world.put(SEED_REQUEST)
    [asked] = world.center.asked
    assert (asked.operation, asked.customer_id, asked.cart_id) == ("update", CUSTOMER, CART_ID)
    assert list(sent(world)) == ["id", "lineItems"]
    assert sent(world)["id"] == CART_ID
    assert sent(world)["lineItems"][0]["catalogItemId"] == "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"
    assert (response.status, response.body["id"]) == (200, CART_ID)


@in_virtual_time
async def test_an_answer_is_sent_back_without_what_partner_center_assigns() -> None:
    world = World(reply(200, SEED_RESPONSE), reply(200, SEED_RESPONSE))
    answer = (await world.get()).body
    answer["lineItems"][0]["quantity"] = 7
    assert warnings(await world.put(answer)) == []
    changes = {"quantity": 7, "participants": [], "addonItems": []}
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


@in_virtual_time
async def test_a_slip_is_refused_unless_the_documented_member_is_there_too() -> None:
    """A change must not be lost among members that nobody documents."""
    good, bad = line(CUSTOMTERMENDDATE=None, customTermEndDates=1), line(customTermEndDte="2027")
    problem = await problem_of(World().put(cart(good, bad)))
    assert places(problem) == {("/lineItems/1/customTermEndDte", "misspelled_member")}
    response = await World(SAVED).put(cart(good))
    assert warnings(response) == [(f"{LINE}/customTermEndDates", "unknown_member")]
