"""The ports of this room: who is told of work, who does the buying, and where secrets are."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from cart_core.storefronts.order import StorefrontOrder
from cart_core.storefronts.order_record import PartResult


class Bell(Protocol):
    """The port to the queue of bells, messages which say that a record has to be looked at."""

    async def ring(self, record: str, seconds: float = 0.0) -> None:
        """Have a record looked at after so many seconds. Raises StoreUnavailable.

        The message may arrive twice, late, or when nothing is to be done.
        `record` is the name of an order's record, or of a report's.
        """


class Secrets(Protocol):
    """Where the sources' secrets are."""

    async def read(self, names: Iterable[str]) -> Mapping[str, str]:
        """The secrets by their names. Raises Problem."""


class HandedOver(NamedTuple):
    """One customer's part of an order, as it is handed over.

    `order` is the name of the order's record. `into` is `order` or `cart`. With `preflight`, an
    order with a blocker ends before its cart is made. `cart` is the body of an order.
    """

    order: str
    source: str
    customer_id: str
    key: str
    into: str
    preflight: bool
    cart: Mapping[str, Any]


class Purchases(Protocol):
    """Whoever makes carts and orders of parts, exactly once for a key and a customer."""

    async def accept(self, part: HandedOver) -> PartResult | None:
        """Take a part over; to do it twice changes nothing. What became of it, where it has ended.

        Just before its checkout is sent, Orders.may_buy has to be asked. Raises Problem.
        """


class Fetched(Protocol):
    """The shop's own API, for platforms whose webhooks do not have the order."""

    async def fetch(self, order_id: str) -> StorefrontOrder:
        """The order as it is now. Raises ShopUnavailable, Problem, or UnreadableBody."""


class Reports(Protocol):
    """What tells the shop's owner what became of an order."""

    async def send(self, source: str, message_id: str, body: bytes) -> None:
        """Take a report over, to be sent until it arrives. Raises StoreUnavailable."""
