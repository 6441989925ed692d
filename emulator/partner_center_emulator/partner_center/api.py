"""Partner Center's carts and orders, stateful, behaving as the public facts about the real API say.

Where they are silent: what is ordered stays ordered, and a cart that could be ordered in part stays
Active; its next checkout tries what failed, and answers with all orders. A cart that has expired or
is another customer's does not exist.
"""

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.partner_center.documents import (
    SERVER_ASSIGNED,
    MalformedCartError,
    every_line,
    read_cart,
)
from partner_center_emulator.partner_center.orders import (
    StoredOrder,
    new_order,
    order_error,
    order_groups,
)
from partner_center_emulator.services.tokens import Tokens

_LIFE_SECONDS = 7 * 24 * 3600
_BOM = b"\xef\xbb\xbf"

UNKNOWN_CUSTOMER = "00000000-0000-4000-8000-000000000404"
NO_RELATIONSHIP = "00000000-0000-4000-8000-000000020002"
NO_AGREEMENT = "00000000-0000-4000-8000-000000013605"

SPECIAL_CUSTOMERS: Mapping[str, tuple[int, str, str]] = {
    UNKNOWN_CUSTOMER: (404, "60003", "The tenant was not found."),
    NO_RELATIONSHIP: (403, "20002", "There is no relationship between partner and customer."),
    NO_AGREEMENT: (403, "13605", "The customer has not accepted the Microsoft Customer Agreement."),
}
"""Customers that are refused. Every other GUID is a customer."""


BUSY: Mapping[str, str] = {
    "800060": "The order is in progress. Look into the order history in a few minutes.",
    "800064": "The cart is being processed by another request.",
}
"""What can be said of a cart that something is being done with, by code."""


class RefusalError(Exception):
    """A request that ends in a fault: HTTP status, Partner Center's code, description."""

    def __init__(self, status: int, code: str | int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description


@dataclass(slots=True)
class StoredCart:
    """A cart as it is kept, with the request ids that its creation answered.

    `expires` is in Unix seconds. `orders` and the `failed` attempts are by order group; `results`
    has what each checkout answered, by request id. While it is `busy`, a request is changing it.
    """

    customer_id: str
    document: dict[str, Any]
    expires: float
    request_ids: list[str] = field(default_factory=list)
    orders: dict[str, StoredOrder] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    busy: bool = False

    @property
    def ordered(self) -> bool:
        """Whether everything in it is bought."""
        return bool(self.document["status"] == "Ordered")


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request; `user` is the application's id, or the user's with a user's token."""

    customer_id: str
    cart_id: str
    user: str
    request_id: str
    customer_user: str | None
    body: bytes


Reply = tuple[int, dict[str, Any]]
Operation = Callable[[Call], Awaitable[Reply]]


class PartnerCenter:
    """The carts and the orders of all customers, by their ids."""

    def __init__(self, tokens: Tokens, *, deduplicate: bool = True) -> None:
        self.deduplicate = deduplicate
        """Whether a repeated MS-RequestId gets the first cart, or the first checkout's result."""
        self.put_status = 201
        """What a changed cart is answered with."""
        self.repeat_checkout = True
        """Whether an Ordered cart's checkout gets its orders again; else it is refused (800065)."""
        self.change_seconds = 0.0
        """How long a PUT or a checkout keeps other changes of the cart out, until it is done."""
        self.busy_code = "800064"
        """What the others are refused with: 409 and a code of BUSY."""
        self.carts: dict[str, StoredCart] = {}
        self.orders: dict[str, StoredOrder] = {}
        self._by_request: dict[tuple[str, str], StoredCart] = {}
        self._tokens = tokens

    def as_json(self) -> list[dict[str, Any]]:
        """All carts, each with its customer and the requests that it answered."""
        return [
            {"customerId": c.customer_id, "requestIds": c.request_ids, "cart": c.document}
            for c in list(self.carts.values())
        ]

    def orders_as_json(self) -> list[dict[str, Any]]:
        """All orders, each with its customer, its cart and the requests that it answered."""
        return [order.as_json() for order in list(self.orders.values())]

    def clear(self) -> None:
        """Forgets all carts and orders."""
        self.carts.clear()
        self.orders.clear()
        self._by_request.clear()

    def routes(self) -> list[web.RouteDef]:
        """The routes for carts, and one for everything else."""
        carts = "/v1/customers/{customer}/carts"
        cart = carts + "/{cart}"
        return [
            web.post(carts, self._enveloped(self._create)),
            web.get(cart, self._enveloped(self._get)),
            web.put(cart, self._enveloped(self._alone(self._update))),
            web.post(cart + "/checkout", self._enveloped(self._alone(self._check_out))),
            web.route("*", "/{anything:.*}", self._nothing_here),
        ]

    def expire(self, cart_id: str) -> None:
        """Ends a cart's life."""
        self.carts[cart_id].expires = 0

    def check_out(self, cart_id: str, customer_user: str | None = None) -> dict[str, Any]:
        """Orders what the cart holds and is not ordered yet; the CartCheckoutResult.

        A caller of its own does so behind the back of those who use the API.
        """
        stored = self.carts[cart_id]
        cart = stored.document
        if any("error" in line for line in every_line(cart["lineItems"])):
            raise RefusalError(400, "800009", "There is an error in an item of the cart.")
        errors = []
        for group, lines in order_groups(cart).items():
            if group in stored.orders:
                continue
            error = order_error(group, lines, again=group in stored.failed)
            if error is not None:
                stored.failed.add(group)
                errors.append(error)
                continue
            document = new_order(stored.customer_id, cart, lines, _timestamp(time.time_ns()))
            order = StoredOrder(stored.customer_id, cart_id, group, customer_user, document)
            self.orders[document["id"]] = stored.orders[group] = order
        result = {
            "orders": [order.document for order in stored.orders.values()],
            "attributes": {"objectType": "CartCheckoutResult"},
        }
        if errors:
            return result | {"orderErrors": errors}
        cart["status"] = "Ordered"
        return result

    async def _create(self, call: Call) -> Reply:
        content = read_cart(call.body)
        key = call.customer_id, call.request_id
        stored = self._by_request.get(key) if self.deduplicate else None
        if stored is None:
            stored = _new_cart(call.customer_id, content, call.user)
            self.carts[stored.document["id"]] = self._by_request[key] = stored
        stored.request_ids.append(call.request_id)
        return 201, stored.document

    async def _get(self, call: Call) -> Reply:
        return 200, self._cart(call).document

    def _update(self, call: Call, stored: StoredCart) -> Reply:
        if stored.ordered:
            raise _already_submitted()
        content = read_cart(call.body, call.cart_id)
        kept = {name: stored.document[name] for name in SERVER_ASSIGNED}
        kept["lastModifiedTimestamp"] = _timestamp(time.time_ns())
        kept["lastModifiedUser"] = call.user
        stored.document = kept | _judged(content)
        return self.put_status, stored.document

    def _check_out(self, call: Call, stored: StoredCart) -> Reply:
        if call.body and not _is_json_string(call.body):
            raise RefusalError(400, "800002", "A checkout has no body.")
        result = stored.results.get(call.request_id) if self.deduplicate else None
        if result is None:
            if stored.ordered and not self.repeat_checkout:
                raise _already_submitted()
            result = self.check_out(call.cart_id, call.customer_user)
            stored.results[call.request_id] = result
        for order in result["orders"]:
            self.orders[order["id"]].request_ids.append(call.request_id)
        return 201, result

    def _cart(self, call: Call) -> StoredCart:
        stored = self.carts.get(call.cart_id)
        if stored is None or stored.customer_id != call.customer_id or stored.expires < time.time():
            raise RefusalError(404, "800008", "The cart could not be retrieved.")
        return stored

    def _alone(self, change: Callable[[Call, StoredCart], Reply]) -> Operation:
        """The operation that keeps others out for as long as a change takes, and then makes it."""

        async def operation(call: Call) -> Reply:
            stored = self._cart(call)
            if stored.busy:
                raise RefusalError(409, self.busy_code, BUSY[self.busy_code])
            stored.busy = True
            try:
                if self.change_seconds:
                    await asyncio.sleep(self.change_seconds)
                return change(call, stored)
            finally:
                stored.busy = False

        return operation

    def _enveloped(self, operation: Operation) -> Any:
        """The handler that checks the caller, runs the operation and dresses its answer."""

        async def handle(request: web.Request) -> web.Response:
            request_id = _guid(request.headers.get("MS-RequestId")) or str(uuid.uuid4())
            try:
                user = self._authorise(request)
                customer_id = _customer(request.match_info["customer"])
                cart_id = request.match_info.get("cart", "").lower()
                upn = request.headers.get("x-ms-customeruser-upn")
                call = Call(customer_id, cart_id, user, request_id, upn, await request.read())
                status, document = await operation(call)
            except RefusalError as refusal:
                status, document = refusal.status, _fault(refusal.code, refusal.description)
            except MalformedCartError as error:
                status, document = 400, _fault(error.code, error.description)
            return _answer(request, request_id, status, document)

        return handle

    def _authorise(self, request: web.Request) -> str:
        """Who calls. Raises RefusalError where the token does not do."""
        claims = self._tokens.claims_of_bearer(request)
        if claims is None:
            raise RefusalError(401, 400, "Access denied.")
        if claims["aud"] != f"https://{request.host.partition(':')[0]}":
            raise RefusalError(401, "900420", "The audience of the token is not accepted.")
        if "scp" not in claims:
            return str(claims["appid"])
        if "mfa" not in claims["amr"]:
            raise RefusalError(401, "900421", "The token has no multi-factor authentication claim.")
        return str(claims["oid"])

    async def _nothing_here(self, request: web.Request) -> web.Response:
        document = {"statusCode": 404, "message": "Resource not found"}
        return web.json_response(document, status=404)


def _new_cart(customer_id: str, content: dict[str, Any], user: str) -> StoredCart:
    now = time.time_ns()
    cart_id = str(uuid.uuid4())
    uri = f"/customers/{customer_id}/carts/{cart_id}"
    document = {
        "id": cart_id,
        "creationTimestamp": _timestamp(now),
        "lastModifiedTimestamp": _timestamp(now),
        "expirationTimestamp": _timestamp(now + _LIFE_SECONDS * 10**9),
        "lastModifiedUser": user,
        "status": "Active",
        **_judged(content),
        "links": {"self": {"uri": uri, "method": "GET", "headers": []}},
        "attributes": {"objectType": "Cart"},
    }
    return StoredCart(customer_id, document, now / 10**9 + _LIFE_SECONDS)


def _judged(content: dict[str, Any]) -> dict[str, Any]:
    """The content with what the catalogue has to say on each line."""
    lines = list(every_line(content["lineItems"]))
    item_ids = frozenset(line["catalogItemId"] for line in lines)
    for line in lines:
        line.update(catalogue.verdict(line, item_ids))
    return content


def _already_submitted() -> RefusalError:
    return RefusalError(400, "800065", "The cart is already submitted.")


def _is_json_string(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), str)
    except ValueError:
        return False


def _timestamp(nanoseconds: int) -> str:
    """Seven fractional digits and a Z, as .NET writes the time."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 100:07d}Z"


def _customer(text: str) -> str:
    customer_id = _guid(text)
    if customer_id is None:
        raise RefusalError(400, "3000", "The customer id is not valid.")
    if customer_id in SPECIAL_CUSTOMERS:
        raise RefusalError(*SPECIAL_CUSTOMERS[customer_id])
    return customer_id


def _guid(text: str | None) -> str | None:
    try:
        return str(uuid.UUID(text)) if text and len(text) == 36 else None
    except ValueError:
        return None


def _fault(code: str | int, description: str) -> dict[str, Any]:
    return {"code": code, "description": description, "data": [], "source": "PartnerFD"}


def _answer(
    request: web.Request, request_id: str, status: int, document: Mapping[str, Any]
) -> web.Response:
    """The document with Partner Center's headers, behind a byte order mark."""
    locale = request.headers.get("X-Locale", "en-US")
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "MS-RequestId": request_id,
        "MS-CorrelationId": _guid(request.headers.get("MS-CorrelationId")) or str(uuid.uuid4()),
        "MS-CV": f"{secrets.token_urlsafe(12)}.0",
        "MS-ServerId": "000001",
        "X-Locale": f"{locale},{locale}",
    }
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        headers["Request-Context"] = "appId=cid-v1:local"
    body = _BOM + json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return web.Response(status=status, body=body, headers=headers)
