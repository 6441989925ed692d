"""For whom a line is bought: the order of the places where a shop keeps the customer's tenant.

A name is never compared. What a shopper has typed is not trusted: it has to be a customer of this
partner, and to agree with the source's map wherever the map knows the buyer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from cart_core.storefronts.order import Buyer, Line, StorefrontOrder
from cart_core.storefronts.parking import Reason

PlaceKind = Literal["company_location", "company", "customer", "external_id"]
"""What a row of the map can name, the most exact first."""

PLACES: Final[tuple[PlaceKind, ...]] = ("company_location", "company", "customer", "external_id")

PUBLIC_MAIL: Final = frozenset(
    {
        *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com"),
        *("yahoo.com", "ymail.com", "icloud.com", "me.com", "mac.com", "aol.com", "gmx.com"),
        *("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de", "t-online.de", "freenet.de"),
        *("mail.com", "mail.ru", "yandex.com", "yandex.ru", "proton.me", "protonmail.com"),
        *("pm.me", "tutanota.com", "tuta.io", "zoho.com", "fastmail.com", "hey.com", "qq.com"),
        *("163.com", "126.com", "orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr"),
        *("libero.it", "virgilio.it", "hotmail.co.uk", "hotmail.fr", "hotmail.de", "live.co.uk"),
        *("outlook.de", "outlook.fr", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.co.jp"),
        *("btinternet.com", "comcast.net", "verizon.net", "att.net", "cox.net", "bluewin.ch"),
        *("naver.com", "daum.net", "rediffmail.com", "uol.com.br", "bol.com.br", "seznam.cz"),
    }
)
"""Mail providers that give an address to anybody. Their domain says nothing about a company."""


class Customers(Protocol):
    """The customers of this partner."""

    async def find(self, tenant: str) -> str | None:
        """The tenant id (a GUID in lower case) of a customer of this partner.

        `tenant` is a tenant id or a domain. None where it is certain that there is no such
        customer. Raises Problem where that could not be found out.
        """


@dataclass(frozen=True, slots=True)
class CustomerRules:
    """Where a source's tenants are.

    `attributes` are the names of order attributes, line properties or custom fields that may hold
    a tenant id or a domain. `rows` has tenants by a place and an id in it. `by_email_domain` allows
    the domain of an address that the shop has verified.
    """

    attributes: Sequence[str] = ()
    rows: Mapping[tuple[PlaceKind, str], str] | None = None
    by_email_domain: bool = False


class NamedTenants(NamedTuple):
    """The tenants that one line names: what the order says, and what the source's map says."""

    stated: str | None
    mapped: str | None

    @property
    def tenants(self) -> list[str]:
        """The tenants that have to be found; they have to be one and the same customer."""
        return [tenant for tenant in (self.stated, self.mapped) if tenant]


def named_tenants(
    line: Line, order: StorefrontOrder, rules: CustomerRules
) -> NamedTenants | Reason:
    """The tenants for one line, or why there is none."""
    mapped = _mapped(order.buyer, rules)
    for texts in (line.properties, order.attributes):
        stated = {
            text.strip().lower()
            for name, text in texts.items()
            if name.strip().lower() in {wanted.lower() for wanted in rules.attributes}
            if text.strip()
        }
        if len(stated) > 1:
            return Reason("customer_ambiguous", line.id)
        if stated:
            return NamedTenants(stated.pop(), mapped)
    if not mapped and rules.by_email_domain:
        mapped = _email_domain(order.buyer)
    return NamedTenants(None, mapped) if mapped else Reason("customer_unknown", line.id)


def agreed(named: NamedTenants, found: Mapping[str, str | None], line: Line) -> str | Reason:
    """The one customer whose tenants a line names.

    `found` has what Customers.find said of each of them.
    """
    customers = {found[tenant] for tenant in named.tenants}
    if None in customers:
        return Reason("customer_not_found", line.id)
    if len(customers) > 1:
        return Reason("customer_differs", line.id)
    return str(customers.pop())


def _mapped(buyer: Buyer, rules: CustomerRules) -> str | None:
    for place in PLACES:
        known: str | None = getattr(buyer, place)
        if known and (tenant := (rules.rows or {}).get((place, known))):
            return tenant
    return None


def _email_domain(buyer: Buyer) -> str | None:
    """The domain of a verified address of an account that is not a public mail provider's."""
    if not buyer.email or not buyer.email_verified or not buyer.customer:
        return None
    name, _, domain = buyer.email.strip().lower().rpartition("@")
    return domain if name and domain and domain not in PUBLIC_MAIL else None
