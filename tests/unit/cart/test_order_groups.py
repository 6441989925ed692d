"""What the answers to the checkouts of one cart tell."""

from typing import Any

import pytest

from cart_core.cart.order_groups import all_orders, groups_not_told


def lines(**groups: str) -> list[dict[str, Any]]:
    """The lines of a cart: the items of each group, separated by blanks."""
    return [
        {"orderGroup": group.lstrip("g"), "catalogItemId": item}
        for group, items in groups.items()
        for item in items.split()
    ]


def order(items: str = "", name: str | None = None) -> dict[str, Any]:
    return {"id": name, "lineItems": [{"offerId": item} for item in items.split()]}


def error(group: str | None) -> dict[str, Any]:
    return {"orderGroupId": group}


UNREADABLE = {"id": None, "lineItems": [{"offerId": None}]}
TWO = lines(g0="A B", g1="C")


@pytest.mark.parametrize(
    ("cart", "orders", "errors", "expected"),
    [
        (TWO, [order("a b"), order("c")], [], []),
        (TWO, [order("c"), order("b a")], [], []),
        (TWO, [order("a b c")], [], []),
        (TWO, [order("a b")], [error("1")], []),
        (TWO, [order("c")], [], ["0"]),
        (TWO, [order("a b")], [], ["1"]),
        (TWO, [order("a")], [], ["0", "1"]),
        (TWO, [], [error("1")], ["0"]),
        (TWO, [order("x"), order("y")], [], []),
        (TWO, [order("c"), UNREADABLE], [], []),
        (TWO, [order("a b")], [error(None)], []),
        (TWO, [order("a b"), order("a b")], [], []),
        (lines(g0="A", g1="A"), [order("a")], [], ["1"]),
        (lines(g0="A", g1="A"), [order("a"), order("a")], [], []),
        (TWO, [order("a b", "1"), order("a b", "1")], [], ["1"]),
        (lines(g0="A", g1="A"), [order("a", "1"), order("a", "1")], [], ["1"]),
        (lines(g0="A", g1="A"), [order("a", "1"), order("a", "2")], [], []),
        (lines(g0="A"), [order("a")], [], []),
        ([{"orderGroup": None, "catalogItemId": None}], [order()], [], []),
        ([], [order("a")], [], []),
    ],
)
def test_a_group_is_told_by_an_order_of_its_items_or_by_an_error(
    cart: list[dict[str, Any]],
    orders: list[dict[str, Any]],
    errors: list[dict[str, Any]],
    expected: list[str],
) -> None:
    assert groups_not_told(cart, orders, errors) == expected


def told(name: str | None, item: str | None = "a") -> dict[str, Any]:
    lines = [{"lineItemNumber": 0, "offerId": item, "quantity": 1}] if item else []
    return {"id": name, "lineItems": lines}


@pytest.mark.parametrize(
    ("earlier", "orders", "expected"),
    [
        ([told("1")], [told("1"), told("2")], "1a 2a"),
        ([told("1")], [told("2")], "1a 2a"),
        ([told(None)], [told("1")], "1a"),
        ([told("1")], [told(None)], "1a"),
        ([told(None)], [told("1", "b")], "-a 1b"),
        ([told("1", "b")], [told(None)], "1b -a"),
        ([told(None), told(None)], [told("1")], "1a -a"),
        ([told("1")], [told(None), told(None)], "1a -a"),
        ([told("1"), told(None)], [told("1")], "-a 1a"),
        ([told("1"), told(None)], [told("1"), told("2")], "2a 1a"),
        ([told(None)], [told(None)], "-a"),
        ([told(None, None)], [told(None, None)], "- -"),
        ([told(None, None)], [told("1")], "- 1a"),
    ],
)
def test_an_order_without_an_id_is_known_again_by_its_lines(
    earlier: list[dict[str, Any]], orders: list[dict[str, Any]], expected: str
) -> None:
    together = [
        (order["id"] or "-") + "".join(line["offerId"] for line in order["lineItems"])
        for order in all_orders(earlier, orders)
    ]
    assert together == expected.split()
