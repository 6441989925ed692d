"""A shop, its app against memory, and the partner behind it: what deliveries come to."""

import base64
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cart_core.storefronts.intake import Intake, Receipt
from cart_core.storefronts.memory_documents import MemoryDocuments
from cart_core.storefronts.order_record import OrderRecord, record_name
from cart_core.storefronts.orders import Orders
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
        self.rung: list[tuple[str, str]] = []

    async def ring(self, source: str, order_id: str) -> None:
        self.rung.append((source, order_id))


class Buyer:
    """Whoever buys: it keeps what it was handed over by customer and key, once each."""

    def __init__(self) -> None:
        self.accepted: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def accept(self, customer_id: str, key: str, into: str, cart: Mapping[str, Any]) -> None:
        known = self.accepted.setdefault((customer_id, key), cart)
        assert known == cart, "another cart under the same key"


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
        self.intake = Intake(sources, self.documents, keys, self.bell, clock=lambda: self.now)
        self.orders = Orders(
            sources,
            self.documents,
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
        record = await self.orders.work("shop", order_id)
        assert record
        return record

    def record(self, order_id: str = "820982911946154600") -> OrderRecord:
        return OrderRecord.from_json(self.documents.all[record_name("shop", order_id)].content)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.digest(secret.encode(), body, "sha256")
    return {"x-shopify-hmac-sha256": base64.b64encode(digest).decode()}
