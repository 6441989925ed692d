"""How long Partner Center asks to wait: in a Retry-After header, or in the words of its message."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_PAUSE: Final = 3600
"""Seconds. A longer pause is taken for a mistake: this process would send nothing for as long."""

DEFAULT_PAUSE: Final = 5
"""Seconds to wait where Partner Center asks for a pause without saying how long."""


def pause_in_header(headers: Mapping[str, str], now: float) -> int | None:
    """Whole seconds (at least 1) that a Retry-After header asks for; None if there is none.

    `now` is in POSIX seconds; a date is counted from it.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return _seconds(float(value))
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        wait = (moment - datetime.fromtimestamp(now, UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return _seconds(wait)


def pause_in_words(text: str | None) -> int | None:
    """The seconds in the gateway's sentence "Try again in N seconds"."""
    found = re.search(r"in (\d{1,6}) seconds", text or "")
    return _seconds(int(found[1])) if found else None


def _seconds(wait: float) -> int:
    return min(max(1, math.ceil(wait)), LONGEST_PAUSE)
