"""Requests to try the app with."""

import json
from dataclasses import dataclass
from typing import Any

CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
CARTS = f"/api/customers/{CUSTOMER}/carts"
ORDERS = f"/api/customers/{CUSTOMER}/orders"

SAMPLE_CART = """\
{
   "LineItems": [
        {
            "Id":0,
            "CatalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
            "FriendlyName": "A_sample_Azure_RI",
            "Quantity": 2,
            "BillingCycle": "one_time",
            "ProvisioningContext": {
                "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                "scope": "shared",
                "duration": "1Year"
            }
        }
    ],
    "Attributes": {
        "ObjectType": "Cart"
    }
}"""
"""The request body of Microsoft's page "Create a cart", spelled as there."""

RESERVATION = {
    "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
    "friendlyName": "A_sample_Azure_RI",
    "quantity": 2,
    "billingCycle": "one_time",
}
LICENCES = {
    "catalogItemId": "CFQ7TTC0LH18:0001:CFQ7TTC0K971",
    "quantity": 5,
    "billingCycle": "monthly",
    "termDuration": "P1Y",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A request: what it shows, where it goes, and its body."""

    label: str
    path: str
    body: dict[str, Any]

    @property
    def content(self) -> str:
        """The body as it is sent."""
        return json.dumps(self.body)


SAMPLES = {
    "order": Sample("An order of licences", ORDERS, {"lineItems": [LICENCES]}),
    "cart": Sample("A cart with a reservation", CARTS, {"lineItems": [RESERVATION]}),
    "two-orders": Sample(
        "An order of which one part fails",
        ORDERS,
        {
            "lineItems": [
                {**LICENCES, "orderGroup": "0"},
                {
                    **LICENCES,
                    "catalogItemId": "CFQ7TTC0CRED:0001:CFQ7TTC0NONE",
                    "orderGroup": "1",
                },
            ]
        },
    ),
    "not-orderable": Sample(
        "An order that Partner Center will not sell",
        ORDERS,
        {"lineItems": [{**LICENCES, "catalogItemId": "CFQ7TTC0SOLD:0001:CFQ7TTC0GONE"}]},
    ),
    "invalid": Sample("A cart with a mistake", CARTS, {"lineItems": [{**LICENCES, "quantity": 0}]}),
}
"""The samples by name, in the order in which they are offered."""


def curl_line(url: str, key: str) -> str:
    """A command to try: it creates a cart."""
    return (
        f"curl -i {url}{CARTS} \\\n"
        f"  -H 'x-functions-key: {key}' -H 'Idempotency-Key: order-1001' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        '  -d \'{"lineItems": [{"productId": "CFQ7TTC0LH18", "skuId": "0001", "quantity": 2,'
        ' "termDuration": "P1Y", "billingCycle": "monthly"}]}\'\n'
    )
