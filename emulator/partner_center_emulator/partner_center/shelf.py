"""The catalogue as it is read: products, SKUs and availabilities, whose ids are replaced at times.

Microsoft documents that the third part of a catalog item id changes, and not when. Here it changes
when `rotate` is called. What was replaced stays known, and is refused in carts and checkouts.
"""

import hashlib
import secrets
from collections.abc import Iterator
from typing import Any

from partner_center_emulator.partner_center.catalogue import ITEMS, Item
from partner_center_emulator.partner_center.products import SKUS, Offer, Pair, Sku
from partner_center_emulator.partner_center.refusals import RefusalError

SEGMENTS = ("commercial", "education", "government", "nonprofit")
_UNFILTERED = frozenset(SEGMENTS) - {"nonprofit"}
"""The segments of a list that was not asked for one."""


class Shelf:
    """The availabilities of the moment."""

    def __init__(self) -> None:
        of_items = {
            item_id.rpartition(":")[0]: _sku_of(item_id, item)
            for item_id, item in ITEMS.items()
            if ":" in item_id
        }
        # In this order: a product has the title of its first SKU.
        self.skus: dict[str, Sku] = {**SKUS, **{i: of_items[i] for i in of_items if i not in SKUS}}
        self.issued = set(ITEMS)
        """All catalog item ids that there ever were."""
        self._stale: set[str] = set()
        self._current: dict[tuple[str, int], str] = {}
        self._turned: set[str] = set()
        """The SKUs that have other availabilities than they began with."""
        self.clear()

    def clear(self) -> None:
        """Every SKU has the availabilities that it begins with; all others were replaced."""
        self._turned.clear()
        self._stale = self.issued - set(ITEMS)
        for sku_id in self.skus:
            self._issue(sku_id)

    def rotate(self, sku_id: str | None = None) -> None:
        """Replaces the availabilities of a SKU (`Product:Sku`), or of all, by new ones.

        Raises RefusalError for a SKU that does not exist.
        """
        if sku_id is not None and sku_id not in self.skus:
            raise RefusalError(404, "400018", "The SKU was not found.")
        for each in [sku_id] if sku_id else self.skus:
            self._stale |= set(self.current(each))
            self._turned.add(each)
            self._issue(each)

    def is_stale(self, catalog_item_id: str) -> bool:
        """Whether this id was replaced by another one."""
        return catalog_item_id in self._stale

    def products(self, target_view: str) -> list[dict[str, Any]]:
        """The products of a view, as documents."""
        types = {"OnlineServices": "OnlineServicesNCE", "Software": "Software"}
        wanted = types.get(target_view, "Azure")
        ids = dict.fromkeys(
            sku_id.partition(":")[0]
            for sku_id, sku in self.skus.items()
            if sku.product_type == wanted
        )
        return [self.product(product) for product in ids]

    def product(self, product: str) -> dict[str, Any]:
        """A product as a document. Raises RefusalError."""
        sku = next((s for sku_id, s in self.skus.items() if sku_id.startswith(f"{product}:")), None)
        if sku is None:
            raise RefusalError(404, "400013", "The product was not found.")
        return {
            "id": product,
            "title": sku.title,
            "description": sku.title,
            "productType": {"id": sku.product_type, "displayName": sku.product_type},
            "isMicrosoftProduct": True,
            "publisherName": "Microsoft Corporation",
            "links": {"self": {"uri": f"/products/{product}", "method": "GET", "headers": []}},
        }

    def skus_of(self, product: str, segment: str | None) -> list[dict[str, Any]]:
        """The SKUs of a product that have an availability in the segment. Raises RefusalError."""
        self.product(product)
        return [
            self.sku(product, sku_id.partition(":")[2])
            for sku_id, sku in self.skus.items()
            if sku_id.startswith(f"{product}:")
            and any(offer.segment in _segments(segment) for offer in sku.offers)
        ]

    def sku(self, product: str, sku_part: str) -> dict[str, Any]:
        """A SKU as a document. Raises RefusalError."""
        sku = self._find(product, sku_part)
        return {
            "id": sku_part,
            "productId": product,
            "title": sku.title,
            "description": sku.title,
            "minimumQuantity": sku.minimum,
            "maximumQuantity": sku.maximum,
            "isTrial": sku.is_trial,
            "supportedBillingCycles": list(sku.cycles),
            "purchasePrerequisites": list(sku.prerequisites),
            "inventoryVariables": list(sku.inventory_variables),
            "provisioningVariables": list(sku.provisioning_variables),
            "dynamicAttributes": {
                "isAddon": bool(sku.bases),
                "prerequisiteSkus": list(sku.bases),
                **sku.attributes,
            },
            **(
                {
                    "attestationProperties": {
                        "attestationType": "Windows",
                        "enforceAttestation": True,
                    }
                }
                if sku.attested
                else {}
            ),
        }

    def availabilities(
        self, product: str, sku_part: str, segment: str | None, country: str
    ) -> list[dict[str, Any]]:
        """The availabilities of a SKU. Without a segment: all but nonprofit's.

        Raises RefusalError.
        """
        sku, wanted = self._find(product, sku_part), _segments(segment)
        return [
            self._availability(product, sku_part, number, offer, offer.pairs, country)
            for number, offer in enumerate(sku.offers)
            if offer.segment in wanted
        ]

    def availability(
        self, product: str, sku_part: str, availability: str, country: str
    ) -> dict[str, Any]:
        """One of them, which may have terms that the list lacks. Raises RefusalError."""
        sku = self._find(product, sku_part)
        for number, offer in enumerate(sku.offers):
            if self._current[f"{product}:{sku_part}", number].endswith(f":{availability}"):
                pairs = (*offer.pairs, *offer.only_by_id)
                return self._availability(product, sku_part, number, offer, pairs, country)
        raise RefusalError(404, "400019", "The availability was not found.")

    def current(self, sku_id: str) -> list[str]:
        """The catalog item ids of a SKU at this moment, in the order of its offers."""
        return [self._current[sku_id, number] for number in range(len(self.skus[sku_id].offers))]

    def _find(self, product: str, sku_part: str) -> Sku:
        self.product(product)
        sku = self.skus.get(f"{product}:{sku_part}")
        if sku is None:
            raise RefusalError(404, "400018", "The SKU was not found.")
        return sku

    def _issue(self, sku_id: str) -> None:
        for number, offer in enumerate(self.skus[sku_id].offers):
            part = offer.part
            if sku_id in self._turned:
                part = part[:-4] + secrets.token_hex(2).upper()
            self._current[sku_id, number] = f"{sku_id}:{part}"
            self.issued.add(f"{sku_id}:{part}")
            self._stale.discard(f"{sku_id}:{part}")

    def _availability(
        self,
        product: str,
        sku_part: str,
        number: int,
        offer: Offer,
        pairs: tuple[Pair, ...],
        country: str,
    ) -> dict[str, Any]:
        sku_id = f"{product}:{sku_part}"
        sku, catalog_item_id = self.skus[sku_id], self._current[sku_id, number]
        currency = {"code": offer.currency, "symbol": "€" if offer.currency == "EUR" else "$"}
        return {
            "id": catalog_item_id.rpartition(":")[2],
            "productId": product,
            "skuId": sku_part,
            "catalogItemId": catalog_item_id,
            "defaultCurrency": offer.currency if sku.capitalised else currency,
            "segment": offer.segment.capitalize() if sku.capitalised else offer.segment,
            "country": country,
            "isPurchasable": offer.purchasable,
            "isRenewable": offer.renewable,
            "product": self.product(product),
            "sku": self.sku(product, sku_part),
            "terms": list(_terms(sku_id, pairs)),
        }


def _segments(segment: str | None) -> frozenset[str]:
    """The segments that a list shows. Raises RefusalError."""
    if not segment:
        return _UNFILTERED
    if segment.lower() not in SEGMENTS:
        raise RefusalError(403, "400030", "The target segment is not valid.")
    return frozenset([segment.lower()])


def _terms(sku_id: str, pairs: tuple[Pair, ...]) -> Iterator[dict[str, Any]]:
    for number, (term, cycle) in enumerate(pairs):
        name = hashlib.sha256(f"{sku_id}/{number}".encode()).hexdigest()[:12]
        yield {
            # A pair without a billing cycle, as reservations have it, has no id either.
            **({"id": name, "billingCycle": cycle} if cycle else {}),
            **({"duration": term} if term else {}),
            "description": "One-Month commitment" if term == "P1M" else "Commitment",
            "renewalOptions": [],
            "cancellationPolicies": [
                {"refundOptions": [{"sequenceId": 0, "type": "Full", "expiresAfter": "P1D"}]}
            ],
        }


def _sku_of(item_id: str, item: Item) -> Sku:
    """The SKU of an item that products.py does not have."""
    cycles = [cycle.title() for cycle in item.billing_cycles]
    pairs = [(term, cycle) for term in item.terms or ("",) for cycle in cycles]
    if item.term_required:
        pairs = [pair for pair in pairs if pair != ("P1M", "Annual")]
    return Sku(
        item.title,
        (Offer(item_id.rpartition(":")[2], tuple(pairs)),),
        maximum=item.maximum_seats or 10_000_000,
        cycles=item.billing_cycles,
        bases=(item.needs_base.rpartition(":")[0],) if item.needs_base else (),
        attested=item.needs_attestation,
    )
