"""Key Vault through Microsoft's own SDK, with a vault in place of requests' sockets."""

import io
import itertools
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import urllib3
from azure.core.credentials import AccessTokenInfo
from requests.adapters import BaseAdapter, HTTPAdapter

from cart_core.adapters.http_sessions import CONNECT_TIMEOUT, READ_TIMEOUT
from cart_core.adapters.key_vault import KeyVault
from cart_core.tokens import FailureCode, TokenFailure

NAME = "partner-center-refresh-token"
ISSUED = datetime(2026, 11, 22, 3, 0, 1, 999_999, UTC)
EXPIRES = ISSUED + timedelta(days=90)
NEWEST = "planted-newest"
T0 = 1_795_000_000

Reply = tuple[int, Any, dict[str, str]]
_vaults = itertools.count()


@dataclass
class Version:
    value: str
    created: int | None = T0
    enabled: bool = True
    tags: dict[str, str] | None = None
    expires: int | None = None
    id: str = ""


@dataclass
class Identity:
    """A credential as azure-core asks for it."""

    asked: list[tuple[str, ...]] = field(default_factory=list)
    failure: Exception | None = None

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.asked.append(scopes)
        if self.failure:
            raise self.failure
        return AccessTokenInfo("planted-vault-token", 4_000_000_000)


class Vault(BaseAdapter):
    """One secret's versions, the last one current, listed in pages of `page` in any order.

    `broken[method]` replaces an answer, by a reply or by an exception.
    """

    def __init__(self, *versions: Version, page: int = 25) -> None:
        super().__init__()
        self.host = f"kv-{next(_vaults)}.vault.azure.net"
        self.versions: list[Version] = []
        self.page = page
        self.listed: Callable[[Version], Any] = lambda version: version.value
        self.broken: dict[str, Reply | Exception] = {}
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.timeouts: list[object] = []
        for version in versions:
            self.add(version)

    def add(self, version: Version) -> Version:
        version.id = f"{len(self.versions):032x}"
        self.versions.append(version)
        return version

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", self)
        return session

    def send(
        self, request: requests.PreparedRequest, *args: object, **options: Any
    ) -> requests.Response:
        url = urlsplit(str(request.url))
        assert url.hostname == self.host
        assert options["verify"]
        self.timeouts.append(options["timeout"])
        if "Authorization" in request.headers:
            method = str(request.method)
            self.calls.append((method, url.path))
            reply = self.broken.get(method) or self._answer(method, url.path, url.query, request)
        else:
            challenge = 'authorization="https://login.microsoftonline.com/tenant"'
            challenge = f'Bearer {challenge}, resource="https://vault.azure.net"'
            reply = 401, {}, {"WWW-Authenticate": challenge}
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

    def _answer(
        self, method: str, path: str, query: str, request: requests.PreparedRequest
    ) -> Reply:
        assert request.headers["Authorization"] == "Bearer planted-vault-token"
        _, kind, name, *rest = path.rstrip("/").split("/")
        assert kind == "secrets"
        if name != NAME or not (self.versions or method == "PUT"):
            return 404, {"error": {"code": "SecretNotFound", "message": "planted"}}, {}
        if method == "GET" and rest == ["versions"]:
            return self._page(int(parse_qs(query).get("$skiptoken", ["0"])[0]))
        if method == "GET":
            assert rest == []
            if not self.versions[-1].enabled:
                inner = {"code": "SecretDisabled"}
                return 403, {"error": {"code": "Forbidden", "innererror": inner}}, {}
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
        versions = sorted(self.versions, key=self.listed)
        end = start + self.page
        more = f"https://{self.host}/secrets/{NAME}/versions?api-version=7.6&$skiptoken={end}"
        shown = [self._shown(version) for version in versions[start:end]]
        return 200, {"value": shown, "nextLink": more if end < len(versions) else None}, {}

    def _shown(self, version: Version) -> dict[str, Any]:
        attributes = {"enabled": version.enabled, "updated": T0}
        if version.created is not None:
            attributes["created"] = version.created
        if version.expires is not None:
            attributes["exp"] = version.expires
        shown: dict[str, Any] = {
            "id": f"https://{self.host}/secrets/{NAME}/{version.id}",
            "attributes": attributes,
        }
        return shown | ({"tags": version.tags} if version.tags is not None else {})


def key_vault(vault: Vault, identity: Identity | None = None) -> KeyVault:
    return KeyVault(
        f"https://{vault.host}",
        identity or Identity(),
        setting="KEY_VAULT_REFRESH_TOKEN_URL",
        new_session=vault.session,
    )


def enabled(vault: Vault) -> list[str]:
    return [version.value for version in vault.versions if version.enabled]


# --- Reading


def test_the_current_version_is_read() -> None:
    vault, identity = Vault(Version("older"), Version(" newer\r\n")), Identity()

    assert key_vault(vault, identity).read([NAME]) == {NAME: "newer"}

    assert len(vault.calls) == 1
    assert identity.asked == [("https://vault.azure.net/.default",)]
    assert set(vault.timeouts) == {(CONNECT_TIMEOUT, READ_TIMEOUT)}


def test_nothing_is_read_where_nothing_is_asked_for() -> None:
    vault = Vault()

    assert key_vault(vault).read([]) == {}
    assert vault.timeouts == []


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_secret_is_missing(empty: str) -> None:
    assert failure(lambda: key_vault(Vault(Version(empty))).read([NAME])).code == "secret_missing"


# --- Writing


def test_a_new_version_has_its_age_and_its_end() -> None:
    vault = Vault(Version("older"))
    keys = key_vault(vault)

    keys.write(NAME, NEWEST, ISSUED, EXPIRES)

    (body,) = vault.bodies
    assert body == {
        "value": NEWEST,
        "tags": {"issued": "2026-11-22T03:00:01+00:00"},
        "attributes": {"exp": int(EXPIRES.timestamp())},
    }
    assert keys.read([NAME]) == {NAME: NEWEST}
    assert keys.issued(NAME) == ISSUED.replace(microsecond=0)
    assert enabled(vault) == ["older", NEWEST]


def test_the_first_version_can_be_written() -> None:
    vault = Vault()

    key_vault(vault).write(NAME, "first", ISSUED, EXPIRES)

    assert enabled(vault) == ["first"]


# --- Age


@pytest.mark.parametrize(
    ("tags", "issued"),
    [
        (None, datetime.fromtimestamp(T0, UTC)),
        ({}, datetime.fromtimestamp(T0, UTC)),
        ({"owner": "somebody"}, datetime.fromtimestamp(T0, UTC)),
        ({"issued": ""}, datetime.fromtimestamp(T0, UTC)),
        ({"issued": "last week"}, datetime.fromtimestamp(T0, UTC)),
        ({"issued": "2026-11-01"}, datetime.fromtimestamp(T0, UTC)),
        ({"issued": "2026-11-01T03:00:00Z"}, datetime(2026, 11, 1, 3, tzinfo=UTC)),
        ({"issued": "2026-11-01T05:00:00+02:00"}, datetime(2026, 11, 1, 3, tzinfo=UTC)),
    ],
)
def test_the_tag_tells_the_age_else_the_version(
    tags: dict[str, str] | None, issued: datetime
) -> None:
    vault = Vault(Version("older", T0 - 1000), Version("current", tags=tags))

    assert key_vault(vault).issued(NAME) == issued


def test_a_version_without_dates_is_as_old_as_can_be() -> None:
    assert key_vault(Vault(Version("x", created=None))).issued(NAME).year == 1


# --- Tidying up


def versions(*created: int) -> list[Version]:
    return [Version(f"{number}", T0 + when) for number, when in enumerate(created)]


@pytest.mark.parametrize("page", [1, 2, 25])
@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(lambda version: version.id, id="oldest first"),
        pytest.param(lambda version: -int(version.id, 16), id="newest first"),
        pytest.param(lambda version: hash((version.id, "any")), id="in any order"),
    ],
)
@pytest.mark.parametrize(
    ("created", "kept", "left"),
    [
        ([0], 2, "0"),
        ([0, 1], 2, "01"),
        ([0, 1, 2], 2, "12"),
        ([0, 1, 2, 3, 4, 5], 2, "45"),
        ([0, 1, 2, 3, 4, 5], 3, "345"),
        ([0, 1, 2, 3], 1, "3"),
        # Twins of one second: whoever of them is current, none is disabled.
        ([0, 0], 1, "01"),
        ([0, 0, 0], 2, "012"),
        ([0, 1, 2, 2], 2, "123"),
        ([0, 1, 2, 2, 2], 2, "1234"),
    ],
)
def test_the_current_version_and_the_one_before_stay(
    created: list[int], kept: int, left: str, listed: Callable[[Version], Any], page: int
) -> None:
    vault = Vault(*versions(*created), page=page)
    vault.listed = listed

    key_vault(vault).disable_older(NAME, kept)

    assert "".join(enabled(vault)) == left


def test_of_two_older_ones_of_one_second_one_stays() -> None:
    vault = Vault(*versions(0, 1, 1, 2))

    key_vault(vault).disable_older(NAME, 2)

    assert len(enabled(vault)) == 2
    assert "3" in enabled(vault)
    assert "0" not in enabled(vault)


def test_a_version_newer_than_the_current_one_at_first_sight_stays() -> None:
    """What a twin wrote between our two looks is the current one by now."""
    vault = Vault(*versions(0, 1, 2))
    older, current, twins = vault.versions
    vault.versions = [older, twins, current]

    key_vault(vault).disable_older(NAME, 1)

    assert (older.enabled, current.enabled, twins.enabled) == (False, True, True)


def test_what_is_disabled_already_is_left_alone_and_does_not_count() -> None:
    vault = Vault(*versions(0, 1, 2, 3, 4))
    vault.versions[0].enabled = vault.versions[3].enabled = False

    key_vault(vault).disable_older(NAME, 2)

    assert enabled(vault) == ["2", "4"]
    assert [call for call in vault.calls if call[0] == "PATCH"] == [
        ("PATCH", f"/secrets/{NAME}/{vault.versions[1].id}")
    ]


def test_disabling_changes_nothing_else() -> None:
    vault = Vault(*versions(0, 1, 2))

    key_vault(vault).disable_older(NAME, 2)

    assert vault.bodies == [{"attributes": {"enabled": False}}]


def test_a_version_without_a_date_counts_as_the_oldest() -> None:
    vault = Vault(Version("undated", created=None), *versions(0, 1, 2))

    key_vault(vault).disable_older(NAME, 2)

    assert enabled(vault) == ["1", "2"]


def test_where_the_current_version_has_no_date_nothing_is_disabled() -> None:
    vault = Vault(*versions(0, 1), Version("undated", created=None))

    key_vault(vault).disable_older(NAME, 1)

    assert enabled(vault) == ["0", "1", "undated"]


# --- Failures

Ask = Callable[[KeyVault], object]
OPERATIONS: dict[str, tuple[str, Ask]] = {
    "read": ("GET", lambda keys: keys.read([NAME])),
    "issued": ("GET", lambda keys: keys.issued(NAME)),
    "write": ("PUT", lambda keys: keys.write(NAME, NEWEST, ISSUED, EXPIRES)),
    "look": ("GET", lambda keys: keys.disable_older(NAME, 1)),
    "disable": ("PATCH", lambda keys: keys.disable_older(NAME, 1)),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS)


def failure(ask: Callable[[], object]) -> TokenFailure:
    with pytest.raises(TokenFailure) as caught:
        ask()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    return caught.value


def error(code: str, inner: str | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"code": code, "message": "planted words"}
    return {"error": told | ({"innererror": {"code": inner}} if inner else {})}


@every_operation
@pytest.mark.parametrize(
    ("broken", "code", "told"),
    [
        pytest.param((404, error("SecretNotFound"), {}), "secret_missing", NAME, id="missing"),
        pytest.param(
            (403, error("Forbidden", "SecretDisabled"), {}), "secret_missing", "disabled", id="off"
        ),
        pytest.param(
            (403, error("Forbidden", "ForbiddenByRbac"), {}), "vault_denied", "HTTP 403", id="role"
        ),
        pytest.param(
            (403, error("Forbidden", "ForbiddenByFirewall"), {}),
            "vault_denied",
            "network rules",
            id="firewall",
        ),
        pytest.param((401, error("Unauthorized"), {}), "vault_denied", "HTTP 401", id="401"),
        pytest.param(
            (403, b"<html>planted</html>", {"Content-Type": "text/html"}),
            "vault_denied",
            "HTTP 403",
            id="a gateway's 403",
        ),
        pytest.param(
            (429, error("Throttled"), {"Retry-After": "3600"}),
            "vault_unavailable",
            "HTTP 429",
            id="throttled",
        ),
        pytest.param((500, error("InternalError"), {}), "vault_unavailable", "HTTP 500", id="500"),
        pytest.param((503, b"", {}), "vault_unavailable", "HTTP 503", id="503"),
        pytest.param((200, b"planted{", {}), "vault_unavailable", "", id="garbled"),
        pytest.param(
            requests.ConnectionError("planted"), "vault_unavailable", "RequestError", id="no way"
        ),
        pytest.param(requests.ReadTimeout("planted"), "vault_unavailable", "Error", id="no answer"),
    ],
)
def test_what_goes_wrong_is_classified(
    operation: str, broken: Reply | Exception, code: FailureCode, told: str
) -> None:
    method, ask = OPERATIONS[operation]
    vault = Vault(*versions(0, 1, 2))
    vault.broken[method] = broken

    failed = failure(lambda: ask(key_vault(vault)))

    assert failed.code == code
    assert told in failed.detail
    if code != "secret_missing":
        assert "KEY_VAULT_REFRESH_TOKEN_URL" in failed.detail
    assert vault.versions[-1].enabled
    # Once, or twice where a 401 looked like a new challenge: repeating is the caller's.
    assert len([call for call in vault.calls if call[0] == method]) <= 2


@every_operation
def test_the_identitys_failure_stays_its_own(operation: str) -> None:
    identity = Identity(failure=TokenFailure("managed_identity_unavailable", "No token."))

    failed = failure(lambda: OPERATIONS[operation][1](key_vault(Vault(Version("x")), identity)))

    assert failed.code == "managed_identity_unavailable"


def test_a_failure_between_two_versions_leaves_the_current_one() -> None:
    vault = Vault(*versions(0, 1, 2, 3))
    vault.broken["PATCH"] = 503, b"", {}

    failure(lambda: key_vault(vault).disable_older(NAME, 1))

    assert enabled(vault) == ["0", "1", "2", "3"]
