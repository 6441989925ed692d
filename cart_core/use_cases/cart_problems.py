"""The problems of a cart that is not bought as it is, each with the cart in it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from cart_core.cart.error_codes import Meaning, meaning_of
from cart_core.json_text import write_json
from cart_core.problem import Fault, FieldError, Problem

_PASSING: Final = frozenset({Meaning.NOT_YET, Meaning.FAILED, Meaning.ORDER_EXISTS})
"""What passes by itself where it stands on a line: after the pause the cart says what became."""


def not_orderable(cart: dict[str, Any], fault: Fault | None = None) -> Problem:
    """The problem of a cart with lines that Partner Center does not sell as they are.

    `fault` is how its checkout was refused. If all errors of its lines pass by themselves, the same
    request may succeed later.
    """
    errors = [line["error"] for line in _lines(cart["lineItems"]) if line["error"]]
    meanings = [meaning_of(error["code"], error["description"]) for error in errors]
    pauses = [each.pause for each in meanings if each and each.meaning in _PASSING]
    if errors and len(pauses) == len(errors):
        return Problem(
            "partner_center_not_ready",
            "This request bought nothing: lines of the cart have an 'error' that will pass.",
            fault=fault,
            retry_after=max(pauses),
            cart=cart,
        )
    return Problem(
        "cart_not_orderable",
        "This request bought nothing: lines of the cart have an 'error'. Change these lines.",
        fault=fault,
        cart=cart,
    )


def item_not_offered(cart: dict[str, Any], fault: Fault) -> Problem:
    """The problem of a cart that is alive, with an item that left the catalogue since."""
    words = write_json([fault.description, fault.data]).lower()
    lines = list(_lines(cart["lineItems"]))
    named = [line for line in lines if _availability(line) and _availability(line) in words]
    items = ", ".join(f"{each['catalogItemId']} (line {each['id']})" for each in named or lines)
    which = "this item" if len(named or lines) == 1 else "one of these items"
    return Problem(
        "cart_not_orderable",
        f"This request bought nothing. The cart is there, but {which} is not in the catalogue any"
        f" more: {items}. Read the product's availabilities again, put the cart with the new"
        " catalogItemId, and repeat this request.",
        fault=fault,
        cart=cart,
    )


def cart_differs(cart: dict[str, Any], errors: Sequence[FieldError]) -> Problem:
    """The problem of a cart that does not have the lines that it was asked to have."""
    return Problem(
        "cart_differs",
        "This request bought nothing: the cart does not have the lines that it should have; see"
        " 'errors' and 'cart'. Put the cart as it should be and repeat this request.",
        errors=errors,
        cart=cart,
    )


def _lines(line_items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines and their add-ons, at any depth."""
    for line in line_items:
        yield line
        yield from _lines(line["addonItems"])


def _availability(line: dict[str, Any]) -> str:
    """The last part of `Product:Sku:Availability`, which is the one that changes."""
    return (line["catalogItemId"] or "").rpartition(":")[2].lower()
