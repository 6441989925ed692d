"""Microsoft Entra ID for one app registration: discovery and the v2 token endpoint."""

import base64
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate

from partner_center_emulator.services.tokens import Tokens

RESOURCES = (
    "https://api.partnercenter.microsoft.com",
    "https://partner.partnercenterapi.microsoftonline.cn",
    "https://graph.windows.net",
)
_PUBLIC_CLOUD = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com"]
_CLOUDS = (
    _PUBLIC_CLOUD,
    ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    ["login.microsoftonline.us", "login.usgovcloudapi.net"],
)
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_OPENID_SCOPES = {"openid", "profile", "offline_access", "email"}

_ERRORS: dict[int, tuple[str, str]] = {
    50076: (
        "invalid_grant",
        "Due to a configuration change made by your administrator, or because you moved to a new "
        "location, you must use multi-factor authentication to access the resource.",
    ),
    50173: ("invalid_grant", "The provided grant has expired due to it being revoked."),
    70003: ("unsupported_grant_type", "The app requested an unsupported grant type."),
    70011: ("invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    90002: ("invalid_request", "Tenant not found. Check to make sure you have the correct tenant."),
    500011: ("invalid_resource", "The resource principal was not found in the tenant."),
    700016: ("unauthorized_client", "The application was not found in the directory."),
    700024: ("invalid_client", "Client assertion is not within its valid time range."),
    700027: ("invalid_client", "The certificate that signed the assertion is not registered."),
    700082: ("invalid_grant", "The refresh token has expired due to inactivity."),
    700213: ("invalid_client", "No matching federated identity record found for the assertion."),
    1002012: ("invalid_scope", "Client credential flows must have a scope ending in /.default."),
    7000215: ("invalid_client", "Invalid client secret provided."),
    7000218: ("invalid_client", "The body must contain 'client_assertion' or 'client_secret'."),
    7000222: ("invalid_client", "The provided client secret keys for the app are expired."),
    9002313: ("invalid_grant", "Invalid request. Request is malformed or invalid."),
}


class EntraError(Exception):
    """A refusal of the token endpoint, by its AADSTS number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in of an agent, which a refresh token and all that come of it stand for."""

    agent: str
    mfa: bool
    """Whether with a second factor."""


class Entra:
    """One tenant with one app registration and two users, its agents, who can consent to it.

    The public attributes are the directory's content. Change them to change what is accepted.
    """

    def __init__(self, tokens: Tokens, tenant_id: str, client_id: str) -> None:
        self.tenant_id = tenant_id
        self.client_id = client_id
        self.agents = {
            name: str(uuid.uuid5(uuid.UUID(tenant_id), f"{name} agent"))
            for name in ("admin", "second")
        }
        """The object ids of the tenant's users, by their names."""
        self.user_id = self.agents["admin"]
        self.client_secrets: set[str] = set()
        self.expired_secrets: set[str] = set()
        self.certificates: list[Certificate] = []
        self.federated: set[tuple[str, str, str]] = set()
        """Federated credentials: issuer, subject, audience."""
        self.refresh_tokens: dict[str, int | None] = {}
        """Each refresh token, with the AADSTS number that it is refused with; None: it is valid."""
        self.tenant_of: Callable[[str], str | None] = lambda domain: None
        """The tenant that has verified a domain."""
        self.token_lifetime = 3600
        self.mfa = True
        """Whether an agent who signs in from now on uses a second factor."""
        self._sign_ins: dict[str, SignIn] = {}
        self._tokens = tokens

    def add_refresh_token(self, agent: str = "admin") -> str:
        """A new valid refresh token: the agent signs in and consents. Older ones stay valid."""
        return self._new_refresh_token(SignIn(agent, self.mfa))

    def _new_refresh_token(self, sign_in: "SignIn") -> str:
        token = f"1.local-{uuid.uuid4().hex}{uuid.uuid4().hex}"
        self.refresh_tokens[token] = None
        self._sign_ins[token] = sign_in
        return token

    def routes(self) -> list[web.RouteDef]:
        """Discovery and the token endpoint."""
        return [
            web.get("/common/discovery/instance", self._instance_discovery),
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration),
            web.get("/{tenant}/discovery/v2.0/keys", self._keys),
            web.post("/{tenant}/oauth2/v2.0/token", self._token),
        ]

    async def _instance_discovery(self, request: web.Request) -> web.Response:
        metadata = [
            {"preferred_network": names[0], "preferred_cache": names[0], "aliases": names}
            for names in _CLOUDS
        ]
        endpoint = request.query.get("authorization_endpoint", "")
        base = endpoint.partition("/oauth2/")[0] or f"https://{_host(request)}/common"
        return web.json_response(
            {
                "tenant_discovery_endpoint": f"{base}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": metadata,
            }
        )

    async def _configuration(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        if "." in tenant:
            found = self.tenant_of(tenant)
            if found is None:
                return _refused(90002, request.headers.get("client-request-id"))
            tenant = found
        base = f"https://{_host(request)}/{tenant}"
        return web.json_response(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        return web.json_response(self._tokens.public_keys())

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            if request.match_info["tenant"].lower() != self.tenant_id:
                raise EntraError(90002)
            self._authenticate(form, f"https://{_host(request)}{request.path}")
            match form.get("grant_type"):
                case "client_credentials":
                    answer = self._for_application(form)
                case "refresh_token":
                    answer = self._for_user(form, f"https://{_host(request)}")
                case _:
                    raise EntraError(70003)
        except EntraError as refusal:
            return _refused(refusal.number, request.headers.get("client-request-id"))
        return web.json_response(answer, headers={"Cache-Control": "no-store, no-cache"})

    def _authenticate(self, form: Mapping[str, str], token_endpoint: str) -> None:
        """Raises EntraError unless the form proves to come from the registered app."""
        if form.get("client_id", "").lower() != self.client_id:
            raise EntraError(700016)
        if "client_secret" in form:
            if form["client_secret"] in self.expired_secrets:
                raise EntraError(7000222)
            if form["client_secret"] not in self.client_secrets:
                raise EntraError(7000215)
        elif form.get("client_assertion_type") == _ASSERTION_TYPE:
            self._check_assertion(form.get("client_assertion", ""), token_endpoint)
        else:
            raise EntraError(7000218)

    def _check_assertion(self, assertion: str, token_endpoint: str) -> None:
        """Accepts the managed identity's token, or a JWT signed by a registered certificate."""
        federated = self._tokens.claims(assertion)
        if federated is not None:
            if (federated["iss"], federated["sub"], federated["aud"]) not in self.federated:
                raise EntraError(700213)
            return
        try:
            header = jwt.get_unverified_header(assertion)
            certificate = next(c for c in self.certificates if _has_thumbprint(c, header))
            jwt.decode(
                assertion,
                certificate.public_key(),  # type: ignore[arg-type]
                ["RS256", "PS256"],
                {"require": ["exp", "iss", "sub", "aud"]},
                audience=token_endpoint,
                issuer=self.client_id,
                subject=self.client_id,
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            raise EntraError(700024) from None
        except (jwt.InvalidTokenError, StopIteration):
            raise EntraError(700027) from None

    def _for_application(self, form: Mapping[str, str]) -> dict[str, Any]:
        scope = form.get("scope", "")
        if not scope.endswith("/.default"):
            raise EntraError(1002012)
        claims = {"sub": self.client_id, "oid": self.client_id, "idtyp": "app"}
        return self._answer(_resource(scope), claims)

    def _for_user(self, form: Mapping[str, str], authority: str) -> dict[str, Any]:
        """Each exchange issues a new refresh token; the old one stays valid."""
        number = self.refresh_tokens.get(form.get("refresh_token", ""), 9002313)
        if number is not None:
            raise EntraError(number)
        scopes = set(form.get("scope", "").split()) - _OPENID_SCOPES
        if len(scopes) != 1:
            raise EntraError(70011)
        scope = scopes.pop()
        if not scope.endswith(("/.default", "/user_impersonation")):
            raise EntraError(70011)
        sign_in = self._sign_ins[form["refresh_token"]]
        user_id = self.agents[sign_in.agent]
        user = {"sub": user_id, "oid": user_id, "upn": f"{sign_in.agent}@partner.example"}
        amr = ["pwd", "mfa"] if sign_in.mfa else ["pwd"]
        claims = {**user, "scp": "user_impersonation", "amr": amr}
        client_info = json.dumps({"uid": user_id, "utid": self.tenant_id}).encode()
        return self._answer(_resource(scope), claims) | {
            "scope": scope,
            "refresh_token": self._new_refresh_token(sign_in),
            "id_token": self._tokens.issue(
                3600,
                **user,
                aud=self.client_id,
                iss=f"{authority}/{self.tenant_id}/v2.0",
                tid=self.tenant_id,
                ver="2.0",
            ),
            "client_info": base64.urlsafe_b64encode(client_info).decode().rstrip("="),
        }

    def _answer(self, resource: str, claims: Mapping[str, Any]) -> dict[str, Any]:
        token = self._tokens.issue(
            self.token_lifetime,
            **claims,
            aud=resource,
            iss=f"https://sts.windows.net/{self.tenant_id}/",
            appid=self.client_id,
            tid=self.tenant_id,
            ver="1.0",
        )
        return {
            "token_type": "Bearer",
            "expires_in": self.token_lifetime,
            "ext_expires_in": self.token_lifetime,
            "access_token": token,
        }


def _host(request: web.Request) -> str:
    return request.host.partition(":")[0]


def _resource(scope: str) -> str:
    resource = scope.rpartition("/")[0]
    if resource not in RESOURCES:
        raise EntraError(500011)
    return resource


def _has_thumbprint(certificate: Certificate, header: Mapping[str, Any]) -> bool:
    for name, algorithm in (("x5t#S256", SHA256()), ("x5t", SHA1())):
        if name in header:
            digest = certificate.fingerprint(algorithm)
            return bool(
                header[name].rstrip("=") == base64.urlsafe_b64encode(digest).decode().rstrip("=")
            )
    return False


def _refused(number: int, correlation_id: str | None) -> web.Response:
    error, text = _ERRORS[number]
    trace_id, now = str(uuid.uuid4()), time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    correlation_id = correlation_id or str(uuid.uuid4())
    document: dict[str, Any] = {
        "error": error,
        "error_description": f"AADSTS{number}: {text} Trace ID: {trace_id} "
        f"Correlation ID: {correlation_id} Timestamp: {now}",
        "error_codes": [number],
        "timestamp": now,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    if number == 50076:
        document["suberror"] = "basic_action"
    return web.json_response(document, status=401 if error == "invalid_client" else 400)
