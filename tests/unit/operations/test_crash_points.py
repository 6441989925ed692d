"""A process dies before or after each single write, of the acceptance and of the working off.

Whatever happens, every accepted order is bought once and told so, and nothing is left behind.
"""

from contextlib import suppress

import pytest

from cart_core.api.messages import Response
from tests.kit.fakes import Killed, in_virtual_time, monotonic
from tests.kit.partner_center import FORBIDDEN, LOST, Answer, lost, refused
from tests.unit.operations.house import House, order, result

LONG = 1200.0
SCRIPTS: dict[str, dict[str, list[Answer]]] = {
    "done": {},
    "refused": {"create": [FORBIDDEN]},
    "throttled": {"create": [refused(429, retry_after="30")]},
    "lost": {"checkout": [lost, LOST]},
}
LEGS = {"both legs": (True, True), "without the queue": (False, True)}

every_script = pytest.mark.parametrize("script", SCRIPTS)


@pytest.mark.parametrize("timer", [True, False])
@in_virtual_time
async def test_the_acceptance_may_be_cut_anywhere(timer: bool) -> None:
    number, done = 0, False
    while not done:
        house, accepted = House(), None
        house.timer = timer
        passed = house.dies_at(number)
        with suppress(Killed):
            accepted = await order(house)
        done = len(passed) <= number
        house.lives()
        await house.pass_time(LONG)
        bought = len(house.center.bought)
        found = "after create operations" in " ".join(passed)
        assert bought == int(found), f"cut at {passed[-1]}"
        assert (house.open, house.bells.messages) == ([], [])
        # Whoever was not answered sends it again, and it is bought once all the same.
        again = await order(house)
        await house.pass_time(LONG)
        assert len(house.center.bought) == 1
        assert again.status == (201 if bought else 202)
        if accepted:
            assert (await result(house, accepted)).status == 201
        number += 1
    assert number == 7, "3 writes have 6 points"


@pytest.mark.parametrize(
    "leg", ["both legs", pytest.param("without the queue", marks=pytest.mark.slow)]
)
@every_script
@in_virtual_time
async def test_the_working_off_may_be_cut_anywhere(script: str, leg: str) -> None:
    number, done, points = 0, False, []
    while not done:
        house, accepted = await _accepted(script)
        house.queue, house.timer = LEGS[leg]
        passed = house.dies_at(number)
        await house.pass_time(LONG)
        done = len(passed) <= number
        house.lives()
        await _judge(house, accepted, script, passed[number:])
        number += 1
        points = passed
    assert len(points) >= 14


LATEST = {
    # The lease of the dead one (120 s) or its lock (600 s), and the time of the two tries.
    "both legs": (True, True, 120 + 60 + 60 + 15),
    "without the timer": (True, False, 600 + 15),
    "without the queue": (False, True, 120 + 120 + 60 + 15),
}


@pytest.mark.parametrize("leg", LATEST)
@in_virtual_time
async def test_how_late_an_order_is_whose_process_has_died(leg: str) -> None:
    house, accepted = await _accepted("done")
    house.queue, house.timer, latest = LATEST[leg]
    began = monotonic()
    passed = house.dies_at(8)
    while not len(passed) > 8:
        await house.pass_time(1)
    died = monotonic()
    house.lives()
    while (await result(house, accepted)).status == 202:
        await house.pass_time(1)
    assert monotonic() - died <= latest
    assert died - began < 200
    assert len(house.center.bought) == 1


@pytest.mark.slow
@every_script
@in_virtual_time
async def test_a_second_death_makes_no_difference(script: str) -> None:
    for number in range(0, 40, 2):
        house, accepted = await _accepted(script)
        passed = house.dies_at(number)
        for _ in range(2):
            await house.pass_time(LONG)
            house.dies_at(number // 2 + 1)
        house.lives()
        await _judge(house, accepted, script, passed[number:])


async def _accepted(script: str) -> tuple[House, Response]:
    house = House()
    house.center.script.update({name: list(each) for name, each in SCRIPTS[script].items()})
    accepted = await order(house)
    assert accepted.status == 202
    return house, accepted


async def _judge(house: House, accepted: Response, script: str, at: list[str]) -> None:
    house.queue = house.timer = True
    await house.pass_time(LONG)
    found = await result(house, accepted)
    refused = script == "refused" and found.status == 403
    assert refused or found.status == 201, at
    assert len(house.center.bought) == int(not refused), at
    assert (house.open, house.bells.messages, house.bells.poisoned) == ([], [], []), at
    assert len(house.ended) == 1, at
