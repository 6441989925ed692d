"""What can be read of the catalogue and of customers over HTTP, below `/v1`."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from partner_center_emulator.partner_center.customers import Customer, Customers
from partner_center_emulator.partner_center.documents import read_object
from partner_center_emulator.partner_center.products import PROMOTED, PROMOTION
from partner_center_emulator.partner_center.refusals import RefusalError
from partner_center_emulator.partner_center.shelf import Shelf


class CatalogueCall(Protocol):
    """What the answers here need to know of a request."""

    @property
    def customer_id(self) -> str:
        """The customer in the path; "" for a path without one."""

    @property
    def path(self) -> Any:
        """The other parameters of the path."""

    @property
    def query(self) -> Any:
        """The query."""

    @property
    def body(self) -> bytes:
        """The body."""

    @property
    def continuation(self) -> str:
        """The MS-ContinuationToken."""

    @property
    def app_only(self) -> bool:
        """Whether the application called without a user."""


Answer = tuple[int, Any]
Read = Callable[[Any], Answer]


class CatalogueReads:
    """The answers, over one catalogue and the customers of one partner.

    `subscribed` gives the active subscriptions that the orders of a customer have made.
    """

    def __init__(
        self,
        shelf: Shelf,
        customers: Customers,
        subscribed: Callable[[str], Iterable[dict[str, Any]]],
    ) -> None:
        self._shelf = shelf
        self._customers = customers
        self._subscribed = subscribed

    def routes(self) -> list[tuple[str, str, Read]]:
        """Method, path below `/v1`, and what answers it."""
        customer = "/customers/{customer}"
        found: list[tuple[str, str, Read]] = []
        for root in ("", customer):
            sku = root + "/products/{product}/skus/{sku}"
            found += [
                ("GET", f"{root}/products", self._products),
                ("GET", root + "/products/{product}", self._product),
                ("GET", root + "/products/{product}/skus", self._skus),
                ("GET", sku, self._sku),
                ("GET", f"{sku}/availabilities", self._availabilities),
                ("GET", sku + "/availabilities/{availability}", self._availability),
            ]
        return [
            *found,
            ("POST", "/extensions/product/checkInventory", self._inventory),
            ("GET", "/productpromotions", self._promotions),
            ("POST", f"{customer}/promotionEligibilities", self._eligibilities),
            ("GET", "/customers", self._list_customers),
            ("GET", customer, self._customer),
            ("GET", f"{customer}/agreements", self._agreements),
            ("GET", f"{customer}/directSignedMicrosoftCustomerAgreementStatus", self._signed),
            ("GET", f"{customer}/qualifications", self._qualifications),
            ("GET", f"{customer}/validationStatus", self._validation_status),
            ("GET", f"{customer}/subscriptions", self._subscriptions),
            ("GET", f"{customer}/subscriptions/customTermEndDates", self._end_dates),
        ]

    # --- Products -----------------------------------------------------------------------------

    def _products(self, call: CatalogueCall) -> Answer:
        self._country(call)
        return 200, _collection(self._shelf.products(_required(call, "targetView")))

    def _product(self, call: CatalogueCall) -> Answer:
        self._country(call)
        return 200, self._shelf.product(call.path["product"])

    def _skus(self, call: CatalogueCall) -> Answer:
        self._country(call)
        segment = call.query.get("targetSegment")
        return 200, _collection(self._shelf.skus_of(call.path["product"], segment))

    def _sku(self, call: CatalogueCall) -> Answer:
        self._country(call)
        return 200, self._shelf.sku(call.path["product"], call.path["sku"])

    def _availabilities(self, call: CatalogueCall) -> Answer:
        segment, path = call.query.get("targetSegment"), call.path
        found = self._shelf.availabilities(
            path["product"], path["sku"], segment, self._country(call)
        )
        return 200, _collection(found)

    def _availability(self, call: CatalogueCall) -> Answer:
        path, country = call.path, self._country(call)
        return 200, self._shelf.availability(
            path["product"], path["sku"], path["availability"], country
        )

    def _country(self, call: CatalogueCall) -> str:
        """The customer's country, or the one that a request without a customer names."""
        if call.customer_id:
            return self._customers.find(call.customer_id).country
        return _required(call, "country")

    def _inventory(self, call: CatalogueCall) -> Answer:
        """A bare array. A SKU that the catalogue does not have is left out of it."""
        targets = read_object(call.body).get("targetItems", [])
        return 200, [
            {
                "productId": target["productId"],
                "skuId": target.get("skuId"),
                "isRestricted": target["productId"] == RESTRICTED,
                "restrictions": [{"reasonCode": "NotAvailableForSubscription"}]
                if target["productId"] == RESTRICTED
                else [],
            }
            for target in targets
            if f"{target.get('productId')}:{target.get('skuId')}" in self._shelf.skus
        ]

    # --- Promotions ---------------------------------------------------------------------------

    def _promotions(self, call: CatalogueCall) -> Answer:
        product, _, sku = PROMOTED.partition(":")
        term = {"duration": "P1Y", "billingCycle": "Annual"}
        policies = [{"policyType": "PercentDiscount", "value": "0.05"}]
        required = {"productId": product, "skuId": sku, "term": term, "pricingPolicies": policies}
        properties = {"isAutoApplicable": True}
        promotion = {"id": PROMOTION, "properties": properties, "requiredProducts": [required]}
        return 200, _collection([promotion])

    def _eligibilities(self, call: CatalogueCall) -> Answer:
        items = read_object(call.body).get("items", [])
        return 200, {"items": [self._judged(item) for item in items]}

    def _judged(self, item: dict[str, Any]) -> dict[str, Any]:
        item_id = str(item.get("catalogItemId"))
        promotion = item.get("promotionId", PROMOTION)
        errors: list[dict[str, Any]] = []
        if item_id not in self._shelf.current(item_id.rpartition(":")[0]):
            errors = [{"type": "InvalidCatalogItemId", "description": "The id is not valid."}]
        elif promotion != PROMOTION or not item_id.startswith(PROMOTED):
            errors = [{"type": "InvalidPromotion", "description": "No such promotion."}]
        elif (item.get("termDuration"), str(item.get("billingCycle")).lower()) != ("P1Y", "annual"):
            errors = [{"type": "Term", "description": "Another term.", "eligibleTerms": ["P1Y"]}]
        elif item.get("quantity", 0) > 100:
            errors = [
                {
                    "type": "SeatCount",
                    "description": "Too many seats.",
                    "minimumRequiredSeats": 1,
                    "maximumRequiredSeats": 100,
                }
            ]
        judgement = {"promotionId": promotion, "isEligible": not errors, "errors": errors}
        return {**item, "eligibilities": [judgement]}

    # --- Customers ----------------------------------------------------------------------------

    def _list_customers(self, call: CatalogueCall) -> Answer:
        found = self._customers.matching(call.query.get("filter", ""))
        begin = int(call.continuation) if call.continuation.isdecimal() else 0
        size = int(call.query.get("size", "0") or 0) or self._customers.page_size or len(found)
        end = begin + min(size, self._customers.page_size or size)
        document = _collection([each.document(whole=False) for each in found[begin:end]])
        if end < len(found):
            headers = [{"key": "MS-ContinuationToken", "value": str(end)}]
            document["continuationToken"] = str(end)
            document["links"]["next"] = {
                "uri": "/customers?seekOperation=Next",
                "method": "GET",
                "headers": headers,
            }
        return 200, document

    def _customer(self, call: CatalogueCall) -> Answer:
        return 200, self._customers.find(call.customer_id).document(whole=True)

    def _agreements(self, call: CatalogueCall) -> Answer:
        customer = self._for_user(call)
        # Without a type the reply is about another agreement, which nobody has any more.
        asked = call.query.get("agreementType", "MicrosoftCloudAgreement")
        signed = customer.agreement and asked in ("MicrosoftCustomerAgreement", "*")
        agreement = {"type": "MicrosoftCustomerAgreement", "dateAgreed": "2025-03-01T00:00:00Z"}
        return 200, _collection([agreement] if signed else [])

    def _signed(self, call: CatalogueCall) -> Answer:
        return 200, {"isSigned": self._for_user(call).agreement_signed_directly}

    def _qualifications(self, call: CatalogueCall) -> Answer:
        found = self._customers.find(call.customer_id).qualifications
        return 200, [
            {"qualification": name, "vettingStatus": status} for name, status in found.items()
        ]

    def _validation_status(self, call: CatalogueCall) -> Answer:
        status = self._for_user(call).vetting
        if status is None:
            raise RefusalError(404, "600074", "There is no validation status.")
        return 200, {"type": "Account", "status": status}

    def _subscriptions(self, call: CatalogueCall) -> Answer:
        customer = self._customers.find(call.customer_id)
        owned = [
            {
                "id": f"{call.customer_id[:8]}-0000-4000-8000-{number:012}",
                "offerId": self._shelf.current(sku)[0],
                "quantity": seats,
                "status": "active",
                "termDuration": "P1Y",
                "billingCycle": "monthly",
            }
            for number, (sku, seats) in enumerate(customer.seats.items())
        ]
        return 200, _collection([*owned, *self._subscribed(call.customer_id)])

    def _end_dates(self, call: CatalogueCall) -> Answer:
        _required(call, "term_duration")
        dates = ["2027-01-31T00:00:00", "2027-02-28T00:00:00"]
        return 200, _collection(
            [
                {
                    "allowedCustomTermEndDateType": "calendarMonthAligned",
                    "cotermSubscriptionIds": [],
                    "allowedCustomTermEndDate": date,
                }
                for date in dates
            ]
        )

    def _for_user(self, call: CatalogueCall) -> Customer:
        """The customer. Raises RefusalError where the application called without a user."""
        if call.app_only:
            raise RefusalError(403, "900329", "The operation needs a user's token.")
        return self._customers.find(call.customer_id)


RESTRICTED = "DZH318Z0BQ36"
"""A reservation that is out of stock."""


def _required(call: CatalogueCall, name: str) -> str:
    value = call.query.get(name)
    if not value:
        raise RefusalError(400, "3000", f"The query parameter {name} is missing.")
    return str(value)


def _collection(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "totalCount": len(items),
        "items": items,
        "links": {"self": {"uri": "/", "method": "GET", "headers": []}},
        "attributes": {"objectType": "Collection"},
    }
