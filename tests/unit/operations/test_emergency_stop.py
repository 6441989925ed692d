"""What was accepted waits unbought while operators stop purchases, and keeps its time."""

import pytest

from cart_core.api.invocation import answer
from cart_core.api.messages import Request
from cart_core.operations.deferral import CONFIGURATION, STOPPED
from cart_core.problem import CATALOGUE
from tests.kit.builders import CUSTOMER, cart, line
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import refused
from tests.unit.operations.house import ORDER, ORIGIN, House, monitor, order, result

DAY, HOUR = 86_400.0, 3600.0
FIVE = ORDER.replace(b'"quantity": 1', b'"quantity": 5')
PER_CALLER, PER_CUSTOMER = "CART_MAX_PURCHASES_PER_CALLER", "CART_MAX_PURCHASES_PER_CUSTOMER"
QUANTITY = "CART_MAX_ORDER_QUANTITY"


@pytest.mark.parametrize(
    ("before", "stopped", "code"),
    [
        ({}, {"CART_ALLOW_CHECKOUT": "false"}, "checkout_disabled"),
        ({QUANTITY: "5"}, {QUANTITY: "4"}, "purchase_limit_exceeded"),
        ({PER_CALLER: "2"}, {PER_CALLER: "1"}, "purchase_limit_exceeded"),
        ({PER_CUSTOMER: "2"}, {PER_CUSTOMER: "1"}, "purchase_limit_exceeded"),
    ],
)
@in_virtual_time
async def test_what_was_accepted_before_a_stop_waits_unbought_for_days(
    before: dict[str, str], stopped: dict[str, str], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(**before)
    first = await order(house, idempotency_key="first", caller="one")
    await house.pass_time(60)
    assert (await result(house, first)).status == 201
    waiting = await order(house, FIVE, idempotency_key="second", caller="one")
    house.deploy(**stopped)
    await house.pass_time(3 * DAY)

    assert len(house.center.bought) == 1
    [operation] = house.open
    assert (operation.state, operation.outcome) == ("waiting", "not_sent")
    assert operation.problem
    assert operation.problem["code"] == code
    assert operation.tries < 320, "it is tried more often than is any use"
    assert (await monitor(house, waiting)).body["status"] == "Running"
    errors = [each.message for each in caplog.records if each.levelname == "ERROR"]
    assert any(f"code {code}" in each for each in errors)

    house.deploy(**before)
    await house.pass_time(1.2 * HOUR)
    assert (await result(house, waiting)).status == 201
    assert len(house.center.bought) == 2


@in_virtual_time
async def test_after_a_stop_an_operation_has_the_time_that_it_had_before() -> None:
    house = House()
    house.center.script["create"] = [refused(429, retry_after="600")] * 10_000
    await order(house)
    await house.pass_time(DAY / 2)
    house.deploy(CART_ALLOW_CHECKOUT="false")
    await house.pass_time(10 * DAY)
    house.deploy()
    await house.pass_time(DAY / 2 - HOUR)
    assert [each.state for each in house.open] == ["waiting"]
    await house.pass_time(2 * HOUR)
    assert [each.state for each in house.open] == ["dead"]


@in_virtual_time
async def test_a_stop_gives_nothing_up_that_nobody_tried_for_days() -> None:
    house = House()
    house.queue = house.timer = False
    accepted = await order(house)
    await house.pass_time(2 * DAY)
    house.deploy(CART_ALLOW_CHECKOUT="false")
    house.queue = house.timer = True
    await house.pass_time(HOUR)
    assert [each.state for each in house.open] == ["waiting"]
    house.deploy()
    await house.pass_time(HOUR)
    assert (await result(house, accepted)).status == 201


@in_virtual_time
async def test_what_is_stopped_before_the_cart_is_bought_keeps_its_cart() -> None:
    house = House()
    house.center.script["checkout"] = [refused(429, retry_after="60")]
    accepted = await order(house)
    await house.pass_time(30)
    house.deploy(CART_ALLOW_CHECKOUT="false")
    await house.pass_time(DAY)
    house.deploy()
    await house.pass_time(HOUR)
    assert (await result(house, accepted)).status == 201
    assert house.center.operations().count("create") == 1


@in_virtual_time
async def test_more_than_is_allowed_is_not_accepted_and_nothing_is_written() -> None:
    house = House(**{PER_CALLER: "1", QUANTITY: "4"})
    too_large = await order(house, FIVE, idempotency_key="large")
    assert (await order(house, idempotency_key="a")).status == 202
    writes = len(house.documents.calls)
    refusal = await order(house, idempotency_key="b")

    for each in (too_large, refusal):
        assert (each.status, each.body["code"]) == (403, "purchase_limit_exceeded")
    assert 0 < int(refusal.headers["Retry-After"]) <= HOUR
    assert len(house.documents.calls) == writes
    assert len(house.open) == 1
    house.clock.shift += HOUR
    assert (await order(house, idempotency_key="b")).status == 202


@in_virtual_time
async def test_what_is_repeated_or_worked_off_later_does_not_count() -> None:
    house = House(**{PER_CALLER: "1"})
    house.center.script["create"] = [refused(429, retry_after="3600")]
    for _ in range(2):
        assert (await order(house, idempotency_key="a")).status == 202
    await house.pass_time(HOUR)
    assert (await order(house, idempotency_key="a")).status == 202
    assert (await order(house, idempotency_key="b")).status == 202
    assert (await order(house, idempotency_key="c")).status == 403
    await house.pass_time(2 * HOUR)
    assert len(house.center.bought) == 2
    assert (await order(house, idempotency_key="a")).headers["Idempotent-Replayed"] == "true"


@in_virtual_time
async def test_what_was_accepted_before_there_was_a_limit_is_bought_hour_by_hour() -> None:
    house = House()
    house.queue = house.timer = False
    for key in ("a", "b", "c"):
        assert (await order(house, idempotency_key=key)).status == 202
    house.deploy(**{PER_CUSTOMER: "1"})
    house.queue = house.timer = True
    bought = []
    for _ in range(4):
        await house.pass_time(HOUR)
        bought.append(len(house.center.bought))
    assert bought[0] <= 2, "more than one in an hour by the clock"
    assert bought[-1] == 3


@in_virtual_time
async def test_a_cart_that_is_too_large_by_itself_is_refused_for_good() -> None:
    house = House(**{QUANTITY: "1"})
    created = await house.create(cart(line(quantity=2)))
    path = {"customerId": CUSTOMER, "cartId": created.body["id"]}
    request = Request({"prefer": "respond-async"}, path, b"", {}, ORIGIN)
    endpoint = house.endpoints["checkout_cart"]
    accepted = await answer("checkout_cart", endpoint, request, CUSTOMER)
    assert accepted.status == 202

    await house.pass_time(60)
    refusal = await result(house, accepted)
    assert (refusal.status, refusal.body["code"]) == (403, "purchase_limit_exceeded")
    assert house.center.bought == []


def test_a_stop_is_no_fault_of_the_configuration() -> None:
    assert not STOPPED & CONFIGURATION
    assert {CATALOGUE[code].status for code in STOPPED} == {403}
