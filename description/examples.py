"""Examples of requests and answers; the answers are made by the functions that answer callers."""

import json
from typing import Any, get_args

from cart_core.api.messages import Invocation
from cart_core.api.ready import ready_response
from cart_core.cart.answer import normalise_cart
from cart_core.cart.checkout_answer import NothingOrdered, normalise_checkout, ordered_already
from cart_core.catalogue.availability import Pair, Sku
from cart_core.catalogue.offers import cycles_answer, sku_answer, terms_answer
from cart_core.catalogue.preflight import Check, Finding
from cart_core.catalogue.resolution import NotAvailable
from cart_core.json_text import write_json
from cart_core.problem import Code, Fault, FieldError, Outcome, Problem
from cart_core.storefronts.parking import Reason
from cart_core.use_cases.readiness import LinkFinding, LinkName
from description.words import CODE_DESCRIPTIONS

CUSTOMER_ID = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
CART_ID = "b4c8fdea-cbe4-4d17-9576-13fcacbf9605"
CORRELATION_ID = "0e93c70c-977a-4a88-9580-7cf084c73286"
REQUEST_ID = "8c1c2a4e-63b5-5b6f-9d5e-2b7a3f1d9c40"

_LICENCES = {
    "catalogItemId": "CFQ7TTC0LH18:0001:CFQ7TTC0K971",
    "quantity": 5,
    "billingCycle": "monthly",
    "termDuration": "P1Y",
}
_RESELLER = {"key": "transaction_reseller", "value": "5139005"}
BY_SKU = {
    "lineItems": [
        {
            "productId": "CFQ7TTC0LH18",
            "skuId": "0001",
            "quantity": 5,
            "termDuration": "P1Y",
            "billingCycle": "monthly",
        }
    ]
}
CART = {
    "lineItems": [
        {
            "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
            "friendlyName": "A_sample_Azure_RI",
            "quantity": 2,
            "billingCycle": "one_time",
            "provisioningContext": {
                "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                "scope": "shared",
                "duration": "1Year",
            },
        }
    ]
}
LICENCES = {
    "partnerOnRecordAttestationAccepted": True,
    "lineItems": [
        {**_LICENCES, "id": 0, "participants": [_RESELLER]},
        {**_LICENCES, "id": 1, "customTermEndDate": "2027-01-31T00:00:00Z"},
    ],
}
OPERATION_ID = f"purchases-{'4d' * 32}-9f86d081884c7d65"
TOKEN = "q1Yk0nWw8m3Zb7c5R2x9fA"  # noqa: S105 - it opens nothing
CHANGED_CART = {"id": CART_ID, "lineItems": [{**CART["lineItems"][0], "id": 0, "quantity": 3}]}

SUMMARIES = {
    "ready": "Nothing is missing",
    "not_ready": "A client secret has expired",
    "sku": "A SKU, whose availability of the moment is put in",
    "customers": "One customer",
    "preflight": "A quantity that is too small",
    "customer": "A customer",
    "products": "One product",
    "offers": "A SKU with its pairs",
    "reservation": "An Azure reservation",
    "licences": "Licences sold through an indirect reseller",
    "changed": "The same cart with another quantity",
    "answer": "A cart that was answered, sent back unchanged",
    "nothing": "An empty object, the same as no body",
    "orderable": "A cart that can be ordered",
    "not_orderable": "A cart with a line that cannot be ordered",
    "completed": "Everything was ordered",
    "partial": "One order was made, another one failed",
    "in_progress": "One order was made, another one may be made yet",
    "ordered": "The cart was ordered before, and its orders are not known",
    "not_started": "An operation that nobody has begun yet",
    "running": "An operation that is put off until Partner Center is ready",
    "succeeded": "An operation that has succeeded",
    "failed": "An operation that has failed",
    "open": "Operations that have not ended",
    "replayed": "An operation that waits to be tried again",
    "parked": "An order with a SKU that nobody knows",
    "bought": "An order that was bought",
    "released": "An order that is looked into again",
    "order_discarded": "An order that is never bought",
    "delivery": "An order of Shopify, in part",
    "discarded": "An operation that nobody works on any more",
    "abridged": "The beginning of this document",
    "ok": "The function runs",
}
"""What each example shows, by its name."""

_BAD_LINE = {
    "errorCode": 10002,
    "errorDescription": "There is not enough quota.",
    "additionalInformation": {"availableQuantity": 1},
}
_ORDER_ERROR = {"orderGroupId": "1", "code": 800023, "description": "The credit is too low."}
_IN_PROGRESS = {"orderGroupId": "1", "code": 800060, "description": "The order is in progress."}


CUSTOMER = {
    "id": CUSTOMER_ID,
    "name": "Contoso",
    "domain": "contoso.onmicrosoft.com",
    "country": "US",
    "relationship": "reseller",
}
CUSTOMERS = {"totalCount": 1, "customers": [CUSTOMER]}
PRODUCTS = {
    "customerId": CUSTOMER_ID,
    "totalCount": 1,
    "products": [
        {
            "id": "CFQ7TTC0LH18",
            "title": "Microsoft 365 Business Basic",
            "productType": "OnlineServicesNCE",
        }
    ],
}


PREFLIGHT = {
    "customerId": CUSTOMER_ID,
    "blocked": True,
    "findings": [
        Finding(
            "credit", "unknown", "Partner Center does not tell how much credit is left."
        ).as_json(),
        Finding("quantity", "blocker", "The minimum is 2 in a line.", "/lineItems/0").as_json(),
    ],
    "passed": [each for each in get_args(Check) if each not in ("credit", "quantity")],
}


def offers() -> dict[str, Any]:
    """The offers of one SKU."""
    pairs = [Pair("P1Y", "annual"), Pair("P1Y", "monthly")]
    sku = Sku("CFQ7TTC0LH18:0001", "Microsoft 365 Business Basic", 1, 300)
    return {
        "customerId": CUSTOMER_ID,
        "segment": "commercial",
        "offers": [sku_answer(sku, pairs)],
        "terms": terms_answer(pairs),
        "billingCycles": cycles_answer(pairs),
    }


def _cart(request: dict[str, Any] = CART, **line_members: Any) -> dict[str, Any]:
    """The answer for a cart with the lines of `request`; `line_members` are added to each line."""
    lines = [
        {"id": number, "currencyCode": "USD", "orderGroup": str(number), **line, **line_members}
        for number, line in enumerate(request["lineItems"])
    ]
    document = {
        "id": CART_ID,
        "status": "Active",
        "creationTimestamp": "2026-03-15T17:15:02.3840528Z",
        "lastModifiedTimestamp": "2026-03-15T17:15:02.3840528Z",
        "expirationTimestamp": "2026-03-22T17:15:02.3840528Z",
        "lastModifiedUser": "2713ccd7-ea3b-470a-9cfb-451d5d0482cc",
        "lineItems": lines,
    }
    return normalise_cart(document, CUSTOMER_ID)


def cart_answers() -> dict[str, Any]:
    """Carts that can be ordered, and one that cannot, by the name of the example."""
    return {
        "orderable": _cart(),
        "licences": _cart(LICENCES),
        "not_orderable": _cart(error=_BAD_LINE),
    }


def changed_cart_answers() -> dict[str, Any]:
    """A cart after an update, by the name of the example."""
    return {"changed": _cart(CHANGED_CART)}


def _plain(answer: dict[str, Any]) -> Any:
    """An answer as json.loads gives it, whose decimals are floats."""
    return json.loads(write_json(answer))


def checkout_answers() -> dict[str, Any]:
    """A checkout with each status that it may have, by the name of the example."""
    line = CART["lineItems"][0]
    order = {
        "id": "f76c6b7f449d",
        "alternateId": "f76c6b7f449d",
        "referenceCustomerId": CUSTOMER_ID,
        "status": "completed",
        "transactionType": "UserPurchase",
        "billingCycle": "one_time",
        "currencyCode": "USD",
        "currencySymbol": "$",
        "creationDate": "2026-03-15T17:20:45.7091248Z",
        "totalPrice": 497.4,
        "lineItems": [
            {
                "lineItemNumber": 0,
                "offerId": line["catalogItemId"],
                "subscriptionId": "6a8bd9d6-91f9-4d2e-8c2a-0f1c5b7f2e11",
                "transactionType": "New",
                "friendlyName": line["friendlyName"],
                "quantity": line["quantity"],
                "provisioningContext": line["provisioningContext"],
            }
        ],
    }
    partial = {"orders": [order], "orderErrors": [_ORDER_ERROR]}
    in_progress = {"orders": [order], "orderErrors": [_IN_PROGRESS]}
    return {
        "completed": _plain(normalise_checkout({"orders": [order]}, CUSTOMER_ID, CART_ID)),
        "partial": _plain(normalise_checkout(partial, CUSTOMER_ID, CART_ID)),
        "in_progress": _plain(normalise_checkout(in_progress, CUSTOMER_ID, CART_ID)),
        "ordered": ordered_already(CUSTOMER_ID, CART_ID),
    }


def accepted_answers() -> dict[str, Any]:
    """The status of an accepted operation, by the name of the example."""
    begun = {
        "id": OPERATION_ID,
        "status": "NotStarted",
        "createdDateTime": "2026-03-15T17:15:02.384052Z",
        "lastActionDateTime": "2026-03-15T17:15:02.384052Z",
        "attempts": 0,
        "nextAttemptDateTime": None,
        "result": None,
        "error": None,
    }
    tried = {**begun, "attempts": 1, "lastActionDateTime": "2026-03-15T17:15:09.102030Z"}
    result = {
        "status": 201,
        "headers": {"MS-CorrelationId": CORRELATION_ID, "MS-RequestId": REQUEST_ID},
        "body": checkout_answers()["completed"],
    }
    error = problem_answer("partner_center_forbidden", Outcome.REJECTED)
    return {
        "not_started": begun,
        "running": {
            **tried,
            "status": "Running",
            "nextAttemptDateTime": "2026-03-15T17:16:09.102030Z",
        },
        "succeeded": {**tried, "status": "Succeeded", "result": result},
        "failed": {**tried, "status": "Failed", "error": error},
    }


def open_operations_answers() -> dict[str, Any]:
    """What operators see, by the name of the example."""
    dead = {
        "id": OPERATION_ID,
        "state": "dead",
        "operation": "place_order",
        "customerId": CUSTOMER_ID,
        "acceptedDateTime": "2026-03-15T17:15:02.384Z",
        "lastActionDateTime": "2026-03-16T17:15:09.102Z",
        "nextAttemptDateTime": None,
        "attempts": 112,
        "code": "partner_center_timeout",
        "outcome": "unknown",
    }
    return {"open": {"total": 1, "operations": [dead]}}


def operated_answers() -> dict[str, Any]:
    """What an operator is told, by the name of the example."""
    return {
        "replayed": {"id": OPERATION_ID, "state": "waiting"},
        "discarded": {"id": OPERATION_ID, "state": "failed"},
    }


def ready_answers() -> dict[str, Any]:
    """What is said of a deployment, by the name of the example."""
    names: tuple[LinkName, ...] = (
        *("settings", "callers", "identity", "vault", "clientSecret", "entra"),
    )
    found = [LinkFinding(name, "ok", 3) for name in names]
    expired = "Microsoft Entra ID refuses a token (AADSTS7000222): the client secret has expired."
    ready = [LinkFinding("token", "ok", 212), LinkFinding("partnerCenter", "ok", 480)]
    failed = [
        LinkFinding("token", "failed", 212, "token_rejected", expired),
        LinkFinding("partnerCenter", "not_reached"),
    ]
    stored = [LinkFinding("store", "ok", 31), LinkFinding("queue", "ok", 12)]
    invocation = Invocation(CORRELATION_ID, 0.0)
    return {
        "ready": ready_response([*found, *ready, *stored], invocation).body,
        "not_ready": ready_response([*found, *failed, *stored], invocation).body,
    }


STOREFRONT_ORDER_ID = f"shop-{'5f' * 32}"


def parked_orders_answers() -> dict[str, Any]:
    """What operators see of parked orders, and are told, by the name of the example."""
    order = {
        "id": STOREFRONT_ORDER_ID,
        "source": "shop",
        "orderId": "820982911946154600",
        "state": "parked",
        "receivedDateTime": "2026-12-02T15:15:04.000000Z",
        "reasons": [Reason("sku_unknown", "866550311766439020", "M365-BB-Y").as_json()],
    }
    result = {
        "status": "completed",
        "cartId": CART_ID,
        "orders": ["4fd4c8c2a1b0"],
        "subscriptions": ["a356ac8c-e310-44f4-bf85-c7f29044af99"],
        "problem": None,
    }
    part = {"customerId": CUSTOMER_ID, "cart": {"lineItems": [_LICENCES]}, "result": result}
    ended = order | {"state": "ended", "reasons": []}
    return {
        "bought": {**ended, "cancelled": False, "flags": [], "parts": [part]},
        "parked": {"total": 1, "orders": [order]},
        "released": {"id": STOREFRONT_ORDER_ID, "state": "open"},
        "order_discarded": {"id": STOREFRONT_ORDER_ID, "state": "discarded"},
    }


def problem_answer(code: Code, outcome: Outcome) -> dict[str, Any]:
    """The error answer with this code and outcome."""
    sent = outcome is not Outcome.NOT_SENT
    return Problem(
        code, CODE_DESCRIPTIONS[code], outcome=outcome, **_PROBLEM_ARGUMENTS.get(code, {})
    ).as_json(request_id=REQUEST_ID if sent else None, correlation_id=CORRELATION_ID)


def _fault(status: int, code: str, description: str) -> dict[str, Any]:
    return {"fault": Fault(status, code, description, "PartnerFD")}


def _order_errors() -> list[dict[str, Any]]:
    try:
        normalise_checkout({"orderErrors": [_ORDER_ERROR]}, CUSTOMER_ID, CART_ID)
    except NothingOrdered as nothing:
        return nothing.order_errors
    raise AssertionError("A checkout without an order must raise NothingOrdered.")


_UNAVAILABLE = NotAvailable(
    "term_not_offered", "This term is not offered.", [Pair("P1Y", "annual")]
)

_PROBLEM_ARGUMENTS: dict[Code, dict[str, Any]] = {
    "invalid_request": {
        "errors": [FieldError("/lineItems/0/quantity", "out_of_range", "Must be at least 1.")]
    },
    "item_not_available": {
        "errors": [FieldError("/lineItems/0", "term_not_offered", "This term is not offered.")],
        "unavailable_items": [_UNAVAILABLE.as_json("/lineItems/0")],
    },
    "preflight_failed": {
        "errors": [FieldError("/lineItems/0", "quantity", "The minimum is 2 in a line.")]
    },
    "cart_not_orderable": {"cart": _cart(error=_BAD_LINE)},
    "cart_differs": {
        "cart": _cart(quantity=1000),
        "errors": [
            FieldError("", "line_missing", "Asked for, but not in the cart: 2 of A:1:B."),
            FieldError("", "line_unexpected", "In the cart, but not asked for: 1000 of A:1:B."),
        ],
    },
    "checkout_failed": {"order_errors": _order_errors()},
    "partner_center_invalid_request": _fault(400, "800002", "The request is invalid."),
    "partner_center_forbidden": _fault(403, "20002", "No relationship with this customer."),
    "partner_center_not_found": _fault(404, "800008", "The cart cannot be found."),
    "partner_center_conflict": _fault(409, "900113", "An upgrade has failed."),
    "partner_center_expectation_failed": _fault(417, "800036", "A precondition failed."),
    "partner_center_unauthorized": _fault(401, "900421", "The token has no MFA claim."),
    "partner_center_failed": _fault(500, "800003", "An unexpected error occurred."),
    "partner_center_busy": _fault(409, "800064", "The cart is being processed."),
    "partner_center_not_ready": _fault(409, "800082", "The base subscription is not ready."),
}
"""Arguments of Problem beside code, detail and outcome, for the codes that have some."""
