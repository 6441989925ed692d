"""What Partner Center tells of a customer's right to buy. All of it only reads.

An application without a user is refused where it asks for agreements or the validation of the
account (403, 900329 or others), so their readers raise Problem then, like for any other failure.
"""

from collections import defaultdict
from typing import Any, Final
from urllib.parse import quote

from cart_core.call import Call
from cart_core.partner_center.catalogue import customer_path
from cart_core.partner_center.errors import unreadable, without_effect
from cart_core.partner_center.reading import Reader
from cart_core.problem import Problem

QUALIFICATIONS: Final = {
    "education": frozenset({"education"}),
    "government": frozenset({"governmentcommunitycloud", "stateownedentity"}),
    "nonprofit": frozenset({"nonprofit"}),
}
"""Qualifications of which a segment needs one."""

_AGREEMENT: Final = "MicrosoftCustomerAgreement"
_NO_VALIDATION: Final = "600074"


class Eligibility:
    """Questions about the call's customer. Every method raises Problem."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def has_agreement(self, call: Call) -> bool:
        """Whether the customer has accepted the agreement, by the partner's word or directly."""
        path = customer_path(call.customer_id)
        # Without the type, the reply is about an older agreement.
        query = {"agreementType": _AGREEMENT}
        if await self._reader.items(call, "list_agreements", f"{path}/agreements", query):
            return True
        signed = f"{path}/directSigned{_AGREEMENT}Status"
        body, _ = await self._reader.document(call, "get_agreement_status", signed)
        is_signed = _named(body).get("issigned")
        if not isinstance(is_signed, bool):
            raise without_effect(unreadable(200))
        return is_signed

    async def validation(self, call: Call) -> str | None:
        """The status of the account's validation, None where there is none."""
        path = f"{customer_path(call.customer_id)}/validationStatus"
        try:
            body, _ = await self._reader.document(call, "get_validation", path, {"type": "account"})
        except Problem as problem:
            if problem.fault and problem.fault.code == _NO_VALIDATION:
                return None
            raise
        return str(_named(body).get("status") or "not told")

    async def qualifications(self, call: Call) -> set[str]:
        """The qualifications that are approved, in lower case."""
        path = f"{customer_path(call.customer_id)}/qualifications"
        items = map(_named, await self._reader.items(call, "list_qualifications", path))
        return {
            str(item.get("qualification")).lower()
            for item in items
            if str(item.get("vettingstatus")).lower() == "approved"
        }

    async def seats(self, call: Call) -> dict[str, int]:
        """The seats of active subscriptions by SKU (`Product:Sku`), those of this partner alone."""
        path = f"{customer_path(call.customer_id)}/subscriptions"
        seats: dict[str, int] = defaultdict(int)
        for item in map(_named, await self._reader.items(call, "list_subscriptions", path)):
            sku_id, quantity = (
                str(item.get("offerid")).upper().rpartition(":")[0],
                item.get("quantity"),
            )
            if str(item.get("status")).lower() == "active" and isinstance(quantity, int):
                seats[sku_id] += quantity
        return seats

    async def end_dates(self, call: Call, term: str) -> set[str]:
        """The days, as `2027-01-31`, on which a subscription of this term may be made to end."""
        path = f"{customer_path(call.customer_id)}/subscriptions/customTermEndDates"
        items = await self._reader.items(call, "list_end_dates", path, {"term_duration": term})
        return {str(_named(item).get("allowedcustomtermenddate"))[:10] for item in items}

    async def restricted(
        self, call: Call, sku_id: str, country: str, context: dict[str, str]
    ) -> bool | None:
        """Whether the inventory of a SKU is restricted; None if Partner Center does not say."""
        product, _, sku = sku_id.partition(":")
        document = {
            "targetItems": [{"productId": product, "skuId": sku}],
            "inventoryContext": {"customerId": call.customer_id, **context},
        }
        path = "/extensions/product/checkInventory"
        query = {"country": quote(country)}
        body = await self._reader.ask(call, "check_inventory", path, document, query)
        for item in map(_named, body.get("items", [])):
            given = (str(item.get("productid")).upper(), str(item.get("skuid") or sku).upper())
            if given == (product, sku):
                is_restricted = item.get("isrestricted")
                return is_restricted if isinstance(is_restricted, bool) else None
        return None


def _named(value: Any) -> dict[str, Any]:
    named = value.items() if isinstance(value, dict) else ()
    return {name.lower(): member for name, member in named}
