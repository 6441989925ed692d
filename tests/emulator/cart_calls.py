"""Calls on carts, each with a fresh token, and what came of them."""

import json
from typing import Any

import httpx
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import catalogue

from tests.emulator.requests_to_cloud import CARTS, bearer, line


def licence(item_id: str = catalogue.BUSINESS_BASIC, **members: Any) -> dict[str, Any]:
    """A good line with a licence."""
    members = {"billingCycle": "monthly", "termDuration": "P1Y", **members}
    return line(catalogItemId=item_id, **members)


def content_of(answer: httpx.Response) -> Any:
    """The document behind the byte order mark."""
    assert answer.content.startswith(b"\xef\xbb\xbf{")
    return json.loads(answer.content)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a fault."""
    fault = content_of(answer)
    assert fault.keys() == {"code", "description", "data", "source"}
    return answer.status_code, fault["code"]


async def post(
    cloud: LocalCloud, client: httpx.AsyncClient, *lines: dict[str, Any], **members: Any
) -> Any:
    """The cart that a request with these lines makes."""
    headers = await bearer(cloud, client)
    answer = await client.post(CARTS, headers=headers, json={"lineItems": lines, **members})
    assert answer.status_code == 201, answer.text
    return content_of(answer)


async def get(cloud: LocalCloud, client: httpx.AsyncClient, cart_id: str) -> Any:
    """The cart as it is."""
    answer = await client.get(f"{CARTS}/{cart_id}", headers=await bearer(cloud, client))
    assert answer.status_code == 200, answer.text
    return content_of(answer)


async def put(
    cloud: LocalCloud, client: httpx.AsyncClient, cart_id: str, *lines: Any, **members: Any
) -> httpx.Response:
    """The answer to a change of the cart."""
    headers = await bearer(cloud, client)
    document = {"lineItems": lines, **members}
    return await client.put(f"{CARTS}/{cart_id}", headers=headers, json=document)


async def check_out(
    cloud: LocalCloud,
    client: httpx.AsyncClient,
    cart_id: str,
    content: bytes = b"",
    **headers: str,
) -> httpx.Response:
    """The answer to a checkout; underscores in names of headers stand for hyphens."""
    sent = await bearer(cloud, client)
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(f"{CARTS}/{cart_id}/checkout", headers=sent, content=content)
