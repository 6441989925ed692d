"""The local cloud with a memory for what a soak has to prove."""

import asyncio
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

from aiohttp import web
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center.carts import StoredCart
from partner_center_emulator.partner_center.orders import StoredOrder
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.watch.journal import Arrival, Journal, Service

from cart_core.idempotency.operation_id import OperationId
from cart_core.operations.operation import OPEN_PREFIX
from tests.end_to_end.recorded_storage import RecordedStorage
from tests.soak.scenario import Order
from tests.soak.trouble import TOO_LATE

_SECRET_FIELDS: Final = ("client_secret", "client_assertion", "refresh_token")

_CART: Final = re.compile(r"/carts/([^/]+)")
_CUSTOMER: Final = re.compile(r"/customers/([^/]+)")
_KEY: Final = re.compile(r"(carts|purchases)/[0-9a-f]{64}\.json")
_ENDED: Final = "/ended/"

T = TypeVar("T")

_arrival: ContextVar[Arrival] = ContextVar("_arrival")
"""The request that the running handler serves."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A record that storage took, whatever became of its answer."""

    blob: str
    record: dict[str, Any]


class Ledger(Journal):
    """Keeps all calls of Partner Center, all writes that storage took, and all secrets."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Arrival | Commit] = []
        """Calls, as they arrived, and writes, as they were done, in order."""
        self.latest: dict[str, dict[str, Any]] = {}
        """The records by their blob's name."""
        self.ended: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        """What was written of each accepted operation that has ended, by its blob's name."""
        self.accepted: set[str] = set()
        """The blobs in which operations were that had not ended."""
        self.secrets: set[str] = set()
        self._purchases: dict[int, dict[str, Any]] = {}
        """The record of the purchase when each checkout arrived."""

    @property
    def calls(self) -> list[Arrival]:
        """What arrived at Partner Center."""
        return [event for event in self.events if isinstance(event, Arrival)]

    def calls_received(self) -> int:
        """How many of these there were so far."""
        return self.counts["partner_center"]

    @property
    def commits(self) -> list[Commit]:
        """What storage took."""
        return [event for event in self.events if isinstance(event, Commit)]

    async def add(self, service: Service, request: web.Request) -> Arrival:
        """See Journal."""
        arrival = await super().add(service, request)
        _arrival.set(arrival)
        if service == "partner_center":
            self.events.append(arrival)
            if purpose(arrival) == "check_out":
                record = self.latest.get(blob_of(_checkout(arrival)), {})
                self._purchases[id(arrival)] = record
        scheme, _, token = arrival.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            self.secrets.add(token)
        if service == "entra":
            form = parse_qs(arrival.body.decode())
            self.secrets.update(text for name in _SECRET_FIELDS for text in form.get(name, []))
        return arrival

    def caused_by(self, call: Arrival) -> str:
        """The correlation id of the request that led to a call.

        All checkouts of a cart have one of their own, so it is that of the request that held the
        cart at the moment.
        """
        record = self._purchases.get(id(call))
        return (
            call.headers["ms-correlationid"] if record is None else record.get("correlationId", "")
        )

    def was_held(self, checkout: Arrival) -> bool:
        """Whether the cart was held to the lines of its order when this checkout arrived."""
        return self._purchases[id(checkout)].get("lines") is not None

    def commit(self, blob: str, content: bytes) -> None:
        """Notes a write of the record of a key, or of an accepted operation."""
        if _KEY.fullmatch(blob):
            self.latest[blob] = json.loads(content)
            self.events.append(Commit(blob, self.latest[blob]))
        elif blob.startswith(OPEN_PREFIX):
            self.accepted.add(blob)
        elif _ENDED in blob:
            self.ended[blob].append(json.loads(content))


class Made(dict[str, T]):
    """Carts or orders by id, with the call that made each, and when it did, in POSIX seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.made_by: dict[str, Arrival] = {}
        self.made_at: dict[str, float] = {}

    def __setitem__(self, name: str, thing: T) -> None:
        self.made_by[name] = _arrival.get()
        self.made_at[name] = time.time()
        super().__setitem__(name, thing)


class SoakCloud(LocalCloud):
    """The local cloud, watched."""

    def __init__(self, *, deduplicate: bool, seed: int, azurite: Azurite) -> None:
        super().__init__(deduplicate=deduplicate, seed=seed, azurite=azurite)
        self.ledger = Ledger()
        self.journal = self.ledger
        self.storage = RecordedStorage(azurite, self.tokens, self.ledger.commit)
        self.carts = Made[StoredCart]()
        self.partner_center.carts = self.carts
        self.orders = Made[StoredOrder]()
        self.partner_center.orders = self.orders

    def secrets(self) -> set[str]:
        """Everything secret that exists here or went by, but for the function's own key."""
        secrets = self.ledger.secrets | self.entra.client_secrets | set(self.entra.refresh_tokens)
        for vault in self.key_vault.vaults.values():
            secrets |= {version.value for versions in vault.values() for version in versions}
        return secrets | {self.identity.header}

    def recorded_cart(self, order: Order, key: str) -> str | None:
        """The cart that is to be bought for an order, once it is in the record of the key."""
        record = self.ledger.latest.get(blob_of(order.operation(key)))
        return cart_in(record) if record else None

    def held_up_until(self) -> float:
        """When the last call that may still be held up begins to take effect, in POSIX seconds."""
        open_calls = [call.time for call in self.ledger.calls if call.status is None]
        return max(open_calls, default=0) + TOO_LATE + 1

    async def idle(self) -> None:
        """Wait until Partner Center has done all that is late, and all that it is busy with."""
        await self.disturbances.settle()
        while any(each.busy or each.under_way for each in self.carts.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nothing sets an event for it

    async def still_open(self) -> list[str]:
        """The accepted operations that have not ended, by their blobs' names."""
        assert self.storage
        found = []
        for name in sorted(self.ledger.accepted):
            with suppress(RuntimeError):  # There is none any more.
                await self.storage.get(name)
                found.append(name)
        return found

    async def blobs(self) -> dict[str, bytes]:
        """What is in each blob now."""
        assert self.storage
        return {name: (await self.storage.get(name))[1] for name in self.ledger.latest}


def purpose(call: Arrival) -> str:
    """What a call wants of Partner Center."""
    if call.path.endswith("/checkout"):
        return "check_out"
    if call.method == "POST":
        return "create_cart"
    return "get_cart" if cart_of(call) else "get_orders"


def cart_of(call: Arrival) -> str | None:
    """The id of the cart that a call is about."""
    match = _CART.search(call.path)
    return match[1] if match else None


def _checkout(call: Arrival) -> OperationId:
    """What the function knows the checkout of a cart as."""
    match = _CUSTOMER.search(call.path)
    assert match
    return OperationId("checkout_cart", match[1].lower(), cart_of(call) or "")


def name_of(cart: dict[str, Any]) -> str:
    """The name of the order that a cart is for."""
    return str(cart["lineItems"][0]["friendlyName"])


def blob_of(operation: OperationId) -> str:
    """The name of an operation's blob."""
    return f"{operation.record_name()}.json"


def cart_in(record: dict[str, Any]) -> str | None:
    """The cart that an operation checks out, as its record says."""
    if record["operation"] == "checkout_cart":
        return str(record["key"])
    result = record["steps"][0]["result"]  # of create_cart there is none
    return str(result["cartId"]) if result else None


def claims(commits: Iterable[Commit]) -> Counter[str]:
    """How often a run claimed its key, by what it found there."""
    counts: Counter[str] = Counter()
    last: dict[str, dict[str, Any]] = {}
    for commit in commits:
        before, record = last.get(commit.blob), commit.record
        if record["state"] == "in_progress" and (
            before is None or before["correlationId"] != record["correlationId"]
        ):
            counts[_FOUND[before["state"] if before else None]] += 1
        last[commit.blob] = record
    return counts


_FOUND: Final[dict[str | None, str]] = {
    None: "nothing",
    "accepted": "an acceptance",
    "in_progress": "a lease that was over",
    "unknown": "an unknown outcome",
    "released": "a release",
    "open": "an open step",
    "completed": "a completion",
}
