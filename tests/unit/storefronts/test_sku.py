"""SKUs as distributors and resellers write them, and those that must not be guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_core.storefronts.parking import ADVICE
from cart_core.storefronts.sku import FOREIGN, Item, NotAnItem, SkuRules, read_sku

BASIC = "CFQ7TTC0LH18"
YEAR_PAID_YEARLY = Item(BASIC, "0001", "P1Y", "annual")
YEAR_PAID_MONTHLY = Item(BASIC, "0001", "P1Y", "monthly")
DEFAULTS = SkuRules(term="P1Y", billing_cycle="annual")
RULES = SkuRules(
    table={"M365-BB-Y": YEAR_PAID_YEARLY, f"{BASIC}:9999": YEAR_PAID_MONTHLY},
    foreign={"CFQ-HOSTING1"},
)


@pytest.mark.parametrize(
    ("sku", "item"),
    [
        (f"{BASIC}:0001_P1Y:Annual", YEAR_PAID_YEARLY),
        (f"{BASIC}:0001-C12-B1", YEAR_PAID_MONTHLY),
        (f"{BASIC}:0001-C12-B12", YEAR_PAID_YEARLY),
        (f"{BASIC}:0001-C36-B36", Item(BASIC, "0001", "P3Y", "triennial")),
        (f"{BASIC}-0001-P1Y-12M", YEAR_PAID_YEARLY),
        (f"P1Y:{BASIC}:0001:monthly", YEAR_PAID_MONTHLY),
        (f" {BASIC}:0001:P1M:Monthly ", Item(BASIC, "0001", "P1M", "monthly")),
        (f"{BASIC}:0001:P12M:annually", YEAR_PAID_YEARLY),
        (f"{BASIC}/000B/P1Y/annual", Item(BASIC, "000B", "P1Y", "annual")),
        ("DG7GMGF0D5RK:0005:one_time", Item("DG7GMGF0D5RK", "0005", None, "one_time")),
        ("DG7GMGF0D5RK:0005:P1Y:OneTime", Item("DG7GMGF0D5RK", "0005", "P1Y", "one_time")),
        ("M365-BB-Y", YEAR_PAID_YEARLY),
        (f"{BASIC}:9999", YEAR_PAID_MONTHLY),
    ],
)
def test_the_spellings_in_use_are_read(sku: str, item: Item) -> None:
    assert read_sku(sku, RULES) == item


@pytest.mark.parametrize(
    ("sku", "code"),
    [
        (f"{BASIC}:0001:P1Y:P1M:monthly", "sku_ambiguous"),
        (f"{BASIC}:0001:P1Y:B1:B12", "sku_ambiguous"),
        (f"{BASIC}:0001:0002:P1Y:annual", "sku_ambiguous"),
        (f"{BASIC}:CFQ7TTC0LH16:0001:P1Y:annual", "sku_ambiguous"),
        (f"P1Y:{BASIC}:0001:1:", "sku_ambiguous"),
        (f"{BASIC}:0001:CFQ7TTC0K971:P1Y:annual", "sku_ambiguous"),
        (f"{BASIC}:0001:p1y:annual", "sku_ambiguous"),
        (f"{BASIC}:0001:annual", "sku_incomplete"),
        (f"{BASIC}:0001:P1Y", "sku_incomplete"),
        (f"{BASIC}:0001", "sku_incomplete"),
        (BASIC, "sku_resembles"),
        (f"{BASIC}0001", "sku_resembles"),
        (f"{BASIC.lower()}:0001:P1Y:annual", "sku_resembles"),
        ("CFQ7TTCOLH18:0001:P1Y:annual", "sku_resembles"),
        ("CFQ7TTC0LH1:0001:P1Y:annual", "sku_resembles"),
        ("CFQ7TC0LH18:0001:P1Y:annual", "sku_resembles"),
        ("m365-bb-y", "sku_resembles"),
        ("M365-BB", "sku_resembles"),
        ("M365BBY", "sku_resembles"),
        ("M365-BB-X", "sku_resembles"),
        ("M365-BY-B", "sku_resembles"),
        ("M365-BB-Y-2", "sku_resembles"),
        (f"{BASIC}:{'0001:' * 60}", "sku_unknown"),
    ],
)
def test_what_is_not_certain_is_parked_and_never_foreign(sku: str, code: str) -> None:
    assert read_sku(sku, RULES) == NotAnItem(code)  # type: ignore[arg-type]  # a table's texts
    assert code in ADVICE


@pytest.mark.parametrize(
    "sku", [None, "", "  ", "HOST-10GB", "MOUSE-2024", "0001", "P1Y", "CFQ-HOSTING1"]
)
def test_what_resembles_nothing_is_foreign(sku: str | None) -> None:
    assert read_sku(sku, RULES) == FOREIGN


@pytest.mark.parametrize(
    ("sku", "item"),
    [
        (f"{BASIC}:0001", YEAR_PAID_YEARLY),
        (f"{BASIC}:0001:B1", YEAR_PAID_MONTHLY),
        (f"{BASIC}:0001:P1M:B1", Item(BASIC, "0001", "P1M", "monthly")),
        ("DG7GMGF0D5RK:0005:onetime", Item("DG7GMGF0D5RK", "0005", None, "one_time")),
    ],
)
def test_a_sources_defaults_fill_what_a_sku_leaves_out(sku: str, item: Item) -> None:
    assert read_sku(sku, DEFAULTS) == item


@given(
    parts=st.permutations([BASIC, "0001", "P1Y", "B12"]),
    separators=st.lists(st.sampled_from(":_-./| "), min_size=3, max_size=3),
)
def test_neither_place_nor_separator_matters(parts: list[str], separators: list[str]) -> None:
    sku = "".join(part + mark for part, mark in zip(parts, [*separators, ""], strict=True))

    assert read_sku(sku, SkuRules()) == YEAR_PAID_YEARLY


@given(st.data())
def test_an_id_with_one_character_off_is_never_foreign(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(BASIC) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abc"))
    kind = data.draw(st.sampled_from([(0, 1), (1, 0), (1, 1)]))
    removed, added = kind
    spoiled = BASIC[:place] + letter * added + BASIC[place + removed :]

    assert read_sku(spoiled, SkuRules()) != FOREIGN
    assert read_sku(f"{spoiled}:0001:P1Y:B1", SkuRules()) != FOREIGN


@given(st.text(max_size=300))
def test_any_text_is_an_item_or_is_none(sku: str) -> None:
    assert isinstance(read_sku(sku, RULES), Item | NotAnItem)
