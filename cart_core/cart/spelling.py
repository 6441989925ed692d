"""One reading for what Partner Center and its callers spell in more than one way."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import BaseModel

from cart_core.cart.vocabulary import BILLING_CYCLES, SEGMENTS

_BILLING_CYCLE_OF = {cycle.replace("_", ""): cycle for cycle in BILLING_CYCLES}
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_SKU = re.compile(r"[A-Za-z0-9]+:[A-Za-z0-9]+", re.ASCII)
_UNSET = re.compile(r"0001-01-01T00:00:00(\.0+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


@cache
def wire_names(model: type[BaseModel]) -> Mapping[str, str]:
    """Lower-case name -> the wire's camelCase name, for every field of `model`."""
    names = [info.alias or name for name, info in model.model_fields.items()]
    return {name.lower(): name for name in names}


def without_separators(text: str) -> str:
    """`one_time`, `one-time`, `OneTime` -> `onetime`."""
    return re.sub(r"[_\- ]", "", text).lower()


def find_billing_cycle(text: str) -> str | None:
    """The wire's spelling of a billing cycle in any spelling; None for an unknown one."""
    return _BILLING_CYCLE_OF.get(without_separators(text))


def find_segment(text: str) -> str | None:
    """The catalogue's spelling of a customer segment in any case; None for an unknown one."""
    return text.lower() if text.lower() in SEGMENTS else None


def find_sku(catalog_item_id: str) -> str | None:
    """A SKU as `Product:Sku` in capitals; None for anything else, such as a full catalog item id.

    A SKU id has four characters. Spreadsheets drop the zeros that it begins with.
    """
    if not _SKU.fullmatch(catalog_item_id):
        return None
    product, _, sku = catalog_item_id.upper().partition(":")
    return f"{product}:{sku.rjust(4, '0')}"


def participant_pairs(value: Any) -> Any:
    """Participants as the wire's list of objects with `key` and `value`.

    They may be an object of values by key: `{"transaction_reseller": "5139005"}`. An object that is
    itself one participant is returned as a list of it. Anything else is returned as it is.
    """
    if is_one_participant(value):
        return [value]
    if isinstance(value, dict):
        return [{"key": key, "value": item} for key, item in value.items()]
    return value


def is_one_participant(value: Any) -> bool:
    """Whether `value` is a participant where a list of them belongs: it has a `key` or a `value`.

    PowerShell makes this of a list with one element.
    """
    return isinstance(value, dict) and any(name.lower() in {"key", "value"} for name in value)


def single_renews_to(value: Any) -> Any:
    """renewsTo as an object, as in Microsoft's examples and SDK; its tables call it an array.

    An empty array becomes None. A longer one is returned as it is.
    """
    if isinstance(value, list) and len(value) <= 1:
        return value[0] if value else None
    return value


def is_unset_date(value: Any) -> bool:
    """Whether `value` is .NET's default date, which Partner Center uses for "no date"."""
    return isinstance(value, str) and _UNSET.fullmatch(value) is not None


def parse_timestamp(text: str) -> datetime:
    """The moment of an RFC 3339 date-time, in UTC.

    A date-time without a zone is in UTC. Digits beyond microseconds are cut off. Raises ValueError
    for anything else.
    """
    if not _DATE_TIME.fullmatch(text):
        raise ValueError("not an RFC 3339 date-time")
    moment = datetime.fromisoformat(text.upper())
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("out of range") from None


def format_timestamp(moment: datetime, timespec: str = "microseconds") -> str:
    """A moment in UTC as `2026-01-31T12:00:00.000000Z`.

    With the timespec "auto" a fraction of zero is left out; see datetime.isoformat.
    """
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
