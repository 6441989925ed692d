"""Which availability a line means: by the pair, in its segment, and never by chance."""

from typing import Any

import pytest

from cart_core.catalogue.availability import Pair, read_availabilities
from cart_core.catalogue.resolution import NotAvailable, Resolved, Wanted, resolve
from tests.kit.catalogue import SKU, availability, terms

TODAY, OTHER = "CFQ7TTC0K971", "CFQ7TTC0ZZZZ"
Items = list[dict[str, Any]]


def found(items: Items, **wanted: Any) -> Resolved | NotAvailable:
    """What is found for a line of P1Y with monthly billing, or for another one."""
    asked = Wanted(**{"sku_id": SKU, "billing_cycle": "monthly", "term": "P1Y"} | wanted)
    return resolve(asked, read_availabilities(items, SKU))


ONE_TIME: dict[str, Any] = {"sku": {"supportedBillingCycles": ["one_time"]}}

TAKEN: dict[str, tuple[Items, dict[str, Any]]] = {
    "not the first item, but the one with the pair": (
        [
            availability(OTHER, terms=terms(("P1M", "Monthly"), ("P1Y", "Annual"))),
            availability(terms=terms(("P1Y", "Monthly"))),
        ],
        {},
    ),
    "spelt in any case": (
        [availability(terms=terms(("p1y", "ANNUAL")), segment="Commercial")],
        {"billing_cycle": "annual", "term": "p1y"},
    ),
    "a currency that is a text": ([availability(defaultCurrency="USD")], {"currency": "USD"}),
    "what may not go into a cart is left out": (
        [availability(OTHER, isPurchasable=False), availability()],
        {},
    ),
    "what does not say that it may go into a cart is left out": (
        [availability(OTHER, isPurchasable=None), availability()],
        {},
    ),
    "another segment is left out": (
        [availability(OTHER, segment="education"), availability()],
        {},
    ),
    "the segment that was asked for": (
        [availability(OTHER), availability(segment="Nonprofit")],
        {"segment": "nonprofit"},
    ),
    "of two that are alike, the one that can be renewed": (
        [availability(OTHER, isRenewable=False), availability()],
        {},
    ),
    "the currency that the line names": (
        [availability(OTHER), availability(defaultCurrency={"code": "eur"})],
        {"currency": "EUR"},
    ),
    "one that does not say its currency": (
        [availability(defaultCurrency=None)],
        {"currency": "USD"},
    ),
    "the only pair, where no term is given": (
        [availability(terms=terms(("P1M", "Monthly")))],
        {"term": None},
    ),
    "no terms at all: the SKU's billing cycles": (
        [availability(terms=[], **ONE_TIME)],
        {"term": None, "billing_cycle": "one_time"},
    ),
    "a term without a billing cycle: the SKU's": (
        [availability(terms=terms(("P3Y", None)), **ONE_TIME)],
        {"term": "P3Y", "billing_cycle": "one_time"},
    ),
    "a billing cycle without a term": (
        [availability(terms=terms((None, "One_Time")))],
        {"term": None, "billing_cycle": "one_time"},
    ),
    "an id in another case": (
        [
            availability(OTHER, isPurchasable=False, catalogItemId=f"{SKU}:x".lower()),
            availability(),
        ],
        {},
    ),
    "an id from its parts": (
        [{k: v for k, v in availability().items() if k != "catalogItemId"}],
        {},
    ),
}


@pytest.mark.parametrize(("items", "wanted"), TAKEN.values(), ids=TAKEN)
def test_the_availability_that_is_meant_is_taken(items: Items, wanted: dict[str, Any]) -> None:
    resolved = found(items, **wanted)
    assert isinstance(resolved, Resolved), resolved
    assert resolved.catalog_item_id == f"{SKU}:{TODAY}"
    assert resolved.billing_cycle == wanted.get("billing_cycle", "monthly")
    assert resolved.segment == wanted.get("segment", "commercial")


REFUSED: dict[str, tuple[Items, dict[str, Any], str]] = {
    "an empty list": ([], {}, "not_offered_to_segment"),
    "only other segments": (
        [availability(segment="government")],
        {},
        "not_offered_to_segment",
    ),
    "none that may go into a cart": ([availability(isPurchasable=False)], {}, "not_purchasable"),
    "another term": ([availability()], {"term": "P3Y"}, "term_not_offered"),
    # Both halves are offered, but not with each other, as supportedBillingCycles would allow.
    "a wrong pair": (
        [availability()],
        {"term": "P1M", "billing_cycle": "annual"},
        "billing_cycle_not_offered",
    ),
    "a cycle of no term": (
        [availability()],
        {"billing_cycle": "triennial"},
        "billing_cycle_not_offered",
    ),
    "a term for an item without terms": (
        [availability(terms=[], **ONE_TIME)],
        {"billing_cycle": "one_time"},
        "term_not_offered",
    ),
    "no term, and several are offered": (
        [availability()],
        {"term": None},
        "ambiguous_availability",
    ),
    # Only one pair has this cycle today; tomorrow another one may have it.
    "no term, and one pair has the cycle": (
        [availability()],
        {"term": None, "billing_cycle": "annual"},
        "ambiguous_availability",
    ),
    "two that nothing tells apart": (
        [availability(), availability(OTHER)],
        {},
        "ambiguous_availability",
    ),
    "two currencies": (
        [availability(), availability(OTHER, defaultCurrency="EUR", isRenewable=False)],
        {},
        "ambiguous_availability",
    ),
    # That one of them can be renewed tells two apart only where all else is the same.
    "two countries": (
        [availability(), availability(OTHER, country="DE", isRenewable=False)],
        {},
        "ambiguous_availability",
    ),
    "another currency": ([availability()], {"currency": "GBP"}, "currency_not_offered"),
}


@pytest.mark.parametrize(("items", "wanted", "failure"), REFUSED.values(), ids=REFUSED)
def test_nothing_is_guessed(items: Items, wanted: dict[str, Any], failure: str) -> None:
    refused = found(items, **wanted)
    assert isinstance(refused, NotAvailable), refused
    assert refused.failure == failure
    entry = refused.as_json("/lineItems/0")
    assert (entry["pointer"], entry["failure"]) == ("/lineItems/0", failure)
    assert bool(entry["offered"]) == (
        failure in ("term_not_offered", "billing_cycle_not_offered")
        or wanted.get("term", 1) is None
    )
    assert bool(entry["candidates"]) == (
        failure == "currency_not_offered" or (failure[0] == "a" and len(items) == 2)
    )


def test_the_offered_pairs_are_told() -> None:
    refused = found([availability()], term="P3Y")
    assert isinstance(refused, NotAvailable)
    assert refused.offered == [
        Pair("P1M", "monthly"),
        Pair("P1Y", "annual"),
        Pair("P1Y", "monthly"),
    ]
    assert "P1M with monthly; P1Y with annual; P1Y with monthly" in refused.detail


@pytest.mark.parametrize(
    "item",
    [
        *(5, {}, {"catalogItemId": 5}, availability(sku_id="CFQ7TTC0LH18:0002")),
        *(availability(sku=None), availability(terms={"a": 1}), availability(terms=[5])),
    ],
    ids=str,
)
def test_a_list_that_is_not_clear_is_not_read(item: Any) -> None:
    with pytest.raises(ValueError, match=r"not an object|another SKU|no list"):
        read_availabilities([availability(), item], SKU)
