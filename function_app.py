"""The routes of the function app, and the only module that knows Azure Functions."""

import uuid
from urllib.parse import urlsplit

import azure.functions as func

from cart_core import composition
from cart_core.api import about
from cart_core.api.invocation import Handler, answer
from cart_core.api.messages import Request, Response
from cart_core.api.webhooks import Webhooks
from cart_core.json_text import write_json

LEVEL = func.AuthLevel.ANONYMOUS if composition.gate().replaces_keys else func.AuthLevel.FUNCTION
"""What admits a caller before the gate does: a key, unless the platform checks tokens.

If it stops checking them, keys are demanded again.
"""

OPERATORS = LEVEL if LEVEL is func.AuthLevel.ANONYMOUS else func.AuthLevel.ADMIN
"""What the platform demands of an operator: the host's master key, unless it checks tokens."""

RECEIVE_WEBHOOK = Webhooks(composition.take_webhook)

app = func.FunctionApp(http_auth_level=LEVEL)


@app.route("customers/{customerId}/carts", methods=["POST"])
async def create_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Create a cart in Partner Center."""
    return await serve(req, "create_cart", composition.endpoint("create_cart"))


@app.route("customers/{customerId}/carts/preflight", methods=["POST"])
async def preflight_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Look at a cart before anything is sent."""
    return await serve(req, "preflight_cart", composition.endpoint("preflight_cart"))


@app.route("customers/{customerId}/carts/{cartId}", methods=["GET"])
async def get_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Read a cart."""
    return await serve(req, "get_cart", composition.endpoint("get_cart"))


@app.route("customers/{customerId}/carts/{cartId}", methods=["PUT"])
async def update_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Replace a whole cart."""
    return await serve(req, "update_cart", composition.endpoint("update_cart"))


@app.route("customers/{customerId}/carts/{cartId}/checkout", methods=["POST"])
async def checkout_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Buy what is in a cart."""
    return await serve(req, "checkout_cart", composition.endpoint("checkout_cart"))


@app.route("customers/{customerId}/orders", methods=["POST"])
async def place_order(req: func.HttpRequest) -> func.HttpResponse:
    """Create a cart and buy what is in it."""
    return await serve(req, "place_order", composition.endpoint("place_order"))


@app.route("customers", methods=["GET"])
async def find_customers(req: func.HttpRequest) -> func.HttpResponse:
    """Find customers."""
    return await serve(req, "find_customers", composition.endpoint("find_customers"))


@app.route("customers/{customerId}", methods=["GET"])
async def get_customer(req: func.HttpRequest) -> func.HttpResponse:
    """Read a customer."""
    return await serve(req, "get_customer", composition.endpoint("get_customer"))


@app.route("customers/{customerId}/products", methods=["GET"])
async def search_products(req: func.HttpRequest) -> func.HttpResponse:
    """Search the products that a customer may buy."""
    return await serve(req, "search_products", composition.endpoint("search_products"))


@app.route("customers/{customerId}/offers", methods=["GET"])
async def list_offers(req: func.HttpRequest) -> func.HttpResponse:
    """List the SKUs of a product, or the terms and billing cycles of a SKU."""
    return await serve(req, "list_offers", composition.endpoint("list_offers"))


@app.route("accepted/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_accepted(req: func.HttpRequest) -> func.HttpResponse:
    """Say how far an accepted operation is."""
    return await serve(req, "get_accepted", composition.endpoint("get_accepted"))


@app.route("accepted/{id}/result", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_accepted_result(req: func.HttpRequest) -> func.HttpResponse:
    """Give the answer to an accepted operation, once there is one."""
    return await serve(req, "get_accepted_result", composition.endpoint("get_accepted_result"))


@app.route("operations", methods=["GET"], auth_level=OPERATORS)
async def list_operations(req: func.HttpRequest) -> func.HttpResponse:
    """List the accepted operations that have not ended."""
    return await serve(req, "list_operations", composition.endpoint("list_operations"))


@app.route("operations/{id}/replay", methods=["POST"], auth_level=OPERATORS)
async def replay_operation(req: func.HttpRequest) -> func.HttpResponse:
    """Let a dead operation be tried again."""
    return await serve(req, "replay_operation", composition.endpoint("replay_operation"))


@app.route("operations/{id}/discard", methods=["POST"], auth_level=OPERATORS)
async def discard_operation(req: func.HttpRequest) -> func.HttpResponse:
    """Let an operation that is dead, or waits, never be tried again."""
    return await serve(req, "discard_operation", composition.endpoint("discard_operation"))


@app.route("webhooks/{source}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def receive_webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Take a delivery of a storefront in; its signature says who sends it."""
    return await serve(req, "receive_webhook", RECEIVE_WEBHOOK)


@app.route("storefront-orders", methods=["GET"], auth_level=OPERATORS)
async def list_parked_orders(req: func.HttpRequest) -> func.HttpResponse:
    """List storefronts' orders that wait for a person."""
    return await serve(req, "list_parked_orders", composition.endpoint("list_parked_orders"))


@app.route("storefront-orders/{orderId}", methods=["GET"], auth_level=OPERATORS)
async def get_storefront_order(req: func.HttpRequest) -> func.HttpResponse:
    """Show what became of an order of a storefront."""
    return await serve(req, "get_storefront_order", composition.endpoint("get_storefront_order"))


@app.route("storefront-orders/{orderId}/release", methods=["POST"], auth_level=OPERATORS)
async def release_parked_order(req: func.HttpRequest) -> func.HttpResponse:
    """Let a parked order be looked into again."""
    return await serve(req, "release_parked_order", composition.endpoint("release_parked_order"))


@app.route("storefront-orders/{orderId}/discard", methods=["POST"], auth_level=OPERATORS)
async def discard_parked_order(req: func.HttpRequest) -> func.HttpResponse:
    """Let a parked order never be bought."""
    return await serve(req, "discard_parked_order", composition.endpoint("discard_parked_order"))


@app.route("openapi.json", methods=["GET"])
async def get_openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Describe this API."""
    return await serve(req, "get_openapi", about.get_openapi)


@app.route("ready", methods=["GET"])
async def get_ready(req: func.HttpRequest) -> func.HttpResponse:
    """Say what is still missing in this deployment."""
    return await serve(req, "get_ready", composition.get_ready)


@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_health(req: func.HttpRequest) -> func.HttpResponse:
    """Say that the app runs, and which version of it."""
    return await serve(req, "get_health", about.get_health)


@app.timer_trigger("timer", schedule="0 0 3 * * *")
async def rotate_refresh_token(timer: func.TimerRequest) -> None:
    """Exchange the refresh token of app+user mode, daily at 03:00 UTC."""
    await composition.rotate_refresh_token()


@app.queue_trigger("message", queue_name="accepted-operations", connection="AzureWebJobsStorage")
async def work_off(message: func.QueueMessage) -> None:
    """Work an accepted operation off, or come back to it later."""
    await composition.answer_bell(message.get_body())


@app.timer_trigger("timer", schedule="0 * * * * *")
async def sweep_operations(timer: func.TimerRequest) -> None:
    """Find what the queue has forgotten, each minute."""
    await composition.sweep_operations()


async def serve(request: func.HttpRequest, name: str, handler: Handler) -> func.HttpResponse:
    """Answer an HTTP-triggered invocation with a handler of the core."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if code := request.params.get("code"):  # the other place in which the platform takes a key
        headers.setdefault("x-functions-key", code)
    query = {name.lower(): value for name, value in request.params.items()}
    parts = urlsplit(request.url)
    origin = f"{parts.scheme}://{parts.netloc}"
    inner = Request(headers, dict(request.route_params), request.get_body(), query, origin)
    run = composition.admitted(name, handler)
    return to_http_response(await answer(name, run, inner, str(uuid.uuid4())))


def to_http_response(response: Response) -> func.HttpResponse:
    """The response as JSON; lone surrogates that Partner Center might send stay escaped.

    An empty object is sent as no body at all: only webhooks are answered so.
    """
    headers = dict(response.headers)
    media_type = headers.pop("Content-Type", "application/json")
    return func.HttpResponse(
        write_json(response.body) if response.body else "",
        status_code=response.status,
        headers=headers,
        mimetype=media_type,
    )
