"""What a soak consists of: orders, their deliveries, and the function's settings."""

import json
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from partner_center_emulator.partner_center.catalogue import RESERVATION, UNSTEADY
from partner_center_emulator.partner_center.orders import GroupError

from cart_core.idempotency.operation_id import OperationId

LANES: Final = 100
CUSTOMERS: Final = 20

LONGEST_REQUEST: Final = 10
"""Seconds after which no request can be under way at this Partner Center any more."""

SETTINGS: Final = {
    "CART_ALLOW_CHECKOUT": "true",
    "CART_DEADLINE_SECONDS": "5",
    "CART_LEASE_MARGIN_SECONDS": "1",
    "CART_INFLIGHT_WAIT_SECONDS": "2",
    "CART_LONGEST_REQUEST_SECONDS": f"{LONGEST_REQUEST}",
    "CART_MAX_WAIT_SECONDS": "1",
}
"""Short, so that every end of a wait is met many times."""

CHECKOUT_SECONDS: Final = 0.1
"""How long Partner Center refuses a second checkout of a cart while it is busy with the first."""

UNDER_WAY: Final = "under way"
"""The order group that Partner Center calls under way at first, and orders a moment later."""

GROUP_UNDER_WAY: Final = GroupError(
    800060, "The order is in progress.", UNDER_WAY, times=None, ordered_after=4.0
)

Kind = Literal["true", "changed", "checkout"]
"""What a delivery brings: its order, another cart under the order's key, or, beside an order that
buys, a checkout of the cart that was made for it."""

Hitch = Literal["part", "whole", "part under way", "whole under way"]
"""How much of a cart Partner Center does not order the first time."""

KeyHeader = Literal["bare", "quoted", "webhook-id"]
_KEY_HEADERS: Final[tuple[KeyHeader, ...]] = ("bare", "quoted", "webhook-id")


@dataclass(frozen=True, slots=True)
class Order:
    """A cart that somebody wants, once; with `buys`, it is to be bought at once.

    The name is in the cart, as friendly name.
    """

    name: str
    customer_id: str
    quantity: int
    buys: bool = False
    hitch: Hitch | None = None

    def key(self, refusals: int = 0) -> str:
        """The key under which it is sent after so many refusals."""
        return f"{self.name}-{refusals}"

    def operation(self, key: str) -> OperationId:
        """What the function knows it as."""
        name = "place_order" if self.buys else "create_cart"
        return OperationId(name, self.customer_id, key)

    @property
    def groups(self) -> list[str]:
        """The order groups of its cart: Partner Center makes an order of each."""
        return [group for group, _ in self._groups()]

    def cart(self, key: str, *, changed: bool = False, pascal: bool = False) -> dict[str, Any]:
        """The request; `changed` orders more, `pascal` says the same in another spelling.

        What was refused as a whole is corrected under the next key.
        """
        corrected = self.hitch == "whole" and key != self.key()
        lines = []
        for group, unsteady in self._groups():
            line: dict[str, Any] = {
                "catalogItemId": RESERVATION,
                "friendlyName": self.name,
                "quantity": self.quantity + changed,
                "billingCycle": "one_time",
                "orderGroup": group,
            }
            if unsteady and not corrected:
                line |= {"catalogItemId": UNSTEADY, "billingCycle": "monthly"}
                line["termDuration"] = "P1M"
            lines.append(line)
        if not pascal:
            return {"lineItems": lines}
        return {
            "LineItems": [
                {"Id": str(number), **{n[0].upper() + n[1:]: v for n, v in each.items()}}
                for number, each in enumerate(lines)
            ]
        }

    def _groups(self) -> list[tuple[str, bool]]:
        """Each order group of the cart, and whether its first order fails."""
        match self.hitch:
            case "whole":
                return [("0", True)]
            case "part":
                return [("0", False), ("1", True)]
            case "whole under way":
                return [(UNDER_WAY, False)]
            case "part under way":
                return [("0", False), (UNDER_WAY, False)]
            case None:
                return [("0", False)]


def checkout_of(order: Order, cart_id: str) -> OperationId:
    """What the function knows every checkout of a cart as, whichever request makes it."""
    return OperationId("checkout_cart", order.customer_id, cart_id)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One of the times that a caller wants to hand over an order, until it has an answer."""

    order: Order
    kind: Kind
    pascal: bool
    key_header: KeyHeader
    asynchronous: bool = False
    """Whether nobody waits: it is accepted, and its result is asked for until there is one."""

    def operation(self, key: str, cart_id: str | None) -> OperationId:
        """What the function knows it as, a checkout by its cart."""
        if self.kind == "checkout":
            return checkout_of(self.order, cart_id or "")
        return self.order.operation(key)

    def path(self, cart_id: str | None) -> str:
        """Where it is posted to, a checkout of `cart_id`."""
        carts = f"/api/customers/{self.order.customer_id}/carts"
        if self.kind == "checkout":
            return f"{carts}/{cart_id}/checkout"
        return f"/api/customers/{self.order.customer_id}/orders" if self.order.buys else carts

    def headers(self, key: str) -> dict[str, str]:
        """The headers that carry the key, in one of the accepted forms, and what is preferred.

        A checkout needs no key.
        """
        prefer = {"Prefer": "respond-async"} if self.asynchronous else {}
        if self.kind == "checkout":
            return prefer
        match self.key_header:
            case "webhook-id":
                return prefer | {"webhook-id": key}
            case "quoted":
                return prefer | {"Idempotency-Key": f'"{key}"'}
            case "bare":
                return prefer | {"Idempotency-Key": key}

    def body(self, key: str) -> bytes:
        """The request's body."""
        if self.kind == "checkout":
            return b"{}" if self.pascal else b""
        cart = self.order.cart(key, changed=self.kind == "changed", pascal=self.pascal)
        return json.dumps(cart).encode()


def orders(count: int, dice: random.Random) -> list[Order]:
    """Orders of a few customers; every other one buys."""
    customers = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(CUSTOMERS)]
    run = f"{dice.getrandbits(32):08x}"
    hitches: tuple[Hitch | None, ...] = (
        *[None] * 12,
        *("part", "whole", "part under way", "whole under way"),
    )
    return [
        Order(
            f"order-{run}-{number:04}",
            dice.choice(customers),
            dice.randint(1, 100),
            buys=bool(number % 2),
            hitch=dice.choice(hitches) if number % 2 else None,
        )
        for number in range(count)
    ]


def deliveries(
    orders: list[Order], dice: random.Random, asynchronous: float = 0.0
) -> list[Delivery]:
    """Each order one to five times, twins close together or far apart.

    Some come once more, changed. The carts of some are checked out meanwhile, once or twice. So
    many of all are not waited for.
    """
    placed: list[tuple[float, Delivery]] = []
    for place, order in enumerate(orders):

        def now_or_later(place: int = place) -> float:
            return place + dice.choice((dice.random(), dice.uniform(0, LANES)))

        places = [float(place)]
        places += [now_or_later() for _ in range(dice.randint(0, 4))]
        placed += [(at, _delivery(order, dice, asynchronous)) for at in places]
        if dice.random() < 0.15:
            at = place + dice.uniform(0, LANES)
            placed.append((at, _delivery(order, dice, asynchronous, "changed")))
        if order.buys and dice.random() < 0.3:
            placed += [
                (now_or_later(), _delivery(order, dice, asynchronous, "checkout"))
                for _ in range(dice.randint(1, 2))
            ]
    placed.sort(key=lambda each: each[0])
    return [delivery for _, delivery in placed]


def once_more(
    delivered: Iterable[Delivery], dice: random.Random, asynchronous: float = 0.0
) -> list[Delivery]:
    """Each order one more time, and each checkout."""
    return [
        _delivery(order, dice, asynchronous, kind)
        for order, kind in dict.fromkeys((each.order, each.kind) for each in delivered)
        if kind != "changed"
    ]


def _delivery(
    order: Order, dice: random.Random, asynchronous: float, kind: Kind = "true"
) -> Delivery:
    pascal, header = dice.random() < 0.3, dice.choice(_KEY_HEADERS)
    return Delivery(order, kind, pascal, header, dice.random() < asynchronous)
