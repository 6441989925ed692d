"""The parts of storefronts' orders as accepted operations: from the hand-over to what came of them.

A part is sent like a caller's request: to the same route, with the same checks, under a key that
is made of the order's id. There are two differences: the order's record is asked just before the
checkout whether the part may still be bought, and it is told how the part ended.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cart_core.api.invocation import Handler
from cart_core.api.messages import Invocation, Request, Response
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.store import StoreUnavailable
from cart_core.json_text import write_json
from cart_core.operations.operation import AcceptedOperation
from cart_core.problem import Outcome, Problem
from cart_core.storefronts.fetching import ShopUnavailable
from cart_core.storefronts.order_record import ORDER_CANCELLED, PartResult, PartStatus
from cart_core.storefronts.orders import Orders
from cart_core.storefronts.ports import HandedOver

ROUTES: Final = {"order": "place_order", "cart": "create_cart"}
"""The operation that takes a part, by what its source wants."""

_STATUSES: Final[Mapping[str, PartStatus]] = {
    "completed": "completed",
    "ordered": "completed",
    "partial": "partial",
    "in_progress": "unknown",
}


class PartRequests:
    """Hands parts over, as a caller's requests (the port Purchases)."""

    def __init__(
        self,
        endpoints: Mapping[str, Handler],
        *,
        new_guid: Callable[[], str],
        monotonic: Callable[[], float],
    ) -> None:
        self._endpoints = endpoints
        self._new_guid = new_guid
        self._monotonic = monotonic

    async def accept(self, part: HandedOver) -> PartResult | None:
        """See Purchases."""
        request = Request(
            {
                "content-type": "application/json",
                "idempotency-key": part.key,
                "prefer": "respond-async",
            },
            {"customerId": part.customer_id},
            write_json(dict(part.cart)).encode(),
            {"preflight": "true"} if part.preflight and part.into == "order" else {},
        )
        invocation = Invocation(
            self._new_guid(),
            self._monotonic(),
            caller=f"storefront:{part.source}",
            order=part.order,
        )
        response = await self._endpoints[ROUTES[part.into]](request, invocation)
        # Anything but 202 is the answer that the key has been given already.
        return None if response.status == 202 else result_of(response)


class PartFollower:
    """Follows parts (the port Follower)."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    async def require_wanted(self, operation: AcceptedOperation) -> None:
        """To be called just before anything is bought. Raises Problem where it must not be."""
        try:
            wanted = await self._orders.may_buy(_order(operation), operation.customer_id)
        except ShopUnavailable as failure:
            raise Problem(
                "shop_unavailable",
                f"The order is looked up in the shop again just before it is bought. {failure}",
                retry_after=failure.retry_after,
            ) from None
        except StoreUnavailable as failure:
            raise Problem(
                "store_unavailable",
                f"{failure} The shop's order is looked up again just before it is bought.",
                retry_after=failure.retry_after,
                outcome=Outcome.NOT_SENT,
            ) from None
        if not wanted:
            raise Problem(
                ORDER_CANCELLED,
                "The shop's order was cancelled before it was bought, or its source has left"
                " storefronts.toml.",
            )

    async def put_off(self, operation: AcceptedOperation) -> None:
        """See Follower. What has certainly bought nothing can be cancelled until the next try."""
        if not operation.in_doubt:
            await self._orders.nothing_bought(_order(operation), operation.customer_id)

    async def ended(self, operation: AcceptedOperation, answer: StoredAnswer) -> None:
        """See Follower."""
        result = result_of(answer)
        if result.status == "failed":
            await self._orders.nothing_bought(_order(operation), operation.customer_id)
        await self._orders.part_ended(_order(operation), operation.customer_id, result)


def result_of(answer: Response | StoredAnswer) -> PartResult:
    """What became of a part, by the answer that a caller would be given."""
    body: Mapping[str, Any] = answer.body
    if answer.status >= 400:
        return PartResult(status="failed", problem=body["code"])
    if "cartId" not in body:  # A cart was made, and nothing is to be bought.
        return PartResult(status="completed", cart_id=body.get("id"))
    orders = body["orders"]
    lines = [line for order in orders for line in order["lineItems"]]
    return PartResult(
        status=_STATUSES[body["status"]],
        cart_id=body["cartId"],
        orders=[order["id"] for order in orders if order["id"]],
        subscriptions=[line["subscriptionId"] for line in lines if line["subscriptionId"]],
    )


def _order(operation: AcceptedOperation) -> str:
    if operation.order is None:
        raise ValueError("the operation is no part of a storefront's order")
    return operation.order
