"""How Partner Center refuses requests: the error itself, and the refusals that have a name."""

from collections.abc import Mapping


class RefusalError(Exception):
    """A request that is answered with an error document.

    `status` is the HTTP status, `code` Partner Center's own error code.
    """

    def __init__(self, status: int, code: str | int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description


UNKNOWN_CUSTOMER = "00000000-0000-4000-8000-000000000404"
NO_RELATIONSHIP = "00000000-0000-4000-8000-000000020002"
NO_AGREEMENT = "00000000-0000-4000-8000-000000013605"

REFUSED_CUSTOMERS: Mapping[str, tuple[int, str, str]] = {
    UNKNOWN_CUSTOMER: (404, "60003", "The tenant was not found."),
    NO_RELATIONSHIP: (403, "20002", "There is no relationship between partner and customer."),
    NO_AGREEMENT: (403, "13605", "The customer has not accepted the Microsoft Customer Agreement."),
}
"""The customers whose requests are all refused, with RefusalError's arguments. Every other GUID is
the id of a customer in good standing."""

BUSY: Mapping[str, str] = {
    "800060": "The order is in progress. Look into the order history in a few minutes.",
    "800064": "The cart is being processed by another request.",
}
"""The codes, with their descriptions, of a 409 for a cart that another request is changing."""


def invalid_input(description: str) -> RefusalError:
    """The refusal of a request whose body is malformed."""
    return RefusalError(400, "800002", description)


def cart_not_found() -> RefusalError:
    """The refusal of a request for a cart that does not exist."""
    return RefusalError(404, "800008", "The cart could not be retrieved.")


def order_not_found() -> RefusalError:
    """The refusal of a request for an order that does not exist."""
    return RefusalError(404, "1000", "The order was not found.")


def already_submitted() -> RefusalError:
    """The refusal of a change to a cart that is ordered."""
    return RefusalError(400, "800065", "The cart is already submitted.")


def stale_item(catalog_item_id: str) -> RefusalError:
    """The refusal of an availability that was replaced by another one."""
    return RefusalError(400, "400019", f"The availability '{catalog_item_id}' was not found.")
