"""Everything that goes wrong in a soak, each with its probability for one request."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from partner_center_emulator.watch.disturbances import Disturbance

TOO_LATE: Final = 7.0
"""Seconds after which neither the deadline nor the lease of a call lasts any more."""

OTHER_QUANTITY: Final = 1000
"""A quantity that nobody orders, and that some carts have all the same."""

REFUSALS: Final = frozenset({"800023", "800089", "400072"})
"""The codes with which Partner Center refuses good orders here."""

_CART: Final = "/carts/[^/]+$"
_CREATE: Final = "/carts$"
_CHECKOUT: Final = "/checkout$"


def trouble(without: frozenset[str] = frozenset()) -> list[Disturbance]:
    """All kinds of trouble, but for some. The first one that hits a request is the only one."""
    return [each for name, kind in KINDS.items() if name not in without for each in kind()]


def outage(dice: random.Random) -> Disturbance:
    """The store fails altogether, in one of its ways, until the disturbance is removed."""
    what: dict[str, Any] = dice.choice(
        [{"status": 503}, {"status": 500, "commit": True}, {"action": "drop"}, {"delay_after": 6}]
    )
    return Disturbance("storage", times=None, **what)


def _partner_center(probability: float, **what: Any) -> Disturbance:
    return Disturbance("partner_center", times=None, probability=probability, **what)


def _slow() -> Iterator[Disturbance]:
    yield _partner_center(0.5, delay=0.1)
    yield _partner_center(0.5, delay_after=0.2)
    yield _partner_center(0.01, delay=TOO_LATE)
    yield _partner_center(0.01, delay_after=TOO_LATE)


def _late() -> Iterator[Disturbance]:
    """Answers that are lost before their effect, and refusals of what is sent meanwhile."""
    low = {"code": "800023", "description": "The credit line is too low."}
    yield _partner_center(0.5, path=_CHECKOUT, while_late=True, status=400, body=low)
    for late in (1.0, 4.0, TOO_LATE):
        yield _partner_center(0.01, path=_CHECKOUT, commit=True, late=late, action="drop")
        yield _partner_center(0.01, path=_CHECKOUT, commit=True, late=late, status=504)
        yield _partner_center(0.005, path=_CREATE, commit=True, late=late, action="reset")


def _refused() -> Iterator[Disturbance]:
    yield _partner_center(0.03, status=429, headers={"Retry-After": "1"})
    yield _partner_center(0.02, status=429, headers={"Retry-After": "3"})
    low = {"code": "800023", "description": "The credit line is too low."}
    yield _partner_center(0.06, path=_CREATE, status=400, body=low)
    full = {"code": "800089", "description": "The limit of assets is reached."}
    yield _partner_center(0.06, path=_CHECKOUT, delay=0.5, status=403, body=full)
    yield _partner_center(0.01, status=409, body={"code": "800064"}, headers={"Retry-After": "1"})
    gone = {"code": 400072, "description": "Item not available.", "data": []}
    yield _partner_center(0.01, path=_CREATE, status=200, body=gone)
    # Neither of these two says that the cart is not ordered.
    for commit in (False, True):
        busy = {"code": "800060", "description": "The order is in progress."}
        yield _partner_center(0.02, commit=commit, path=_CHECKOUT, status=409, body=busy)
    submitted = {"code": "800065", "description": "The cart is already submitted."}
    yield _partner_center(0.02, commit=True, path=_CHECKOUT, status=400, body=submitted)


def _lost() -> Iterator[Disturbance]:
    for commit in (False, True):
        yield _partner_center(0.015, commit=commit, action="drop")
        yield _partner_center(0.01, commit=commit, action="reset")
        yield _partner_center(0.01, commit=commit, status=408)
        yield _partner_center(0.01, commit=commit, status=500)
        yield _partner_center(0.01, commit=commit, status=500, body={"code": "800003"})
        yield _partner_center(
            0.01, commit=commit, status=502, body="<html>", content_type="text/html"
        )
        yield _partner_center(0.01, commit=commit, status=503, headers={"Retry-After": "1"})
        yield _partner_center(0.01, commit=commit, status=504)
    # Not 201: so the journal tells these from a true answer.
    yield _partner_center(0.015, commit=True, status=200, body={"items": [], "totalCount": 0})
    yield _partner_center(0.01, commit=True, status=202, body="")
    yield _partner_center(0.015, action="truncate")
    yield _partner_center(0.01, commit=True, action="garble")
    yield _partner_center(0.02, action="die_at_next")


def _untrue() -> Iterator[Disturbance]:
    """Carts and answers that are not what was asked for."""
    yield _partner_center(0.02, method="GET", another=True)
    yield _partner_center(0.02, path=_CREATE, request={"/lineItems/*/quantity": OTHER_QUANTITY})
    yield _partner_center(0.02, path=_CART, answer={"/lineItems/0/quantity": OTHER_QUANTITY})
    yield _partner_center(0.01, path=_CART, answer={"/lineItems": []})
    error = {"errorCode": 10003, "errorDescription": "There is no inventory."}
    yield _partner_center(0.01, path=_CART, answer={"/lineItems/0/error": error})
    yield _partner_center(0.02, path=_CHECKOUT, answer={"/orders/0/id": None})


def _bytes() -> Iterator[Disturbance]:
    """Answers in a form that is hard to read, or that never ends."""
    yield _partner_center(0.01, drip=0.001)
    yield _partner_center(0.005, drip=0.1)
    yield _partner_center(0.01, headers={"X-Padding": "x" * 20_000})
    yield _partner_center(0.01, encoding="gzip")
    label = {"Retry-After": "1", "Content-Encoding": "gzip"}
    yield _partner_center(0.01, status=429, headers=label)


def _tokens() -> Iterator[Disturbance]:
    def of(service: Any, probability: float, **what: Any) -> Disturbance:
        return Disturbance(service, times=None, probability=probability, **what)

    yield of("entra", 0.05, path="/token$", drip=0.2)
    yield of("entra", 0.1, path="/token$", status=503, headers={"Retry-After": "1"})
    yield of("identity", 0.1, status=500)


def _storage() -> Iterator[Disturbance]:
    def of(probability: float, **what: Any) -> Disturbance:
        return Disturbance("storage", times=None, probability=probability, **what)

    yield of(0.1, delay=0.1)
    yield of(0.003, delay=3)
    yield of(0.003, delay_after=6)
    for commit in (False, True):
        yield of(0.01, commit=commit, action="drop")
        yield of(0.005, commit=commit, status=500)
        yield of(0.01, commit=commit, status=503)


KINDS: Final[Mapping[str, Callable[[], Iterator[Disturbance]]]] = {
    "slow": _slow,
    "late": _late,
    "untrue": _untrue,
    "refused": _refused,
    "lost": _lost,
    "bytes": _bytes,
    "tokens": _tokens,
    "storage": _storage,
}
"""The kinds of trouble by their names."""
