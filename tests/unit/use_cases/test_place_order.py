"""The use case "place an order" over a Partner Center of our own, in virtual time."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from cart_core.api.messages import Call
from cart_core.idempotency.decision import OperationId
from cart_core.partner_center.exchange import Reply
from cart_core.problem import Outcome, Problem
from tests.kit.builders import CUSTOMER, cart, line, places
from tests.kit.fakes import Fault, Killed, in_virtual_time, monotonic
from tests.kit.purchases import (
    BOUGHT,
    BROKEN,
    FAULTY,
    FOR_USER,
    FORBIDDEN,
    GONE,
    HOPELESS,
    KEYED,
    LEASE,
    LOST,
    NOTHING,
    PARTIAL,
    USER,
    Answer,
    Shop,
    lost,
    problem_of,
    refused,
    warnings,
)

UNSOLD = cart(line(catalogItemId=FAULTY))
IN_PART = cart(line(), line(catalogItemId=HOPELESS))
OTHER = cart(line(quantity=2))


# --- the common paths -------------------------------------------------------------------------


@in_virtual_time
async def test_an_order_is_a_cart_and_its_checkout() -> None:
    here = Shop()
    call = Call("correlation-1", monotonic())
    response = await here.order(headers=KEYED | FOR_USER | {"x-locale": "fr-FR"}, call=call)
    create, checkout = here.center.asked
    [cart_id] = here.center.carts
    assert (create.operation, checkout.operation) == ("create", "checkout")
    assert create.cart == cart(line(id=0))
    assert (checkout.cart_id, checkout.customer_user) == (cart_id, USER)
    assert create.request_id != checkout.request_id
    assert {asked.attempt.locale for asked in here.center.asked} == {"fr-FR"}
    assert {asked.attempt.correlation_id for asked in here.center.asked} == {"correlation-1"}
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
    assert (call.customer_id, call.cart_id, call.tries) == (CUSTOMER, cart_id, 2)


@in_virtual_time
async def test_what_is_remembered_of_it() -> None:
    here = Shop()
    here.center.seconds = 5
    response = await here.order(headers=KEYED | FOR_USER)
    create, checkout = here.center.asked
    claim, made, done = here.store.written
    ids = create.request_id, checkout.request_id
    assert here.names() == [OperationId("place_order", CUSTOMER, None, "order-17").record_name()]
    assert re.fullmatch("purchases/[0-9a-f]{64}", here.names()[0])
    for record, steps, state in (
        (claim, [False, False], "in_progress"),
        (made, [True, False], "in_progress"),
        (done, [True, True], "completed"),
    ):
        assert (record.operation, record.key, record.state) == ("place_order", "order-17", state)
        assert [(s.name, s.request_id, s.done) for s in record.steps] == [
            ("cart", ids[0], steps[0]),
            ("checkout", ids[1], steps[1]),
        ]
    assert claim.steps[0].result is None
    assert made.steps[0].result == {"cartId": response.body["cartId"]}
    assert done.answer
    assert done.answer.body == response.body
    text = b"".join(record.to_json() for record in here.store.written).decode()
    assert "megan" not in text
    assert "A:1:B" not in json.dumps([claim.model_dump(mode="json")])


@in_virtual_time
async def test_the_cart_is_written_down_before_it_is_checked_out() -> None:
    here = Shop()

    def look(true: Reply) -> Reply:
        [cart_id] = here.center.carts
        assert [step.done for step in here.record.steps] == [True, False]
        assert here.record.steps[0].result == {"cartId": cart_id}
        looks.append(cart_id)
        return true

    looks: list[str] = []
    here.center.script["checkout"] = [look]
    assert (await here.order()).body["status"] == "completed"
    assert here.store.calls == ["create", "replace", "replace"]
    assert len(looks) == 1


@pytest.mark.parametrize(("settings", "days"), [({}, 90), ({"CART_ORDER_RETENTION_DAYS": "8"}, 8)])
@in_virtual_time
async def test_how_long_it_is_remembered(settings: dict[str, str], days: int) -> None:
    here = Shop(**settings)
    begun = here.clock()
    await here.order()
    for record in here.store.written:
        assert record.expires_at.timestamp() == begun + timedelta(days=days).total_seconds()
    here.clock.shift = timedelta(days=days, seconds=-1).total_seconds()
    assert "Idempotent-Replayed" in (await here.order()).headers
    assert len(here.center.bought) == 1


@in_virtual_time
async def test_a_replay() -> None:
    here = Shop()
    first = await here.order()
    call = Call("correlation-2", monotonic())
    again = await here.order(call=call)
    assert again.body == first.body
    assert again.headers == first.headers | {
        "MS-CorrelationId": "correlation-2",
        "Idempotent-Replayed": "true",
    }
    assert (call.replayed, call.tries, call.cart_id) == (True, 0, first.body["cartId"])
    assert here.center.operations() == ["create", "checkout"]


@in_virtual_time
async def test_twins_buy_once() -> None:
    here = Shop()
    here.center.seconds = 5
    answers = await asyncio.gather(*(here.order() for _ in range(10)))
    assert here.center.operations() == ["create", "checkout"]
    assert len({json.dumps(answer.body) for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 9


@in_virtual_time
async def test_the_warnings_of_the_cart_are_told() -> None:
    response = await Shop().order(cart(line(termDuration="P2Y")))
    assert warnings(response) == ["unknown_term"]
    here = Shop()
    here.center.repeat_checkout = False
    here.center.script["checkout"] = [lost]
    response = await here.order(cart(line(termDuration="P2Y")))
    assert (response.body["status"], warnings(response)) == (
        "ordered",
        ["unknown_term", "orders_not_retrieved"],
    )


# --- what is not allowed, and what is wrong ---------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"document": {}}, id="cart"),
        pytest.param({"customer": "x"}, id="customer"),
        pytest.param({"headers": {}}, id="key"),
        pytest.param({"headers": {"content-type": "text/xml"}}, id="type"),
    ],
)
@in_virtual_time
async def test_without_permission_nothing_else_is_looked_at(wrong: dict[str, Any]) -> None:
    here = Shop(CART_ALLOW_CHECKOUT="false")
    problem = await problem_of(here.order(**wrong))
    assert (problem.code, problem.kind.status) == ("checkout_disabled", 403)
    assert (here.store.calls, here.center.asked) == ([], [])


@in_virtual_time
async def test_all_that_is_wrong_is_told_at_once() -> None:
    here = Shop()
    problem = await problem_of(
        here.order(cart(line(quantity=0)), {"x-ms-customeruser-upn": "nobody"}, customer="none")
    )
    assert problem.code == "invalid_request"
    assert places(problem) == {
        ("", "invalid_customer_id"),
        ("", "invalid_customer_user"),
        ("/lineItems/0/quantity", "out_of_range"),
    }
    assert (here.store.calls, here.center.asked) == ([], [])


@pytest.mark.parametrize("settings", [{}, {"CART_REQUIRE_IDEMPOTENCY_KEY": "false"}])
@in_virtual_time
async def test_a_key_is_required(settings: dict[str, str]) -> None:
    here = Shop(**settings)
    problem = await problem_of(here.order(headers={}))
    assert (problem.code, problem.kind.status) == ("idempotency_key_required", 400)
    assert problem.outcome is Outcome.NOT_SENT
    assert (here.store.calls, here.center.asked) == ([], [])


@in_virtual_time
async def test_a_key_that_is_none_is_refused() -> None:
    here = Shop()
    problem = await problem_of(here.order(headers={"idempotency-key": "a b"}))
    assert problem.code == "invalid_idempotency_key"
    assert here.center.asked == []


@pytest.mark.parametrize("headers", [{"idempotency-key": '"order-17"'}, {"webhook-id": "order-17"}])
@in_virtual_time
async def test_other_forms_of_the_key(headers: dict[str, str]) -> None:
    here = Shop()
    first = await here.order()
    assert (await here.order(headers=headers)).body == first.body
    assert len(here.center.bought) == 1


@pytest.mark.parametrize(
    ("settings", "forwarded"),
    [
        ({}, False),
        ({"CART_UNKNOWN_MEMBERS": "reject"}, False),
        ({"CART_UNKNOWN_MEMBERS": "forward"}, True),
    ],
)
@in_virtual_time
async def test_members_that_nobody_documents(settings: dict[str, str], forwarded: bool) -> None:
    here = Shop(**settings)
    document = cart(line(newMember=1))
    if forwarded:
        response = await here.order(document)
        assert warnings(response) == ["unknown_member"]
        [create] = here.center.told("create")
        assert create.cart
        assert create.cart["lineItems"][0]["newMember"] == 1
    else:
        problem = await problem_of(here.order(document))
        assert places(problem) == {("/lineItems/0/newMember", "unknown_member")}
        assert (here.store.calls, here.center.asked) == ([], [])


@in_virtual_time
async def test_more_than_may_be_bought() -> None:
    here = Shop(CART_MAX_QUANTITY="1")
    assert places(await problem_of(here.order(OTHER))) == {
        ("/lineItems/0/quantity", "out_of_range")
    }


# --- what belongs to a key --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "headers"),
    [(OTHER, KEYED), (None, KEYED | FOR_USER)],
    ids=["cart", "customer-user"],
)
@pytest.mark.parametrize(
    ("operation", "end", "state"),
    [
        ("checkout", BOUGHT, "completed"),
        ("checkout", PARTIAL, "open"),
        ("checkout", FORBIDDEN, "open"),
        ("checkout", NOTHING, "open"),
        ("checkout", Killed(), "in_progress"),
        ("create", Killed(), "in_progress"),
        ("create", ValueError(), "unknown"),
    ],
    ids=["bought", "part", "refused", "nothing", "killed", "killed-early", "unknown"],
)
@in_virtual_time
async def test_a_changed_order_needs_a_new_key(
    operation: str,
    end: Answer,
    state: str,
    document: dict[str, Any] | None,
    headers: dict[str, str],
) -> None:
    here = Shop()
    here.center.script[operation] = [end]
    try:
        await here.order()
    except (Problem, Killed, ValueError):
        assert end is not BOUGHT
    assert here.record.state == state
    asked = len(here.center.asked)
    problem = await problem_of(here.order(document, headers))
    assert (problem.code, problem.kind.status) == ("idempotency_key_reused", 422)
    assert len(here.center.asked) == asked

    response = await here.order(document, headers | {"idempotency-key": "order-18"})
    assert response.body["status"] == "completed"
    assert "create" in here.center.operations()[asked:]


@in_virtual_time
async def test_a_cart_that_was_refused_may_be_corrected_under_its_key() -> None:
    here = Shop()
    here.center.script["create"] = [refused(400)]
    problem = await problem_of(here.order())
    assert (problem.code, problem.outcome) == ("partner_center_invalid_request", Outcome.REJECTED)
    assert here.record.state == "released"
    assert (await here.order(OTHER)).body["status"] == "completed"
    assert len({asked.request_id for asked in here.center.told("create")}) == 2


@in_virtual_time
async def test_another_spelling_is_the_same_order() -> None:
    here = Shop()
    await here.order()
    spelt = {"LineItems": [{name.upper(): value for name, value in line().items()}]}
    assert "Idempotent-Replayed" in (await here.order(spelt)).headers


@in_virtual_time
async def test_a_key_belongs_to_a_customer_and_to_a_known_caller() -> None:
    here = Shop(WEBSITE_AUTH_ENABLED="True")
    one = KEYED | {"x-ms-client-principal-id": "one"}
    two = KEYED | {"x-ms-client-principal-id": "two"}
    answers = [
        await here.order(headers=one),
        await here.order(headers=two),
        await here.order(headers=one, customer=CUSTOMER.replace("d", "e")),
    ]
    assert len({answer.body["cartId"] for answer in answers}) == 3
    assert (await here.order(headers=one, customer=CUSTOMER.upper())).body == answers[0].body
    assert len(here.center.bought) == 3


@in_virtual_time
async def test_an_order_is_no_cart_and_no_checkout() -> None:
    here = Shop()
    first = await here.order()
    second = await here.check_out(first.body["cartId"], KEYED)
    assert "Idempotent-Replayed" not in second.headers
    assert second.body == first.body
    assert len(here.names()) == 2
    assert len(here.center.bought) == 1


# --- a cart that cannot be ordered ------------------------------------------------------------


@in_virtual_time
async def test_a_cart_that_cannot_be_ordered_is_told_and_not_checked_out() -> None:
    here = Shop()
    call = Call("correlation-1", monotonic())
    problem = await problem_of(here.order(UNSOLD, call=call))
    [cart_id] = here.center.carts
    assert (problem.code, problem.kind.status) == ("cart_not_orderable", 422)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.REJECTED, False)
    assert problem.cart
    assert (problem.cart["id"], problem.cart["orderable"]) == (cart_id, False)
    assert problem.cart["lineItems"][0]["error"]["code"] == "10002"
    assert problem.cart["links"]["self"].endswith(cart_id)
    assert here.center.operations() == ["create"]
    assert call.cart_id == cart_id
    assert (here.record.state, here.record.epoch) == ("open", 1)
    assert here.record.steps[0].result == {"cartId": cart_id}


@in_virtual_time
async def test_the_same_cart_is_bought_under_the_same_key_once_it_was_changed() -> None:
    here = Shop()
    await problem_of(here.order(UNSOLD))
    [cart_id] = here.center.carts
    problem = await problem_of(here.order(UNSOLD))  # nothing has changed
    assert problem.code == "cart_not_orderable"
    assert here.center.operations() == ["create", "get"]

    assert (await here.put(cart_id, cart())).body["orderable"] is True
    response = await here.order(UNSOLD)
    assert (response.body["cartId"], response.body["status"]) == (cart_id, "completed")
    assert here.center.bought == [cart_id]
    assert here.center.operations() == ["create", "get", "update", "get", "checkout"]
    again = await here.order(UNSOLD)
    assert (again.body, again.headers["Idempotent-Replayed"]) == (response.body, "true")


@in_virtual_time
async def test_a_changed_request_does_not_change_the_cart() -> None:
    here = Shop()
    await problem_of(here.order(UNSOLD))
    problem = await problem_of(here.order(cart()))
    assert problem.code == "idempotency_key_reused"
    response = await here.order(cart(), {"idempotency-key": "order-18"})
    assert response.body["status"] == "completed"
    assert len(here.center.told("create")) == 2
    assert here.center.bought == [response.body["cartId"]]


@in_virtual_time
async def test_a_cart_that_has_gone_since() -> None:
    here = Shop()
    await problem_of(here.order(UNSOLD))
    here.center.owners.clear()
    for _ in range(2):
        problem = await problem_of(here.order(UNSOLD))
        assert (problem.code, problem.outcome) == ("partner_center_not_found", Outcome.REJECTED)
    assert here.center.operations() == ["create", "get", "get"]


# --- what is not over yet ---------------------------------------------------------------------


@in_virtual_time
async def test_a_part_is_not_all() -> None:
    here = Shop()
    first = await here.order(IN_PART)
    cart_id = first.body["cartId"]
    assert (first.status, first.body["status"]) == (201, "partial")
    assert len(first.body["orders"]) == len(first.body["orderErrors"]) == 1
    assert here.record.state == "open"
    assert here.record.answer
    assert here.record.answer.body == first.body

    second = await here.order(IN_PART)
    assert second.body == first.body
    assert "Idempotent-Replayed" not in second.headers

    here.center.carts[cart_id]["lineItems"][1]["catalogItemId"] = "A:1:B"
    third = await here.order(IN_PART)
    assert (third.body["status"], len(third.body["orders"])) == ("completed", 2)
    assert here.center.operations() == ["create", "checkout", *["get", "checkout"] * 2]
    assert len({asked.request_id for asked in here.center.told("checkout")}) == 3
    assert (await here.order(IN_PART)).headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("answer", "code"),
    [(FORBIDDEN, "partner_center_forbidden"), (NOTHING, "checkout_failed")],
    ids=["forbidden", "nothing"],
)
@in_virtual_time
async def test_a_refused_checkout_is_tried_again_with_the_same_cart(
    answer: Answer, code: str
) -> None:
    here = Shop()
    here.center.script["checkout"] = [answer]
    problem = await problem_of(here.order())
    assert (problem.code, problem.outcome, here.record.state) == (code, Outcome.REJECTED, "open")
    [cart_id] = here.center.carts
    assert (await here.order()).body["cartId"] == cart_id
    looked = ["get"] if answer is NOTHING else []
    assert here.center.operations() == ["create", "checkout", *looked, "get", "checkout"]
    first, second = here.center.told("checkout")
    assert first.request_id != second.request_id


@in_virtual_time
async def test_a_checkout_whose_answer_is_lost_is_found_again() -> None:
    here = Shop()
    here.center.repeat_checkout = False
    here.center.script["checkout"] = [lost]
    here.center.script["get"] = [BROKEN] * 5
    problem = await problem_of(here.order())
    assert (problem.outcome, here.record.state) == (Outcome.UNKNOWN, "unknown")
    response = await here.order()
    [cart_id] = here.center.carts
    assert (response.body["cartId"], response.body["status"]) == (cart_id, "ordered")
    assert here.center.bought == [cart_id]
    assert len(here.center.told("create")) == 1
    assert len({asked.request_id for asked in here.center.told("checkout")}) == 1


@pytest.mark.parametrize("deduplicate", [True, False])
@in_virtual_time
async def test_a_cart_whose_answer_is_lost_is_made_again_and_one_is_bought(
    deduplicate: bool,
) -> None:
    here = Shop()
    here.center.deduplicate = deduplicate
    here.center.script["create"] = [lost] * 5
    problem = await problem_of(here.order())
    assert (problem.outcome, here.record.state) == (Outcome.UNKNOWN, "unknown")
    assert not here.record.steps[0].done
    response = await here.order()
    assert len(here.center.carts) == (1 if deduplicate else 6)
    assert here.center.bought == [response.body["cartId"]]
    assert len({asked.request_id for asked in here.center.told("create")}) == 1


@in_virtual_time
async def test_a_refusal_after_a_cart_whose_answer_was_lost_settles_nothing() -> None:
    here = Shop()
    here.center.script["create"] = [lost, *[BROKEN] * 4, FORBIDDEN]
    for _ in range(2):
        problem = await problem_of(here.order())
        assert (problem.outcome, problem.kind.status) == (Outcome.UNKNOWN, 502)
    assert (await here.order()).body["status"] == "completed"
    assert len(here.center.carts) == 1


@in_virtual_time
async def test_the_deadline_may_end_between_cart_and_checkout() -> None:
    here = Shop(CART_DEADLINE_SECONDS="20")
    here.center.seconds = 19.9
    call = Call("correlation-1", monotonic())
    here.tokens.seconds = 0.1
    problem = await problem_of(here.order(call=call))
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert (here.center.operations(), here.record.state) == (["create"], "open")
    here.center.seconds = here.tokens.seconds = 0
    response = await here.order()
    assert response.body["status"] == "completed"
    assert here.center.operations() == ["create", "get", "checkout"]


# --- the store, and the end of processes ------------------------------------------------------


@in_virtual_time
async def test_without_the_store_nothing_is_sent() -> None:
    here = Shop()
    here.store.fails("create", "down")
    problem = await problem_of(here.order())
    assert (problem.code, problem.outcome) == ("store_unavailable", Outcome.UNKNOWN)
    assert here.center.asked == []


@pytest.mark.parametrize("deduplicate", [True, False])
@in_virtual_time
async def test_what_cannot_be_written_down_is_not_bought(deduplicate: bool) -> None:
    here = Shop()
    here.center.deduplicate = deduplicate
    here.store.fails("replace", "down", times=1000)
    problem = await problem_of(here.order())
    assert (problem.code, problem.kind.status) == ("store_unavailable", 503)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.UNKNOWN, True)
    assert here.center.operations() == ["create"]
    assert monotonic() <= 100  # it is tried for as long as there is time

    here.store.faults.clear()
    await asyncio.sleep(LEASE)
    response = await here.order()
    assert here.center.operations() == ["create", "create", "checkout"]
    assert len({asked.request_id for asked in here.center.told("create")}) == 1
    assert len(here.center.carts) == (1 if deduplicate else 2)
    assert here.center.bought == [response.body["cartId"]]


@pytest.mark.parametrize("fault", ["down", "lost", "met itself"])
@in_virtual_time
async def test_a_write_in_between_that_fails_once_is_made_again(fault: Fault) -> None:
    here = Shop()
    here.store.fails("replace", fault)
    response = await here.order()
    assert (response.body["status"], warnings(response)) == ("completed", [])
    assert here.center.operations() == ["create", "checkout"]
    assert (await here.order()).headers["Idempotent-Replayed"] == "true"


@in_virtual_time
async def test_whoever_has_lost_its_lease_in_between_does_not_buy() -> None:
    here = Shop()
    here.center.seconds = 30
    first = asyncio.create_task(problem_of(here.order()))
    await asyncio.sleep(10)
    here.clock.shift = LEASE
    here.center.seconds = 1
    second = await here.order()
    assert (await first).code == "operation_in_progress"
    assert here.center.bought == [second.body["cartId"]]
    assert here.center.operations() == ["create", "create", "checkout"]


@pytest.mark.parametrize("repeat_checkout", [True, False])
@in_virtual_time
async def test_an_order_that_could_not_be_recorded(repeat_checkout: bool) -> None:
    here = Shop()
    here.center.repeat_checkout = repeat_checkout
    here.store.fails("replace", "", *["down"] * 1000)  # type: ignore[arg-type]
    first = await here.order()
    assert (first.body["status"], warnings(first)) == ("completed", ["not_recorded"])
    here.store.faults.clear()
    await asyncio.sleep(LEASE)
    second = await here.order()
    assert second.body["cartId"] == first.body["cartId"]
    assert second.body["status"] == ("completed" if repeat_checkout else "ordered")
    assert here.center.operations() == ["create", "checkout", "get", "checkout"]
    assert here.center.bought == [first.body["cartId"]]


POINTS: dict[str, tuple[str, list[Any]]] = {
    "before the claim": ("store.create", ["killed before"]),
    "after the claim": ("store.create", ["killed after"]),
    "before the cart": ("create", [Killed()]),
    "when the cart is made": ("create", ["after"]),
    "before the cart is written down": ("store.replace", ["killed before"]),
    "when the cart is written down": ("store.replace", ["killed after"]),
    "before the checkout": ("checkout", [Killed()]),
    "when it is checked out": ("checkout", ["after"]),
    "before the end is written down": ("store.replace", ["", "killed before"]),
    "when the end is written down": ("store.replace", ["", "killed after"]),
}


@pytest.mark.parametrize("repeat_checkout", [True, False], ids=["repeat", "no-repeat"])
@pytest.mark.parametrize("deduplicate", [True, False], ids=["dedupe", "no-dedupe"])
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
@in_virtual_time
async def test_killed_anywhere_one_cart_is_bought_once(
    point: tuple[str, list[Any]], deduplicate: bool, repeat_checkout: bool
) -> None:
    here = Shop()
    here.center.deduplicate, here.center.repeat_checkout = deduplicate, repeat_checkout
    where, what = point
    if where.startswith("store."):
        here.store.fails(where.removeprefix("store."), *what)
    else:
        here.center.script[where] = [_killed if end == "after" else end for end in what]
    with pytest.raises(Killed):
        await here.order()

    await asyncio.sleep(LEASE)
    response = await here.order()

    assert response.body["status"] in ("completed", "completed" if repeat_checkout else "ordered")
    assert here.center.bought == [response.body["cartId"]]
    unsure = (where == "create" and what == ["after"]) or what == ["killed before"]
    twice = unsure and where != "store.create" and not deduplicate
    assert len(here.center.carts) == (2 if twice else 1)
    replayed = await here.order()
    assert (replayed.body, replayed.headers["Idempotent-Replayed"]) == (response.body, "true")


@in_virtual_time
async def test_a_cart_that_was_in_doubt_leaves_no_doubt_in_its_checkout() -> None:
    here = Shop()
    here.center.script["create"] = [Killed()]
    with pytest.raises(Killed):
        await here.order()
    await asyncio.sleep(LEASE)
    here.center.script["checkout"] = [FORBIDDEN]
    problem = await problem_of(here.order())
    assert (problem.code, problem.outcome) == ("partner_center_forbidden", Outcome.REJECTED)
    assert here.center.operations() == ["create", "create", "checkout"]


@pytest.mark.parametrize("answer", [GONE, LOST], ids=["gone", "lost"])
@in_virtual_time
async def test_a_resumed_checkout_is_never_refused_for_certain_without_a_look(
    answer: Answer,
) -> None:
    here = Shop()
    here.center.script["checkout"] = [_killed]
    with pytest.raises(Killed):
        await here.order()
    await asyncio.sleep(LEASE)
    here.center.script["get"] = [answer] * 5
    problem = await problem_of(here.order())
    assert (problem.outcome, problem.kind.status) == (Outcome.UNKNOWN, 502)
    assert here.record.state == "unknown"
    assert len(here.center.told("checkout")) == 1


def _killed(_: Reply) -> Reply:
    raise Killed


@in_virtual_time
async def test_no_member_of_the_cart_stands_in_for_the_customer_user() -> None:
    here = Shop(CART_UNKNOWN_MEMBERS="forward")
    document = cart() | {"customerUser": USER}
    await here.order(document, KEYED)
    problem = await problem_of(here.order(document, KEYED | FOR_USER))
    assert problem.code == "idempotency_key_reused"
