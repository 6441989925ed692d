"""Find customers by a domain, or by the beginning of their name or default domain.

Partner Center's own filter sees a customer's default domain alone. So a domain is led to its tenant
by the public OpenID metadata of Microsoft Entra ID, and the tenant is asked for as a customer.
"""

from dataclasses import dataclass
from typing import Protocol

from cart_core.call import Answer, Call
from cart_core.partner_center.customers import Customers


class Tenants(Protocol):
    """Which tenant has verified a domain."""

    async def tenant_of(self, domain: str) -> str | None:
        """The tenant's id; None if no tenant has the domain. Raises Problem if nobody can tell."""


@dataclass(frozen=True, slots=True)
class FindCustomersCommand:
    """A domain, or the beginning of a name or of a domain; with neither, all customers."""

    domain: str | None = None
    search: str = ""


class FindCustomers:
    """Finds customers."""

    def __init__(self, customers: Customers, tenants: Tenants) -> None:
        self._customers = customers
        self._tenants = tenants

    async def __call__(self, call: Call, command: FindCustomersCommand) -> Answer:
        """The customers that were found (200). Raises Problem."""
        if command.domain is None:
            found = await self._customers.beginning_with(call, command.search)
        else:
            tenant = await self._tenants.tenant_of(command.domain)
            found = await self._customers.with_tenant(call, tenant) if tenant else []
        found.sort(key=lambda customer: (customer["name"] or "").lower())
        return Answer.read({"totalCount": len(found), "customers": found}, call)
