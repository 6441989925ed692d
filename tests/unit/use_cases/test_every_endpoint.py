"""What holds for every endpoint that leads to Partner Center, from its request to its response."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from cart_core.api.messages import Invocation, Response
from cart_core.cart.answer import normalise_cart
from cart_core.idempotency.plan import LONGEST_REQUEST
from cart_core.partner_center.exchange import Reply
from cart_core.problem import Outcome
from tests.kit.builders import CART_ID, CUSTOMER, SEED_REQUEST, SEED_RESPONSE, cart, line, places
from tests.kit.fakes import in_virtual_time, monotonic
from tests.kit.partner_center import (
    ACTIVE,
    BOUGHT,
    BROKEN,
    FORBIDDEN,
    Answer,
    cart_document,
    lost,
    reply,
)
from tests.kit.signals import collected
from tests.kit.world import KEYED, World, problem_of, warnings

# A member that Partner Center may add to a cart does not get into the place of the cart's id.
SAVED: Final = reply(201, cart_document() | {"cartId": 5})
SEED_ITEM = SEED_REQUEST["LineItems"][0]["CatalogItemId"]
Call = Callable[..., Awaitable[Response]]

ENDPOINTS: dict[str, tuple[Call, Answer]] = {
    "create_cart": (World.create, SAVED),
    "get_cart": (World.get, ACTIVE),
    "update_cart": (World.put, SAVED),
    "checkout_cart": (World.check_out, BOUGHT),
    "place_order": (World.order, BOUGHT),
}
"""How each is called, and what Partner Center answers to its last request if all goes well."""

EVERY = pytest.mark.parametrize(("call", "good"), ENDPOINTS.values(), ids=ENDPOINTS)
BY_KEY = pytest.mark.parametrize("call", [World.create, World.order])
ONCE = pytest.mark.parametrize("call", [World.create, World.check_out, World.order])


def world_for(call: Call, *answers: Answer, **settings: str) -> World:
    """A world with a cart, in which the last request of a call is answered like this."""
    world = World(**settings)
    world.center.add()
    operations = {World.create: "create", World.get: "get", World.put: "update"}
    world.center.script[operations.get(call, "checkout")] = list(answers)
    return world


@EVERY
@in_virtual_time
async def test_the_ids_of_a_call_go_to_partner_center_and_come_back(
    call: Call, good: Answer
) -> None:
    world = world_for(call, good)
    invocation = Invocation("correlation-1", monotonic())
    response = await call(
        world, headers=KEYED | {"x-locale": "fr-FR"}, customer=CUSTOMER.upper(), call=invocation
    )
    # A checkout has an id of its own, by which Partner Center's records of it are found.
    others = [asked for asked in world.center.asked if asked.operation != "checkout"]
    assert {asked.call.correlation_id for asked in others} <= {"correlation-1"}
    assert {asked.call.locale for asked in world.center.asked} == {"fr-FR"}
    assert {asked.customer_id for asked in world.center.asked} == {CUSTOMER}
    last = world.center.asked[-1]
    bought = call in (World.check_out, World.order)
    cart_id = response.body["cartId" if bought else "id"]
    location = {"Location": f"/api/customers/{CUSTOMER}/carts/{cart_id}"}
    assert response.headers == {
        "MS-CorrelationId": "correlation-1",
        "MS-RequestId": last.request_id,
        "MS-CV": "cv-200" if call is World.get else "cv-201",
        **(location if call is World.create else {}),
    }
    assert response.status == (200 if call in (World.get, World.put) else 201)
    assert (invocation.customer_id, invocation.cart_id) == (CUSTOMER, cart_id)
    assert (invocation.replayed, response.body["customerId"]) == (False, CUSTOMER)
    assert invocation.sent.request_id == last.request_id
    assert invocation.sent.may_have_effect is (call is not World.get)


@pytest.mark.parametrize(
    ("call", "document", "status", "operation"),
    [
        (World.create, SEED_REQUEST, 201, "create"),
        (World.get, None, 200, "get"),
        *((World.put, SEED_REQUEST, status, "update") for status in (200, 201)),
    ],
)
@in_virtual_time
async def test_a_cart_is_sent_under_its_ids_and_comes_back_normalised(
    call: Call, document: Any, status: int, operation: str
) -> None:
    world = World(reply(200, SEED_RESPONSE))
    world.center.script[operation] = [reply(status, SEED_RESPONSE)]
    more = {"document": document} if document else {}
    response = await call(world, headers=KEYED, **more)
    assert response.body == normalise_cart(SEED_RESPONSE, CUSTOMER)
    asked = world.center.asked[-1]
    assert world.center.operations() == (["get", "update"] if call is World.put else [operation])
    cart_id = None if call is World.create else CART_ID
    assert (asked.operation, asked.customer_id, asked.cart_id) == (operation, CUSTOMER, cart_id)
    assert (asked.attempt.token, asked.attempt.timeout) == ("token-1", 60)
    sent = dict(asked.cart or {"lineItems": [line(catalogItemId=SEED_ITEM)]})
    assert sent.pop("lineItems")[0]["catalogItemId"] == SEED_ITEM
    assert sent == ({"id": CART_ID} if call is World.put else {})


@in_virtual_time
async def test_to_read_a_cart_takes_no_body_and_none_of_these_headers() -> None:
    world = World(ACTIVE)
    headers = {"content-type": "text/plain", "content-encoding": "gzip", "idempotency-key": "a b"}
    response = await world.get(headers | {"x-ms-customeruser-upn": "nobody"}, b"\xff" * 1_000_000)
    assert response.status == 200


QUANTITY = ("/lineItems/0/quantity", "out_of_range")
USER, OF_CART = ("", "invalid_customer_user"), ("", "invalid_cart_id")


@pytest.mark.parametrize(
    ("call", "request_", "errors"),
    [
        (World.create, {"document": cart(line(quantity=6))}, {QUANTITY}),
        (World.order, {"document": cart(line(quantity=6))}, {QUANTITY, USER}),
        (World.get, {"cart_id": "last"}, {OF_CART}),
        (
            World.check_out,
            {"cart_id": "last", "body": b"[]"},
            {OF_CART, USER, ("", "unexpected_body")},
        ),
        (
            World.put,
            {"cart_id": "last", "document": cart(line(quantity=6), id="x", customerId="x")},
            {OF_CART, QUANTITY, ("/id", "cart_mismatch"), ("/customerId", "customer_mismatch")},
        ),
    ],
)
@in_virtual_time
async def test_everything_wrong_is_reported_at_once_and_nothing_is_done(
    call: Call, request_: dict[str, Any], errors: set[tuple[str, str]]
) -> None:
    world = World(CART_MAX_QUANTITY="5")
    invocation = Invocation("correlation-1", monotonic())
    headers = {"x-ms-customeruser-upn": "nobody"}
    problem = await problem_of(
        call(world, headers=headers, customer="me", call=invocation, **request_)
    )
    assert (problem.code, places(problem)) == (
        "invalid_request",
        errors | {("", "invalid_customer_id")},
    )
    assert len(problem.errors) == len(errors) + 1
    assert (world.store.calls, world.center.asked) == ([], [])
    assert (invocation.customer_id, invocation.cart_id) == (None, None)
    assert invocation.sent.request_id is None


@EVERY
@in_virtual_time
async def test_nulls_are_left_out_of_the_answer_for_who_prefers_that(
    call: Call, good: Answer
) -> None:
    world = world_for(call, good, good)
    without = await call(world, headers=KEYED | {"prefer": "return=minimal,omit-values=nulls"})
    whole = await call(world, headers=KEYED | {"prefer": "return=minimal"})

    assert without.headers["Preference-Applied"] == "omit-values=nulls"
    assert "Preference-Applied" not in whole.headers
    # Under a key this is the stored answer.
    assert ": None" in repr(whole.body)
    assert without.body == json.loads(
        json.dumps(whole.body),
        object_hook=lambda each: {name: each[name] for name in each if each[name] is not None},
    )


@EVERY
@in_virtual_time
async def test_two_correlation_ids_are_refused(call: Call, good: Answer) -> None:
    world = world_for(call, good)
    headers = KEYED | {"ms-correlationid": f"{CUSTOMER},{CUSTOMER}"}
    problem = await problem_of(call(world, headers=headers))
    assert places(problem) == {("", "repeated_header")}
    assert (world.store.calls, world.center.asked) == ([], [])


@pytest.mark.parametrize(
    ("call", "setting", "sent"),
    [
        *((World.create, setting, setting != "reject") for setting in ("", "forward", "reject")),
        *((World.order, setting, setting == "forward") for setting in ("", "forward", "reject")),
    ],
)
@in_virtual_time
async def test_an_unknown_member_is_not_bought_unless_a_setting_says_so(
    call: Call, setting: str, sent: bool
) -> None:
    world = World(CART_UNKNOWN_MEMBERS=setting)
    document = cart(line(newMember=1))
    if sent:
        assert warnings(await call(world, document, KEYED)) == ["unknown_member"]
        assert world.center.asked[0].cart == cart(line(id=0, newMember=1))
    else:
        problem = await problem_of(call(world, document, KEYED))
        assert places(problem) == {("/lineItems/0/newMember", "unknown_member")}
        assert (world.store.calls, world.center.asked) == ([], [])


@EVERY
@in_virtual_time
async def test_the_deadline_runs_from_the_arrival(call: Call, good: Answer) -> None:
    world = world_for(call, good, CART_DEADLINE_SECONDS="20", CART_LEASE_MARGIN_SECONDS="7")
    invocation = Invocation("correlation-1", monotonic())
    await asyncio.sleep(18.5)  # The worker was busy.
    lease_end = world.clock() + 1.5 + 7
    await call(world, headers=KEYED, call=invocation)
    assert world.center.asked[-1].attempt.timeout == 1.5
    assert set(world.store.lease_ends) <= {lease_end}


@BY_KEY
@in_virtual_time
async def test_a_key_belongs_to_a_customer_whoever_calls(call: Call) -> None:
    world = World()
    first = await call(world, headers=KEYED | {"x-caller": "one"})
    assert world.record.caller_id == "one"
    for caller in ("two", ""):
        again = await call(world, headers=KEYED | {"x-caller": caller})
        assert again.headers["Idempotent-Replayed"] == "true"
    assert len(world.center.carts) == 1
    await call(world, headers=KEYED, customer=CUSTOMER.replace("d", "e"))
    assert len(world.center.carts) == 2
    assert (await call(world, headers=KEYED, customer=CUSTOMER.upper())).body == first.body


@ONCE
@in_virtual_time
async def test_a_repeated_call_gets_the_stored_answer_with_its_own_correlation_id(
    call: Call,
) -> None:
    world = world_for(call)
    first = await call(world, headers=KEYED)
    asked = len(world.center.asked)
    invocation = Invocation("correlation-2", monotonic())
    again = await call(world, headers=KEYED, call=invocation)
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers == first.headers | {
        "MS-CorrelationId": "correlation-2",
        "Idempotent-Replayed": "true",
    }
    cart_id = world.center.asked[-1].cart_id or first.body["id"]
    assert (invocation.replayed, invocation.cart_id) == (True, cart_id)
    assert (invocation.sent.tries, len(world.center.asked)) == (0, asked)
    assert world.record.correlation_id == "correlation-1"
    assert world.record.answer
    assert world.record.answer.body == first.body
    ours = {name: first.headers[name] for name in first.headers if name != "MS-CorrelationId"}
    assert world.record.answer.headers == ours


@pytest.mark.parametrize(
    ("call", "settings", "days", "folder"),
    [
        (World.create, {"CART_ORDER_RETENTION_DAYS": "8"}, 7, "carts"),  # As Partner Center does.
        *((call, {}, 90, "purchases") for call in (World.check_out, World.order)),
        *(
            (call, {"CART_ORDER_RETENTION_DAYS": "8"}, 8, "purchases")
            for call in (World.check_out, World.order)
        ),
    ],
)
@in_virtual_time
async def test_an_answer_is_remembered_for_as_long_as_the_setting_says(
    call: Call, settings: dict[str, str], days: int, folder: str
) -> None:
    world = world_for(call, **settings)
    end = world.clock() + timedelta(days=days).total_seconds()
    await call(world, headers=KEYED)
    assert {record.expires_at.timestamp() for record in world.store.written} == {end}
    assert world.record_names()[0].partition("/")[0] == folder
    world.clock.shift = timedelta(days=days, seconds=-1).total_seconds()
    assert "Idempotent-Replayed" in (await call(world, headers=KEYED)).headers


@BY_KEY
@pytest.mark.parametrize("other", [cart(line(quantity=2)), cart(newMember=1)])
@in_virtual_time
async def test_a_key_belongs_to_its_content(call: Call, other: Any) -> None:
    world = World(CART_UNKNOWN_MEMBERS="forward")
    await call(world, headers=KEYED)
    asked = len(world.center.asked)
    problem = await problem_of(call(world, other, KEYED))
    assert (problem.code, problem.kind.status) == ("idempotency_key_reused", 422)
    assert len(world.center.asked) == asked
    response = await call(world, other, {"idempotency-key": "order-18"})
    assert "Idempotent-Replayed" not in response.headers


@BY_KEY
@in_virtual_time
async def test_a_refusal_after_a_cart_whose_answer_was_lost_settles_nothing(call: Call) -> None:
    world = World()
    world.center.script["create"] = [lost, *[BROKEN] * 4, FORBIDDEN]
    for _ in range(2):
        problem = await problem_of(call(world, headers=KEYED))
        assert (problem.outcome, problem.kind.status) == (Outcome.UNKNOWN, 502)
    assert (await call(world, headers=KEYED)).status == 201
    assert len(world.center.carts) == 1
    assert len({asked.request_id for asked in world.center.requests_for("create")}) == 1


@BY_KEY
@in_virtual_time
async def test_a_cart_that_is_refused_long_after_a_lost_answer_frees_the_key(call: Call) -> None:
    world = World()
    world.center.script["create"] = [*[BROKEN] * 5, *[FORBIDDEN] * 2]
    assert (await problem_of(call(world, headers=KEYED))).outcome is Outcome.UNKNOWN
    await asyncio.sleep(LONGEST_REQUEST.total_seconds() - 1)
    assert (await problem_of(call(world, headers=KEYED))).outcome is Outcome.UNKNOWN
    await asyncio.sleep(1)
    problem = await problem_of(call(world, headers=KEYED))
    assert (problem.code, problem.outcome) == ("partner_center_forbidden", Outcome.REJECTED)
    assert (await call(world, cart(line(quantity=2)), KEYED)).status == 201


@pytest.mark.parametrize(
    ("call", "setting"), [(World.create, "true"), (World.order, ""), (World.order, "false")]
)
@in_virtual_time
async def test_a_key_is_a_duty_for_an_order_and_if_a_setting_says_so(
    call: Call, setting: str
) -> None:
    world = World(CART_REQUIRE_IDEMPOTENCY_KEY=setting)
    problem = await problem_of(call(world, headers={}))
    assert (problem.code, problem.kind.status) == ("idempotency_key_required", 400)
    assert problem.outcome is Outcome.NOT_SENT
    assert (world.store.calls, world.center.asked) == ([], [])
    assert (await call(world, headers={"webhook-id": "msg_1"})).status == 201


@BY_KEY
@in_virtual_time
async def test_a_bad_key_is_refused_and_not_ignored(call: Call) -> None:
    world = World()
    problem = await problem_of(call(world, headers={"idempotency-key": "a b"}))
    assert (problem.code, problem.kind.status) == ("invalid_idempotency_key", 400)
    assert (world.store.calls, world.center.asked) == ([], [])


@pytest.mark.parametrize("call", [World.create, World.get, World.put])
@in_virtual_time
async def test_a_cart_may_be_handled_where_nothing_may_be_bought(call: Call) -> None:
    world = World(CART_ALLOW_CHECKOUT="false")
    world.center.add()
    assert (await call(world)).status in (200, 201)


@pytest.mark.parametrize("call", [World.get, World.put])
@in_virtual_time
async def test_to_read_or_to_replace_a_cart_needs_no_key_and_is_never_replayed(call: Call) -> None:
    world = World(CART_REQUIRE_IDEMPOTENCY_KEY="true")
    world.center.add()
    with collected() as signals:
        for key in ("order-17", "order-17", "a b"):
            response = await call(world, headers={"idempotency-key": key})
            assert "Idempotent-Replayed" not in response.headers
            assert response.body["warnings"] == []
    assert len({asked.request_id for asked in world.center.asked}) == len(world.center.asked)
    assert bool(world.store.calls) is (call is World.put)
    assert set(signals.metrics()) == {"partner_center.latency"}


@pytest.mark.parametrize("call", [World.create, World.put, World.order])
@in_virtual_time
async def test_bodies_are_read_by_the_operators_limits(call: Call) -> None:
    world = World(CART_MAX_BODY_BYTES="1024")
    too_long = {"lineItems": ["x" * 1024]}
    assert (await problem_of(call(world, too_long, KEYED))).code == "body_too_large"
    problem = await problem_of(call(world, [], KEYED | {"content-type": "text/plain"}))
    assert problem.code == "unsupported_media_type"
    assert places(await problem_of(call(world, [], KEYED))) == {("", "wrong_type")}
    assert (world.store.calls, world.center.asked) == ([], [])


@pytest.mark.parametrize(
    ("value", "passed_on"),
    [
        *((value, True) for value in ("x", "!~", "k" * 256, 'cXe+3/Ab.0.1;x="y"')),
        *((value, False) for value in ("", "k" * 257, "a b", " a", "a\n", "a\r\nSet-Cookie: b")),
        *((value, False) for value in ("a\x00", "a\x7f", "\u00e9", "\u0661")),
    ],
    ids=lambda value: repr(value)[:30],
)
@in_virtual_time
async def test_partner_centers_ids_are_passed_on_if_a_header_can_carry_them(
    value: str, passed_on: bool
) -> None:
    headers = {"ms-cv": value, "ms-serverid": "7", "ms-requestid": "x"}
    expected = {"MS-ServerId": "7"} | ({"MS-CV": value} if passed_on else {})
    world = World(Reply(200, headers, ACTIVE.body), Reply(400, headers, FORBIDDEN.body))
    response = await world.get()
    request_id = world.center.asked[0].request_id
    ours = {"MS-CorrelationId": "correlation-1", "MS-RequestId": request_id}
    assert response.headers == ours | expected
    problem = await problem_of(world.get())
    assert problem.trace
    assert problem.trace.headers == expected
