"""Placing an order: a cart and its checkout under one key. test_purchases has the other rules."""

import asyncio
from typing import Any

import pytest

from cart_core.api.messages import Invocation
from cart_core.call import Trace
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.plan import LONGEST_REQUEST
from cart_core.partner_center.exchange import Reply
from cart_core.problem import Outcome, Problem
from tests.kit.builders import CUSTOMER, cart, line, places
from tests.kit.fakes import Killed, in_virtual_time, monotonic
from tests.kit.partner_center import (
    BROKEN,
    FAULTY,
    FORBIDDEN,
    USER,
    Answer,
    lost,
    refused,
)
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
    assert response.status == 201
    assert list(response.body) == [
        *("cartId", "customerId", "status", "orders", "orderErrors", "warnings")
    ]
    assert (response.body["cartId"], response.body["customerId"]) == (cart_id, CUSTOMER)
    assert (response.body["status"], len(response.body["orders"])) == ("completed", 1)
    assert response.headers == {
        "MS-CorrelationId": "correlation-1",
        "MS-RequestId": checkout.request_id,
        "MS-CV": "cv-201",
    }
    assert (call.customer_id, call.cart_id, call.sent.tries) == (CUSTOMER, cart_id, 2)


@in_virtual_time
async def test_the_cart_is_recorded_before_it_is_checked_out() -> None:
    world = World()
    seen: list[tuple[str, Any]] = []

    def look(true: Reply) -> Reply:
        seen.extend((step.name, step.done and step.result) for step in world.record.steps)
        return true

    world.center.script["checkout"] = [look]
    response = await world.order()
    create, checkout = world.center.asked
    assert seen == [("cart", {"cartId": response.body["cartId"]}), ("checkout", False)]
    assert world.store.calls == ["create", "replace", "replace"]
    assert world.record_names() == [
        OperationId("place_order", CUSTOMER, None, "order-17").record_name()
    ]
    for record, done, state in zip(
        world.store.written,
        ([False, False], [True, False], [True, True]),
        ("in_progress", "in_progress", "completed"),
        strict=True,
    ):
        assert (record.operation, record.key, record.state) == ("place_order", "order-17", state)
        assert [step.done for step in record.steps] == done
        ids = [step.request_id for step in record.steps]
        assert ids == [create.request_id, checkout.request_id]
    assert "A:1:B" not in world.store.written[1].to_json().decode()


@in_virtual_time
async def test_the_warnings_of_the_cart_come_first() -> None:
    world = World()
    response = await world.order(cart(line(termDuration="P2Y")))
    assert (response.body["status"], warnings(response)) == ("completed", ["unknown_term"])
    world = World()
    world.center.repeat_checkout = False
    world.center.script["checkout"] = [lost]
    response = await world.order(cart(line(termDuration="P2Y")))
    assert (response.body["status"], warnings(response)) == (
        "ordered",
        ["unknown_term", "orders_not_retrieved"],
    )


# --- What is wrong ----------------------------------------------------------------------------


@in_virtual_time
async def test_everything_wrong_is_reported_at_once_and_nothing_is_done() -> None:
    world = World(CART_MAX_QUANTITY="1")
    problem = await problem_of(
        world.order(OTHER, {"x-ms-customeruser-upn": "nobody"}, customer="none")
    )
    assert problem.code == "invalid_request"
    assert places(problem) == {
        ("", "invalid_customer_id"),
        ("", "invalid_customer_user"),
        ("/lineItems/0/quantity", "out_of_range"),
    }
    assert (world.store.calls, world.center.asked) == ([], [])


@pytest.mark.parametrize("settings", [{}, {"CART_REQUIRE_IDEMPOTENCY_KEY": "false"}])
@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "idempotency_key_required"), ({"idempotency-key": "a b"}, "invalid_idempotency_key")],
)
@in_virtual_time
async def test_a_valid_key_is_required(
    headers: dict[str, str], code: str, settings: dict[str, str]
) -> None:
    world = World(**settings)
    problem = await problem_of(world.order(headers=headers))
    assert (problem.code, problem.kind.status, problem.outcome) == (code, 400, Outcome.NOT_SENT)
    assert (world.store.calls, world.center.asked) == ([], [])


@pytest.mark.parametrize("rule", ["", "reject", "forward"])
@in_virtual_time
async def test_an_unknown_member_is_bought_only_if_a_setting_says_so(rule: str) -> None:
    world = World(CART_UNKNOWN_MEMBERS=rule)
    document = cart(line(newMember=1))
    if rule != "forward":
        problem = await problem_of(world.order(document))
        assert places(problem) == {("/lineItems/0/newMember", "unknown_member")}
        assert (world.store.calls, world.center.asked) == ([], [])
        return
    assert warnings(await world.order(document)) == ["unknown_member"]
    [create] = world.center.requests_for("create")
    assert create.cart
    assert create.cart["lineItems"][0]["newMember"] == 1


# --- What belongs to a key --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "headers"),
    [(OTHER, KEYED), (None, KEYED | FOR_USER)],
    ids=["cart", "customer-user"],
)
@pytest.mark.parametrize(
    ("operation", "end", "state"),
    [
        ("checkout", lambda true: true, "completed"),
        ("checkout", FORBIDDEN, "open"),
        ("create", Killed(), "in_progress"),
        ("create", ValueError(), "unknown"),
    ],
    ids=["bought", "refused", "killed", "unknown"],
)
@in_virtual_time
async def test_a_changed_order_needs_a_new_key(
    operation: str,
    end: Answer,
    state: str,
    document: dict[str, Any] | None,
    headers: dict[str, str],
) -> None:
    world = World()
    world.center.script[operation] = [end]
    try:
        await world.order()
    except (Problem, Killed, ValueError):
        assert state != "completed"
    assert world.record.state == state
    asked = len(world.center.asked)
    problem = await problem_of(world.order(document, headers))
    assert (problem.code, problem.kind.status) == ("idempotency_key_reused", 422)
    assert len(world.center.asked) == asked

    response = await world.order(document, headers | {"idempotency-key": "order-18"})
    assert response.body["status"] == "completed"
    assert "create" in world.center.operations()[asked:]


@in_virtual_time
async def test_a_cart_that_was_refused_may_be_corrected_under_its_key() -> None:
    world = World()
    world.center.script["create"] = [refused(400)]
    problem = await problem_of(world.order())
    assert (problem.code, problem.outcome) == ("partner_center_invalid_request", Outcome.REJECTED)
    assert world.record.state == "released"
    assert (await world.order(OTHER)).body["status"] == "completed"
    assert len({asked.request_id for asked in world.center.requests_for("create")}) == 2


@in_virtual_time
async def test_another_spelling_of_cart_and_key_is_the_same_order() -> None:
    world = World()
    await world.order()
    document = {"LineItems": [{name.upper(): value for name, value in line().items()}]}
    again = await world.order(document, {"webhook-id": '"order-17"'})
    assert again.headers["Idempotent-Replayed"] == "true"


@in_virtual_time
async def test_a_key_belongs_to_a_customer_and_to_a_known_caller() -> None:
    world = World(WEBSITE_AUTH_ENABLED="True")
    one = KEYED | {"x-ms-client-principal-id": "one"}
    two = KEYED | {"x-ms-client-principal-id": "two"}
    answers = [
        await world.order(headers=one),
        await world.order(headers=two),
        await world.order(headers=one, customer=CUSTOMER.replace("d", "e")),
    ]
    assert len({answer.body["cartId"] for answer in answers}) == 3
    assert (await world.order(headers=one, customer=CUSTOMER.upper())).body == answers[0].body
    assert len(world.center.bought) == 3


@in_virtual_time
async def test_a_member_of_the_cart_does_not_pass_for_the_customers_user() -> None:
    world = World(CART_UNKNOWN_MEMBERS="forward")
    document = cart() | {"customerUser": USER}
    await world.order(document, KEYED)
    problem = await problem_of(world.order(document, KEYED | FOR_USER))
    assert problem.code == "idempotency_key_reused"


@in_virtual_time
async def test_a_cart_an_order_and_a_checkout_share_no_record() -> None:
    world = World()
    first = await world.order()
    second = await world.check_out(first.body["cartId"], KEYED)
    created = await world.create(headers=KEYED)
    assert "Idempotent-Replayed" not in second.headers | created.headers
    assert second.body == first.body
    assert len(world.record_names()) == 3
    assert world.center.bought == [first.body["cartId"]]


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
    assert problem.cart_id == cart_id
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
    assert world.center.operations() == ["create", "get", "update", "get", "checkout"]
    again = await world.order(UNSOLD)
    assert (again.body, again.headers["Idempotent-Replayed"]) == (response.body, "true")


@in_virtual_time
async def test_a_cart_that_has_gone_since_is_not_created_again() -> None:
    world = World()
    await problem_of(world.order(UNSOLD))
    world.center.owners.clear()
    for _ in range(2):
        problem = await problem_of(world.order(UNSOLD))
        assert (problem.code, problem.outcome) == ("partner_center_not_found", Outcome.REJECTED)
    assert world.center.operations() == ["create", "get", "get"]


# --- The way between cart and checkout --------------------------------------------------------


@in_virtual_time
async def test_a_failed_checkout_names_its_cart_and_is_tried_again_with_it() -> None:
    world = World()
    world.center.script["checkout"] = [FORBIDDEN]
    problem = await problem_of(world.order())
    [cart_id] = world.center.carts
    assert (problem.code, problem.cart_id) == ("partner_center_forbidden", cart_id)
    [checkout] = world.center.requests_for("checkout")
    assert problem.trace == Trace(checkout.request_id, {"MS-CV": "cv-403"})
    assert (await world.order()).body["cartId"] == cart_id
    assert len(world.center.requests_for("create")) == 1


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
async def test_a_refusal_after_a_cart_whose_answer_was_lost_settles_nothing() -> None:
    world = World()
    world.center.script["create"] = [lost, *[BROKEN] * 4, FORBIDDEN]
    for _ in range(2):
        problem = await problem_of(world.order())
        assert (problem.outcome, problem.kind.status) == (Outcome.UNKNOWN, 502)
    assert (await world.order()).body["status"] == "completed"
    assert len(world.center.carts) == 1


@in_virtual_time
async def test_a_cart_that_is_refused_long_after_a_lost_answer_frees_the_key() -> None:
    world = World()
    world.center.script["create"] = [*[BROKEN] * 5, *[FORBIDDEN] * 2]
    assert (await problem_of(world.order())).outcome is Outcome.UNKNOWN
    await asyncio.sleep(LONGEST_REQUEST.total_seconds() - 1)
    assert (await problem_of(world.order())).outcome is Outcome.UNKNOWN
    await asyncio.sleep(1)
    problem = await problem_of(world.order())
    assert (problem.code, problem.outcome) == ("partner_center_forbidden", Outcome.REJECTED)
    assert (await world.order(OTHER)).body["status"] == "completed"


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
    assert world.center.operations() == ["create", "create", "checkout"]


@in_virtual_time
async def test_the_deadline_may_end_between_cart_and_checkout() -> None:
    world = World(CART_DEADLINE_SECONDS="20")
    world.center.seconds, world.tokens.seconds = 19.9, 0.1
    problem = await problem_of(world.order())
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert (world.center.operations(), world.record.state) == (["create"], "open")
    world.center.seconds = world.tokens.seconds = 0
    assert (await world.order()).body["status"] == "completed"
    assert world.center.operations() == ["create", "get", "checkout"]


@pytest.mark.parametrize("deduplicate", [True, False])
@in_virtual_time
async def test_a_cart_that_cannot_be_recorded_is_not_bought(deduplicate: bool) -> None:
    world = World()
    world.center.deduplicate = deduplicate
    world.store.fails("replace", "down", times=1000)
    problem = await problem_of(world.order())
    [create] = world.center.asked
    assert (problem.code, problem.kind.status) == ("store_unavailable", 503)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.UNKNOWN, True)
    assert problem.trace == Trace(create.request_id, {"MS-CV": "cv-201"})
    assert [problem.cart_id] == list(world.center.carts)
    assert monotonic() <= 100  # The store is tried until the deadline.

    world.store.faults.clear()
    await asyncio.sleep(LEASE)
    response = await world.order()
    assert world.center.operations() == ["create", "create", "checkout"]
    assert len(world.center.carts) == (1 if deduplicate else 2)
    assert world.center.bought == [response.body["cartId"]]


@in_virtual_time
async def test_a_call_that_lost_its_lease_in_between_does_not_buy() -> None:
    world = World()
    world.center.seconds = 30
    first = asyncio.create_task(problem_of(world.order()))
    await asyncio.sleep(10)
    world.clock.shift = LEASE
    world.center.seconds = 1
    second = await world.order()
    assert (await first).code == "operation_in_progress"
    assert world.center.bought == [second.body["cartId"]]
    assert world.center.operations() == ["create", "create", "checkout"]
