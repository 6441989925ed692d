"""Partner Center's carts and orders: what it does when a cart is created, changed or checked out.

It follows the public facts about the real service. Where they are silent, the emulator decides:
what is ordered stays ordered; a cart that could be ordered only in part stays Active, and its next
checkout tries what failed and answers with all orders of the cart; a cart that has expired, or that
is another customer's, is answered like one that never existed.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.partner_center.customers import Customers
from partner_center_emulator.partner_center.documents import (
    SERVER_ASSIGNED,
    every_line,
    read_cart,
)
from partner_center_emulator.partner_center.orders import (
    GroupError,
    Lines,
    StoredOrder,
    add_subscription,
    new_order,
    order_error,
    order_groups,
)
from partner_center_emulator.partner_center.refusals import (
    BUSY,
    RefusalError,
    already_submitted,
    cart_not_found,
    order_not_found,
    stale_item,
)
from partner_center_emulator.partner_center.shelf import Shelf

_LIFE_SECONDS = 7 * 24 * 3600


@dataclass(slots=True)
class StoredCart:
    """A cart, with what the server remembers about it."""

    customer_id: str
    document: dict[str, Any]
    expires: float
    """When it expires, in Unix seconds."""
    request_ids: list[str] = field(default_factory=list)
    """The MS-RequestIds of the requests that were answered with its creation."""
    orders: dict[str, StoredOrder] = field(default_factory=dict)
    """Its orders, by order group."""
    failed: set[str] = field(default_factory=set)
    """The order groups that could not be ordered at an earlier checkout."""
    under_way: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The order groups that are being ordered, with the OrderError that is told meanwhile."""
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each checkout was answered with, by its MS-RequestId."""
    busy: bool = False
    """Whether a request is changing it at this moment."""

    @property
    def ordered(self) -> bool:
        """Whether everything in it is bought."""
        return bool(self.document["status"] == "Ordered")


class PartnerCenter:
    """The carts and the orders of all customers, by their ids.

    The public attributes may be changed at any time, those that are switches included.
    """

    def __init__(self, *, deduplicate: bool = True) -> None:
        self.deduplicate = deduplicate
        """Whether a repeated MS-RequestId gets the first cart, or the first checkout's result."""
        self.put_status = 201
        """The HTTP status that a change of a cart is answered with."""
        self.repeat_checkout = True
        """Whether the checkout of an Ordered cart is answered with its orders again. If not, it is
        refused with 400 and the code 800065."""
        self.change_seconds = 0.0
        """How many seconds a change or a checkout takes. Others of the same cart are refused until
        it is done."""
        self.busy_code = "800064"
        """The code of that refusal, with status 409: one of BUSY."""
        self.group_errors: list[GroupError] = []
        """What becomes of order groups at the next checkouts instead of orders."""
        self.pending_seconds = 0.0
        """How many seconds a new order is pending. Then it is completed, and its licences have
        their subscriptions; with 0 the answer to the checkout has them already."""
        self.unlisted_seconds = 0.0
        """How many seconds pass until a new order is in the list of its customer's orders."""
        self.orders_per_page = 0
        """How many orders a page of that list has; 0: it has one page."""
        self.refused_users: list[str] = []
        """The object ids of callers that lack the right to do anything."""
        self.shelf = Shelf()
        """The catalogue, with the availabilities of the moment."""
        self.customers = Customers()
        self.carts: dict[str, StoredCart] = {}
        self.orders: dict[str, StoredOrder] = {}
        self._by_request: dict[tuple[str, str], StoredCart] = {}
        self._timers: list[asyncio.TimerHandle] = []

    def create(self, customer_id: str, body: bytes, user: str, request_id: str) -> StoredCart:
        """A new cart of the customer's, or the one that the same request created before.

        `user` is the object id of the caller. Raises RefusalError.
        """
        content = read_cart(body)
        key = customer_id, request_id
        stored = self._by_request.get(key) if self.deduplicate else None
        if stored is None:
            stored = self._new_cart(customer_id, content, user)
            self.carts[stored.document["id"]] = self._by_request[key] = stored
        stored.request_ids.append(request_id)
        return stored

    def find(self, customer_id: str, cart_id: str) -> StoredCart:
        """The customer's cart. Raises RefusalError where it has none with this id, or no longer."""
        stored = self.stored(cart_id)
        if stored.customer_id != customer_id or stored.expires < time.time():
            raise cart_not_found()
        return stored

    @asynccontextmanager
    async def changing(self, stored: StoredCart) -> AsyncIterator[None]:
        """Waits `change_seconds`, and keeps other changes of the cart out until the block ends.

        Raises RefusalError at once where another change is going on.
        """
        if stored.busy:
            raise RefusalError(409, self.busy_code, BUSY[self.busy_code])
        stored.busy = True
        try:
            if self.change_seconds:
                await asyncio.sleep(self.change_seconds)
            yield
        finally:
            stored.busy = False

    def update(self, stored: StoredCart, body: bytes, user: str) -> None:
        """Replaces what the caller may set of a cart. Raises RefusalError."""
        if stored.ordered:
            raise already_submitted()
        content = read_cart(body, stored.document["id"])
        assigned = {name: stored.document[name] for name in SERVER_ASSIGNED}
        assigned["lastModifiedTimestamp"] = _timestamp(time.time_ns())
        assigned["lastModifiedUser"] = user
        stored.document = assigned | self._with_assessments(content)

    def answer_checkout(
        self, stored: StoredCart, request_id: str, customer_user: str | None
    ) -> dict[str, Any]:
        """The CartCheckoutResult for a caller of the API; a repeated request gets the first one.

        `customer_user` is the x-ms-customeruser-upn. Raises RefusalError.
        """
        result = stored.results.get(request_id) if self.deduplicate else None
        if result is None:
            if stored.ordered and not self.repeat_checkout:
                raise already_submitted()
            result = self.check_out(stored.document["id"], customer_user)
            stored.results[request_id] = result
        for order in result["orders"]:
            self.orders[order["id"]].request_ids.append(request_id)
        return result

    def check_out(self, cart_id: str, customer_user: str | None = None) -> dict[str, Any]:
        """Orders what the cart holds and is not ordered yet; returns the CartCheckoutResult.

        Called directly, it checks a cart out without the knowledge of those who use the API.
        Raises RefusalError.
        """
        stored = self.stored(cart_id)
        cart = stored.document
        if any("error" in line for line in every_line(cart["lineItems"])):
            raise RefusalError(400, "800009", "There is an error in an item of the cart.")
        self._refuse_stale(cart["lineItems"])
        errors = []
        for group, lines in order_groups(cart).items():
            if group in stored.orders:
                continue
            error = self._group_error(stored, group, lines, customer_user)
            if error is not None:
                errors.append(error)
                continue
            self._order(stored, group, lines, customer_user)
        _close_if_ordered(stored)
        result = {
            "orders": [order.document for order in stored.orders.values()],
            "attributes": {"objectType": "CartCheckoutResult"},
        }
        return result | ({"orderErrors": errors} if errors else {})

    def customers_orders(self, customer_id: str) -> list[dict[str, Any]]:
        """The customer's orders that are listed by now, as they are now, oldest first."""
        listed = time.time() - self.unlisted_seconds
        orders = [each for each in list(self.orders.values()) if each.made <= listed]
        return [order.now() for order in orders if order.customer_id == customer_id]

    def subscriptions(self, customer_id: str) -> list[dict[str, Any]]:
        """The subscriptions that the customer's completed orders have made."""
        return [
            {
                "id": line["subscriptionId"],
                "offerId": line["offerId"],
                "quantity": line["quantity"],
                "status": "active",
                "termDuration": line.get("termDuration"),
                "billingCycle": order["billingCycle"],
                "orderId": order["id"],
            }
            for order in self.customers_orders(customer_id)
            for line in order["lineItems"]
            if "subscriptionId" in line
        ]

    def find_order(self, customer_id: str, order_id: str) -> dict[str, Any]:
        """The customer's order as it is now. Raises RefusalError where it has none with this id."""
        order = self.orders.get(order_id)
        if order is None or order.customer_id != customer_id:
            raise order_not_found()
        return order.now()

    def expire(self, cart_id: str) -> None:
        """Lets a cart expire now. Raises RefusalError where it does not exist."""
        self.stored(cart_id).expires = 0

    def as_json(self) -> list[dict[str, Any]]:
        """All carts: `customerId`, `requestIds` (see StoredCart) and the `cart` itself."""
        return [
            {"customerId": c.customer_id, "requestIds": c.request_ids, "cart": c.document}
            for c in list(self.carts.values())
        ]

    def orders_as_json(self) -> list[dict[str, Any]]:
        """All orders, each as StoredOrder.as_json gives it."""
        return [order.as_json() for order in list(self.orders.values())]

    def clear(self) -> None:
        """Forgets all carts, orders, group errors and rotations. The switches stay as they are."""
        self.shelf.clear()
        self.carts.clear()
        self.orders.clear()
        self._by_request.clear()
        self.group_errors.clear()
        self.clear_timers()

    def clear_timers(self) -> None:
        """Lets no order group be ordered any more that is under way."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _group_error(
        self, stored: StoredCart, group: str, lines: Lines, customer_user: str | None
    ) -> dict[str, Any] | None:
        """Why a group is not ordered now: an OrderError; None where it can be."""
        if group in stored.under_way:
            return stored.under_way[group]
        meant = (each for each in self.group_errors if each.order_group in (None, group))
        injected = next(meant, None)
        if injected is None:
            error = order_error(group, lines, again=group in stored.failed)
            stored.failed |= {group} if error else set()
            return error
        if injected.times is not None:
            injected.times -= 1
            if injected.times <= 0:
                self.group_errors.remove(injected)
        error = injected.document(group)
        if injected.ordered_after is not None:
            stored.under_way[group] = error
            order = partial(self._order, stored, group, lines, customer_user)
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(injected.ordered_after, order))
        return error

    def _order(
        self, stored: StoredCart, group: str, lines: Lines, customer_user: str | None
    ) -> None:
        """Orders a group."""
        now, cart = time.time(), stored.document
        document = new_order(stored.customer_id, cart, lines, _timestamp(time.time_ns()))
        if not self.pending_seconds:
            for line in document["lineItems"]:
                add_subscription(document["id"], line)
        completed = now + self.pending_seconds
        order = StoredOrder(
            stored.customer_id, cart["id"], group, customer_user, document, now, completed
        )
        self.orders[document["id"]] = stored.orders[group] = order
        stored.under_way.pop(group, None)
        _close_if_ordered(stored)

    def _new_cart(self, customer_id: str, content: dict[str, Any], user: str) -> StoredCart:
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
            **self._with_assessments(content),
            "links": {"self": {"uri": uri, "method": "GET", "headers": []}},
            "attributes": {"objectType": "Cart"},
        }
        return StoredCart(customer_id, document, now / 10**9 + _LIFE_SECONDS)

    def _with_assessments(self, content: dict[str, Any]) -> dict[str, Any]:
        """The same content, with an error or a price in each line where the catalogue has one.

        Raises RefusalError for an availability that was replaced by another one.
        """
        lines = list(every_line(content["lineItems"]))
        item_ids = frozenset(line["catalogItemId"] for line in lines)
        self._refuse_stale(content["lineItems"])
        for line in lines:
            line.update(catalogue.assess(line, item_ids, self.shelf.issued))
        return content

    def _refuse_stale(self, line_items: list[dict[str, Any]]) -> None:
        for line in every_line(line_items):
            if self.shelf.is_stale(line["catalogItemId"]):
                raise stale_item(line["catalogItemId"])

    def stored(self, cart_id: str) -> StoredCart:
        """A cart, whose-ever it is and expired or not. Raises RefusalError where there is none."""
        stored = self.carts.get(cart_id)
        if stored is None:
            raise cart_not_found()
        return stored


def _close_if_ordered(stored: StoredCart) -> None:
    """A cart is Ordered with the last of its groups."""
    if order_groups(stored.document).keys() <= stored.orders.keys():
        stored.document["status"] = "Ordered"


def _timestamp(nanoseconds: int) -> str:
    """A time since 1970 as .NET writes it: seven fractional digits and a Z."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 100:07d}Z"
