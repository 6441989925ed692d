"""Partner Center's availabilities, read from its lists.

The members are those of its pages "Product resources". They come in two spellings: the examples
write a segment in lower case and a currency as an object, the tables capitalise the one and make
the other a text. Texts are compared without regard to case.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cart_core.cart.spelling import find_billing_cycle, find_segment


class Pair(NamedTuple):
    """A term with a billing cycle that it is offered with.

    `term` is an ISO 8601 duration, None where the item has no term. `billing_cycle` is in the
    spelling of carts.
    """

    term: str | None
    billing_cycle: str

    def as_json(self) -> dict[str, Any]:
        """The pair under the names that lines have for it."""
        return {"termDuration": self.term, "billingCycle": self.billing_cycle}


@dataclass(frozen=True, slots=True)
class Sku:
    """What a SKU asks of those who buy it. Quantities are seats or instances.

    `billing_cycles` are those of the SKU as a whole, not of one term. `bases` are the SKUs
    (`Product:Sku`) of which an add-on needs one. `provisioning` are the names that a line's
    provisioningContext needs. `region` is the Azure region of a reservation.
    """

    id: str
    title: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    billing_cycles: tuple[str, ...] = ()
    is_trial: bool = False
    is_addon: bool = False
    bases: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()
    inventory_variables: tuple[str, ...] = ()
    provisioning: tuple[str, ...] = ()
    region: str | None = None
    needs_attestation: bool = False


@dataclass(frozen=True, slots=True)
class Availability:
    """One way to buy a SKU: in one segment, for one currency, in some pairs."""

    catalog_item_id: str
    sku: Sku
    pairs: tuple[Pair, ...]
    segment: str | None
    country: str | None
    currency: str | None
    purchasable: bool
    renewable: bool

    def as_json(self) -> dict[str, Any]:
        """What tells it apart from others, as a candidate that a caller may choose."""
        return {
            "catalogItemId": self.catalog_item_id,
            "segment": self.segment,
            "country": self.country,
            "currencyCode": self.currency,
            "renewable": self.renewable,
        }


def read_availabilities(
    items: Iterable[Any], sku_id: str, sku_document: Any = None
) -> list[Availability]:
    """The availabilities of a SKU (`Product:Sku`), from the items of its list.

    `sku_document` is the SKU for items that do not embed it. Raises ValueError where an item is
    none, or is one of another SKU: what a list does not say clearly must not be bought.
    """
    return [_availability(_named(item), sku_id, sku_document) for item in items]


def embeds_sku(items: Iterable[Any]) -> bool:
    """Whether all items embed their SKU. Raises ValueError where one is no object."""
    return all(isinstance(_named(item).get("sku"), dict) for item in items)


def read_sku(document: Any, sku_id: str) -> Sku:
    """A SKU from its document. Raises ValueError for something else."""
    members = _named(document)
    attributes = _named(members.get("dynamicattributes") or {})
    attestation = _named(members.get("attestationproperties") or {})
    return Sku(
        sku_id,
        _text(members.get("title")),
        _integer(members.get("minimumquantity")),
        _integer(members.get("maximumquantity")),
        tuple(filter(None, map(find_billing_cycle, _texts(members.get("supportedbillingcycles"))))),
        is_trial=members.get("istrial") is True,
        is_addon=str(attributes.get("isaddon")).lower() == "true",
        bases=tuple(base.upper() for base in _texts(attributes.get("prerequisiteskus"))),
        prerequisites=_texts(members.get("purchaseprerequisites")),
        inventory_variables=_texts(members.get("inventoryvariables")),
        provisioning=_texts(members.get("provisioningvariables")),
        region=_text(attributes.get("armregionname")),
        needs_attestation=attestation.get("enforceattestation") is True,
    )


def _availability(members: Mapping[str, Any], sku_id: str, sku_document: Any) -> Availability:
    item = members.get("catalogitemid")
    if item is None:
        item = ":".join(str(members.get(name)) for name in ("productid", "skuid", "id"))
    if not isinstance(item, str) or item.upper().rpartition(":")[0] != sku_id:
        raise ValueError("an availability of another SKU")
    embedded = members.get("sku")
    sku = read_sku(embedded if isinstance(embedded, dict) else sku_document, sku_id)
    return Availability(
        item,
        sku,
        tuple(dict.fromkeys(_pairs(members.get("terms"), sku))),
        _segment(members.get("segment")),
        _text(members.get("country")),
        _currency(members.get("defaultcurrency")),
        purchasable=members.get("ispurchasable") is True,
        renewable=members.get("isrenewable") is True,
    )


def _pairs(terms: Any, sku: Sku) -> list[Pair]:
    """The pairs of an availability. Where it names no billing cycle, the SKU's count."""
    if not terms:
        return [Pair(None, cycle) for cycle in sku.billing_cycles]
    if not isinstance(terms, list):
        raise ValueError("terms that are no list")
    found = []
    for each in terms:
        term = _named(each)
        duration = _text(term.get("duration")) or None
        cycle = find_billing_cycle(_text(term.get("billingcycle")) or "")
        cycles = (cycle,) if cycle else sku.billing_cycles
        found += [Pair(duration.upper() if duration else None, each) for each in cycles]
    return found


def _segment(value: Any) -> str | None:
    text = _text(value)
    return (find_segment(text) or text.lower()) if text else None


def _currency(value: Any) -> str | None:
    code = _named(value).get("code") if isinstance(value, dict) else value
    text = _text(code)
    return text.upper() if text else None


def _named(value: Any) -> dict[str, Any]:
    """The members of an object by their names in lower case. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return {name.lower(): member for name, member in value.items()}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(filter(None, map(_text, value))) if isinstance(value, list) else ()


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
