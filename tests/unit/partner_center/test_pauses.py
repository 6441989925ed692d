"""How long Partner Center asks to wait; test_errors proves after which answers that counts."""

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cart_core.partner_center.pauses import LONGEST_PAUSE, pause_in_header

NOW = 1_800_000_000.0

RETRY_AFTER: dict[int | None, list[str]] = {
    57: ["57", " 57 ", "0057"],
    1: ["0", "0.2", formatdate(NOW, usegmt=True), formatdate(NOW - 3600, usegmt=True)],
    2: ["1.5", "2.0"],
    90: [formatdate(NOW + 90, usegmt=True), formatdate(NOW + 90)],
    3599: ["3599"],
    LONGEST_PAUSE: [
        *("3600", "3600.5", "3601", "999999999", "Fri, 31 Dec 9999 23:59:59 GMT"),
        *(formatdate(NOW + seconds, usegmt=True) for seconds in (3600, 3601)),
    ],
    None: [
        *("", "   ", "-1", "+5", "nan", "inf", "-Infinity", "1e3", "1_000", "0x10", "1,5", "5, 10"),
        *("5 seconds", "soon", "\u0665", "\u00b2", "\x00", "1000000000", "9" * 30, "9" * 5000),
        *("Sat, 01 Jan 100000 00:00:00 GMT", "Fri, 32 Jan 2027 00:00:00 GMT", ",,,", ": : :"),
        *("Fri, 15 Jan 2027 25:61:00 GMT", "Fri, 15 Jan 99999999999999999999 00:00:00 GMT"),
        "Fri, 15 Jan 2027 00:00:00 +99999999999999",
    ],
}


@pytest.mark.parametrize("seconds", RETRY_AFTER)
def test_a_retry_after_is_whole_seconds_up_to_an_hour_or_nothing(seconds: int | None) -> None:
    for value in RETRY_AFTER[seconds]:
        assert (value, pause_in_header({"retry-after": value}, NOW)) == (value, seconds)


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [JFMAD][a-z]{2} \d+ .{0,20}"))
@example("Mon, 01 Jan 0001 00:00:00 GMT")
@example("Wed, 3 Apr 2002 12.34.56.78+0800")
@example("0 0 0")
@example(" 0 jan 0 0:0:0 -")
def test_no_retry_after_raises(value: str) -> None:
    seconds = pause_in_header({"retry-after": value}, NOW)
    assert seconds is None or 1 <= seconds <= LONGEST_PAUSE
