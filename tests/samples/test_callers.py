"""Both samples: an order is bought once, and its sender learns what became of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from partner_center_emulator.partner_center import catalogue

from tests.end_to_end.chain import licence, until
from tests.samples.callers import Caller, Storefront, Workflow
from tests.samples.shop import TROUBLES, Shop, order, refused_busy, software

Call = Callable[..., Caller]


@pytest.fixture(params=[Storefront, Workflow])
def call(request: pytest.FixtureRequest, shop: Shop) -> Iterator[Call]:
    """Makes a caller of the shop."""
    with ExitStack() as stack:
        yield lambda *instead, **how: stack.enter_context(request.param(shop, *instead, **how))


def test_an_order_that_comes_again_is_bought_once(shop: Shop, call: Call) -> None:
    goods = order(software(), licence(catalogue.BUSINESS_BASIC, orderGroup="1"))
    caller = call()

    status, checkout = caller.place(goods)

    assert status == "completed"
    assert len(checkout["orders"]) == 2
    assert caller.place(goods) == (status, checkout)
    assert caller.waits == []
    assert shop.bought == [[catalogue.SOFTWARE], [catalogue.BUSINESS_BASIC]]
    another = {**goods, "orderId": order()["orderId"]}
    assert caller.place(another)[1]["orders"] != checkout["orders"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_order_is_bought_in_spite_of_trouble(shop: Shop, call: Call, trouble: str) -> None:
    shop.cloud.partner_center.deduplicate = False
    shop.trouble(TROUBLES[trouble]())
    caller = call()

    assert caller.place(order())[0] == "completed"
    # What has accepted the order tries again by itself.
    assert caller.polls if isinstance(caller, Workflow) else caller.waits
    assert len(shop.bought) == 1


EMPTY = [httpx.Response(status) for status in (429, 500, 502, 503, 504)]
"""Answers of the platform that may be better soon."""


@pytest.mark.parametrize(
    "instead",
    [
        [None, None],
        [
            httpx.Response(429, text="Too Busy", headers={"Retry-After": "77"}),
            httpx.Response(503, html="<h1>Service Unavailable</h1>"),
        ],
        EMPTY,
        [httpx.Response(404), httpx.Response(404, text="Not Found"), httpx.Response(503)],
    ],
    ids=["the network lost the answer", "texts", "no bodies", "a cold start"],
)
def test_something_else_than_the_functions_answer(
    shop: Shop, call: Call, instead: list[httpx.Response | None]
) -> None:
    caller = call(*instead)

    assert caller.place(order())[0] == "completed"
    assert len(caller.waits) == len(instead)
    assert (77 in caller.waits) is any(each and each.headers.get("Retry-After") for each in instead)
    assert len(shop.bought) == 1


@pytest.mark.parametrize(
    ("status", "tries"), [(401, 1), (403, 1), (400, 1), (302, 1), (201, 1), (404, 5)]
)
def test_what_the_platform_answers_for_good_says_nothing_about_the_order(
    shop: Shop, call: Call, status: int, tries: int
) -> None:
    """It may have been bought by an earlier delivery, so it is pending and never refused."""
    goods = order()
    caller = call(None, *[httpx.Response(status)] * 20)

    assert caller.place(goods)[0] == "pending"
    assert len(caller.waits) >= tries
    assert (len(caller.waits) == 1) is (tries == 1)
    until(lambda: shop.bought)
    assert len(shop.bought) == 1


def test_a_wrong_key(shop: Shop, call: Call) -> None:
    caller = call(key="another")

    assert caller.place(order())[0] == "pending"
    assert caller.waits == []
    assert shop.bought == []


def test_orders_that_partner_center_does_not_repeat(shop: Shop, call: Call) -> None:
    shop.cloud.partner_center.deduplicate = False
    shop.cloud.partner_center.repeat_checkout = False
    shop.trouble(TROUBLES["checkout's answer lost"]())

    status, checkout = call().place(order())

    assert status == "ordered"
    assert checkout["cartId"] in shop.cloud.partner_center.carts
    assert len(shop.bought) == 1


def test_a_part_is_bought_and_later_the_rest(shop: Shop, call: Call) -> None:
    goods = order(software(), licence(catalogue.UNSTEADY, orderGroup="1"))
    caller = call()

    status, checkout = caller.place(goods)
    assert (status, len(checkout["orders"])) == ("partial", 1)
    assert [error["code"] for error in checkout["orderErrors"]] == ["800005"]
    assert shop.bought == [[catalogue.SOFTWARE]]

    assert caller.place(goods)[0] == "completed"
    assert shop.bought == [[catalogue.SOFTWARE], [catalogue.UNSTEADY]]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (licence(catalogue.SOLD_OUT), "cart_not_orderable"),
        (licence(catalogue.NO_CREDIT), "checkout_failed"),
        (licence("CFQ7TTC0LH18:0001", termDuration="P3Y"), "item_not_available"),
        (software(billingCycle="fortnightly"), "invalid_request"),
    ],
)
def test_a_refused_order_is_not_repeated(
    shop: Shop, call: Call, line: dict[str, Any], code: str
) -> None:
    caller = call()

    status, problem = caller.place(order(line))

    assert status == code
    assert caller.waits == []
    assert shop.bought == []
    if code == "checkout_failed":
        assert [error["code"] for error in problem["orderErrors"]] == ["800023"]


def test_patience_ends_and_the_order_can_be_sent_again(shop: Shop) -> None:
    """The storefront's; the workflow is as patient as the function."""
    shop.trouble(refused_busy(None))
    goods = order()
    with Storefront(shop) as caller:
        assert caller.place(goods)[0] == "pending"
        assert len(caller.waits) >= 5
        assert shop.bought == []

        shop.cloud.disturbances.clear()
        assert caller.place(goods)[0] == "completed"
    assert len(shop.bought) == 1
