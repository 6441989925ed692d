"""A checkout that is refused for a stale item is tried once more with its successor, if ever."""

import asyncio
import json
from typing import Any

import pytest

from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.plan import LONGEST_REQUEST
from cart_core.partner_center.exchange import Reply
from cart_core.problem import Outcome
from tests.kit.builders import CUSTOMER, cart, line
from tests.kit.catalogue import SKU, availability, terms
from tests.kit.fakes import Killed, in_virtual_time
from tests.kit.partner_center import BROKEN, FORBIDDEN, ITEM_GONE, PARTIAL, Instead, lost, reply
from tests.kit.world import KEYED, LEASE, World, problem_of, warnings

TODAY, TOMORROW = f"{SKU}:CFQ7TTC0K971", f"{SKU}:CFQ7TTC0NEXT"
PROMOTION = "39NFJQT1PHSN:0008:39NFJQT1Q5J0"


def wanted(**members: Any) -> dict[str, Any]:
    """A line that names the SKU."""
    return line(catalogItemId=SKU, termDuration="P1Y") | members


def world(now: dict[str, Any] | None = None) -> World:
    """A world whose SKU goes to another availability when the cart is checked out first."""
    made = World()
    made.center.sell(availability(), sku_id=SKU)
    made.center.script["checkout"] = [rotating(made, now)]
    return made


def rotating(made: World, now: dict[str, Any] | None = None) -> Instead:
    """The request is refused, because the SKU has another availability now."""
    successor = now or availability("CFQ7TTC0NEXT")
    return Instead(lambda: made.center.sell(successor, sku_id=SKU), ITEM_GONE)


def items(made: World) -> list[str]:
    """The item in each cart that there is."""
    return [each["lineItems"][0]["catalogItemId"] for each in made.center.carts.values()]


@in_virtual_time
async def test_the_successor_is_put_into_the_cart_and_bought_once() -> None:
    made = world()
    response = await made.order(cart(wanted()))
    assert (response.body["status"], warnings(response)) == ("completed", ["item_replaced"])
    assert items(made) == [TOMORROW]
    assert made.center.operations() == [
        *("read", "create", "checkout", "get", "read", "update", "checkout")
    ]
    first, second = made.center.requests_for("checkout")
    assert first.request_id != second.request_id
    assert first.call.correlation_id == second.call.correlation_id
    assert made.center.bought == [response.body["cartId"]]
    again = await made.order(cart(wanted()))
    assert (again.body, again.headers["Idempotent-Replayed"]) == (response.body, "true")


@in_virtual_time
async def test_a_successor_is_no_difference_from_the_order() -> None:
    made = world()

    def told(true: Reply) -> Reply:
        document = json.loads(true.body)
        document["orders"][0]["lineItems"] = [{"offerId": TOMORROW, "quantity": 1}]
        return reply(201, document)

    def once_the_purchase_is_recorded(point: str) -> None:
        if point == "before replace" and made.record.state == "completed":
            raise Killed

    made.center.script["checkout"].append(told)
    made.store.point = once_the_purchase_is_recorded
    with pytest.raises(Killed):
        await made.order(cart(wanted()))
    made.store.point = lambda _: None
    await asyncio.sleep(LEASE)
    again = await made.order(cart(wanted()))
    assert again.body["orders"][0]["lineItems"][0]["offerId"] == TOMORROW
    assert warnings(again) == ["item_replaced"]
    assert len(made.center.requests_for("checkout")) == 2


@in_virtual_time
async def test_it_is_done_once() -> None:
    made = world()
    third = availability("CFQ7TTC0THRD")
    made.center.script["checkout"].append(rotating(made, third))
    problem = await problem_of(made.order(cart(wanted())))
    assert (problem.code, problem.outcome) == ("cart_not_orderable", Outcome.REJECTED)
    assert made.center.operations().count("update") == 1
    # The next call goes on with the cart as it is, and does not change it again.
    assert (await made.order(cart(wanted()))).body["status"] == "completed"
    assert (items(made), made.center.operations().count("update")) == ([TOMORROW], 1)


ANOTHER: dict[str, dict[str, Any]] = {
    "currency": availability("CFQ7TTC0NEXT", defaultCurrency="EUR"),
    "term": availability("CFQ7TTC0NEXT", terms=terms(("P3Y", "Monthly"))),
    "segment": availability("CFQ7TTC0NEXT", segment="education"),
}


@pytest.mark.parametrize("now", ANOTHER.values(), ids=ANOTHER)
@in_virtual_time
async def test_another_purchase_is_not_made_instead(now: dict[str, Any]) -> None:
    made = world(now)
    problem = await problem_of(made.order(cart(wanted())))
    assert (problem.code, problem.kind.status) == ("item_not_available", 422)
    assert (items(made), made.center.bought) == ([TODAY], [])
    assert problem.outcome is not Outcome.UNKNOWN


@in_virtual_time
async def test_a_catalogue_that_cannot_be_read_leaves_the_cart_alone() -> None:
    made = world()
    made.center.script["read"] = [lambda true: true, *[BROKEN] * 5]
    problem = await problem_of(made.order(cart(wanted())))
    assert (problem.kind.retryable, problem.outcome) == (True, Outcome.NOT_SENT)
    assert (items(made), made.center.bought) == ([TODAY], [])


@pytest.mark.parametrize(
    "document",
    [cart(wanted(catalogItemId=TODAY)), cart(line(catalogItemId="A:1:B"))],
    ids=["known to the catalogue", "another"],
)
@in_virtual_time
async def test_a_callers_own_id_stays(document: dict[str, Any]) -> None:
    made = world()
    problem = await problem_of(made.order(document))
    assert problem.code == "cart_not_orderable"
    assert made.center.operations() == ["create", "checkout", "get"]


@pytest.mark.parametrize(
    "document",
    [
        cart(wanted(promotionId=PROMOTION)),
        cart(wanted(addonItems=[wanted(promotionId=PROMOTION)])),
    ],
    ids=["line", "add-on"],
)
@pytest.mark.parametrize(
    ("answer", "bought"),
    [
        ({"isEligible": True}, True),
        ({"isEligible": False, "errors": [{"type": "SeatCount"}]}, False),
        ({"isEligible": "true"}, False),
    ],
    ids=str,
)
@in_virtual_time
async def test_a_promotion_has_to_apply_to_the_successor(
    answer: dict[str, Any], bought: bool, document: dict[str, Any]
) -> None:
    made = world()
    judged = {"id": 0, "eligibilities": [{"promotionId": PROMOTION, **answer}]}
    path = f"/customers/{CUSTOMER}/promotionEligibilities"
    made.center.documents[path] = {"items": [judged]}
    order = made.order(document)
    if bought:
        assert (await order).body["status"] == "completed"
    else:
        assert (await problem_of(order)).code == "item_not_available"
    assert bool(made.center.bought) is bought
    [asked] = made.center.requests_for("ask")
    assert asked.cart
    assert asked.cart["items"][0]["catalogItemId"] == TOMORROW


# --- Never where anything may be ordered ------------------------------------------------------


async def ended_unknown(made: World) -> None:
    made.center.script["checkout"] = [BROKEN] * 5
    assert (await problem_of(made.order(cart(wanted())))).outcome is Outcome.UNKNOWN
    await asyncio.sleep(LONGEST_REQUEST.total_seconds())


async def ended_and_settled(made: World) -> None:
    await ended_unknown(made)
    made.center.script["checkout"] = [FORBIDDEN]
    assert (await problem_of(made.order(cart(wanted())))).outcome is Outcome.REJECTED


async def died(made: World) -> None:
    made.center.script["checkout"] = [Killed()]
    with pytest.raises(Killed):
        await made.order(cart(wanted()))
    await asyncio.sleep(LEASE + LONGEST_REQUEST.total_seconds())


async def lost_cart(made: World) -> None:
    made.center.script["create"] = [lost, *[BROKEN] * 4]
    assert (await problem_of(made.order(cart(wanted())))).outcome is Outcome.UNKNOWN


async def lost_cart_in_the_same_call(made: World) -> None:
    made.center.script["create"] = [lost]


async def lost_checkout_in_the_same_call(made: World) -> None:
    made.center.script["checkout"] = [BROKEN]


@pytest.mark.parametrize(
    "before",
    [
        *(ended_unknown, ended_and_settled, died, lost_cart, lost_cart_in_the_same_call),
        lost_checkout_in_the_same_call,
    ],
)
@in_virtual_time
async def test_no_cart_is_changed_after_any_try_without_a_clear_answer(before: Any) -> None:
    made = world()
    await before(made)
    made.center.script["checkout"] = [
        *made.center.script["checkout"][: before is lost_checkout_in_the_same_call],
        *[rotating(made)] * 5,
    ]
    await problem_of(made.order(cart(wanted())))
    assert "update" not in made.center.operations()
    assert made.center.bought == []


@in_virtual_time
async def test_a_cart_that_is_ordered_in_part_is_not_changed() -> None:
    made = world()
    made.center.script["checkout"] = [PARTIAL, rotating(made)]
    for _ in range(2):
        assert (await made.order(cart(wanted()))).body["status"] == "partial"
    assert "update" not in made.center.operations()


@in_virtual_time
async def test_a_cart_that_somebody_else_has_changed_is_not_changed_again() -> None:
    made = world()
    made.center.script["checkout"] = [FORBIDDEN, rotating(made)]
    await problem_of(made.order(cart(wanted())))
    [cart_id] = made.center.carts
    await made.put(cart(line(catalogItemId=TODAY, quantity=5)), cart_id=cart_id)
    updates = made.center.operations().count("update")
    problem = await problem_of(made.order(cart(wanted())))
    assert problem.code == "cart_not_orderable"
    assert made.center.operations().count("update") == updates


@in_virtual_time
async def test_a_cart_whose_change_was_not_answered_is_not_changed_again() -> None:
    made = world()
    made.center.script["checkout"] = [FORBIDDEN, rotating(made)]
    await problem_of(made.order(cart(wanted())))
    [cart_id] = made.center.carts
    made.center.script["update"] = [BROKEN] * 5
    changed = made.put(cart(line(catalogItemId=TODAY, quantity=5)), cart_id=cart_id)
    assert (await problem_of(changed)).outcome is Outcome.UNKNOWN
    updates = made.center.operations().count("update")
    problem = await problem_of(made.order(cart(wanted())))
    assert problem.code == "cart_not_orderable"
    assert made.center.operations().count("update") == updates


@in_virtual_time
async def test_a_process_that_dies_while_it_renews_buys_nothing_twice() -> None:
    made = world()

    made.center.script["update"] = [Killed()]
    with pytest.raises(Killed):
        await made.order(cart(wanted()))
    await asyncio.sleep(LEASE + LONGEST_REQUEST.total_seconds())
    problem = await problem_of(made.order(cart(wanted())))
    assert (problem.code, problem.outcome) == ("cart_differs", Outcome.REJECTED)
    assert made.center.bought == []


# --- How a checkout is found again ------------------------------------------------------------


@in_virtual_time
async def test_each_cart_is_checked_out_under_a_correlation_id_of_its_own() -> None:
    made = World()
    ids = set()
    for key in ("one", "two"):
        made.center.script["checkout"] = [lost]
        response = await made.order(cart(), KEYED | {"idempotency-key": key})
        checkouts = made.center.requests_for("checkout")[-2:]
        [own] = {asked.call.correlation_id for asked in checkouts}
        purchase = OperationId("checkout_cart", CUSTOMER, response.body["cartId"])
        assert own == purchase.checkout_correlation_id()
        recorded = {record.checkout_correlation_id for record in made.store.written}
        assert own in recorded
        assert response.headers["MS-CorrelationId"] == "correlation-1"
        ids.add(own)
    assert len(ids) == 2
