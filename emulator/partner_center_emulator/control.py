"""The control endpoint: other processes look at the local cloud and change it over HTTP.

README.md describes every route: method, path, body, answer.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal, Protocol

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from partner_center_emulator.network.connection_details import ConnectionDetails
from partner_center_emulator.network.proxy import ConnectProxy
from partner_center_emulator.partner_center.carts import PartnerCenter
from partner_center_emulator.partner_center.orders import GroupError
from partner_center_emulator.partner_center.refusals import RefusalError
from partner_center_emulator.services.entra import Entra
from partner_center_emulator.services.tokens import Tokens
from partner_center_emulator.watch.disturbances import Disturbance, Disturbances
from partner_center_emulator.watch.journal import SERVICES, Journal

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Controlled(Protocol):
    """The parts of a cloud that the control endpoint uses."""

    journal: Journal
    disturbances: Disturbances
    tokens: Tokens
    proxy: ConnectProxy
    entra: Entra
    partner_center: PartnerCenter

    def connection_details(self) -> ConnectionDetails:
        """What a client has to know."""

    def rotate_client_secret(self, *, in_vault: bool = True) -> str:
        """Replaces the app registration's secret."""

    def sign_in(self, agent: str = "admin", *, in_vault: bool = True) -> str:
        """Lets an agent sign in and consent."""

    def reset(self) -> None:
        """Forgets carts, orders, requests and disturbances."""


class Body(BaseModel):
    """A request's body: a JSON object with these members and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CartBody(Body):
    """The cart that something is done with."""

    cart_id: str


class RotateAvailabilitiesBody(Body):
    """The SKU, as `Product:Sku`, whose availabilities are replaced; null: all SKUs."""

    sku: str | None = None


class RotateSecretBody(Body):
    """Whether Key Vault gets the new secret as well."""

    in_vault: bool = True


class RouteBody(Body):
    """A host name, or a pattern such as `*.example.com`, and a port on loopback."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]


class GroupErrorBody(Body):
    """What becomes of an order group at its checkout instead of an order; see GroupError."""

    code: int
    description: str = "The order could not be created."
    order_group: str | None = None
    times: Annotated[int, Field(ge=1)] | None = 1
    ordered_after: Annotated[float, Field(ge=0)] | None = None


class SignInBody(Body):
    """The agent who signs in, and whether Key Vault gets the refresh token."""

    agent: Literal["admin", "second"] = "admin"
    in_vault: bool = True


class PartnerCenterSettings(Body):
    """Those switches of PartnerCenter that are to change."""

    deduplicate: bool | None = None
    put_status: Literal[200, 201] | None = None
    repeat_checkout: bool | None = None
    change_seconds: Annotated[float, Field(ge=0)] | None = None
    busy_code: Literal["800060", "800064"] | None = None
    pending_seconds: Annotated[float, Field(ge=0)] | None = None
    unlisted_seconds: Annotated[float, Field(ge=0)] | None = None
    orders_per_page: Annotated[int, Field(ge=0)] | None = None
    refused_users: list[str] | None = None


class EntraSettings(Body):
    """Those switches of Entra that are to change."""

    token_lifetime: Annotated[int, Field(ge=0)] | None = None
    mfa: bool | None = None


class SettingsBody(PartnerCenterSettings, EntraSettings):
    """The settings that are to change; null leaves one as it is."""

    seed: int | None = None


class Control:
    """The routes over one cloud."""

    def __init__(self, cloud: Controlled) -> None:
        self._cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """The routes, relative to the mount point."""
        cloud = self._cloud
        return [
            web.get("/connection-details", _query(lambda: asdict(cloud.connection_details()))),
            web.get("/requests", self._requests),
            web.get("/counts", _query(lambda: cloud.journal.counts)),
            web.get("/connections", _query(lambda: [asdict(c) for c in cloud.proxy.connections])),
            web.get("/carts", _query(cloud.partner_center.as_json)),
            web.get("/orders", _query(cloud.partner_center.orders_as_json)),
            web.post("/expire", _command(CartBody, self._expire)),
            web.post("/check-out", _command(CartBody, self._check_out)),
            web.get(
                "/disturbances", _query(lambda: [asdict(f) for f in cloud.disturbances.active])
            ),
            web.post("/group-errors", _command(GroupErrorBody, self._add_group_error)),
            web.post("/disturbances", _command(Disturbance | list[Disturbance], self._inject)),
            web.delete("/disturbances", _command(Body, lambda _: cloud.disturbances.clear())),
            web.post("/settings", _command(SettingsBody, self._set)),
            web.post(
                "/rotate-availabilities",
                _command(RotateAvailabilitiesBody, self._rotate_availabilities),
            ),
            web.post("/rotate-secret", _command(RotateSecretBody, self._rotate_secret)),
            web.post("/sign-in", _command(SignInBody, self._sign_in)),
            web.post("/revoke-tokens", _command(Body, lambda _: cloud.tokens.revoke_all())),
            web.post("/routes", _command(RouteBody, self._add_route)),
            web.post("/reset", _command(Body, lambda _: cloud.reset())),
        ]

    async def _requests(self, request: web.Request) -> web.Response:
        service: Any = request.query.get("service")
        if service not in (None, *SERVICES):
            return _bad_request(f"service must be one of {', '.join(SERVICES)}")
        requests = self._cloud.journal.requests(service, request.query.get("path", ""))
        return web.json_response([arrival.as_json() for arrival in requests])

    def _expire(self, body: CartBody) -> None:
        self._cloud.partner_center.expire(body.cart_id)

    def _check_out(self, body: CartBody) -> None:
        self._cloud.partner_center.check_out(body.cart_id)

    def _inject(self, disturbances: Disturbance | list[Disturbance]) -> None:
        self._cloud.disturbances.inject(
            *(disturbances if isinstance(disturbances, list) else [disturbances])
        )

    def _add_group_error(self, body: GroupErrorBody) -> None:
        self._cloud.partner_center.group_errors.append(GroupError(**body.model_dump()))

    def _set(self, settings: SettingsBody) -> None:
        for part, names in (
            (self._cloud.partner_center, PartnerCenterSettings.model_fields),
            (self._cloud.entra, EntraSettings.model_fields),
        ):
            for name in names:
                if (value := getattr(settings, name)) is not None:
                    setattr(part, name, value)
        if settings.seed is not None:
            self._cloud.disturbances.random.seed(settings.seed)

    def _rotate_availabilities(self, body: RotateAvailabilitiesBody) -> None:
        self._cloud.partner_center.shelf.rotate(body.sku)

    def _rotate_secret(self, body: RotateSecretBody) -> None:
        self._cloud.rotate_client_secret(in_vault=body.in_vault)

    def _sign_in(self, body: SignInBody) -> None:
        self._cloud.sign_in(body.agent, in_vault=body.in_vault)

    def _add_route(self, body: RouteBody) -> None:
        self._cloud.proxy.add_route(body.host, body.port)


def _query(read: Callable[[], Any]) -> Handler:
    """Answers with what `read` returns."""

    async def handle(request: web.Request) -> web.Response:
        return web.json_response(read())

    return handle


def _command(body: Any, act: Callable[[Any], None]) -> Handler:
    """Calls `act` with the request's body, read as the type `body`, and answers null.

    Answers 400 to a body that does not fit, and to what Partner Center refuses.
    """
    adapter = TypeAdapter[Any](body)

    async def handle(request: web.Request) -> web.Response:
        try:
            act(adapter.validate_json(await request.read() or b"{}"))
        except ValidationError as invalid:
            errors = (
                f"{'.'.join(map(str, error['loc']))}: {error['msg']}".removeprefix(": ")
                for error in invalid.errors(include_url=False, include_context=False)
            )
            return _bad_request("; ".join(errors))
        except RefusalError as refusal:
            return _bad_request(refusal.description)
        return web.json_response(None)

    return handle


def _bad_request(error: str) -> web.Response:
    return web.json_response({"error": error}, status=400)
