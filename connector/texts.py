"""What makers of flows read: texts, names of values, and who publishes the connector."""

from collections.abc import Mapping
from typing import NamedTuple

TITLE = "Partner Center Carts"
DESCRIPTION = (
    "Create, read, change and check out carts in Microsoft Partner Center, or place an order in "
    "one step. Carts are validated before they are sent. For each idempotency key one cart or one "
    "order is made, however often a flow repeats the step."
)
ERROR_DESCRIPTION = (
    "An error. The members code and detail of the body explain it. An error without them says "
    "nothing about an order. After 429 or 5xx, run the step again later with the same key. After "
    "404, try a few times over some minutes. After 401, correct the connection first."
)
ACCEPTED_DESCRIPTION = "Accepted. The platform asks for the result until there is one."
ACCEPTED_HEADERS: Mapping[str, str] = {
    "Location": "The address at which the platform asks for the result.",
    "Retry-After": "The seconds after which it asks.",
}
BACKGROUND: Mapping[str, tuple[str, str]] = {
    "CreateCart": (
        "Create a cart in the background",
        "Creates a cart like the step Create a cart, but is not cut off after two minutes: the "
        "cart is accepted at once, and the step ends once it is made, even if that takes hours. "
        "Nothing is bought yet.",
    ),
    "CheckOutCart": (
        "Check out a cart in the background",
        "Buys what is in the cart like the step Check out a cart, but is not cut off after two "
        "minutes: the purchase is accepted at once, and the step ends once it is done, even if "
        "that takes hours.",
    ),
    "PlaceOrder": (
        "Place an order in the background",
        "Creates a cart and buys what is in it like the step Place an order, but is not cut off "
        "after two minutes: the order is accepted at once, and the step ends once it is done, even "
        "if that takes hours.",
    ),
}
"""Summary and description of each operation that can be accepted now and done later."""
KEY_EXPRESSION = "concat('order-', triggerOutputs()?['body/id'])"
"""An expression for an idempotency key that each order has to itself, as a maker writes it."""


class Lookup(NamedTuple):
    """A list to choose a value from: the answer of an operation that is called while a maker edits.

    `collection` is the member of the answer with the choices, `value` and `title` are members of a
    choice. `given` are the parameters of the operation that the maker has filled in before: each
    parameter of the path, or member of the same object.
    """

    operation: str
    collection: str
    value: str
    title: str
    given: tuple[str, ...] = ()


LOOKUPS: Mapping[str, Lookup] = {
    "customerId": Lookup("FindCustomers", "customers", "id", "name"),
    "productId": Lookup("SearchProducts", "products", "id", "title", ("customerId", "segment")),
    "skuId": Lookup(
        *("ListOffers", "offers", "skuId", "title"), ("customerId", "segment", "productId")
    ),
    "termDuration": Lookup(
        *("ListOffers", "terms", "termDuration", "title"),
        ("customerId", "segment", "productId", "skuId"),
    ),
    "billingCycle": Lookup(
        *("ListOffers", "billingCycles", "billingCycle", "title"),
        ("customerId", "segment", "productId", "skuId", "termDuration"),
    ),
}
"""For parameters, and for members of a line: the list that the maker chooses from."""

DROP_DOWNS: Mapping[str, Mapping[str, str]] = {
    "LineItem.segment": {
        "commercial": "Commercial",
        "education": "Education",
        "government": "Government",
        "nonprofit": "Nonprofit",
    },
    "RenewsTo.termDuration": {"P1M": "One month", "P1Y": "One year", "P3Y": "Three years"},
    "Participant.key": {
        "transaction_reseller": "Reseller",
        "additional_transaction_reseller": "Additional reseller",
        "consumption_reseller": "Reseller for consumption",
    },
}
"""For members of requests, as Model.member: each value, and the name that the maker sees for it."""

MAKER_DESCRIPTIONS: Mapping[str, str] = {
    "UpdateCart": "Replaces the whole cart: lines that are left out are removed. Running the step "
    "twice has the same effect as running it once, so it takes no idempotency key.",
    "PlaceOrder": "Creates a cart and buys what is in it. However often the step is repeated with "
    "the same key, the cart is bought once. Where the answer was partial, the step tries the "
    "failed order groups again.",
    "LineItem.id": "The line's number, unique among lines and add-ons. Lines without one get the "
    "lowest unused numbers.",
    "LineItem.catalogItemId": "Product, SKU and availability as ProductId:SkuId:AvailabilityId. "
    "It changes: choose a product and a SKU instead.",
    "LineItem.segment": "The customer segment for which the SKU is bought; commercial if empty. "
    "Choose it before the product: the lists go by it.",
    "LineItem.billingCycle": "How often it is billed.",
    "LineItem.provisioningContext": "Values that the product needs to be provisioned, as an object "
    'with texts, such as {"scope": "shared"}.',
    "LineItem.addonItems": "Line items that belong to this one.",
    "CheckoutAnswer.status": "One of completed (everything was ordered), partial (some order "
    "groups failed; the same step tries them again), in_progress (some order groups may be "
    "ordered; the same step finds out), or ordered (the cart was ordered before, and Partner "
    "Center does not say which orders came of it).",
}
"""Descriptions of operations and members for makers, where the document's is not meant for them."""

METADATA = {
    "Website": "https://learn.microsoft.com/partner-center/developer/",
    "Privacy policy": "https://privacy.microsoft.com/privacystatement",
    "Categories": "Commerce",
}
CONTACT = {
    "name": "Your organization",
    "url": "https://www.example.com",
    "email": "support@example.com",
}
