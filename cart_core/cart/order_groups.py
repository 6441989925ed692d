"""What the answers to the checkouts of one cart tell: of which order groups, and which orders."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any


def groups_not_told(
    line_items: Iterable[dict[str, Any]],
    orders: Iterable[dict[str, Any]],
    order_errors: Iterable[dict[str, Any]],
) -> list[str]:
    """The order groups of a cart for which Partner Center has told neither an order nor an error.

    Partner Center does not say which group an order was made of, so its items are compared with
    those of the groups. An order that matches no group may belong to any of them, and so may an
    error of an unknown group. Where there are as many of these as groups left, the result is empty.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for line in line_items:
        groups[line["orderGroup"] or ""][(line["catalogItemId"] or "").lower()] += 1
    failed = [error["orderGroupId"] for error in order_errors]
    unnamed = sum(group not in groups for group in failed)
    not_told = {group: items for group, items in groups.items() if group not in failed}
    for order in _once(orders):
        items = Counter((line["offerId"] or "").lower() for line in order["lineItems"])
        matches = list(_matching(not_told, items))
        for group in matches:
            del not_told[group]
        unnamed += not matches
    return [] if unnamed >= len(not_told) else list(not_told)


def all_orders(
    earlier: Iterable[dict[str, Any]], orders: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The orders of an earlier answer and of a later one, each once.

    An order that one of the answers tells without an id is the one with the same lines in the
    other.
    """
    earlier, orders = list(earlier), list(orders)
    ids = {order["id"] for order in earlier} & {order["id"] for order in orders} - {None}
    unmatched = {n: order for n, order in enumerate(orders) if order["id"] not in ids}
    together = []
    for order in earlier:
        if order["id"] in ids:
            continue
        same = next((n for n, each in unmatched.items() if _may_be_the_same(order, each)), None)
        other = None if same is None else unmatched.pop(same)
        together.append(other if other and order["id"] is None else order)
    later = (each for n, each in enumerate(orders) if each["id"] in ids or n in unmatched)
    return [*together, *later]


def _may_be_the_same(order: dict[str, Any], other: dict[str, Any]) -> bool:
    lines = _lines(order)
    return None in (order["id"], other["id"]) and bool(lines) and lines == _lines(other)


def _once(orders: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The orders without those that are told again under the same id."""
    ids = set()
    for order in orders:
        if order["id"] is None or order["id"] not in ids:
            yield order
        ids.add(order["id"])


def _lines(order: dict[str, Any]) -> tuple[tuple[Any, ...], ...]:
    members = ("lineItemNumber", "offerId", "quantity")
    return tuple(tuple(line[name] for name in members) for line in order["lineItems"])


def _matching(groups: dict[str, Counter[str]], items: Counter[str]) -> Iterator[str]:
    """The groups whose items are all in an order, each item of which counts once."""
    for group, wanted in groups.items():
        if wanted <= items:
            items -= wanted
            yield group
