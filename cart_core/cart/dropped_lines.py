"""Which lines of a cart are gone once another cart replaces it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cart_core.cart.line_ids import line_ids
from cart_core.problem import FieldError


def dropped_lines(
    line_items: Iterable[dict[str, Any]], replacement: list[dict[str, Any]]
) -> Iterator[FieldError]:
    """A warning for each line and add-on of a normalised cart that its replacement does not have.

    A line is still there if one has its id, or if one without an id has its item.
    """
    ids = set(line_ids(replacement))
    items = Counter(
        line["catalogItemId"].lower() for line in _with_add_ons(replacement) if "id" not in line
    )
    for line in _with_add_ons(line_items):
        item = (line["catalogItemId"] or "").lower()
        if line["id"] in ids:
            continue
        if items[item]:
            items[item] -= 1
            continue
        yield FieldError(
            "",
            "line_dropped",
            f"Line {line['id']} of the cart ({line['catalogItemId']}) was not in the request, so it"
            " is gone.",
        )


def _with_add_ons(line_items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines and their add-ons, at any depth."""
    for line in line_items:
        yield line
        yield from _with_add_ons(line.get("addonItems") or [])
