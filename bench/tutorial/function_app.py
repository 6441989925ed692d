"""The function of a tutorial: a new client and a new token for each request, no check, no retry.

It reads its client secret from the setting CLIENT_SECRET, as tutorials do.
"""

import os

import azure.functions as func
import httpx

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("customers/{customerId}/carts", methods=["POST"])
async def create_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Create a cart in Partner Center."""
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(
            f"https://login.microsoftonline.com/{os.environ['PARTNER_CENTER_TENANT_ID']}"
            "/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": os.environ["PARTNER_CENTER_CLIENT_ID"],
                "client_secret": os.environ["CLIENT_SECRET"],
                "scope": "https://api.partnercenter.microsoft.com/.default",
            },
        )
        token = answer.raise_for_status().json()["access_token"]
        cart = await client.post(
            "https://api.partnercenter.microsoft.com/v1/customers/"
            f"{req.route_params['customerId']}/carts",
            headers={"Authorization": f"Bearer {token}"},
            json=req.get_json(),
        )
    return func.HttpResponse(
        cart.content, status_code=cart.status_code, mimetype="application/json"
    )
