"""The whole local cloud on one event loop: its services, the proxy, and the control endpoint."""

import asyncio
import base64
import secrets
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from aiohttp import web

from partner_center_emulator.control import Control
from partner_center_emulator.network.certificates import ServerCertificate, application_certificate
from partner_center_emulator.network.connection_details import ConnectionDetails
from partner_center_emulator.network.proxy import ConnectProxy
from partner_center_emulator.page import deeds, views
from partner_center_emulator.page.guard import only_this_machine
from partner_center_emulator.page.site import Site
from partner_center_emulator.partner_center.api import PartnerCenterApi
from partner_center_emulator.partner_center.carts import PartnerCenter
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.services.blob_storage import BlobStorage
from partner_center_emulator.services.entra import Entra
from partner_center_emulator.services.key_vault import KeyVault, SecretVersion
from partner_center_emulator.services.managed_identity import (
    FEDERATION_AUDIENCE,
    IdentityEndpoint,
    ManagedIdentity,
)
from partner_center_emulator.services.tokens import Tokens
from partner_center_emulator.watch.disturbances import Disturbances, disturbed
from partner_center_emulator.watch.journal import Journal, Service, journalled

TENANT_ID = "7f3c1a52-94d1-4b7e-8c06-2d5e9a1b0f11"
CLIENT_ID = "2713ccd7-ea3b-470a-9cfb-451d5d0482cc"
IDENTITY = ManagedIdentity(
    client_id="a9d1c7e4-5b52-4a0e-9f3d-6c1e2b7a8d33",
    object_id="5e0b64d2-1f7a-4c39-b8a5-0d9c3e6f7b44",
)
VAULT = "carts-demo"
CLIENT_SECRET_NAME = "partner-center-client-secret"
CERTIFICATE_NAME = "partner-center-certificate"
REFRESH_TOKEN_NAME = "partner-center-refresh-token"

_ENTRA_HOSTS = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
)
_VAULT_HOSTS = ("*.vault.azure.net",)
_PARTNER_CENTER_HOSTS = (
    "api.partnercenter.microsoft.com",
    "partner.partnercenterapi.microsoftonline.cn",
)
_MAX_BODY_BYTES = 16 * 1024 * 1024
_THREAD_SECONDS = 120
"""How long a thread's event loop may take to start or to stop, on however slow a machine."""


class LocalCloud:
    """Managed identity, Key Vault, Entra and Partner Center on free loopback ports.

    `async with LocalCloud() as cloud` runs it on the current event loop, and `with
    LocalCloud.in_thread() as cloud` on an event loop of its own. The parts are public attributes,
    to be looked at and changed at any time. A running `azurite` adds Blob Storage, with a container
    of the cloud's own. `seed` makes the disturbances that have a probability repeatable. `routes`
    are served beside the page; they are those of who runs the cloud. `third_parties` are further
    hosts that a client asks, by their names, with the routes of each.
    """

    def __init__(
        self,
        *,
        deduplicate: bool = True,
        seed: int = 0,
        azurite: Azurite | None = None,
        routes: Sequence[web.AbstractRouteDef] = (),
        third_parties: Mapping[str, Sequence[web.RouteDef]] = MappingProxyType({}),
    ) -> None:
        self.journal = Journal()
        self.disturbances = Disturbances(seed)
        self.tokens = Tokens()
        self.proxy = ConnectProxy()
        self.identity = IdentityEndpoint(self.tokens, TENANT_ID, IDENTITY)
        self.key_vault = KeyVault(self.tokens, TENANT_ID)
        self.entra = Entra(self.tokens, TENANT_ID, CLIENT_ID)
        self.partner_center = PartnerCenter(deduplicate=deduplicate)
        self.entra.tenant_of = self.partner_center.customers.tenant_of
        self.storage = BlobStorage(azurite, self.tokens, TENANT_ID) if azurite else None
        self.page = Site(
            [
                views.calls_panel(self.journal),
                views.carts_panel(self.partner_center),
                views.orders_panel(self.partner_center),
                views.disturbances_panel(self.disturbances),
                views.other_calls_panel(self.journal),
                views.catalogue_panel(self.partner_center),
            ],
            deeds.actions(self),
        )
        self._routes = routes
        self._third_parties = third_parties
        self._directory = tempfile.TemporaryDirectory(prefix="local-cloud-")
        self.certificate = ServerCertificate(Path(self._directory.name), third_parties)
        self._runners: list[web.AppRunner] = []
        self._plain_url = ""
        self._register_application()

    @property
    def page_url(self) -> str:
        """The address of the page that shows in a browser what happens."""
        return f"{self._plain_url}/"

    @property
    def control_url(self) -> str:
        """The address of the control endpoint, without a slash at its end."""
        return f"{self._plain_url}/emulator"

    def connection_details(self) -> ConnectionDetails:
        """What a client has to know. Call it only while the cloud runs."""
        return ConnectionDetails(
            page_url=self.page_url,
            control_url=self.control_url,
            proxy_url=self.proxy.url,
            ca_file=str(self.certificate.ca_file),
            tenant_id=TENANT_ID,
            client_id=CLIENT_ID,
            client_secret=self.client_secret,
            managed_identity_client_id=IDENTITY.client_id,
            identity_endpoint=f"{self._plain_url}/msi/token",
            identity_header=self.identity.header,
            key_vault_url=f"https://{VAULT}.vault.azure.net",
            client_secret_name=CLIENT_SECRET_NAME,
            certificate_name=CERTIFICATE_NAME,
            refresh_token_name=REFRESH_TOKEN_NAME,
            container_url=self.storage.container_url if self.storage else None,
            queue_service_url=self.storage.queue_service_url if self.storage else None,
        )

    def rotate_client_secret(self, *, in_vault: bool = True) -> str:
        """Replaces the app registration's secret: Entra refuses the old one from now on.

        Key Vault gets a version with the new one only with `in_vault`. Returns the new one.
        """
        self.client_secret = f"local~{secrets.token_urlsafe(24)}"
        self.entra.client_secrets = {self.client_secret}
        if in_vault:
            self.key_vault.set_secret(VAULT, CLIENT_SECRET_NAME, SecretVersion(self.client_secret))
        return self.client_secret

    def sign_in(self, agent: str = "admin", *, in_vault: bool = True) -> str:
        """Lets an agent sign in and consent. Returns a new refresh token; older ones stay valid.

        With `in_vault` it is the current version of the secret in Key Vault.
        """
        token = self.entra.add_refresh_token(agent)
        if in_vault:
            self.key_vault.set_secret(VAULT, REFRESH_TOKEN_NAME, SecretVersion(token))
        return token

    def reset(self) -> None:
        """Forgets carts, orders, requests, connections and disturbances.

        Settings, tokens, and the content of Entra, Key Vault and Blob Storage stay as they are.
        """
        self.partner_center.clear()
        self.journal.clear()
        self.disturbances.clear()
        self.disturbances.forget_late()
        self.proxy.connections.clear()

    async def __aenter__(self) -> Self:
        secure = web.Application(client_max_size=_MAX_BODY_BYTES)
        partner_center = PartnerCenterApi(self.partner_center, self.tokens)
        services: list[tuple[tuple[str, ...], Service, Sequence[web.RouteDef]]] = [
            (_VAULT_HOSTS, "key_vault", self.key_vault.routes()),
            (_ENTRA_HOSTS, "entra", self.entra.routes()),
            (_PARTNER_CENTER_HOSTS, "partner_center", partner_center.routes()),
        ]
        if self.storage:
            await self.storage.start()
            of_storage = (self.storage.host, self.storage.queue_host)
            services.append((of_storage, "storage", self.storage.routes()))
        services += [((host,), "third_party", own) for host, own in self._third_parties.items()]
        for hosts, service, routes in services:
            for host in hosts:
                secure.add_domain(host, self._application(service, routes))
        plain = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[only_this_machine])
        plain.add_subapp("/msi", self._application("identity", self.identity.routes()))
        control = web.Application()
        control.add_routes(Control(self).routes())
        plain.add_subapp("/emulator", control)
        plain.add_routes([*self._routes, *self.page.routes()])

        await self.proxy.start()
        port = await self._serve(secure, ssl_context=self.certificate.server_context())
        for hosts, _, _ in services:
            for host in hosts:
                self.proxy.add_route(host, port)
        self._plain_url = f"http://127.0.0.1:{await self._serve(plain)}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.page.end()
        self.disturbances.forget_late()
        self.partner_center.clear_timers()
        await self.proxy.stop()
        for runner in self._runners:
            await runner.cleanup()
        if self.storage:
            await self.storage.stop()
        self._directory.cleanup()

    @classmethod
    @contextmanager
    def in_thread(cls, **options: Any) -> Iterator[Self]:
        """The same on an event loop in a thread, for callers without one."""
        cloud = cls(**options)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="local-cloud", daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(cloud.__aenter__(), loop).result(_THREAD_SECONDS)
            try:
                yield cloud
            finally:
                asyncio.run_coroutine_threadsafe(cloud.__aexit__(), loop).result(_THREAD_SECONDS)
        finally:
            asyncio.run_coroutine_threadsafe(_cancel_other_tasks(), loop).result(_THREAD_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_THREAD_SECONDS)
            loop.close()

    def _register_application(self) -> None:
        """Sets up the app registration and its vault.

        The app registration gets a secret, a certificate, a federated credential for each national
        cloud, and a refresh token of its user.
        """
        self.rotate_client_secret()
        certificate = application_certificate()
        self.entra.certificates.append(certificate.certificate)
        self.key_vault.set_secret(
            VAULT,
            CERTIFICATE_NAME,
            SecretVersion(base64.b64encode(certificate.pkcs12).decode(), "application/x-pkcs12"),
        )
        for cloud in ("", "China", "USGov"):
            audience = FEDERATION_AUDIENCE + cloud
            issuer = self.identity.issuer_for(audience)
            self.entra.federated.add((issuer, IDENTITY.object_id, audience))
        self.sign_in()

    def _application(self, service: Service, routes: Sequence[web.RouteDef]) -> web.Application:
        """One service, with every request journalled and open to disturbances."""
        application = web.Application(
            middlewares=[
                journalled(service, self.journal),
                disturbed(service, self.disturbances),
            ]
        )
        application.add_routes(routes)
        return application

    async def _serve(self, application: web.Application, **options: Any) -> int:
        """Serves an application on a free loopback port, and returns the port."""
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024, **options).start()
        return int(runner.addresses[0][1])


async def _cancel_other_tasks() -> None:
    """Ends the handlers of requests whose callers went away: closing the server does not."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
