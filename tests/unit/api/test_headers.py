"""How headers that may be lists are read."""

import pytest

from cart_core.api.headers import elements, preferences


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a, b\t,c", ["a", "b", "c"]),
        ("a,", ["a", ""]),
        (",", ["", ""]),
        ('"a,b",c', ['"a,b"', "c"]),
        (r'x="a\",b",c', [r'x="a\",b"', "c"]),
        ('"a,b', ['"a,b']),
        ('"a\\', ['"a\\']),
    ],
)
def test_a_list_is_split_at_the_commas_outside_quotes(value: str, expected: list[str]) -> None:
    assert elements(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("omit-values=nulls", {"omit-values": "nulls"}),
        ("respond-async, omit-values=nulls", {"respond-async": "", "omit-values": "nulls"}),
        ("respond-async,wait=10,omit-values=nulls", {"wait": "10", "omit-values": "nulls"}),
        ('Omit-Values = "nulls"; x=","; y', {"omit-values": "nulls"}),
        ("omit-values=defaults, omit-values=nulls", {"omit-values": "defaults"}),
        ('return="a,omit-values=nulls"', {"return": "a,omit-values=nulls"}),
    ],
)
def test_the_preferences_are_read_as_a_list(value: str, expected: dict[str, str]) -> None:
    found = preferences({"prefer": value})

    assert {name: found[name] for name in expected} == expected
    assert len(found) == len(elements(value)) or found["omit-values"] == "defaults"


def test_without_the_header_nothing_is_preferred() -> None:
    assert preferences({}).get("omit-values") is None
