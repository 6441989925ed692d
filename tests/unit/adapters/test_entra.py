import base64
import io
import itertools
import json
import logging
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
import requests
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3.exceptions import (
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from cart_core.adapters.entra import EntraTokens
from cart_core.adapters.http_sessions import open_session
from cart_core.adapters.key_vault import KeyVault
from cart_core.adapters.managed_identity import ManagedIdentity
from cart_core.settings import Settings
from cart_core.tokens import TokenFailure

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"
IDENTITY = "33333333-3333-4333-8333-333333333333"
SECRET = "partner-center-client-secret"
CERTIFICATE = "partner-center-certificate"
REFRESH_TOKEN = "partner-center-refresh-token"
SCOPE = "https://api.partnercenter.microsoft.com/.default"

Reply = tuple[int, Any, dict[str, str]]
_vaults = itertools.count()


class Cloud(BaseAdapter):
    """Managed identity, vault and Entra in place of requests' sockets, below the real SDKs.

    `broken[place]` replaces what a place answers, by a reply or by an exception. Places are
    "identity", "vault", "metadata" and "token".
    """

    def __init__(self) -> None:
        super().__init__()
        self.vault = f"vault-{next(_vaults)}.vault.azure.net"
        self.secrets = {
            SECRET: "planted-client-secret",
            REFRESH_TOKEN: "planted-refresh-token",
            CERTIFICATE: pfx(),
        }
        self.broken: dict[str, Reply | Exception] = {}
        self.refuse: Callable[[dict[str, str]], Reply | None] = lambda form: None
        self.places: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.urls: list[str] = []
        self.options: list[tuple[object, bool]] = []
        self.issued = 0

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", self)
        session.mount("http://", self)
        return session

    def send(
        self, request: requests.PreparedRequest, *args: object, **options: Any
    ) -> requests.Response:
        url = urlsplit(str(request.url))
        if url.hostname == "127.0.0.1":
            place, answer = "identity", self._identity
        elif url.hostname == self.vault:
            place, answer = "vault", self._vault
        else:
            place, answer = ("metadata", self._metadata)
            if request.method == "POST":
                place, answer = "token", self._token
        self.places.append(place)
        self.urls.append(str(request.url))
        self.options.append((options["timeout"], options["verify"]))
        reply = self.broken.get(place) or answer(request)
        if isinstance(reply, Exception):
            raise reply
        status, body, headers = reply
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        raw = urllib3.HTTPResponse(
            io.BytesIO(content),
            {"Content-Type": "application/json", **headers},
            status,
            reason="Reason",
            preload_content=False,
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass

    def _identity(self, request: requests.PreparedRequest) -> Reply:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        assert request.headers["X-IDENTITY-HEADER"] == "planted-identity-header"
        assert query["client_id"] == IDENTITY
        token = f"planted-identity-token for {query['resource']}"
        expiry = str(int(datetime.now(UTC).timestamp()) + 86400)
        return 200, {"access_token": token, "expires_on": expiry, "resource": "r"}, {}

    def _vault(self, request: requests.PreparedRequest) -> Reply:
        resource = "https://vault.azure.net"
        if "Authorization" not in request.headers:
            tenant = f"https://login.microsoftonline.com/{TENANT}"
            challenge = f'Bearer authorization="{tenant}", resource="{resource}"'
            return 401, {}, {"WWW-Authenticate": challenge}
        assert request.headers["Authorization"] == f"Bearer planted-identity-token for {resource}"
        name = urlsplit(str(request.url)).path.split("/")[2]
        if name not in self.secrets:
            return 404, {"error": {"code": "SecretNotFound", "message": "planted"}}, {}
        address = f"https://{self.vault}/secrets/{name}/1"
        return 200, {"value": self.secrets[name], "id": address, "attributes": {}}, {}

    def _metadata(self, request: requests.PreparedRequest) -> Reply:
        base = str(request.url).partition("/v2.0/")[0]
        endpoints = ("authorization_endpoint", "token_endpoint")
        return 200, {name: f"{base}/oauth2/v2.0/{name[:5]}" for name in endpoints}, {}

    def _token(self, request: requests.PreparedRequest) -> Reply:
        form = dict(parse_qsl(str(request.body)))
        self.forms.append(form)
        if refusal := self.refuse(form):
            return refusal
        self.issued += 1
        answer = {"access_token": f"planted-access-token-{self.issued}", "expires_in": 3599}
        if form["grant_type"] == "refresh_token":
            answer["refresh_token"] = f"planted-rotated-{self.issued}"
        return 200, answer, {}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate_of(private_key: Any, name: str = "carts") -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(private_key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(1))
    return builder.sign(private_key, hashes.SHA256())


@cache
def certificate() -> x509.Certificate:
    return certificate_of(key())


@cache
def other_certificate() -> x509.Certificate:
    return certificate_of(ec.generate_private_key(ec.SECP256R1()), "issuer")


@cache
def pfx() -> str:
    protection = serialization.NoEncryption()
    bundle = pkcs12.serialize_key_and_certificates(None, key(), certificate(), None, protection)
    return base64.b64encode(bundle).decode()


def pem(*parts: Any) -> str:
    def encode(part: Any) -> bytes:
        encoding = serialization.Encoding.PEM
        if isinstance(part, x509.Certificate):
            return part.public_bytes(encoding)
        content: bytes = part.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return content

    return b"".join(map(encode, parts)).decode()


def elliptic() -> str:
    private_key = ec.generate_private_key(ec.SECP256R1())
    return pem(private_key, certificate_of(private_key))


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41000/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "planted-identity-header")
    return Cloud()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def entra(cloud: Cloud, clock: Clock) -> EntraTokens:
    return tokens(cloud, clock)


def tokens(
    cloud: Cloud,
    clock: Clock,
    credential: str = "secret",
    auth: str = "app_only",
    **changes: str,
) -> EntraTokens:
    environment = {
        "PARTNER_CENTER_TENANT_ID": TENANT,
        "PARTNER_CENTER_CLIENT_ID": CLIENT,
        "PARTNER_CENTER_CREDENTIAL": credential,
        "PARTNER_CENTER_AUTH": auth,
        "AZURE_CLIENT_ID": IDENTITY,
        "KEY_VAULT_URL": f"https://{cloud.vault}",
        **changes,
    }
    settings = Settings.read(environment)
    identity = ManagedIdentity(IDENTITY, new_session=cloud.session)
    vault = KeyVault(settings.key_vault_url or "", identity, new_session=cloud.session)
    return EntraTokens(settings, vault, vault, identity, clock=clock, new_session=cloud.session)


def failure_of(entra: EntraTokens) -> TokenFailure:
    with pytest.raises(TokenFailure) as caught:
        entra.fetch()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    return caught.value


def refusal(number: int | None, error: str, status: int = 400) -> Reply:
    document: dict[str, Any] = {"error": error, "error_description": "planted personal data"}
    if number:
        document |= {"error_codes": [number], "error_description": f"AADSTS{number}: planted"}
    return status, document, {}


WRONG_SECRET = refusal(7000215, "invalid_client", 401)


# What goes right


@pytest.mark.parametrize("auth", ["app_only", "app_user"])
@pytest.mark.parametrize("credential", ["secret", "certificate", "federated"])
def test_every_credential_in_both_modes(
    cloud: Cloud, clock: Clock, credential: str, auth: str
) -> None:
    token = tokens(cloud, clock, credential, auth).fetch()
    assert token.value == "planted-access-token-1"
    assert token.expires_at == clock.now + 3599
    (form,) = cloud.forms
    assert form["client_id"] == CLIENT
    if auth == "app_only":
        assert form["grant_type"] == "client_credentials"
        assert form["scope"] == SCOPE
    else:
        assert form["grant_type"] == "refresh_token"
        assert form["refresh_token"] == "planted-refresh-token"
        assert set(form["scope"].split()) == {SCOPE, "openid", "offline_access"}
    if credential == "secret":
        assert form["client_secret"] == "planted-client-secret"
        assert "client_assertion" not in form
    else:
        assert form["client_assertion_type"].endswith(":jwt-bearer")
        assert "client_secret" not in form
    if credential == "federated":
        assertion = "planted-identity-token for api://AzureADTokenExchange"
        assert form["client_assertion"] == assertion


def test_federated_needs_no_vault(cloud: Cloud, clock: Clock) -> None:
    tokens(cloud, clock, "federated", KEY_VAULT_URL="").fetch()
    assert cloud.places == ["metadata", "identity", "token"]


def test_a_second_token_costs_one_call(cloud: Cloud, entra: EntraTokens) -> None:
    entra.fetch()
    assert cloud.places == ["vault", "identity", "vault", "metadata", "token"]
    cloud.places.clear()
    assert entra.fetch().value == "planted-access-token-2"
    assert cloud.places == ["token"]


@pytest.mark.parametrize(
    ("name", "authority", "scope", "audience"),
    [
        ("global", "login.microsoftonline.com", SCOPE, ""),
        (
            "china",
            "login.partner.microsoftonline.cn",
            "https://partner.partnercenterapi.microsoftonline.cn/.default",
            "China",
        ),
        ("usgov", "login.microsoftonline.us", SCOPE, "USGov"),
    ],
)
def test_clouds(
    cloud: Cloud, clock: Clock, name: str, authority: str, scope: str, audience: str
) -> None:
    tokens(cloud, clock, "federated", PARTNER_CENTER_CLOUD=name).fetch()
    assert cloud.urls[0].startswith(f"https://{authority}/{TENANT}/v2.0/")
    assert cloud.urls[-1].startswith(f"https://{authority}/{TENANT}/oauth2/v2.0/")
    assert cloud.forms[0]["scope"] == scope
    assert cloud.forms[0]["client_assertion"].endswith(f"AzureADTokenExchange{audience}")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pfx, id="pkcs12"),
        pytest.param(lambda: pem(key(), certificate()), id="pem"),
        pytest.param(lambda: pem(certificate(), key()), id="pem, key last"),
        pytest.param(lambda: pem(key(), other_certificate(), certificate()), id="leaf last"),
    ],
)
def test_a_certificate_signs_the_assertion(
    cloud: Cloud, clock: Clock, content: Callable[[], str]
) -> None:
    cloud.secrets[CERTIFICATE] = content()
    tokens(cloud, clock, "certificate").fetch()
    assertion = cloud.forms[0]["client_assertion"]
    thumbprint = base64.urlsafe_b64encode(certificate().fingerprint(hashes.SHA256())).decode()
    assert jwt.get_unverified_header(assertion)["x5t#S256"] == thumbprint
    audience = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    claims = jwt.decode(assertion, key().public_key(), ["PS256"], audience=audience)
    assert claims["iss"] == claims["sub"] == CLIENT


def test_white_space_around_a_secret_does_not_matter(cloud: Cloud, entra: EntraTokens) -> None:
    cloud.secrets[SECRET] = "planted-client-secret\r\n"
    entra.fetch()
    assert cloud.forms[0]["client_secret"] == "planted-client-secret"


# Refresh tokens


def test_a_rotated_refresh_token_is_used_and_shown(cloud: Cloud, clock: Clock) -> None:
    entra = tokens(cloud, clock, auth="app_user")
    assert entra.rotated_refresh_token is None
    entra.fetch()
    assert entra.rotated_refresh_token == "planted-rotated-1"
    entra.fetch()
    assert entra.rotated_refresh_token == "planted-rotated-2"
    assert [form["refresh_token"] for form in cloud.forms] == [
        "planted-refresh-token",
        "planted-rotated-1",
    ]


@pytest.mark.parametrize(
    ("in_vault", "tried"),
    [
        pytest.param("planted-refresh-token", ["planted-rotated-1"], id="unchanged"),
        pytest.param("planted-rotated-1", ["planted-rotated-1"], id="written back"),
        pytest.param("planted-anew", ["planted-rotated-1", "planted-anew"], id="replaced"),
    ],
)
def test_the_vaults_refresh_token_wins_where_it_has_changed(
    cloud: Cloud, clock: Clock, in_vault: str, tried: list[str]
) -> None:
    entra = tokens(cloud, clock, auth="app_user")
    entra.fetch()
    cloud.forms.clear()
    cloud.secrets[REFRESH_TOKEN] = in_vault
    cloud.refuse = lambda form: (
        None if form["refresh_token"] == "planted-anew" else refusal(50173, "invalid_grant")
    )
    if len(tried) == 2:
        entra.fetch()
    else:
        assert failure_of(entra).code == "consent_required"
    assert [form["refresh_token"] for form in cloud.forms] == tried


def test_a_refresh_token_written_back_is_no_longer_shown(cloud: Cloud, clock: Clock) -> None:
    entra = tokens(cloud, clock, auth="app_user")
    entra.fetch()
    cloud.secrets[REFRESH_TOKEN] = "planted-rotated-1"
    cloud.refuse = lambda form: refusal(50173, "invalid_grant")
    failure_of(entra)
    assert entra.rotated_refresh_token is None


# Reading secrets again


def test_a_rotated_secret_is_read_again_and_tried_at_once(cloud: Cloud, entra: EntraTokens) -> None:
    entra.fetch()
    cloud.places.clear()
    cloud.secrets[SECRET] = "planted-newer"
    cloud.refuse = lambda form: None if form["client_secret"] == "planted-newer" else WRONG_SECRET
    assert entra.fetch().value == "planted-access-token-2"
    assert cloud.places == ["token", "identity", "vault", "token"]


def test_an_unchanged_secret_is_not_tried_again(cloud: Cloud, entra: EntraTokens) -> None:
    entra.fetch()
    cloud.places.clear()
    cloud.refuse = lambda form: WRONG_SECRET
    assert failure_of(entra).code == "token_rejected"
    assert cloud.places == ["token", "identity", "vault"]


def test_secrets_are_read_again_once_in_30_seconds(
    cloud: Cloud, entra: EntraTokens, clock: Clock
) -> None:
    entra.fetch()
    cloud.refuse = lambda form: WRONG_SECRET
    for seconds, reads in ((0, 1), (29.9, 0), (0.1, 1)):
        clock.now += seconds
        cloud.places.clear()
        failure_of(entra)
        assert cloud.places.count("vault") == reads


def test_secrets_are_not_read_twice_for_one_token(cloud: Cloud, entra: EntraTokens) -> None:
    cloud.refuse = lambda form: WRONG_SECRET
    failure_of(entra)
    assert cloud.places == ["vault", "identity", "vault", "metadata", "token"]


def test_there_is_nothing_to_read_again_for_a_federated_credential(
    cloud: Cloud, clock: Clock
) -> None:
    entra = tokens(cloud, clock, "federated", "app_user")
    entra.fetch()
    cloud.places.clear()
    cloud.refuse = lambda form: refusal(700213, "invalid_client", 401)
    assert failure_of(entra).code == "token_rejected"
    assert "vault" not in cloud.places


def test_a_vault_that_fails_meanwhile_is_what_is_reported(cloud: Cloud, entra: EntraTokens) -> None:
    entra.fetch()
    cloud.refuse = lambda form: WRONG_SECRET
    cloud.broken["vault"] = (503, {}, {})
    assert failure_of(entra).code == "vault_unavailable"


# Failures, each where it occurs


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param((400, {"statusCode": 400, "message": "planted"}, {}), id="no such identity"),
        pytest.param((401, {"statusCode": 401, "message": "planted"}, {}), id="wrong header"),
        pytest.param((500, {"statusCode": 500, "message": "planted"}, {}), id="fails"),
        pytest.param((429, {}, {"Retry-After": "3600"}), id="throttled"),
        pytest.param((502, b"<html>planted</html>", {"Content-Type": "text/html"}), id="HTML"),
        pytest.param((200, b'{"access_token": "planted', {}), id="cut"),
        pytest.param((200, ["planted"], {}), id="no object"),
        pytest.param(requests.ConnectionError("planted"), id="refused"),
        pytest.param(requests.ReadTimeout("planted"), id="silent"),
    ],
)
@pytest.mark.parametrize("credential", ["secret", "federated"])
def test_managed_identity_failures(
    cloud: Cloud, clock: Clock, credential: str, reply: Reply | Exception
) -> None:
    cloud.broken["identity"] = reply
    failure = failure_of(tokens(cloud, clock, credential))
    assert failure.code == "managed_identity_unavailable"
    assert "AZURE_CLIENT_ID" in failure.detail
    assert cloud.places.count("identity") == 1


def vault_error(code: str, inner: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": "planted"}
    return {"error": error | ({"innererror": {"code": inner}} if inner else {})}


@pytest.mark.parametrize(
    ("reply", "code", "word"),
    [
        ((404, vault_error("SecretNotFound"), {}), "secret_missing", SECRET),
        ((403, vault_error("Forbidden", "SecretDisabled"), {}), "secret_missing", "disabled"),
        ((403, vault_error("Forbidden", "ForbiddenByRbac"), {}), "vault_denied", "may read"),
        ((403, vault_error("Forbidden", "ForbiddenByFirewall"), {}), "vault_denied", "network"),
        ((403, b"<html>planted</html>", {"Content-Type": "text/html"}), "vault_denied", "403"),
        ((401, vault_error("Unauthorized"), {}), "vault_denied", "401"),
        ((429, vault_error("Throttled"), {"Retry-After": "3600"}), "vault_unavailable", "429"),
        ((500, vault_error("InternalServerError"), {}), "vault_unavailable", "500"),
        ((503, {}, {"Retry-After": "3600"}), "vault_unavailable", "503"),
        ((200, b'{"value": "planted', {}), "vault_unavailable", "KEY_VAULT_URL"),
        ((200, {"value": " "}, {}), "secret_missing", "empty"),
        ((200, ["planted"], {}), "vault_unavailable", "KEY_VAULT_URL"),
        ((200, {"id": "https://v.vault.azure.net/secrets/n/1"}, {}), "secret_missing", "empty"),
        (requests.ConnectionError("planted"), "vault_unavailable", "KEY_VAULT_URL"),
        (ChunkedEncodingError("IncompleteRead"), "vault_unavailable", "(IncompleteReadError)"),
        (requests.ConnectTimeout("planted"), "vault_unavailable", "KEY_VAULT_URL"),
        (requests.ReadTimeout("planted"), "vault_unavailable", "KEY_VAULT_URL"),
        (requests.exceptions.SSLError("planted"), "vault_unavailable", "KEY_VAULT_URL"),
        (requests.exceptions.ProxyError("planted"), "vault_unavailable", "KEY_VAULT_URL"),
    ],
)
def test_vault_failures(
    cloud: Cloud, entra: EntraTokens, reply: Reply | Exception, code: str, word: str
) -> None:
    cloud.broken["vault"] = reply
    failure = failure_of(entra)
    assert failure.code == code
    assert word in failure.detail
    cloud.broken.clear()
    entra.fetch()


def test_a_challenge_from_elsewhere_gets_no_token(cloud: Cloud, entra: EntraTokens) -> None:
    challenge = f'Bearer authorization="https://evil.example/{TENANT}", resource="https://evil.net"'
    cloud.broken["vault"] = (401, {}, {"WWW-Authenticate": challenge})
    assert failure_of(entra).code == "vault_unavailable"
    assert "identity" not in cloud.places


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda: "no Base64!", id="garbage"),
        pytest.param(lambda: base64.b64encode(b"no PKCS #12").decode(), id="no PKCS #12"),
        pytest.param(lambda: pem(certificate()), id="no key"),
        pytest.param(lambda: pem(key()), id="no certificate"),
        pytest.param(lambda: pem(key(), other_certificate()), id="another's certificate"),
        pytest.param(elliptic, id="no RSA"),
    ],
)
def test_an_unusable_certificate_is_not_kept(
    cloud: Cloud, clock: Clock, content: Callable[[], str]
) -> None:
    entra = tokens(cloud, clock, "certificate")
    cloud.secrets[CERTIFICATE] = content()
    failure = failure_of(entra)
    assert failure.code == "secret_missing"
    assert CERTIFICATE in failure.detail
    cloud.secrets[CERTIFICATE] = pfx()
    entra.fetch()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (refusal(7000215, "invalid_client", 401), ["AADSTS7000215", "not its id", SECRET]),
        (refusal(7000222, "invalid_client", 401), ["AADSTS7000222", "expired", SECRET]),
        (refusal(700016, "unauthorized_client"), ["700016", "PARTNER_CENTER_CLIENT_ID"]),
        (refusal(500011, "invalid_resource"), ["500011", "PARTNER_CENTER_CLOUD"]),
        (refusal(1002012, "invalid_scope"), ["1002012", "registration"]),
        (refusal(None, "invalid_client", 401), ["(invalid_client)", SECRET]),
        (refusal(50076, "interaction_required"), ["50076"]),
        ((400, {"error": "<b>planted</b>"}, {}), ["(unknown)"]),
        ((400, {"error": {"code": "planted"}}, {}), ["(unknown)"]),
        ((400, {"error_codes": ["planted"]}, {}), ["(unknown)"]),
        ((403, {"error_description": "AADSTS53003: planted"}, {}), ["AADSTS53003"]),
    ],
)
def test_entra_refuses(cloud: Cloud, entra: EntraTokens, reply: Reply, words: list[str]) -> None:
    cloud.refuse = lambda form: reply
    failure = failure_of(entra)
    assert failure.code == "token_rejected"
    for word in words:
        assert word in failure.detail
    cloud.refuse = lambda form: None
    entra.fetch()


def test_entra_does_not_know_the_tenant(cloud: Cloud, entra: EntraTokens) -> None:
    cloud.broken["metadata"] = refusal(90002, "invalid_tenant")
    failure = failure_of(entra)
    assert failure.code == "token_rejected"
    assert "PARTNER_CENTER_TENANT_ID" in failure.detail


@pytest.mark.parametrize(
    ("credential", "word"), [("certificate", CERTIFICATE), ("federated", "subject")]
)
def test_a_refused_credential_is_named(
    cloud: Cloud, clock: Clock, credential: str, word: str
) -> None:
    cloud.refuse = lambda form: refusal(700027, "invalid_client", 401)
    assert word in failure_of(tokens(cloud, clock, credential)).detail


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refusal(50076, "invalid_grant"), "consent_required"),
        (refusal(50076, "interaction_required"), "consent_required"),
        (refusal(50173, "invalid_grant"), "consent_required"),
        (refusal(700082, "invalid_grant"), "consent_required"),
        (refusal(65001, "invalid_grant"), "consent_required"),
        (refusal(None, "consent_required"), "consent_required"),
        (refusal(7000215, "invalid_client", 401), "token_rejected"),
        (refusal(700016, "unauthorized_client"), "token_rejected"),
    ],
)
def test_entra_refuses_a_user(cloud: Cloud, clock: Clock, reply: Reply, code: str) -> None:
    cloud.refuse = lambda form: reply
    failure = failure_of(tokens(cloud, clock, auth="app_user"))
    assert failure.code == code
    if code == "consent_required":
        assert REFRESH_TOKEN in failure.detail


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param((500, {"error": "server_error"}, {}), id="500"),
        pytest.param((503, b"<html>planted</html>", {"Retry-After": "3600"}), id="503"),
        pytest.param((429, {"error": "planted"}, {"Retry-After": "3600"}), id="429"),
        pytest.param((408, {"error": "planted"}, {}), id="408"),
        pytest.param(refusal(90033, "temporarily_unavailable"), id="temporarily_unavailable"),
        pytest.param((404, b"<html>planted</html>", {}), id="HTML"),
        pytest.param((307, b"", {"Location": "https://evil.example/"}), id="redirect"),
        pytest.param((200, b'{"access_token": "planted', {}), id="cut"),
        pytest.param((200, ["planted"], {}), id="no object"),
        pytest.param((200, {"token_type": "planted"}, {}), id="no token"),
        pytest.param((200, {"error": "planted"}, {}), id="an error for a 200"),
        pytest.param(requests.ConnectionError("planted"), id="refused"),
        pytest.param(requests.ConnectTimeout("planted"), id="no connection"),
        pytest.param(requests.ReadTimeout("planted"), id="silent"),
        pytest.param(ChunkedEncodingError("planted"), id="cut off"),
        pytest.param(requests.exceptions.ProxyError("planted"), id="proxy"),
        pytest.param(requests.exceptions.SSLError("planted"), id="TLS"),
    ],
)
@pytest.mark.parametrize("place", ["metadata", "token"])
def test_entra_is_unavailable_and_may_be_asked_again_at_once(
    cloud: Cloud, entra: EntraTokens, place: str, reply: Reply | Exception
) -> None:
    cloud.broken[place] = reply
    failure = failure_of(entra)
    assert failure.code == "token_unavailable"
    assert "Entra" in failure.detail
    assert cloud.places.count(place) == 1
    assert "evil" not in "".join(cloud.urls)
    cloud.broken.clear()
    entra.fetch()


# Bounds


@pytest.mark.parametrize("credential", ["secret", "certificate", "federated"])
def test_every_call_is_bounded_and_verified(
    cloud: Cloud, clock: Clock, credential: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    tokens(cloud, clock, credential, "app_user").fetch()
    assert set(cloud.options) == {((2.0, 6.0), True)}


@pytest.mark.parametrize("url", ["https://vault.azure.net/", "http://127.0.0.1/"])
def test_nothing_that_was_sent_is_sent_again(url: str) -> None:
    with open_session() as session:
        adapter = session.get_adapter(url)
    assert isinstance(adapter, HTTPAdapter)
    retries, pool = adapter.max_retries, urllib3.HTTPConnectionPool("127.0.0.1")
    assert not retries.is_retry("GET", 503, has_retry_after=True)
    for sent in (
        ReadTimeoutError(pool, url, "silent"),
        ProtocolError("cut"),
        SSLError("cut without a TLS farewell"),
    ):
        with pytest.raises((type(sent), MaxRetryError)):
            retries.increment("GET", url, error=sent, _pool=pool)
    refused = NewConnectionError(urllib3.connection.HTTPConnection("127.0.0.1"), "refused")
    once_more = retries.increment("GET", url, error=refused, _pool=pool)
    with pytest.raises(MaxRetryError):
        once_more.increment("GET", url, error=refused, _pool=pool)


def test_one_fetch_at_a_time(
    cloud: Cloud, entra: EntraTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()
    original = cloud.send

    def slow(*args: Any, **options: Any) -> requests.Response:
        entered.set()
        assert leave.wait(10)
        return original(*args, **options)

    monkeypatch.setattr(cloud, "send", slow)
    first = threading.Thread(target=entra.fetch)
    first.start()
    assert entered.wait(10)
    assert failure_of(entra).code == "token_unavailable"
    leave.set()
    first.join(10)
    entra.fetch()


def test_importing_is_cheap() -> None:
    statement = (
        "import sys, cart_core.adapters.entra; "
        "print([n for n in ('msal', 'azure.identity', 'requests') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


# Secrets


@pytest.mark.parametrize("auth", ["app_only", "app_user"])
@pytest.mark.parametrize("credential", ["secret", "certificate", "federated"])
@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"token": (200, b'{"access_token": "planted', {})},
        {"token": refusal(7000215, "invalid_client", 401)},
        {"token": (500, b"planted", {})},
    ],
    ids=["works", "cut", "refused", "fails"],
)
def test_secrets_are_in_no_log_and_no_repr(
    cloud: Cloud,
    clock: Clock,
    credential: str,
    auth: str,
    broken: Mapping[str, Reply],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    entra = tokens(cloud, clock, credential, auth)
    shown = [repr(entra), str(vars(entra))]
    shown.append(repr(entra.fetch()))
    cloud.broken.update(broken)
    if broken:
        failure_of(entra)
    else:
        shown.append(repr(entra.fetch()))
    shown += [repr(entra), str(vars(entra)), caplog.text]
    shown += [str(vars(record)) for record in caplog.records]
    body_of_key = pem(key()).splitlines()[1]
    for secret in ("planted", body_of_key, pfx()[:60]):
        assert not [text for text in shown if secret in text]
    for form in cloud.forms:
        assertion = form.get("client_assertion", "planted")
        assert not [text for text in shown if assertion in text]
