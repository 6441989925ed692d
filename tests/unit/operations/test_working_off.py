"""How an accepted operation is worked off: put off, paced, given up, and never lost or doubled."""

import asyncio
import itertools
from typing import Any
from unittest.mock import AsyncMock

import pytest

from cart_core.operations.deferral import CONFIGURATION
from cart_core.operations.pacing import Pacing
from cart_core.problem import CATALOGUE
from cart_core.tokens import TokenFailure
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import in_virtual_time, monotonic
from tests.kit.partner_center import (
    ACTIVE,
    BROKEN,
    FORBIDDEN,
    IN_USE,
    LOST,
    NOT_SENT,
    Answer,
    lost,
    refused,
)
from tests.kit.signals import collected
from tests.unit.operations.house import ORDER, House, monitor, order, result

DAY = 86_400.0
TRACE = 0x0AF7651916CD43DD8448EB211C80319C
OTHER_CUSTOMER = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"


@pytest.mark.parametrize(
    ("operation", "answers", "pauses"),
    [
        ("create", [refused(429, retry_after="57")], (57, 70)),
        ("create", [refused(429)], (5, 8)),
        ("create", [NOT_SENT] * 5, (5, 8)),
        ("create", [BROKEN] * 5, (5, 8)),
        ("create", [lost] * 5, (5, 8)),
        ("create", [refused(409, "900278")], (DAY, DAY * 1.3)),
        ("checkout", [IN_USE] * 2, (5, 18)),
        ("checkout", [refused(429, retry_after="600")], (600, 725)),
    ],
)
@in_virtual_time
async def test_what_passes_by_itself_is_put_off_and_done_later(
    operation: str, answers: list[Answer], pauses: tuple[float, float]
) -> None:
    house = House()
    house.center.script[operation] = answers
    accepted = await order(house)
    await house.pass_time(4)
    put_off = await monitor(house, accepted)
    assert (put_off.body["status"], put_off.body["attempts"]) == ("Running", 1)
    assert 1 <= int(put_off.headers["Retry-After"]) <= 60

    await house.pass_time(pauses[1])
    assert (await result(house, accepted)).status == 201
    asked = [each.time for each in house.center.asked if each.operation == operation]
    gap = max(later - earlier for earlier, later in itertools.pairwise(asked))
    assert pauses[0] <= gap + 5
    assert len(house.center.bought) == 1
    assert (house.open, house.bells.messages) == ([], [])


@in_virtual_time
async def test_nobody_sleeps_through_a_pause() -> None:
    house = House(refused(429, retry_after="3"))
    await order(house)
    await asyncio.sleep(1)
    began = monotonic()
    await house._ring()
    assert monotonic() == began
    assert len(house.bells.messages) == 1


@in_virtual_time
async def test_a_bell_that_rings_too_early_rings_again() -> None:
    house = House()
    house.timer = False
    house.center.script["create"] = [refused(429, retry_after="300")]
    accepted = await order(house)
    await house.pass_time(10)
    [bell] = house.bells.messages
    bell.visible = monotonic()
    await house.pass_time(20)
    assert (await result(house, accepted)).status == 202
    await house.pass_time(400)
    assert (await result(house, accepted)).status == 201


@in_virtual_time
async def test_a_bell_rings_again_whose_record_somebody_has_changed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    house.timer = False
    accepted = await order(house)
    monkeypatch.setattr(house.documents, "replace", AsyncMock(return_value=None))
    await house.pass_time(1)
    monkeypatch.undo()
    assert house.center.asked == []
    await house.pass_time(60)
    assert (await result(house, accepted)).status == 201


@in_virtual_time
async def test_a_refusal_is_the_answer_and_frees_the_key() -> None:
    house = House()
    house.center.script["create"] = [FORBIDDEN]
    accepted = await order(house)
    await house.pass_time(60)
    found, told = await result(house, accepted), await monitor(house, accepted)

    assert (found.status, found.body["code"]) == (403, "partner_center_forbidden")
    assert (told.body["status"], told.body["error"]) == ("Failed", found.body)
    assert "Retry-After" not in told.headers
    assert house.record.state == "released"


@in_virtual_time
async def test_a_key_stays_taken_while_its_operation_is_put_off() -> None:
    house = House()
    house.center.script["create"] = [refused(429, retry_after="300")]
    await order(house)
    await house.pass_time(30)
    assert house.record.state == "accepted"


@pytest.mark.parametrize("code", sorted(CONFIGURATION & {"consent_required", "vault_denied"}))
@in_virtual_time
async def test_an_error_of_configuration_makes_no_dead_letter(
    code: Any, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    house.tokens.failures = [TokenFailure(code, "Somebody has to mend it.")] * 8
    accepted = await order(house)
    await house.pass_time(3600)
    assert (await result(house, accepted)).status == 201
    errors = [each.message for each in caplog.records if each.levelname == "ERROR"]
    assert len(errors) == 8
    assert all(f"code {code}" in each for each in errors)


@in_virtual_time
async def test_after_a_day_an_operation_is_given_up_with_its_request() -> None:
    house = House()
    house.timer = False
    house.center.script["create"] = [refused(429, retry_after="60")] * 10_000
    accepted = await order(house)
    await house.pass_time(DAY - 120)
    assert [each.state for each in house.open] == ["waiting"]
    await house.pass_time(300)

    [dead] = house.open
    assert (dead.state, dead.outcome) == ("dead", "rejected")
    assert dead.request
    assert dead.problem
    assert dead.problem["code"] == "partner_center_throttled"
    assert house.bells.messages == []
    told, found = await monitor(house, accepted), await result(house, accepted)
    assert (told.body["status"], told.body["error"]["code"]) == ("Failed", "operation_dead")
    assert (found.status, found.body["outcome"]) == (500, "rejected")
    assert house.record.state == "accepted", "the key is free although its operation is not ended"


@pytest.mark.parametrize("last", [LOST, NOT_SENT, refused(429), refused(403)], ids=str)
@in_virtual_time
async def test_what_is_unknown_is_read_before_it_is_given_up_and_stays_unknown(
    last: Answer,
) -> None:
    house = House()
    house.timer = False
    house.center.script["checkout"] = [lost, *[LOST] * 10_000]
    house.center.script["get"] = [ACTIVE] * 100_000
    accepted = await order(house)
    await house.pass_time(DAY - 1000)
    house.center.script["checkout"] = [last] * 1000
    house.center.script["get"] = [last] * 1000
    house.center.asked.clear()
    await house.pass_time(3000)

    assert house.center.asked[-1].operation == "get"
    found = await result(house, accepted)
    assert (found.body["code"], found.body["outcome"]) == ("operation_dead", "unknown")


@in_virtual_time
async def test_what_is_refused_before_its_record_was_looked_at_ends_nothing_that_is_unknown() -> (
    None
):
    house = House()
    house.center.script["create"] = [lost] * 5
    two = ORDER.replace(b'"quantity": 1', b'"quantity": 2')
    accepted = await order(house, two)
    await house.pass_time(4)
    assert [each.outcome for each in house.open] == ["unknown"]
    house.deploy(CART_MAX_QUANTITY="1")
    await house.pass_time(60)
    assert [(each.state, each.outcome) for each in house.open] == [("waiting", "unknown")]
    house.deploy()
    await house.pass_time(600)
    assert (await result(house, accepted)).status == 201
    assert len(house.center.bought) == 1


@in_virtual_time
async def test_a_customer_has_two_operations_under_way_at_most_and_keeps_nobody_waiting() -> None:
    house = House()
    house.center.seconds = 4.0
    for number in range(8):
        await order(house, idempotency_key=f"big-{number}")
    small = await order(house, customer=OTHER_CUSTOMER)
    counts: list[int] = []
    watching = asyncio.create_task(_watch(house, counts))
    await house.pass_time(12)
    assert (await result(house, small)).status == 201
    await house.pass_time(288)
    watching.cancel()
    assert max(counts) == 2
    assert len(house.center.bought) == 9


async def _watch(house: House, counts: list[int]) -> None:
    """Count the big customer's operations that are under way, twice a second."""
    while True:
        running = [each for each in house.open if each.state == "running"]
        counts.append(sum(each.customer_id != OTHER_CUSTOMER for each in running))
        await asyncio.sleep(0.5)


@in_virtual_time
async def test_a_throttle_holds_for_all_instances() -> None:
    house = House()
    house.center.script["create"] = [refused(429, retry_after="300")]
    for number in range(4):
        await order(house, idempotency_key=f"order-{number}")
    await house.pass_time(20)
    assert len(house.center.asked) <= 2, "more than were under way at the time"
    another = Pacing(house.documents, clock=house.clock, limit=2)
    assert await another.closed_for(CUSTOMER) > 200
    assert await another.closed_for(OTHER_CUSTOMER) == 0
    await house.pass_time(1200)
    assert len(house.center.bought) == 4


@pytest.mark.parametrize(
    ("traceparent", "linked"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", [TRACE]),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", []),
        ("not a trace", []),
        (None, []),
    ],
)
def test_each_try_is_a_span_that_is_linked_to_the_callers_trace(
    traceparent: str | None, linked: list[int]
) -> None:
    @in_virtual_time
    async def work() -> None:
        house = House()
        house.center.script["create"] = [refused(429, retry_after="20")]
        if traceparent is None:
            await order(house)
        else:
            await order(house, traceparent=traceparent)
        await house.pass_time(60)

    with collected() as signals:
        work()
    tries = [span for span in signals.spans if span.name == "operations.place_order"]
    assert [dict(span.attributes or {})["attempt"] for span in tries] == [1, 2]
    for span in tries:
        assert [link.context.trace_id for link in span.links] == linked


def test_every_code_of_configuration_is_one() -> None:
    assert set(CATALOGUE) >= CONFIGURATION
    assert not any(CATALOGUE[code].retryable for code in CONFIGURATION)
