"""List what a customer may buy of a product: its SKUs, or the terms and billing cycles of one."""

from dataclasses import dataclass
from typing import Any

from cart_core.call import Answer, Call
from cart_core.catalogue.offers import cycles_answer, offered_pairs, sku_answer, terms_answer
from cart_core.catalogue.resolution import NotAvailable
from cart_core.partner_center.catalogue import AGE_FOR_READING, Catalogue
from cart_core.problem import FieldError, Outcome, Problem


@dataclass(frozen=True, slots=True)
class ListOffersCommand:
    """Which product, which SKU of it, for which segment; with a term, the cycles of that alone."""

    product: str
    sku: str | None
    segment: str
    term: str | None = None


class ListOffers:
    """Lists offers."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, call: Call, command: ListOffersCommand) -> Answer:
        """The offers (200); none where the segment is offered nothing. Raises Problem."""
        offers: list[dict[str, Any]] = []
        pairs = []
        if command.sku is None:
            skus = await self._catalogue.skus(call, command.product, command.segment)
            offers = [sku_answer(sku, None) for sku in _or_nothing(skus)]
        else:
            sku_id = f"{command.product}:{command.sku}"
            listed = await self._catalogue.availabilities(
                call, sku_id, command.segment, longest_age=AGE_FOR_READING
            )
            found = _or_nothing(listed)
            pairs = offered_pairs(found, command.segment)
            offers = [sku_answer(each.sku, pairs) for each in found[:1]]
        term = command.term
        body = {
            "customerId": call.customer_id,
            "segment": command.segment,
            "offers": offers,
            "terms": terms_answer(pairs),
            "billingCycles": cycles_answer(
                pair for pair in pairs if term is None or pair.term == term
            ),
        }
        return Answer.read(body, call)


def _or_nothing(listed: Any) -> Any:
    """What was listed; nothing for a segment that is offered nothing. Raises Problem."""
    if not isinstance(listed, NotAvailable):
        return listed
    if listed.failure == "not_offered_to_segment":
        return ()
    raise Problem(
        "partner_center_not_found",
        listed.detail,
        errors=[FieldError("", listed.failure, listed.detail)],
        outcome=Outcome.REJECTED,
    )
