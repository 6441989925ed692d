"""Partner Center tokens from Microsoft Entra ID: the only module that uses msal.

msal is imported when the first token is fetched. Every call has a time limit, and no request is
sent twice: repeating is up to the caller, who knows the deadline.
"""

import base64
import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from cart_core.adapters.http_sessions import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    OpenSession,
    open_session,
)
from cart_core.settings import Settings
from cart_core.tokens import PAUSE, AccessToken, TokenFailure

if TYPE_CHECKING:
    import requests

_SIGN_IN_ERRORS: Final = frozenset(
    {"invalid_grant", "interaction_required", "consent_required", "login_required"}
)
"""OAuth errors after which only a new sign-in of the user helps."""

_ADVICE: Final[Mapping[int, str]] = {
    90002: "no such tenant; check PARTNER_CENTER_TENANT_ID and PARTNER_CENTER_CLOUD",
    500011: "the tenant does not know Partner Center; check PARTNER_CENTER_TENANT_ID and "
    "PARTNER_CENTER_CLOUD",
    700016: "no such application in the tenant; check PARTNER_CENTER_CLIENT_ID and "
    "PARTNER_CENTER_TENANT_ID",
    7000112: "the application is disabled in the tenant",
    7000215: "the client secret is wrong (it must be the secret's value, not its id)",
    7000222: "the client secret has expired",
}
"""What a person should know or do, by AADSTS number (Entra's error code reference)."""


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret as the vault holds it and as it is used now.

    The two differ where Entra has issued a newer refresh token since the vault was read.
    """

    stored: str = field(repr=False)
    current: str = field(repr=False)


class _Refusal(Exception):
    """Entra refused a token request: the OAuth error code, and the AADSTS number if it gave one."""

    def __init__(self, error: str, number: int | None) -> None:
        super().__init__(error, number)
        self.error: Final = error
        self.number: Final = number

    def __str__(self) -> str:
        return f"AADSTS{self.number}" if self.number else self.error


class Vault(Protocol):
    """The vault that holds the application's secrets."""

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """The current values of secrets by name. Raises TokenFailure."""


class Identity(Protocol):
    """The managed identity, whose token can take the place of a client secret."""

    def fetch(self, resource: str) -> AccessToken:
        """A new token for a resource. Raises TokenFailure."""


class EntraTokens:
    """Fetches Partner Center tokens for the application that `settings` describes.

    Secrets are read from the vault once and then kept in memory. Where Entra refuses a secret that
    was read for an earlier token, the secrets are read again, at most once in PAUSE seconds; one
    that has changed is tried at once.
    """

    def __init__(
        self,
        settings: Settings,
        vault: Vault,
        refresh_token_vault: Vault,
        identity: Identity,
        *,
        clock: Callable[[], float] = time.time,
        new_session: OpenSession = open_session,
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._refresh_token_vault = refresh_token_vault
        self._identity = identity
        self._clock = clock
        self._new_session = new_session
        self._secrets: dict[str, _Secret] = {}
        self._read_again_at = -math.inf
        self._metadata_cache: dict[str, Any] = {}  # msal stores Entra's metadata in it
        self._fetching = threading.Lock()

    @property
    def rotated_refresh_token(self) -> str | None:
        """The newest refresh token from Entra, or None where it is the one that the vault holds."""
        secret = self._secrets.get(self._settings.refresh_token_name)
        return secret.current if secret and secret.current != secret.stored else None

    def fetch(self) -> AccessToken:
        """A new access token from Entra. It blocks, for seconds at worst.

        Raises TokenFailure, also where another call is still running.
        """
        if not self._fetching.acquire(blocking=False):
            raise TokenFailure(
                "token_unavailable", "An earlier request for a token still hangs; try again later."
            )
        try:
            with self._new_session() as session:
                return self._fetch(session)
        finally:
            self._fetching.release()

    def _fetch(self, session: "requests.Session") -> AccessToken:
        may_read_again = bool(self._secrets)
        if not may_read_again:
            self._read_secrets()
        while True:
            try:
                return self._request_token(session)
            except _Refusal as refusal:
                if not (may_read_again and self._read_changed_secrets(refusal)):
                    raise self._failure_for(refusal) from None
                may_read_again = False

    def _request_token(self, session: "requests.Session") -> AccessToken:
        """Sends one token request with the secrets in memory. Raises _Refusal and TokenFailure."""
        import msal  # type: ignore[import-untyped]

        settings = self._settings
        requested_at = self._clock()
        try:
            app = msal.ConfidentialClientApplication(
                settings.client_id,
                client_credential=self._client_credential(),
                authority=f"{settings.authority}/{settings.tenant_id}",
                http_client=_MsalHttpClient(session),
                http_cache=self._metadata_cache,
                exclude_scopes=["profile"],  # the app does not need the user's name
            )
            scopes = [settings.token_scope]
            if settings.auth == "app_only":
                result = app.acquire_token_for_client(scopes)
            else:
                name = settings.refresh_token_name
                result = app.acquire_token_by_refresh_token(self._secrets[name].current, scopes)
                self._remember_refresh_token(result.get("refresh_token"))
            return AccessToken(
                str(result["access_token"]), requested_at + float(result["expires_in"])
            )
        except (TokenFailure, _Refusal):
            raise
        except Exception as error:
            self._metadata_cache.clear()  # msal would trust bad metadata for a day
            raise TokenFailure(
                "token_unavailable",
                f"Microsoft Entra ID gave no usable answer ({type(error).__name__}).",
            ) from None

    def _client_credential(self) -> str | dict[str, Any]:
        """What the application proves its identity with, in the form that msal takes."""
        settings = self._settings
        if settings.credential == "secret":
            return self._secrets[settings.client_secret_name].current
        if settings.credential == "certificate":
            name = settings.certificate_name
            return _certificate(name, self._secrets[name].current)
        audience = settings.federation_audience
        return {"client_assertion": lambda: self._identity.fetch(audience).value}

    def _remember_refresh_token(self, refresh_token: str | None) -> None:
        name = self._settings.refresh_token_name
        if refresh_token:
            self._secrets[name] = _Secret(self._secrets[name].stored, refresh_token)

    def _read_changed_secrets(self, refusal: _Refusal) -> bool:
        """Reads the secrets again where a changed one could help; whether one has changed."""
        settings = self._settings
        new_secret_may_help = (
            refusal.error == "invalid_client" and settings.credential != "federated"
        ) or (refusal.error in _SIGN_IN_ERRORS and settings.auth == "app_user")
        if not new_secret_may_help or 0 <= self._clock() - self._read_again_at < PAUSE:
            return False
        self._read_again_at = self._clock()
        return self._read_secrets()

    def _read_secrets(self) -> bool:
        """Reads all secrets from the vault; whether one differs from the one in use.

        A value that has not changed in the vault does not replace the one in use: Entra may have
        issued a newer refresh token for it since.
        """
        settings = self._settings
        values: dict[str, str] = {}
        if settings.credential == "secret":
            values |= self._vault.read([settings.client_secret_name])
        elif settings.credential == "certificate":
            values |= self._vault.read([settings.certificate_name])
            # An unusable certificate must not be stored.
            _certificate(settings.certificate_name, values[settings.certificate_name])
        if settings.auth == "app_user":
            values |= self._refresh_token_vault.read([settings.refresh_token_name])
        changed = False
        for name, value in values.items():
            known = self._secrets.get(name)
            if known is None or known.stored != value:
                changed |= known is None or known.current != value
                self._secrets[name] = _Secret(value, value)
        return changed

    def _failure_for(self, refusal: _Refusal) -> TokenFailure:
        settings = self._settings
        if settings.auth == "app_user" and refusal.error in _SIGN_IN_ERRORS:
            return TokenFailure(
                "consent_required",
                f"Microsoft Entra ID wants the user to sign in again ({refusal}): sign in as an "
                "agent with MFA, consent, and store the new refresh token as the secret "
                f"{settings.refresh_token_name}.",
            )
        by_number = _ADVICE.get(refusal.number or 0)
        advice = [by_number] if by_number else []
        if refusal.error == "invalid_client":
            credential = {
                "secret": f"the secret {settings.client_secret_name}",
                "certificate": f"the certificate {settings.certificate_name} and that it is "
                "registered with the application",
                "federated": "the application's federated credential: issuer, audience, and the "
                "managed identity's object id as subject",
            }[settings.credential]
            advice.append(f"check {credential}")
        return TokenFailure(
            "token_rejected",
            f"Microsoft Entra ID refuses a token ({refusal}): "
            f"{'; '.join(advice) or 'check the application registration'}.",
        )


class _MsalHttpClient:
    """The HTTP client that msal calls (see msal.oauth2cli.http).

    It passes only successful answers on to msal and raises for all others. msal would write a
    garbled token answer into the log, remember a refusal for a minute, and request the metadata
    again after each failure.
    """

    def __init__(self, session: "requests.Session") -> None:
        self._session = session

    def get(self, url: str, **request: Any) -> "requests.Response":
        return self._send("GET", url, request)

    def post(self, url: str, **request: Any) -> "requests.Response":
        return self._send("POST", url, request)

    def close(self) -> None:
        """Does nothing: whoever opened the session closes it."""

    def _send(self, method: str, url: str, request: dict[str, Any]) -> "requests.Response":
        import requests

        timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
        try:
            response = self._session.request(
                method, url, timeout=timeout, allow_redirects=False, **request
            )
            response.encoding = "utf-8"
            status, document = response.status_code, response.json()
        except requests.JSONDecodeError:
            status, document = response.status_code, None
        except requests.RequestException as error:
            raise TokenFailure(
                "token_unavailable",
                f"Microsoft Entra ID did not answer ({type(error).__name__}); try again.",
            ) from None
        if status == 200 and isinstance(document, dict) and "error" not in document:
            return response
        if 400 <= status < 500 and status not in (408, 429) and isinstance(document, dict):
            refusal = _parse_refusal(document)
            if refusal.error not in ("temporarily_unavailable", "server_error"):
                raise refusal
        raise TokenFailure(
            "token_unavailable",
            f"Microsoft Entra ID gave no usable answer (HTTP {status}); try again later.",
        )


def _certificate(name: str, content: str) -> dict[str, Any]:
    """A certificate and its private key in the form that msal takes. Raises TokenFailure.

    `content` is the secret that Key Vault stores under the certificate's name: PEM with key and
    chain, or PKCS #12 without a password in Base64.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import pkcs12

    try:
        if "-----BEGIN" in content:
            pem = content.encode()
            key = serialization.load_pem_private_key(pem, None)
            public_key = key.public_key()
            chain = x509.load_pem_x509_certificates(pem)
            leaf = next(each for each in chain if each.public_key() == public_key)
        else:
            bundle = pkcs12.load_pkcs12(base64.b64decode(content), None)
            if bundle.key is None or bundle.cert is None:
                raise ValueError
            key, leaf = bundle.key, bundle.cert.certificate
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError
    except Exception:
        raise TokenFailure(
            "secret_missing",
            f"The secret {name} in the vault holds no certificate with its RSA private key.",
        ) from None
    return {
        "private_key": key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        "public_certificate": leaf.public_bytes(serialization.Encoding.PEM).decode(),
    }


def _parse_refusal(document: Mapping[str, Any]) -> _Refusal:
    """The codes of an OAuth error answer (RFC 6749 section 5.2, and Entra's `error_codes`).

    The description is dropped, because it is not safe to show or to log.
    """
    error = document.get("error")
    error = error if isinstance(error, str) and re.fullmatch("[a-z_]{1,64}", error) else "unknown"
    match document.get("error_codes"):
        case [int(number), *_] if number > 0:
            return _Refusal(error, number)
    match = re.match(r"AADSTS(\d{1,9})\b", str(document.get("error_description")))
    return _Refusal(error, int(match[1]) if match else None)
