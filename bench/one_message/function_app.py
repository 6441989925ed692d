"""A bare function: it puts one message into a queue with Microsoft's SDK, and answers 202.

It is the least that a function can do to hand something over: no check, no key, no record, and one
client for all requests.
"""

import os
from functools import cache

import azure.functions as func
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue.aio import QueueClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@cache
def queue() -> QueueClient:
    """The client of this process."""
    return QueueClient(
        os.environ["AzureWebJobsStorage__queueServiceUri"],  # noqa: SIM112 - its name
        "accepted-operations",
        credential=ManagedIdentityCredential(client_id=os.environ["AZURE_CLIENT_ID"]),
    )


@app.route("customers/{customerId}/carts", methods=["POST"])
async def create_cart(req: func.HttpRequest) -> func.HttpResponse:
    """Leave a message for whoever makes the cart."""
    await queue().send_message("{}")
    return func.HttpResponse(status_code=202)
