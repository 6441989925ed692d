"""Key Vault's REST API for secrets, with its bearer challenge. Every vault name is a vault."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from partner_center_emulator.services.tokens import Tokens

RESOURCE = "https://vault.azure.net"


@dataclass(slots=True)
class SecretVersion:
    """One version of a secret. Times are in Unix seconds."""

    value: str
    content_type: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    expires: int | None = None
    version: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))
    updated: int = field(default_factory=lambda: int(time.time()))

    def change(self, document: Mapping[str, Any]) -> None:
        """Sets the attributes that a PUT or PATCH names."""
        attributes = document.get("attributes") or {}
        self.enabled = attributes.get("enabled", self.enabled)
        self.expires = attributes.get("exp", self.expires)
        self.tags = document.get("tags", self.tags)
        self.content_type = document.get("contentType", self.content_type)
        self.updated = int(time.time())


class KeyVault:
    """The secrets of all vaults, by vault name and secret name, oldest version first."""

    def __init__(self, tokens: Tokens, tenant_id: str) -> None:
        self.vaults: dict[str, dict[str, list[SecretVersion]]] = {}
        self._tokens = tokens
        self._tenant_id = tenant_id

    def set_secret(self, vault: str, name: str, secret: SecretVersion) -> SecretVersion:
        """Adds a version, which is then the current one."""
        self.vaults.setdefault(vault, {}).setdefault(name.lower(), []).append(secret)
        return secret

    def versions(self, vault: str, name: str) -> list[SecretVersion]:
        """All versions of a secret, oldest first; empty where there is no such secret."""
        return self.vaults.get(vault, {}).get(name.lower(), [])

    def routes(self) -> list[web.RouteDef]:
        """The routes for secrets."""
        return [
            web.get("/secrets/{name}/versions", self._guarded(self._list_versions)),
            web.get("/secrets/{name}", self._guarded(self._get)),
            web.get("/secrets/{name}/", self._guarded(self._get)),
            web.get("/secrets/{name}/{version}", self._guarded(self._get)),
            web.put("/secrets/{name}", self._guarded(self._put)),
            web.patch("/secrets/{name}/{version}", self._guarded(self._patch)),
        ]

    def _guarded(self, handler: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            claims = self._tokens.claims_of_bearer(request)
            if claims is None:
                return self._challenge("AKV10000: Request is missing a Bearer or PoP token.")
            if claims["aud"].rstrip("/") != RESOURCE:
                return self._challenge(
                    f"AKV10022: Invalid audience. Expected {RESOURCE}, found: {claims['aud']}."
                )
            response: web.Response = await handler(request)
            return response

        return handle

    def _challenge(self, message: str) -> web.Response:
        authorization = f"https://login.microsoftonline.com/{self._tenant_id}"
        challenge = f'Bearer authorization="{authorization}", resource="{RESOURCE}"'
        return _error(401, "Unauthorized", message, headers={"WWW-Authenticate": challenge})

    async def _get(self, request: web.Request) -> web.Response:
        secret = self._find(request)
        if secret is None:
            return _not_found(request)
        if not secret.enabled:
            return _error(
                403,
                "Forbidden",
                "Operation get is not allowed on a disabled secret.",
                inner="SecretDisabled",
            )
        return web.json_response({"value": secret.value, **_properties(request, secret)})

    async def _put(self, request: web.Request) -> web.Response:
        document = await request.json()
        secret = SecretVersion(document["value"])
        secret.change(document)
        self.set_secret(_vault(request), request.match_info["name"], secret)
        return web.json_response({"value": secret.value, **_properties(request, secret)})

    async def _patch(self, request: web.Request) -> web.Response:
        secret = self._find(request)
        if secret is None:
            return _not_found(request)
        secret.change(await request.json())
        return web.json_response(_properties(request, secret))

    async def _list_versions(self, request: web.Request) -> web.Response:
        versions = self.versions(_vault(request), request.match_info["name"])
        listed = [_properties(request, secret) for secret in versions]
        return web.json_response({"value": listed, "nextLink": None})

    def _find(self, request: web.Request) -> SecretVersion | None:
        versions = self.versions(_vault(request), request.match_info["name"])
        version = request.match_info.get("version")
        if not version:
            return versions[-1] if versions else None
        return next((secret for secret in versions if secret.version == version), None)


def _vault(request: web.Request) -> str:
    return request.host.partition(".")[0].lower()


def _properties(request: web.Request, secret: SecretVersion) -> dict[str, Any]:
    """Everything about a secret except its value."""
    name = f"{request.match_info['name']}/{secret.version}"
    attributes = {
        "enabled": secret.enabled,
        "created": secret.created,
        "updated": secret.updated,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    }
    if secret.expires is not None:
        attributes["exp"] = secret.expires
    document: dict[str, Any] = {
        "id": f"https://{request.host.partition(':')[0]}/secrets/{name}",
        "attributes": attributes,
        "tags": secret.tags,
    }
    if secret.content_type is not None:
        document["contentType"] = secret.content_type
    return document


def _not_found(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    message = f"A secret with (name/id) {name} was not found in this key vault."
    return _error(404, "SecretNotFound", message)


def _error(
    status: int,
    code: str,
    message: str,
    *,
    inner: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return web.json_response({"error": error}, status=status, headers=headers)
