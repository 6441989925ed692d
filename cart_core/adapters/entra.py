"""Partner Center tokens from Microsoft Entra ID: the only module that uses msal.

msal is imported when the first token is fetched. Every call has a time limit, and no request is
sent twice: repeating is up to the caller, who knows the deadline.
"""

import base64
import binascii
import itertools
import json
import logging
import math
import re
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
from cart_core.adapters.secret_form import flaw_in
from cart_core.partner_center.pauses import DEFAULT_PAUSE, asked_pause
from cart_core.settings import Settings
from cart_core.tokens import PAUSE, AccessToken, FailureCode, Renewal, TokenFailure

if TYPE_CHECKING:
    import requests

_LOG = logging.getLogger(__name__)

SECRETS_AGE: Final = 600.0
"""Seconds after which secrets are read from the vault again before the next token request."""

PASSING_PAUSE: Final = 120
"""Seconds to wait after a refusal that passes by itself, where Entra does not say how long."""

_SIGN_IN_ERRORS: Final = frozenset({"interaction_required", "consent_required", "login_required"})
"""OAuth errors after which only a new sign-in of the user helps."""

_PASSING_ERRORS: Final = frozenset({"temporarily_unavailable", "server_error"})
"""OAuth errors that pass by themselves."""

# What AADSTS numbers mean, by Entra's page on authentication and authorisation error codes. A
# number decides before the OAuth error does: the same `invalid_grant` comes with a sign-in that has
# ended, with a request that was sent too often, and with a directory that is down.

_PASSING: Final[Mapping[int, str]] = {
    50196: "it was asked too often",
    90006: "a service that it needs is down",
    90012: "it ran into a time-out",
    90024: "it failed for the moment",
    90033: "its directory is down",
    90055: "the tenant sends too many requests",
}
"""Why there is no token for the moment."""

_POLICY: Final = "a policy of the tenant demands MFA"

_USER: Final[Mapping[int, tuple[FailureCode, str]]] = {
    50076: ("consent_required", _POLICY),
    50078: ("consent_required", f"{_POLICY}, and the last one has expired"),
    50079: ("consent_required", f"{_POLICY}, and the user has not registered for it"),
    50132: ("consent_required", "the password was changed or has expired"),
    50133: ("consent_required", "the password was changed or has expired"),
    50173: ("consent_required", "the password was changed or the sign-ins were revoked"),
    65001: ("consent_required", "nobody has consented to the application"),
    70008: ("consent_required", "the refresh token has expired"),
    70043: ("consent_required", "a policy of the tenant demands a sign-in from time to time"),
    700082: ("consent_required", "the refresh token was not used for too long"),
    700084: ("consent_required", "the refresh token of a single-page application has expired"),
    50057: ("token_rejected", "the agent's account is disabled; consent as another agent"),
    70000: ("token_rejected", "the secret {secret} holds no refresh token of Microsoft Entra ID"),
    90013: ("token_rejected", "the secret {secret} holds no refresh token of Microsoft Entra ID"),
    700005: ("token_rejected", "the refresh token in {secret} was issued by another tenant"),
    700007: (
        "token_rejected",
        "the refresh token in {secret} was issued to another application; it and "
        "PARTNER_CENTER_CLIENT_ID do not belong together",
    ),
    9002313: ("token_rejected", "the secret {secret} holds no refresh token of Microsoft Entra ID"),
}
"""What a refusal of the user's refresh token means. `{secret}` is the name of its secret."""

_CONDITIONAL_ACCESS: Final = (
    "a Conditional Access policy blocks it; an administrator of the tenant must allow it"
)

_ADVICE: Final[Mapping[int, str]] = {
    53000: _CONDITIONAL_ACCESS,
    53001: _CONDITIONAL_ACCESS,
    53003: _CONDITIONAL_ACCESS,
    90002: "no such tenant; check PARTNER_CENTER_TENANT_ID and PARTNER_CENTER_CLOUD",
    500011: "the tenant does not know Partner Center; check PARTNER_CENTER_TENANT_ID and "
    "PARTNER_CENTER_CLOUD",
    700016: "no such application in the tenant; check PARTNER_CENTER_CLIENT_ID and "
    "PARTNER_CENTER_TENANT_ID",
    7000112: "the application is disabled in the tenant",
    7000215: "the client secret is wrong (it must be the secret's value, not its id)",
    7000222: "the client secret has expired",
}
"""What a person should know or do about the application."""


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret as the vault holds it and as it is used now.

    The two differ where Entra has issued a newer refresh token since the vault was read.
    """

    stored: str = field(repr=False)
    current: str = field(repr=False)


@dataclass(slots=True)
class _Memory:
    """What is kept from one token to the next.

    `read_at` is when the secrets were read, `read_again_at` when that was for a special reason.
    msal keeps Entra's metadata in `metadata`.
    """

    secrets: dict[str, _Secret] = field(default_factory=dict)
    read_at: float = -math.inf
    read_again_at: float = -math.inf
    metadata: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> "_Memory":
        return _Memory(dict(self.secrets), self.read_at, self.read_again_at, dict(self.metadata))


class _Refusal(Exception):
    """Entra refused a token request.

    `error` is the OAuth error code, `number` the AADSTS number and `pause` the seconds to wait,
    where Entra gave them.
    """

    def __init__(self, error: str, number: int | None, pause: int | None = None) -> None:
        super().__init__(error, number)
        self.error: Final = error
        self.number: Final = number
        self.pause: Final = pause

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

    Secrets are kept in memory. They are read from the vault again before a token is renewed that
    Partner Center has refused, where they were read more than SECRETS_AGE seconds ago, and where
    Entra refuses them; for the first and the last reason at most once in PAUSE seconds. One that
    has changed is used from then on. Where the vault fails, those in memory are used.
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
        self._memory = _Memory()
        self._numbers = itertools.count(1)
        self._last_number = 0

    @property
    def rotated_refresh_token(self) -> str | None:
        """The newest refresh token from Entra, or None where it is the one that the vault holds."""
        secret = self._memory.secrets.get(self._settings.refresh_token_name)
        return secret.current if secret and secret.current != secret.stored else None

    def fetch(self, renewal: Renewal | None = None) -> AccessToken:
        """A new access token from Entra. It blocks, for seconds at worst.

        Where an earlier call still hangs, its caller has given up on it. This call does not wait
        for the earlier one, and what the earlier one still learns is dropped. Raises TokenFailure.
        """
        number = self._last_number = next(self._numbers)
        memory = self._memory.copy()
        try:
            with self._new_session() as session:
                return self._fetch(session, memory, renewal)
        finally:
            if number == self._last_number:
                self._memory = memory

    def read_credential(self) -> dict[str, str]:
        """The application's secret or certificate by its name, empty where it is federated.

        Raises TokenFailure, also for one that cannot be used: that must not be kept.
        """
        settings = self._settings
        if settings.credential == "federated":
            return {}
        if settings.credential == "secret":
            return _well_formed(self._vault.read([settings.client_secret_name]))
        values = self._vault.read([settings.certificate_name])
        _certificate(settings.certificate_name, values[settings.certificate_name])
        return values

    def read_refresh_token(self) -> dict[str, str]:
        """The user's refresh token by its name, empty in app-only mode. Raises TokenFailure."""
        settings = self._settings
        if settings.auth == "app_only":
            return {}
        return _well_formed(self._refresh_token_vault.read([settings.refresh_token_name]))

    def _fetch(
        self, session: "requests.Session", memory: _Memory, renewal: Renewal | None
    ) -> AccessToken:
        unread = None
        known = bool(memory.secrets)
        due = self._clock() - memory.read_at >= SECRETS_AGE
        if not known:
            self._read_secrets(memory)
        elif due or renewal:
            try:
                (self._read_again if renewal else self._read_secrets)(memory)
            except TokenFailure as failure:
                unread = failure
                _LOG.warning("The secrets in memory are used further: %s", failure)
        while True:
            try:
                return self._request_token(session, memory, renewal)
            except _Refusal as caught:
                refusal = caught
            secret_may_help = known and self._secret_may_help(refusal)
            if unread and secret_may_help:
                raise unread.repeated()
            if not (secret_may_help and self._read_again(memory)):
                raise self._failure_for(refusal)

    def _request_token(
        self, session: "requests.Session", memory: _Memory, renewal: Renewal | None
    ) -> AccessToken:
        """Sends one token request with the secrets in memory. Raises _Refusal and TokenFailure."""
        import msal  # type: ignore[import-untyped]

        settings = self._settings
        claims = _claims_in_json(renewal.claims) if renewal and renewal.claims else None
        requested_at = self._clock()
        try:
            app = msal.ConfidentialClientApplication(
                settings.client_id,
                client_credential=self._client_credential(memory),
                authority=f"{settings.authority}/{settings.tenant_id}",
                http_client=_MsalHttpClient(session, self._clock),
                http_cache=memory.metadata,
                exclude_scopes=["profile"],  # the app does not need the user's name
            )
            scopes = [settings.token_scope]
            if settings.auth == "app_only":
                result = app.acquire_token_for_client(scopes, claims_challenge=claims)
            else:
                name = settings.refresh_token_name
                secret = memory.secrets[name]
                result = app.acquire_token_by_refresh_token(
                    secret.current, scopes, data={"claims": claims} if claims else {}
                )
                if newer := result.get("refresh_token"):
                    memory.secrets[name] = _Secret(secret.stored, newer)
            token = result["access_token"]
            if not isinstance(token, str):
                raise TypeError
            return AccessToken(token, requested_at + float(result["expires_in"]))
        except (TokenFailure, _Refusal):
            raise
        except Exception as error:
            memory.metadata.clear()  # msal would trust bad metadata for a day
            raise TokenFailure(
                "token_unavailable",
                f"Microsoft Entra ID gave no usable answer ({type(error).__name__}).",
            ) from None

    def _client_credential(self, memory: _Memory) -> str | dict[str, Any]:
        """What the application proves its identity with, in the form that msal takes."""
        settings = self._settings
        if settings.credential == "secret":
            return memory.secrets[settings.client_secret_name].current
        if settings.credential == "certificate":
            name = settings.certificate_name
            return _certificate(name, memory.secrets[name].current)
        audience = settings.federation_audience
        return {"client_assertion": lambda: self._identity.fetch(audience).value}

    def _secret_may_help(self, refusal: _Refusal) -> bool:
        """Whether a secret that has changed in the vault could be accepted instead."""
        settings = self._settings
        if refusal.error == "invalid_client":
            return settings.credential != "federated"
        return settings.auth == "app_user" and not _passes(refusal)

    def _read_again(self, memory: _Memory) -> bool:
        """Reads the secrets again if that was not done just now; whether one has changed."""
        if 0 <= self._clock() - memory.read_again_at < PAUSE:
            return False
        memory.read_again_at = self._clock()
        return self._read_secrets(memory)

    def _read_secrets(self, memory: _Memory) -> bool:
        """Reads all secrets from the vault; whether one differs from the one in use.

        A value that has not changed in the vault does not replace the one in use: Entra may have
        issued a newer refresh token for it since.
        """
        values = self.read_credential() | self.read_refresh_token()
        memory.read_at = self._clock()
        changed = False
        for name, value in values.items():
            known = memory.secrets.get(name)
            if known is None or known.stored != value:
                changed |= known is None or known.current != value
                memory.secrets[name] = _Secret(value, value)
        return changed

    def _failure_for(self, refusal: _Refusal) -> TokenFailure:
        settings = self._settings
        if _passes(refusal):
            return TokenFailure(
                "token_unavailable",
                f"Microsoft Entra ID gives no token for now ({refusal}): "
                f"{_PASSING.get(refusal.number or 0, 'it fails')}; try again later.",
                retry_after=max(PASSING_PAUSE, refusal.pause or 0),
            )
        advice = []
        if settings.auth == "app_user":
            code, cause = _meaning_for_user(refusal)
            if code == "consent_required":
                return TokenFailure(
                    code,
                    f"Microsoft Entra ID wants the user to sign in again ({refusal}): "
                    f"{cause}{'; ' if cause else ''}sign in as an agent with MFA, consent, and "
                    f"store the new refresh token as the secret {settings.refresh_token_name}.",
                )
            advice = [cause.format(secret=settings.refresh_token_name)] if cause else []
        if by_number := _ADVICE.get(refusal.number or 0):
            advice.append(by_number)
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


def _well_formed(secrets: dict[str, str]) -> dict[str, str]:
    """The secrets, once their form is looked at. Raises TokenFailure."""
    for name, value in secrets.items():
        if flaw := flaw_in(value):
            raise TokenFailure(
                "secret_missing",
                f"The secret {name} in the vault cannot be used: it {flaw}. Store the value "
                "alone, in one line.",
            )
    return secrets


class _MsalHttpClient:
    """The HTTP client that msal calls (see msal.oauth2cli.http).

    It passes only successful answers on to msal and raises for all others. msal would write a
    garbled token answer into the log, remember a refusal for a minute, and request the metadata
    again after each failure.
    """

    def __init__(self, session: "requests.Session", clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock

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
        pause = asked_pause(response.headers, None, self._clock())
        refusal = _parse_refusal(document, pause) if isinstance(document, dict) else None
        if refusal and 400 <= status < 500 and (status not in (408, 429) or _passes(refusal)):
            raise refusal
        raise TokenFailure(
            "token_unavailable",
            f"Microsoft Entra ID gave no usable answer (HTTP {status}); try again later.",
            retry_after=pause or (DEFAULT_PAUSE if status == 429 else None),
        )


def _passes(refusal: _Refusal) -> bool:
    """Whether a refusal passes by itself. Its number decides; without one its OAuth error does."""
    if refusal.number in _PASSING:
        return True
    return refusal.error in _PASSING_ERRORS and refusal.number not in {*_USER, *_ADVICE}


def _meaning_for_user(refusal: _Refusal) -> tuple[FailureCode, str]:
    """The code and the cause where a user's refresh token was sent.

    An `invalid_grant` with a number that is not known here may have any cause; without a number it
    is what RFC 6749 says: the refresh token has ended.
    """
    if meaning := _USER.get(refusal.number or 0):
        return meaning
    if refusal.number in _ADVICE:
        return "token_rejected", ""
    grant_ended = refusal.error == "invalid_grant" and refusal.number is None
    if grant_ended or refusal.error in _SIGN_IN_ERRORS:
        return "consent_required", ""
    return "token_rejected", ""


def _claims_in_json(claims: str) -> str | None:
    """The claims of a challenge as Entra takes them: a JSON object; None where they are none.

    Challenges hold them in Base64 (Entra's "Claims challenges" page).
    """
    with_padding = claims + "=" * (-len(claims) % 4)
    try:
        decoded = base64.b64decode(with_padding.translate({45: "+", 95: "/"}), validate=True)
        claims = decoded.decode()
    except (binascii.Error, ValueError):
        pass  # It may be JSON already.
    try:
        return claims if isinstance(json.loads(claims), dict) else None
    except (ValueError, RecursionError):
        return None


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


def _parse_refusal(document: Mapping[str, Any], pause: int | None) -> _Refusal:
    """The codes of an OAuth error answer (RFC 6749 section 5.2, and Entra's `error_codes`).

    The description is dropped, because it is not safe to show or to log.
    """
    error = document.get("error")
    error = error if isinstance(error, str) and re.fullmatch("[a-z_]{1,64}", error) else "unknown"
    match document.get("error_codes"):
        case [int(number), *_] if number > 0:
            return _Refusal(error, number, pause)
    match = re.match(r"AADSTS(\d{1,9})\b", str(document.get("error_description")))
    return _Refusal(error, int(match[1]) if match else None, pause)
