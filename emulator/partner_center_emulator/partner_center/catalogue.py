"""The check of a cart's lines by the emulated Partner Center.

ITEMS has one item for each kind of product, and one for each thing that can go wrong in a cart or
at its checkout. The SKUs of products.py can be bought as well. Every other catalogue item id is
unknown.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from partner_center_emulator.partner_center.products import SKUS, Sku

CURRENCIES: Mapping[str, str] = {
    **{"USD": "$", "EUR": "€", "GBP": "£"},
    **{"CAD": "$", "AUD": "$", "JPY": "¥"},
}
"""The currencies that can be used, with the symbols that orders show."""
_PROMOTION = re.compile(r"[A-Z0-9]{12}:[A-Z0-9]{4}:[A-Z0-9]{12}")


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be put in a cart.

    Quantities are seats or instances. Prices are for one of them, in whatever currency is asked.
    """

    title: str
    """The friendlyName of a line that comes without one."""
    billing_cycles: tuple[str, ...] = ("monthly", "annual")
    terms: tuple[str, ...] = ("P1M", "P1Y")
    term_required: bool = True
    maximum_seats: int | None = None
    purchased_seats: int = 0
    quota: int | None = None
    in_stock: bool = True
    needs_attestation: bool = False
    needs_base: str | None = None
    withdrawn_for: str | None = None
    promotion_id: str | None = None
    unit_price: float | None = None
    order_failure: tuple[int, str] | None = None
    """The code and description of the OrderError that its order ends in."""
    fails_once: bool = False
    """Whether only the first attempt to order it fails."""
    pairs: frozenset[tuple[str, str]] = frozenset()
    """The terms with the billing cycles that each may have; none: every term with every cycle."""


RESERVATION = "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"
AZURE_PLAN = "DZH318Z0BPS6:0001:DZH318Z0BML6"
BUSINESS_BASIC = "CFQ7TTC0LH18:0001:CFQ7TTC0K971"
ENTERPRISE_E3 = "CFQ7TTC0LFLX:0001:CFQ7TTC0LB30"
TRIAL = "CFQ7TTC0LCHC:0003:CFQ7TTC0KF52"
ADD_ON = "CFQ7TTC0LHSL:0001:CFQ7TTC0ADDN"
SOFTWARE = "DG7GMGF0D5RK:0005:DG7GMGF0SOFT"
LIMITED = "CFQ7TTC0LIMT:0001:CFQ7TTC0QUOT"
SOLD_OUT = "CFQ7TTC0SOLD:0001:CFQ7TTC0GONE"
ATTESTED = "CFQ7TTC0ATTS:0001:CFQ7TTC0EDUC"
NO_CREDIT = "CFQ7TTC0CRED:0001:CFQ7TTC0NONE"
UNSTEADY = "CFQ7TTC0ONCE:0001:CFQ7TTC0FAIL"
LEGACY_OFFER = "031c9e47-4802-4248-838e-778fb1d2cc05"

ITEMS: Mapping[str, Item] = {
    RESERVATION: Item("Azure reservation", ("one_time", "monthly"), ("P1Y", "P3Y"), False),
    AZURE_PLAN: Item("Azure plan", ("monthly", "none"), (), False),
    SOFTWARE: Item("Perpetual software", ("one_time",), (), False, unit_price=1176.0),
    BUSINESS_BASIC: Item("Licence", maximum_seats=300, purchased_seats=25, unit_price=6.0),
    ENTERPRISE_E3: Item(
        "Licence with a promotion that the server adds",
        ("monthly", "annual", "triennial"),
        ("P1M", "P1Y", "P3Y"),
        promotion_id="39NFJQT1PHSN:0008:39NFJQT1Q5J0",
        unit_price=36.0,
    ),
    TRIAL: Item("Licence trial", ("none",), ("P1M",), maximum_seats=25),
    ADD_ON: Item("Licence add-on", needs_base=BUSINESS_BASIC, unit_price=4.0),
    LIMITED: Item("Licence with a quota", quota=10),
    SOLD_OUT: Item("Licence without inventory", in_stock=False),
    ATTESTED: Item("Licence that needs attestation", needs_attestation=True),
    NO_CREDIT: Item(
        "Licence that no order ever succeeds for",
        unit_price=9000.0,
        order_failure=(800023, "The credit line is too low."),
    ),
    UNSTEADY: Item(
        "Licence that a cart's first order fails for",
        unit_price=8.0,
        order_failure=(800005, "The order could not be created."),
        fails_once=True,
    ),
    LEGACY_OFFER: Item("Withdrawn legacy offer", withdrawn_for=BUSINESS_BASIC),
}


def _item_of_sku(sku: Sku) -> Item:
    """What can be put in a cart of a SKU: any of its availabilities."""
    found = [pair for offer in sku.offers for pair in (*offer.pairs, *offer.only_by_id)]
    pairs = {
        (term, cycle)
        for term, given in found
        for cycle in ([given.lower()] if given else sku.cycles)
    }
    terms = tuple(dict.fromkeys(term for term, _ in found if term))
    cycles = tuple(dict.fromkeys([*sku.cycles, *(cycle for _, cycle in pairs)]))
    licence = sku.product_type == "OnlineServicesNCE"
    base = next(iter(sku.bases), None)
    maximum = sku.maximum if sku.maximum < _UNLIMITED else None
    return Item(
        *(sku.title, cycles, terms, licence, maximum),
        needs_base=base,
        needs_attestation=sku.attested,
        pairs=frozenset(pairs),
    )


_UNLIMITED = 10_000_000
_BY_SKU: Mapping[str, Item] = {
    **{sku_id: _item_of_sku(sku) for sku_id, sku in SKUS.items()},
    **{item_id.rpartition(":")[0]: item for item_id, item in ITEMS.items() if ":" in item_id},
}


def item_of(catalog_item_id: str) -> Item:
    """The item with this id, which may be any availability of its SKU."""
    return ITEMS.get(catalog_item_id) or _BY_SKU[catalog_item_id.rpartition(":")[0]]


def assess(
    line: Mapping[str, Any], item_ids: frozenset[str], known: Container[str] = ITEMS
) -> dict[str, Any]:
    """The members that the server adds to a line; `item_ids` are those of the whole cart.

    They are an `error` (CartError) where the line cannot be ordered, otherwise the pre-tax
    `pricing` and the promotion, where the item has them. `known` are the catalog item ids that
    were ever issued.
    """
    if line["catalogItemId"] not in known:
        return _error(10001, f"The catalog item id '{line['catalogItemId']}' is not valid.")
    item = item_of(line["catalogItemId"])
    added = _error_of(line, item, item_ids)
    if not added and item.promotion_id is not None:
        added["promotionId"] = line.get("promotionId", item.promotion_id)
    if "error" not in added and item.unit_price is not None:
        price, total = item.unit_price, round(item.unit_price * line["quantity"], 2)
        prices = {"listPrice": price, "discountedPrice": price, "proratedPrice": price}
        added["pricing"] = {**prices, "price": price, "extendedPrice": total}
    return added


def order_failure(line: Mapping[str, Any], *, again: bool) -> tuple[int, str] | None:
    """The code and description of the OrderError of a line without an error, if it has one.

    `again` says that ordering it has failed before.
    """
    item = item_of(line["catalogItemId"])
    return None if item.fails_once and again else item.order_failure


def _error_of(line: Mapping[str, Any], item: Item, item_ids: frozenset[str]) -> dict[str, Any]:
    """The `error` member for the first thing that is wrong with a line, or an empty object."""
    term, quantity = line.get("termDuration", ""), line["quantity"]
    if item.withdrawn_for:
        return _error(500600, f"The offer is withdrawn. Its replacement is {item.withdrawn_for}.")
    if line["currencyCode"] not in CURRENCIES:
        return _error(10000, f"The currency is not supported. Supported: {', '.join(CURRENCIES)}.")
    if (term or item.term_required) and term not in item.terms:
        item_id = line["catalogItemId"]
        return _error(400039, f"The availability '{item_id}' does not support term '{term}'.")
    if line["billingCycle"] not in item.billing_cycles:
        allowed = ", ".join(item.billing_cycles)
        return _error(10013, f"The billing plan is not supported. Supported: {allowed}.")
    if item.pairs and (term, line["billingCycle"]) not in item.pairs:
        return _error(10013, f"The billing plan is not supported for the term '{term}'.")
    if not item.in_stock:
        return _error(10003, "There is no inventory available for the item.")
    if item.quota is not None and quantity > item.quota:
        return _error(10002, "The quota is exceeded.", availableQuantity=item.quota)
    if item.maximum_seats is not None and quantity > item.maximum_seats - item.purchased_seats:
        return _error(
            10015,
            f"The maximum is {item.maximum_seats} seats per subscription.",
            availableQuantity=item.maximum_seats - item.purchased_seats,
            purchasedQuantity=item.purchased_seats,
        )
    if item.needs_attestation and not line.get("attestationAccepted"):
        return _error(10012, "The attestation must be accepted.")
    skus = {item_id.rpartition(":")[0] for item_id in item_ids}
    if item.needs_base and not {item.needs_base, ":".join(item.needs_base.split(":")[:2])} & skus:
        return _error(400041, f"The add-on needs its base product {item.needs_base}.")
    if "promotionId" in line and not _PROMOTION.fullmatch(str(line["promotionId"])):
        return _error(10014, "The promotion id is not valid.")
    if "customTermEndDate" in line and not item.terms:
        return _error(10016, "The product does not support a custom term end date.")
    return {}


def _error(code: int, description: str, **additional: int) -> dict[str, Any]:
    error = {
        "errorCode": code,
        "errorDescription": description,
        "additionalInformation": additional,
        "attributes": {"objectType": "CartError"},
    }
    return {"error": error}
