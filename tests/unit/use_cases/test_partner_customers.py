"""A tenant or a domain that a shop names is led to a customer of this partner, or to none."""

from typing import Any, cast

import pytest

from cart_core.call import Call
from cart_core.partner_center.customers import Customers
from cart_core.problem import Problem
from cart_core.use_cases.partner_customers import PartnerCustomers

CONTOSO = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
STRANGER = "0c39d6d5-c70d-4c55-bc02-f620844f3fd1"


class World:
    """Two tenants with a domain each, of which one is a customer."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.domains: list[str] = []

    async def tenant_of(self, domain: str) -> str | None:
        self.domains.append(domain)
        if domain == "slow.com":
            raise Problem("token_unavailable", "No answer.")
        return {"contoso.com": CONTOSO, "stranger.com": STRANGER}.get(domain)

    async def with_tenant(self, call: Call, tenant: str) -> list[dict[str, Any]]:
        return [{"id": tenant}] if tenant == CONTOSO else []

    def open_call(self, tenant: str) -> Call:
        self.opened.append(tenant)
        return cast(Call, None)

    def customers(self) -> PartnerCustomers:
        return PartnerCustomers(cast(Customers, self), self, self.open_call)


@pytest.mark.parametrize(
    ("tenant", "found"),
    [
        (CONTOSO, CONTOSO),
        (f" {CONTOSO.upper()} ", CONTOSO),
        ("Contoso.com", CONTOSO),
        (STRANGER, None),
        ("stranger.com", None),
        ("nobody.com", None),
        ("Contoso Ltd.", None),
        ("contoso", None),
        ("../contoso.com", None),
        ("a.com/b.com", None),
        ("", None),
        ("a" * 300 + ".com", None),
    ],
)
async def test_a_tenant_or_a_domain_is_a_customer_or_is_none(
    tenant: str, found: str | None
) -> None:
    world = World()

    assert await world.customers().find(tenant) == found
    assert all("/" not in domain and " " not in domain for domain in world.domains)


async def test_a_domain_that_cannot_be_looked_up_is_not_called_unknown() -> None:
    with pytest.raises(Problem):
        await World().customers().find("slow.com")
