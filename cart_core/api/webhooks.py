"""The route for storefronts' webhooks. Its answers have no body: a forger learns nothing."""

from collections.abc import Awaitable, Callable, Mapping

from cart_core.api.messages import Invocation, Request, Response
from cart_core.storefronts.intake import Receipt

Take = Callable[[str, Mapping[str, str], bytes], Awaitable[Receipt]]
"""Takes a delivery of a source in: its name, the headers by names in lower case, the raw body."""


class Webhooks:
    """`POST /api/webhooks/{source}`: 200, 401, 411, 413 or 503."""

    def __init__(self, take: Take) -> None:
        self._take = take

    async def __call__(self, request: Request, invocation: Invocation) -> Response:
        """The answer to a delivery."""
        receipt = await self._take(request.path.get("source", ""), request.headers, request.body)
        return Response(receipt.status, {}, {"MS-CorrelationId": invocation.correlation_id})
