"""The numbering of line items and add-ons, which Partner Center requires and callers may omit."""

import itertools
from collections.abc import Iterator
from typing import Any


def with_line_ids(cart: dict[str, Any]) -> dict[str, Any]:
    """The same cart in which each line without an id has the lowest unused one.

    The lines are numbered in their order in the document, a line before its add-ons.
    """
    taken = set(_line_ids(cart["lineItems"]))
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


def _line_ids(lines: list[dict[str, Any]]) -> Iterator[int]:
    for line in lines:
        if "id" in line:
            yield line["id"]
        yield from _line_ids(line.get("addonItems", []))
