"""Search the products of a customer's catalogue.

Partner Center has no search: the products of one view are read as a whole, and looked through here.
"""

from dataclasses import dataclass
from typing import Final

from cart_core.call import Answer, Call
from cart_core.partner_center.catalogue import Catalogue

MOST_PRODUCTS: Final = 2000
"""Products in one answer: all of a view, because a picker searches in what it was given."""


@dataclass(frozen=True, slots=True)
class SearchProductsCommand:
    """A text in the title or the id ("": all), the view to look through, and the segment."""

    text: str
    view: str
    segment: str


class SearchProducts:
    """Searches products."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, call: Call, command: SearchProductsCommand) -> Answer:
        """The products by their titles (200), and how many there are. Raises Problem."""
        products = await self._catalogue.products(call, command.view, command.segment)
        text = command.text.lower()
        found = [each for each in products if text in f"{each['title']} {each['id']}".lower()]
        found.sort(key=lambda product: product["title"].lower())
        body = {
            "customerId": call.customer_id,
            "totalCount": len(found),
            "products": found[:MOST_PRODUCTS],
        }
        return Answer.read(body, call)
