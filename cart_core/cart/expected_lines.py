"""Whether a cart has, or orders have, the lines asked for: items, quantities, terms and cycles."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from cart_core.problem import FieldError

_MEMBERS = ("catalogItemId", "quantity", "termDuration", "billingCycle")


def expected_lines(line_items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What counts of these line items and of their add-ons, at any depth, for a comparison."""
    return [
        {name: line.get(name) for name in _MEMBERS}
        for item in line_items
        for line in (item, *expected_lines(item.get("addonItems") or []))
    ]


def differences(
    expected: Iterable[dict[str, Any]],
    line_items: Iterable[dict[str, Any]],
    found: str = "in the cart",
) -> list[FieldError]:
    """How the line items of a cart differ from the lines that it was asked to have.

    Partner Center may fill in a term or a billing cycle that was not asked for, and leave one out
    of its answer. The order of the lines does not matter, nor does the case of an item's id. The
    details say where the lines were `found`.
    """
    missing: list[dict[str, Any]] = []
    unmatched = defaultdict(list)
    for line in expected_lines(line_items):
        unmatched[_item_and_quantity(line)].append(line)
    for line in expected:
        candidates = unmatched[_item_and_quantity(line)]
        match = next((each for each in candidates if _may_be_the_same(line, each)), None)
        if match is None:
            missing.append(line)
        else:
            candidates.remove(match)
    unexpected = [line for lines in unmatched.values() for line in lines]
    there = found.capitalize()
    return [
        *(
            FieldError("", "line_missing", f"Asked for, but not {found}: {_in_words(line)}.")
            for line in missing
        ),
        *(
            FieldError("", "line_unexpected", f"{there}, but not asked for: {_in_words(line)}.")
            for line in unexpected
        ),
    ]


def differences_of_orders(
    expected: Iterable[dict[str, Any]], orders: Iterable[dict[str, Any]]
) -> list[FieldError]:
    """How what was ordered differs from the lines asked for, if the orders tell all of their lines.

    `orders` are normalised (see OrderAnswer). Without the item and the quantity of each line nobody
    can say that there is a difference, and the answer is none.
    """
    lines: list[dict[str, Any]] = []
    for order in orders:
        if not order["lineItems"]:
            return []
        for line in order["lineItems"]:
            if line["offerId"] is None or line["quantity"] is None:
                return []
            item = {"catalogItemId": line["offerId"], "billingCycle": order["billingCycle"]}
            lines.append({**line, **item})
    return differences(expected, lines, "ordered")


def _item_and_quantity(line: dict[str, Any]) -> tuple[str, Any]:
    return str(line["catalogItemId"]).lower(), line["quantity"]


def _may_be_the_same(line: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        None in (line[name], other[name]) or line[name].lower() == other[name].lower()
        for name in ("termDuration", "billingCycle")
    )


def _in_words(line: dict[str, Any]) -> str:
    item, quantity, *terms = (line[name] for name in _MEMBERS)
    words = ", ".join(str(term) for term in terms if term)
    return f"{quantity} of {item}{f' ({words})' if words else ''}"
