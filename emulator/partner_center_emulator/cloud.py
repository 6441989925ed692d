"""The whole local cloud on one event loop, and the environment that leads a process into it."""

import asyncio
import base64
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from partner_center_emulator.control import Control
from partner_center_emulator.network.certificates import ServerCertificate, application_certificate
from partner_center_emulator.network.proxy import ConnectProxy
from partner_center_emulator.partner_center.api import PartnerCenter
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
from partner_center_emulator.watch.faults import Faults, watched
from partner_center_emulator.watch.journal import Journal, Service

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
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")


class LocalCloud:
    """Managed identity, Key Vault, Entra and Partner Center on free loopback ports.

    `async with LocalCloud() as cloud` runs it on the current loop, `with LocalCloud.in_thread() as
    cloud` on a loop of its own. The parts are public: look at them and change them at will.
    A running `azurite` adds Blob Storage, with a container of its own.
    """

    def __init__(
        self, *, deduplicate: bool = True, seed: int = 0, azurite: Azurite | None = None
    ) -> None:
        self.journal = Journal()
        self.faults = Faults(seed)
        self.tokens = Tokens()
        self.proxy = ConnectProxy()
        self.identity = IdentityEndpoint(self.tokens, TENANT_ID, IDENTITY)
        self.key_vault = KeyVault(self.tokens, TENANT_ID)
        self.entra = Entra(self.tokens, TENANT_ID, CLIENT_ID)
        self.partner_center = PartnerCenter(self.tokens, deduplicate=deduplicate)
        self.storage = BlobStorage(azurite, self.tokens, TENANT_ID) if azurite else None
        self._directory = tempfile.TemporaryDirectory(prefix="local-cloud-")
        self.certificate = ServerCertificate(Path(self._directory.name))
        self._runners: list[web.AppRunner] = []
        self._plain_url = ""
        self._register_application()

    @property
    def control_url(self) -> str:
        """Where the control endpoint is."""
        return f"{self._plain_url}/emulator"

    def environment(self, **changes: str | None) -> dict[str, str]:
        """The complete environment of a function process; `changes` set (or with None drop) names.

        It starts from almost nothing, so that no setting of this process leads the other astray.
        """
        environment: dict[str, str | None] = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "PARTNER_CENTER_TENANT_ID": TENANT_ID,
            "PARTNER_CENTER_CLIENT_ID": CLIENT_ID,
            "AZURE_CLIENT_ID": IDENTITY.client_id,
            "KEY_VAULT_URL": f"https://{VAULT}.vault.azure.net",
            "IDENTITY_ENDPOINT": f"{self._plain_url}/msi/token",
            "IDENTITY_HEADER": self.identity.header,
            "HTTPS_PROXY": self.proxy.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(self.certificate.ca_file),
            "REQUESTS_CA_BUNDLE": str(self.certificate.ca_file),
            "CART_STORE_URL": self.storage.container_url if self.storage else None,
            **changes,
        }
        return {name: value for name, value in environment.items() if value is not None}

    def rotate_client_secret(self, *, in_vault: bool = True) -> str:
        """Replaces the app's secret; the old one is worthless. Returns the new one."""
        secret = f"local~{secrets.token_urlsafe(24)}"
        self.entra.client_secrets = {secret}
        if in_vault:
            self.key_vault.set_secret(VAULT, CLIENT_SECRET_NAME, SecretVersion(secret))
        return secret

    def reset(self) -> None:
        """Forgets carts, orders, requests and faults; what directory and vault hold stays."""
        self.partner_center.clear()
        self.journal.clear()
        self.faults.clear()
        self.proxy.connections.clear()

    async def __aenter__(self) -> Self:
        secure = web.Application(client_max_size=_MAX_BODY_BYTES)
        parts: list[tuple[tuple[str, ...], Service, list[web.RouteDef]]] = [
            (_VAULT_HOSTS, "key_vault", self.key_vault.routes()),
            (_ENTRA_HOSTS, "entra", self.entra.routes()),
            (_PARTNER_CENTER_HOSTS, "partner_center", self.partner_center.routes()),
        ]
        if self.storage:
            await self.storage.start()
            parts.append(((self.storage.host,), "storage", self.storage.routes()))
        for hosts, service, routes in parts:
            for host in hosts:
                secure.add_domain(host, self._part(service, routes))
        plain = web.Application(client_max_size=_MAX_BODY_BYTES)
        plain.add_subapp("/msi", self._part("identity", self.identity.routes()))
        control = web.Application()
        control.add_routes(Control(self).routes())
        plain.add_subapp("/emulator", control)

        await self.proxy.start()
        port = await self._serve(secure, ssl_context=self.certificate.server_context())
        for hosts, _, _ in parts:
            for host in hosts:
                self.proxy.add_route(host, port)
        self._plain_url = f"http://127.0.0.1:{await self._serve(plain)}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.proxy.stop()
        for runner in self._runners:
            await runner.cleanup()
        if self.storage:
            await self.storage.stop()
        self._directory.cleanup()

    @classmethod
    @contextmanager
    def in_thread(cls, **options: Any) -> Iterator[Self]:
        """The same on an event loop in a thread, for synchronous callers."""
        cloud = cls(**options)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="local-cloud", daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(cloud.__aenter__(), loop).result(30)
            try:
                yield cloud
            finally:
                asyncio.run_coroutine_threadsafe(cloud.__aexit__(), loop).result(30)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            loop.close()

    def _register_application(self) -> None:
        """The app registration with all three credentials, and the vault that holds them."""
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
        refresh_token = SecretVersion(self.entra.add_refresh_token())
        self.key_vault.set_secret(VAULT, REFRESH_TOKEN_NAME, refresh_token)

    def _part(self, service: Service, routes: list[web.RouteDef]) -> web.Application:
        part = web.Application(middlewares=[watched(service, self.journal, self.faults)])
        part.add_routes(routes)
        return part

    async def _serve(self, application: web.Application, **options: Any) -> int:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024, **options).start()
        return int(runner.addresses[0][1])
