"""Updating a cart: an answer may come back as a request, with changes."""

from typing import Any

import pytest

from cart_core.api.messages import Response
from cart_core.cart.request import MAX_UNKNOWN_MEMBERS
from cart_core.problem import Outcome
from tests.kit.builders import (
    CART_ID,
    CUSTOMER,
    MARKER,
    SEED_REQUEST,
    SEED_RESPONSE,
    cart,
    line,
    places,
    shown,
)
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import (
    GONE,
    LOST,
    SUBMITTED,
    Answer,
    cart_document,
    reply,
)
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
    assert response.status == 200
    assert (response.body["id"], response.body["customerId"]) == (CART_ID, CUSTOMER)
    assert response.headers == {
        "MS-RequestId": asked.request_id,
        "MS-CorrelationId": "correlation-1",
        "MS-CV": f"cv-{status}",
    }


@in_virtual_time
async def test_an_answer_is_sent_back_without_what_partner_center_assigns() -> None:
    world = World(reply(200, SEED_RESPONSE), reply(200, SEED_RESPONSE))
    answer = (await world.get()).body
    answer["lineItems"][0]["quantity"] = 7
    assert warnings(await world.put(answer)) == []
    [item] = sent(world)["lineItems"]
    assert item == {
        "id": 0,
        "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
        "friendlyName": "My offer purchase",
        "quantity": 7,
        "currencyCode": "USD",
        "billingCycle": "one_time",
        "participants": [],
        "provisioningContext": SEED_RESPONSE["lineItems"][0]["provisioningContext"],
        "orderGroup": "0",
        "addonItems": [],
    }
    assert list(sent(world)) == ["id", "lineItems"]


@pytest.mark.parametrize("given", [CART_ID.upper(), None], ids=repr)
@in_virtual_time
async def test_the_id_that_is_sent_is_the_one_in_the_path(given: str | None) -> None:
    world = World(SAVED)
    await world.put(cart(Id=given))
    assert (sent(world)["id"], "Id" in sent(world)) == (CART_ID, False)


@pytest.mark.parametrize("given", [CUSTOMER, "", f" {CART_ID}", MARKER, 5, True, [], {}], ids=repr)
@in_virtual_time
async def test_the_id_of_another_cart_is_refused(given: Any) -> None:
    world = World()
    problem = await problem_of(world.put(cart(ID=given)))
    assert (problem.code, problem.outcome) == ("invalid_request", Outcome.NOT_SENT)
    assert places(problem) == {("/ID", "cart_mismatch")}
    assert MARKER not in shown(problem)
    assert world.center.asked == []


@in_virtual_time
async def test_everything_wrong_is_reported_at_once() -> None:
    world = World(CART_MAX_QUANTITY="5")
    document = cart(line(quantity=6, customTermEndDte="x"), id=MARKER, customerId=MARKER)
    problem = await problem_of(world.put(document, customer="me", cart_id="last"))
    assert places(problem) == {
        ("", "invalid_customer_id"),
        ("", "invalid_cart_id"),
        ("/id", "cart_mismatch"),
        ("/customerId", "customer_mismatch"),
        (f"{LINE}/quantity", "out_of_range"),
        (f"{LINE}/customTermEndDte", "misspelled_member"),
    }
    assert len(problem.errors) == 6
    assert world.center.asked == []


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
    assert warnings(response) == [
        ("/renewalTerms", "unknown_member"),
        (f"{LINE}/cadence", "unknown_member"),
        (f"{LINE}/quantities", "unknown_member"),
    ]


@in_virtual_time
async def test_an_answer_with_a_great_many_unknown_members_comes_back_too() -> None:
    lines = [line(id=number, a=1, b=2) for number in range(MAX_UNKNOWN_MEMBERS)]
    document = reply(200, {"id": CART_ID, "lineItems": lines})
    world = World(document, document)
    response = await world.put((await world.get()).body)
    assert [item["b"] for item in sent(world)["lineItems"]] == [2] * MAX_UNKNOWN_MEMBERS
    assert len(response.body["warnings"]) == 100


@pytest.mark.parametrize(
    ("documented", "near", "value"),
    [
        ("quantity", "quantitty", 3),
        ("catalogItemId", "catalogIds", []),
        ("customTermEndDate", "customTermEndDates", []),
        ("renewsTo", "renewsTwo", "x"),
        ("purchaseSystem", "purchaseSystems", []),
        ("addonItems", "addonItem", {}),
        ("pricing", "pricings", []),
        ("error", "errors", []),
    ],
)
@in_virtual_time
async def test_a_name_like_a_documented_one_comes_back_beside_it(
    documented: str, near: str, value: Any
) -> None:
    document = reply(200, {"id": CART_ID, "lineItems": [line(id=0, **{near: value})]})
    world = World(document, document)
    answer = (await world.get()).body
    assert documented in answer["lineItems"][0]
    response = await world.put(answer)
    assert warnings(response) == [(f"{LINE}/{near}", "unknown_member")]
    assert sent(world)["lineItems"][0][near] == value


@in_virtual_time
async def test_a_slip_where_the_documented_member_is_missing_is_refused() -> None:
    """A change must not be lost among members that nobody documents."""
    good, bad = line(CUSTOMTERMENDDATE=None, customTermEndDates=1), line(customTermEndDte="2027")
    problem = await problem_of(World().put(cart(good, bad, line(id=9, addonItems=[bad]))))
    assert places(problem) == {
        ("/lineItems/1/customTermEndDte", "misspelled_member"),
        ("/lineItems/2/addonItems/0/customTermEndDte", "misspelled_member"),
    }
    assert "'customTermEndDate'" in problem.errors[0].detail
    response = await World(SAVED).put(cart(good))
    assert warnings(response) == [(f"{LINE}/customTermEndDates", "unknown_member")]


# --- Failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "status", "code", "outcome"),
    [
        ([GONE], 404, "partner_center_not_found", "rejected"),
        ([SUBMITTED], 400, "partner_center_invalid_request", "rejected"),
        ([LOST] * 5, 502, "partner_center_no_answer", "unknown"),
        ([LOST, SUBMITTED], 502, "partner_center_no_answer", "unknown"),
        ([reply(201, {})] * 5, 502, "partner_center_unreadable", "unknown"),
    ],
    ids=["gone", "ordered", "lost", "lost-and-ordered", "unreadable"],
)
@in_virtual_time
async def test_a_failure_says_whether_the_cart_may_have_changed(
    answers: list[Answer], status: int, code: str, outcome: str
) -> None:
    world = World(*answers)
    problem = await problem_of(world.put())
    assert (problem.code, problem.kind.status, problem.outcome) == (code, status, outcome)
    assert len(world.center.asked) == len(answers)
