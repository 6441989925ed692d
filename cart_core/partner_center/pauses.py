"""How long Partner Center asks to wait: in a Retry-After header, or in the words of its message.

Partner Center documents seconds, and RFC 9110 allows a date. Proxies double the header, join
several of them, or put them into quotes. So the longest pause that can be read anywhere counts.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_PAUSE: Final = 3600
"""Seconds. A longer pause is taken for a mistake: this process would send nothing for as long."""

DEFAULT_PAUSE: Final = 5
"""Seconds to wait where Partner Center asks for a pause without saying how long."""

UNREADABLE_PAUSE: Final = 60
"""Seconds to wait where Partner Center says how long, but not in a way that can be read."""

_LONGEST_HEADER: Final = 1000
"""Characters of a Retry-After header that are read."""

_UNITS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN: Final = r"(\d+(?:\.\d+)?)\s?(s|m|h|d|secs?|mins?|hrs?|seconds?|minutes?|hours?|days?)\b"
_FLAGS: Final = re.ASCII | re.IGNORECASE
_IN_WORDS: Final = re.compile(
    rf"\b(?:again|retry|wait)\b[^\d.]{{0,30}}((?:{_SPAN}(?:,?\s(?:and\s)?)?)+)", _FLAGS
)
"""As in "Try again in 2 minutes." and "retry after 1 minute and 30 seconds"."""


def asked_pause(headers: Mapping[str, str], message: str | None, now: float) -> int | None:
    """Whole seconds (at least 1) that an answer asks to wait; None if it asks for no pause.

    `message` is its description. A date in its header is counted from `now`, in POSIX seconds.
    """
    header = headers.get("retry-after", "").strip()
    pauses = [*_in_header(header[:_LONGEST_HEADER], now), *_in_words(message or "")]
    if pauses:
        return math.ceil(min(max(1.0, *pauses), LONGEST_PAUSE))
    said = header or re.search(r"\bagain (in|after)\b", message or "", re.IGNORECASE)
    return UNREADABLE_PAUSE if said else None


def _in_header(value: str, now: float) -> Iterator[float]:
    # Dates have a comma too. Without its first part, the name of the day, a date is complete.
    for part in value.split(","):
        text = part.strip("\"' \t")
        if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
            yield float(text)
        elif re.fullmatch(_SPAN, text, _FLAGS):
            yield _seconds(text)
        else:
            try:
                moment = parsedate_to_datetime(text)
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                yield (moment - datetime.fromtimestamp(now, UTC)).total_seconds()
            except (ValueError, TypeError, OverflowError):
                continue


def _in_words(message: str) -> Iterator[float]:
    return (_seconds(found[1]) for found in _IN_WORDS.finditer(message))


def _seconds(text: str) -> float:
    """The sum of the spans in a text such as "1 minute and 30 seconds"."""
    spans = re.findall(_SPAN, text, _FLAGS)
    return sum(float(number) * _UNITS[unit[0].lower()] for number, unit in spans)
