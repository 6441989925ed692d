"""Which availability a line means that names a SKU, a term and a billing cycle.

The pair of term and billing cycle decides, from the list of the customer's own availabilities for
one segment. Nothing is guessed: where two availabilities are left, the caller has to choose.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cart_core.catalogue.availability import Availability, Pair

DEFAULT_SEGMENT = "commercial"

Failure = Literal[
    "product_not_found",
    "sku_not_found",
    "not_offered_to_segment",
    "not_purchasable",
    "term_not_offered",
    "billing_cycle_not_offered",
    "currency_not_offered",
    "ambiguous_availability",
]
"""Why no availability can be taken."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a line asks for. `sku_id` is `Product:Sku`; a `term` or a currency may be left out."""

    sku_id: str
    billing_cycle: str
    term: str | None = None
    segment: str = DEFAULT_SEGMENT
    currency: str | None = None

    @classmethod
    def by(cls, line: Mapping[str, Any]) -> "Wanted":
        """What a valid line of a cart asks for, which names a SKU."""
        return cls(
            line["catalogItemId"],
            line["billingCycle"],
            line.get("termDuration"),
            line.get("segment") or DEFAULT_SEGMENT,
            line.get("currencyCode"),
        )


@dataclass(frozen=True, slots=True)
class Resolved:
    """The availability of today for a line, and what it was found by."""

    catalog_item_id: str
    term: str | None
    billing_cycle: str
    segment: str
    currency: str | None

    def line_members(self) -> dict[str, Any]:
        """What the line is sent with."""
        term = {"termDuration": self.term} if self.term else {}
        return {"catalogItemId": self.catalog_item_id, **term}

    def as_json(self) -> dict[str, Any]:
        """What a record keeps."""
        return {
            "catalogItemId": self.catalog_item_id,
            "termDuration": self.term,
            "billingCycle": self.billing_cycle,
            "segment": self.segment,
            "currencyCode": self.currency,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Resolved":
        """The same from a record."""
        return cls(
            kept["catalogItemId"],
            kept["termDuration"],
            kept["billingCycle"],
            kept["segment"],
            kept["currencyCode"],
        )

    def changes(self, other: "Resolved") -> list[str]:
        """The names of what makes another availability another purchase."""
        mine, theirs = self.as_json(), other.as_json()
        return [name for name in mine if name != "catalogItemId" and mine[name] != theirs[name]]


@dataclass(frozen=True, slots=True)
class NotAvailable:
    """Why no availability was taken, with what a caller may choose instead."""

    failure: Failure
    detail: str
    offered: Sequence[Pair] = ()
    candidates: Sequence[Mapping[str, Any]] = field(default=())

    def as_json(self, pointer: str) -> dict[str, Any]:
        """The entry of `unavailableItems` for the line at `pointer`."""
        return {
            "pointer": pointer,
            "failure": self.failure,
            "offered": [pair.as_json() for pair in self.offered],
            "candidates": [dict(each) for each in self.candidates],
        }


def resolve(wanted: Wanted, availabilities: Iterable[Availability]) -> Resolved | NotAvailable:
    """The one availability that a line means. `availabilities` are all that the list has."""
    of_segment = [each for each in availabilities if each.segment in (wanted.segment, None)]
    if not of_segment:
        return NotAvailable(
            "not_offered_to_segment",
            f"The customer is not offered this SKU in the segment {wanted.segment}.",
        )
    purchasable = [each for each in of_segment if each.purchasable]
    if not purchasable:
        return NotAvailable("not_purchasable", "This SKU cannot be bought at present.")
    offered = sorted(
        {pair for each in purchasable for pair in each.pairs},
        key=lambda pair: (pair.term or "", pair.billing_cycle),
    )
    pair = _pair(wanted, offered)
    if isinstance(pair, NotAvailable):
        return pair
    survivors = [each for each in purchasable if pair in each.pairs]
    chosen = _choose(wanted, survivors)
    if isinstance(chosen, NotAvailable):
        return chosen
    return Resolved(
        chosen.catalog_item_id, pair.term, pair.billing_cycle, wanted.segment, chosen.currency
    )


def _pair(wanted: Wanted, offered: Sequence[Pair]) -> Pair | NotAvailable:
    """The pair that is meant. Without a term: the only pair, or that of an item without terms."""
    in_words = f"Offered are: {_in_words(offered)}."
    if wanted.term is None and any(pair.term for pair in offered) and len(offered) > 1:
        return NotAvailable(
            "ambiguous_availability", f"Give the 'termDuration'. {in_words}", offered
        )
    term = wanted.term.upper() if wanted.term else None
    of_term = [pair for pair in offered if term is None or pair.term == term]
    if not of_term:
        return NotAvailable("term_not_offered", f"This term is not offered. {in_words}", offered)
    found = [pair for pair in of_term if pair.billing_cycle == wanted.billing_cycle]
    if not found:
        detail = f"This billing cycle is not offered for this term. {in_words}"
        return NotAvailable("billing_cycle_not_offered", detail, offered)
    return found[0]


def _choose(wanted: Wanted, survivors: Sequence[Availability]) -> Availability | NotAvailable:
    """The one of the availabilities with the pair that is meant, by currency and renewal."""
    if wanted.currency:
        in_currency = [each for each in survivors if each.currency in (wanted.currency, None)]
        if not in_currency:
            return NotAvailable(
                "currency_not_offered",
                "This SKU is not offered in the line's currency. See 'candidates'.",
                candidates=[each.as_json() for each in survivors],
            )
        survivors = in_currency
    if len({(each.currency, each.country) for each in survivors}) == 1:
        survivors = [each for each in survivors if each.renewable] or survivors
        if len(survivors) == 1:
            return survivors[0]
    return NotAvailable(
        "ambiguous_availability",
        "More than one availability fits, and the function does not guess. Give the"
        " 'currencyCode', or one of the 'candidates' as the catalogItemId.",
        candidates=[each.as_json() for each in survivors],
    )


def _in_words(pairs: Iterable[Pair]) -> str:
    words = [f"{pair.term or 'no term'} with {pair.billing_cycle}" for pair in pairs]
    return "; ".join(words) or "nothing"
