"""The route for storefronts' webhooks. Its answers have no body: a forger learns nothing."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from cart_core.api.messages import Invocation, Request, Response
from cart_core.problem import Problem

_LOG = logging.getLogger("cart_core")


class Receipt(Protocol):
    """What became of a delivery."""

    @property
    def status(self) -> int:
        """The HTTP status to answer with."""


Take = Callable[[str, Mapping[str, str], bytes], Awaitable[Receipt]]
"""Takes a delivery of a source in: its name, the headers by names in lower case, the raw body.

Raises Problem where the app is not configured.
"""


class Webhooks:
    """`POST /api/webhooks/{source}`: 200, 401, 411, 413 or 503."""

    def __init__(self, take: Take) -> None:
        self._take = take

    async def __call__(self, request: Request, invocation: Invocation) -> Response:
        """The answer to a delivery."""
        name = request.path.get("source", "")
        try:
            status = (await self._take(name, request.headers, request.body)).status
        except Problem as problem:
            _LOG.error("a delivery could not be taken in: %s", problem)
            status = 503
        return Response(status, {}, {"MS-CorrelationId": invocation.correlation_id})
