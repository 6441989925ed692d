"""The composition root: builds the app from the environment at the first request that needs it.

Vendors' SDKs and the models are imported here and in the assembly, at first use, so that a cold
start pays for them only when a request needs them.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cart_core.api.callers import Gate
from cart_core.api.invocation import Handler
from cart_core.api.messages import Invocation, Request, Response
from cart_core.assembly import Services, assemble
from cart_core.problem import Problem
from cart_core.surroundings import StorefrontSurroundings, Surroundings

if TYPE_CHECKING:
    from cart_core.adapters.key_vault import KeyVault
    from cart_core.adapters.managed_identity import ManagedIdentity
    from cart_core.idempotency.store import Store
    from cart_core.operations.bells import Bells
    from cart_core.operations.documents import Documents
    from cart_core.operations.memory_bells import MemoryBells
    from cart_core.partner_center.customers import Customers
    from cart_core.partner_center.retry import Tokens
    from cart_core.settings import Settings
    from cart_core.storefronts.intake import Receipt
    from cart_core.storefronts.sources import Source
    from cart_core.use_cases.readiness import Readiness


@dataclass(frozen=True, slots=True)
class App:
    """The app on one event loop. `rotate_refresh_token` is None if there is no such token."""

    services: Services
    readiness: "Readiness"
    rotate_refresh_token: Callable[[], None] | None


_LOG = logging.getLogger("cart_core")

STOREFRONTS_FILE: Final = Path(__file__).resolve().parent.parent / "storefronts.toml"

_running: tuple[asyncio.AbstractEventLoop, App] | None = None


def endpoint(name: str) -> Handler:
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


def admitted(name: str, handler: Handler) -> Handler:
    """The handler of this name, for those whom the gate admits to it."""

    async def call(request: Request, invocation: Invocation) -> Response:
        admits = gate()
        invocation.caller = admits.caller(name, request.headers)
        admits.require_role(name, request.headers)
        return await handler(request, invocation)

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
    *("aiohttp", "azure.core", "azure.identity", "azure.keyvault"),
    *("msal", "requests", "urllib3"),
)
"""Libraries whose lines hold addresses of requests, or what another party has answered."""


def _set_log_levels() -> None:
    """Let through our own lines, and none of those libraries. Our lines say what went wrong."""
    logging.getLogger("cart_core").setLevel(logging.INFO)
    for library in SILENT_LIBRARIES:
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)


def build(environment: Mapping[str, str]) -> App:
    """The app for these settings, on the running loop.

    Raises Problem `configuration_invalid` that names each setting that is missing or wrong.
    """
    from cart_core.adapters.entra import EntraTokens
    from cart_core.adapters.key_vault import KeyVault
    from cart_core.adapters.managed_identity import ManagedIdentity
    from cart_core.adapters.openid_metadata import OpenIdMetadata
    from cart_core.adapters.partner_center_http import PartnerCenterHttp, open_sessions
    from cart_core.adapters.storage_rest import RESOURCE
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


class _ThreadedSecrets:
    """The secrets of a vault that blocks."""

    def __init__(self, vault: "KeyVault") -> None:
        self._vault = vault

    async def read(self, names: Iterable[str]) -> Mapping[str, str]:
        return await asyncio.to_thread(self._vault.read, tuple(names))


def _read_sources(file: str | None) -> "Mapping[str, Source]":
    """The storefronts in `file`; without it, those in STOREFRONTS_FILE, or none if that is missing.

    Raises Problem `configuration_invalid` where the file cannot be read or is wrong.
    """
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
    from cart_core.adapters.blob_store import BlobStore
    from cart_core.adapters.storage_queue import StorageQueue
    from cart_core.adapters.storage_rest import RESOURCE, StorageRest
    from cart_core.tokens import TokenCache

    tokens = TokenCache(lambda _: identity.fetch(RESOURCE))

    def container(url: str, setting: str) -> StorageRest:
        role = "Storage Blob Data Contributor on the container"
        return StorageRest(url, tokens, place=f"The container in {setting}", role=role)

    records = container(settings.store_url, "CART_STORE_URL")
    queues = StorageRest(
        settings.queue_service_url,
        tokens,
        place="The queue in AzureWebJobsStorage__queueServiceUri",
        role="Storage Queue Data Contributor on the account",
    )
    return _Storage(
        BlobStore(records),
        BlobDocuments(records),
        BlobDocuments(container(settings.bodies_url, "CART_STOREFRONT_BODIES_URL")),
        StorageQueue(queues),
    )
