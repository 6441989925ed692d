"""What the answers to the checkouts of one cart tell: of which order groups, and which orders."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any


def groups_not_told(
    line_items: Iterable[dict[str, Any]],
    orders: Iterable[dict[str, Any]],
    order_errors: Iterable[dict[str, Any]],
) -> list[str]:
    """The order groups of a cart of which neither an order nor an error is told.

    Partner Center does not say which group an order was made of, so the items in it tell. Orders
    that match no group may be of any, and where there are enough of them all groups are told.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for line in line_items:
        groups[line["orderGroup"] or ""][(line["catalogItemId"] or "").lower()] += 1
    failed = [error["orderGroupId"] for error in order_errors]
    unnamed = sum(group not in groups for group in failed)
    not_told = {group: items for group, items in groups.items() if group not in failed}
    for order in orders:
        items = Counter((line["offerId"] or "").lower() for line in order["lineItems"])
        matches = list(_matching(not_told, items))
        for group in matches:
            del not_told[group]
        unnamed += not matches
    return [] if unnamed >= len(not_told) else list(not_told)


def not_repeated(
    earlier: Iterable[dict[str, Any]], orders: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The orders of an earlier answer that a later one does not tell again.

    An order that was told without an id is told again by one that has the same lines.
    """
    earlier, orders = list(earlier), list(orders)
    told_before = {order["id"] for order in earlier}
    told_again = {order["id"] for order in orders} - {None}
    new = Counter(_lines(order) for order in orders if order["id"] not in told_before - {None})
    missing = []
    for order in earlier:
        lines = _lines(order)
        if order["id"] is None and lines and new[lines]:
            new[lines] -= 1
        elif order["id"] not in told_again:
            missing.append(order)
    return missing


def _lines(order: dict[str, Any]) -> tuple[tuple[Any, ...], ...]:
    members = ("lineItemNumber", "offerId", "quantity")
    return tuple(tuple(line[name] for name in members) for line in order["lineItems"])


def _matching(groups: dict[str, Counter[str]], items: Counter[str]) -> Iterator[str]:
    """The groups whose items are all in an order, each item of which counts once."""
    for group, wanted in groups.items():
        if wanted <= items:
            items -= wanted
            yield group
