"""Disturbances, as clients see them."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.watch import disturbances
from partner_center_emulator.watch.disturbances import Disturbance

from tests.emulator.caller import CART, CARTS, VAULT, Caller, until


async def create(caller: Caller) -> httpx.Response:
    return await caller.send("POST", CARTS, json=CART)


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("drop", httpx.RemoteProtocolError),
        ("reset", httpx.ReadError),
        ("garble", httpx.RemoteProtocolError),
    ],
)
async def test_an_answer_is_lost_before_or_after_the_request_takes_effect(
    cloud: LocalCloud, caller: Caller, action: Any, error: type[Exception], commit: bool
) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action=action, commit=commit))
    with pytest.raises(error):
        await create(caller)
    assert len(cloud.partner_center.carts) == int(commit)
    (arrival,) = cloud.journal.requests("partner_center")
    assert arrival.status is None
    assert (await create(caller)).status_code == 201


async def test_an_answer_is_cut_in_half(cloud: LocalCloud, caller: Caller) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action="truncate"))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await create(caller)
    assert len(cloud.partner_center.carts) == 1


async def test_a_silent_service_neither_answers_nor_acts(cloud: LocalCloud, caller: Caller) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action="silence"))
    call = asyncio.create_task(create(caller))
    await until(lambda: cloud.journal.requests("partner_center"))
    await asyncio.wait([call], timeout=0.2)
    assert not call.done()
    assert cloud.partner_center.carts == {}
    call.cancel()


async def test_a_connection_is_closed_after_its_answer(cloud: LocalCloud, caller: Caller) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action="close_idle"))
    answer = await create(caller)
    assert answer.status_code == 201
    assert await answer.extensions["network_stream"].read(1, timeout=60) == b""


async def test_a_disturbance_answers_as_many_requests_as_it_says(caller: Caller) -> None:
    caller.cloud.disturbances.inject(
        Disturbance("partner_center", times=2, status=429, headers={"Retry-After": "7"}),
        Disturbance("partner_center", status=201, body=[], commit=True),
        Disturbance("partner_center", status=502, body="<html>", content_type="text/html"),
    )
    gateways = b'{"statusCode": 429, "message": "Too Many Requests"}'
    answers = [await create(caller) for _ in range(5)]
    contents = [(answer.status_code, answer.content) for answer in answers[:4]]
    assert contents == [(429, gateways), (429, gateways), (201, b"[]"), (502, b"<html>")]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[3].headers["Content-Type"] == "text/html"
    assert len(caller.cloud.partner_center.carts) == 2
    statuses = [arrival.status for arrival in caller.cloud.journal.requests("partner_center")]
    assert statuses == [429, 429, 201, 502, 201]


async def test_all_delays_add_up_before_and_after_the_effect_even_if_the_caller_is_gone(
    cloud: LocalCloud, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[tuple[float, int]] = []
    proceed = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds:
            waits.append((seconds, len(cloud.partner_center.carts)))
            await proceed.wait()

    monkeypatch.setattr(disturbances, "asyncio", SimpleNamespace(sleep=sleep))
    cloud.disturbances.inject(
        Disturbance("partner_center", delay=1),
        Disturbance("partner_center", delay=2, delay_after=4),
        Disturbance("partner_center", delay_after=8),
    )
    call = asyncio.create_task(create(caller))
    await until(lambda: waits)
    call.cancel()
    await asyncio.wait([call])
    proceed.set()
    await until(lambda: len(waits) == 2)
    assert waits == [(3, 0), (12, 1)]


async def test_a_disturbance_is_for_one_service_and_method_and_path(caller: Caller) -> None:
    caller.cloud.disturbances.inject(
        Disturbance("entra", path="/keys$", status=500),
        Disturbance("entra", path="/token$", status=503),
        Disturbance("key_vault", method="GET", status=500),
        Disturbance("identity", status=429),
    )
    assert (await caller.ask_entra()).status_code == 503
    assert (await caller.client.put(f"{VAULT}/secrets/x")).status_code == 401
    assert (await caller.client.get(f"{VAULT}/secrets/x")).status_code == 500
    assert (await caller.identity_token()).status_code == 429
    assert caller.cloud.journal.counts == {"entra": 1, "key_vault": 2, "identity": 1}
    assert [disturbance.path for disturbance in caller.cloud.disturbances.active] == ["/keys$"]


def test_a_seed_repeats_what_chance_decides() -> None:
    def drawn(seed: int) -> list[int]:
        active = disturbances.Disturbances(seed)
        active.inject(Disturbance("identity", times=None, probability=0.5, status=500))
        request: Any = SimpleNamespace(method="GET", path="/msi/token")
        return [len(active.draw("identity", request)) for _ in range(50)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert 5 < sum(drawn(7)) < 45
