"""One reading for everything that Partner Center and its callers spell in more than one way."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import BaseModel

from cart_core.cart.vocabulary import BILLING_CYCLES

_BILLING_CYCLE_OF = {cycle.replace("_", ""): cycle for cycle in BILLING_CYCLES}
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_UNSET = re.compile(r"0001-01-01T00:00:00(\.0+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


@cache
def wire_names(model: type[BaseModel]) -> Mapping[str, str]:
    """Lower-case name -> the wire's camelCase name, for every field of `model`."""
    names = [info.alias or name for name, info in model.model_fields.items()]
    return {name.lower(): name for name in names}


def without_separators(text: str) -> str:
    """`one_time`, `one-time`, `OneTime` -> `onetime`."""
    return re.sub(r"[_\- ]", "", text).lower()


def billing_cycle(text: str) -> str | None:
    """The wire value for any spelling of a billing cycle; None if it is none."""
    return _BILLING_CYCLE_OF.get(without_separators(text))


def participant_pairs(value: Any) -> Any:
    """Participants as the wire's pairs; `{"transaction_reseller": "5139005"}` is short for them."""
    if isinstance(value, dict):
        return [{"key": key, "value": item} for key, item in value.items()]
    return value


def single(value: Any) -> Any:
    """renewsTo as the object it is in examples and SDK; Microsoft's tables say array."""
    if isinstance(value, list) and len(value) <= 1:
        return value[0] if value else None
    return value


def is_unset(value: Any) -> bool:
    """Whether `value` is .NET's default date, with which Partner Center says "no date"."""
    return isinstance(value, str) and _UNSET.fullmatch(value) is not None


def parse_timestamp(text: str) -> datetime:
    """An RFC 3339 date-time as an aware UTC value; no zone means UTC, digits past microseconds go.

    Raises ValueError for anything else.
    """
    if not _DATE_TIME.fullmatch(text):
        raise ValueError("not an RFC 3339 date-time")
    moment = datetime.fromisoformat(text.upper())
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("out of range") from None


def format_timestamp(moment: datetime, timespec: str = "microseconds") -> str:
    """`2026-01-31T12:00:00.000000Z`; with timespec "auto" a fraction of 0 is left out."""
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
