"""Which order groups of a cart an answer to its checkout tells nothing about."""

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


def _matching(groups: dict[str, Counter[str]], items: Counter[str]) -> Iterator[str]:
    """The groups whose items are all in an order, each item of which counts once."""
    for group, wanted in groups.items():
        if wanted <= items:
            items -= wanted
            yield group
