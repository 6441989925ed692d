"""No body of the permitted size costs much more than a plain order: neither time nor memory.

Everybody who has a function key may send one, and while it is read the process does nothing else.
"""

import gc
import itertools
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from cart_core.api.invocation import answer
from cart_core.api.messages import Request
from cart_core.json_text import write_json
from tests.kit.builders import CART_ID, CUSTOMER, cart
from tests.kit.world import World

LIMIT = 262_144
"""The default of CART_MAX_BODY_BYTES."""

MOST_TIMES_OF_A_PLAIN_ORDER = 60
MOST_BYTES = 60 * LIMIT
"""Of memory at a time. A full body alone is more than a plain order needs in all."""

LINE = '"catalogItemId":"A","quantity":1,"billingCycle":"none"'
IN_LINE = ('{"lineItems":[{' + LINE + ",", "}]}")
IN_UNKNOWN = ('{"lineItems":[{' + LINE + '}],"x":[', "]}")
LINES = ('{"lineItems":[', "]}")
Frame = tuple[str, str]


def deep(name: str, levels: int) -> Frame:
    return (f'{{"{name}":' * levels + "[", "]" + "}" * levels)


def member(name: str, brackets: str) -> Frame:
    return (IN_LINE[0] + f'"{name}":{brackets[0]}', brackets[1] + IN_LINE[1])


def text(item: str) -> tuple[Frame, Callable[[], Iterable[str]]]:
    """A friendlyName that repeats `item`; the frame cuts nothing, because it has no commas."""
    count = (LIMIT - 200) // len(item)
    return (IN_LINE[0] + '"friendlyName":', IN_LINE[1]), lambda: [f'"{item * count}"']


def always(item: str) -> Callable[[], Iterable[str]]:
    return lambda: itertools.repeat(item)


def named(form: str) -> Callable[[], Iterable[str]]:
    return lambda: (form.format(number) for number in itertools.count())


def anagrams(name: str, form: str = '"{}":1') -> Callable[[], Iterable[str]]:
    return lambda: (form.format("".join(each)) for each in itertools.permutations(name))


def cases(name: str) -> Callable[[], Iterable[str]]:
    pairs = [(letter.lower(), letter.upper()) for letter in name]
    return lambda: (f'"{"".join(each)}":1' for each in itertools.product(*pairs))


BODIES: dict[str, tuple[Frame, Callable[[], Iterable[str]]]] = {
    "a plain cart of full size": (LINES, always("{" + LINE + "}")),
    "as many lines as may be": (LINES, lambda: ["{" + LINE + "}"] * 500),
    "such lines with terms": (LINES, lambda: ["{" + LINE + ',"termDuration":"P7Y"}'] * 500),
    "such lines with unknown members": (LINES, lambda: ["{" + LINE + ',"y":[]}'] * 500),
    "anagrams of a name": (IN_LINE, anagrams("promotionId")),
    "a thousand anagrams": (IN_LINE, lambda: itertools.islice(anagrams("promotionId")(), 1_000)),
    "near misses": (IN_LINE, named('"provisioningQ{}":1')),
    "nine thousand near misses": (IN_LINE, lambda: map('"billingQ{}":1'.format, range(9_000))),
    "order's members": (LINES, lambda: ['{"OfferId":"A","LineItemNumber":0}'] * 500),
    "empty lines": (LINES, always("{}")),
    "five hundred empty lines": (LINES, lambda: ["{}"] * 500),
    "numbers for lines": (LINES, always("1")),
    "three slips in each line": (LINES, lambda: ['{"quantty":0,"bilingCycle":1,"id":""}'] * 500),
    "add-ons in add-ons": (('{"lineItems":[' + '{"addonItems":[' * 14, "]}" * 15), always("{}")),
    "participants": (member("participants", "[]"), lambda: ["{}"] * 9_000),
    "participants by key": (
        member("participants", "{}"),
        lambda: map('"{}":1'.format, range(9_000)),
    ),
    "texts by name": (
        member("provisioningContext", "{}"),
        lambda: map('"{}":1'.format, range(9_000)),
    ),
    "members": (("{", "}"), named('"x{}":1')),
    "nulls": (("{", "}"), named('"x{}":null')),
    "one member many times": (("{", "}"), always('"a":1')),
    "a member in many cases": (("{", "}"), cases("abcdefghijklmno")),
    "pairs in two cases": (LINES, always('{"a":1,"A":1}')),
    "long names": (("{", "}"), named('"{}' + "y" * 260 + '":1')),
    "large numbers below long names": (deep("n" * 256, 29), always("1e999")),
    "numbers below long names": (deep("n" * 256, 29), always("1.5")),
    "large numbers below wide names": (deep("\U0001f600" * 256, 29), always("1e999")),
    "numbers": (IN_UNKNOWN, always("0.5")),
    "nine thousand numbers": (IN_UNKNOWN, lambda: ["0.5"] * 9_000),
    "long numbers": (("[", "]"), always("9" * 4_200)),
    "one long number": (("[", "]"), lambda: ["9" * (LIMIT - 2)]),
    "one long decimal": (
        member("purchaseCommitment", "{}"),
        lambda: ['"amount":0.' + "1" * 260_000],
    ),
    "empty arrays": (("[", "]"), always("[]")),
    "empty objects": (IN_UNKNOWN, always("{}")),
    "brackets": (("", ""), lambda: ["[" * LIMIT]),
    "half surrogates": (IN_UNKNOWN, always('"\\ud800"')),
    "what serialisers leave": (IN_UNKNOWN, always('"@{a=1}"')),
    **{
        f"a text of {item}": text(item)
        for item in (
            "\\u0041",
            "\\ud800",
            " ",
            "\\u200d",
            "@{",
            "[object ",
            "#<A",
            "< at 0x",
            '\\"',
        )
    },
    "a type of many parts": (
        IN_LINE,
        lambda: ['"friendlyName":"' + "System.a" * 30_000 + '"'],
    ),
    "a long term": (IN_LINE, lambda: ['"termDuration":"P' + "1" * 260_000 + '"']),
    "NaN after texts": (("[", ",NaN]"), always('"NaN"')),
    "a slip after texts": (("[", ",]"), always('"\\""')),
    "typographic quotes": (("{", "}"), always("\u201ca\u201d: 1")),
}


def body_of(name: str) -> bytes:
    """The body of a kind, as long as it may be."""
    (head, tail), items = BODIES[name]
    room = LIMIT - len((head + tail).encode())
    taken: list[str] = []
    for item in items():
        room -= len(item.encode()) + 1
        if room < -1:
            break
        taken.append(item)
    return (head + ",".join(taken) + tail).encode()


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """The collector would look at all that other tests have left."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


PATHS = {
    "place_order": {"customerId": CUSTOMER},
    "update_cart": {"customerId": CUSTOMER, "cartId": CART_ID},
}
"""The operations whose rules differ most."""


async def answered(endpoint: str, body: bytes) -> None:
    """Answer a request up to the text that goes to the caller."""
    world = World()
    request = Request({"idempotency-key": "order-17"}, PATHS[endpoint], body)
    response = await answer(endpoint, world.endpoints[endpoint], request, CUSTOMER)
    assert len(write_json(response.body)) < 16 * LIMIT


async def seconds(endpoint: str, body: bytes, tries: int) -> float:
    """The least CPU time of some tries."""
    times = []
    with no_garbage_collection():
        for _ in range(tries):
            began = time.process_time()
            await answered(endpoint, body)
            times.append(time.process_time() - began)
    return min(times)


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
async def test_no_body_costs_more_than_sixty_plain_orders(name: str) -> None:
    body = body_of(name)
    assert len(body) <= LIMIT
    plain = await seconds("place_order", write_json(cart()).encode(), 5)
    for endpoint in PATHS:
        cost = await seconds(endpoint, body, 1)
        if cost > MOST_TIMES_OF_A_PLAIN_ORDER * plain:  # The machine may have been at fault.
            cost = await seconds(endpoint, body, 3)
        assert cost <= MOST_TIMES_OF_A_PLAIN_ORDER * plain, f"{endpoint}: {cost / plain:.0f} times"

    tracemalloc.start()
    await answered("update_cart", body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= MOST_BYTES, f"{peak / LIMIT:.0f} bytes for each of the body"
