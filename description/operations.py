"""The operations of the API as data: everything that only one operation has."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cart_core import __version__
from cart_core.cart.answer import CartAnswer
from cart_core.cart.checkout_answer import CheckoutAnswer
from cart_core.cart.request import Cart
from cart_core.problem import CATALOGUE, Code
from description import examples
from description.schemas import (
    AcceptedAnswer,
    CustomerAnswer,
    CustomersAnswer,
    HealthAnswer,
    Json,
    OffersAnswer,
    OpenOperationsAnswer,
    OperatedAnswer,
    ParkedOrderChangedAnswer,
    ParkedOrdersAnswer,
    PreflightAnswer,
    ProductsAnswer,
    ReadyAnswer,
    StorefrontOrderAnswer,
    reference,
)
from description.words import API_TITLE, WEBHOOK_ANSWERS


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The JSON body that an operation takes; `examples` are bodies by name."""

    description: str
    schema: Json
    examples: Mapping[str, Any]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path of the API.

    `parameters` and `response_headers` name entries of the document's components, `error_codes`
    keys of CATALOGUE. `response_examples` are bodies of the success response by name.
    `cart_id_pointer` is a JSON Pointer to the cart's id in that body; None where it has no id that
    other operations take. With `asynchronous` the request may be accepted and worked off later.
    `result_schemas` are those of a 201 beside the success response. `unready_examples` are bodies
    of a 503 that has the shape of the success response instead of an error's. `bodiless` are the
    answers of an operation that never gives a body, by their status: then there are no others.
    """

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    status: int
    response_description: str
    response_schema: Json
    response_examples: Mapping[str, Any]
    error_codes: Collection[Code]
    parameters: tuple[str, ...] = ()
    body: RequestBody | None = None
    response_headers: tuple[str, ...] = ()
    cart_id_pointer: str | None = None
    anonymous: bool = False
    for_operators: bool = False
    asynchronous: bool = False
    result_schemas: tuple[Json, ...] = ()
    unready_examples: Mapping[str, Any] = field(default_factory=dict)
    bodiless: Mapping[int, str] = field(default_factory=dict)

    @property
    def calls_partner_center(self) -> bool:
        """Whether it sends requests to Partner Center."""
        return self.tag != "Function"

    @property
    def may_ask_to_come_back(self) -> bool:
        """Whether an error answer may say when to repeat the request."""
        return self.calls_partner_center or "store_unavailable" in self.error_codes


_BODY_CODES: tuple[Code, ...] = (
    "invalid_json",
    "length_required",
    "body_too_large",
    "unsupported_media_type",
    "unsupported_content_encoding",
)
_KEY_CODES: tuple[Code, ...] = (
    "idempotency_key_required",
    "invalid_idempotency_key",
    "idempotency_key_reused",
)
_PURCHASE_CODES: tuple[Code, ...] = (
    "checkout_disabled",
    "purchase_limit_exceeded",
    "cart_not_orderable",
    "cart_differs",
    "checkout_failed",
)
_ORDER_CODES: tuple[Code, ...] = ("possible_duplicate",)
_ITEM_CODES: tuple[Code, ...] = ("item_not_available",)
_PREFLIGHT_CODES: tuple[Code, ...] = ("preflight_failed",)
_STORE_CODES: tuple[Code, ...] = ("store_unavailable", "operation_in_progress")
_OWN_CODES: tuple[Code, ...] = ("internal_error",)
_CALLER_CODES: tuple[Code, ...] = ("caller_unknown", "role_missing", "configuration_invalid")
_PARKED_CODES: tuple[Code, ...] = ("order_not_found", "order_not_parked")
_OPERATOR_CODES: tuple[Code, ...] = ("operation_not_resting", *_PARKED_CODES)
_STOREFRONT_CODES: tuple[Code, ...] = ("order_cancelled", "shop_unavailable")
_ACCEPTED_CODES: tuple[Code, ...] = (
    "operation_not_found",
    "operation_dead",
    "operation_discarded",
    *_OPERATOR_CODES,
    *_STOREFRONT_CODES,
)
_CONFIGURED_CODES: tuple[Code, ...] = (
    *_OWN_CODES,
    "configuration_invalid",
    "store_unavailable",
)
_PARTNER_CENTER_CODES: tuple[Code, ...] = tuple(
    code
    for code in CATALOGUE
    if code
    not in {
        *(*_BODY_CODES, *_KEY_CODES, *_PURCHASE_CODES, *_ORDER_CODES, *_ITEM_CODES),
        *(*_STORE_CODES, *_PREFLIGHT_CODES, *_ACCEPTED_CODES),
    }
)
"""Every operation that calls Partner Center may answer with these."""

_CARTS_PATH = "/api/customers/{customerId}/carts"
_CART_PATH = f"{_CARTS_PATH}/{{cartId}}"
_COMMON_HEADERS = ("MS-CorrelationId", "X-Locale", "Prefer")
_KEY_HEADERS = ("Idempotency-Key", "webhook-id")

_NEW_CART = RequestBody(
    "The cart.",
    reference(Cart),
    {
        "sku": examples.BY_SKU,
        "reservation": examples.CART,
        "licences": examples.LICENCES,
    },
)

OPERATIONS = (
    Operation(
        id="CreateCart",
        method="post",
        path=_CARTS_PATH,
        tag="Carts",
        summary="Create a cart",
        description="Creates a cart; nothing is bought yet. With an idempotency key, one cart is "
        "created however often the request is sent.",
        parameters=("customerId", *_KEY_HEADERS, *_COMMON_HEADERS, "async"),
        asynchronous=True,
        body=_NEW_CART,
        status=201,
        response_description="The cart. Check orderable: the cart may have lines that cannot be "
        "ordered.",
        response_schema=reference(CartAnswer),
        response_examples=examples.cart_answers(),
        response_headers=("Location", "Idempotent-Replayed"),
        cart_id_pointer="/id",
        error_codes=(
            *_PARTNER_CENTER_CODES,
            *_BODY_CODES,
            *_KEY_CODES,
            *_ITEM_CODES,
            *_STORE_CODES,
        ),
    ),
    Operation(
        id="PreflightCart",
        method="post",
        path=f"{_CARTS_PATH}/preflight",
        tag="Carts",
        summary="Look at a cart before it is made",
        description="Tells what stands against a cart, and what cannot be known, without sending "
        "it. Nothing is written, neither here nor at Partner Center.",
        parameters=("customerId", *_COMMON_HEADERS),
        body=_NEW_CART,
        status=200,
        response_description="What was found.",
        response_schema=reference(PreflightAnswer),
        response_examples={"preflight": examples.PREFLIGHT},
        # What Partner Center does not answer is a finding, and no error.
        error_codes=("invalid_request", *_BODY_CODES, *_OWN_CODES, *_CALLER_CODES),
    ),
    Operation(
        id="GetCart",
        method="get",
        path=_CART_PATH,
        tag="Carts",
        summary="Get a cart",
        description="Reads a cart as Partner Center has it now.",
        parameters=("customerId", "cartId", *_COMMON_HEADERS),
        status=200,
        response_description="The cart.",
        response_schema=reference(CartAnswer),
        response_examples=examples.cart_answers(),
        cart_id_pointer="/id",
        error_codes=_PARTNER_CENTER_CODES,
    ),
    Operation(
        id="UpdateCart",
        method="put",
        path=_CART_PATH,
        tag="Carts",
        summary="Update a cart",
        description="Replaces the whole cart: lines that the request leaves out are removed, with "
        "a warning for each. A cart that is being bought is not changed. "
        "Get the cart, change it and send it back; the id in the body, if present, must be that "
        "in the path. Sending the request twice has the same effect as sending it once, so it "
        "takes no idempotency key.",
        parameters=("customerId", "cartId", *_COMMON_HEADERS),
        body=RequestBody(
            "The cart.",
            reference(Cart),
            {"changed": examples.CHANGED_CART, "answer": examples.cart_answers()["licences"]},
        ),
        status=200,
        response_description="The cart after the update.",
        response_schema=reference(CartAnswer),
        response_examples=examples.changed_cart_answers(),
        cart_id_pointer="/id",
        error_codes=(*_PARTNER_CENTER_CODES, *_BODY_CODES, *_ITEM_CODES, *_STORE_CODES),
    ),
    Operation(
        id="CheckOutCart",
        method="post",
        path=f"{_CART_PATH}/checkout",
        tag="Orders",
        summary="Check out a cart",
        description="Buys what is in the cart. The cart's id is the idempotency key: a repeated "
        "request gets the first answer again. Where that answer was partial, the request tries "
        "the failed order groups again.",
        parameters=("customerId", "cartId", "x-ms-customeruser-upn", *_COMMON_HEADERS, "async"),
        asynchronous=True,
        body=RequestBody(
            "Nothing, or an empty object.",
            {
                "title": "Nothing",
                "description": "The cart is bought as it is; an empty object is the same as "
                "no body.",
                "type": "object",
                "additionalProperties": False,
            },
            {"nothing": {}},
            required=False,
        ),
        status=201,
        response_description="The orders that this request or an earlier one made.",
        response_schema=reference(CheckoutAnswer),
        response_examples=examples.checkout_answers(),
        response_headers=("Idempotent-Replayed",),
        error_codes=(
            *_PARTNER_CENTER_CODES,
            *_PURCHASE_CODES,
            *_STORE_CODES,
            "idempotency_key_reused",
        ),
    ),
    Operation(
        id="PlaceOrder",
        method="post",
        path="/api/customers/{customerId}/orders",
        tag="Orders",
        summary="Place an order",
        description="Creates a cart and buys what is in it. However often the request is sent "
        "with the same key, the cart is bought once. Where the answer was partial, the request "
        "tries the failed order groups again. A webhook-id is accepted as the key too.",
        parameters=(
            "customerId",
            "query.preflight",
            "Idempotency-Key.required",
            "x-ms-customeruser-upn",
            *_COMMON_HEADERS,
            "async",
        ),
        asynchronous=True,
        body=_NEW_CART,
        status=201,
        response_description="The orders that this request or an earlier one made.",
        response_schema=reference(CheckoutAnswer),
        response_examples=examples.checkout_answers(),
        response_headers=("Idempotent-Replayed",),
        cart_id_pointer="/cartId",
        error_codes=[code for code in CATALOGUE if code not in _ACCEPTED_CODES],
    ),
    Operation(
        id="GetAcceptedOperation",
        method="get",
        path="/api/accepted/{id}",
        tag="Accepted Operations",
        summary="Get the status of an accepted operation",
        description="Says how far an operation is that was accepted to be worked off later. The "
        "address is the Operation-Location of the 202; the token in it is all that is needed.",
        parameters=("operationId", "token"),
        status=200,
        response_description="The operation, whatever its status is.",
        response_schema=reference(AcceptedAnswer),
        response_examples=examples.accepted_answers(),
        error_codes=(*_CONFIGURED_CODES, "operation_not_found"),
        anonymous=True,
    ),
    Operation(
        id="GetAcceptedResult",
        method="get",
        path="/api/accepted/{id}/result",
        tag="Accepted Operations",
        summary="Get the result of an accepted operation",
        description="Gives the very answer that the request would have been given if it had been "
        "waited for, once there is one. The address is the Location of the 202; the token in it "
        "is all that is needed.",
        parameters=("operationId", "token"),
        status=202,
        response_description="There is no result yet. Ask again after Retry-After.",
        response_schema=reference(AcceptedAnswer),
        response_examples={
            name: example
            for name, example in examples.accepted_answers().items()
            if name in ("not_started", "running")
        },
        response_headers=("Location", "Operation-Location", "Retry-After", "Idempotent-Replayed"),
        result_schemas=(reference(CartAnswer), reference(CheckoutAnswer)),
        error_codes=[
            code
            for code in CATALOGUE
            if code not in {*_OPERATOR_CODES, "caller_unknown", "role_missing"}
        ],
        anonymous=True,
    ),
    Operation(
        id="ListOperations",
        method="get",
        path="/api/operations",
        tag="Operators",
        summary="List the operations that have not ended",
        description="Lists what was accepted and has not ended, the oldest first, at most 1000.",
        parameters=("state", "customerId.query", "MS-CorrelationId"),
        status=200,
        response_description="The operations.",
        response_schema=reference(OpenOperationsAnswer),
        response_examples=examples.open_operations_answers(),
        error_codes=(*_OWN_CODES, *_CALLER_CODES, "store_unavailable", "invalid_request"),
        for_operators=True,
    ),
    *(
        Operation(
            id=f"{verb}Operation",
            method="post",
            path=f"/api/operations/{{id}}/{verb.lower()}",
            tag="Operators",
            summary=f"{verb} an operation",
            description=description,
            parameters=("operationId", "MS-CorrelationId"),
            status=200,
            response_description="What the operation is now.",
            response_schema=reference(OperatedAnswer),
            response_examples={example: examples.operated_answers()[example]},
            error_codes=(
                *(*_OWN_CODES, *_CALLER_CODES, "store_unavailable"),
                *("operation_not_found", "operation_not_resting"),
            ),
            for_operators=True,
        )
        for verb, example, description in (
            (
                "Replay",
                "replayed",
                "Lets a dead or parked operation be tried again for another day, under the "
                "request ids that it has. What is done cannot be replayed.",
            ),
            (
                "Discard",
                "discarded",
                "Lets an operation that is dead, or waits, never be tried again. Its key is free "
                "where nothing came of it; otherwise it is parked.",
            ),
        )
    ),
    Operation(
        id="ListParkedOrders",
        method="get",
        path="/api/storefront-orders",
        tag="Operators",
        summary="List the parked orders of storefronts",
        description="Lists the orders of storefronts that wait for a person, the oldest first, at "
        "most 100, with what to do about each.",
        parameters=("query.source", "MS-CorrelationId"),
        status=200,
        response_description="The orders.",
        response_schema=reference(ParkedOrdersAnswer),
        response_examples={"parked": examples.parked_orders_answers()["parked"]},
        error_codes=(*_OWN_CODES, *_CALLER_CODES, "store_unavailable"),
        for_operators=True,
    ),
    Operation(
        id="GetStorefrontOrder",
        method="get",
        path="/api/storefront-orders/{orderId}",
        tag="Operators",
        summary="Get an order of a storefront",
        description="Shows what became of an order of a storefront. Its id is the name of the "
        "storefront, a hyphen, and the SHA-256 of the shop's order id in hexadecimal digits.",
        parameters=("storefrontOrderId", "MS-CorrelationId"),
        status=200,
        response_description="The order.",
        response_schema=reference(StorefrontOrderAnswer),
        response_examples={"bought": examples.parked_orders_answers()["bought"]},
        error_codes=(*_OWN_CODES, *_CALLER_CODES, "store_unavailable", "order_not_found"),
        for_operators=True,
    ),
    *(
        Operation(
            id=f"{verb}ParkedOrder",
            method="post",
            path=f"/api/storefront-orders/{{orderId}}/{verb.lower()}",
            tag="Operators",
            summary=f"{verb} a parked order",
            description=description,
            parameters=("storefrontOrderId", "MS-CorrelationId"),
            status=200,
            response_description="What the order is now.",
            response_schema=reference(ParkedOrderChangedAnswer),
            response_examples={example: examples.parked_orders_answers()[example]},
            error_codes=(
                *(*_OWN_CODES, *_CALLER_CODES, "store_unavailable"),
                *_PARKED_CODES,
            ),
            for_operators=True,
        )
        for verb, example, description in (
            (
                "Release",
                "released",
                "Looks into a parked order again, by what was stored of it, after the map of its "
                "storefront or the order in the shop was corrected.",
            ),
            ("Discard", "order_discarded", "Lets a parked order never be bought."),
        )
    ),
    Operation(
        id="ReceiveWebhook",
        method="post",
        path="/api/webhooks/{source}",
        tag="Webhooks",
        summary="Receive a webhook of a storefront",
        description="Takes a delivery of a storefront in, whose signature is its key. It is stored "
        "and acknowledged; what it asks for is done later.",
        parameters=("source",),
        body=RequestBody(
            "What the storefront sends; its bytes are what is signed.",
            {
                "title": "Delivery",
                "description": "A delivery as the platform of the storefront documents it.",
                "type": "object",
            },
            {"delivery": {"id": 820982911946154600, "financial_status": "paid"}},
        ),
        status=200,
        response_description="",
        response_schema={},
        response_examples={},
        error_codes=(),
        anonymous=True,
        bodiless=WEBHOOK_ANSWERS,
    ),
    Operation(
        id="FindCustomers",
        method="get",
        path="/api/customers",
        tag="Catalogue",
        summary="Find customers",
        description="Finds the customer with a domain, or those whose name or default domain "
        "begins with a text; without either, all customers. A domain is led to its tenant by the "
        "public metadata of Microsoft Entra ID. Where that cannot be read, the answer is an "
        "error and never an empty list.",
        parameters=("query.domain", "query.search", *_COMMON_HEADERS),
        status=200,
        response_description="The customers.",
        response_schema=reference(CustomersAnswer),
        response_examples={"customers": examples.CUSTOMERS},
        error_codes=_PARTNER_CENTER_CODES,
    ),
    Operation(
        id="GetCustomer",
        method="get",
        path="/api/customers/{customerId}",
        tag="Catalogue",
        summary="Get a customer",
        description="Reads a customer by its tenant id.",
        parameters=("customerId", *_COMMON_HEADERS),
        status=200,
        response_description="The customer.",
        response_schema=reference(CustomerAnswer),
        response_examples={"customer": examples.CUSTOMER},
        error_codes=_PARTNER_CENTER_CODES,
    ),
    Operation(
        id="SearchProducts",
        method="get",
        path="/api/customers/{customerId}/products",
        tag="Catalogue",
        summary="Search products",
        description="Searches the products that the customer may buy. Partner Center has no "
        "search: one view of the catalogue is read as a whole, and looked through by title and "
        "id.",
        parameters=(
            *("customerId", "query.search", "query.view", "query.segment"),
            *_COMMON_HEADERS,
        ),
        status=200,
        response_description="The products.",
        response_schema=reference(ProductsAnswer),
        response_examples={"products": examples.PRODUCTS},
        error_codes=_PARTNER_CENTER_CODES,
    ),
    Operation(
        id="ListOffers",
        method="get",
        path="/api/customers/{customerId}/offers",
        tag="Catalogue",
        summary="List offers",
        description="Lists the SKUs of a product, or for one SKU the pairs of term and billing "
        "cycle that can be bought today. Prices are not among it: Partner Center has none in its "
        "catalogue.",
        parameters=(
            *("customerId", "query.productId", "query.skuId", "query.segment"),
            *("query.termDuration", *_COMMON_HEADERS),
        ),
        status=200,
        response_description="The offers.",
        response_schema=reference(OffersAnswer),
        response_examples={"offers": examples.offers()},
        error_codes=_PARTNER_CENTER_CODES,
    ),
    Operation(
        id="GetOpenApi",
        method="get",
        path="/api/openapi.json",
        tag="Function",
        summary="Get this description",
        description="Returns this OpenAPI document.",
        status=200,
        response_description="An OpenAPI 3.1 document.",
        response_schema={
            "title": "OpenAPI Document",
            "description": "An OpenAPI 3.1 document.",
            "type": "object",
            "required": ["openapi", "info", "paths"],
        },
        response_examples={
            "abridged": {
                "openapi": "3.1.0",
                "info": {"title": API_TITLE, "version": __version__},
                "paths": {},
            }
        },
        error_codes=(*_OWN_CODES, *_CALLER_CODES),
    ),
    Operation(
        id="GetReady",
        method="get",
        path="/api/ready",
        tag="Function",
        summary="Get what is still missing",
        description="Goes down the chain of all that a request needs, link by link, and says of "
        "each whether it is there, with the code and the advice that a request would get. It buys "
        "nothing; it writes one blob that nobody reads. One run goes on at a time: whoever asks "
        "meanwhile gets what it finds.",
        parameters=("MS-CorrelationId",),
        status=200,
        response_description="Nothing is missing.",
        response_schema=reference(ReadyAnswer),
        response_examples={"ready": examples.ready_answers()["ready"]},
        unready_examples={"not_ready": examples.ready_answers()["not_ready"]},
        error_codes=(*_OWN_CODES, *_CALLER_CODES),
    ),
    Operation(
        id="GetHealth",
        method="get",
        path="/api/health",
        tag="Function",
        summary="Get the health",
        description="Shows that the function runs. It makes no outside call.",
        status=200,
        response_description="The function runs.",
        response_schema=reference(HealthAnswer),
        response_examples={"ok": {"status": "ok", "version": __version__}},
        error_codes=_OWN_CODES,
        anonymous=True,
    ),
)
