"""The ports of this room: where documents are kept, who is told of work, who does the buying."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from cart_core.storefronts.order import StorefrontOrder


class Document(Protocol):
    """A document and its version (ETag), which a replacement must name."""

    @property
    def content(self) -> bytes:
        """The bytes that were written."""

    @property
    def version(self) -> str:
        """Opaque; it differs after each write."""


class Documents(Protocol):
    """Documents by name, each write atomic. Every operation raises StoreUnavailable when in doubt.

    `facts` are a few short texts that a list gives without reading the document.
    """

    async def create(self, name: str, content: bytes, facts: Mapping[str, str]) -> str | None:
        """Write a document that must not exist yet: its version, or None where one exists."""

    async def read(self, name: str) -> Document | None:
        """The document as it is now; None only where there certainly is none."""

    async def replace(
        self, name: str, content: bytes, facts: Mapping[str, str], version: str
    ) -> str | None:
        """Overwrite exactly `version`: the new version, or None where it is no longer that."""


class Bell(Protocol):
    """Tells that an order has to be looked at."""

    async def ring(self, source: str, order_id: str) -> None:
        """Raises StoreUnavailable. It may ring twice, late, or for nothing."""


class Secrets(Protocol):
    """Where the sources' secrets are."""

    async def read(self, names: Iterable[str]) -> Mapping[str, str]:
        """The secrets by their names. Raises Problem."""


class Purchases(Protocol):
    """Whoever makes carts and orders of parts, exactly once for a key and a customer."""

    async def accept(self, customer_id: str, key: str, into: str, cart: Mapping[str, Any]) -> None:
        """Take a part over; to do it twice changes nothing. `into` is `order` or `cart`.

        Just before its checkout is sent, Orders.may_buy has to be asked. Raises Problem or
        StoreUnavailable.
        """


class Fetched(Protocol):
    """The shop's own API, for platforms whose webhooks do not have the order."""

    async def fetch(self, order_id: str) -> StorefrontOrder:
        """The order as it is now. Raises ShopUnavailable, Problem, or UnreadableBody."""


class Reports(Protocol):
    """What tells the shop's owner what became of an order."""

    async def send(self, source: str, message_id: str, body: bytes) -> None:
        """Take a report over, to be sent until it arrives. Raises StoreUnavailable."""
