"""How places are shared out; test_retry proves that a request gives its place back."""

import asyncio
from collections import Counter

import pytest

from cart_core.partner_center.places import Places
from tests.kit.fakes import in_virtual_time


def taken(places: Places, customers: str) -> str:
    """Let these customers, a letter each, ask for a place in turn; those who got one."""
    return "".join(customer for customer in customers if places.take(customer))


@pytest.mark.parametrize(
    ("count", "alone"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (8, 6), (64, 48), (100, 75)]
)
def test_one_customer_gets_three_quarters(count: int, alone: int) -> None:
    assert len(taken(Places(count), "a" * 200)) == alone


@pytest.mark.parametrize(
    ("asking", "held"),
    [
        ("ab" * 99, {"a": 28, "b": 27}),
        ("abcd" * 99, dict.fromkeys("abcd", 15)),
        ("abcdefgh" * 99, dict.fromkeys("abcdef", 8) | {"g": 7, "h": 7}),
        ("a" * 99 + "b" * 99, {"a": 48, "b": 12}),
        ("a" * 99 + "b" * 99 + "c" * 99 + "d", {"a": 48, "b": 12, "c": 3, "d": 1}),
    ],
)
def test_several_customers_share(asking: str, held: dict[str, int]) -> None:
    assert Counter(taken(Places(64), asking)) == held


async def _served(places: Places, *, held: str, waiting: str, released: str) -> str:
    """Who gets a place, in this order, while those who hold one give them back."""
    got: list[str] = []

    async def wait(customer: str) -> None:
        await places.wait(customer)
        got.append(customer)

    assert taken(places, held) == held
    assert taken(places, waiting) == ""
    tasks = [asyncio.create_task(wait(customer)) for customer in waiting]
    await asyncio.sleep(0)
    for customer in released:
        places.release(customer)
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return "".join(got)


@pytest.mark.parametrize(
    ("held", "waiting", "released", "served"),
    [
        ("aaa", "aab", "a", "b"),
        ("aaa", "aabb", "aaa", "bab"),
        ("aab", "abcc", "aab", "cab"),
        ("aaa", "a", "aaa", "a"),
        ("aaa", "bcd", "aaa", "bcd"),
        ("abc", "abc", "abc", "abc"),
        ("aab", "cb", "ab", "cb"),
    ],
)
@in_virtual_time
async def test_a_place_goes_to_who_holds_the_fewest(
    held: str, waiting: str, released: str, served: str
) -> None:
    places = Places(3)
    assert await _served(places, held=held, waiting=waiting, released=released) == served
    assert places._waiting == {}


@in_virtual_time
async def test_who_gives_up_is_forgotten_and_holds_nothing() -> None:
    places = Places(1)
    assert places.take("a")
    gives_up, granted, waits = (
        asyncio.create_task(places.wait(customer)) for customer in ("a", "b", "b")
    )
    await asyncio.sleep(0)
    gives_up.cancel()
    places.release("a")  # The one who gives up has not noticed yet.
    granted.cancel()  # The one who was given the place has not noticed yet.
    await asyncio.gather(gives_up, granted, return_exceptions=True)
    await waits
    assert (places._free, places._held, places._waiting) == (0, {"b": 1}, {})
    places.release("b")
    assert (places._free, places._held) == (1, {})


@in_virtual_time
async def test_who_gives_up_takes_nobody_along() -> None:
    places = Places(1)
    assert places.take("a")
    gives_up, waits = (asyncio.create_task(places.wait("b")) for _ in range(2))
    await asyncio.sleep(0)
    gives_up.cancel()
    await asyncio.gather(gives_up, return_exceptions=True)
    places.release("a")
    async with asyncio.timeout(1):
        await waits
