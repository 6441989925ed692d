"""The composition root: builds the app from the environment at the first request that needs it.

Vendors' SDKs and the models are imported here, at first use, so that a cold start pays for them
only when a cart is on its way.
"""

import asyncio
import logging
import os
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cart_core.api.messages import Call, Request, Response
from cart_core.problem import Problem

if TYPE_CHECKING:
    from cart_core.adapters.managed_identity import ManagedIdentity
    from cart_core.idempotency.store import Store
    from cart_core.settings import Settings
    from cart_core.use_cases.check_out_cart import CheckoutCart
    from cart_core.use_cases.create_cart import CreateCart
    from cart_core.use_cases.get_cart import GetCart
    from cart_core.use_cases.place_order import PlaceOrder
    from cart_core.use_cases.rotate_refresh_token import RotateRefreshToken
    from cart_core.use_cases.update_cart import UpdateCart


@dataclass(frozen=True, slots=True)
class App:
    """The operations, wired to adapters that live on one event loop."""

    create_cart: "CreateCart"
    get_cart: "GetCart"
    update_cart: "UpdateCart"
    checkout_cart: "CheckoutCart"
    place_order: "PlaceOrder"
    rotate_refresh_token: "RotateRefreshToken | None"


_running: tuple[asyncio.AbstractEventLoop, App] | None = None


async def create_cart(request: Request, call: Call) -> Response:
    """`POST /customers/{customerId}/carts`."""
    return await _app().create_cart(request, call)


async def get_cart(request: Request, call: Call) -> Response:
    """`GET /customers/{customerId}/carts/{cartId}`."""
    return await _app().get_cart(request, call)


async def update_cart(request: Request, call: Call) -> Response:
    """`PUT /customers/{customerId}/carts/{cartId}`."""
    return await _app().update_cart(request, call)


async def checkout_cart(request: Request, call: Call) -> Response:
    """`POST /customers/{customerId}/carts/{cartId}/checkout`."""
    return await _app().checkout_cart(request, call)


async def place_order(request: Request, call: Call) -> Response:
    """`POST /customers/{customerId}/orders`."""
    return await _app().place_order(request, call)


async def rotate_refresh_token() -> None:
    """The daily timer; nothing to do in app-only mode. Raises Problem."""
    if rotate := _app().rotate_refresh_token:
        await asyncio.to_thread(rotate)


def _app() -> App:
    global _running
    loop = asyncio.get_running_loop()
    if _running is None or _running[0] is not loop:
        _set_log_levels()
        _running = loop, build(os.environ)
    return _running[1]


def _set_log_levels() -> None:
    """Our one line a request, and none of the libraries' lines for each call they make."""
    logging.getLogger("cart_core").setLevel(logging.INFO)
    for library in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity"):
        logging.getLogger(library).setLevel(logging.WARNING)


def build(environment: Mapping[str, str]) -> App:
    """The app for these settings, on the running loop.

    Raises Problem `configuration_invalid` that names each setting that is missing or wrong.
    """
    from cart_core.adapters.entra import EntraTokens
    from cart_core.adapters.key_vault import KeyVault
    from cart_core.adapters.managed_identity import ManagedIdentity
    from cart_core.adapters.partner_center_http import PartnerCenterHttp, open_transport
    from cart_core.idempotency.runner import ExactlyOnce
    from cart_core.partner_center.carts import Carts
    from cart_core.partner_center.retry import Forwarding
    from cart_core.settings import InvalidSettings, Settings
    from cart_core.tokens import TokenCache
    from cart_core.use_cases.buying import CheckoutProcedure
    from cart_core.use_cases.check_out_cart import CheckoutCart
    from cart_core.use_cases.create_cart import CreateCart
    from cart_core.use_cases.get_cart import GetCart
    from cart_core.use_cases.place_order import PlaceOrder
    from cart_core.use_cases.rotate_refresh_token import RotateRefreshToken
    from cart_core.use_cases.update_cart import UpdateCart

    try:
        settings = Settings.read(environment)
    except InvalidSettings as invalid:
        raise Problem("configuration_invalid", f"Settings: {invalid}.") from None

    identity = ManagedIdentity(settings.managed_identity_client_id)
    vault = KeyVault(settings.key_vault_url or "", identity)
    refresh_token_vault = KeyVault(
        settings.refresh_token_vault_url or "",
        identity,
        setting="KEY_VAULT_REFRESH_TOKEN_URL"
        if settings.refresh_token_vault_override
        else "KEY_VAULT_URL",
    )

    def new_entra() -> EntraTokens:
        return EntraTokens(settings, vault, refresh_token_vault, identity)

    once = ExactlyOnce(
        _store(settings, identity),
        clock=time.time,
        sleep=asyncio.sleep,
        new_nonce=_new_guid,
        lease_margin=settings.lease_margin_seconds,
        longest_wait=settings.inflight_wait_seconds,
    )
    forwarding = Forwarding(
        TokenCache(new_entra().fetch),
        clock=time.time,
        sleep=asyncio.sleep,
        uniform=random.uniform,
        longest_wait=settings.max_wait_seconds,
        max_concurrent=settings.max_concurrent_calls,
    )
    partner_center = PartnerCenterHttp(
        open_transport(settings.base_url),
        base_url=settings.base_url,
        application_name=settings.application_name,
    )
    now = time.monotonic
    carts = Carts(forwarding, partner_center, monotonic=now)
    procedure = CheckoutProcedure(
        carts, sleep=asyncio.sleep, uniform=random.uniform, new_guid=_new_guid
    )
    return App(
        create_cart=CreateCart(settings, once, carts, new_guid=_new_guid, monotonic=now),
        get_cart=GetCart(settings, carts, new_guid=_new_guid, monotonic=now),
        update_cart=UpdateCart(settings, carts, new_guid=_new_guid, monotonic=now),
        checkout_cart=CheckoutCart(settings, once, procedure, monotonic=now),
        place_order=PlaceOrder(settings, once, carts, procedure, monotonic=now),
        rotate_refresh_token=(
            RotateRefreshToken(
                settings.refresh_token_name, refresh_token_vault, new_entra, clock=time.time
            )
            if settings.auth == "app_user"
            else None
        ),
    )


def _store(settings: "Settings", identity: "ManagedIdentity") -> "Store":
    if settings.store_url == "memory":
        from cart_core.idempotency.memory_store import MemoryStore

        return MemoryStore()
    from cart_core.adapters.blob_store import RESOURCE, BlobStore
    from cart_core.tokens import TokenCache

    return BlobStore(settings.store_url, TokenCache(lambda: identity.fetch(RESOURCE)))


def _new_guid() -> str:
    return str(uuid.uuid4())
