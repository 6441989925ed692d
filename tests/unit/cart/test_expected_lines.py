"""Whether a cart has the lines that it was asked to have."""

from typing import Any

import pytest

from cart_core.cart.expected_lines import differences, differences_of_orders, expected_lines


def line(item: str = "A:1:B", quantity: Any = 1, **members: Any) -> dict[str, Any]:
    return {"catalogItemId": item, "quantity": quantity, **members}


@pytest.mark.parametrize(
    ("asked", "has"),
    [
        ([line()], [line()]),
        ([line("a:1:b")], [line("A:1:B")]),
        ([line(), line("C:1:D")], [line("C:1:D"), line()]),
        ([line(termDuration="P1Y")], [line(termDuration="p1y", billingCycle="monthly")]),
        ([line(billingCycle="monthly")], [line()]),
        ([line(addonItems=[line("C:1:D", 2)])], [line(addonItems=[line("C:1:D", 2)])]),
        ([line(), line()], [line(), line()]),
        ([line(termDuration="P1Y"), line()], [line(termDuration="P1M"), line(termDuration="P1Y")]),
        ([], []),
    ],
)
def test_order_case_and_what_partner_center_fills_in_make_no_difference(
    asked: list[dict[str, Any]], has: list[dict[str, Any]]
) -> None:
    assert differences(expected_lines(asked), has) == []


@pytest.mark.parametrize(
    ("asked", "has", "codes"),
    [
        ([line()], [], ["line_missing"]),
        ([], [line()], ["line_unexpected"]),
        ([line()], [line(), line()], ["line_unexpected"]),
        ([line(quantity=1)], [line(quantity=1000)], ["line_missing", "line_unexpected"]),
        ([line()], [line(quantity=None)], ["line_missing", "line_unexpected"]),
        ([line()], [line("A:1:C")], ["line_missing", "line_unexpected"]),
        (
            [line(termDuration="P1M")],
            [line(termDuration="P1Y")],
            ["line_missing", "line_unexpected"],
        ),
        (
            [line(billingCycle="none")],
            [line(billingCycle="annual")],
            ["line_missing", "line_unexpected"],
        ),
        ([line(addonItems=[line("C:1:D")])], [line()], ["line_missing"]),
        ([line()], [line(addonItems=[line("C:1:D")])], ["line_unexpected"]),
    ],
)
def test_everything_else_does(
    asked: list[dict[str, Any]], has: list[dict[str, Any]], codes: list[str]
) -> None:
    assert [error.code for error in differences(expected_lines(asked), has)] == codes


def test_a_difference_says_what_was_asked_for_and_what_is_there() -> None:
    asked, has = line(termDuration="P1Y", billingCycle="annual"), line(quantity=1000)
    assert [error.detail for error in differences(expected_lines([asked]), [has])] == [
        "Asked for, but not in the cart: 1 of A:1:B (P1Y, annual).",
        "In the cart, but not asked for: 1000 of A:1:B.",
    ]


def order(*lines: dict[str, Any], cycle: str | None = "monthly") -> dict[str, Any]:
    told = [
        {"termDuration": None, **each, "offerId": each["catalogItemId"], "friendlyName": "Seats"}
        for each in lines
    ]
    return {"id": "order-1", "billingCycle": cycle, "lineItems": told}


@pytest.mark.parametrize(
    ("orders", "codes"),
    [
        ([order(line("a:1:b", 15))], []),
        ([order(line(quantity=15, termDuration="P1Y"), cycle=None)], []),
        ([order(line(quantity=1000))], ["line_missing", "line_unexpected"]),
        ([order(line(quantity=15), cycle="annual")], ["line_missing", "line_unexpected"]),
        ([order(line(quantity=15)), order(line("C:1:D"))], ["line_unexpected"]),
        # Where a line is not told whole, it may be the one asked for.
        ([order(line(quantity=None))], []),
        ([order({"catalogItemId": None, "quantity": 1000})], []),
        ([order(line(quantity=1000)), order()], []),
    ],
)
def test_orders_are_held_against_the_lines_as_far_as_they_tell_theirs(
    orders: list[dict[str, Any]], codes: list[str]
) -> None:
    asked = expected_lines([line(quantity=15, billingCycle="monthly")])
    found = differences_of_orders(asked, orders)
    assert [error.code for error in found] == codes
    assert all("rdered" in error.detail for error in found)
