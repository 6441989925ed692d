"""Availabilities as Partner Center lists them."""

from typing import Any

SKU = "CFQ7TTC0LH18:0001"
"""The SKU of `availability`."""


def terms(*pairs: tuple[str | None, str | None]) -> list[dict[str, Any]]:
    """The terms of an availability: durations with billing cycles."""
    named = [{"duration": term, "billingCycle": cycle} for term, cycle in pairs]
    return [{name: each[name] for name in each if each[name]} for each in named]


LICENCE = terms(("P1M", "Monthly"), ("P1Y", "Annual"), ("P1Y", "Monthly"))


def availability(part: str = "CFQ7TTC0K971", sku_id: str = SKU, **members: Any) -> dict[str, Any]:
    """An availability that can be bought, with its embedded SKU."""
    product, _, sku = sku_id.partition(":")
    return {
        "id": part,
        "productId": product,
        "skuId": sku,
        "catalogItemId": f"{sku_id}:{part}",
        "defaultCurrency": {"code": "USD", "symbol": "$"},
        "segment": "commercial",
        "country": "US",
        "isPurchasable": True,
        "isRenewable": True,
        "sku": {"id": sku, "supportedBillingCycles": ["monthly", "annual"]},
        "terms": LICENCE,
    } | members


def collection(*items: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A list as Partner Center answers it."""
    return {"totalCount": len(items), "items": list(items), "links": {}} | members
