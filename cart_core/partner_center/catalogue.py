"""Requests for a customer's catalogue: which availabilities a SKU has today."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote

from cart_core.call import Call
from cart_core.catalogue.availability import (
    Availability,
    Sku,
    embeds_sku,
    read_availabilities,
    read_sku,
)
from cart_core.catalogue.offers import product_answer
from cart_core.catalogue.resolution import Failure, NotAvailable
from cart_core.partner_center.catalogue_cache import CatalogueCache
from cart_core.partner_center.errors import unreadable, without_effect
from cart_core.partner_center.reading import Reader
from cart_core.problem import Problem

AGE_FOR_CARTS: Final = 60.0
"""Seconds: what a cart is made from is no older."""

AGE_FOR_READING: Final = 600.0
"""Seconds: what is shown to people is no older."""

MOST_SKUS: Final = 2000
MOST_LISTS: Final = 100
"""How many SKUs are kept with their availabilities, and how many lists of products or SKUs."""

_AGE_OF_NOTHING: Final = 60.0
"""Seconds for which it counts that a product or a SKU was not found."""

_NOT_FOUND: Final[dict[str, tuple[Failure, str]]] = {
    "400013": ("product_not_found", "The customer's catalogue does not have this product."),
    "400018": ("sku_not_found", "The product does not have this SKU."),
    "400030": ("not_offered_to_segment", "Partner Center does not accept this segment."),
}
"""Partner Center's codes for what the catalogue does not have."""

Value = TypeVar("Value")

Availabilities = tuple[Availability, ...]
_Listed = Availabilities | NotAvailable


class Catalogue:
    """The catalogues of all customers, each for one segment. `clock` gives POSIX seconds."""

    def __init__(self, reader: Reader, *, clock: Callable[[], float]) -> None:
        self._reader = reader
        self._cache: CatalogueCache[_Listed] = CatalogueCache(clock, MOST_SKUS)
        self._listed: CatalogueCache[list[Any]] = CatalogueCache(clock, MOST_LISTS)

    async def availabilities(
        self, call: Call, sku_id: str, segment: str, *, longest_age: float
    ) -> Availabilities | NotAvailable:
        """The availabilities of a SKU (`Product:Sku`) for the call's customer, from the list.

        It is the list that counts: an availability that is read by its id may have more terms.
        Raises Problem where Partner Center did not say what there is.
        """
        load, age = partial(self._load, call, sku_id, segment), partial(_age, longest_age)
        return await self._cache.get(call, (call.customer_id, segment, sku_id), load, age)

    def known(
        self, call: Call, sku_id: str, segment: str, *, longest_age: float
    ) -> Availabilities | NotAvailable | None:
        """The same if it was read within `longest_age` seconds, else None; nothing is sent."""
        return self._cache.known((call.customer_id, segment, sku_id), partial(_age, longest_age))

    def forget(self, call: Call) -> None:
        """Partner Center has refused an item of the customer as one that is not there any more."""
        self._cache.drop(lambda key: key[0] == call.customer_id)
        self._listed.drop(lambda key: key[0] == call.customer_id)

    async def products(self, call: Call, view: str, segment: str) -> list[dict[str, Any]]:
        """The products of a view, as callers get them. Raises Problem."""
        query = {"targetView": view, "targetSegment": segment}
        return await self._texts(call, "/products", query, product_answer)

    async def skus(self, call: Call, product: str, segment: str) -> list[Sku] | NotAvailable:
        """The SKUs of a product for a segment. Raises Problem."""

        def read(item: dict[str, Any]) -> Sku:
            return read_sku(item, f"{product}:{_sku_part(item)}")

        path, query = f"/products/{quote(product)}/skus", {"targetSegment": segment}
        try:
            return await self._texts(call, path, query, read)
        except Problem as problem:
            if refused := _refusal(problem):
                return refused
            raise

    async def _texts(
        self,
        call: Call,
        path: str,
        query: dict[str, str],
        read: Callable[[dict[str, Any]], Value],
    ) -> list[Value]:
        """What is read of the items of a list. Whole items would take much more room."""

        async def load() -> list[Value]:
            whole = customer_path(call.customer_id) + path
            items = await self._reader.items(call, "list_products", whole, query)
            try:
                return [read(item) for item in items]
            except ValueError:
                raise without_effect(unreadable(200)) from None

        key = (call.customer_id, path, *query.values())
        return await self._listed.get(call, key, load, lambda _: AGE_FOR_READING)

    async def _load(self, call: Call, sku_id: str, segment: str) -> _Listed:
        product, _, sku = sku_id.partition(":")
        path = f"{customer_path(call.customer_id)}/products/{quote(product)}/skus/{quote(sku)}"
        try:
            items = await self._reader.items(
                call, "list_availabilities", f"{path}/availabilities", {"targetSegment": segment}
            )
            document: Any = None
            if items and not embeds_sku(items):
                document, _trace = await self._reader.document(call, "get_sku", path)
            return tuple(read_availabilities(items, sku_id, document))
        except ValueError:
            raise without_effect(unreadable(200)) from None
        except Problem as problem:
            if refused := _refusal(problem):
                return refused
            raise


def _sku_part(item: dict[str, Any]) -> str:
    part = next((value for name, value in item.items() if name.lower() == "id"), None)
    if not isinstance(part, str):
        raise ValueError("a SKU without an id")
    return part.upper()


def _age(longest: float, listed: _Listed) -> float:
    return min(longest, _AGE_OF_NOTHING) if isinstance(listed, NotAvailable) else longest


def customer_path(customer_id: str) -> str:
    """The path of a customer, after the version."""
    return f"/customers/{quote(customer_id, safe='')}"


def _refusal(problem: Problem) -> NotAvailable | None:
    """What a refusal says of the catalogue; None where it says nothing of it."""
    fault = problem.fault
    if fault is None or fault.status not in (400, 403, 404) or fault.code not in _NOT_FOUND:
        return None
    return NotAvailable(*_NOT_FOUND[fault.code])
