"""Why an order waits for a person, in words that say what to do about it."""

from typing import Any, Final, Literal, NamedTuple

ReasonCode = Literal[
    "customer_unknown",
    "customer_ambiguous",
    "customer_differs",
    "customer_not_found",
    "sku_unknown",
    "sku_ambiguous",
    "sku_incomplete",
    "sku_resembles",
    "foreign_line",
    "quantity_unknown",
    "order_edited",
    "lines_incomplete",
    "resolved_differently",
    "cancelled_after_purchase",
]

ADVICE: Final[dict[ReasonCode, str]] = {
    "customer_unknown": "add the buyer to the source's map of customers, then release the order",
    "customer_ambiguous": "leave one value in the order, or add the buyer to the map of customers",
    "customer_differs": "correct the order's attribute or the map of customers, whichever is wrong",
    "customer_not_found": "check the tenant, and that it has accepted this partner's relationship",
    "sku_unknown": "add the SKU to the source's SKU table, or to its list of foreign SKUs",
    "sku_ambiguous": "add the SKU to the source's SKU table with one term and one billing cycle",
    "sku_incomplete": "add the SKU to the SKU table, or give the source a default for what misses",
    "sku_resembles": "correct the SKU in the shop, or add it to the SKU table or the foreign SKUs",
    "foreign_line": "buy what is Microsoft's by hand, or change the rule for foreign lines",
    "quantity_unknown": "correct the quantity in the shop",
    "order_edited": "see in the shop what is left of the order, and order that by hand",
    "lines_incomplete": "release the order again; if it stays so, order it by hand",
    "resolved_differently": "nothing more is bought; settle the difference by hand, then discard",
    "cancelled_after_purchase": "cancel what was bought within 7 days, or keep it; then discard",
}
"""What a person can do about each reason."""


class Reason(NamedTuple):
    """One reason. `line` is the platform's id of the line that it is about; None for the order.

    `about` names what was found, such as the SKU. It never has an address of a person.
    """

    code: ReasonCode
    line: str | None = None
    about: str = ""

    def as_json(self) -> dict[str, Any]:
        """The entry in `reasons` of a parked order."""
        return {
            "code": self.code,
            "line": self.line,
            "about": self.about,
            "advice": ADVICE[self.code],
        }
