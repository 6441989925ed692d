"""A bare function: one aiohttp session and one token for all requests; it hands on bytes.

It is the least that a function can do for a cart: no check, no retry, no limit, no log line, and
nothing of the answer is read. Its token is the setting PARTNER_CENTER_TOKEN.
"""

import os
from functools import cache

import aiohttp
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@cache
def session() -> aiohttp.ClientSession:
    """The session of this process."""
    return aiohttp.ClientSession(trust_env=True)


@app.route("customers/{customerId}/carts", methods=["POST"])
async def create_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Create a cart in Partner Center."""
    async with session().post(
        "https://api.partnercenter.microsoft.com/v1/customers/"
        f"{req.route_params['customerId']}/carts",
        headers={
            "Authorization": f"Bearer {os.environ['PARTNER_CENTER_TOKEN']}",
            "Content-Type": "application/json",
        },
        data=req.get_body(),
    ) as cart:
        return func.HttpResponse(
            await cart.read(), status_code=cart.status, mimetype="application/json"
        )
