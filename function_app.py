"""The routes of the function app."""

import azure.functions as func

from cart_core import composition, health
from cart_core.azure_functions import serve

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("customers/{customerId}/carts", methods=["POST"])
async def create_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Create a cart in Partner Center."""
    return await serve(req, composition.create_cart)


@app.route("customers/{customerId}/carts/{cartId}", methods=["GET"])
async def get_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Read a cart."""
    return await serve(req, composition.get_cart)


@app.route("customers/{customerId}/carts/{cartId}", methods=["PUT"])
async def update_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Replace a whole cart."""
    return await serve(req, composition.update_cart)


@app.route("customers/{customerId}/carts/{cartId}/checkout", methods=["POST"])
async def checkout_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Buy what is in a cart."""
    return await serve(req, composition.checkout_cart)


@app.route("customers/{customerId}/orders", methods=["POST"])
async def place_order(req: func.HttpRequest) -> func.HttpResponse:
    """Create a cart and buy what is in it."""
    return await serve(req, composition.place_order)


@app.route("openapi.json", methods=["GET"])
async def get_openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Describe this API."""
    return await serve(req, composition.get_openapi)


@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_health(req: func.HttpRequest) -> func.HttpResponse:
    """Say that the app runs, and which version of it."""
    return await serve(req, health.get_health)


@app.timer_trigger("timer", schedule="0 0 3 * * *")
async def rotate_refresh_token(timer: func.TimerRequest) -> None:
    """Exchange the refresh token of app+user mode, daily at 03:00 UTC."""
    await composition.rotate_refresh_token()
