"""A shop that follows the contract: it repeats its orders until they are done.

An order that was refused is ordered again under a new key.
"""

import asyncio
import json
import math
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import aiohttp

from tests.kit.progress import Progress
from tests.soak.fleet import Fleet, Process
from tests.soak.scenario import Delivery, Order

_PAUSE: Final = (0.1, 0.6)
"""Seconds before the second try where the answer names none, at least and at most."""

_LONGEST_FACTOR: Final = 10
"""Each further pause is longer by the first one, up to so many times it."""

_ANSWER_SECONDS: Final = 120.0
"""After this long without an answer the connection counts as lost."""

_POLL: Final = (0.3, 1.5)
"""Seconds between two looks at a result, at least and at most."""

ACCEPTED: Final = 202

_LOOK_SECONDS: Final = 0.05
"""Between looks at whether there is a cart to check out."""


@dataclass(frozen=True, slots=True)
class Try:
    """One request and its answer; no status where the connection was lost."""

    key: str
    cart_checked_out: str | None
    correlation_id: str
    process: Process
    ended: float
    seconds: float
    """How long the answer took, or until the connection was lost."""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    accepted: str | None = None
    """The id of the operation, where the request was accepted; the answer is then its result."""

    @property
    def code(self) -> str:
        """The problem's code, or what the answer was instead."""
        if self.status is None:
            return "connection lost"
        if self.status != 201:
            return str(self.body.get("code") or self.body.get("status"))
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
    def warnings(self) -> set[str]:
        """The codes of its warnings."""
        return {warning["code"] for warning in self.body.get("warnings") or []}

    @property
    def outcome(self) -> str | None:
        """What is known of its effect, where it is an error."""
        return self.body.get("outcome")

    @property
    def final(self) -> bool:
        """Whether the same request would get the same answer for ever."""
        if self.status == 201:
            return self.purchase not in ("partial", "in_progress")
        return self.code in ("idempotency_key_reused", "internal_error")


@dataclass(slots=True)
class Delivered:
    """A delivery and how it went."""

    delivery: Delivery
    tries: list[Try] = field(default_factory=list)


@dataclass(slots=True)
class Desk:
    """Where a shop minds one order: which key it has, and which requests under it are out."""

    order: Order
    refusals: int = 0
    """How often it was refused, so that it has a new key now."""
    refused: bool = False
    """Whether the newest answer says that it was. No request goes out until all are back."""
    out: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the order had a 201. It keeps its key then."""
    reopened: asyncio.Event = field(default_factory=asyncio.Event)
    doubted: float = -math.inf
    """When a request was last left without a clear answer that may have been accepted."""

    @property
    def key(self) -> str:
        """The key under which the order is sent now."""
        return self.order.key(self.refusals)

    async def open(self) -> None:
        """Waits until a request may go out, and counts it."""
        while self.refused:
            self.reopened.clear()
            await self.reopened.wait()
        self.out += 1

    def close(self, delivery: Delivery, answer: Try | None) -> None:
        """Notes an answer, if a request was sent. With the last one that is out, a refused order
        gets its new key. (Only what buys gets one: a cart that nobody bought is no loss.)

        An answer that leaves the outcome unknown takes an earlier refusal back: its request may
        have had an effect since. But a request that only waited for another one had none. Where a
        request may have been accepted, only a later one's refusal counts.
        """
        self.out -= 1
        if (
            answer
            and delivery.asynchronous
            and not answer.accepted
            and answer.outcome != "not_sent"
        ):
            self.doubted = answer.ended if answer.status in (None, 503) else self.doubted
        if answer and delivery.kind != "changed":
            if answer.status == 201:
                self.done.set()
            waited = answer.outcome == "not_sent" or answer.code == "operation_in_progress"
            if self.done.is_set() or not self.order.buys:
                self.refused = False
            elif not waited:
                began = answer.ended - answer.seconds
                self.refused = answer.outcome == "rejected" and began > self.doubted
        if self.refused and not self.out:
            self.refusals += 1
            self.refused = False
        if not self.refused:
            self.reopened.set()


class Caller:
    """Hands over deliveries, to any process, several at once.

    `recorded_cart` gives the cart that is to be bought for an order under a key. `patience` is for
    how many seconds it goes on repeating, from the start of the first delivery.
    """

    def __init__(
        self,
        fleet: Fleet,
        function_key: str,
        recorded_cart: Callable[[Order, str], str | None],
        dice: random.Random,
        patience: float,
    ) -> None:
        self.desks: dict[str, Desk] = {}
        """Where each order is minded, by its name."""
        self.tokens: set[str] = set()
        """What opens the addresses of accepted operations."""
        self._fleet = fleet
        self._function_key = function_key
        self._recorded_cart = recorded_cart
        self._dice = dice
        self._patience = patience
        self._until = 0.0

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
                progress.step()

        timeout = aiohttp.ClientTimeout(_ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        with Progress(len(deliveries), "deliveries") as progress:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(lanes):
                    group.create_task(lane())
        return done

    async def _deliver(self, session: aiohttp.ClientSession, delivered: Delivered) -> None:
        delivery = delivered.delivery
        desk = self.desks.setdefault(delivery.order.name, Desk(delivery.order))
        if delivery.kind == "changed":
            # Before the true order is done, a changed one could take its key.
            await desk.done.wait()
        while True:
            await desk.open()
            cart_id: str | None = None
            if delivery.kind == "checkout":
                # Partner Center may have made several carts. To check out another would buy twice.
                cart_id = self._recorded_cart(desk.order, desk.key)
                if cart_id is None and time.monotonic() < self._until:
                    desk.close(delivery, None)
                    await asyncio.sleep(_LOOK_SECONDS)
                    continue
            answer = await self._try(session, delivery, desk.key, cart_id)
            delivered.tries.append(answer)
            desk.close(delivery, answer)
            if answer.final or time.monotonic() > self._until:
                break
            factor = min(len(delivered.tries), _LONGEST_FACTOR)
            pause = answer.headers.get("Retry-After") or factor * self._dice.uniform(*_PAUSE)
            await asyncio.sleep(float(pause))
        if delivery.kind == "true":
            desk.done.set()  # whatever came of it, nobody waits for ever

    async def _try(
        self, session: aiohttp.ClientSession, delivery: Delivery, key: str, cart_id: str | None
    ) -> Try:
        process = self._fleet.any(self._dice)
        correlation_id = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        headers = {
            "x-functions-key": self._function_key,
            "Content-Type": "application/json",
            "MS-CorrelationId": correlation_id,
            **delivery.headers(key),
        }
        began = time.monotonic()
        try:
            async with session.post(
                process.function.url + delivery.path(cart_id),
                headers=headers,
                data=delivery.body(key),
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            took = time.monotonic() - began
            return Try(key, cart_id, correlation_id, process, time.time(), took)
        body = json.loads(content) if content else {}
        status, received, accepted = answer.status, dict(answer.headers), None
        if status == ACCEPTED:
            accepted = str(body["id"])
            self.tokens |= {_token(received["Location"]), _token(received["Operation-Location"])}
            status, received, body = await self._result(session, received["Location"])
        return Try(
            key,
            cart_id,
            correlation_id,
            process,
            time.time(),
            time.monotonic() - began,
            status,
            received,
            body,
            accepted,
        )

    async def _result(
        self, session: aiohttp.ClientSession, location: str
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """What is found at an operation's `Location` in the end, asked of any process.

        A dead operation is waited for, because an operator replays it. No key is sent.
        """
        address = location[location.index("/api/") :]
        while True:
            try:
                async with session.get(
                    self._fleet.any(self._dice).function.url + address
                ) as answer:
                    content = await answer.read()
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(_PAUSE[0])
                continue
            body = json.loads(content) if content else {}
            waits = answer.status in (ACCEPTED, 503) or body.get("code") == "operation_dead"
            if not waits or time.monotonic() > self._until:
                return answer.status, dict(answer.headers), body
            # The answers ask for more, because each poll costs something in Azure.
            await asyncio.sleep(self._dice.uniform(*_POLL))


def _token(address: str) -> str:
    """The token in an address."""
    return parse_qs(urlsplit(address).query)["t"][0]
