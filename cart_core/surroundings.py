"""What the core needs from outside: ports that adapters fill, clocks and chance."""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cart_core.idempotency.store import Store
    from cart_core.operations.bells import Bells
    from cart_core.operations.documents import Documents
    from cart_core.partner_center.carts import CartsApi
    from cart_core.partner_center.reading import ReadsApi
    from cart_core.partner_center.retry import Tokens
    from cart_core.storefronts.fetching import ShopApi
    from cart_core.storefronts.ports import Secrets
    from cart_core.storefronts.report_delivery import Receiver
    from cart_core.storefronts.sources import Source
    from cart_core.use_cases.find_customers import Tenants

    class PartnerCenterApi(CartsApi, ReadsApi, Protocol):
        """All of Partner Center's requests that this app makes."""

    class ShopConnections(ShopApi, Receiver, Protocol):
        """Requests to one host of a shop or of its owner."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the core needs from outside: ports, clocks and chance.

    `clock` gives POSIX seconds; `monotonic`, `sleep` and `uniform` go by seconds. Without
    `storefronts` there are none.
    """

    store: "Store"
    documents: "Documents"
    bells: "Bells"
    tokens: "Tokens"
    partner_center: "PartnerCenterApi"
    tenants: "Tenants"
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform
    new_guid: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))
    storefronts: "StorefrontSurroundings | None" = None


@dataclass(frozen=True, slots=True)
class StorefrontSurroundings:
    """What storefronts need besides.

    `sources` gives the storefronts, and raises Problem where their file is wrong. `bodies` keeps
    what they send. `open_shop` makes the connections to a host.
    """

    sources: Callable[[], "Mapping[str, Source]"]
    bodies: "Documents"
    secrets: "Secrets"
    open_shop: Callable[[str], "ShopConnections"]
