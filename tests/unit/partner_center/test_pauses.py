"""How long Partner Center asks to wait; test_errors proves after which answers that counts."""

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cart_core.partner_center.pauses import LONGEST_PAUSE, UNREADABLE_PAUSE, asked_pause

NOW = 1_800_000_000.0
LATER = formatdate(NOW + 90, usegmt=True)

RETRY_AFTER: dict[int | None, list[str]] = {
    None: ["", "   "],
    1: ["0", "0.2", formatdate(NOW, usegmt=True), formatdate(NOW - 3600, usegmt=True)],
    2: ["1.5", "2.0"],
    57: ["57", " 57 ", "0057", '"57"', "'57'", "57s", "57 seconds", "00000000057"],
    90: [
        LATER,
        formatdate(NOW + 90),
        f'"{LATER}"',
        f"{LATER}, {LATER}",
        f"57, {LATER}",
        "1 min,90",
    ],
    120: ["81,120", "120, 81", "120, 120", '"81", "120"', "120, soon", "-1, 120", "2 minutes"],
    3599: ["3599"],
    LONGEST_PAUSE: [
        *(
            "3600",
            "3600.5",
            "3601",
            "999999999",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "2 h",
            "57, 9999",
        ),
        *("1000000000", "9" * 30, "9" * 900, f"{'9' * 400}.5", f"9, {'9' * 400} days"),
        *(formatdate(NOW + seconds, usegmt=True) for seconds in (3600, 3601)),
    ],
    UNREADABLE_PAUSE: [
        *("-1", "+5", "nan", "inf", "-Infinity", "1e3", "1_000", "0x10", "PT5S", '""', "0 0"),
        *("soon", "\u0665", "\u00b2", "\x00", "x" * 5000, "Sun", ",,,", ": : :"),
        *("Sat, 01 Jan 100000 00:00:00 GMT", "Fri, 32 Jan 2027 00:00:00 GMT"),
        *("Fri, 15 Jan 2027 25:61:00 GMT", "Fri, 15 Jan 99999999999999999999 00:00:00 GMT"),
        "Fri, 15 Jan 2027 00:00:00 +99999999999999",
    ],
}


@pytest.mark.parametrize("seconds", RETRY_AFTER)
def test_a_retry_after_asks_for_the_longest_pause_that_can_be_read(seconds: int | None) -> None:
    for value in RETRY_AFTER[seconds]:
        assert (value, asked_pause({"retry-after": value}, None, NOW)) == (value, seconds)


@pytest.mark.parametrize(
    ("message", "header", "seconds"),
    [
        ("Rate limit is exceeded. Try again in 31 seconds.", "", 31),
        ("Rate limit is exceeded. Try again in 0 seconds.", "", 1),
        ("Try again in 2 minutes.", "", 120),
        ("Please try your request again after 1 minute and 30 seconds.", "", 90),
        ("retry after 45s", "", 45),
        ("Wait 1.5 min, then send it again.", "", 90),
        ("Please try again after 24 hours.", "", LONGEST_PAUSE),
        (f"Try again in {'9' * 900} days.", "", LONGEST_PAUSE),
        ("Try again in 31 seconds.", "57", 57),
        ("Try again in 2 minutes.", "57", 120),
        ("Try again in 31 seconds.", "soon", 31),
        ("Try again in a minute.", "", UNREADABLE_PAUSE),
        ("Try again after some time.", "", UNREADABLE_PAUSE),
        ("Try again in a minute.", "57", 57),
        ("Please try again later.", "", None),
        ("The operation timed out after 30 seconds.", "", None),
        ("You may wait. 30 seconds were not enough.", "", None),
    ],
)
def test_the_words_of_the_message_count_as_the_header_does(
    message: str, header: str, seconds: int | None
) -> None:
    assert asked_pause({"retry-after": header}, message, NOW) == seconds


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [JFMAD][a-z]{2} \d+ .{0,20}"))
@example("Mon, 01 Jan 0001 00:00:00 GMT")
@example("Wed, 3 Apr 2002 12.34.56.78+0800")
@example("0 0 0")
@example(" 0 jan 0 0:0:0 -")
def test_no_text_stops_the_reading(text: str) -> None:
    for seconds in (asked_pause({"retry-after": text}, None, NOW), asked_pause({}, text, NOW)):
        assert seconds is None or 1 <= seconds <= LONGEST_PAUSE
