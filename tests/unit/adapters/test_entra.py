"""Partner Center tokens through msal, with managed identity, vault and Entra in memory."""

import base64
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import hashes

from cart_core.adapters.entra import SECRETS_AGE, EntraTokens
from cart_core.settings import Settings
from cart_core.tokens import AccessToken, Renewal, TokenFailure
from tests.unit.adapters.certificates import UNUSABLE, USABLE, certificate, key, pem, pfx
from tests.unit.adapters.services import NO_ANSWER, Reply, Service, failure_of

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"
SECRET = "partner-center-client-secret"
CERTIFICATE = "partner-center-certificate"
REFRESH_TOKEN = "partner-center-refresh-token"
SCOPE = "https://api.partnercenter.microsoft.com/.default"


class Cloud(Service):
    """Entra below msal, and the managed identity and the vault that EntraTokens asks.

    `now` are the seconds of the clock. `places` has who was asked: "identity", "vault", "metadata"
    or "token"; `at` is called with each before it answers. `broken[place]` replaces what metadata
    or token answer, and is raised by the others. `refuse` says whether a token request is refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.secrets = {
            SECRET: "planted-client-secret",
            REFRESH_TOKEN: "planted-refresh-token",
            CERTIFICATE: pfx(),
        }
        self.broken: dict[str, Any] = {}
        self.refuse: Callable[[dict[str, str]], Reply | None] = lambda form: None
        self.at: Callable[[str], None] = lambda place: None
        self.places: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.urls: list[str] = []
        self.issued = 0
        self.now = 1_000_000.0

    def tokens(self, credential: str = "secret", auth: str = "app_only") -> EntraTokens:
        """Tokens of an application in this cloud."""
        settings = Settings.read(
            {
                "PARTNER_CENTER_TENANT_ID": TENANT,
                "PARTNER_CENTER_CLIENT_ID": CLIENT,
                "PARTNER_CENTER_CREDENTIAL": credential,
                "PARTNER_CENTER_AUTH": auth,
                "AZURE_CLIENT_ID": CLIENT,
                "KEY_VAULT_URL": "https://kv.example",
            }
        )
        return EntraTokens(
            settings, self, self, self, clock=lambda: self.now, new_session=self.session
        )

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """What the vault answers."""
        self._visit("vault")
        return {name: self.secrets[name] for name in names}

    def fetch(self, resource: str) -> AccessToken:
        """What the managed identity answers."""
        self._visit("identity")
        return AccessToken(f"planted-identity-token for {resource}", 4_000_000_000)

    def _visit(self, place: str) -> None:
        self.places.append(place)
        self.at(place)
        if failure := self.broken.get(place):
            raise failure

    def answer(self, request: requests.PreparedRequest) -> Reply | Exception:
        place = "token" if request.method == "POST" else "metadata"
        self.places.append(place)
        self.urls.append(str(request.url))
        reply = self.broken.get(place) or getattr(self, f"_{place}")(request)
        self.at(place)
        return reply  # type: ignore[no-any-return] # It is what was found above.

    def _metadata(self, request: requests.PreparedRequest) -> Reply:
        base = str(request.url).partition("/v2.0/")[0]
        endpoints = ("authorization_endpoint", "token_endpoint")
        return 200, {name: f"{base}/oauth2/v2.0/{name[:5]}" for name in endpoints}, {}

    def _token(self, request: requests.PreparedRequest) -> Reply:
        form = dict(parse_qsl(str(request.body)))
        self.forms.append(form)
        if refused := self.refuse(form):
            return refused
        self.issued += 1
        answer = {"access_token": f"planted-access-token-{self.issued}", "expires_in": 3599}
        if form["grant_type"] == "refresh_token":
            answer["refresh_token"] = f"planted-rotated-{self.issued}"
        return 200, answer, {}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def entra(cloud: Cloud) -> EntraTokens:
    return cloud.tokens()


def refusal(number: int | None, error: str, status: int = 400) -> Reply:
    document: dict[str, Any] = {"error": error, "error_description": "planted personal data"}
    if number:
        document |= {"error_codes": [number], "error_description": f"AADSTS{number}: planted"}
    return status, document, {}


WRONG_SECRET = refusal(7000215, "invalid_client", 401)
VAULT_DOWN = TokenFailure("vault_unavailable", "The vault is down.", retry_after=60)
NO_IDENTITY = TokenFailure("managed_identity_unavailable", "No identity.", retry_after=60)


# --- Tokens


@pytest.mark.parametrize("auth", ["app_only", "app_user"])
@pytest.mark.parametrize("credential", ["secret", "certificate", "federated"])
def test_every_credential_in_both_modes(cloud: Cloud, credential: str, auth: str) -> None:
    token = cloud.tokens(credential, auth).fetch()

    assert (token.value, token.expires_at) == ("planted-access-token-1", cloud.now + 3599)
    (form,) = cloud.forms
    assert form["client_id"] == CLIENT
    if auth == "app_only":
        assert (form["grant_type"], form["scope"]) == ("client_credentials", SCOPE)
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
    assert cloud.timeouts == {(2.0, 6.0)}


def test_a_second_token_costs_one_call(cloud: Cloud, entra: EntraTokens) -> None:
    entra.fetch()
    assert cloud.places == ["vault", "metadata", "token"]
    cloud.places.clear()

    assert entra.fetch().value == "planted-access-token-2"
    assert cloud.places == ["token"]


@pytest.mark.parametrize("content", USABLE.values(), ids=USABLE)
def test_a_certificate_signs_the_assertion(cloud: Cloud, content: Callable[[], str]) -> None:
    cloud.secrets[CERTIFICATE] = content()

    cloud.tokens("certificate").fetch()

    assertion = cloud.forms[0]["client_assertion"]
    thumbprint = base64.urlsafe_b64encode(certificate().fingerprint(hashes.SHA256())).decode()
    assert jwt.get_unverified_header(assertion)["x5t#S256"] == thumbprint
    audience = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    claims = jwt.decode(assertion, key().public_key(), ["PS256"], audience=audience)
    assert claims["iss"] == claims["sub"] == CLIENT


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_certificate_is_named_and_not_stored(
    cloud: Cloud, content: Callable[[], str]
) -> None:
    entra = cloud.tokens("certificate")
    cloud.secrets[CERTIFICATE] = content()

    failure = failure_of(entra.fetch)

    assert failure.code == "secret_missing"
    assert CERTIFICATE in failure.detail
    cloud.places.clear()
    failure_of(entra.fetch)
    assert "vault" in cloud.places  # it is read anew


# --- Refresh tokens


def test_a_rotated_refresh_token_is_used_and_shown(cloud: Cloud) -> None:
    entra = cloud.tokens(auth="app_user")
    assert entra.rotated_refresh_token is None

    entra.fetch()
    assert entra.rotated_refresh_token == "planted-rotated-1"
    entra.fetch()
    assert entra.rotated_refresh_token == "planted-rotated-2"
    sent = [form["refresh_token"] for form in cloud.forms]
    assert sent == ["planted-refresh-token", "planted-rotated-1"]


@pytest.mark.parametrize(
    ("in_vault", "used", "shown"),
    [
        ("planted-refresh-token", ["planted-rotated-1"], "planted-rotated-1"),
        ("planted-rotated-1", ["planted-rotated-1"], None),
        ("planted-anew", ["planted-rotated-1", "planted-anew"], "planted-rotated-2"),
    ],
    ids=["unchanged", "written back", "new"],
)
def test_the_vaults_refresh_token_wins_where_it_has_changed(
    cloud: Cloud, in_vault: str, used: list[str], shown: str | None
) -> None:
    entra = cloud.tokens(auth="app_user")
    entra.fetch()
    cloud.forms.clear()
    cloud.secrets[REFRESH_TOKEN] = in_vault
    refused = refusal(50173, "invalid_grant")
    cloud.refuse = lambda form: None if form["refresh_token"] == "planted-anew" else refused

    if len(used) == 2:
        entra.fetch()
    else:
        assert failure_of(entra.fetch).code == "consent_required"
    assert [form["refresh_token"] for form in cloud.forms] == used
    assert entra.rotated_refresh_token == shown


# --- Reading secrets again


def test_a_changed_secret_is_read_again_and_tried_at_once(cloud: Cloud, entra: EntraTokens) -> None:
    entra.fetch()
    cloud.places.clear()
    cloud.secrets[SECRET] = "planted-newer"
    cloud.refuse = lambda form: None if form["client_secret"] == "planted-newer" else WRONG_SECRET

    assert entra.fetch().value == "planted-access-token-2"
    assert cloud.places == ["token", "vault", "token"]


@pytest.mark.parametrize("renewal", [None, Renewal()])
def test_an_unchanged_secret_is_read_again_once_in_30_seconds_and_not_tried_again(
    cloud: Cloud, entra: EntraTokens, renewal: Renewal | None
) -> None:
    entra.fetch()
    cloud.refuse = lambda form: WRONG_SECRET
    for seconds, reads in ((0, 1), (29.9, 0), (0.1, 1)):
        cloud.now += seconds
        cloud.places.clear()
        assert failure_of(lambda: entra.fetch(renewal)).code == "token_rejected"
        assert (cloud.places.count("vault"), cloud.places.count("token")) == (reads, 1)


def test_secrets_are_not_read_twice_for_one_token(cloud: Cloud, entra: EntraTokens) -> None:
    cloud.refuse = lambda form: WRONG_SECRET

    failure_of(entra.fetch)

    assert cloud.places == ["vault", "metadata", "token"]


def test_a_refused_federated_credential_has_no_secret_to_read_again(cloud: Cloud) -> None:
    entra = cloud.tokens("federated", "app_user")
    entra.fetch()
    cloud.places.clear()
    cloud.refuse = lambda form: refusal(700213, "invalid_client", 401)

    assert failure_of(entra.fetch).code == "token_rejected"
    assert "vault" not in cloud.places


@pytest.mark.parametrize("name", [SECRET, REFRESH_TOKEN])
@pytest.mark.parametrize(
    ("seconds", "renewal", "used"),
    [
        (0, None, False),
        (599.9, None, False),
        (0, Renewal(), True),  # Partner Center has answered 401: the sign-in was without MFA
        (600, None, True),  # and 403: another agent, whose role is the right one, has signed in
    ],
    ids=["at once", "before its age", "renewed", "of its age"],
)
def test_a_secret_that_a_person_has_stored_is_used_while_entra_still_takes_the_old_one(
    cloud: Cloud, name: str, seconds: float, renewal: Renewal | None, used: bool
) -> None:
    entra = cloud.tokens(auth="app_user")
    entra.fetch()
    cloud.secrets[name] = "planted-anew"
    cloud.now += seconds

    entra.fetch(renewal)

    sent = cloud.forms[-1]
    assert ("planted-anew" in (sent["client_secret"], sent["refresh_token"])) == used


@pytest.mark.parametrize("renewal", [None, Renewal()])
def test_where_the_vault_fails_the_secrets_in_memory_are_used(
    cloud: Cloud, renewal: Renewal | None, caplog: pytest.LogCaptureFixture
) -> None:
    entra = cloud.tokens(auth="app_user")
    entra.fetch()
    cloud.now += SECRETS_AGE
    cloud.broken["vault"] = VAULT_DOWN

    entra.fetch(renewal)

    assert cloud.forms[-1]["refresh_token"] == "planted-rotated-1"
    assert caplog.messages == [f"The secrets in memory are used further: {VAULT_DOWN}"]
    cloud.refuse = lambda form: refusal(50173, "invalid_grant")
    cloud.now += SECRETS_AGE
    assert failure_of(entra.fetch).code == "vault_unavailable"  # A newer secret may be there.


@pytest.mark.parametrize("name", [SECRET, REFRESH_TOKEN])
def test_a_secret_of_a_wrong_form_is_named_not_sent_and_read_anew(cloud: Cloud, name: str) -> None:
    entra = cloud.tokens(auth="app_user")
    good, cloud.secrets[name] = cloud.secrets[name], '"planted-in-quotes"'

    failure = failure_of(entra.fetch)

    assert (failure.code, cloud.forms) == ("secret_missing", [])
    assert f"{name} in the vault cannot be used: it has quotes around it" in failure.detail
    cloud.secrets[name] = good
    entra.fetch()
    cloud.secrets[name] = "\ufeffplanted"
    entra.fetch(Renewal())  # The one in memory is good.
    cloud.now += SECRETS_AGE
    cloud.refuse = lambda form: refusal(70000, "invalid_grant")
    assert "byte order mark" in failure_of(entra.fetch).detail


# --- Claims challenges

CLAIMS = '{"access_token": {"nbf": {"essential": true, "value": "1604106651"}}}'


@pytest.mark.parametrize("auth", ["app_only", "app_user"])
@pytest.mark.parametrize(
    ("challenge", "sent"),
    [
        (base64.b64encode(CLAIMS.encode()).decode(), CLAIMS),
        (base64.b64encode(CLAIMS.encode()).decode().rstrip("="), CLAIMS),
        ("eyJhIjogIsO_w7_DvyJ9", '{"a": "\u00ff\u00ff\u00ff"}'),
        (CLAIMS, CLAIMS),
        ("", None),
        ("planted", None),
        ("[1]", None),
        ("[" * 100_000, None),
    ],
    ids=["Base64", "no padding", "Base64 for URLs", "JSON", "empty", "no JSON", "list", "nested"],
)
def test_claims_of_a_challenge_are_sent(
    cloud: Cloud, auth: str, challenge: str, sent: str | None
) -> None:
    cloud.tokens(auth=auth).fetch(Renewal(challenge))

    assert cloud.forms[-1].get("claims") == sent


# --- Failures, each under the name of the service where it occurs


@pytest.mark.parametrize(
    ("credential", "place", "failure"),
    [("secret", "vault", VAULT_DOWN), ("federated", "identity", NO_IDENTITY)],
)
@pytest.mark.parametrize("later", [False, True])
def test_a_failure_of_another_service_stays_its_own(
    cloud: Cloud, credential: str, place: str, failure: TokenFailure, later: bool
) -> None:
    entra = cloud.tokens(credential)
    if later:
        entra.fetch()
        cloud.refuse = lambda form: WRONG_SECRET  # so that the secret is read again
    cloud.broken[place] = failure

    told = failure_of(entra.fetch)

    assert (told.code, told.detail, told.retry_after) == (failure.code, failure.detail, 60)


@pytest.mark.parametrize(
    ("caller", "reply", "parts"),
    [
        ("secret", refusal(7000215, "invalid_client", 401), ["7000215", "not its id", SECRET]),
        ("secret", refusal(7000222, "invalid_client", 401), ["7000222", "expired", SECRET]),
        ("secret", refusal(700016, "unauthorized_client"), ["700016", "PARTNER_CENTER_CLIENT_ID"]),
        ("secret", refusal(500011, "invalid_resource"), ["500011", "PARTNER_CENTER_CLOUD"]),
        ("secret", refusal(1002012, "invalid_scope"), ["1002012", "registration"]),
        ("secret", refusal(None, "invalid_client", 401), ["(invalid_client)", SECRET]),
        ("secret", refusal(50076, "interaction_required"), ["50076"]),
        ("secret", refusal(50173, "invalid_grant"), ["50173"]),
        ("secret", refusal(7000215, "server_error"), ["7000215", "not its id"]),
        ("secret", (400, {"error": "<b>planted</b>"}, {}), ["(unknown)"]),
        ("secret", (400, {"error": {"code": "planted"}}, {}), ["(unknown)"]),
        ("secret", (400, {"error_codes": ["planted"]}, {}), ["(unknown)"]),
        (
            "secret",
            (403, {"error_description": "AADSTS53003: planted"}, {}),
            ["Conditional Access"],
        ),
        ("certificate", refusal(700027, "invalid_client", 401), [CERTIFICATE]),
        ("federated", refusal(700027, "invalid_client", 401), ["subject"]),
        ("user", refusal(7000215, "invalid_client", 401), ["7000215", SECRET]),
        ("user", refusal(700016, "unauthorized_client"), ["700016"]),
        ("user", refusal(53003, "invalid_grant"), ["53003", "Conditional Access"]),
        ("user", refusal(53003, "interaction_required"), ["53003", "Conditional Access"]),
        ("user", refusal(500011, "invalid_grant"), ["500011", "PARTNER_CENTER_CLOUD"]),
        ("user", refusal(700007, "invalid_grant"), [REFRESH_TOKEN, "PARTNER_CENTER_CLIENT_ID"]),
        ("user", refusal(70000, "invalid_grant"), [f"{REFRESH_TOKEN} holds no refresh token"]),
        ("user", refusal(90013, "invalid_request"), [f"{REFRESH_TOKEN} holds no refresh token"]),
        ("user", refusal(9002313, "invalid_grant"), [f"{REFRESH_TOKEN} holds no refresh token"]),
        ("user", refusal(50057, "invalid_grant"), ["disabled", "another agent"]),
        ("user", refusal(999999, "invalid_grant"), ["(AADSTS999999)"]),
    ],
)
def test_entra_refuses(cloud: Cloud, caller: str, reply: Reply, parts: list[str]) -> None:
    cloud.refuse = lambda form: reply
    entra = cloud.tokens(auth="app_user") if caller == "user" else cloud.tokens(caller)

    failure = failure_of(entra.fetch)

    assert (failure.code, failure.retry_after) == ("token_rejected", None)
    assert [part for part in parts if part not in failure.detail] == []
    assert "{" not in failure.detail
    cloud.refuse = lambda form: None
    entra.fetch()


@pytest.mark.parametrize(
    ("number", "error", "cause"),
    [
        (50076, "invalid_grant", "a policy of the tenant demands MFA"),
        (50076, "interaction_required", "policy"),
        (50076, "server_error", "policy"),  # The number decides.
        (50078, "invalid_grant", "policy"),
        (50173, "invalid_grant", "revoked"),
        (50173, "invalid_request", "revoked"),
        (65001, "invalid_grant", "consented"),
        (70008, "invalid_grant", "expired"),
        (700082, "invalid_grant", "too long"),
        (None, "invalid_grant", ""),
        (None, "consent_required", ""),
        (None, "login_required", ""),
        (999999, "interaction_required", ""),
    ],
)
def test_a_sign_in_that_has_ended_asks_for_consent(
    cloud: Cloud, number: int | None, error: str, cause: str
) -> None:
    cloud.refuse = lambda form: refusal(number, error)

    failure = failure_of(cloud.tokens(auth="app_user").fetch)

    assert failure.code == "consent_required"
    assert cause in failure.detail
    assert REFRESH_TOKEN in failure.detail
    assert str(number or error) in failure.detail


PASSING = [(number, "invalid_grant") for number in (50196, 90006, 90012, 90024, 90033, 90055)]
PASSING_BY_NUMBER = [(50196, "invalid_client"), (90033, "interaction_required")]


@pytest.mark.parametrize(
    ("auth", "status", "asked", "told", "number", "error"),
    [
        *(("app_user", 400, None, 120, *each) for each in (*PASSING, *PASSING_BY_NUMBER)),
        ("app_user", 400, "5", 120, 90033, "server_error"),
        ("app_user", 400, None, 120, None, "temporarily_unavailable"),
        *(("app_only", 401, "300", 300, *each) for each in PASSING_BY_NUMBER),
        ("app_only", 429, None, 120, 50196, "invalid_grant"),
        ("app_only", 429, None, 120, None, "temporarily_unavailable"),
    ],
)
def test_what_passes_by_itself_is_waited_for(
    cloud: Cloud,
    auth: str,
    status: int,
    asked: str | None,
    told: int,
    number: int | None,
    error: str,
) -> None:
    reply, document, _ = refusal(number, error, status)
    cloud.refuse = lambda form: (reply, document, {"Retry-After": asked} if asked else {})

    failure = failure_of(cloud.tokens(auth=auth).fetch)

    assert (failure.code, failure.retry_after) == ("token_unavailable", told)
    assert str(number or error) in failure.detail
    assert cloud.places.count("token") == 1


def test_entra_does_not_know_the_tenant(cloud: Cloud, entra: EntraTokens) -> None:
    cloud.broken["metadata"] = refusal(90002, "invalid_tenant")

    failure = failure_of(entra.fetch)

    assert failure.code == "token_rejected"
    assert "PARTNER_CENTER_TENANT_ID" in failure.detail


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param((500, {"error": "server_error"}, {}), id="500"),
        pytest.param((503, b"<html>planted</html>", {"Retry-After": "3600"}), id="503"),
        pytest.param((429, {"error": "planted"}, {"Retry-After": "3600"}), id="429"),
        pytest.param((408, {"error": "planted"}, {}), id="408"),
        pytest.param((404, b"<html>planted</html>", {}), id="HTML"),
        pytest.param((307, b"", {"Location": "https://evil.example/"}), id="redirect"),
        pytest.param((200, b'{"access_token": "planted', {}), id="cut"),
        pytest.param((200, ["planted"], {}), id="no object"),
        pytest.param((200, {"token_type": "planted"}, {}), id="no token"),
        pytest.param((200, {"access_token": None, "expires_in": 3599}, {}), id="null"),
        pytest.param((200, {"access_token": 5, "expires_in": 3599}, {}), id="a number"),
        pytest.param((200, {"error": "planted"}, {}), id="an error for a 200"),
        *NO_ANSWER,
    ],
)
@pytest.mark.parametrize("place", ["metadata", "token"])
def test_entra_is_unavailable_and_may_be_asked_again_at_once(
    cloud: Cloud, entra: EntraTokens, place: str, reply: Reply | Exception
) -> None:
    cloud.broken[place] = reply

    failure = failure_of(entra.fetch)

    assert failure.code == "token_unavailable"
    assert "Entra" in failure.detail
    assert cloud.places.count(place) == 1
    assert "evil" not in "".join(cloud.urls)
    cloud.broken.clear()
    entra.fetch()


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (503, {"Retry-After": "60"}, 60),
        (429, {"Retry-After": "60"}, 60),
        (429, {"Retry-After": "81,120"}, 120),
        (503, {"Retry-After": "9999999"}, 3600),
        (500, {"Retry-After": "soon"}, 60),
        (429, {}, 5),
        (503, {}, None),
    ],
)
@pytest.mark.parametrize("place", ["metadata", "token"])
def test_the_pause_that_entra_asks_for_is_told(
    cloud: Cloud, place: str, status: int, headers: dict[str, str], told: int | None
) -> None:
    cloud.broken[place] = (status, {}, headers)

    assert failure_of(cloud.tokens().fetch).retry_after == told


@pytest.mark.parametrize("hangs", ["vault", "metadata", "token"])
def test_a_request_that_hangs_holds_up_no_other_and_what_it_learns_late_is_forgotten(
    cloud: Cloud, hangs: str
) -> None:
    entra = cloud.tokens(auth="app_user")
    entered, leave = threading.Event(), threading.Event()

    def hang_once(place: str) -> None:
        if place == hangs and not entered.is_set():
            entered.set()
            assert leave.wait(60)

    cloud.at = hang_once
    hung = threading.Thread(target=entra.fetch)
    hung.start()
    assert entered.wait(60)
    entra.fetch()
    kept = entra.rotated_refresh_token
    leave.set()
    hung.join(60)
    assert entra.rotated_refresh_token == kept
    entra.fetch()
    assert cloud.forms[-1]["refresh_token"] == kept


# --- Secrets


@pytest.mark.parametrize(
    ("credential", "auth", "broken"),
    [
        ("secret", "app_user", {}),
        ("certificate", "app_only", {}),
        ("federated", "app_only", {}),
        ("secret", "app_user", {"token": (200, b'{"access_token": "planted', {})}),
        ("secret", "app_user", {"token": WRONG_SECRET}),
        ("secret", "app_user", {"token": (500, b"planted", {})}),
    ],
    ids=["secret", "certificate", "federated", "cut", "refused", "fails"],
)
def test_secrets_are_in_no_log_and_no_repr(
    cloud: Cloud,
    credential: str,
    auth: str,
    broken: Mapping[str, Reply],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    cloud.secrets[CERTIFICATE] = pem(key(), certificate())
    entra = cloud.tokens(credential, auth)
    shown = [repr(entra), str(vars(entra)), repr(entra.fetch())]
    cloud.broken.update(broken)
    if broken:
        failure_of(entra.fetch)
    else:
        shown.append(repr(entra.fetch()))

    shown += [repr(entra), str(vars(entra)), caplog.text]
    shown += [str(vars(record)) for record in caplog.records]
    for secret in ("planted", pem(key()).splitlines()[1]):
        assert not [text for text in shown if secret in text]
    for form in cloud.forms:
        assertion = form.get("client_assertion", "planted")
        assert not [text for text in shown if assertion in text]
