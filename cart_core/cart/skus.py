"""The lines of a cart that name a SKU, for which an availability has to be found before it is sent.

They have `Product:Sku` as their catalogItemId, and may have the customer segment to buy it for.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cart_core.cart.spelling import find_sku

LinePath = tuple[int, ...]
"""Where a line is: its index, and the index of the add-on in it, of the add-on in that, …"""


def every_line(
    line_items: Iterable[dict[str, Any]], within: LinePath = ()
) -> Iterator[tuple[LinePath, dict[str, Any]]]:
    """The lines and add-ons, at any depth, each with its place."""
    for index, line in enumerate(line_items):
        path = (*within, index)
        yield path, line
        yield from every_line(line.get("addonItems") or [], path)


def sku_lines(
    line_items: Iterable[dict[str, Any]],
) -> Iterator[tuple[LinePath, dict[str, Any]]]:
    """The lines and add-ons that name a SKU, each with its place."""
    return (found for found in every_line(line_items) if find_sku(found[1]["catalogItemId"]))


def line_at(path: LinePath) -> tuple[str | int, ...]:
    """The location of a line in the models: member names and indexes."""
    first, *others = path
    return ("lineItems", first, *(step for index in others for step in ("addonItems", index)))


def with_items(
    line_items: Iterable[dict[str, Any]],
    members: Mapping[LinePath, Mapping[str, Any]],
    within: LinePath = (),
) -> list[dict[str, Any]]:
    """The same lines, with these members in place of what names the SKU of a line."""
    lines = []
    for index, line in enumerate(line_items):
        path = (*within, index)
        if path in members:
            rest = {name: value for name, value in line.items() if name != "segment"}
            line = {**rest, **members[path]}  # noqa: PLW2901 - the same line, changed
        if "addonItems" in line:
            addons = with_items(line["addonItems"] or [], members, path)
            line = {**line, "addonItems": addons}  # noqa: PLW2901
        lines.append(line)
    return lines


def line_of(line_items: list[dict[str, Any]], path: LinePath) -> dict[str, Any]:
    """The line at a place."""
    first, *others = path
    line = line_items[first]
    for index in others:
        line = line["addonItems"][index]
    return line
