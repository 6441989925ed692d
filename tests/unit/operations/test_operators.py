"""What operators see of accepted operations, and what they may do with them."""

from typing import Any

import pytest

from cart_core.api.messages import Invocation, Request, Response
from cart_core.problem import Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import in_virtual_time, monotonic
from tests.kit.partner_center import LOST, Answer, lost, refused
from tests.unit.operations.house import House, monitor, order, result

DAY = 86_400.0
THROTTLED: list[Answer] = [refused(429, retry_after="600")] * 400


async def dead(**script: list[Answer]) -> tuple[House, Response]:
    """A house in which an order was given up, and the 202 that it was answered."""
    house = House()
    house.timer = False
    house.center.script.update(script)
    accepted = await order(house)
    await house.pass_time(DAY + 3600)
    assert [each.state for each in house.open] == ["dead"]
    house.center.script.clear()
    return house, accepted


async def operate(house: House, what: str, **query: str) -> dict[str, Any]:
    """The answer to an operator; the operation is the only one that has not ended."""
    path = {"id": house.open[0].id} if house.open and what != "list_operations" else {}
    request = Request({}, path, b"", query)
    response = await house.endpoints[what](request, Invocation(CUSTOMER, monotonic()))
    return response.body


@in_virtual_time
async def test_a_list_says_what_is_stuck_and_why() -> None:
    house, _ = await dead(create=THROTTLED)
    for query, total in (
        ({}, 1),
        ({"state": "dead"}, 1),
        ({"state": "waiting"}, 0),
        ({"customerid": CUSTOMER.upper()}, 1),
        ({"customerid": CUSTOMER[::-1]}, None),
        ({"state": "gone"}, None),
    ):
        if total is None:
            with pytest.raises(Problem, match="invalid_request"):
                await operate(house, "list_operations", **query)
            continue
        found = await operate(house, "list_operations", **query)
        assert found["total"] == len(found["operations"]) == total
        for each in found["operations"]:
            assert (each["state"], each["code"]) == ("dead", "partner_center_throttled")
            assert each["attempts"] > 90
    assert house.documents.calls[-1] == "list operations", "a list reads no operation"


@in_virtual_time
async def test_a_replayed_order_is_bought_and_cannot_be_replayed_again() -> None:
    house, accepted = await dead(create=THROTTLED)
    operation_id = house.open[0].id
    assert await operate(house, "replay_operation") == {"id": operation_id, "state": "waiting"}
    await house.pass_time(60)
    assert (await result(house, accepted)).status == 201
    for what in ("replay_operation", "discard_operation"):
        request = Request({}, {"id": operation_id}, b"")
        with pytest.raises(Problem, match="operation_not_resting"):
            await house.endpoints[what](request, Invocation(CUSTOMER, monotonic()))
    assert len(house.center.bought) == 1


@in_virtual_time
async def test_what_has_ended_is_not_replayed_before_it_is_put_away_either() -> None:
    house = House()
    await order(house)
    await house.pass_time(60)
    [done] = house.ended
    house.timer = False
    await house.documents.create(done.names.open, done.to_json(), done.facts())
    for what in ("replay_operation", "discard_operation"):
        with pytest.raises(Problem, match="operation_not_resting"):
            await operate(house, what)
    assert [each.state for each in house.open] == ["succeeded"]


@in_virtual_time
async def test_a_replay_starts_the_day_anew() -> None:
    house, accepted = await dead(create=THROTTLED)
    house.center.script["create"] = list(THROTTLED[:80])
    await operate(house, "replay_operation")
    await house.pass_time(DAY / 2)
    assert [each.state for each in house.open] == ["waiting"]
    await house.pass_time(DAY / 2)
    assert (await result(house, accepted)).status == 201


@in_virtual_time
async def test_a_replay_of_what_is_unknown_keeps_the_request_id() -> None:
    house, accepted = await dead(create=[lost, *[LOST] * 2000])
    before = {each.request_id for each in house.center.requests_for("create")}
    house.center.asked.clear()
    await operate(house, "replay_operation")
    await house.pass_time(60)
    assert (await result(house, accepted)).status == 201
    assert {each.request_id for each in house.center.requests_for("create")} == before
    assert (len(before), len(house.center.bought)) == (1, 1)


@in_virtual_time
async def test_what_had_no_effect_is_discarded_and_its_key_is_free() -> None:
    house, accepted = await dead(create=THROTTLED)
    assert (await operate(house, "discard_operation"))["state"] == "failed"
    found = await result(house, accepted)
    assert (found.status, found.body["code"]) == (409, "operation_discarded")
    assert found.body["outcome"] == "rejected"
    assert (await order(house)).headers["Location"] != accepted.headers["Location"]


@in_virtual_time
async def test_what_waits_is_discarded_before_anybody_begins_with_it() -> None:
    house = House()
    accepted = await order(house)
    house.deploy(CART_ALLOW_CHECKOUT="false")
    await house.pass_time(60)
    assert (await operate(house, "discard_operation"))["state"] == "failed"
    house.deploy()
    await house.pass_time(DAY)
    found = await result(house, accepted)
    assert (found.status, found.body["code"]) == (409, "operation_discarded")
    assert found.body["outcome"] == "not_sent"
    assert house.center.bought == []


@in_virtual_time
async def test_what_waits_and_may_be_bought_is_parked() -> None:
    house = House()
    house.center.script["create"] = [lost, *[LOST] * 100]
    await order(house)
    await house.pass_time(30)
    house.deploy(CART_ALLOW_CHECKOUT="false")
    assert (await operate(house, "discard_operation"))["state"] == "parked"


@in_virtual_time
async def test_what_is_unknown_is_parked_and_its_key_stays_taken() -> None:
    house, accepted = await dead(create=[lost, *[LOST] * 2000])
    assert (await operate(house, "discard_operation"))["state"] == "parked"
    assert (await monitor(house, accepted)).body["error"]["outcome"] == "unknown"
    await house.pass_time(DAY)
    assert (await order(house)).headers["Location"] == accepted.headers["Location"]
    await operate(house, "replay_operation")
    await house.pass_time(60)
    assert (await result(house, accepted)).status == 201
