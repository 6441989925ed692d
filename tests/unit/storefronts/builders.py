"""Orders and rules to start from, and a partner with two customers."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cart_core.storefronts.customers import CustomerRules
from cart_core.storefronts.order import Line, StorefrontOrder
from cart_core.storefronts.resolution import MappingRules
from cart_core.storefronts.sku import SkuRules

CONTOSO = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
FABRIKAM = "0c39d6d5-c70d-4c55-bc02-f620844f3fd1"
SKU = "CFQ7TTC0LH18:0001:P1Y:monthly"
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
CREATED = datetime(2026, 11, 22, 12, tzinfo=UTC)

LINE = Line("1", SKU, 2)
ORDER = StorefrontOrder(
    "1001", "#1001", CREATED, CREATED, (LINE,), paid=True, attributes={"Tenant": "contoso.com"}
)
RULES = MappingRules(SINCE, "paid", CustomerRules(("tenant",)), SkuRules())


class KnownCustomers:
    """A partner with two customers, each known by its tenant id and its domain."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def find(self, tenant: str) -> str | None:
        self.asked.append(tenant)
        known = {"contoso.com": CONTOSO, "fabrikam.com": FABRIKAM}
        return known.get(tenant) or next((id for id in known.values() if id == tenant), None)


def order(**members: Any) -> StorefrontOrder:
    return replace(ORDER, **members)


def rules(**members: Any) -> MappingRules:
    return replace(RULES, **members)
