"""Every status that the OpenAPI document gives an operation can be had, and none besides."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from partner_center_emulator.watch.faults import Fault

from description.document import describe
from tests.end_to_end.chain import (
    CUSTOMER,
    FUNCTION_KEY,
    Chain,
    hasty_app,
    line,
    patched_app,
    started,
)

DOCUMENT = describe()
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
NOT_FOR_SALE = "NOTHING:0001:NOTHING"
SOME_CART = "b4c8fdea-cbe4-4d17-9576-13fcacbf9605"
BROKEN = ("create_cart", "get_cart", "update_cart", "checkout_cart", "place_order")

Start = Callable[[str], Chain]


@dataclass(frozen=True, slots=True)
class Way:
    """What makes an operation answer so: in which chain, and what is not as usual."""

    chain: str = "usual"
    fault: int | None = None
    """The status that Partner Center answers with."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """Of the line in the cart that is sent, or is there already."""
    content: bytes | None = None
    """Instead of a cart, or of nothing where no cart is needed."""
    headers: Mapping[str, str] = field(default_factory=dict)
    cart_id: str | None = None


USUAL = {200: Way(), 500: Way("broken")}
KEYED = {401: Way(headers={"x-functions-key": "wrong"})}
FORWARDED = KEYED | {
    **{status: Way(fault=status) for status in (403, 404, 409, 412, 417)},
    429: Way("throttled"),
    500: Way("broken"),
    502: Way(fault=405),
    503: Way("unconfigured"),
    504: Way(fault=408),
}
BODY = {413: Way(content=b" " * 300_000), 415: Way(headers={"Content-Type": "text/plain"})}

WAYS: dict[str, dict[int, Way]] = {
    "CreateCart": FORWARDED
    | BODY
    | {
        201: Way(),
        400: Way(content=b"{}"),
        422: Way(headers={"Idempotency-Key": "used"}, members={"quantity": 2}),
    },
    "GetCart": FORWARDED | {200: Way(), 400: Way(cart_id="x")},
    "UpdateCart": FORWARDED | BODY | {200: Way(), 400: Way(content=b"{}")},
    "CheckOutCart": FORWARDED
    | {
        201: Way(),
        400: Way(content=b"[]"),
        422: Way(members={"catalogItemId": NOT_FOR_SALE}),
    },
    "PlaceOrder": FORWARDED
    | BODY
    | {
        201: Way(),
        400: Way(headers={"Idempotency-Key": ""}),
        422: Way(members={"catalogItemId": NOT_FOR_SALE}),
    },
    "GetOpenApi": USUAL | KEYED,
    "GetHealth": USUAL,
}
EVERY = [(operation, status) for operation, ways in WAYS.items() for status in ways]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """The chain of a name, started when it is wanted first."""

    def hasty() -> Path:
        return hasty_app(tmp_path_factory.mktemp("hasty"))

    def make(name: str) -> Chain:
        if name == "unconfigured":
            return stack.enter_context(started(PARTNER_CENTER_TENANT_ID=None))
        if name == "broken":
            return stack.enter_context(started(_broken_app(tmp_path_factory.mktemp("broken"))))
        settings = {"CART_ALLOW_CHECKOUT": "true", "CART_MAX_WAIT_SECONDS": "0"}
        chain = stack.enter_context(started(hasty(), **settings))
        assert chain.post(headers={"Idempotency-Key": "used"}).status_code == 201
        if name == "throttled":
            fault = Fault("partner_center", times=None, status=429, headers={"Retry-After": "57"})
            chain.cloud.faults.inject(fault)
        return chain

    def get(name: str) -> Chain:
        if name not in chains:
            chains[name] = make(name)
        return chains[name]

    chains: dict[str, Chain] = {}
    with ExitStack() as stack:
        yield get


def _broken_app(directory: Path) -> Path:
    return patched_app(
        directory,
        "from cart_core import composition",
        "from cart_core.api import about",
        "async def fail(request, call):",
        "    raise RuntimeError",
        f"assert set({BROKEN}) <= set(vars(composition))",
        f"vars(composition).update(dict.fromkeys({BROKEN}, fail))",
        "about.get_health = about.get_openapi = fail",
    )


def _needs_body(operation: Any) -> bool:
    return bool(operation.get("requestBody", {}).get("required"))


def test_the_ways_are_those_to_the_documented_statuses() -> None:
    assert sorted(EVERY) == sorted(
        (name, int(status))
        for name, (_, _, operation) in OPERATIONS.items()
        for status in operation["responses"]
    )


@pytest.mark.parametrize(("name", "status"), EVERY)
def test_every_documented_status_can_be_had(start: Start, name: str, status: int) -> None:
    way, (method, path, operation) = WAYS[name][status], OPERATIONS[name]
    chain = start(way.chain)
    cart = {"lineItems": [line(**way.members)]}
    content = way.content
    if content is None:
        content = json.dumps(cart).encode() if _needs_body(operation) else b""
    cart_id = way.cart_id
    if cart_id is None:
        there = way.chain == "usual" and "{cartId}" in path
        cart_id = chain.post(cart).json()["id"] if there else SOME_CART
    if way.fault:
        chain.cloud.faults.inject(Fault("partner_center", times=None, status=way.fault))

    answer = chain.send(
        method.upper(),
        path.format(customerId=CUSTOMER, cartId=cart_id),
        {
            "x-functions-key": FUNCTION_KEY,
            "Content-Type": "application/json",
            "Idempotency-Key": f"{name}-{status}",
            **way.headers,
        },
        content,
    )

    if way.fault:
        chain.cloud.faults.clear()
    assert answer.status_code == status
    response = operation["responses"][str(status)]
    if "content" not in response:
        assert answer.content == b""
        return
    validator = jsonschema_rs.Draft202012Validator(
        {
            "allOf": [response["content"]["application/json"]["schema"]],
            "components": DOCUMENT["components"],
        }
    )
    validator.validate(answer.json())
