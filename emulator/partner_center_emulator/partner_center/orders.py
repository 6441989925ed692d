"""Makes orders of a cart: one for each order group, or the error why there is none."""

import copy
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.partner_center.documents import every_line

_COPIED = (
    *("termDuration", "quantity", "customTermEndDate", "promotionId", "pricing"),
    *("provisioningContext", "renewsTo", "attestationAccepted", "purchaseCommitment"),
)
"""The members that a line of an order copies from the line of the cart."""

Lines = list[dict[str, Any]]


@dataclass(slots=True)
class StoredOrder:
    """An order, with what the server remembers about it."""

    customer_id: str
    cart_id: str
    order_group: str
    customer_user: str | None
    """The x-ms-customeruser-upn of the checkout that made it."""
    document: dict[str, Any]
    """The order as the checkout that made it is answered."""
    made: float
    """When it was made, in Unix seconds."""
    completed: float
    """When it is completed, in the same."""
    request_ids: list[str] = field(default_factory=list)
    """The MS-RequestIds of the checkouts that were answered with it."""

    def now(self) -> dict[str, Any]:
        """The order as it is now: once it is completed, its licences have their subscriptions."""
        if time.time() < self.completed:
            return self.document
        order = copy.deepcopy(self.document) | {"status": "completed"}
        for line in order["lineItems"]:
            add_subscription(order["id"], line)
        return order

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return {
            "customerId": self.customer_id,
            "cartId": self.cart_id,
            "orderGroup": self.order_group,
            "customerUser": self.customer_user,
            "requestIds": self.request_ids,
            "order": self.document,
        }


def order_groups(cart: Mapping[str, Any]) -> dict[str, Lines]:
    """The lines by order group. Add-ons belong to the group of the line that they are nested in."""
    groups: dict[str, Lines] = {}
    for line in cart["lineItems"]:
        groups.setdefault(str(line["orderGroup"]), []).extend(every_line([line]))
    return groups


@dataclass(slots=True)
class GroupError:
    """What becomes of an order group at its checkout instead of an order."""

    code: int
    description: str = "The order could not be created."
    order_group: str | None = None
    """The group that it hits; None: any."""
    times: int | None = 1
    """How many groups it hits; None: all until it is removed."""
    ordered_after: float | None = None
    """Seconds after which the group is ordered all the same, and until which each checkout of its
    cart tells the same error; None: the next checkout tries it again."""

    def document(self, group: str) -> dict[str, Any]:
        """The OrderError."""
        return _order_error(group, self.code, self.description)


def order_error(group: str, lines: Lines, *, again: bool) -> dict[str, Any] | None:
    """The OrderError of a group that the catalogue does not let be ordered; None for one that can.

    `again` says that ordering the group has failed before.
    """
    failures = (catalogue.order_failure(line, again=again) for line in lines)
    return next((_order_error(group, *failure) for failure in failures if failure), None)


def _order_error(group: str, code: int, description: str) -> dict[str, Any]:
    return {
        "orderGroupId": group,
        "code": code,
        "description": description,
        "attributes": {"objectType": "OrderError"},
    }


def new_order(
    customer_id: str, cart: Mapping[str, Any], lines: Lines, created: str
) -> dict[str, Any]:
    """The Order of these lines of the cart; `created` is its creationDate."""
    order_id = secrets.token_hex(6)
    uri = f"/customers/{customer_id}/orders/{order_id}"
    first = lines[0]
    order = {
        "id": order_id,
        "alternateId": order_id,
        "referenceCustomerId": customer_id,
        "billingCycle": first["billingCycle"],
        "currencyCode": first["currencyCode"],
        "currencySymbol": catalogue.CURRENCIES[first["currencyCode"]],
        "lineItems": [_order_line(number, line) for number, line in enumerate(lines)],
        "creationDate": created,
        "status": "pending",
        "transactionType": "UserPurchase",
        "links": {
            "self": _link(uri),
            "provisioningStatus": _link(f"{uri}/provisioningstatus"),
            "patchOperation": _link(uri, "PATCH"),
        },
        "client": {},
        "attributes": {"objectType": "Order"},
    }
    if "partnerOnRecordAttestationAccepted" in cart:
        order["partnerOnRecordAttestationAccepted"] = cart["partnerOnRecordAttestationAccepted"]
    if all("pricing" in line for line in lines):
        order["totalPrice"] = round(sum(line["pricing"]["extendedPrice"] for line in lines), 2)
    return order


def _order_line(number: int, line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of an order that has no subscription yet."""
    item = catalogue.item_of(line["catalogItemId"])
    product, sku, availability = line["catalogItemId"].split(":")
    sku_uri = f"/products/{product}/skus/{sku}"
    ordered = {
        "lineItemNumber": number,
        "offerId": line["catalogItemId"],
        "transactionType": "New",
        "friendlyName": line.get("friendlyName", item.title),
        **{name: line[name] for name in _COPIED if name in line},
        "links": {
            "product": _link(f"/products/{product}?country=US"),
            "sku": _link(f"{sku_uri}?country=US"),
            "availability": _link(f"{sku_uri}/availabilities/{availability}?country=US"),
        },
    }
    if "parentSubscriptionId" in line["provisioningContext"]:
        ordered["parentSubscriptionId"] = line["provisioningContext"]["parentSubscriptionId"]
    return ordered | _resellers(line.get("participants", []))


def add_subscription(order_id: str, line: dict[str, Any]) -> None:
    """Gives the line of an order the id of its subscription, which only licences have."""
    if catalogue.item_of(line["offerId"]).term_required:
        name = f"{order_id}/{line['lineItemNumber']}"
        line["subscriptionId"] = str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def _resellers(participants: list[Any]) -> dict[str, Any]:
    """The members for the resellers of record among a cart line's participants."""
    by_role: dict[str, list[Any]] = {}
    for participant in participants:
        if isinstance(participant, dict):
            by_role.setdefault(str(participant.get("key")), []).append(participant.get("value"))
    members: dict[str, Any] = {}
    if "transaction_reseller" in by_role:
        members["partnerIdOnRecord"] = by_role["transaction_reseller"][0]
    if "additional_transaction_reseller" in by_role:
        members["additionalPartnerIdsOnRecord"] = by_role["additional_transaction_reseller"]
    return members


def _link(uri: str, method: str = "GET") -> dict[str, Any]:
    return {"uri": uri, "method": method, "headers": []}
