"""The composition root: builds the app from the environment at the first request that needs it.

Vendors' SDKs and the models are imported here, at first use, so that a cold start pays for them
only when a request needs them.
"""

import asyncio
import logging
import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cart_core.api.callers import Gate
from cart_core.api.invocation import Operation
from cart_core.api.messages import Invocation, Request, Response
from cart_core.problem import Problem

if TYPE_CHECKING:
    from cart_core.adapters.key_vault import KeyVault
    from cart_core.adapters.managed_identity import ManagedIdentity
    from cart_core.call import Call
    from cart_core.idempotency.record import StoredAnswer
    from cart_core.idempotency.store import Store
    from cart_core.operations.bells import Bells
    from cart_core.operations.documents import Documents
    from cart_core.operations.memory_bells import MemoryBells
    from cart_core.operations.operation import AcceptedOperation
    from cart_core.operations.worker import Follower
    from cart_core.partner_center.carts import CartsApi
    from cart_core.partner_center.customers import Customers
    from cart_core.partner_center.reading import ReadsApi
    from cart_core.partner_center.retry import Tokens
    from cart_core.settings import Settings
    from cart_core.storefronts.customers import Customers as KnownCustomers
    from cart_core.storefronts.fetching import ShopApi
    from cart_core.storefronts.intake import Intake, Receipt
    from cart_core.storefronts.ports import Secrets
    from cart_core.storefronts.report_delivery import Receiver
    from cart_core.storefronts.sources import Source
    from cart_core.storefronts.worker import StorefrontWorker
    from cart_core.use_cases.find_customers import Tenants
    from cart_core.use_cases.readiness import Readiness

    class PartnerCenterApi(CartsApi, ReadsApi, Protocol):
        """All of Partner Center's requests that this app makes."""

    class ShopConnections(ShopApi, Receiver, Protocol):
        """Requests to one host of a shop or of its owner."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the app does: the endpoints by the names that the log knows them by, and its own work.

    `answer_bell` takes a message of the queue, `sweep` is called once a minute. `take_webhook`
    takes a delivery of a storefront in: its source, the headers and the body.
    """

    endpoints: Mapping[str, Operation]
    answer_bell: Callable[[str | bytes], Awaitable[None]]
    sweep: Callable[[], Awaitable[object]]
    take_webhook: "Callable[[str, Mapping[str, str], bytes], Awaitable[Receipt]]"


@dataclass(frozen=True, slots=True)
class App:
    """The app on one event loop. `rotate_refresh_token` is None if there is no such token."""

    services: Services
    readiness: "Readiness"
    rotate_refresh_token: Callable[[], None] | None


_LOG = logging.getLogger("cart_core")

STOREFRONTS_FILE: Final = Path(__file__).resolve().parent.parent / "storefronts.toml"

_running: tuple[asyncio.AbstractEventLoop, App] | None = None


def endpoint(name: str) -> Operation:
    """The endpoint of this name; the app is built when it is called first.

    Calling it raises Problem `configuration_invalid` as long as the settings are wrong.
    """

    async def call(request: Request, invocation: Invocation) -> Response:
        return await _app().services.endpoints[name](request, invocation)

    return call


async def get_ready(request: Request, invocation: Invocation) -> Response:
    """Say what is still missing, also where the app cannot be built. 200 or 503."""
    from cart_core.api.ready import ready_response
    from cart_core.use_cases.readiness import Readiness
    from cart_core.use_cases.readiness_links import links_without_settings

    try:
        readiness = _app().readiness
    except Problem as problem:
        found = links_without_settings(problem)
        readiness = Readiness(lambda _: found, monotonic=time.monotonic)
    return ready_response(await readiness(invocation.correlation_id), invocation)


def gate() -> Gate:
    """How callers are admitted, by the environment as it is."""
    return Gate.read(os.environ)


def admitted(name: str, operation: Operation) -> Operation:
    """The operation of this name, for those whom the gate admits to it."""

    async def call(request: Request, invocation: Invocation) -> Response:
        admits = gate()
        invocation.caller = admits.caller(name, request.headers)
        admits.require_role(name, request.headers)
        return await operation(request, invocation)

    return call


async def rotate_refresh_token() -> None:
    """The daily timer; there is nothing to do in app-only mode. Raises Problem."""
    if rotate := _app().rotate_refresh_token:
        await asyncio.to_thread(rotate)


async def answer_bell(message: bytes) -> None:
    """Answer a message of the queue. Raises whatever must bring the message back."""
    await _app().services.answer_bell(message)


async def take_webhook(name: str, headers: Mapping[str, str], body: bytes) -> "Receipt":
    """Take a delivery of a storefront in. Raises Problem where the app is not configured."""
    return await _app().services.take_webhook(name, headers, body)


async def sweep_operations() -> None:
    """The timer of each minute, which finds what the queue has forgotten."""
    await _app().services.sweep()


def _app() -> App:
    global _running
    loop = asyncio.get_running_loop()
    if _running is None or _running[0] is not loop:
        _set_log_levels()
        _running = loop, build(os.environ)
    return _running[1]


SILENT_LIBRARIES: Final = (
    *("aiohttp", "azure.core", "azure.identity", "azure.keyvault", "azure.storage", "msal"),
    *("requests", "urllib3"),
)
"""Libraries whose lines hold addresses of requests, or what another party has answered."""


def _set_log_levels() -> None:
    """Let through our own lines, and none of those libraries. Our lines say what went wrong."""
    logging.getLogger("cart_core").setLevel(logging.INFO)
    for library in SILENT_LIBRARIES:
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)


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


def build(environment: Mapping[str, str]) -> App:
    """The app for these settings, on the running loop.

    Raises Problem `configuration_invalid` that names each setting that is missing or wrong.
    """
    from cart_core.adapters.blob_store import RESOURCE
    from cart_core.adapters.entra import EntraTokens
    from cart_core.adapters.key_vault import KeyVault
    from cart_core.adapters.managed_identity import ManagedIdentity
    from cart_core.adapters.openid_metadata import OpenIdMetadata
    from cart_core.adapters.partner_center_http import PartnerCenterHttp, open_sessions
    from cart_core.adapters.storefront_http import StorefrontHttp
    from cart_core.operations.probe import probe_queue, probe_store
    from cart_core.settings import InvalidSettings, Settings
    from cart_core.tokens import REPLACE_AFTER, TokenCache
    from cart_core.use_cases.readiness import Readiness
    from cart_core.use_cases.readiness_links import Ports, links
    from cart_core.use_cases.rotate_refresh_token import RotateRefreshToken

    try:
        settings = Settings.read(environment)
    except InvalidSettings as invalid:
        raise Problem("configuration_invalid", f"Settings: {invalid}.") from None

    identity = ManagedIdentity(settings.managed_identity_client_id)
    vault = KeyVault(settings.key_vault_url or "", identity)
    own_vault = settings.refresh_token_vault_override
    refresh_token_vault = (
        KeyVault(own_vault, identity, setting="KEY_VAULT_REFRESH_TOKEN_URL") if own_vault else vault
    )
    new_entra = partial(EntraTokens, settings, vault, refresh_token_vault, identity)
    storage, metadata = _storage(settings, identity), OpenIdMetadata(settings.authority)
    surroundings = Surroundings(
        store=storage.store,
        documents=storage.documents,
        bells=storage.bells,
        tokens=TokenCache(new_entra().fetch, replace_after=REPLACE_AFTER),
        partner_center=PartnerCenterHttp(
            open_sessions(settings.base_url, max_connections=settings.max_concurrent_calls),
            base_url=settings.base_url,
            application_name=settings.application_name,
        ),
        tenants=metadata,
        storefronts=StorefrontSurroundings(
            sources=lambda: _read_sources(settings.storefronts_file),
            bodies=storage.bodies,
            secrets=_ThreadedSecrets(vault),
            open_shop=StorefrontHttp,
        ),
    )
    rotate = RotateRefreshToken(
        settings.refresh_token_name, refresh_token_vault, new_entra, clock=surroundings.clock
    )
    services = assemble(settings, surroundings)
    if storage.embedded_bells:
        storage.embedded_bells.answer = services.answer_bell
    ports = Ports(
        callers=Gate.read(environment).require_agreement,
        identity=lambda: identity.fetch(RESOURCE),
        read_credential=new_entra().read_credential,
        read_refresh_token=new_entra().read_refresh_token,
        tenant=lambda: metadata.require_tenant(settings.tenant_id),
        fetch_token=lambda: new_entra().fetch(),
        customers=partial(_customers, surroundings),
        store=lambda: probe_store(storage.store, storage.documents),
        queue=lambda: probe_queue(storage.bells),
        clock=surroundings.clock,
        monotonic=surroundings.monotonic,
    )
    readiness = Readiness(partial(links, settings, ports), monotonic=surroundings.monotonic)
    return App(services, readiness, rotate if settings.auth == "app_user" else None)


def _customers(around: Surroundings, tokens: "Tokens") -> "Customers":
    """The partner's customers, read with these tokens, and without waiting for anybody."""
    from cart_core.partner_center.customers import Customers
    from cart_core.partner_center.reading import Reader
    from cart_core.partner_center.retry import Sender

    sender = Sender(
        tokens,
        clock=around.clock,
        sleep=around.sleep,
        uniform=around.uniform,
        longest_wait=0,
        max_concurrent=1,
    )
    return Customers(Reader(sender, around.partner_center, around.new_guid))


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
    carts_and_orders: dict[str, Operation] = {
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
    storefronts = cache(partial(_assemble_storefronts, around, known, carts_and_orders))
    parts = _Parts(storefronts)
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

    def of_storefronts(name: str) -> Operation:
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


STOREFRONT_ROUTES: Final = (
    *("get_storefront_order", "list_parked_orders"),
    *("release_parked_order", "discard_parked_order"),
)
"""The routes that need the storefronts."""


@dataclass(frozen=True, slots=True)
class _Storefronts:
    """What is built when a storefront needs it first."""

    intake: "Intake"
    worker: "StorefrontWorker"
    parts: "Follower"
    require_wanted: "Callable[[AcceptedOperation], Awaitable[None]]"
    routes: Mapping[str, Operation]


class _Parts:
    """Follows the parts of storefronts' orders, once there are any."""

    def __init__(self, storefronts: Callable[[], _Storefronts]) -> None:
        self._storefronts = storefronts

    async def require_wanted(self, operation: "AcceptedOperation") -> None:
        await self._storefronts().require_wanted(operation)

    async def put_off(self, operation: "AcceptedOperation") -> None:
        await self._storefronts().parts.put_off(operation)

    async def ended(self, operation: "AcceptedOperation", answer: "StoredAnswer") -> None:
        await self._storefronts().parts.ended(operation, answer)


def _assemble_storefronts(
    around: Surroundings, customers: "KnownCustomers", endpoints: Mapping[str, Operation]
) -> _Storefronts:
    """All that storefronts need. Raises Problem where their file is wrong."""
    shops = around.storefronts
    if shops is None:
        raise Problem("configuration_invalid", "There are no storefronts here.")
    from cart_core.api.storefront_orders import StorefrontOrders
    from cart_core.api.storefront_parts import PartRequests, Parts
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
    parts, routes = Parts(orders), StorefrontOrders(orders, bodies)
    return _Storefronts(
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


class _ThreadedSecrets:
    """The secrets of a vault that blocks."""

    def __init__(self, vault: "KeyVault") -> None:
        self._vault = vault

    async def read(self, names: Iterable[str]) -> Mapping[str, str]:
        return await asyncio.to_thread(self._vault.read, tuple(names))


def _read_sources(file: str | None) -> "Mapping[str, Source]":
    """The storefronts in a file; none where it is not said, and there is none."""
    from cart_core.storefronts.sources import InvalidSources, read_sources

    path = Path(file) if file else STOREFRONTS_FILE
    if not file and not path.exists():
        return {}
    try:
        return read_sources(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        found = f"it cannot be read ({type(error).__name__})"
    except InvalidSources as invalid:
        found = str(invalid)
    _LOG.error("%s: %s", path.name, found)
    raise Problem("configuration_invalid", f"{path.name}: {found}.")


@dataclass(frozen=True, slots=True)
class _Storage:
    """Where everything is kept. `embedded_bells` are answered by this process itself."""

    store: "Store"
    documents: "Documents"
    bodies: "Documents"
    bells: "Bells"
    embedded_bells: "MemoryBells | None" = None


def _storage(settings: "Settings", identity: "ManagedIdentity") -> _Storage:
    if settings.store_url == "memory":
        from cart_core.idempotency.memory_store import MemoryStore
        from cart_core.operations.memory_bells import MemoryBells
        from cart_core.operations.memory_documents import MemoryDocuments

        embedded = MemoryBells()
        documents, bodies = MemoryDocuments(), MemoryDocuments()
        return _Storage(MemoryStore(time.monotonic), documents, bodies, embedded, embedded)
    from cart_core.adapters.blob_documents import BlobDocuments
    from cart_core.adapters.blob_store import RESOURCE, BlobStore
    from cart_core.adapters.storage_queue import StorageQueue
    from cart_core.tokens import TokenCache

    tokens = TokenCache(lambda _: identity.fetch(RESOURCE))
    return _Storage(
        BlobStore(settings.store_url, tokens),
        BlobDocuments(settings.store_url, tokens),
        BlobDocuments(settings.bodies_url, tokens),
        StorageQueue(settings.queue_service_url, tokens),
    )
