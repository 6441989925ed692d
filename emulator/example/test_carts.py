"""Tests of a program that calls Partner Center with plain httpx: `pytest emulator/example`."""

import ssl
from collections.abc import Iterator

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.watch.disturbances import Disturbance

CARTS = (
    "https://api.partnercenter.microsoft.com/v1/customers/"
    "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d/carts"
)
LICENCES = {
    "catalogItemId": "CFQ7TTC0LH18:0001:CFQ7TTC0K971",
    "quantity": 5,
    "billingCycle": "monthly",
    "termDuration": "P1Y",
}


@pytest.fixture
def client(partner_center_cloud: LocalCloud) -> Iterator[httpx.Client]:
    """A client that is led into the cloud, and has signed in."""
    details = partner_center_cloud.connection_details()
    trust = ssl.create_default_context(cafile=details.ca_file)
    with httpx.Client(proxy=details.proxy_url, verify=trust, trust_env=False) as client:
        token = client.post(
            f"https://login.microsoftonline.com/{details.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": details.client_id,
                "client_secret": details.client_secret,
                "scope": "https://api.partnercenter.microsoft.com/.default",
            },
        ).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_a_cart_is_bought(client: httpx.Client, partner_center_cloud: LocalCloud) -> None:
    """The cloud has the order that the answer tells of."""
    cart = client.post(CARTS, json={"lineItems": [LICENCES]}).json()
    result = client.post(f"{CARTS}/{cart['id']}/checkout").json()

    assert [order["id"] for order in result["orders"]] == list(
        partner_center_cloud.partner_center.orders
    )


def test_an_answer_is_lost(client: httpx.Client, partner_center_cloud: LocalCloud) -> None:
    """A cart is there although no answer came: a program must expect that."""
    partner_center_cloud.disturbances.inject(
        Disturbance("partner_center", action="drop", commit=True)
    )

    with pytest.raises(httpx.TransportError):
        client.post(CARTS, json={"lineItems": [LICENCES]})

    assert len(partner_center_cloud.partner_center.carts) == 1
