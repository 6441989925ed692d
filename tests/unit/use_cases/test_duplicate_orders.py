"""One order that is placed under two keys: what its callers get, and what it costs."""

import asyncio
import contextlib
import logging
from typing import Any

import pytest

from cart_core.idempotency.operation_id import RECENT_PREFIX
from cart_core.problem import Outcome, Problem
from cart_core.use_cases.duplicate_orders import PATIENCE
from tests.kit.builders import CUSTOMER, cart, line
from tests.kit.fakes import Killed, in_virtual_time, monotonic
from tests.kit.partner_center import FORBIDDEN, LOST, NOT_SENT, PARTIAL, Answer, lost
from tests.kit.signals import collected
from tests.kit.world import FOR_USER, KEYED, LEASE, World, problem_of, warnings

ANOTHER = {"idempotency-key": "order-18"}
REFUSE = {"CART_DUPLICATE_ORDERS": "refuse"}
WINDOW = 600.0


def put_in_the_way(monkeypatch: pytest.MonkeyPatch, world: World, seconds: float) -> None:
    """The store takes so long to remember an order's content."""
    create = world.store.create

    async def slow(name: str, record: Any) -> str | None:
        if name.startswith(RECENT_PREFIX):
            await asyncio.sleep(seconds)
        return await create(name, record)

    monkeypatch.setattr(world.store, "create", slow)


# --- It is bought, with a warning --------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "headers"),
    [
        (None, ANOTHER),
        (None, {"webhook-id": "order-18"}),
        (None, ANOTHER | {"x-caller": "two", "x-locale": "fr-FR"}),
        ({"LineItems": [{name.upper(): each for name, each in line().items()}]}, ANOTHER),
    ],
    ids=["another-key", "webhook-id", "another-caller", "another-spelling"],
)
@in_virtual_time
async def test_the_second_of_two_orders_that_are_alike_has_a_warning(
    document: Any, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    with collected() as signals, caplog.at_level(logging.WARNING):
        first = await world.order()
        second = await world.order(document, headers)
        again = await world.order(document, headers)
    assert (warnings(first), warnings(second)) == ([], ["possible_duplicate"])
    assert (second.status, second.body["status"], len(world.center.carts)) == (201, "completed", 2)
    [warning] = second.body["warnings"]
    assert warning["detail"] == (
        "Within the last 10 minutes the same was ordered for this customer under the key 'order-17'"
        " (correlation id correlation-1). If both are one order, cancel one of them."
    )
    assert again.body == second.body
    assert (await world.order()).body == first.body
    assert list(signals.metrics()["purchases.possible_duplicates"].values()) == [1]
    assert [record.getMessage() for record in caplog.records] == [
        "possible duplicate, correlation ids correlation-1 and correlation-1"
    ]


@pytest.mark.parametrize(
    ("document", "headers", "customer"),
    [
        (cart(line(quantity=2)), ANOTHER, CUSTOMER),
        (None, ANOTHER | FOR_USER, CUSTOMER),
        (None, ANOTHER, CUSTOMER.replace("d", "e")),
        (None, KEYED, CUSTOMER),
    ],
    ids=["quantity", "customer-user", "customer", "repeated"],
)
@in_virtual_time
async def test_an_order_that_differs_or_is_repeated_has_none(
    document: Any, headers: dict[str, str], customer: str
) -> None:
    world = World()
    await world.order()
    assert warnings(await world.order(document, headers, customer=customer)) == []


@in_virtual_time
async def test_after_the_window_an_order_has_none() -> None:
    world = World(CART_DUPLICATE_WINDOW_MINUTES="3")
    await world.order()
    world.clock.shift += 179
    assert warnings(await world.order(headers=ANOTHER)) == ["possible_duplicate"]
    world.clock.shift += 1
    assert warnings(await world.order(headers={"idempotency-key": "order-19"})) == []


@pytest.mark.parametrize("end", ["refused", "unknown", "killed", "partial"])
@in_virtual_time
async def test_the_warning_is_in_the_answer_of_whoever_goes_on_with_the_order(end: str) -> None:
    world = World()
    await world.order()
    ends: dict[str, Answer] = {
        "refused": FORBIDDEN,
        "unknown": LOST,
        "killed": Killed(),
        "partial": PARTIAL,
    }
    world.center.script["checkout"] = [ends[end], *[FORBIDDEN] * (end == "unknown")]
    with contextlib.suppress(Problem, Killed):
        await world.order(headers=ANOTHER)
    world.clock.shift += LEASE + WINDOW  # The first order is too old to be found again.
    world.store.calls.clear()
    answer = await world.order(headers=ANOTHER)
    assert "possible_duplicate" in warnings(answer)
    claimed = ["create", "read", "replace"]  # The order, and the purchase of its cart.
    begun = ["replace"] if end in ("refused", "partial") else []  # Before it was tried again.
    assert world.store.calls == [*claimed * 2, *begun, "replace", "replace"]


@in_virtual_time
async def test_after_a_refusal_an_order_under_a_new_key_has_none() -> None:
    world = World()
    world.center.script["checkout"] = [FORBIDDEN]
    await problem_of(world.order())
    assert warnings(await world.order(headers=ANOTHER)) == []


@in_virtual_time
async def test_the_first_of_them_has_it_if_it_was_refused_before_and_is_repeated() -> None:
    world = World()
    world.center.script["checkout"] = [FORBIDDEN]
    await problem_of(world.order())
    await world.order(headers=ANOTHER)
    assert warnings(await world.order()) == ["possible_duplicate"]
    assert warnings(await world.order()) == ["possible_duplicate"]  # a replay of the same answer


@pytest.mark.parametrize("first", [PARTIAL, lost], ids=["in-part", "perhaps"])
@in_virtual_time
async def test_the_first_of_them_goes_on_without_it_if_it_was_bought(first: Answer) -> None:
    world = World(**REFUSE)
    world.center.script["checkout"] = [first]
    world.center.script["get"] = [*[NOT_SENT] * 5] if first is lost else []
    with contextlib.suppress(Problem):
        await world.order()
    world.clock.shift += WINDOW
    await world.order(headers=ANOTHER)
    assert (await world.order()).status == 201


# --- What it costs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "calls"),
    [
        (None, [*["create"] * 3, *["replace"] * 3]),
        (ANOTHER, [*["create"] * 3, "read", "read", *["replace"] * 3]),
    ],
    ids=["one", "another-that-is-alike"],
)
@pytest.mark.parametrize("seconds", [0.0, 0.5])
@in_virtual_time
async def test_no_order_waits_for_the_store_while_its_cart_is_made(
    headers: Any, calls: list[str], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    if headers:
        await world.order()
        world.store.calls.clear()
    put_in_the_way(monkeypatch, world, seconds)
    world.center.seconds = 0.5
    begun = monotonic()
    await world.order(headers=headers)
    assert monotonic() - begun == 2 * 0.5
    assert sorted(world.store.calls) == sorted(calls)


@in_virtual_time
async def test_without_it_the_store_is_not_asked() -> None:
    world = World(CART_DUPLICATE_ORDERS="ignore")
    await world.order()
    assert warnings(await world.order(headers=ANOTHER)) == []
    assert world.store.calls == ["create", "replace", "create", "replace", "replace"] * 2


@in_virtual_time
async def test_carts_and_checkouts_are_not_compared() -> None:
    world = World()
    for key in ("one", "two"):
        response = await world.create(headers={"idempotency-key": key})
        await world.check_out(response.body["id"])
    assert {name.partition("/")[0] for name in world.record_names()} == {"carts", "purchases"}


# --- The store fails ---------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["create", "read"])
@in_virtual_time
async def test_an_order_is_placed_although_it_cannot_be_compared(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    await world.order()
    world.store.fails(call, "", times=call == "create")  # The claim succeeds.
    world.store.fails(call, "down")
    response = await world.order(headers=ANOTHER)
    assert (response.status, warnings(response)) == (201, [])
    assert [record.getMessage() for record in caplog.records] == [
        "not compared with other orders, correlation id correlation-1: The store is away."
    ]


@in_virtual_time
async def test_an_order_does_not_wait_for_a_store_that_is_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    put_in_the_way(monkeypatch, world, 60)
    response = await world.order()
    assert (response.status, warnings(response), monotonic()) == (201, [], PATIENCE)
    assert "the store is slow" in caplog.text


# --- It is refused -----------------------------------------------------------------------------


@in_virtual_time
async def test_an_operator_may_refuse_such_orders(caplog: pytest.LogCaptureFixture) -> None:
    world = World(**REFUSE)
    first = await world.order()
    sent = len(world.center.asked)
    with collected() as signals:
        problem = await problem_of(world.order(headers=ANOTHER))
    assert (problem.code, problem.kind.status) == ("possible_duplicate", 409)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.NOT_SENT, False)
    assert problem.detail == (
        "Within the last 10 minutes the same was ordered for this customer under the key 'order-17'"
        " (correlation id correlation-1). Nothing was sent. If it is another order, send it again"
        " after that time."
    )
    assert len(world.center.asked) == sent
    assert world.record.state == "released"
    assert signals.metrics()["purchases.possible_duplicates"] == {(): 1}
    assert "possible duplicate" in caplog.text
    # The key is free, and the order that was refused is no order that others are compared with.
    assert (await world.order(cart(line(quantity=2)), ANOTHER)).status == 201
    assert (await world.order()).body == first.body
    world.clock.shift += WINDOW
    assert (await world.order(headers={"idempotency-key": "order-19"})).status == 201


@in_virtual_time
async def test_an_order_that_has_its_cart_is_refused_only_for_another_one() -> None:
    world = World(**REFUSE)
    world.center.script["checkout"] = [FORBIDDEN, FORBIDDEN]
    await problem_of(world.order())
    assert (await problem_of(world.order())).code == "partner_center_forbidden"  # not for itself
    assert (await world.order(headers=ANOTHER)).status == 201
    bought = list(world.center.bought)
    problem = await problem_of(world.order())
    assert (problem.code, problem.outcome) == ("possible_duplicate", Outcome.NOT_SENT)
    assert world.center.bought == bought


@pytest.mark.parametrize("end", [None, lost], ids=["first", "resumed"])
@in_virtual_time
async def test_where_such_orders_are_refused_nothing_is_sent_without_the_store(end: Any) -> None:
    world = World(**REFUSE)
    if end:
        world.center.script["create"] = [end] * 5
        await problem_of(world.order())
    sent = len(world.center.asked)
    world.store.fails("create", "", "down")
    problem = await problem_of(world.order())
    assert (problem.code, problem.kind.status) == ("store_unavailable", 503)
    assert problem.outcome is (Outcome.UNKNOWN if end else Outcome.NOT_SENT)
    assert "under another key" in problem.detail
    assert len(world.center.asked) == sent
    assert (await world.order()).status == 201
