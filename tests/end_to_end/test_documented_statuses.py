"""Every status that the OpenAPI document gives an operation can be had, and none besides."""

import base64
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from partner_center_emulator.watch.disturbances import Disturbance

from tests.docs.openapi import DOCUMENT, validator
from tests.end_to_end.chain import (
    CUSTOMER,
    KEY_HEADER,
    UNKNOWN_CART,
    UNKNOWN_ITEM,
    Chain,
    cart,
    line,
    started,
)

OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


@dataclass(frozen=True, slots=True)
class Way:
    """What makes an operation answer so: in which chain, and what differs from a good request."""

    chain: str = "buying"
    """The fixture."""
    fault: int | None = None
    """The status that Partner Center answers with."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """Of the line in the cart that is sent, or is there already."""
    content: bytes | None = None
    """The body, where it is not a cart, or nothing where the operation needs no cart."""
    headers: Mapping[str, str] = field(default_factory=dict)
    cart_id: str | None = None
    code: str | None = None
    """The code in the answer, where it is not the usual one of the status."""
    query: str = ""
    customer_id: str = ""


ELSEWHERE = {
    *("GetAcceptedOperation", "GetAcceptedResult"),
    *("ListOperations", "ReplayOperation", "DiscardOperation"),
    *("ReceiveWebhook", "ListParkedOrders", "GetStorefrontOrder"),
    *("ReleaseParkedOrder", "DiscardParkedOrder"),
    "GetReady",
}
"""What needs an accepted operation or a signed order first.

tests/unit/operations and tests/unit/storefronts have the ways to their statuses, and test_ready.py
those of GetReady.
"""

WITHOUT_WAITING = Way(headers={"Prefer": "respond-async"})
USUAL = {200: Way(), 500: Way("failing")}
KEYED = {401: Way(headers={"x-functions-key": "wrong"})}
FORWARDED = KEYED | {
    **{status: Way(fault=status) for status in (403, 404, 409, 412, 417)},
    429: Way("throttled"),
    500: Way("failing"),
    502: Way(fault=405),
    503: Way("unconfigured"),
    504: Way(fault=408),
}
CODES = {
    403: "partner_center_forbidden",
    404: "partner_center_not_found",
    409: "partner_center_conflict",
    411: "length_required",
    412: "partner_center_precondition_failed",
    413: "body_too_large",
    415: "unsupported_media_type",
    417: "partner_center_expectation_failed",
    429: "partner_center_throttled",
    500: "internal_error",
    502: "partner_center_unexpected",
    503: "configuration_invalid",
    504: "partner_center_timeout",
}
"""The codes that come with these statuses here."""
BODY = {
    411: Way(content=b"", headers={"Transfer-Encoding": "chunked"}),
    413: Way(content=b" " * 300_000),
    415: Way(headers={"Content-Type": "text/plain"}),
}

UNKNOWN_SKU = cart(line(catalogItemId="NOBODYKNOWS0:0001"))
BUYER = base64.b64encode(
    b'{"claims": [{"typ": "azp", "val": "an application"}, {"typ": "roles", "val": "Orders.Buy"}]}'
).decode()
"""A caller who signed in, and whose only role is to buy."""

WAYS: dict[str, dict[int, Way]] = {
    "CreateCart": FORWARDED
    | BODY
    | {
        201: Way(),
        202: WITHOUT_WAITING,
        400: Way(content=b"{}"),
        422: Way(headers={"Idempotency-Key": "used"}, members={"quantity": 2}),
    },
    "PreflightCart": {
        200: Way(),
        400: Way(content=b"{}"),
        403: Way("signing_in", headers={"X-MS-CLIENT-PRINCIPAL": BUYER}, code="role_missing"),
    }
    | {status: FORWARDED[status] for status in (401, 500, 503)}
    | BODY,
    "GetCart": FORWARDED | {200: Way(), 400: Way(cart_id="x")},
    "UpdateCart": FORWARDED
    | BODY
    | {200: Way(), 400: Way(content=b"{}"), 422: Way(content=json.dumps(UNKNOWN_SKU).encode())},
    "CheckOutCart": FORWARDED
    | {
        201: Way(),
        202: WITHOUT_WAITING,
        400: Way(content=b"[]"),
        422: Way(members={"catalogItemId": UNKNOWN_ITEM}),
    },
    "PlaceOrder": FORWARDED
    | BODY
    | {
        201: Way(),
        202: WITHOUT_WAITING,
        400: Way(headers={"Idempotency-Key": ""}),
        422: Way(members={"catalogItemId": UNKNOWN_ITEM}),
    },
    "FindCustomers": FORWARDED | {200: Way(query="?search=con"), 400: Way(query="?domain=x")},
    "GetCustomer": FORWARDED | {200: Way(), 400: Way(customer_id="x")},
    "SearchProducts": FORWARDED | {200: Way(), 400: Way(query="?view=x")},
    "ListOffers": {
        status: replace(way, query="?productId=CFQ7TTC0LH18&skuId=0001")
        for status, way in (FORWARDED | {200: Way()}).items()
    }
    | {400: Way()},
    "GetOpenApi": USUAL
    | KEYED
    | {
        403: Way("signing_in", headers={"X-MS-CLIENT-PRINCIPAL": BUYER}, code="role_missing"),
        503: Way("not_signing_in"),
    },
    "GetHealth": USUAL,
}
EVERY = [(operation, status) for operation, ways in WAYS.items() for status in ways]


@pytest.fixture(scope="module")
def throttled() -> Iterator[Chain]:
    """A chain where Partner Center asks for a pause."""
    with started(CART_ALLOW_CHECKOUT="true", CART_MAX_WAIT_SECONDS="0") as chain:
        disturbance = Disturbance(
            "partner_center", times=None, status=429, headers={"Retry-After": "57"}
        )
        chain.cloud.disturbances.inject(disturbance)
        yield chain


@pytest.fixture(scope="module")
def unconfigured() -> Iterator[Chain]:
    """A chain where a setting is missing."""
    with started(PARTNER_CENTER_TENANT_ID=None) as chain:
        yield chain


@pytest.fixture(scope="module")
def signing_in() -> Iterator[Chain]:
    """A chain where callers sign in, instead of sending a key."""
    with started(CART_CALLERS="entra", WEBSITE_AUTH_ENABLED="True") as chain:
        yield chain


@pytest.fixture(scope="module")
def not_signing_in() -> Iterator[Chain]:
    """A chain where callers should sign in, and the platform does not see to it."""
    with started(CART_CALLERS="entra") as chain:
        yield chain


def _needs_body(operation: Any) -> bool:
    return bool(operation.get("requestBody", {}).get("required"))


def test_the_ways_are_those_to_the_documented_statuses() -> None:
    assert sorted(EVERY) == sorted(
        (name, int(status))
        for name, (_, _, operation) in OPERATIONS.items()
        for status in operation["responses"]
        if name not in ELSEWHERE
    )


@pytest.mark.parametrize(("name", "status"), EVERY)
def test_every_documented_status_can_be_had(
    request: pytest.FixtureRequest, name: str, status: int
) -> None:
    way, (method, path, operation) = WAYS[name][status], OPERATIONS[name]
    chain: Chain = request.getfixturevalue(way.chain)
    document = cart(line(**way.members))
    content = way.content
    if content is None:
        content = json.dumps(document).encode() if _needs_body(operation) else b""
    cart_id = way.cart_id
    if cart_id is None:
        exists = way.chain == "buying" and "{cartId}" in path
        cart_id = chain.post(document).json()["id"] if exists else UNKNOWN_CART
    # What was read for another customer is in no cache.
    fresh = str(uuid.uuid4()) if operation["tags"] == ["Catalogue"] else CUSTOMER
    customer_id = way.customer_id or fresh
    if way.fault:
        chain.cloud.disturbances.inject(Disturbance("partner_center", times=None, status=way.fault))

    if "used" in way.headers.values():
        assert chain.post(headers=way.headers).status_code == 201

    answer = chain.send(
        method.upper(),
        path.format(customerId=customer_id, cartId=cart_id) + way.query,
        {
            **KEY_HEADER,
            "Content-Type": "application/json",
            "Idempotency-Key": f"{name}-{status}",
            **way.headers,
        },
        content,
    )

    assert answer.status_code == status
    response = operation["responses"][str(status)]
    if status == 401:  # The platform answers a wrong key, and has no body for it.
        assert answer.content == b""
        return
    documented = response["content"]["application/json"]
    validator(documented["schema"]).validate(answer.json())
    if status >= 400:
        assert answer.json()["status"] == status
        assert answer.json()["code"] in documented["examples"]
    if status in CODES:
        assert answer.json()["code"] == (way.code or CODES[status])
    if status == 429:
        assert 1 <= int(answer.headers["Retry-After"]) <= 57
