"""The control endpoint: look at the local cloud and disturb it from another process.

Plain HTTP on loopback, JSON in and out:

    GET  /emulator/environment      the environment of a function process
    GET  /emulator/requests         what arrived, oldest first; ?service= and ?path= choose
    GET  /emulator/counts           how much arrived, by service
    GET  /emulator/connections      what was asked of the proxy
    GET  /emulator/carts            the carts that exist
    GET  /emulator/orders           the orders, with the checkouts that they answered
    POST /emulator/expire           {"cart_id"}: ends a cart's life
    POST /emulator/check-out        {"cart_id"}: orders a cart, as somebody else would
    GET  /emulator/faults           the disturbances in force; DELETE ends them
    POST /emulator/faults           adds one Fault, or a list of them
    POST /emulator/settings         any of "deduplicate", "put_status", "repeat_checkout",
                                    "change_seconds", "busy_code", "token_lifetime", "mfa", "seed"
    POST /emulator/rotate-secret    {"in_vault": false} leaves the old secret in the vault
    POST /emulator/revoke-tokens    makes all tokens worthless
    POST /emulator/routes           {"host", "port"}: one more host behind the proxy
    POST /emulator/reset            forgets carts, orders, requests and faults
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from partner_center_emulator.partner_center.api import RefusalError
from partner_center_emulator.watch.faults import Fault

if TYPE_CHECKING:
    from partner_center_emulator.cloud import LocalCloud


_PARTNER_CENTER_SWITCHES = (
    *("deduplicate", "put_status", "repeat_checkout"),
    *("change_seconds", "busy_code"),
)
_ENTRA_SWITCHES = ("token_lifetime", "mfa")


class Control:
    """The routes over one local cloud."""

    def __init__(self, cloud: "LocalCloud") -> None:
        self._cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """The routes of the module's docstring, relative to the mount point."""
        cloud = self._cloud
        return [
            web.get("/environment", _tell(cloud.environment)),
            web.get("/requests", self._requests),
            web.get("/counts", _tell(lambda: cloud.journal.counts)),
            web.get("/connections", _tell(lambda: [asdict(c) for c in cloud.proxy.connections])),
            web.get("/carts", _tell(cloud.partner_center.as_json)),
            web.get("/orders", _tell(cloud.partner_center.orders_as_json)),
            web.post("/expire", _do(cloud.partner_center.expire)),
            web.post("/check-out", _do(cloud.partner_center.check_out)),
            web.get("/faults", _tell(self._faults)),
            web.delete("/faults", _tell(cloud.faults.clear)),
            web.post("/faults", _do(self._inject)),
            web.post("/settings", _do(self._set)),
            web.post("/rotate-secret", _do(cloud.rotate_client_secret)),
            web.post("/revoke-tokens", _tell(cloud.tokens.revoke_all)),
            web.post("/routes", _do(cloud.proxy.add_route)),
            web.post("/reset", _tell(cloud.reset)),
        ]

    async def _requests(self, request: web.Request) -> web.Response:
        service: Any = request.query.get("service")
        found = self._cloud.journal.requests(service, request.query.get("path", ""))
        return web.json_response([arrival.as_json() for arrival in found])

    def _faults(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._cloud.faults.active]

    def _inject(self, *faults: dict[str, Any], **fault: Any) -> None:
        self._cloud.faults.inject(*[Fault(**one) for one in faults or [fault]])

    def _set(self, seed: int | None = None, **switches: Any) -> None:
        unknown = switches.keys() - set(_PARTNER_CENTER_SWITCHES + _ENTRA_SWITCHES)
        if unknown:
            raise ValueError(f"there is no setting {', '.join(sorted(unknown))}")
        for name, value in switches.items():
            of_partner_center = name in _PARTNER_CENTER_SWITCHES
            part = self._cloud.partner_center if of_partner_center else self._cloud.entra
            setattr(part, name, value)
        if seed is not None:
            self._cloud.faults.random.seed(seed)


def _tell(question: Callable[[], Any]) -> Any:
    """A handler that answers what `question` returns."""

    async def handle(request: web.Request) -> web.Response:
        return web.json_response(question())

    return handle


def _do(action: Callable[..., Any]) -> Any:
    """A handler that calls `action` with the body's members; 400 where they do not fit."""

    async def handle(request: web.Request) -> web.Response:
        document = await request.json() if request.can_read_body else {}
        try:
            action(*document) if isinstance(document, list) else action(**document)
        except (LookupError, RefusalError, TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(None)

    return handle
