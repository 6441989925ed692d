"""The parameters in a request's query: how each is read and what it may be.

A function takes the query and adds what is wrong with its parameter to `errors`.
"""

import re
from collections.abc import Mapping
from typing import Final, get_args

from cart_core.api.parameters import valid_guid
from cart_core.cart.spelling import find_segment, find_sku
from cart_core.cart.vocabulary import SEGMENTS, TARGET_VIEWS
from cart_core.catalogue.resolution import DEFAULT_SEGMENT
from cart_core.operations.operators import OpenState
from cart_core.problem import FieldError

DOMAIN: Final = re.compile(
    r"(?=.{4,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}"
)
_STATES: Final = get_args(OpenState)

MAX_SEARCH_LENGTH: Final = 256
"""Characters of a text that is searched for."""


def domain(query: Mapping[str, str], errors: list[FieldError]) -> str | None:
    """The query's `domain` in lower case, None without one.

    An empty one is refused: whoever sends a variable that is empty does not mean all customers.
    """
    value = query.get("domain", "").strip()
    if "domain" in query and not DOMAIN.fullmatch(value):
        errors.append(_parameter("domain", "must be a domain such as 'contoso.com'"))
    return value.lower() or None


def search(query: Mapping[str, str], errors: list[FieldError]) -> str:
    """The query's `search`, "" without one."""
    value = query.get("search", "").strip()
    if len(value) > MAX_SEARCH_LENGTH or not value.isprintable():
        errors.append(_parameter("search", f"may have {MAX_SEARCH_LENGTH} visible characters"))
    return value


def segment(query: Mapping[str, str], errors: list[FieldError]) -> str:
    """The query's `segment`, commercial without one."""
    value = query.get("segment", "").strip() or DEFAULT_SEGMENT
    found = find_segment(value)
    if not found:
        errors.append(_parameter("segment", f"must be one of: {', '.join(SEGMENTS)}"))
    return found or DEFAULT_SEGMENT


def view(query: Mapping[str, str], errors: list[FieldError]) -> str:
    """The query's `view` in Partner Center's spelling, OnlineServices without one."""
    value = query.get("view", "").strip() or TARGET_VIEWS[0]
    found = next((each for each in TARGET_VIEWS if each.lower() == value.lower()), None)
    if not found:
        errors.append(_parameter("view", f"must be one of: {', '.join(TARGET_VIEWS)}"))
    return found or TARGET_VIEWS[0]


def sku(query: Mapping[str, str], errors: list[FieldError]) -> tuple[str, str | None]:
    """The query's `productId` and its `skuId`, which may be left out."""
    product, part = (query.get(name, "").strip() for name in ("productid", "skuid"))
    found = find_sku(f"{product}:{part or '0001'}")
    if not product:
        errors.append(_parameter("productId", "is required"))
    elif not found:
        errors.append(_parameter("productId and skuId", "must be letters and digits"))
    upper, _, padded = (found or ":").partition(":")
    return upper, padded if part else None


def term(query: Mapping[str, str]) -> str | None:
    """The query's `termDuration`, None without one."""
    return query.get("termduration", "").strip().upper() or None


def flag(query: Mapping[str, str], name: str, errors: list[FieldError]) -> bool:
    """A parameter of the query that is true or false; false without one.

    A parameter that is given twice arrives as `true,false`, which is neither.
    """
    value = query.get(name.lower(), "").lower()
    if value not in ("", "true", "false"):
        errors.append(_parameter(name, "must be true or false, and be given once"))
    return value == "true"


def open_state(query: Mapping[str, str], errors: list[FieldError]) -> OpenState | None:
    """The query's `state` of operations that have not ended, None without one."""
    value = query.get("state")
    found = next((each for each in _STATES if each == value), None)
    if value and not found:
        errors.append(_parameter("state", f"must be one of: {', '.join(_STATES)}"))
    return found


def customer_id(query: Mapping[str, str], errors: list[FieldError]) -> str | None:
    """The query's `customerId` in lower case, None without one."""
    value = query.get("customerid")
    found = valid_guid(value)
    if value and not found:
        errors.append(_parameter("customerId", "must be a GUID"))
    return found.lower() if found else None


def _parameter(name: str, rule: str) -> FieldError:
    return FieldError("", "invalid_parameter", f"The query's {name} {rule}.")
