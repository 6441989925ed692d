"""Reads a cart request as Partner Center does: names in any case, answers in lower camel case."""

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

_SETTABLE = ("lineItems", "partnerOnRecordAttestationAccepted")
SERVER_ASSIGNED = (
    *("id", "creationTimestamp", "lastModifiedTimestamp", "expirationTimestamp"),
    *("lastModifiedUser", "status", "links", "attributes"),
)
_LINE_MEMBERS = (
    *("id", "catalogItemId", "friendlyName", "quantity", "currencyCode", "billingCycle"),
    *("termDuration", "promotionId", "participants", "provisioningContext", "orderGroup"),
    *("addonItems", "renewsTo", "customTermEndDate", "attestationAccepted"),
    *("purchaseCommitment", "purchaseSystem", "pricing", "error"),
)
_CART_NAMES = {name.lower(): name for name in _SETTABLE + SERVER_ASSIGNED}
_LINE_NAMES = {name.lower(): name for name in _LINE_MEMBERS}
_BILLING_CYCLES = {
    name.replace("_", ""): name
    for name in ("monthly", "annual", "one_time", "none", "triennial", "biennial")
}


class MalformedCartError(Exception):
    """A request that is refused as a whole, with Partner Center's code for it."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


def read_cart(body: bytes, cart_id: str | None = None) -> dict[str, Any]:
    """The members that a caller may set, lines with ids; unknown members as they came.

    A cart that exists has `cart_id`; what is to replace it may not have another.
    Raises MalformedCartError.
    """
    try:
        document = json.loads(body)
    except ValueError:
        raise MalformedCartError("800002", "The request input is not valid JSON.") from None
    cart = _named(document, _CART_NAMES, "cart")
    if cart_id is not None and str(cart.get("id", cart_id)).lower() != cart_id:
        raise MalformedCartError("3000", "The cart id is not that of the cart.")
    cart = {name: value for name, value in cart.items() if name not in SERVER_ASSIGNED}
    if not isinstance(cart.get("lineItems"), list) or not cart["lineItems"]:
        raise MalformedCartError("800002", "A cart needs at least one line item.")
    cart["lineItems"] = [_line(line) for line in cart["lineItems"]]
    _number(list(every_line(cart["lineItems"])))
    return cart


def every_line(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All lines with those nested in them, in document order."""
    for line in lines:
        yield line
        yield from every_line(line.get("addonItems", []))


def _line(document: Any) -> dict[str, Any]:
    line = _named(document, _LINE_NAMES, "line item")
    line.pop("error", None)
    line.pop("pricing", None)
    if not isinstance(line.get("catalogItemId"), str):
        raise MalformedCartError("900142", "The catalog item id is missing.")
    if type(line.get("quantity")) is not int or not 1 <= line["quantity"] < 2**31:
        raise MalformedCartError("900275", "The quantity is outside the allowed range.")
    cycle = str(line.get("billingCycle")).lower().replace("_", "")
    if cycle not in _BILLING_CYCLES:
        raise MalformedCartError("900126", "Unable to parse enum BillingCycleType.")
    line["billingCycle"] = _BILLING_CYCLES[cycle]
    for name, kind in (("participants", list), ("renewsTo", dict), ("addonItems", list)):
        if not isinstance(line.get(name, kind()), kind):
            raise MalformedCartError("800002", f"The member {name} is malformed.")
    context = line.get("provisioningContext", {})
    if not isinstance(context, dict) or not all(isinstance(v, str) for v in context.values()):
        raise MalformedCartError("800002", "The provisioning context is malformed.")
    line["provisioningContext"] = {key[:1].lower() + key[1:]: v for key, v in context.items()}
    if "addonItems" in line:
        line["addonItems"] = [_line(addon) for addon in line["addonItems"]]
    return {"currencyCode": "USD", "orderGroup": "0"} | line


def _named(document: Any, names: Mapping[str, str], what: str) -> dict[str, Any]:
    """The object with its known names in lower camel case and without nulls."""
    if not isinstance(document, dict):
        raise MalformedCartError("800002", f"The {what} is malformed.")
    return {names.get(k.lower(), k): value for k, value in document.items() if value is not None}


def _number(lines: list[dict[str, Any]]) -> None:
    """Gives every line an integer id: the lowest unused one where it came without."""
    given = [line["id"] for line in lines if "id" in line]
    if not all(type(i) is int or (isinstance(i, str) and i.isdecimal()) for i in given):
        raise MalformedCartError("800002", "A line item id is malformed.")
    taken = {int(i) for i in given}
    if len(taken) < len(given):
        raise MalformedCartError("800002", "The line item ids are not unique.")
    unused = (number for number in count() if number not in taken)
    for line in lines:
        line["id"] = int(line["id"]) if "id" in line else next(unused)
