"""What a soak consists of: orders, their deliveries, the trouble on the way, and the settings."""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from cart_core.idempotency import OperationId
from emulator.faults import Fault

LANES: Final = 50
CUSTOMERS: Final = 20

SETTINGS: Final = {
    "CART_DEADLINE_SECONDS": "4",
    "CART_LEASE_MARGIN_SECONDS": "1",
    "CART_INFLIGHT_WAIT_SECONDS": "2",
    "CART_MAX_WAIT_SECONDS": "1",
}
"""Short, so that every end of a wait is met many times."""

TOO_LATE: Final = 6.0
"""Seconds after which neither the deadline nor the lease of a call lasts any more."""

KeyHeader = Literal["bare", "quoted", "webhook-id"]
_KEY_HEADERS: Final[tuple[KeyHeader, ...]] = ("bare", "quoted", "webhook-id")


@dataclass(frozen=True, slots=True)
class Order:
    """A cart that somebody wants, once, under a key. The key is in the cart, as friendly name."""

    key: str
    customer_id: str
    quantity: int

    @property
    def operation(self) -> OperationId:
        """What the function knows it as."""
        return OperationId("create_cart", self.customer_id, None, self.key)

    def cart(self, *, changed: bool = False, pascal: bool = False) -> dict[str, Any]:
        """The request; `changed` orders more, `pascal` says the same in another spelling."""
        line = {
            "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
            "friendlyName": self.key,
            "quantity": self.quantity + changed,
            "billingCycle": "one_time",
        }
        if not pascal:
            return {"lineItems": [line]}
        return {"LineItems": [{"Id": "0", **{n[0].upper() + n[1:]: v for n, v in line.items()}}]}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One of the times that a caller wants to hand over an order, until it has an answer.

    A `changed` one carries another cart under the order's key.
    """

    order: Order
    changed: bool
    pascal: bool
    key_header: KeyHeader

    @property
    def path(self) -> str:
        """Where it is posted to."""
        return f"/api/customers/{self.order.customer_id}/carts"

    def headers(self) -> dict[str, str]:
        """The headers that carry the key, in one of the accepted forms."""
        key = self.order.key
        match self.key_header:
            case "webhook-id":
                return {"webhook-id": key}
            case "quoted":
                return {"Idempotency-Key": f'"{key}"'}
            case "bare":
                return {"Idempotency-Key": key}

    def body(self) -> bytes:
        """The request's body."""
        return json.dumps(self.order.cart(changed=self.changed, pascal=self.pascal)).encode()


def orders(count: int, dice: random.Random) -> list[Order]:
    """Orders of a few customers."""
    customers = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(CUSTOMERS)]
    run = f"{dice.getrandbits(32):08x}"
    return [
        Order(f"order-{run}-{number:04}", dice.choice(customers), dice.randint(1, 100))
        for number in range(count)
    ]


def deliveries(wanted: list[Order], dice: random.Random) -> list[Delivery]:
    """Each order one to five times, twins close together or far apart; some once more, changed."""
    placed: list[tuple[float, Delivery]] = []
    for place, order in enumerate(wanted):
        places = [float(place)]
        places += [
            place + dice.choice((dice.random(), dice.uniform(0, LANES)))
            for _ in range(dice.randint(0, 4))
        ]
        placed += [(at, _delivery(order, dice)) for at in places]
        if dice.random() < 0.15:
            at = place + dice.uniform(0, LANES)
            placed.append((at, _delivery(order, dice, changed=True)))
    placed.sort(key=lambda each: each[0])
    return [delivery for _, delivery in placed]


def once_more(wanted: list[Order], dice: random.Random) -> list[Delivery]:
    """Each order one more time."""
    return [_delivery(order, dice) for order in wanted]


def _delivery(order: Order, dice: random.Random, *, changed: bool = False) -> Delivery:
    return Delivery(order, changed, dice.random() < 0.3, dice.choice(_KEY_HEADERS))


def trouble() -> list[Fault]:
    """Everything that goes wrong, each with its probability for one request."""
    return [*_partner_center(), *_storage()]


def outage(dice: random.Random) -> Fault:
    """The store fails altogether, in one of its ways, until the fault is removed."""
    what: dict[str, Any] = dice.choice(
        [{"status": 503}, {"status": 500, "commit": True}, {"action": "drop"}, {"delay_after": 6}]
    )
    return Fault("storage", times=None, **what)


def _partner_center() -> Iterator[Fault]:
    def fault(probability: float, **what: Any) -> Fault:
        return Fault("partner_center", times=None, probability=probability, method="POST", **what)

    yield fault(0.5, delay=0.2)
    yield fault(0.5, delay_after=0.3)
    yield fault(0.01, delay=TOO_LATE)
    yield fault(0.01, delay_after=TOO_LATE)
    yield fault(0.03, status=429, headers={"Retry-After": "1"})
    yield fault(0.01, status=429, headers={"Retry-After": "3"})
    yield fault(0.01, status=409, body={"code": "800064"}, headers={"Retry-After": "1"})
    for commit in (False, True):
        yield fault(0.015, commit=commit, action="drop")
        yield fault(0.01, commit=commit, action="reset")
        yield fault(0.01, commit=commit, status=408)
        yield fault(0.01, commit=commit, status=500)
        yield fault(0.01, commit=commit, status=500, body={"code": "800003"})
        yield fault(0.01, commit=commit, status=502, body="<html>", content_type="text/html")
        yield fault(0.01, commit=commit, status=503, headers={"Retry-After": "1"})
        yield fault(0.01, commit=commit, status=504)
    # Not 201: so the journal tells these from a true answer.
    yield fault(0.015, commit=True, status=200, body={"items": [], "totalCount": 0})
    yield fault(0.01, commit=True, status=202, body="")
    yield fault(0.015, action="truncate")
    yield fault(0.01, commit=True, action="garble")


def _storage() -> Iterator[Fault]:
    def fault(probability: float, **what: Any) -> Fault:
        return Fault("storage", times=None, probability=probability, **what)

    yield fault(0.1, delay=0.1)
    yield fault(0.003, delay=3)
    yield fault(0.003, delay_after=6)
    for commit in (False, True):
        yield fault(0.01, commit=commit, action="drop")
        yield fault(0.005, commit=commit, status=500)
        yield fault(0.01, commit=commit, status=503)
