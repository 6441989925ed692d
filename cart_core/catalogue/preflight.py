"""What can be said of a cart before it is sent, from what was read of the catalogue.

A finding says what stands against a purchase, or that it cannot be known. What is not known is
never said to have passed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from cart_core.catalogue.availability import Sku

Check = Literal[
    "relationship",
    "agreement",
    "account",
    "credit",
    "item",
    "qualification",
    "quantity",
    "addon_base",
    "provisioning",
    "attestation",
    "registration",
    "inventory",
    "promotion",
    "end_date",
]
"""What is looked at."""

Severity = Literal["blocker", "warning", "unknown"]

_OF_ITEMS: Final[tuple[Check, ...]] = (
    *("quantity", "addon_base", "provisioning", "attestation", "registration", "inventory"),
)
"""What can be looked at only where the SKU of a line is known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `pointer` leads to the line; it is "" for the customer."""

    check: Check
    severity: Severity
    detail: str
    pointer: str = ""

    def as_json(self) -> dict[str, Any]:
        """The entry of `findings`."""
        return {
            "check": self.check,
            "severity": self.severity,
            "pointer": self.pointer,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class KnownLine:
    """A line of a cart, as it is sent, with the SKU that it buys."""

    pointer: str
    line: Mapping[str, Any]
    sku: Sku

    def inventory_context(self) -> dict[str, str]:
        """Where the inventory of the item is needed, besides by whom."""
        given = self.line.get("provisioningContext") or {}
        subscription = {name.lower(): value for name, value in given.items()}.get("subscriptionid")
        context = {"azureSubscriptionId": subscription, "armRegionName": self.sku.region}
        return {name: value for name, value in context.items() if value}

    def missing_in(self, context: Mapping[str, str]) -> list[str]:
        """The variables that an inventory question for this SKU needs and `context` has not."""
        has = {"customerid", *(name.lower() for name in context)}
        return [name for name in self.sku.inventory_variables if name.lower() not in has]


def not_looked_at(pointers: Iterable[str]) -> list[Finding]:
    """What is not known of lines whose SKU is not known, once for all of them."""
    first = next(iter(pointers), None)
    if first is None:
        return []
    detail = "Not looked at where the item is not known; see the check 'item'."
    return [Finding(check, "unknown", detail, first) for check in _OF_ITEMS]


def line_findings(
    lines: Iterable[KnownLine], owned: Mapping[str, int] | None, in_cart: Collection[str]
) -> Iterator[Finding]:
    """What stands against these lines.

    `owned` are active seats by SKU; None if not known. `in_cart` are the SKUs of all lines of the
    cart, also of those that are not among `lines`.
    """
    lines = list(lines)
    yield from _quantities(lines, owned)
    for each in lines:
        yield from _base(each, in_cart, owned)
        yield from _provisioning(each)
        if each.sku.needs_attestation and not each.line.get("attestationAccepted"):
            detail = "The product needs 'attestationAccepted': true."
            yield Finding("attestation", "blocker", detail, each.pointer)
        if "AzureSubscriptionRegistration" in each.sku.prerequisites:
            detail = "Whether the Azure subscription is registered for reservations is not looked"
            yield Finding("registration", "unknown", f"{detail} up.", each.pointer)


def _quantities(lines: list[KnownLine], owned: Mapping[str, int] | None) -> Iterator[Finding]:
    """A minimum holds for each line; a maximum for all lines of a SKU with what is owned.

    Other partners' seats count too, and cannot be seen. So what passes may still be too many.
    """
    of_sku: dict[str, list[KnownLine]] = defaultdict(list)
    for each in lines:
        of_sku[each.sku.id].append(each)
        minimum = each.sku.minimum
        if minimum is not None and each.line["quantity"] < minimum:
            yield Finding(
                "quantity", "blocker", f"The minimum is {minimum} in a line.", each.pointer
            )
    for sku_id, same in of_sku.items():
        maximum = same[0].sku.maximum
        if maximum is None:
            continue
        asked = sum(each.line["quantity"] for each in same)
        has = (owned or {}).get(sku_id, 0)
        if asked + has > maximum:
            detail = f"The maximum is {maximum}; all lines of the SKU have {asked}, and the"
            yield Finding("quantity", "blocker", f"{detail} customer has {has}.", same[0].pointer)
        elif owned is None:
            detail = f"The maximum is {maximum}, and what the customer has could not be read."
            yield Finding("quantity", "unknown", detail, same[0].pointer)


def _base(
    each: KnownLine, in_cart: Collection[str], owned: Mapping[str, int] | None
) -> Iterator[Finding]:
    bases = each.sku.bases
    if not each.sku.is_addon or not bases or any(base in in_cart for base in bases):
        return
    words = f"The add-on needs one of {', '.join(bases)}, in the cart or as a subscription."
    if owned is None:
        detail = f"{words} The customer's subscriptions could not be read."
        yield Finding("addon_base", "unknown", detail, each.pointer)
    elif not any(owned.get(base) for base in bases):
        yield Finding("addon_base", "blocker", words, each.pointer)


def _provisioning(each: KnownLine) -> Iterator[Finding]:
    given = {name.lower() for name in each.line.get("provisioningContext") or {}}
    missing = [name for name in each.sku.provisioning if name.lower() not in given]
    if missing:
        detail = f"The provisioningContext needs: {', '.join(missing)}."
        yield Finding("provisioning", "blocker", detail, each.pointer)
