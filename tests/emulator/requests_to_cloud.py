"""The requests that several tests make of the local cloud."""

from typing import Any

import httpx
from partner_center_emulator import cloud as local
from partner_center_emulator.cloud import LocalCloud

PARTNER_CENTER = "https://api.partnercenter.microsoft.com"
VAULT = f"https://{local.VAULT}.vault.azure.net"
TOKEN_ENDPOINT = f"https://login.microsoftonline.com/{local.TENANT_ID}/oauth2/v2.0/token"
CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
CARTS = f"{PARTNER_CENTER}/v1/customers/{CUSTOMER}/carts"


def line(**members: Any) -> dict[str, Any]:
    """A line that needs nothing more."""
    return {
        "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
        "quantity": 1,
        "billingCycle": "one_time",
        **members,
    }


async def identity_token(
    cloud: LocalCloud, resource: str = "https://vault.azure.net", **changes: str
) -> httpx.Response:
    """What the identity endpoint answers to the managed identity's process."""
    environment = cloud.environment()
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(
            environment["IDENTITY_ENDPOINT"],
            params={
                "api-version": "2019-08-01",
                "resource": resource,
                "client_id": environment["AZURE_CLIENT_ID"],
                **{name: value for name, value in changes.items() if name != "header"},
            },
            headers={"X-IDENTITY-HEADER": changes.get("header", environment["IDENTITY_HEADER"])},
        )


async def ask_entra(
    cloud: LocalCloud, client: httpx.AsyncClient, **changes: str | None
) -> httpx.Response:
    """What the token endpoint answers; by default, to a good request of the application."""
    form: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": local.CLIENT_ID,
        "client_secret": next(iter(cloud.entra.client_secrets)),
        "scope": f"{PARTNER_CENTER}/.default",
        **changes,
    }
    return await client.post(TOKEN_ENDPOINT, data={k: v for k, v in form.items() if v is not None})


async def bearer(cloud: LocalCloud, client: httpx.AsyncClient, **changes: str) -> dict[str, str]:
    """The Authorization header of a call to Partner Center."""
    answer = await ask_entra(cloud, client, **changes)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
