"""Whether a tenant, or the tenant of a domain, is a customer of this partner."""

import re
from collections.abc import Callable
from typing import Final

from cart_core.call import Call
from cart_core.partner_center.customers import Customers
from cart_core.use_cases.find_customers import Tenants

_TENANT_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DOMAIN: Final = re.compile(r"(?=.{4,253}$)([0-9a-z-]{1,63}\.)+[a-z][0-9a-z-]{1,62}")


class PartnerCustomers:
    """Looks tenants up for storefronts (the port Customers of that room).

    `open_call` makes the context of one look-up, for a tenant id.
    """

    def __init__(
        self, customers: Customers, tenants: Tenants, open_call: Callable[[str], Call]
    ) -> None:
        self._customers = customers
        self._tenants = tenants
        self._open_call = open_call

    async def find(self, tenant: str) -> str | None:
        """The tenant id in lower case; None where it is certain that it is no customer.

        What is neither a tenant id nor a domain is certainly none, and nobody is asked. Raises
        Problem where the tenant or the customer could not be looked up.
        """
        text = tenant.strip().lower()
        tenant_id: str | None = text
        if not _TENANT_ID.fullmatch(text):
            tenant_id = await self._tenants.tenant_of(text) if _DOMAIN.fullmatch(text) else None
        if tenant_id is None:
            return None
        found = await self._customers.with_tenant(self._open_call(tenant_id), tenant_id)
        return tenant_id if found else None
