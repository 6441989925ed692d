"""What a soak consists of: orders, their deliveries, the trouble on the way, and the settings."""

import json
import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from partner_center_emulator.partner_center.catalogue import RESERVATION, UNSTEADY
from partner_center_emulator.watch.disturbances import Disturbance

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

TOO_LATE: Final = 7.0
"""Seconds after which neither the deadline nor the lease of a call lasts any more."""

CHECKOUT_SECONDS: Final = 0.1
"""How long Partner Center refuses a second checkout of a cart while it is busy with the first."""

Kind = Literal["true", "changed", "checkout"]
"""What a delivery brings: its order, another cart under the order's key, or, beside an order that
buys, a checkout of the cart that was made for it."""

Hitch = Literal["part", "whole"]
"""How much of a cart Partner Center does not order the first time."""

KeyHeader = Literal["bare", "quoted", "webhook-id"]
_KEY_HEADERS: Final[tuple[KeyHeader, ...]] = ("bare", "quoted", "webhook-id")


@dataclass(frozen=True, slots=True)
class Order:
    """A cart that somebody wants, once, under a key; with `buys`, it is to be bought at once.

    The key is in the cart, as friendly name.
    """

    key: str
    customer_id: str
    quantity: int
    buys: bool = False
    hitch: Hitch | None = None

    @property
    def operation(self) -> OperationId:
        """What the function knows it as."""
        name = "place_order" if self.buys else "create_cart"
        return OperationId(name, self.customer_id, self.key)

    @property
    def groups(self) -> set[str]:
        """The order groups of its cart: Partner Center makes an order of each."""
        return {"0", "1"} if self.hitch == "part" else {"0"}

    def cart(self, *, changed: bool = False, pascal: bool = False) -> dict[str, Any]:
        """The request; `changed` orders more, `pascal` says the same in another spelling."""
        line = {
            "catalogItemId": RESERVATION,
            "friendlyName": self.key,
            "quantity": self.quantity + changed,
            "billingCycle": "one_time",
        }
        unsteady = {
            **line,
            "catalogItemId": UNSTEADY,
            "billingCycle": "monthly",
            "termDuration": "P1M",
        }
        lines = {None: [line], "whole": [unsteady], "part": [line, unsteady | {"orderGroup": "1"}]}
        if not pascal:
            return {"lineItems": lines[self.hitch]}
        return {
            "LineItems": [
                {"Id": str(number), **{n[0].upper() + n[1:]: v for n, v in each.items()}}
                for number, each in enumerate(lines[self.hitch])
            ]
        }


@dataclass(frozen=True, slots=True)
class Delivery:
    """One of the times that a caller wants to hand over an order, until it has an answer."""

    order: Order
    kind: Kind
    pascal: bool
    key_header: KeyHeader

    def operation(self, cart_id: str | None) -> OperationId:
        """What the function knows it as, a checkout by its cart."""
        if self.kind == "checkout":
            return OperationId("checkout_cart", self.order.customer_id, cart_id or "")
        return self.order.operation

    def path(self, cart_id: str | None) -> str:
        """Where it is posted to, a checkout of `cart_id`."""
        carts = f"/api/customers/{self.order.customer_id}/carts"
        if self.kind == "checkout":
            return f"{carts}/{cart_id}/checkout"
        return f"/api/customers/{self.order.customer_id}/orders" if self.order.buys else carts

    def headers(self) -> dict[str, str]:
        """The headers that carry the key, in one of the accepted forms; a checkout needs none."""
        key = self.order.key
        if self.kind == "checkout":
            return {}
        match self.key_header:
            case "webhook-id":
                return {"webhook-id": key}
            case "quoted":
                return {"Idempotency-Key": f'"{key}"'}
            case "bare":
                return {"Idempotency-Key": key}

    def body(self) -> bytes:
        """The request's body."""
        if self.kind == "checkout":
            return b"{}" if self.pascal else b""
        cart = self.order.cart(changed=self.kind == "changed", pascal=self.pascal)
        return json.dumps(cart).encode()


def orders(count: int, dice: random.Random) -> list[Order]:
    """Orders of a few customers; every other one buys."""
    customers = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(CUSTOMERS)]
    run = f"{dice.getrandbits(32):08x}"
    return [
        Order(
            f"order-{run}-{number:04}",
            dice.choice(customers),
            dice.randint(1, 100),
            buys=bool(number % 2),
            hitch=dice.choice((*[None] * 8, "part", "whole")) if number % 2 else None,
        )
        for number in range(count)
    ]


def deliveries(orders: list[Order], dice: random.Random) -> list[Delivery]:
    """Each order one to five times, twins close together or far apart.

    Some come once more, changed. The carts of some are checked out meanwhile, once or twice.
    """
    placed: list[tuple[float, Delivery]] = []
    for place, order in enumerate(orders):

        def now_or_later(place: int = place) -> float:
            return place + dice.choice((dice.random(), dice.uniform(0, LANES)))

        places = [float(place)]
        places += [now_or_later() for _ in range(dice.randint(0, 4))]
        placed += [(at, _delivery(order, dice)) for at in places]
        if dice.random() < 0.15:
            at = place + dice.uniform(0, LANES)
            placed.append((at, _delivery(order, dice, "changed")))
        if order.buys and dice.random() < 0.3:
            placed += [
                (now_or_later(), _delivery(order, dice, "checkout"))
                for _ in range(dice.randint(1, 2))
            ]
    placed.sort(key=lambda each: each[0])
    return [delivery for _, delivery in placed]


def once_more(delivered: Iterable[Delivery], dice: random.Random) -> list[Delivery]:
    """Each order one more time, and each checkout."""
    return [
        _delivery(order, dice, kind)
        for order, kind in dict.fromkeys((each.order, each.kind) for each in delivered)
        if kind != "changed"
    ]


def _delivery(order: Order, dice: random.Random, kind: Kind = "true") -> Delivery:
    return Delivery(order, kind, dice.random() < 0.3, dice.choice(_KEY_HEADERS))


def trouble() -> list[Disturbance]:
    """Everything that goes wrong, each with its probability for one request."""
    return [*_partner_center(), *_storage()]


def outage(dice: random.Random) -> Disturbance:
    """The store fails altogether, in one of its ways, until the disturbance is removed."""
    what: dict[str, Any] = dice.choice(
        [{"status": 503}, {"status": 500, "commit": True}, {"action": "drop"}, {"delay_after": 6}]
    )
    return Disturbance("storage", times=None, **what)


_CHECKOUT: Final = "/checkout$"


def _partner_center() -> Iterator[Disturbance]:
    def disturbance(probability: float, **what: Any) -> Disturbance:
        return Disturbance("partner_center", times=None, probability=probability, **what)

    yield disturbance(0.5, delay=0.1)
    yield disturbance(0.5, delay_after=0.2)
    yield disturbance(0.01, delay=TOO_LATE)
    yield disturbance(0.01, delay_after=TOO_LATE)
    yield disturbance(0.03, status=429, headers={"Retry-After": "1"})
    yield disturbance(0.01, status=429, headers={"Retry-After": "3"})
    yield disturbance(0.01, status=409, body={"code": "800064"}, headers={"Retry-After": "1"})
    for commit in (False, True):
        yield disturbance(0.015, commit=commit, action="drop")
        yield disturbance(0.01, commit=commit, action="reset")
        yield disturbance(0.01, commit=commit, status=408)
        yield disturbance(0.01, commit=commit, status=500)
        yield disturbance(0.01, commit=commit, status=500, body={"code": "800003"})
        yield disturbance(0.01, commit=commit, status=502, body="<html>", content_type="text/html")
        yield disturbance(0.01, commit=commit, status=503, headers={"Retry-After": "1"})
        yield disturbance(0.01, commit=commit, status=504)
    # Neither of these two says that the cart is not ordered.
    for commit in (False, True):
        busy = {"code": "800060", "description": "The order is in progress."}
        yield disturbance(0.02, commit=commit, path=_CHECKOUT, status=409, body=busy)
    submitted = {"code": "800065", "description": "The cart is already submitted."}
    yield disturbance(0.02, commit=True, path=_CHECKOUT, status=400, body=submitted)
    # Not 201: so the journal tells these from a true answer.
    yield disturbance(0.015, commit=True, status=200, body={"items": [], "totalCount": 0})
    yield disturbance(0.01, commit=True, status=202, body="")
    yield disturbance(0.015, action="truncate")
    yield disturbance(0.01, commit=True, action="garble")


def _storage() -> Iterator[Disturbance]:
    def disturbance(probability: float, **what: Any) -> Disturbance:
        return Disturbance("storage", times=None, probability=probability, **what)

    yield disturbance(0.1, delay=0.1)
    yield disturbance(0.003, delay=3)
    yield disturbance(0.003, delay_after=6)
    for commit in (False, True):
        yield disturbance(0.01, commit=commit, action="drop")
        yield disturbance(0.005, commit=commit, status=500)
        yield disturbance(0.01, commit=commit, status=503)
