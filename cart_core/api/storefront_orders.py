"""Operators' routes for storefronts' orders: what became of one, and which wait for a person."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from cart_core.api.messages import Invocation, Request, Response
from cart_core.idempotency.record import format_moment
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.operators import unavailable
from cart_core.problem import Problem
from cart_core.storefronts.bodies import Bodies
from cart_core.storefronts.order_record import RECORDS, OrderRecord
from cart_core.storefronts.orders import Orders

MOST_LISTED: Final = 100

_ID: Final = re.compile(r"([a-z][a-z0-9-]{0,31})-([0-9a-f]{64})", re.ASCII)


class StorefrontOrders:
    """Shows orders, and lists, releases and discards parked ones. Every method raises Problem."""

    def __init__(self, orders: Orders, bodies: Bodies) -> None:
        self._orders = orders
        self._bodies = bodies

    async def list(self, request: Request, invocation: Invocation) -> Response:
        """200 with the orders that need a person, the oldest first, and why."""
        source = request.query.get("source")
        try:
            found = [
                each.record
                for each in await self._bodies.list_parked()
                if source is None or each.record.startswith(f"{RECORDS}{source}/")
            ]
            records = [await self._orders.find(name) for name in found[:MOST_LISTED]]
        except StoreUnavailable as failure:
            raise unavailable(failure) from None
        orders = [_as_json(record) for record in records if record and record.needs_person]
        return _response({"total": len(found), "orders": orders}, invocation)

    async def get(self, request: Request, invocation: Invocation) -> Response:
        """200 with an order, and what became of it."""
        try:
            record = await self._orders.find(_name(request))
        except StoreUnavailable as failure:
            raise unavailable(failure) from None
        if record is None:
            raise _not_found()
        parts = [
            {
                "customerId": part.customer_id,
                "cart": part.cart,
                "result": record.results[part.customer_id].model_dump(by_alias=True)
                if part.customer_id in record.results
                else None,
            }
            for part in record.parts or ()
        ]
        flags = [flag.code for flag in record.flags]
        more = {"cancelled": record.cancelled, "flags": flags, "parts": parts}
        return _response(_as_json(record) | more, invocation)

    async def release(self, request: Request, invocation: Invocation) -> Response:
        """200 with the order, which is looked into again by what was stored of it."""
        return await self._change(
            request, invocation, self._orders.release, lambda after: after.state == "open"
        )

    async def discard(self, request: Request, invocation: Invocation) -> Response:
        """200 with the order, which is never bought, or whose flags are settled."""
        return await self._change(
            request,
            invocation,
            self._orders.discard,
            lambda after: after.state == "discarded" or bool(after.flags),
        )

    async def _change(
        self,
        request: Request,
        invocation: Invocation,
        change: Callable[[str], Awaitable[OrderRecord | None]],
        is_changed: Callable[[OrderRecord], bool],
    ) -> Response:
        try:
            after = await change(_name(request))
        except StoreUnavailable as failure:
            raise unavailable(failure) from None
        if after is None:
            raise _not_found()
        if not is_changed(after):
            raise Problem("order_not_parked", f"The order is {after.state}, and not parked.")
        return _response({"id": _id(after), "state": after.state}, invocation)


def _name(request: Request) -> str:
    """The name of the record of the order in a path. Raises Problem."""
    match = _ID.fullmatch(request.path.get("orderId", ""))
    if match is None:
        raise _not_found()
    return f"{RECORDS}{match[1]}/{match[2]}"


def _id(record: OrderRecord) -> str:
    return record.name.removeprefix(RECORDS).replace("/", "-")


def _not_found() -> Problem:
    return Problem("order_not_found", "There is no such order of a storefront.")


def _as_json(record: OrderRecord) -> dict[str, Any]:
    """An order as operators see it in a list."""
    return {
        "id": _id(record),
        "source": record.source,
        "orderId": record.order_id,
        "state": record.state,
        "receivedDateTime": format_moment(record.received_at),
        "reasons": [
            *record.reasons,
            *(flag.reason.as_json() for flag in record.flags if not flag.settled),
        ],
    }


def _response(body: dict[str, Any], invocation: Invocation) -> Response:
    return Response(200, body, {"MS-CorrelationId": invocation.correlation_id})
