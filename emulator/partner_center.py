"""Partner Center's carts, stateful, behaving as the public facts about the real API say."""

import json
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from emulator import catalogue
from emulator.cart_document import MalformedCartError, every_line, read_cart
from emulator.tokens import Tokens

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


class RefusalError(Exception):
    """A request that ends in a fault: HTTP status, Partner Center's code, description."""

    def __init__(self, status: int, code: str | int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description


@dataclass(slots=True)
class StoredCart:
    """A cart as it is kept, with the request ids that it answered. `expires` is in Unix seconds."""

    customer_id: str
    document: dict[str, Any]
    expires: float
    request_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request; `user` is the application's id, or the user's with a user's token."""

    customer_id: str
    cart_id: str
    user: str
    request_id: str
    body: bytes


Operation = Callable[[Call], tuple[int, dict[str, Any]]]


class PartnerCenter:
    """The carts of all customers, by cart id."""

    def __init__(self, tokens: Tokens, *, deduplicate: bool = True) -> None:
        self.deduplicate = deduplicate
        """Whether a customer's repeated MS-RequestId gets the first cart instead of a new one."""
        self.carts: dict[str, StoredCart] = {}
        self._by_request: dict[tuple[str, str], StoredCart] = {}
        self._tokens = tokens

    def as_json(self) -> list[dict[str, Any]]:
        """All carts, each with its customer and the requests that it answered."""
        return [
            {"customerId": c.customer_id, "requestIds": c.request_ids, "cart": c.document}
            for c in list(self.carts.values())
        ]

    def clear(self) -> None:
        """Forgets all carts."""
        self.carts.clear()
        self._by_request.clear()

    def routes(self) -> list[web.RouteDef]:
        """The routes for carts, and one for everything else."""
        carts = "/v1/customers/{customer}/carts"
        return [
            web.post(carts, self._enveloped(self._create)),
            web.get(carts + "/{cart}", self._enveloped(self._get)),
            web.route("*", "/{anything:.*}", self._nothing_here),
        ]

    def _create(self, call: Call) -> tuple[int, dict[str, Any]]:
        content = read_cart(call.body)
        key = call.customer_id, call.request_id
        stored = self._by_request.get(key) if self.deduplicate else None
        if stored is None:
            stored = _new_cart(call.customer_id, content, call.user)
            self.carts[stored.document["id"]] = self._by_request[key] = stored
        stored.request_ids.append(call.request_id)
        return 201, stored.document

    def _get(self, call: Call) -> tuple[int, dict[str, Any]]:
        stored = self.carts.get(call.cart_id)
        if stored is None or stored.customer_id != call.customer_id or stored.expires < time.time():
            raise RefusalError(404, "800008", "The cart could not be retrieved.")
        return 200, stored.document

    def _enveloped(self, operation: Operation) -> Any:
        """The handler that checks the caller, runs the operation and dresses its answer."""

        async def handle(request: web.Request) -> web.Response:
            request_id = _guid(request.headers.get("MS-RequestId")) or str(uuid.uuid4())
            try:
                user = self._authorise(request)
                customer_id = _customer(request.match_info["customer"])
                cart_id = request.match_info.get("cart", "").lower()
                call = Call(customer_id, cart_id, user, request_id, await request.read())
                status, document = operation(call)
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
    lines = list(every_line(content["lineItems"]))
    item_ids = frozenset(line["catalogItemId"] for line in lines)
    for line in lines:
        line.update(catalogue.verdict(line, item_ids))
    uri = f"/customers/{customer_id}/carts/{cart_id}"
    document = {
        "id": cart_id,
        "creationTimestamp": _timestamp(now),
        "lastModifiedTimestamp": _timestamp(now),
        "expirationTimestamp": _timestamp(now + _LIFE_SECONDS * 10**9),
        "lastModifiedUser": user,
        "status": "Active",
        **content,
        "links": {"self": {"uri": uri, "method": "GET", "headers": []}},
        "attributes": {"objectType": "Cart"},
    }
    return StoredCart(customer_id, document, now / 10**9 + _LIFE_SECONDS)


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
