"""What each platform needs of us: how it signs, how a body is read, and what has to be fetched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from cart_core.storefronts import bigcommerce, shopify, stripe, woocommerce
from cart_core.storefronts.order import Reading
from cart_core.storefronts.signatures import Scheme
from cart_core.storefronts.sources import BigCommerceSource, Source, StandardWebhooksSource

Read = Callable[[Mapping[str, Any], datetime], Reading]
"""Reads a body that was received at a moment. Raises UnreadableBody."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One source's platform. `answers_pings` says that it takes WooCommerce's unsigned ping."""

    scheme: Scheme
    read: Read
    answers_pings: bool = False


def platform_of(source: Source) -> Platform:
    """The platform of a source; the source's expressions are compiled here."""
    if isinstance(source, BigCommerceSource):
        read: Read = partial(bigcommerce.read, store_hash=source.store_hash)
        return Platform(Scheme.BIGCOMMERCE, read)
    if isinstance(source, StandardWebhooksSource):
        return Platform(Scheme.STANDARD_WEBHOOKS, source.compiled_expressions().read)
    if source.platform == "shopify":
        return Platform(Scheme.SHOPIFY, shopify.read)
    if source.platform == "woocommerce":
        return Platform(Scheme.WOOCOMMERCE, woocommerce.read, answers_pings=True)
    return Platform(Scheme.STRIPE, stripe.read)
