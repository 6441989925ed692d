"""What a customer may buy, as callers and their pickers get it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cart_core.catalogue.availability import Availability, Pair, Sku

TERM_NAMES: Final = {"P1M": "One month", "P1Y": "One year", "P3Y": "Three years"}
CYCLE_NAMES: Final = {
    "monthly": "Monthly",
    "annual": "Annual",
    "one_time": "One time",
    "none": "None",
    "triennial": "Every three years",
    "biennial": "Every two years",
}
"""Names of terms and billing cycles for people."""


def product_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """A product from its document, in which everything may be missing."""
    members = {name.lower(): value for name, value in document.items()}
    kind = members.get("producttype")
    type_id = kind.get("id") if isinstance(kind, dict) else None
    product_id, title = str(members.get("id")), members.get("title")
    return {
        "id": product_id,
        "title": title if isinstance(title, str) else product_id,
        "productType": type_id if isinstance(type_id, str) else None,
    }


def sku_answer(sku: Sku, pairs: list[Pair] | None) -> dict[str, Any]:
    """A SKU. `pairs` are those that can be bought today; None where they were not asked for."""
    product, _, part = sku.id.partition(":")
    return {
        "productId": product,
        "skuId": part,
        "title": sku.title or sku.id,
        "minimumQuantity": sku.minimum,
        "maximumQuantity": sku.maximum,
        "isTrial": sku.is_trial,
        "isAddon": sku.is_addon,
        "bases": list(sku.bases),
        "purchasePrerequisites": list(sku.prerequisites),
        "provisioningVariables": list(sku.provisioning),
        "attestationRequired": sku.needs_attestation,
        "pairs": None if pairs is None else [pair.as_json() for pair in pairs],
    }


def offered_pairs(availabilities: Iterable[Availability], segment: str) -> list[Pair]:
    """The pairs of term and billing cycle that can be bought in a segment."""
    pairs = {
        pair
        for each in availabilities
        if each.purchasable and each.segment in (segment, None)
        for pair in each.pairs
    }
    return sorted(pairs, key=lambda pair: (pair.term or "", pair.billing_cycle))


def terms_answer(pairs: Iterable[Pair]) -> list[dict[str, Any]]:
    """The terms of these pairs, each once, with a name for people."""
    terms = dict.fromkeys(pair.term for pair in pairs if pair.term)
    return [{"termDuration": term, "title": TERM_NAMES.get(term, term)} for term in terms]


def cycles_answer(pairs: Iterable[Pair]) -> list[dict[str, Any]]:
    """The billing cycles of these pairs, each once, with a name for people."""
    cycles = dict.fromkeys(pair.billing_cycle for pair in pairs)
    return [{"billingCycle": cycle, "title": CYCLE_NAMES[cycle]} for cycle in cycles]
