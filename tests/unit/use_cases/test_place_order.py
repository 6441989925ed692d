"""Placing an order: a cart and its checkout under one key. test_purchases has the other rules."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from cart_core.api.messages import Invocation
from cart_core.call import Trace
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.plan import LONGEST_REQUEST
from cart_core.idempotency.record import Record
from cart_core.partner_center.exchange import Reply
from cart_core.problem import Outcome
from tests.kit.builders import CUSTOMER, cart, line
from tests.kit.fakes import Killed, StoreFault, in_virtual_time, monotonic
from tests.kit.partner_center import FAULTY, FORBIDDEN, LOST, USER, lost, reply
from tests.kit.world import FOR_USER, KEYED, LEASE, World, problem_of, warnings

UNSOLD = cart(line(catalogItemId=FAULTY))
OTHER = cart(line(quantity=2))


@in_virtual_time
async def test_an_order_is_a_cart_and_its_checkout() -> None:
    world = World()
    call = Invocation("correlation-1", monotonic())
    response = await world.order(headers=KEYED | FOR_USER, call=call)
    create, checkout = world.center.asked
    [cart_id] = world.center.carts
    assert (create.operation, checkout.operation) == ("create", "checkout")
    assert create.cart == cart(line(id=0))
    assert (checkout.cart_id, checkout.customer_user) == (cart_id, USER)
    assert create.request_id != checkout.request_id
    assert (response.body["status"], len(response.body["orders"])) == ("completed", 1)
    assert (call.cart_id, call.sent.tries) == (cart_id, 2)


@in_virtual_time
async def test_the_cart_is_recorded_before_it_is_checked_out() -> None:
    world = World()
    seen: list[Record] = []

    def look(true: Reply) -> Reply:
        seen.extend(world.store.written)
        return true

    world.center.script["checkout"] = [look]
    response = await world.order()
    cart_id = response.body["cartId"]
    order, recorded, purchase = (seen[0], *seen[-2:])
    assert (order.results, recorded.results) == ({}, {"cart": {"cartId": cart_id}})
    assert (purchase.key, purchase.state) == (cart_id, "in_progress")
    assert world.store.calls == ["create", "create", "replace", "create", "replace", "replace"]
    operations = [("place_order", "order-17"), ("checkout_cart", cart_id)]
    names = [OperationId(name, CUSTOMER, key).record_name() for name, key in operations]
    assert [name for name in world.record_names() if "recent" not in name] == names


@in_virtual_time
async def test_the_warnings_of_the_cart_come_first() -> None:
    world = World()
    response = await world.order(cart(line(termDuration="P2Y")))
    assert (response.body["status"], warnings(response)) == ("completed", ["unknown_term"])
    world = World()
    world.center.repeat_checkout = False
    world.center.script["checkout"] = [lost]
    response = await world.order(cart(line(termDuration="P2Y")))
    assert response.body["status"] == "ordered"
    assert warnings(response) == ["unknown_term", "orders_not_retrieved"]


# --- What belongs to a key --------------------------------------------------------------------


@in_virtual_time
async def test_a_member_of_the_cart_does_not_pass_for_the_customers_user() -> None:
    world = World(CART_UNKNOWN_MEMBERS="forward")
    document = cart() | {"customerUser": USER}
    await world.order(document, KEYED)
    problem = await problem_of(world.order(document, KEYED | FOR_USER))
    assert problem.code == "idempotency_key_reused"


# --- A cart that cannot be ordered ------------------------------------------------------------


@in_virtual_time
async def test_a_cart_that_cannot_be_ordered_is_shown_and_not_checked_out() -> None:
    world = World()
    problem = await problem_of(world.order(UNSOLD))
    [create] = world.center.asked
    [cart_id] = world.center.carts
    assert (problem.code, problem.kind.status) == ("cart_not_orderable", 422)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.REJECTED, False)
    assert problem.cart
    assert (problem.cart["id"], problem.cart["orderable"]) == (cart_id, False)
    assert problem.cart["lineItems"][0]["error"]["code"] == "10002"
    assert problem.cart["links"]["self"].endswith(cart_id)
    assert create.operation == "create"
    assert problem.trace == Trace(create.request_id, {"MS-CV": "cv-201"})
    assert (world.record.state, world.record.epoch) == ("open", 1)
    assert world.record.steps[0].result == {"cartId": cart_id}


@in_virtual_time
async def test_the_same_cart_is_bought_under_the_same_key_once_it_was_changed() -> None:
    world = World()
    await problem_of(world.order(UNSOLD))
    [cart_id] = world.center.carts
    assert (await problem_of(world.order(UNSOLD))).code == "cart_not_orderable"
    assert (await problem_of(world.order(cart()))).code == "idempotency_key_reused"
    assert world.center.operations() == ["create", "get"]

    assert (await world.put(cart(), cart_id=cart_id)).body["orderable"] is True
    response = await world.order(UNSOLD)
    assert (response.body["cartId"], response.body["status"]) == (cart_id, "completed")
    assert world.center.bought == [cart_id]
    assert world.center.operations() == ["create", "get", *["get", "update"], "get", "checkout"]
    again = await world.order(UNSOLD)
    assert (again.body, again.headers["Idempotent-Replayed"]) == (response.body, "true")


# --- A cart that is not what was ordered ------------------------------------------------------


def changed(**members: Any) -> Callable[[Reply], Reply]:
    """Partner Center answers a cart whose line has other members than were sent."""

    def answer(true: Reply) -> Reply:
        document = json.loads(true.body.decode("utf-8-sig"))
        document["lineItems"] = [each | members for each in document["lineItems"]]
        return reply(201, document | ({} if members else {"lineItems": []}))

    return answer


@pytest.mark.parametrize(
    "members",
    [
        *({"quantity": 1000}, {"catalogItemId": "A:1:C"}, {"billingCycle": "annual"}),
        *({"termDuration": "P3Y"}, {"addonItems": [line()]}, {}),
    ],
    ids=str,
)
@in_virtual_time
async def test_a_cart_that_differs_from_the_order_is_not_bought(members: dict[str, Any]) -> None:
    world = World()
    world.center.script["create"] = [changed(**members)]
    order = cart(line(termDuration="P1Y"))
    problem = await problem_of(world.order(order))
    [cart_id] = world.center.carts
    assert (problem.code, problem.kind.status) == ("cart_differs", 422)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.REJECTED, False)
    assert problem.cart
    assert problem.cart["id"] == cart_id
    assert {error.code for error in problem.errors} <= {"line_missing", "line_unexpected"}
    assert world.center.operations() == ["create"]

    # Putting the cart right is the way out, under the same key.
    await world.put(order, cart_id=cart_id)
    assert (await world.order(order)).body["status"] == "completed"
    assert world.center.bought == [cart_id]


@in_virtual_time
async def test_an_order_that_is_resumed_buys_only_what_was_ordered() -> None:
    world = World()
    world.center.script["checkout"] = [Killed()]
    with pytest.raises(Killed):
        await world.order()
    [cart_id] = world.center.carts
    world.center.carts[cart_id]["lineItems"][0]["quantity"] = 1000  # In Partner Center's portal.
    await asyncio.sleep(LEASE)
    assert (await problem_of(world.order())).outcome is Outcome.UNKNOWN
    await asyncio.sleep(LONGEST_REQUEST.total_seconds())
    assert (await problem_of(world.order())).code == "cart_differs"
    assert world.center.bought == []


@pytest.mark.parametrize("groups", [1, 2])
@in_virtual_time
async def test_a_process_that_died_before_its_checkout_leaves_no_doubt(groups: int) -> None:
    world = World()
    world.center.script["create"] = [changed(quantity=1000)]
    order = cart(*(line(orderGroup=str(group)) for group in range(groups)))

    def die(point: str) -> None:
        if point == "before replace" and len(world.record_names()) > 2:
            raise Killed

    world.store.point = die
    with pytest.raises(Killed):
        await world.order(order)
    world.store.point = lambda _: None
    await asyncio.sleep(LEASE)
    assert world.record.state == "in_progress"
    [cart_id] = world.center.carts
    for each in world.center.carts[cart_id]["lineItems"]:
        each["quantity"] = 1000
    problem = await problem_of(world.order(order))
    assert (problem.code, problem.outcome) == ("cart_differs", Outcome.REJECTED)


@in_virtual_time
async def test_a_cart_that_was_changed_before_its_order_began_is_not_bought() -> None:
    world = World()

    def away(true: Reply) -> Reply:
        world.store.fails("create", "down")
        return true

    world.center.script["create"] = [away]
    assert (await problem_of(world.order())).code == "store_unavailable"
    [cart_id] = world.center.carts
    await world.put(OTHER, cart_id=cart_id)
    assert (await problem_of(world.order())).code == "cart_differs"
    assert world.center.bought == []


@pytest.mark.parametrize(
    ("ordered", "codes"),
    [(15, ["line_missing", "line_unexpected"]), (1, []), (None, ["orders_not_retrieved"])],
    ids=["other lines", "its lines", "not told"],
)
@in_virtual_time
async def test_a_cart_that_was_changed_and_bought_by_itself_is_told_with_warnings(
    ordered: int | None, codes: list[str]
) -> None:
    world = World()

    def away(true: Reply) -> Reply:
        world.store.fails("create", "down")
        return true

    def told(true: Reply) -> Reply:
        document = json.loads(true.body)
        document["orders"][0]["lineItems"] = [{"offerId": "A:1:B", "quantity": ordered}]
        return reply(201, document)

    world.center.repeat_checkout = False
    world.center.script |= {"create": [away], "checkout": [told if ordered else lost]}
    await problem_of(world.order())
    [cart_id] = world.center.carts
    bought = await world.check_out(cart_id)
    response = await world.order()
    assert (response.body["orders"], warnings(response)) == (bought.body["orders"], codes)
    assert world.center.bought == [cart_id]
    assert warnings(await world.order()) == codes


# --- The way between cart and checkout --------------------------------------------------------


@in_virtual_time
async def test_a_failed_checkout_names_its_cart_and_is_tried_again_with_it() -> None:
    world = World()
    world.center.script["checkout"] = [FORBIDDEN]
    problem = await problem_of(world.order())
    [cart_id] = world.center.carts
    assert problem.code == "partner_center_forbidden"
    [checkout] = world.center.requests_for("checkout")
    assert problem.trace == Trace(checkout.request_id, {"MS-CV": "cv-403"})
    assert world.record.state == "open"
    assert (await world.order()).body["cartId"] == cart_id
    assert world.center.operations() == ["create", "checkout", "get", "get", "checkout"]
    assert len({asked.request_id for asked in world.center.requests_for("checkout")}) == 2
    assert monotonic() == 0  # There was nothing to wait for.


@pytest.mark.parametrize("deduplicate", [True, False])
@in_virtual_time
async def test_a_cart_whose_answer_is_lost_is_created_again_and_one_is_bought(
    deduplicate: bool,
) -> None:
    world = World()
    world.center.deduplicate = deduplicate
    world.center.script["create"] = [lost] * 5
    problem = await problem_of(world.order())
    assert (problem.outcome, world.record.state) == (Outcome.UNKNOWN, "unknown")
    assert not world.record.steps[0].done
    response = await world.order()
    assert len(world.center.carts) == (1 if deduplicate else 6)
    assert world.center.bought == [response.body["cartId"]]
    assert len({asked.request_id for asked in world.center.requests_for("create")}) == 1


@in_virtual_time
async def test_a_cart_in_doubt_leaves_no_doubt_in_its_checkout() -> None:
    world = World()
    world.center.script["create"] = [Killed()]
    with pytest.raises(Killed):
        await world.order()
    await asyncio.sleep(LEASE)
    world.center.script["checkout"] = [FORBIDDEN]
    problem = await problem_of(world.order())
    assert (problem.code, problem.outcome) == ("partner_center_forbidden", Outcome.REJECTED)
    assert world.center.operations() == ["create", "create", "checkout", "get"]


@pytest.mark.parametrize(
    ("write", "faults", "detail"),
    [
        ("replace", ["down"] * 1000, "The order's cart was made, and nothing bought"),
        ("create", ["", "", "down"], "This request goes no further: it bought nothing."),
    ],
    ids=["cart", "purchase"],
)
@in_virtual_time
async def test_a_cart_or_a_purchase_that_cannot_be_recorded_is_not_bought(
    write: str, faults: list[StoreFault], detail: str
) -> None:
    world = World()
    world.store.fails(write, *faults)
    call = Invocation("correlation-1", monotonic())
    problem = await problem_of(world.order(call=call))
    [create] = world.center.asked
    assert (problem.code, problem.kind.status) == ("store_unavailable", 503)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.UNKNOWN, True)
    assert detail in problem.detail
    assert problem.trace == Trace(create.request_id, {"MS-CV": "cv-201"})
    assert [call.sent.cart_id] == list(world.center.carts)
    assert call.sent.may_have_effect


# --- The line in the log ----------------------------------------------------------------------


def lose_the_lease(world: World) -> Callable[[Reply], Reply]:
    """Another call claims the operation while Partner Center answers."""

    def answer(true: Reply) -> Reply:
        name = world.record_names()[0]
        stored = world.store.inner._records[name]
        taken = stored.record.model_copy(update={"nonce": "another call's"})
        world.store.inner._records[name] = stored._replace(record=taken, version="another")
        return true

    return answer


@pytest.mark.parametrize("endpoint", ["create_cart", "place_order"])
@pytest.mark.parametrize(
    ("step", "end", "code"),
    [
        ("create", "lease lost", "operation_in_progress"),
        ("checkout", "lease lost", "operation_in_progress"),
        ("checkout", RuntimeError("a bug"), "internal_error"),
        ("get", RuntimeError("a bug"), "internal_error"),
        ("checkout", FORBIDDEN, "partner_center_forbidden"),
        ("checkout", LOST, "partner_center_no_answer"),
        (None, UNSOLD, "cart_not_orderable"),
    ],
    ids=lambda value: str(value)[:20],
)
@in_virtual_time
async def test_whatever_happens_after_a_cart_was_made_the_line_names_the_cart(
    endpoint: str, step: str | None, end: Any, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    if endpoint == "create_cart" and step != "create":
        return
    world = World()
    document = end if end is UNSOLD else None
    if step:
        world.center.script[step] = [lose_the_lease(world) if end == "lease lost" else end] * 5
    if step == "get":  # The cart is read after a checkout whose answer was lost.
        world.center.script["checkout"] = [lost]
    with caplog.at_level(logging.INFO):
        await world.answer(endpoint, document, KEYED)
    [line] = [each for each in caplog.messages if each.startswith("operation=")]
    assert f" code={code} " in line
    assert line.endswith(f" cartId={next(iter(world.center.carts))}")
