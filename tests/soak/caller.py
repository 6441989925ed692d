"""A caller that follows the contract: it repeats what may be repeated until it has an answer."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.soak.fleet import Fleet, Process
from tests.soak.scenario import Delivery, Order

_PAUSE: Final = (0.1, 0.6)
"""Seconds before the second try where the answer names none, at least and at most."""

_LONGEST_FACTOR: Final = 10
"""Each further pause is longer by the first one, up to so many times it."""

_ANSWER_SECONDS: Final = 120.0
"""After this long without an answer the connection counts as lost."""

_LOOK_SECONDS: Final = 0.05
"""Between looks at whether there is a cart to check out."""

_GOES_ON: Final = ("partial", "checkout_failed")
"""Answers after which the same request, repeated, buys what was not bought yet."""


@dataclass(frozen=True, slots=True)
class Try:
    """One request and its answer; no status where the connection was lost."""

    correlation_id: str
    process: Process
    ended: float
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The problem's code, or what the answer was instead."""
        if self.status is None:
            return "connection lost"
        if self.status != 201:
            return str(self.body.get("code"))
        if "Idempotent-Replayed" in self.headers:
            return "replayed"
        return self.purchase or "created"

    @property
    def purchase(self) -> str | None:
        """The status of what was bought, where it answers with that."""
        bought = self.status == 201 and "cartId" in self.body
        return str(self.body["status"]) if bought else None

    @property
    def cart_id(self) -> str | None:
        """The cart that it answers with."""
        if self.status != 201:
            return None
        return str(self.body["cartId"] if self.purchase else self.body["id"])

    @property
    def unrecorded(self) -> bool:
        """Whether it warns that the store does not know."""
        warnings = self.body.get("warnings") or []
        return any(warning["code"] == "not_recorded" for warning in warnings)

    @property
    def retryable(self) -> bool:
        """Whether the caller may try again, and should: a defect would not go away."""
        if self.status is None or self.code in _GOES_ON:
            return True
        return self.body.get("retryable") is True and self.code != "internal_error"


@dataclass(slots=True)
class Delivered:
    """A delivery and how it went."""

    delivery: Delivery
    cart_id: str | None = None
    """The cart to check out, where that is what it is for."""
    tries: list[Try] = field(default_factory=list)


class Caller:
    """Hands over deliveries, to any process, several at once.

    `recorded_cart` gives the cart that is to be bought for an order. `patience` is for how many
    seconds it goes on repeating, from the start of the first delivery.
    """

    def __init__(
        self,
        fleet: Fleet,
        function_key: str,
        recorded_cart: Callable[[Order], str | None],
        dice: random.Random,
        patience: float,
    ) -> None:
        self._fleet = fleet
        self._function_key = function_key
        self._recorded_cart = recorded_cart
        self._dice = dice
        self._patience = patience
        self._until = 0.0
        self._sealed: dict[str, asyncio.Event] = {}

    async def hand_over(self, deliveries: list[Delivery], lanes: int) -> list[Delivered]:
        """All of them in this order, each until it has a final answer or gave up."""
        self._until = time.monotonic() + self._patience
        waiting = iter(deliveries)
        done: list[Delivered] = []

        async def lane() -> None:
            for delivery in waiting:
                delivered = Delivered(delivery)
                done.append(delivered)
                await self._deliver(session, delivered)

        timeout = aiohttp.ClientTimeout(_ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(lanes):
                group.create_task(lane())
        return done

    async def _deliver(self, session: aiohttp.ClientSession, delivered: Delivered) -> None:
        delivery = delivered.delivery
        sealed = self._sealed.setdefault(delivery.order.key, asyncio.Event())
        if delivery.kind == "changed":
            # Before the true order may have had an effect, a changed one could take its key.
            await sealed.wait()
        if delivery.kind == "checkout":
            # Partner Center may have made several carts. To check out another would buy twice.
            delivered.cart_id = await self._cart(delivery.order)
        while True:
            answer = await self._try(session, delivery, delivered.cart_id)
            delivered.tries.append(answer)
            if delivery.kind == "true" and _seals(answer):
                sealed.set()
            if not answer.retryable or time.monotonic() > self._until:
                break
            factor = min(len(delivered.tries), _LONGEST_FACTOR)
            pause = answer.headers.get("Retry-After") or factor * self._dice.uniform(*_PAUSE)
            await asyncio.sleep(float(pause))
        if delivery.kind == "true":
            sealed.set()

    async def _cart(self, order: Order) -> str | None:
        while time.monotonic() < self._until:
            if cart_id := self._recorded_cart(order):
                return cart_id
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    async def _try(
        self, session: aiohttp.ClientSession, delivery: Delivery, cart_id: str | None
    ) -> Try:
        process = self._fleet.any(self._dice)
        correlation_id = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        headers = {
            "x-functions-key": self._function_key,
            "Content-Type": "application/json",
            "MS-CorrelationId": correlation_id,
            **delivery.headers(),
        }
        try:
            async with session.post(
                process.function.url + delivery.path(cart_id),
                headers=headers,
                data=delivery.body(),
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return Try(correlation_id, process, time.time())
        return Try(
            correlation_id,
            process,
            time.time(),
            answer.status,
            dict(answer.headers),
            json.loads(content) if content else {},
        )


def _seals(answer: Try) -> bool:
    """Whether the order may have had an effect, so that its key is bound to it from now on."""
    if answer.code in ("operation_in_progress", "store_unavailable"):
        return False  # These are unknown because of what other requests may have done.
    return answer.status == 201 or answer.body.get("outcome") == "unknown"
