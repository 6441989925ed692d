"""The numbering of line items and add-ons, which Partner Center requires and callers may omit."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any


def with_line_ids(cart: dict[str, Any], used: Iterable[int] = ()) -> dict[str, Any]:
    """The same cart in which each line without an id has the lowest unused one.

    The lines are numbered in their order in the document, a line before its add-ons. `used` are ids
    that lines have which this cart replaces.
    """
    taken = {*line_ids(cart["lineItems"]), *used}
    free = (number for number in itertools.count() if number not in taken)

    def numbered(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "id": line["id"] if "id" in line else next(free),
                **line,
                **({"addonItems": numbered(line["addonItems"])} if "addonItems" in line else {}),
            }
            for line in lines
        ]

    return {**cart, "lineItems": numbered(cart["lineItems"])}


def line_ids(lines: Iterable[dict[str, Any]]) -> Iterator[int]:
    """The ids of the lines and of their add-ons, at any depth."""
    for line in lines:
        if line.get("id") is not None:
            yield line["id"]
        yield from line_ids(line.get("addonItems") or [])
