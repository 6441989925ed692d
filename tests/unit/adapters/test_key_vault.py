"""Key Vault through Microsoft's own SDK."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from azure.core.credentials import AccessTokenInfo

from cart_core.adapters.http_sessions import CONNECT_TIMEOUT, READ_TIMEOUT
from cart_core.adapters.key_vault import KeyVault
from cart_core.tokens import FailureCode, TokenFailure
from tests.unit.adapters.services import NO_ANSWER, Reply, Service, failure_of

NAME = "partner-center-refresh-token"
SETTING = "KEY_VAULT_REFRESH_TOKEN_URL"
ISSUED = datetime(2026, 11, 22, 3, 0, 1, 999_999, UTC)
EXPIRES = ISSUED + timedelta(days=90)
NEWEST = "planted-newest"  # a constant, because a traceback shows source lines
T0 = 1_795_000_000
NO_DATE = -T0

_vaults = itertools.count()


@dataclass
class Version:
    value: str
    created: int | None = T0
    enabled: bool = True
    tags: dict[str, str] | None = None
    expires: int | None = None
    id: str = ""


class Identity:
    """A credential as azure-core asks for it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.failure = failure

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.asked.append(scopes)
        if self.failure:
            raise self.failure
        return AccessTokenInfo("planted-vault-token", 4_000_000_000)


class Vault(Service):
    """The versions of one secret, the last one current, listed in pages of two.

    `broken[method]` replaces an answer, by a reply or by an exception.
    """

    def __init__(self, *versions: Version, newest_first: bool = False) -> None:
        super().__init__()
        self.host = f"kv-{next(_vaults)}.vault.azure.net"  # the SDK remembers challenges by host
        self.versions: list[Version] = []
        self.newest_first = newest_first
        self.challenge = "https://vault.azure.net"
        self.broken: dict[str, Reply | Exception] = {}
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        for version in versions:
            self.add(version)

    def add(self, version: Version) -> Version:
        version.id = f"{len(self.versions):032x}"
        self.versions.append(version)
        return version

    @property
    def enabled(self) -> list[str]:
        return [version.value for version in self.versions if version.enabled]

    def answer(self, request: requests.PreparedRequest) -> Reply | Exception:
        url = urlsplit(str(request.url))
        assert url.hostname == self.host
        if "Authorization" not in request.headers:
            authority = 'authorization="https://login.microsoftonline.com/tenant"'
            challenge = f'Bearer {authority}, resource="{self.challenge}"'
            return 401, {}, {"WWW-Authenticate": challenge}
        assert request.headers["Authorization"] == "Bearer planted-vault-token"
        method = str(request.method)
        self.calls.append((method, url.path))
        if method in self.broken:
            return self.broken[method]
        _, kind, name, *rest = url.path.rstrip("/").split("/")
        assert kind == "secrets"
        if name != NAME or not (self.versions or method == "PUT"):
            return 404, {"error": {"code": "SecretNotFound", "message": "planted"}}, {}
        if method == "GET" and rest == ["versions"]:
            return self._page(int(parse_qs(url.query).get("$skiptoken", ["0"])[0]))
        if method == "GET":
            assert rest == []
            return 200, self._shown(self.versions[-1]) | {"value": self.versions[-1].value}, {}
        body = json.loads(str(request.body))
        self.bodies.append(body)
        if method == "PUT":
            version = self.add(Version(body["value"], tags=body.get("tags")))
            version.expires = body["attributes"]["exp"]
            return 200, self._shown(version) | {"value": version.value}, {}
        assert method == "PATCH"
        (version,) = [each for each in self.versions if [each.id] == rest]
        version.enabled = body["attributes"]["enabled"]
        return 200, self._shown(version), {}

    def _page(self, start: int) -> Reply:
        versions = self.versions[::-1] if self.newest_first else self.versions
        end = start + 2
        more = f"https://{self.host}/secrets/{NAME}/versions?api-version=7.6&$skiptoken={end}"
        shown = [self._shown(version) for version in versions[start:end]]
        return 200, {"value": shown, "nextLink": more if end < len(versions) else None}, {}

    def _shown(self, version: Version) -> dict[str, Any]:
        dates = {"created": version.created, "exp": version.expires, "updated": T0}
        given = {name: date for name, date in dates.items() if date is not None}
        shown = {
            "id": f"https://{self.host}/secrets/{NAME}/{version.id}",
            "attributes": {"enabled": version.enabled} | given,
        }
        return shown | ({"tags": version.tags} if version.tags is not None else {})


def key_vault(vault: Vault, identity: Identity | None = None, **options: Any) -> KeyVault:
    url, identity = f"https://{vault.host}", identity or Identity()
    return KeyVault(url, identity, setting=SETTING, new_session=vault.session, **options)


def versions(*created: int) -> list[Version]:
    """Versions `0`, `1` and so on, created so many seconds after T0."""
    return [
        Version(f"{number}", None if when == NO_DATE else T0 + when)
        for number, when in enumerate(created)
    ]


# --- Reading and writing


def test_the_current_version_is_read_without_white_space() -> None:
    vault, identity = Vault(Version("older"), Version(" newer\r\n")), Identity()

    assert key_vault(vault, identity).read([NAME]) == {NAME: "newer"}

    assert len(vault.calls) == 1
    assert identity.asked == [("https://vault.azure.net/.default",)]
    assert vault.timeouts == {(CONNECT_TIMEOUT, READ_TIMEOUT)}


@pytest.mark.parametrize("before", [[], ["older"]])
def test_a_new_version_has_its_age_and_its_end(before: list[str]) -> None:
    vault = Vault(*map(Version, before))
    keys = key_vault(vault)

    keys.write(NAME, NEWEST, ISSUED, EXPIRES)

    (body,) = vault.bodies
    assert body == {
        "value": NEWEST,
        "tags": {"issued": "2026-11-22T03:00:01+00:00"},
        "attributes": {"exp": int(EXPIRES.timestamp())},
    }
    assert keys.read([NAME]) == {NAME: NEWEST}
    assert keys.issued_at(NAME) == ISSUED.replace(microsecond=0)
    assert vault.enabled == [*before, NEWEST]


CREATED = datetime.fromtimestamp(T0, UTC)


@pytest.mark.parametrize(
    ("tags", "issued"),
    [
        (None, CREATED),
        ({"owner": "somebody"}, CREATED),
        ({"issued": ""}, CREATED),
        ({"issued": "last week"}, CREATED),
        ({"issued": "2026-11-01"}, CREATED),
        ({"issued": "2026-11-01T03:00:00Z"}, datetime(2026, 11, 1, 3, tzinfo=UTC)),
        ({"issued": "2026-11-01T05:00:00+02:00"}, datetime(2026, 11, 1, 3, tzinfo=UTC)),
    ],
)
def test_the_tag_says_when_a_version_was_issued_else_its_creation_does(
    tags: dict[str, str] | None, issued: datetime
) -> None:
    vault = Vault(Version("older", T0 - 1000), Version("current", tags=tags))

    assert key_vault(vault).issued_at(NAME) == issued


# --- Disabling older versions


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(
    ("created", "keep", "left"),
    [
        ([0, 1], 2, "01"),
        ([0, 1, 2], 2, "12"),
        ([0, 1, 2, 3, 4, 5], 3, "345"),
        ([0, 1, 2, 3], 1, "3"),
        # Versions of the same second: any of them may be the current one, so all stay.
        ([0, 0], 1, "01"),
        ([0, 1, 2, 2, 2], 2, "1234"),
        # The current version was read before another instance added the one of second 2.
        ([0, 2, 1], 1, "12"),
        ([NO_DATE, 0, 1, 2], 2, "23"),
        ([0, 1, NO_DATE], 1, "012"),
    ],
)
def test_the_current_version_and_the_newest_older_ones_stay(
    created: list[int], keep: int, left: str, newest_first: bool
) -> None:
    vault = Vault(*versions(*created), newest_first=newest_first)

    key_vault(vault).disable_older(NAME, keep)

    assert "".join(vault.enabled) == left


def test_of_two_older_versions_of_one_second_one_stays() -> None:
    vault = Vault(*versions(0, 1, 1, 2))

    key_vault(vault).disable_older(NAME, 2)

    assert vault.enabled in (["1", "3"], ["2", "3"])


def test_a_disabled_version_is_left_alone_and_does_not_count() -> None:
    vault = Vault(*versions(0, 1, 2, 3, 4))
    vault.versions[0].enabled = vault.versions[3].enabled = False

    key_vault(vault).disable_older(NAME, 2)

    assert vault.enabled == ["2", "4"]
    assert [call for call in vault.calls if call[0] == "PATCH"] == [
        ("PATCH", f"/secrets/{NAME}/{vault.versions[1].id}")
    ]
    assert vault.bodies == [{"attributes": {"enabled": False}}]


# --- Failures

OPERATIONS: dict[str, tuple[str, Callable[[KeyVault], object]]] = {
    "read": ("GET", lambda keys: keys.read([NAME])),
    "issued_at": ("GET", lambda keys: keys.issued_at(NAME)),
    "write": ("PUT", lambda keys: keys.write(NAME, NEWEST, ISSUED, EXPIRES)),
    "list": ("GET", lambda keys: keys.disable_older(NAME, 1)),
    "disable": ("PATCH", lambda keys: keys.disable_older(NAME, 1)),
}


def error(code: str, inner: str | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"code": code, "message": "planted words"}
    return {"error": content | ({"innererror": {"code": inner}} if inner else {})}


RECOVER = f"`az keyvault secret recover --name {NAME}"
SHOW = f"`az keyvault secret show --name {NAME}"


@pytest.mark.parametrize(
    ("reply", "code", "word"),
    [
        ((404, error("SecretNotFound"), {}), "secret_missing", RECOVER),
        ((409, error("Conflict", "ObjectIsDeletedButRecoverable"), {}), "secret_missing", RECOVER),
        ((409, error("Conflict", "ObjectIsBeingDeleted"), {}), "vault_unavailable", "HTTP 409"),
        ((409, error("Conflict", "ObjectIsBeingRecovered"), {}), "vault_unavailable", "HTTP 409"),
        ((409, error("Conflict"), {}), "vault_denied", "HTTP 409"),
        ((400, error("BadParameter"), {}), "vault_denied", SHOW),
        ((400, b"<html>planted</html>", {"Content-Type": "text/html"}), "vault_denied", SHOW),
        ((405, error("MethodNotAllowed"), {}), "vault_denied", "HTTP 405"),
        ((403, error("Forbidden", "SecretDisabled"), {}), "secret_missing", "disabled"),
        ((200, {"value": " \n"}, {}), "secret_missing", "empty"),
        ((200, {"id": "https://v.vault.azure.net/secrets/n/1"}, {}), "secret_missing", "empty"),
        ((403, error("Forbidden", "ForbiddenByRbac"), {}), "vault_denied", "may read"),
        ((403, error("Forbidden", "ForbiddenByFirewall"), {}), "vault_denied", "network rules"),
        ((403, b"<html>planted</html>", {"Content-Type": "text/html"}), "vault_denied", "HTTP 403"),
        ((401, error("Unauthorized"), {}), "vault_denied", "HTTP 401"),
        ((429, error("Throttled"), {"Retry-After": "3600"}), "vault_unavailable", "HTTP 429"),
        ((408, b"", {}), "vault_unavailable", "HTTP 408"),
        ((503, b"", {}), "vault_unavailable", "HTTP 503"),
        *((case.values[0], "vault_unavailable", "answer") for case in NO_ANSWER),
        ((200, b'{"value": "planted', {}), "vault_unavailable", "answer"),
        ((200, ["planted"], {}), "vault_unavailable", "answer"),
    ],
)
def test_a_failure_is_classified_and_leaves_the_current_version(
    reply: Reply | Exception, code: FailureCode, word: str
) -> None:
    only_reading = isinstance(reply, tuple) and reply[0] == 200
    for operation in ["read"] if only_reading else OPERATIONS:
        method, call = OPERATIONS[operation]
        vault = Vault(*versions(0, 1, 2))
        vault.broken[method] = reply

        failure = failure_of(partial(call, key_vault(vault)))

        assert failure.code == code
        assert word in failure.detail
        assert (SETTING in failure.detail) == (code != "secret_missing")
        assert [call[0] for call in vault.calls].count(method) == 1
        assert vault.enabled == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [
        (429, {"Retry-After": "60"}, 60),
        (503, {"Retry-After": "60"}, 60),
        (503, {"Retry-After": '"81", 120'}, 120),
        (409, {"Retry-After": "60"}, None),
        (429, {}, 5),
        (500, {}, None),
    ],
)
def test_the_pause_that_the_vault_asks_for_is_kept_and_told(
    status: int, headers: dict[str, str], pause: int | None
) -> None:
    vault, now = Vault(Version("current")), 1_000_000.0
    vault.broken["GET"] = (status, error("Busy"), headers)
    keys = key_vault(vault, clock=lambda: now)

    assert failure_of(lambda: keys.read([NAME])).retry_after == pause
    if pause:
        now += pause - 0.5
        told = {failure_of(partial(call, keys)).retry_after for _, call in OPERATIONS.values()}
        assert (told, len(vault.calls)) == ({1}, 1)
        now += 0.5
    vault.broken.clear()
    assert keys.read([NAME]) == {NAME: "current"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_identitys_failure_stays_its_own(operation: str) -> None:
    identity = Identity(TokenFailure("managed_identity_unavailable", "No token."))
    vault = Vault(*versions(0, 1))

    failure = failure_of(lambda: OPERATIONS[operation][1](key_vault(vault, identity)))

    assert failure.code == "managed_identity_unavailable"


def test_a_challenge_for_another_resource_gets_no_token() -> None:
    vault, identity = Vault(Version("current")), Identity()
    vault.challenge = "https://evil.net"

    assert failure_of(lambda: key_vault(vault, identity).read([NAME])).code == "vault_unavailable"
    assert identity.asked == []
