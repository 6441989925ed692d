"""Carts that the tests share, and short ways to read, refuse and normalise one."""

import json
from collections.abc import Iterator
from typing import Any

from cart_core.api.request_json import read_json
from cart_core.cart.answer import normalise_cart
from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.json_text import write_json
from cart_core.problem import FieldError, Problem

CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
CART_ID = "b4c8fdea-cbe4-4d17-9576-13fcacbf9605"
MARKER = "planted-marker"

SEED_REQUEST: dict[str, Any] = json.loads(
    """{
        "LineItems": [{
            "Id": 0, "CatalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
            "FriendlyName": "A_sample_Azure_RI", "Quantity": 2, "BillingCycle": "one_time",
            "ProvisioningContext": {
                "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                "scope": "shared", "duration": "1Year"
            }
        }],
        "Attributes": {"ObjectType": "Cart"}
    }"""
)
"""The request example of Microsoft's "Create a cart"."""

SEED_RESPONSE: dict[str, Any] = json.loads(
    """{
        "id": "b4c8fdea-cbe4-4d17-9576-13fcacbf9605",
        "creationTimestamp": "2018-03-15T17:15:02.3840528Z",
        "lastModifiedTimestamp": "2018-03-15T17:15:02.3840528Z",
        "lastModifiedUser": "2713ccd7-ea3b-470a-9cfb-451d5d0482cc",
        "lineItems": [{
            "id": 0, "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
            "friendlyName": "My offer purchase", "quantity": 2, "currencyCode": "USD",
            "billingCycle": "one_time",
            "provisioningContext": {
                "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                "scope": "shared", "duration": "1Year"
            },
            "orderGroup": "0"
        }],
        "links": {"self": {"uri": "/customers/x/carts/y", "method": "GET", "headers": []}},
        "attributes": {"objectType": "Cart"}
    }"""
)
"""The response example of the same page: the cart CART_ID."""

CHECKOUT_RESULT: dict[str, Any] = json.loads(
    """{
        "orders": [{
            "id": "f76c6b7f449d", "alternateId": "f76c6b7f449d", "referenceCustomerId": "d6bf25b7",
            "billingCycle": "one_time", "currencyCode": "USD", "currencySymbol": "$",
            "lineItems": [{
                "lineItemNumber": 0, "offerId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
                "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666", "termDuration": "P1Y",
                "transactionType": "New", "friendlyName": "A_sample_Azure_RI", "quantity": 2,
                "customTermEndDate": "0001-01-01T00:00:00",
                "pricing": {"listPrice": 2.5, "extendedPrice": 5, "attributes": {}},
                "partnerIdOnRecord": "5139005", "additionalPartnerIdsOnRecord": ["4847383"],
                "provisioningContext": {"scope": "shared"},
                "links": {"product": {"uri": "/products/x", "method": "GET", "headers": []}}
            }],
            "creationDate": "2026-03-15T17:15:02.3840528Z", "status": "completed",
            "transactionType": "UserPurchase", "totalPrice": 5.0,
            "links": {"self": {"uri": "/orders/x", "method": "GET", "headers": []}},
            "attributes": {"etag": "e", "objectType": "Order"}
        }],
        "attributes": {"objectType": "CartCheckoutResult"}
    }"""
)
"""An answer to a checkout with the documented members."""


def line(**members: Any) -> dict[str, Any]:
    """A minimal valid line item, with these members changed or added."""
    return {"catalogItemId": "A:1:B", "quantity": 1, "billingCycle": "monthly"} | members


FULL_LINE: dict[str, Any] = {
    **{"id": 7, "catalogItemId": "A:1:B", "friendlyName": "é 日本", "quantity": 2**31 - 1},
    **{"currencyCode": "USD", "billingCycle": "annual", "termDuration": "P1Y"},
    "participants": [{"key": "transaction_reseller", "value": "5139005"}] * 2,
    "provisioningContext": {"ParentSubscriptionId": "x", "catalogId": "y", "quantitty": "z"},
    "orderGroup": "OMS-0",
    "addonItems": [{"id": 9, "catalogItemId": "C:1:D", "quantity": 1, "billingCycle": "none"}],
    "renewsTo": {"termDuration": "P1M"},
    "promotionId": "39NFJQT1PHSN:0008:39NFJQT1Q5J0",
    "customTermEndDate": "2022-02-19T00:00:00Z",
    "attestationAccepted": False,
    "purchaseCommitment": {"amount": 0.5, "currency": "usd", "grain": "hourly"},
    "purchaseSystem": "x",
}
"""A line item with every documented member, as it is sent."""


def shouted(value: Any) -> Any:
    """A document in which all names of members are in capitals, unless they are a caller's data."""
    if isinstance(value, list):
        return [shouted(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name.upper(): item if name in {"provisioningContext", "pricing"} else shouted(item)
        for name, item in reversed(value.items())
    }


def line_without(name: str, **members: Any) -> dict[str, Any]:
    """The same without one member."""
    return {key: value for key, value in line(**members).items() if key != name}


def cart(*lines: Any, **members: Any) -> dict[str, Any]:
    """A cart of these lines; of one minimal line when none is given."""
    return {"lineItems": list(lines) or [line()]} | members


def lines_of(document: Any) -> Iterator[dict[str, Any]]:
    """The lines of a cart at every depth, in the order of the document."""
    for item in document["lineItems"]:
        yield item
        yield from lines_of({"lineItems": item.get("addonItems", [])})


def read(document: Any, **rules: Any) -> CartRequest:
    """Send a document through the same two steps as a request."""
    return read_bytes(write_json(document).encode(), **rules)


def read_bytes(body: bytes, **rules: Any) -> CartRequest:
    """Send a body through the same two steps as a request."""
    value, errors = read_json(body)
    return read_cart(value, CUSTOMER, CartRules(**rules), errors)


def first_line(document: Any, **rules: Any) -> dict[str, Any]:
    """The first line item as Partner Center would get it."""
    item: dict[str, Any] = read(document, **rules).body["lineItems"][0]
    return item


def refusal(document: Any, **rules: Any) -> Problem:
    """The problem for a document that must be refused."""
    try:
        read(document, **rules)
    except Problem as problem:
        return problem
    raise AssertionError("a wrong request was accepted")


def places(problem: Problem) -> set[tuple[str, str]]:
    """Pointer and code of every error."""
    return {(error.pointer, error.code) for error in problem.errors}


def shown(problem: Problem) -> str:
    """All that a caller could see of a problem."""
    return write_json(problem.as_json(request_id=None, correlation_id=CUSTOMER)) + str(problem)


def normalised(document: Any, *warnings: FieldError) -> dict[str, Any]:
    """The normalised answer, once it is known to be JSON."""
    answer = normalise_cart(document, CUSTOMER, warnings)
    write_json(answer)
    return answer


def unreadable(answer: dict[str, Any]) -> list[str]:
    """The details of an answer's warnings about members that could not be read."""
    warnings = answer["warnings"]
    return [each["detail"] for each in warnings if each["code"] == "unreadable_member"]
