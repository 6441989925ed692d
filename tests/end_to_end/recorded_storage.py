"""Storage that reports what it accepted, and disturbances that begin at a later request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from partner_center_emulator.cloud import TENANT_ID
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.services.blob_storage import BlobStorage
from partner_center_emulator.services.tokens import Tokens
from partner_center_emulator.watch.disturbances import Disturbance, Handler
from partner_center_emulator.watch.journal import Service


class RecordedStorage(BlobStorage):
    """Reports each blob that Azurite accepted, by name and content.

    The journal has the status that a caller was sent, which says nothing where a disturbance lost
    or replaced the answer.
    """

    def __init__(
        self, azurite: Azurite, tokens: Tokens, on_write: Callable[[str, bytes], None]
    ) -> None:
        super().__init__(azurite, tokens, TENANT_ID)
        self._on_write = on_write

    def routes(self) -> list[web.RouteDef]:
        """See BlobStorage."""
        return [
            web.route(route.method, route.path, self._reporting(route.handler))
            for route in super().routes()
        ]

    def _reporting(self, handler: Any) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            response: web.StreamResponse = await handler(request)
            if request.method == "PUT" and response.status == 201:
                blob = request.path.split("/", 2)[2]  # the container comes before it
                self._on_write(blob, await request.read())
            return response

        return handle


@dataclass
class LaterDisturbance(Disturbance):
    """A disturbance that lets the first requests pass that it is meant for."""

    passes: int = 0

    def matches(self, service: Service, request: web.Request) -> bool:
        """See Disturbance. To be called once for each request."""
        if not super().matches(service, request):
            return False
        self.passes -= 1
        return self.passes < 0
