"""Reads a cart from a request as Partner Center does: member names in any case, lines with ids."""

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from partner_center_emulator.partner_center.refusals import RefusalError, invalid_input

_SETTABLE = ("lineItems", "partnerOnRecordAttestationAccepted")
SERVER_ASSIGNED = (
    *("id", "creationTimestamp", "lastModifiedTimestamp", "expirationTimestamp"),
    *("lastModifiedUser", "status", "links", "attributes"),
)
"""The members of a cart that the server alone sets."""
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
_MAXIMUM_QUANTITY = 2**31 - 1


def read_cart(body: bytes, cart_id: str | None = None) -> dict[str, Any]:
    """The members of a cart that a caller may set, in Partner Center's own spelling.

    Every line has an integer id, a currency and an order group. Members that are not known stay as
    they came. `cart_id` is that of the cart that the body is to replace: it may not name another.
    Raises RefusalError.
    """
    document = _read_json(body)
    cart = _with_known_names(document, _CART_NAMES, "cart")
    if cart_id is not None and str(cart.get("id", cart_id)).lower() != cart_id:
        raise RefusalError(400, "3000", "The cart id is not that of the cart.")
    cart = {name: value for name, value in cart.items() if name not in SERVER_ASSIGNED}
    if not isinstance(cart.get("lineItems"), list) or not cart["lineItems"]:
        raise invalid_input("A cart needs at least one line item.")
    cart["lineItems"] = [_read_line(line) for line in cart["lineItems"]]
    _assign_ids(list(every_line(cart["lineItems"])))
    return cart


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, its names as they came. Raises RefusalError."""
    document = _read_json(body)
    if not isinstance(document, dict):
        raise invalid_input("The request input is malformed.")
    return document


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise invalid_input("The request input is not valid JSON.") from None


def every_line(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All lines and the add-ons nested in them, in document order."""
    for line in lines:
        yield line
        yield from every_line(line.get("addonItems", []))


def _read_line(document: Any) -> dict[str, Any]:
    line = _with_known_names(document, _LINE_NAMES, "line item")
    line.pop("error", None)
    line.pop("pricing", None)
    if not isinstance(line.get("catalogItemId"), str):
        raise RefusalError(400, "900142", "The catalog item id is missing.")
    if type(line.get("quantity")) is not int or not 1 <= line["quantity"] <= _MAXIMUM_QUANTITY:
        raise RefusalError(400, "900275", "The quantity is outside the allowed range.")
    cycle = str(line.get("billingCycle")).lower().replace("_", "")
    if cycle not in _BILLING_CYCLES:
        raise RefusalError(400, "900126", "Unable to parse enum BillingCycleType.")
    line["billingCycle"] = _BILLING_CYCLES[cycle]
    for name, kind in (("participants", list), ("renewsTo", dict), ("addonItems", list)):
        if not isinstance(line.get(name, kind()), kind):
            raise invalid_input(f"The member {name} is malformed.")
    context = line.get("provisioningContext", {})
    if not isinstance(context, dict) or not all(isinstance(v, str) for v in context.values()):
        raise invalid_input("The provisioning context is malformed.")
    line["provisioningContext"] = {key[:1].lower() + key[1:]: v for key, v in context.items()}
    if "addonItems" in line:
        line["addonItems"] = [_read_line(addon) for addon in line["addonItems"]]
    return {"currencyCode": "USD", "orderGroup": "0"} | line


def _with_known_names(document: Any, names: Mapping[str, str], what: str) -> dict[str, Any]:
    """The object without nulls, its known names in lower camel case, whatever case they came in."""
    if not isinstance(document, dict):
        raise invalid_input(f"The {what} is malformed.")
    return {names.get(k.lower(), k): value for k, value in document.items() if value is not None}


def _assign_ids(lines: list[dict[str, Any]]) -> None:
    """Makes every line's id an integer: its own, or the lowest unused one where it has none."""
    given = [line["id"] for line in lines if "id" in line]
    if not all(type(i) is int or (isinstance(i, str) and i.isdecimal()) for i in given):
        raise invalid_input("A line item id is malformed.")
    taken = {int(i) for i in given}
    if len(taken) < len(given):
        raise invalid_input("The line item ids are not unique.")
    unused = (number for number in count() if number not in taken)
    for line in lines:
        line["id"] = int(line["id"]) if "id" in line else next(unused)
