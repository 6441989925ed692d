"""What a shop's SKU stands for in Partner Center's catalogue.

The source's table comes first. Then the SKU is read as `PRODUCT:SKU` with a term and a billing
cycle, in the spellings that distributors and resellers use: its parts are known by their shape, and
their order and separators do not matter. What is not certain is never guessed.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cart_core.storefronts.parking import ReasonCode


class Item(NamedTuple):
    """An item of the catalogue, without today's availability.

    `term` is an ISO 8601 duration, None for what has no term. `billing_cycle` is Partner Center's
    word.
    """

    product_id: str
    sku_id: str
    term: str | None
    billing_cycle: str


@dataclass(frozen=True, slots=True)
class SkuRules:
    """How a source's SKUs are read.

    `table` has items by the shop's exact SKU. `foreign` are exact SKUs that are not Microsoft's.
    `term` and `billing_cycle` are used where a SKU names none.
    """

    table: Mapping[str, Item] = field(default_factory=dict)
    foreign: Set[str] = frozenset()
    term: str | None = None
    billing_cycle: str | None = None


class NotAnItem(NamedTuple):
    """A SKU that stands for no item. `code` is None for one that is certainly not Microsoft's."""

    code: ReasonCode | None


FOREIGN: Final = NotAnItem(None)

BILLING_ALIASES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("MONTHLY", "B1", "1M"), "monthly"),
    **dict.fromkeys(("ANNUAL", "ANNUALLY", "YEARLY", "B12", "12M"), "annual"),
    **dict.fromkeys(("TRIENNIAL", "B36", "36M"), "triennial"),
    "ONETIME": "one_time",
}
"""The words for billing cycles; CloudFactory writes B12, German resellers 12M."""

COMMITMENTS: Final[Mapping[str, str]] = {"C1": "P1M", "C12": "P1Y", "C36": "P3Y"}
"""CloudFactory's words for terms: the months of the commitment."""

TERM_ALIASES: Final[Mapping[str, str]] = {"P12M": "P1Y", "P36M": "P3Y"}
"""The same duration in months."""

_SEPARATORS: Final = re.compile(r"[:_\-./| ]+")
_ONE_TIME: Final = re.compile(r"one[_\- ]time", re.IGNORECASE)
_PRODUCT: Final = re.compile(r"(?=.*[0-9])[A-Z][A-Z0-9]{11}", re.ASCII)
_SKU: Final = re.compile(r"[0-9][0-9A-Z]{3}", re.ASCII)
_TERM: Final = re.compile(r"P[1-9][0-9]?[DMY]", re.ASCII)
_PREFIXES: Final = ("CFQ7TTC0", "DG7GMGF0", "DZH318Z0")
"""How the ids of Microsoft's products begin, as far as price lists show."""

MAX_LENGTH: Final = 256
"""Characters of a SKU that is looked into."""


def read_sku(sku: str | None, rules: SkuRules) -> Item | NotAnItem:
    """The item that a line's SKU stands for, or why it stands for none."""
    text = (sku or "").strip()
    if not text:
        return FOREIGN
    if item := rules.table.get(text):
        return item
    if text in rules.foreign:
        return FOREIGN
    if len(text) > MAX_LENGTH:
        return NotAnItem("sku_unknown")
    parts = _Parts.of(text)
    if parts.products and parts.skus and not any(map(_is_slip, parts.products)):
        return parts.item(rules)
    if _resembles_product(text, parts) or any(_resembles(text, entry) for entry in rules.table):
        return NotAnItem("sku_resembles")
    return FOREIGN


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a SKU, each under what its shape says; `others` have no known shape."""

    products: Set[str]
    skus: Set[str]
    terms: Set[str]
    billing_cycles: Set[str]
    others: Set[str]

    @classmethod
    def of(cls, text: str) -> "_Parts":
        products, skus, terms, cycles, others = (set[str]() for _ in range(5))
        for part in _tokens(text):
            if _PRODUCT.fullmatch(part):
                products.add(part)
            elif part in COMMITMENTS:
                terms.add(COMMITMENTS[part])
            elif _TERM.fullmatch(part):
                terms.add(TERM_ALIASES.get(part, part))
            elif part.upper() in BILLING_ALIASES:
                cycles.add(BILLING_ALIASES[part.upper()])
            elif _SKU.fullmatch(part):
                skus.add(part)
            else:
                others.add(part)
        return cls(products, skus, terms, cycles, others)

    def item(self, rules: SkuRules) -> Item | NotAnItem:
        """The one item that the parts name."""
        found = (self.products, self.skus, self.terms, self.billing_cycles)
        if self.others or any(len(each) > 1 for each in found):
            return NotAnItem("sku_ambiguous")
        cycle = next(iter(self.billing_cycles), rules.billing_cycle)
        # A perpetual licence is paid once and has no term; the default is for subscriptions.
        default_term = None if cycle == "one_time" else rules.term
        term = next(iter(self.terms), default_term)
        if cycle is None or (term is None and cycle != "one_time"):
            return NotAnItem("sku_incomplete")
        return Item(next(iter(self.products)), next(iter(self.skus)), term, cycle)


def _tokens(text: str) -> list[str]:
    return [part for part in _SEPARATORS.split(_ONE_TIME.sub("ONETIME", text)) if part]


def _resembles_product(text: str, parts: _Parts) -> bool:
    """Whether a SKU has the id of a product in it, or nearly so: other case, one character off."""
    if parts.products or any(_PRODUCT.fullmatch(part.upper()) for part in _tokens(text)):
        return True
    compact = "".join(_tokens(text)).upper()
    if any(prefix in compact for prefix in _PREFIXES):
        return True
    return any(_is_slip(token.upper()) for token in _tokens(text))


def _is_slip(token: str) -> bool:
    """Whether a part begins nearly, but not quite, as the ids of Microsoft's products do."""
    return (
        10 <= len(token) <= 14
        and not token.startswith(_PREFIXES)
        and any(_one_off(token[:n], prefix) for prefix in _PREFIXES for n in (7, 8, 9))
    )


def _resembles(text: str, entry: str) -> bool:
    """Whether a SKU is nearly an entry of the table.

    It may differ in case and separators, in one character, or by one part more or less.
    """
    ours, theirs = _tokens(text.upper()), _tokens(entry.upper())
    if _one_off("".join(ours), "".join(theirs)):
        return True
    longer, shorter = (ours, theirs) if len(ours) > len(theirs) else (theirs, ours)
    return len(longer) == len(shorter) + 1 > 1 and any(
        [*longer[:left], *longer[left + 1 :]] == shorter for left in range(len(longer))
    )


def _one_off(first: str, second: str) -> bool:
    """Whether at most one character was changed, added or left out, or two neighbours swapped."""
    if first == second:
        return True
    if abs(len(first) - len(second)) > 1:
        return False
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    rest, other = first[start:], second[start:]
    swapped = rest[1::-1] == other[:2] and rest[2:] == other[2:]
    return rest[1:] == other[1:] or rest[1:] == other or rest == other[1:] or swapped
