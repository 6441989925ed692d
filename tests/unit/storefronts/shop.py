"""A shop, its app against memory, and the partner behind it: what deliveries come to."""

import base64
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cart_core.operations.memory_documents import MemoryDocuments
from cart_core.problem import Problem
from cart_core.storefronts.bodies import Bodies
from cart_core.storefronts.intake import Intake, Receipt
from cart_core.storefronts.order_record import OrderRecord, PartResult, record_name
from cart_core.storefronts.orders import Orders
from cart_core.storefronts.ports import HandedOver
from cart_core.storefronts.source_keys import SourceKeys
from cart_core.storefronts.sources import Source, read_sources
from tests.kit.fakes import EPOCH_SECONDS
from tests.unit.storefronts.builders import KnownCustomers
from tests.unit.storefronts.samples import sample

SECRET = "a secret of thirty-two characters"

SHOP = """
[shop]
platform = "shopify"
secrets = ["shop-secret", "shop-secret-old"]
since = 2026-12-01T00:00:00Z
customer = { attributes = ["Microsoft tenant"] }
report = { url = "https://erp.example.com/hooks", secret = "report-secret" }
"""


class KnownSecrets:
    """Secrets by name. `failure` is raised instead where it is set."""

    def __init__(self) -> None:
        self.values = {"shop-secret": SECRET, "shop-secret-old": f"old {SECRET}"}
        self.failure: Exception | None = None
        self.reads = 0

    async def read(self, names: Iterable[str]) -> Mapping[str, str]:
        self.reads += 1
        if self.failure:
            raise self.failure
        return {name: self.values[name] for name in names}


class CountedBell:
    def __init__(self) -> None:
        self.rung: list[tuple[str, float]] = []

    async def ring(self, record: str, seconds: float = 0.0) -> None:
        self.rung.append((record, seconds))


class Buyer:
    """Whoever buys: it keeps what it was handed over by customer and key, once each."""

    def __init__(self) -> None:
        self.accepted: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.failure: Problem | None = None

    async def accept(self, part: HandedOver) -> PartResult | None:
        if self.failure:
            raise self.failure
        known = self.accepted.setdefault((part.customer_id, part.key), part.cart)
        assert known == part.cart, "another cart under the same key"
        return None


class Inbox:
    """The receiver of reports: types by message id."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}

    async def send(self, source: str, message_id: str, body: bytes) -> None:
        self.messages[message_id] = json.loads(body)

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages.values()]


class Shop:
    """One process of the app, with everything around it in memory."""

    def __init__(self, text: str = SHOP, fetched: Any = None) -> None:
        self.now = EPOCH_SECONDS + 86_400 * 12
        self.documents: MemoryDocuments = MemoryDocuments()
        self.stored: MemoryDocuments = MemoryDocuments()
        self.secrets, self.bell, self.buyer, self.inbox = (
            KnownSecrets(),
            CountedBell(),
            Buyer(),
            Inbox(),
        )
        self.customers = KnownCustomers()
        self.fetched = fetched or {}
        self.configure(read_sources(text))

    def configure(self, sources: dict[str, Source]) -> None:
        """Start anew with these sources, as after a deployment."""
        self.sources = sources
        keys = SourceKeys(self.secrets, lambda: self.now)
        self.bodies = Bodies(self.stored)
        self.intake = Intake(
            sources, self.documents, self.bodies, keys, self.bell, clock=lambda: self.now
        )
        self.orders = Orders(
            sources,
            self.documents,
            self.bodies,
            self.bell,
            self.intake.since,
            self.customers,
            self.buyer,
            self.inbox,
            self.fetched,
            clock=lambda: self.now,
        )

    async def deliver(self, *, secret: str = SECRET, **changes: Any) -> Receipt:
        """One delivery of Shopify's sample with members changed."""
        body = json.dumps(sample("shopify") | changes, default=str).encode()
        return await self.intake("shop", signed(body, secret), body)

    async def work(self, order_id: str = "820982911946154600") -> OrderRecord:
        record = await self.orders.work(record_name("shop", order_id))
        assert record
        return record

    async def record(self, order_id: str = "820982911946154600") -> OrderRecord:
        record = await self.orders.find(record_name("shop", order_id))
        assert record
        return record

    async def folders(self) -> list[str]:
        """The folders of the bodies that are stored."""
        return [name.partition("/")[0] for name, _ in await self.stored.list("")]


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.digest(secret.encode(), body, "sha256")
    return {"x-shopify-hmac-sha256": base64.b64encode(digest).decode()}
