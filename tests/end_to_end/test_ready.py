"""What is still missing: each link of the chain is broken on purpose, and told by its name."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from partner_center_emulator.cloud import (
    CLIENT_SECRET_NAME,
    REFRESH_TOKEN_NAME,
    VAULT,
    LocalCloud,
)
from partner_center_emulator.services.azurite import QUEUE_HOST, Azurite
from partner_center_emulator.watch.disturbances import Disturbance

from cart_core import __version__
from local.function_process import ROOT
from tests.docs.openapi import OPERATIONS, validator
from tests.end_to_end.chain import FUNCTION_KEY, KEY_HEADER, Chain, closed_port, started

REFRESH_TOKEN_VAULT = "carts-refresh"
ALL = (
    *("settings", "callers", "identity", "vault", "clientSecret"),
    *("refreshTokenVault", "refreshToken"),
    *("entra", "token", "partnerCenter", "store", "queue"),
)


@pytest.fixture(scope="module")
def _chain(azurite: Azurite) -> Iterator[Chain]:
    with (
        LocalCloud.in_thread(azurite=azurite) as cloud,
        started(
            *(ROOT, cloud),
            PARTNER_CENTER_AUTH="app_user",
            KEY_VAULT_REFRESH_TOKEN_URL=f"https://{REFRESH_TOKEN_VAULT}.vault.azure.net",
        ) as chain,
    ):
        chain.expected_hosts |= {f"{REFRESH_TOKEN_VAULT}.vault.azure.net", QUEUE_HOST}
        yield chain


@pytest.fixture
def deployed(_chain: Chain) -> Chain:
    """An app that nothing is missing for, and that has not been asked for anything."""
    chain = _chain
    chain.cloud.rotate_client_secret()
    [token] = chain.cloud.key_vault.versions(VAULT, REFRESH_TOKEN_NAME)[-1:]
    chain.cloud.key_vault.vaults[REFRESH_TOKEN_VAULT] = {REFRESH_TOKEN_NAME: [token]}
    chain.reset()
    return chain


def ask(chain: Chain, status: int) -> dict[str, Any]:
    """The links of the answer, by their names."""
    answer = chain.send("GET", "/api/ready", KEY_HEADER)
    assert answer.status_code == status, answer.text
    schema = OPERATIONS["GetReady"]["responses"][str(status)]["content"]["application/json"]
    validator(schema["schema"]).validate(answer.json())
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["version"] == __version__
    return {each["name"]: each for each in answer.json()["links"]}


def statuses(links: dict[str, Any]) -> dict[str, str]:
    return {name: link["status"] for name, link in links.items()}


def test_where_nothing_is_missing_all_is_tried_and_nothing_is_bought(deployed: Chain) -> None:
    links = ask(deployed, 200)

    assert statuses(links) == dict.fromkeys(ALL, "ok")
    assert all(
        link["code"] is link["detail"] is link["partnerCenter"] is None for link in links.values()
    )
    assert all(link["milliseconds"] >= 0 for link in links.values())
    [read] = deployed.cloud.journal.requests("partner_center")
    assert (read.method, read.path, read.query) == ("GET", "/v1/customers", "size=1")
    written = [each for each in deployed.cloud.journal.requests("storage") if each.method != "GET"]
    assert [(each.method, each.path.rpartition("/ready/")[2]) for each in written] == [
        ("PUT", "probe.json")
    ]
    assert deployed.calls()["entra"] == len(deployed.cloud.journal.requests("entra")) > 1


Break = Callable[[Chain], object]


def disturbed(service: Any, **how: Any) -> Break:
    return lambda chain: chain.cloud.disturbances.inject(Disturbance(service, times=None, **how))


def without_secret(vault: str, name: str) -> Break:
    return lambda chain: chain.cloud.key_vault.vaults[vault].pop(name)


def with_wrong_secret(chain: Chain) -> None:
    chain.cloud.rotate_client_secret(in_vault=False)


def with_revoked_sign_in(chain: Chain) -> None:
    tokens = chain.cloud.entra.refresh_tokens
    tokens.update(dict.fromkeys(tokens, 700082))


@pytest.fixture
def tokens_again(deployed: Chain) -> Iterator[None]:
    """The refresh tokens are valid again when the test is over."""
    before = dict(deployed.cloud.entra.refresh_tokens)
    yield
    deployed.cloud.entra.refresh_tokens.update(before)


SECRETS = ("vault", "clientSecret", "refreshTokenVault", "refreshToken")
BROKEN = {
    "identity": (
        disturbed("identity", status=400),
        "managed_identity_unavailable",
        "AZURE_CLIENT_ID",
        (*SECRETS, "token", "partnerCenter", "store", "queue"),
    ),
    "vault": (
        disturbed("key_vault", path=CLIENT_SECRET_NAME, status=403),
        *("vault_denied", "KEY_VAULT_URL", ("clientSecret", "token", "partnerCenter")),
    ),
    "clientSecret": (
        without_secret(VAULT, CLIENT_SECRET_NAME),
        *("secret_missing", CLIENT_SECRET_NAME, ("token", "partnerCenter")),
    ),
    "refreshTokenVault": (
        disturbed("key_vault", path=REFRESH_TOKEN_NAME, status=503),
        *("vault_unavailable", "KEY_VAULT_REFRESH_TOKEN_URL"),
        ("refreshToken", "token", "partnerCenter"),
    ),
    "refreshToken": (
        without_secret(REFRESH_TOKEN_VAULT, REFRESH_TOKEN_NAME),
        *("secret_missing", REFRESH_TOKEN_NAME, ("token", "partnerCenter")),
    ),
    "entra": (
        disturbed("entra", path="openid-configuration", status=503),
        *("token_unavailable", "503", ("token", "partnerCenter")),
    ),
    "token": (with_wrong_secret, "token_rejected", "AADSTS7000215", ("partnerCenter",)),
    "token of the user": (
        with_revoked_sign_in,
        *("consent_required", "AADSTS700082", ("partnerCenter",)),
    ),
    "partnerCenter": (
        disturbed("partner_center", status=403, body={"code": 1000, "description": "No."}),
        *("partner_center_forbidden", "", ()),
    ),
    "store": (
        disturbed("storage", path=r"/ready/probe", method="PUT", status=403),
        *("store_unavailable", "Storage Blob Data Contributor", ()),
    ),
    "queue": (
        disturbed("storage", path="/accepted-operations/", status=403),
        *("store_unavailable", "Storage Queue Data Contributor", ()),
    ),
}


@pytest.mark.usefixtures("tokens_again")
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_link_is_told_with_what_to_do_and_the_rest_is_tried(
    deployed: Chain, broken: str
) -> None:
    break_it, code, advice, not_reached = BROKEN[broken]
    name = broken.partition(" ")[0]
    break_it(deployed)

    links = ask(deployed, 503)

    assert statuses(links) == dict.fromkeys(ALL, "ok") | dict.fromkeys(
        not_reached, "not_reached"
    ) | {name: "failed"}
    assert links[name]["code"] == code
    assert advice in links[name]["detail"]
    fault = links[name]["partnerCenter"]
    assert (fault and fault["code"]) == ("1000" if name == "partnerCenter" else None)


def test_it_says_what_a_request_is_told(deployed: Chain) -> None:
    deployed.cloud.rotate_client_secret(in_vault=False)
    told = ask(deployed, 503)["token"]

    error = deployed.post().json()

    assert (told["code"], told["detail"]) == (error["code"], error["detail"])


def test_without_settings_nothing_is_reached(start: Callable[..., Chain]) -> None:
    chain = start(PARTNER_CENTER_TENANT_ID=None, WEBSITE_AUTH_ENABLED="True")
    settings, *others = ask(chain, 503).values()

    assert (settings["code"], settings["status"]) == ("configuration_invalid", "failed")
    assert "PARTNER_CENTER_TENANT_ID" in settings["detail"]
    assert {each["status"] for each in others} == {"not_reached"}
    assert chain.calls() == {}


def test_a_platform_that_checks_tokens_unasked_is_told(start: Callable[..., Chain]) -> None:
    links = ask(start(WEBSITE_AUTH_ENABLED="True"), 503)

    assert statuses(links)["callers"] == "failed"
    assert links["callers"]["code"] == "configuration_invalid"
    assert {each["status"] for name, each in links.items() if name != "callers"} == {"ok"}


def test_it_takes_a_key(deployed: Chain) -> None:
    for headers in ({}, {"x-functions-key": FUNCTION_KEY[:-1]}):
        assert deployed.send("GET", "/api/ready", headers).status_code == 401
    assert deployed.calls() == {}


def listed(url: str, **credential: str) -> tuple[int, str]:
    """What `make ready` prints, and how it ends."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.ready"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "URL": url, **credential},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert bool(done.stdout) != bool(done.stderr)
    return done.returncode, done.stdout + done.stderr


def test_a_person_reads_a_list(deployed: Chain) -> None:
    url, key = f"{deployed.function.url}/", {"KEY": FUNCTION_KEY}

    ended, printed = listed(url, **key)
    assert ended == 0
    assert [each.split()[:2] for each in printed.splitlines()[: len(ALL)]] == [
        ["ok", name] for name in ALL
    ]
    assert f"Version {__version__}. Nothing is missing." in printed

    without_secret(VAULT, CLIENT_SECRET_NAME)(deployed)
    ended, printed = listed(url, **key)
    assert ended == 1
    assert "FAILED  clientSecret" in printed
    assert "secret_missing: There is no secret" in printed
    assert "-       token" in printed
    assert printed.endswith("Still missing: clientSecret.\n")

    for told, credential in (
        ("Usage", {}),
        ("HTTP 401: the key or the token is wrong", {"KEY": "wrong"}),
        ("HTTP 401: the key or the token is wrong", {"TOKEN": "wrong"}),
    ):
        ended, printed = listed(url, **credential)
        assert ended == 2
        assert told in printed
        assert "wrong" not in printed.replace("is wrong", "")
    with closed_port() as port:
        ended, printed = listed(f"http://127.0.0.1:{port}", **key)
        assert (ended, printed.partition(":")[0]) == (2, "There is no answer from http")
    assert "Usage" in listed("http://elsewhere.example", **key)[1]
