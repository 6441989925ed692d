"""Puts the core together: all that the app does, for given settings and in given surroundings.

It knows no vendor: what talks to the outside is handed in.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

from cart_core.api.invocation import Handler
from cart_core.api.messages import Invocation, Request, Response
from cart_core.storefront_assembly import (
    STOREFRONT_ROUTES,
    LazyPartFollower,
    assemble_storefronts,
)
from cart_core.surroundings import Surroundings

if TYPE_CHECKING:
    from cart_core.call import Call
    from cart_core.settings import Settings
    from cart_core.storefronts.intake import Receipt


@dataclass(frozen=True, slots=True)
class Services:
    """What the app does: the endpoints by the names that the log knows them by, and its own work.

    `answer_bell` takes a message of the queue, `sweep` is called once a minute. `take_webhook`
    takes a delivery of a storefront in: its source, the headers and the body.
    """

    endpoints: Mapping[str, Handler]
    answer_bell: Callable[[str | bytes], Awaitable[None]]
    sweep: Callable[[], Awaitable[object]]
    take_webhook: "Callable[[str, Mapping[str, str], bytes], Awaitable[Receipt]]"


def assemble(settings: "Settings", around: Surroundings) -> Services:
    """All that the app does, in these surroundings."""
    from cart_core.api.accepted import Accepting, Performing, discarded
    from cart_core.api.endpoints import Endpoint
    from cart_core.api.operators import OperatorRoutes
    from cart_core.api.requests import RequestReader
    from cart_core.idempotency.claim import Claims
    from cart_core.idempotency.duplicates import Duplicates
    from cart_core.idempotency.runner import ExactlyOnce
    from cart_core.operations.acceptance import Acceptance
    from cart_core.operations.bell import Bell
    from cart_core.operations.operators import Operators
    from cart_core.operations.pacing import Pacing
    from cart_core.operations.store import OperationStore
    from cart_core.operations.sweeper import Sweeper
    from cart_core.operations.worker import Worker
    from cart_core.partner_center.carts import Carts
    from cart_core.partner_center.catalogue import Catalogue
    from cart_core.partner_center.customers import Customers
    from cart_core.partner_center.eligibility import Eligibility
    from cart_core.partner_center.promotions import Promotions
    from cart_core.partner_center.reading import Reader
    from cart_core.partner_center.retry import Sender
    from cart_core.use_cases.buying import Buying
    from cart_core.use_cases.check_out_cart import CheckOutCart
    from cart_core.use_cases.create_cart import CreateCart
    from cart_core.use_cases.duplicate_orders import DuplicateOrders
    from cart_core.use_cases.find_customers import FindCustomers
    from cart_core.use_cases.get_cart import GetCart
    from cart_core.use_cases.get_customer import GetCustomer
    from cart_core.use_cases.list_offers import ListOffers
    from cart_core.use_cases.partner_customers import PartnerCustomers
    from cart_core.use_cases.place_order import PlaceOrder
    from cart_core.use_cases.preflight_cart import PreflightCart
    from cart_core.use_cases.purchase import Tools
    from cart_core.use_cases.renew_items import RenewItems
    from cart_core.use_cases.resolve_items import ResolveItems
    from cart_core.use_cases.search_products import SearchProducts
    from cart_core.use_cases.spending_guard import SpendingGuard
    from cart_core.use_cases.update_cart import UpdateCart

    claims = Claims(
        around.store,
        clock=around.clock,
        sleep=around.sleep,
        new_nonce=around.new_guid,
        lease_margin=settings.lease_margin_seconds,
        longest_wait=settings.inflight_wait_seconds,
    )
    pacing = Pacing(around.documents, clock=around.clock, limit=settings.max_customer_operations)
    sender = Sender(
        around.tokens,
        clock=around.clock,
        sleep=around.sleep,
        uniform=around.uniform,
        longest_wait=settings.max_wait_seconds,
        max_concurrent=settings.max_concurrent_calls,
        shared_gate=pacing,
    )
    once = ExactlyOnce(claims)
    reader = Reader(sender, around.partner_center, around.new_guid)
    catalogue, customers = Catalogue(reader, clock=around.clock), Customers(reader)
    carts = Carts(sender, around.partner_center, catalogue.forget)
    promotions = Promotions(reader, catalogue.forget)
    resolve_items = ResolveItems(catalogue)
    buying = Buying(
        once,
        Tools(carts, around.sleep, around.uniform, around.new_guid),
        allowed=settings.allow_checkout,
        guard=SpendingGuard(
            around.store,
            clock=around.clock,
            new_nonce=around.new_guid,
            per_caller=settings.max_purchases_per_caller,
            per_customer=settings.max_purchases_per_customer,
            quantity=settings.max_order_quantity,
        ),
        retention=timedelta(days=settings.order_retention_days),
        longest_request=timedelta(seconds=settings.longest_request_seconds),
    )
    create_cart = CreateCart(
        once,
        carts,
        resolve_items,
        key_required=settings.require_idempotency_key,
        new_guid=around.new_guid,
    )
    get_cart = GetCart(carts, new_guid=around.new_guid)
    update_cart = UpdateCart(claims, buying.plan, carts, resolve_items, new_guid=around.new_guid)
    check_out_cart = CheckOutCart(buying)
    window = timedelta(minutes=settings.duplicate_window_minutes)
    duplicates = DuplicateOrders(Duplicates(around.store, window=window), settings.duplicate_orders)
    renew_items = RenewItems(resolve_items, carts, promotions, new_guid=around.new_guid)
    preflight = PreflightCart(catalogue, customers, Eligibility(reader), promotions)
    place_order = PlaceOrder(once, carts, resolve_items, renew_items, buying, duplicates, preflight)
    read, allowed = RequestReader(settings, monotonic=around.monotonic), buying.require_allowed
    operations, bells, clock = OperationStore(around.documents), around.bells, around.clock
    acceptance = Acceptance(operations, bells, claims, clock=clock)
    accepting = Accepting(acceptance, operations, origin=settings.public_url, clock=clock)
    carts_and_orders: dict[str, Handler] = {
        "create_cart": Endpoint(
            *(read.call, read.create_cart, create_cart),
            cart_id_member="id",
            keyed=create_cart.keyed,
            accept=accepting.accept,
        ),
        "get_cart": Endpoint(read.call, read.get_cart, get_cart),
        "update_cart": Endpoint(read.call, read.update_cart, update_cart),
        "checkout_cart": Endpoint(
            *(read.call, read.check_out_cart, check_out_cart, allowed),
            keyed=check_out_cart.keyed,
            accept=accepting.accept,
            admit=check_out_cart.admit,
        ),
        "place_order": Endpoint(
            *(read.call, read.place_order, place_order, allowed),
            cart_id_member="cartId",
            keyed=place_order.keyed,
            accept=accepting.accept,
            admit=place_order.admit,
        ),
        "preflight_cart": Endpoint(read.call, read.preflight_cart, preflight),
        "find_customers": Endpoint(
            read.call, read.find_customers, FindCustomers(customers, around.tenants)
        ),
        "get_customer": Endpoint(read.call, read.get_customer, GetCustomer(customers)),
        "search_products": Endpoint(read.call, read.search_products, SearchProducts(catalogue)),
        "list_offers": Endpoint(read.call, read.list_offers, ListOffers(catalogue)),
    }

    def open_look_up(customer_id: str) -> "Call":
        invocation = Invocation(around.new_guid(), around.monotonic())
        return read.call(Request({}, {"customerId": customer_id}, b""), invocation)

    known = PartnerCustomers(customers, around.tenants, open_look_up)
    storefronts = cache(partial(assemble_storefronts, around, known, carts_and_orders))
    parts = LazyPartFollower(storefronts)
    worker = Worker(
        operations,
        bells,
        pacing,
        Performing(carts_and_orders, parts.require_wanted, monotonic=around.monotonic),
        parts,
        clock=clock,
        uniform=around.uniform,
        deadline=settings.deadline_seconds,
    )
    operators = OperatorRoutes(Operators(operations, bells, claims, discarded, parts, clock=clock))
    sweeper = Sweeper(operations, bells, worker, claims, clock=clock)

    def of_storefronts(name: str) -> Handler:
        async def call(request: Request, invocation: Invocation) -> Response:
            return await storefronts().routes[name](request, invocation)

        return call

    async def answer_bell(message: str | bytes) -> None:
        bell = Bell.read(message)
        if bell.of_an_operation:
            await worker.answer(bell)
        else:
            await storefronts().worker.answer(bell.record)

    async def take_webhook(name: str, headers: Mapping[str, str], body: bytes) -> "Receipt":
        return await storefronts().intake(name, headers, body)

    async def sweep() -> None:
        await sweeper()
        if around.storefronts:
            await storefronts().worker.sweep()

    return Services(
        {
            **carts_and_orders,
            "get_accepted": accepting.monitor,
            "get_accepted_result": accepting.result,
            "list_operations": operators.list,
            "replay_operation": operators.replay,
            "discard_operation": operators.discard,
            **{name: of_storefronts(name) for name in STOREFRONT_ROUTES},
        },
        answer_bell,
        sweep,
        take_webhook,
    )
