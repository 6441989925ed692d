"""The customers of the emulated Partner Center, and what can be asked about one of them.

Every GUID is a customer in good standing, except for the refused ones; those that are listed here
have a name and domains, and what else a test needs of a customer.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from partner_center_emulator.partner_center.refusals import RefusalError


@dataclass(slots=True)
class Customer:
    """A customer. `domain` is its tenant's default domain; `other_domains` are verified as well.

    `qualifications` have their vetting status. `seats` are the active subscriptions that the
    partner sees: seats by `Product:Sku`.
    """

    id: str
    name: str = "A customer"
    domain: str = "customer.onmicrosoft.com"
    other_domains: tuple[str, ...] = ()
    country: str = "US"
    relationship: str = "reseller"
    agreement: bool = True
    agreement_signed_directly: bool = False
    vetting: str | None = "Allowed"
    qualifications: Mapping[str, str] = field(default_factory=dict)
    seats: dict[str, int] = field(default_factory=dict)

    def document(self, *, whole: bool) -> dict[str, Any]:
        """The customer as a document; `whole` as it is by its id, otherwise as in the list."""
        company = {"tenantId": self.id, "domain": self.domain, "companyName": self.name}
        document: dict[str, Any] = {
            "id": self.id,
            "commerceId": str(uuid.uuid5(uuid.NAMESPACE_OID, self.id)),
            "companyProfile": company,
            "relationshipToPartner": self.relationship,
            "attributes": {"objectType": "Customer"},
        }
        if whole:
            document["allowDelegatedAccess"] = False
            document["billingProfile"] = {
                "culture": "EN-US",
                "language": "En",
                "companyName": self.name,
                "defaultAddress": {"country": self.country},
            }
        return document


def _listed() -> list[Customer]:
    return [
        Customer(
            "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d",
            "Contoso",
            "contoso.onmicrosoft.com",
            ("contoso.example", "contoso-mail.example"),
            seats={"CFQ7TTC0LFLX:0001": 10},
        ),
        # Its default domain begins with another customer's domain.
        Customer(
            "c0c0c0c0-0000-4000-8000-00000000000a",
            "Contoso Australia",
            "contoso.example.au",
            country="AU",
        ),
        Customer(
            "c0c0c0c0-0000-4000-8000-00000000000b",
            "Fabrikam School",
            "fabrikam.example",
            qualifications={"Education": "Approved"},
        ),
        Customer(
            "c0c0c0c0-0000-4000-8000-00000000000c",
            "Adventure Works",
            "adventure.example",
            agreement=False,
            vetting="UnderReview",
            qualifications={"Nonprofit": "InReview"},
        ),
        Customer(
            "c0c0c0c0-0000-4000-8000-00000000000d",
            "Contoso Pharma",
            "pharma.example",
            agreement=False,
            agreement_signed_directly=True,
            vetting=None,
        ),
    ]


class Customers:
    """All customers of the partner. A list has pages of `page_size`; 0: one page."""

    def __init__(self) -> None:
        self.page_size = 0
        self.listed = {customer.id: customer for customer in _listed()}

    def find(self, customer_id: str) -> Customer:
        """A customer: one that is listed, or one in good standing without a name of its own."""
        return self.listed.get(customer_id) or Customer(customer_id)

    def tenant_of(self, domain: str) -> str | None:
        """The tenant with this verified domain."""
        for customer in self.listed.values():
            if domain.lower() in (customer.domain, *customer.other_domains):
                return customer.id
        return FOREIGN_TENANTS.get(domain.lower())

    def matching(self, text: str) -> list[Customer]:
        """Those that the query's `filter` finds: JSON, operator starts_with, in any case.

        Raises RefusalError.
        """
        if not text:
            return list(self.listed.values())
        try:
            given = {name.lower(): value for name, value in json.loads(text).items()}
            name, value = given["field"].lower(), given["value"].lower()
            operator = given["operator"].lower()
        except (ValueError, KeyError, AttributeError):
            raise RefusalError(400, "3000", "The filter is not valid.") from None
        if operator != "starts_with" or name not in ("domain", "companyname"):
            raise RefusalError(400, "3000", "The filter is not supported.")
        return [
            customer
            for customer in self.listed.values()
            if (customer.domain if name == "domain" else customer.name).lower().startswith(value)
        ]


FOREIGN_TENANTS: Mapping[str, str] = {"stranger.example": "00000000-0000-4000-8000-000000020002"}
"""Tenants with verified domains that are no customers of the partner."""
