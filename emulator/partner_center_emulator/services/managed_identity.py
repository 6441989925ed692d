"""The managed identity endpoint of App Service and Functions (api-version 2019-08-01)."""

import time
from dataclasses import dataclass

from aiohttp import web

from partner_center_emulator.services.tokens import Tokens

FEDERATION_AUDIENCE = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """A user-assigned managed identity."""

    client_id: str
    object_id: str


class IdentityEndpoint:
    """Issues tokens of one managed identity to callers that send its secret header."""

    def __init__(self, tokens: Tokens, tenant_id: str, identity: ManagedIdentity) -> None:
        self.tenant_id = tenant_id
        self.identity = identity
        self.header = "local-identity-header"
        self.token_lifetime = 24 * 3600
        self._tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        """The one route, relative to the mount point."""
        return [web.get("/token", self._token)]

    def issuer_for(self, resource: str) -> str:
        """The issuer of a token: v2.0 of a token for token exchange, v1.0 of every other."""
        if resource.startswith(FEDERATION_AUDIENCE):
            return f"https://login.microsoftonline.com/{self.tenant_id}/v2.0"
        return f"https://sts.windows.net/{self.tenant_id}/"

    async def _token(self, request: web.Request) -> web.Response:
        if request.headers.get("X-IDENTITY-HEADER") != self.header:
            return _error(401, "The identity header is missing or wrong.")
        if request.query.get("api-version") != "2019-08-01":
            return _error(400, "The api-version is not supported.")
        resource = request.query.get("resource")
        if not resource:
            return _error(400, "The resource parameter is missing.")
        if request.query.get("client_id") != self.identity.client_id:
            return _error(
                400,
                "No User Assigned or Delegated Managed Identity found for specified "
                "ClientId/ResourceId/PrincipalId.",
            )
        token = self._tokens.issue(
            self.token_lifetime,
            aud=resource,
            iss=self.issuer_for(resource),
            sub=self.identity.object_id,
            oid=self.identity.object_id,
            appid=self.identity.client_id,
            tid=self.tenant_id,
            idtyp="app",
        )
        return web.json_response(
            {
                "access_token": token,
                "client_id": self.identity.client_id,
                "expires_on": str(int(time.time()) + self.token_lifetime),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message}, status=status)
