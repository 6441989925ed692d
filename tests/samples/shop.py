"""A storefront's orders, the function that takes them, and what goes wrong on the way."""

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.disturbances import Disturbance

from tests.end_to_end.chain import Chain, app_in_a_hurry, line, started


def order(*lines: dict[str, Any]) -> dict[str, Any]:
    """An order that nobody has placed yet, of a customer who has not ordered yet."""
    return {
        "orderId": f"order-{uuid.uuid4()}",
        "customerId": str(uuid.uuid4()),
        "lines": list(lines or [software()]),
    }


def software(**members: Any) -> dict[str, Any]:
    """A line that can be bought."""
    return line(catalogItemId=catalogue.SOFTWARE, **members)


def refused_busy(times: int | None) -> Disturbance:
    """The cart is being processed by another request."""
    body = {"code": "800064", "description": "The cart is being processed by another request."}
    return Disturbance("partner_center", times, path="/checkout$", status=409, body=body)


def throttled(path: str, times: int | None = 1) -> Disturbance:
    """Partner Center asks for a second's pause."""
    return Disturbance("partner_center", times, path=path, status=429, headers={"Retry-After": "1"})


TROUBLES: dict[str, Callable[[], Disturbance]] = {
    "throttled at the cart": lambda: throttled("/carts$"),
    "throttled at the checkout": lambda: throttled("/checkout$"),
    "unavailable": lambda: Disturbance("partner_center", 2, status=503),
    "cart's answer lost": lambda: Disturbance(
        "partner_center", path="/carts$", commit=True, action="drop"
    ),
    "checkout's answer lost": lambda: Disturbance(
        "partner_center", path="/checkout$", commit=True, action="drop"
    ),
    "failed after it bought": lambda: Disturbance(
        "partner_center", path="/checkout$", commit=True, status=500
    ),
    "cut short": lambda: Disturbance("partner_center", path="/checkout$", action="truncate"),
    "busy": lambda: refused_busy(2),
}
"""What a caller should cope with, by name."""


class Shop:
    """The function in its local cloud, as a storefront sees it."""

    def __init__(self, chain: Chain) -> None:
        self.cloud = chain.cloud
        self.url = chain.function.url

    @property
    def bought(self) -> list[list[str]]:
        """The items of each order that was ever made."""
        documents = [stored.document for stored in self.cloud.partner_center.orders.values()]
        return [[line["offerId"] for line in each["lineItems"]] for each in documents]

    def trouble(self, *disturbances: Disturbance) -> None:
        """What Partner Center does from now on."""
        self.cloud.disturbances.inject(*disturbances)

    def pause(self, seconds: float) -> None:
        """Called in the place of a wait for so many seconds.

        It takes no time, unless Partner Center has asked for a pause, which is always a second.
        """
        if any(call.status == 429 for call in self.cloud.journal.requests("partner_center")):
            time.sleep(0.25)

    def look_again(self, seconds: float) -> None:
        """Called in the place of a wait before a poll; what was accepted is done meanwhile."""
        time.sleep(0.02)


@contextmanager
def opened(directory: Path, *, patient: bool = True, **settings: str) -> Iterator[Shop]:
    """A function that tells its caller of every failure instead of trying again itself.

    If it is not `patient`, it gives up what it has accepted as soon as a try fails.
    """
    settings = {
        "CART_ALLOW_CHECKOUT": "true",
        "CART_MAX_WAIT_SECONDS": "0",
        "CART_INFLIGHT_WAIT_SECONDS": "0.2",
        **settings,
    }
    with started(app_in_a_hurry(directory, patient=patient), **settings) as chain:
        yield Shop(chain)


class Between(httpx.HTTPTransport):
    """A way to the function where the first requests get something else instead of its answer.

    A response: the request never gets through. None: it is carried out, and its answer lost.
    `exchanges` are all requests that were sent, with the answers that came back.
    """

    def __init__(self, *instead: httpx.Response | None) -> None:
        super().__init__(verify=False)  # as there is no TLS, no time is spent on certificates
        self._instead = list(instead)
        self.exchanges: list[tuple[httpx.Request, httpx.Response]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._instead.pop(0) if self._instead else super().handle_request(request)
        if answer is None:
            super().handle_request(request).read()
            raise httpx.ReadTimeout("lost", request=request)
        self.exchanges.append((request, answer))
        return answer


class SignIn(Between):
    """The same behind App Service authentication, which lets callers with a token in.

    It says who they are in a header, and leaves out the addresses of accepted operations.
    """

    def __init__(self, token: str, *roles: str) -> None:
        super().__init__()
        self._token = token
        claims = [{"typ": "azp", "val": str(uuid.uuid4())}]
        claims += [{"typ": "roles", "val": role} for role in roles]
        principal = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles"}
        self._principal = base64.b64encode(json.dumps(principal).encode()).decode()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith("/api/accepted/"):
            if request.headers.get("Authorization") != f"Bearer {self._token}":
                return httpx.Response(401)
            request.headers["X-MS-CLIENT-PRINCIPAL"] = self._principal
        return super().handle_request(request)
