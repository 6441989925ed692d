"""Creating a cart: once for each idempotency key, and without a key as often as it is asked for."""

import asyncio
from typing import Any

import pytest

from tests.kit.builders import CUSTOMER, line
from tests.kit.fakes import in_virtual_time, monotonic
from tests.kit.world import KEYED, World, problem_of, warnings


@in_virtual_time
async def test_without_a_key_each_call_makes_a_cart_and_warns_of_it() -> None:
    world = World()
    first, second = await world.create(), await world.create()
    assert warnings(first) == warnings(second) == ["not_idempotent"]
    assert len({asked.request_id for asked in world.center.asked}) == len(world.center.carts) == 2
    assert world.store.calls == []
    assert "Idempotent-Replayed" not in second.headers


@pytest.mark.parametrize(
    ("document", "headers", "customer"),
    [
        (None, {"idempotency-key": '"order-17"'}, CUSTOMER),
        (None, {"webhook-id": "order-17", "x-locale": "fr-FR"}, CUSTOMER),
        (None, KEYED | {"ms-correlationid": CUSTOMER, "x-caller": "b"}, CUSTOMER),
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
    await world.create(headers=KEYED | {"x-caller": "a"})
    again = await world.create(document, headers, customer=customer)
    assert again.headers["Idempotent-Replayed"] == "true"


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
