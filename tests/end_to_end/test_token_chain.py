"""Managed identity, Key Vault, Entra: every way to a token.

The unit tests of the adapters, of the tokens and of the sender prove what may fail on each way.
"""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from partner_center_emulator.cloud import (
    CERTIFICATE_NAME,
    CLIENT_SECRET_NAME,
    REFRESH_TOKEN_NAME,
    VAULT,
)
from partner_center_emulator.services.key_vault import SecretVersion
from partner_center_emulator.watch.disturbances import Disturbance
from partner_center_emulator.watch.journal import Arrival

from tests.end_to_end.chain import (
    Chain,
    problem,
    request_ids,
)

Start = Callable[..., Chain]

CLOUDS = {
    "global": ("login.microsoftonline.com", "api.partnercenter.microsoft.com", ""),
    "china": (
        "login.partner.microsoftonline.cn",
        "partner.partnercenterapi.microsoftonline.cn",
        "China",
    ),
    "usgov": ("login.microsoftonline.us", "api.partnercenter.microsoft.com", "USGov"),
}
SECRETS = {"secret": [CLIENT_SECRET_NAME], "certificate": [CERTIFICATE_NAME], "federated": []}


@pytest.mark.parametrize(
    ("auth", "credential", "cloud"),
    [
        ("app_only", "secret", "global"),
        ("app_only", "federated", "china"),
        ("app_user", "federated", "global"),
        ("app_user", "certificate", "usgov"),
    ],
)
def test_each_credential_mode_and_cloud(
    start: Start, auth: str, credential: str, cloud: str
) -> None:
    authority, host, suffix = CLOUDS[cloud]
    chain = start(
        PARTNER_CENTER_AUTH=auth,
        PARTNER_CENTER_CREDENTIAL=credential,
        PARTNER_CENTER_CLOUD=cloud,
        # Without a secret there is nothing to read, and no vault to name.
        **({"KEY_VAULT_URL": None} if (auth, credential) == ("app_only", "federated") else {}),
    )
    chain.expected_hosts = {authority, host, f"{VAULT}.vault.azure.net"}

    assert chain.post().status_code == 201

    [arrival] = chain.sent()
    assert arrival.host == host
    claims = _claims(arrival)
    assert claims["aud"] == f"https://{host}"
    assert claims.get("scp") == ("user_impersonation" if auth == "app_user" else None)

    [exchange] = _exchanges(chain)
    assert exchange.host == authority
    form = {name: values[0] for name, values in parse_qs(exchange.body.decode()).items()}
    scopes = set(form["scope"].split())
    assert f"https://{host}/.default" in scopes
    assert scopes - {f"https://{host}/.default"} <= {"openid", "offline_access"}
    assert form["grant_type"] == ("refresh_token" if auth == "app_user" else "client_credentials")
    assert ("client_secret" in form) is (credential == "secret")
    assert ("client_assertion" in form) is (credential != "secret")

    secrets = SECRETS[credential] + ([REFRESH_TOKEN_NAME] if auth == "app_user" else [])
    assert _secrets_read(chain) == set(secrets)
    resources = {"https://vault.azure.net"} if secrets else set()
    if credential == "federated":
        resources |= {f"api://AzureADTokenExchange{suffix}"}
    queries = [parse_qs(a.query) for a in chain.cloud.journal.requests("identity")]
    assert {query["resource"][0] for query in queries} == resources
    assert {query["client_id"][0] for query in queries} == {"a9d1c7e4-5b52-4a0e-9f3d-6c1e2b7a8d33"}

    chain.reset()
    assert chain.post().status_code == 201
    assert chain.calls() == {"partner_center": 1}
    if auth == "app_only":
        return
    # Entra issued a newer refresh token, which is used from then on.
    chain.cloud.tokens.revoke_all()
    assert chain.post().status_code == 201
    [second] = _exchanges(chain)
    newer = parse_qs(second.body.decode())["refresh_token"][0]
    assert form["refresh_token"] == _refresh_token_in_vault(chain) != newer
    assert _secrets_read(chain) == set(secrets)  # A person may have stored a newer one.


def test_a_secret_rotated_in_the_vault_needs_no_restart_and_a_wrong_one_is_asked_for_once(
    start: Start,
) -> None:
    chain = start()
    assert chain.post().status_code == 201
    chain.reset()

    chain.cloud.rotate_client_secret()
    chain.cloud.tokens.revoke_all()  # so that a new token is needed now
    answer = chain.post()

    assert answer.status_code == 201
    assert _secrets_read(chain) == {CLIENT_SECRET_NAME}
    assert [a.status for a in _exchanges(chain)] == [200]
    first, second = chain.sent()
    assert (first.status, second.status) == (401, 201)
    assert first.headers["authorization"] != second.headers["authorization"]
    assert len(request_ids([first, second])) == 1
    assert first.body == second.body
    chain.reset()

    # The token is still good as far as its dates go, so that Partner Center's 401 is what counts.
    chain.cloud.tokens.revoke_all()
    for _ in range(3):  # It worked a moment ago, so that each request may be the reason.
        problem(chain.post(), 403, "partner_center_forbidden", "rejected", False)
    for _ in range(2):
        problem(chain.post(), 502, "partner_center_unauthorized", "rejected", False)
    assert set(chain.calls()) == {"partner_center"}  # a token was asked for a moment ago


def test_a_new_sign_in_is_used_while_entra_still_takes_the_old_one(start: Start) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_user")
    assert chain.post().status_code == 201
    consented = chain.cloud.entra.add_refresh_token()
    chain.cloud.key_vault.set_secret(VAULT, REFRESH_TOKEN_NAME, SecretVersion(consented))
    chain.cloud.tokens.revoke_all()  # Partner Center refuses the sign-in from before.
    chain.reset()

    assert chain.post().status_code == 201

    [exchange] = _exchanges(chain)
    assert parse_qs(exchange.body.decode())["refresh_token"] == [consented]


def test_the_pause_that_a_service_asks_for_is_kept_and_told(start: Start) -> None:
    chain = start()
    chain.cloud.disturbances.inject(Disturbance("entra", status=503, headers={"Retry-After": "60"}))

    answers = [chain.post() for _ in range(5)]

    assert {answer.status_code for answer in answers} == {503}
    assert 55 <= int(answers[-1].headers["Retry-After"]) <= int(answers[0].headers["Retry-After"])
    assert answers[0].headers["Retry-After"] == "60"
    assert chain.calls()["entra"] == 1


def _exchanges(chain: Chain) -> list[Arrival]:
    return chain.cloud.journal.requests("entra", "/oauth2/v2.0/token")


def _secrets_read(chain: Chain) -> set[str]:
    read = [a for a in chain.cloud.journal.requests("key_vault") if a.status == 200]
    names = [a.path.split("/")[2] for a in read]
    assert len(names) == len(set(names)), "a secret was read twice"
    return set(names)


def _refresh_token_in_vault(chain: Chain) -> str:
    return chain.cloud.key_vault.versions(VAULT, REFRESH_TOKEN_NAME)[-1].value


def _claims(arrival: Arrival) -> Any:
    payload = arrival.headers["authorization"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))
