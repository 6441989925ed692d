"""A caller of the local cloud, and what several tests send."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from partner_center_emulator import cloud as local
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import catalogue

PARTNER_CENTER = "https://api.partnercenter.microsoft.com"
VAULT = f"https://{local.VAULT}.vault.azure.net"
VAULT_RESOURCE = "https://vault.azure.net"
TOKEN_ENDPOINT = f"https://login.microsoftonline.com/{local.TENANT_ID}/oauth2/v2.0/token"
CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
CARTS = f"{PARTNER_CENTER}/v1/customers/{CUSTOMER}/carts"


def line(item_id: str = catalogue.RESERVATION, **members: Any) -> dict[str, Any]:
    """A line that can be ordered as it is."""
    return {"catalogItemId": item_id, "quantity": 1, "billingCycle": "one_time", **members}


def licence(item_id: str = catalogue.BUSINESS_BASIC, **members: Any) -> dict[str, Any]:
    """A line with a licence."""
    return line(item_id, **{"billingCycle": "monthly", "termDuration": "P1Y", **members})


CART = {"lineItems": [line()]}


def document(answer: httpx.Response) -> Any:
    """The document behind the byte order mark."""
    assert answer.content.startswith(b"\xef\xbb\xbf{")
    return json.loads(answer.content)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an error document."""
    error = document(answer)
    assert error.keys() == {"code", "description", "data", "source"}
    return answer.status_code, error["code"]


async def until(condition: Callable[[], object]) -> None:
    """Waits for something that is bound to happen."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nothing sets an event for it
            await asyncio.sleep(0.005)


@dataclass
class Caller:
    """Somebody who reaches the cloud as production code does, with a new token for each call."""

    cloud: LocalCloud
    client: httpx.AsyncClient

    async def identity_token(
        self, resource: str = VAULT_RESOURCE, header: str = "", **changes: str
    ) -> httpx.Response:
        """What the identity endpoint answers to the managed identity's process."""
        details = self.cloud.connection_details()
        query = {
            "api-version": "2019-08-01",
            "resource": resource,
            "client_id": details.managed_identity_client_id,
        }
        headers = {"X-IDENTITY-HEADER": header or details.identity_header}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return await client.get(
                details.identity_endpoint, params=query | changes, headers=headers
            )

    async def ask_entra(self, **changes: str | None) -> httpx.Response:
        """What the token endpoint answers; by default, to a valid request of the application."""
        form: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "client_id": local.CLIENT_ID,
            "client_secret": self.cloud.client_secret,
            "scope": f"{PARTNER_CENTER}/.default",
            **changes,
        }
        sent = {name: value for name, value in form.items() if value is not None}
        return await self.client.post(TOKEN_ENDPOINT, data=sent)

    async def bearer(self, **changes: str) -> dict[str, str]:
        """The Authorization header of a call to Partner Center."""
        answer = await self.ask_entra(**changes)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def bearer_of_user(self) -> dict[str, str]:
        """The same for a call in the name of the tenant's user."""
        token = self.cloud.entra.add_refresh_token()
        return await self.bearer(grant_type="refresh_token", refresh_token=token)

    async def send(
        self, method: str, url: str, headers: dict[str, str] | None = None, **content: Any
    ) -> httpx.Response:
        """The answer to a call with a valid token."""
        sent = await self.bearer() | (headers or {})
        return await self.client.request(method, url, headers=sent, **content)

    async def create(self, *lines: dict[str, Any], **members: Any) -> Any:
        """The cart that a request with these lines makes."""
        answer = await self.send("POST", CARTS, json={"lineItems": lines, **members})
        assert answer.status_code == 201, answer.text
        return document(answer)

    async def get(self, cart_id: str) -> Any:
        """The cart as it is now."""
        answer = await self.send("GET", f"{CARTS}/{cart_id}")
        assert answer.status_code == 200, answer.text
        return document(answer)

    async def put(self, cart_id: str, *lines: Any, **members: Any) -> httpx.Response:
        """The answer to a change of the cart."""
        sent = {"lineItems": lines, **members}
        return await self.send("PUT", f"{CARTS}/{cart_id}", json=sent)

    async def check_out(
        self, cart_id: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """The answer to a checkout."""
        return await self.send("POST", f"{CARTS}/{cart_id}/checkout", headers, content=content)
