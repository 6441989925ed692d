"""Creating a cart: once for each idempotency key, and without a key as often as it is asked for."""

import asyncio
from typing import Any

import pytest

from cart_core.api.messages import Invocation
from cart_core.problem import Outcome
from tests.kit.builders import CART_ID, CUSTOMER, SEED_REQUEST, SEED_RESPONSE, cart, line
from tests.kit.fakes import in_virtual_time, monotonic
from tests.kit.partner_center import LOST, Answer, lost, refused, reply
from tests.kit.world import KEYED, World, problem_of, warnings

REFUSED = refused(400)


def request_ids(world: World) -> list[str]:
    """The MS-RequestId of each request."""
    return [asked.request_id for asked in world.center.asked]


@in_virtual_time
async def test_a_cart_is_created_and_comes_back_normalised() -> None:
    world = World(reply(201, SEED_RESPONSE))
    call = Invocation("correlation-1", monotonic())
    response = await world.create(SEED_REQUEST, KEYED, call=call)
    [asked] = world.center.asked
    assert asked.operation == "create"
    assert asked.cart
    assert asked.cart["lineItems"][0]["catalogItemId"] == "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"
    assert (asked.attempt.token, asked.attempt.timeout) == ("token-1", 60)
    assert response.status == 201
    assert (response.body["id"], response.body["customerId"]) == (CART_ID, CUSTOMER)
    assert response.headers == {
        "Location": f"/api/customers/{CUSTOMER}/carts/{CART_ID}",
        "MS-RequestId": asked.request_id,
        "MS-CorrelationId": "correlation-1",
        "MS-CV": "cv-201",
    }
    assert (warnings(response), call.cart_id) == ([], CART_ID)


# --- With a key and without -------------------------------------------------------------------


@in_virtual_time
async def test_without_a_key_each_call_makes_a_cart_and_warns_of_it() -> None:
    world = World()
    first, second = await world.create(), await world.create()
    assert warnings(first) == warnings(second) == ["not_idempotent"]
    assert len(set(request_ids(world))) == len(world.center.carts) == 2
    assert world.store.calls == []
    assert "Idempotent-Replayed" not in second.headers


@in_virtual_time
async def test_a_key_can_be_made_a_duty() -> None:
    world = World(CART_REQUIRE_IDEMPOTENCY_KEY="true")
    problem = await problem_of(world.create())
    assert (problem.code, problem.kind.status) == ("idempotency_key_required", 400)
    assert world.center.asked == []
    assert (await world.create(headers={"webhook-id": "msg_1"})).status == 201


@pytest.mark.parametrize("rule", ["", "forward", "reject"])
@in_virtual_time
async def test_an_unknown_member_is_sent_on_unless_a_setting_says_no(rule: str) -> None:
    world = World(CART_UNKNOWN_MEMBERS=rule)
    if rule == "reject":
        problem = await problem_of(world.create(cart(zone=1)))
        assert [error.code for error in problem.errors] == ["unknown_member"]
        assert world.center.asked == []
        return
    assert warnings(await world.create(cart(zone=1), KEYED)) == ["unknown_member"]
    assert world.center.asked[0].cart == cart(line(id=0), zone=1)


# --- Repeated ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_repeated_call_gets_the_stored_answer_with_its_own_correlation_id() -> None:
    world = World(CART_ORDER_RETENTION_DAYS="365")
    end = world.clock() + 7 * 24 * 3600
    document = cart(newMember=1)
    first = await world.create(document, KEYED)
    call = Invocation("correlation-2", monotonic())
    second = await world.create(document, KEYED, call=call)
    assert len(world.center.asked) == 1
    assert (second.status, second.body) == (first.status, first.body)
    assert warnings(second) == ["unknown_member"]
    assert second.headers == first.headers | {
        "MS-CorrelationId": "correlation-2",
        "Idempotent-Replayed": "true",
    }
    assert (call.replayed, call.cart_id) == (True, first.body["id"])
    record = world.record
    assert record.answer
    assert record.answer.headers == {
        name: value for name, value in first.headers.items() if name != "MS-CorrelationId"
    }
    assert record.correlation_id == "correlation-1"
    assert record.expires_at.timestamp() == end  # As long as Partner Center keeps the cart.
    assert [name.partition("/")[0] for name in world.record_names()] == ["carts"]


@pytest.mark.parametrize(
    ("document", "headers", "customer"),
    [
        (None, {"idempotency-key": '"order-17"'}, CUSTOMER),
        (None, {"webhook-id": "order-17", "x-locale": "fr-FR"}, CUSTOMER),
        (None, KEYED | {"ms-correlationid": CUSTOMER, "x-ms-client-principal-id": "b"}, CUSTOMER),
        (None, KEYED, CUSTOMER.upper()),
        ({"LineItems": [{name.upper(): x for name, x in line().items()}]}, KEYED, CUSTOMER),
    ],
    ids=["quoted-key", "webhook-id", "other-headers", "upper-case-customer", "other-spelling"],
)
@in_virtual_time
async def test_what_makes_no_other_request(
    document: Any, headers: dict[str, str], customer: str
) -> None:
    world = World()
    await world.create(headers=KEYED | {"x-ms-client-principal-id": "a"})
    again = await world.create(document, headers, customer=customer)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert world.record.caller_id is None  # Nobody signs callers in, so the header proves nothing.


@pytest.mark.parametrize("other", [cart(line(quantity=2)), cart(newMember=1)])
@in_virtual_time
async def test_a_key_belongs_to_its_cart(other: Any) -> None:
    world = World()
    await world.create(headers=KEYED)
    problem = await problem_of(world.create(other, KEYED))
    assert (problem.code, problem.kind.status) == ("idempotency_key_reused", 422)
    assert len(world.center.asked) == 1


@in_virtual_time
async def test_a_call_waits_for_another_with_its_key_as_long_as_the_setting_says() -> None:
    world = World(CART_INFLIGHT_WAIT_SECONDS="2")
    world.center.seconds = 1
    first, second = await asyncio.gather(world.create(headers=KEYED), world.create(headers=KEYED))
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.body == second.body
    world.center.seconds = 30
    other = {"idempotency-key": "order-18"}
    task = asyncio.create_task(world.create(headers=other))
    await asyncio.sleep(0)
    began = monotonic()
    assert (await problem_of(world.create(headers=other))).code == "operation_in_progress"
    assert monotonic() - began == 2
    assert (await task).status == 201


# --- Refused, or unknown ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "code", "outcome", "state"),
    [
        ([REFUSED], "partner_center_invalid_request", "rejected", "released"),
        ([refused(500)], "partner_center_failed", "unknown", "unknown"),
        ([LOST] * 5, "partner_center_no_answer", "unknown", "unknown"),
    ],
    ids=["refused", "failed", "lost"],
)
@in_virtual_time
async def test_the_outcome_decides_under_which_request_id_a_cart_is_created_again(
    answers: list[Answer], code: str, outcome: str, state: str
) -> None:
    world = World(*answers)
    problem = await problem_of(world.create(headers=KEYED))
    assert (problem.code, problem.outcome, world.record.state) == (code, outcome, state)
    response = await world.create(headers=KEYED)
    assert "Idempotent-Replayed" not in response.headers
    assert len(set(request_ids(world))) == (1 if state == "unknown" else 2)


@in_virtual_time
async def test_a_refusal_after_a_lost_answer_settles_nothing() -> None:
    world = World(*[lost] * 5, REFUSED)
    for _ in range(2):
        problem = await problem_of(world.create(headers=KEYED))
        assert (problem.code, problem.outcome) == ("partner_center_no_answer", Outcome.UNKNOWN)
    assert (await world.create(headers=KEYED)).status == 201
    assert len(set(request_ids(world))) == len(world.center.carts) == 1
