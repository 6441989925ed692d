"""What makers of flows read: texts, names of values, and who publishes the connector."""

from collections.abc import Mapping

TITLE = "Partner Center Carts"
DESCRIPTION = (
    "Create, read, change and check out carts in Microsoft Partner Center, or place an order in "
    "one step. Carts are checked before they are sent, and one key makes one cart or one order, "
    "however often a flow repeats the step."
)
KEY_EXPRESSION = "concat('order-', triggerOutputs()?['body/id'])"
"""An expression for an idempotency key that each order has to itself, as a maker writes it."""

_TERMS = {"P1M": "One month", "P1Y": "One year", "P3Y": "Three years"}
DROP_DOWNS: Mapping[str, Mapping[str, str]] = {
    "LineItem.billingCycle": {
        "monthly": "Monthly",
        "annual": "Annual",
        "one_time": "One time",
        "none": "None",
        "triennial": "Every three years",
        "biennial": "Every two years",
    },
    "LineItem.termDuration": _TERMS,
    "RenewsTo.termDuration": _TERMS,
    "Participant.key": {
        "transaction_reseller": "Reseller",
        "additional_transaction_reseller": "Additional reseller",
        "consumption_reseller": "Reseller for consumption",
    },
}
"""For members of requests, as Model.member: each value, and the name that the maker sees for it."""

MAKER_DESCRIPTIONS: Mapping[str, str] = {
    "UpdateCart": "Puts this cart in the place of the whole cart: lines that are not there are "
    "gone. To do so twice is to do it once, so no idempotency key is needed.",
    "PlaceOrder": "Makes a cart and buys it. However often the step is repeated with a key, it is "
    "bought once; after a partial answer it tries again what failed.",
    "LineItem.id": "The line's number, unique among lines and add-ons. Missing ones are assigned "
    "from the lowest unused number on.",
    "LineItem.catalogItemId": "Product, SKU and availability as ProductId:SkuId:AvailabilityId; "
    "fetch it shortly before use.",
    "LineItem.billingCycle": "How often it is billed.",
    "LineItem.participants": "The other partners in the purchase.",
    "LineItem.provisioningContext": "What the product needs to be provisioned, as an object with "
    'texts, such as {"scope": "shared"}.',
    "LineItem.addonItems": "Line items that belong to this one.",
    "LineItem.renewsTo": "What a trial turns into when it ends.",
    "CheckoutAnswer.status": "One of completed (all is ordered), partial (some order groups "
    "failed, the same step tries them again), or ordered (the cart was ordered before, and into "
    "what is not known here).",
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
