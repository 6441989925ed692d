"""Fetch an order back from the shop's own API, where its webhooks do not have it.

The host comes from the file of sources, never from a body. The id is checked before it gets into an
address. All pages of lines are read, or the order is parked.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode

from cart_core.storefronts import bigcommerce, stripe
from cart_core.storefronts.json_body import UnreadableBody, read_body
from cart_core.storefronts.order import StorefrontOrder
from cart_core.storefronts.ports import Fetched, Secrets
from cart_core.storefronts.sources import BigCommerceSource, Source, StripeSource

MAX_PAGES: Final = 20
"""Pages of lines that are read of one order."""

_LINES_OF_BIGCOMMERCE: Final = 250
_LINES_OF_STRIPE: Final = 100


class ShopUnavailable(Exception):
    """The shop did not answer, or refuses us; to ask again later is right.

    `retry_after` is the pause in seconds that it has asked for.
    """

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class ShopAnswer(NamedTuple):
    """An answer of a shop's API."""

    status: int
    body: bytes
    retry_after: int | None = None


class ShopApi(Protocol):
    """Sends requests that only read, to a shop."""

    async def get(self, url: str, headers: Mapping[str, str]) -> ShopAnswer:
        """One try; no redirect is followed. Raises ShopUnavailable where there is no answer."""


class BigCommerceOrders:
    """The orders of one BigCommerce store (Orders v2)."""

    def __init__(self, source: BigCommerceSource, api: ShopApi, secrets: Secrets) -> None:
        self._source = source
        self._api = api
        self._secrets = secrets

    async def fetch(self, order_id: str) -> StorefrontOrder:
        """The order with all its products. Raises ShopUnavailable, UnreadableBody and Problem."""
        if not order_id.isascii() or not order_id.isdecimal():
            raise UnreadableBody("id: not a number")
        name = self._source.access_token
        headers = {"X-Auth-Token": (await self._secrets.read([name]))[name]}
        url = f"{self._source.api}/stores/{self._source.store_hash}/v2/orders/{order_id}"
        order = await _object(self._api, url, headers)
        products: list[Any] = []
        for page in range(1, MAX_PAGES + 1):
            query = urlencode({"page": page, "limit": _LINES_OF_BIGCOMMERCE})
            content = await _content(self._api, f"{url}/products?{query}", headers)
            # Beyond the last page the answer is 204 without a body.
            lines = read_body(b'{"lines": ' + (content or b"[]") + b"}")["lines"]
            if not isinstance(lines, list):
                raise UnreadableBody("products: not a list")
            products += lines
            if len(lines) < _LINES_OF_BIGCOMMERCE:
                return bigcommerce.order_of(order, products)
        raise UnreadableBody(f"products: more than {MAX_PAGES} pages")


class StripeSessions:
    """The checkout sessions of one Stripe account."""

    def __init__(self, source: StripeSource, api: ShopApi, secrets: Secrets) -> None:
        self._source = source
        self._api = api
        self._secrets = secrets

    async def fetch(self, order_id: str) -> StorefrontOrder:
        """The session with all its lines. Raises ShopUnavailable, UnreadableBody and Problem."""
        if not stripe.SESSION_ID.fullmatch(order_id):
            raise UnreadableBody("id: not a session's")
        name = self._source.api_key
        headers = {"Authorization": f"Bearer {(await self._secrets.read([name]))[name]}"}
        url = f"{self._source.api}/v1/checkout/sessions/{order_id}"
        expand = urlencode({"expand[]": "payment_intent.latest_charge"})
        session = await _object(self._api, f"{url}?{expand}", headers)
        items: list[Any] = []
        query = {"limit": str(_LINES_OF_STRIPE), "expand[]": "data.price.product"}
        for _ in range(MAX_PAGES):
            page = await _object(self._api, f"{url}/line_items?{urlencode(query)}", headers)
            lines = page.get("data")
            if not isinstance(lines, list):
                raise UnreadableBody("line_items: not a list")
            items += lines
            if page.get("has_more") is False:
                return stripe.order_of(session, items)
            if not lines or not isinstance(lines[-1], dict):
                raise UnreadableBody("line_items: a page is empty, and is not the last one")
            query["starting_after"] = str(lines[-1].get("id"))
        raise UnreadableBody(f"line_items: more than {MAX_PAGES} pages")


def fetchers(
    sources: Mapping[str, Source], open_api: Callable[[str], ShopApi], secrets: Secrets
) -> dict[str, Fetched]:
    """What fetches the orders of those sources whose webhooks do not have them, by source.

    `open_api` makes the connections to a host.
    """
    found: dict[str, Fetched] = {}
    for name, source in sources.items():
        if isinstance(source, BigCommerceSource):
            found[name] = BigCommerceOrders(source, open_api(source.api), secrets)
        if isinstance(source, StripeSource):
            found[name] = StripeSessions(source, open_api(source.api), secrets)
    return found


async def _object(api: ShopApi, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return read_body(await _content(api, url, headers))


async def _content(api: ShopApi, url: str, headers: Mapping[str, str]) -> bytes:
    """The body of a 200 or 204. Raises UnreadableBody for a 404: there is no such order."""
    answer = await api.get(url, {**headers, "Accept": "application/json"})
    if answer.status in (200, 204):
        return answer.body
    if answer.status == 404:
        raise UnreadableBody("the shop has no such order")
    raise ShopUnavailable(f"The shop answered {answer.status}.", answer.retry_after)
