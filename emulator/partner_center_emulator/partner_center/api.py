"""Partner Center's REST API for carts and orders: routes, authorisation, errors and headers."""

import json
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from partner_center_emulator.partner_center.carts import PartnerCenter
from partner_center_emulator.partner_center.catalogue_api import CatalogueReads
from partner_center_emulator.partner_center.refusals import (
    REFUSED_CUSTOMERS,
    RefusalError,
    invalid_input,
)
from partner_center_emulator.services.tokens import Tokens
from partner_center_emulator.watch.alterations import taken_body

_BOM = b"\xef\xbb\xbf"
"""The real service puts a UTF-8 byte order mark before every document."""


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request.

    `user` is the object id of the caller: the application's, or with a user's token the user's.
    `customer_user` is the x-ms-customeruser-upn.
    """

    customer_id: str
    cart_id: str
    order_id: str
    user: str
    request_id: str
    customer_user: str | None
    body: bytes
    continuation: str
    """The MS-ContinuationToken: where a page of a list begins."""
    path: Mapping[str, str]
    query: Mapping[str, str]
    app_only: bool
    """Whether the application called without a user."""


Answer = tuple[int, Any]
"""HTTP status and document."""

Operation = Callable[[Call], Awaitable[Answer]]


class PartnerCenterApi:
    """The HTTP side of one PartnerCenter."""

    def __init__(self, partner_center: PartnerCenter, tokens: Tokens) -> None:
        self._partner_center = partner_center
        self._tokens = tokens
        self._reads = CatalogueReads(
            partner_center.shelf, partner_center.customers, partner_center.subscriptions
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes, and one that answers everything else with the gateway's 404."""
        customer = "/v1/customers/{customer}"
        carts, orders = f"{customer}/carts", f"{customer}/orders"
        cart = carts + "/{cart}"
        return [
            web.post(carts, self._handler(self._create)),
            web.get(cart, self._handler(self._get)),
            web.put(cart, self._handler(self._update)),
            web.post(cart + "/checkout", self._handler(self._check_out)),
            web.get(orders, self._handler(self._list_orders)),
            web.get(orders + "/{order}", self._handler(self._get_order)),
            *(
                web.route(method, f"/v1{path}", self._handler(_immediate(read)))
                for method, path, read in self._reads.routes()
            ),
            web.route("*", "/{anything:.*}", self._not_found),
        ]

    async def _create(self, call: Call) -> Answer:
        created = self._partner_center.create(
            call.customer_id, call.body, call.user, call.request_id
        )
        return 201, created.document

    async def _get(self, call: Call) -> Answer:
        return 200, self._partner_center.find(call.customer_id, call.cart_id).document

    async def _update(self, call: Call) -> Answer:
        stored = self._partner_center.find(call.customer_id, call.cart_id)
        async with self._partner_center.changing(stored):
            self._partner_center.update(stored, call.body, call.user)
        return self._partner_center.put_status, stored.document

    async def _check_out(self, call: Call) -> Answer:
        stored = self._partner_center.find(call.customer_id, call.cart_id)
        async with self._partner_center.changing(stored):
            # Microsoft's own clients send the JSON text "success" as the body of a checkout.
            if call.body and not _is_json_text(call.body):
                raise invalid_input("A checkout has no body.")
            return 201, self._partner_center.answer_checkout(
                stored, call.request_id, call.customer_user
            )

    async def _list_orders(self, call: Call) -> Answer:
        orders = self._partner_center.customers_orders(call.customer_id)
        begin = int(call.continuation) if call.continuation.isdecimal() else 0
        end = begin + (self._partner_center.orders_per_page or len(orders))
        uri = f"/customers/{call.customer_id}/orders"
        links: dict[str, Any] = {"self": {"uri": uri, "method": "GET", "headers": []}}
        if end < len(orders):
            uri = f"{uri}?seekOperation=Next"
            headers = [{"key": "MS-ContinuationToken", "value": str(end)}]
            links["next"] = {"uri": uri, "method": "GET", "headers": headers}
        return 200, {
            "totalCount": len(orders[begin:end]),
            "items": orders[begin:end],
            "links": links,
            "attributes": {"objectType": "Collection"},
        }

    async def _get_order(self, call: Call) -> Answer:
        return 200, self._partner_center.find_order(call.customer_id, call.order_id)

    def _handler(self, operation: Operation) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Checks the caller, runs the operation, and answers with its document or the refusal's."""

        async def handle(request: web.Request) -> web.Response:
            request_id = _guid(request.headers.get("MS-RequestId")) or str(uuid.uuid4())
            try:
                user, app_only = self._authorise(request)
                named = request.match_info.get("customer")
                customer_id = "" if named is None else _customer(named)
                cart_id = request.match_info.get("cart", "").lower()
                call = Call(
                    customer_id,
                    cart_id,
                    request.match_info.get("order", ""),
                    user,
                    request_id,
                    request.headers.get("x-ms-customeruser-upn"),
                    await taken_body(request),
                    request.headers.get("MS-ContinuationToken", ""),
                    request.match_info,
                    request.query,
                    app_only,
                )
                status, document = await operation(call)
            except RefusalError as refusal:
                status, document = refusal.status, _error_document(refusal)
            return _response(request, request_id, status, document)

        return handle

    def _authorise(self, request: web.Request) -> tuple[str, bool]:
        """The object id of the caller, and whether that is the application without a user.

        Raises RefusalError where the token is not good enough.
        """
        claims = self._tokens.claims_of_bearer(request)
        if claims is None:
            raise RefusalError(401, 400, "Access denied.")
        if claims["aud"] != f"https://{request.host.partition(':')[0]}":
            raise RefusalError(401, "900420", "The audience of the token is not accepted.")
        if "mfa" not in claims.get("amr", ["mfa"]):
            raise RefusalError(401, "900421", "The token has no multi-factor authentication claim.")
        app_only = "scp" not in claims
        user = str(claims["appid"] if app_only else claims["oid"])
        if user in self._partner_center.refused_users:
            raise RefusalError(403, "900308", "The caller has insufficient privileges.")
        return user, app_only

    async def _not_found(self, request: web.Request) -> web.Response:
        document = {"statusCode": 404, "message": "Resource not found"}
        return web.json_response(document, status=404)


def _immediate(read: Callable[[Call], Answer]) -> Operation:
    """The operation that answers at once."""

    async def operation(call: Call) -> Answer:
        return read(call)

    return operation


def _customer(text: str) -> str:
    """The customer id in lower case. Raises RefusalError for one that is refused."""
    customer_id = _guid(text)
    if customer_id is None:
        raise RefusalError(400, "3000", "The customer id is not valid.")
    if customer_id in REFUSED_CUSTOMERS:
        raise RefusalError(*REFUSED_CUSTOMERS[customer_id])
    return customer_id


def _guid(text: str | None) -> str | None:
    """A GUID in lower case, or None for any other text."""
    try:
        return str(uuid.UUID(text)) if text and len(text) == 36 else None
    except ValueError:
        return None


def _is_json_text(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), str)
    except ValueError:
        return False


def _error_document(refusal: RefusalError) -> dict[str, Any]:
    return {
        "code": refusal.code,
        "description": refusal.description,
        "data": [],
        "source": "PartnerFD",
    }


def _response(request: web.Request, request_id: str, status: int, document: Any) -> web.Response:
    """The document behind a byte order mark, with Partner Center's headers."""
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
