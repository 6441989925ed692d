"""Puts together what storefronts need: when one of them is needed first."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cart_core.api.invocation import Handler
from cart_core.problem import Problem
from cart_core.surroundings import Surroundings

if TYPE_CHECKING:
    from cart_core.idempotency.record import StoredAnswer
    from cart_core.operations.operation import AcceptedOperation
    from cart_core.operations.worker import Follower
    from cart_core.storefronts.customers import Customers as KnownCustomers
    from cart_core.storefronts.intake import Intake
    from cart_core.storefronts.worker import StorefrontWorker

STOREFRONT_ROUTES: Final = (
    *("get_storefront_order", "list_parked_orders"),
    *("release_parked_order", "discard_parked_order"),
)
"""The routes that need the storefronts."""


@dataclass(frozen=True, slots=True)
class Storefronts:
    """What is built when a storefront needs it first."""

    intake: "Intake"
    worker: "StorefrontWorker"
    parts: "Follower"
    require_wanted: "Callable[[AcceptedOperation], Awaitable[None]]"
    routes: Mapping[str, Handler]


class LazyPartFollower:
    """Follows the parts of storefronts' orders, once there are any."""

    def __init__(self, storefronts: Callable[[], Storefronts]) -> None:
        self._storefronts = storefronts

    async def require_wanted(self, operation: "AcceptedOperation") -> None:
        """Raises Problem where the operation must not be bought any more."""
        await self._storefronts().require_wanted(operation)

    async def put_off(self, operation: "AcceptedOperation") -> None:
        """Note that the operation is tried again later."""
        await self._storefronts().parts.put_off(operation)

    async def ended(self, operation: "AcceptedOperation", answer: "StoredAnswer") -> None:
        """Note what became of the operation."""
        await self._storefronts().parts.ended(operation, answer)


def assemble_storefronts(
    around: Surroundings, customers: "KnownCustomers", endpoints: Mapping[str, Handler]
) -> Storefronts:
    """All that storefronts need. Raises Problem where their file is wrong."""
    shops = around.storefronts
    if shops is None:
        raise Problem("configuration_invalid", "There are no storefronts here.")
    from cart_core.api.storefront_orders import StorefrontOrders
    from cart_core.api.storefront_parts import PartFollower, PartRequests
    from cart_core.operations.bell import Bell
    from cart_core.storefronts.bodies import Bodies
    from cart_core.storefronts.fetching import fetchers
    from cart_core.storefronts.intake import Intake
    from cart_core.storefronts.orders import Orders
    from cart_core.storefronts.report_delivery import ReportDelivery
    from cart_core.storefronts.source_keys import SourceKeys
    from cart_core.storefronts.worker import StorefrontWorker

    class Bells:
        async def ring(self, record: str, seconds: float = 0.0) -> None:
            await around.bells.hang(Bell(record, around.clock()).text(), seconds)

    sources, clock, secrets, bell = shops.sources(), around.clock, shops.secrets, Bells()
    bodies = Bodies(shops.bodies)
    keys = SourceKeys(secrets, clock)
    intake = Intake(sources, around.documents, bodies, keys, bell, clock=clock)
    receivers = {
        name: shops.open_shop(source.report.url)
        for name, source in sources.items()
        if source.report
    }
    reports = ReportDelivery(sources, around.documents, keys, bell, receivers, clock=clock)
    orders = Orders(
        *(sources, around.documents, bodies, bell, intake.since, customers),
        PartRequests(endpoints, new_guid=around.new_guid, monotonic=around.monotonic),
        reports,
        fetchers(sources, shops.open_shop, secrets),
        clock=clock,
    )
    parts, routes = PartFollower(orders), StorefrontOrders(orders, bodies)
    return Storefronts(
        intake,
        StorefrontWorker(sources, intake, orders, bodies, reports, bell, clock=clock),
        parts,
        parts.require_wanted,
        {
            "get_storefront_order": routes.get,
            "list_parked_orders": routes.list,
            "release_parked_order": routes.release,
            "discard_parked_order": routes.discard,
        },
    )
