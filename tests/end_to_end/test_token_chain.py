"""Managed identity, Key Vault, Entra: every way to a token, and every way in which it fails."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from partner_center_emulator.cloud import (
    CERTIFICATE_NAME,
    CLIENT_SECRET_NAME,
    REFRESH_TOKEN_NAME,
    VAULT,
)
from partner_center_emulator.network.certificates import application_certificate
from partner_center_emulator.services.key_vault import SecretVersion
from partner_center_emulator.watch.faults import Fault
from partner_center_emulator.watch.journal import Arrival

from tests.end_to_end.chain import CUSTOMER, FUNCTION_KEY, NOTHING, Chain, cart, hasty_app, problem

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
        ("app_only", "certificate", "global"),
        ("app_only", "federated", "global"),
        ("app_user", "secret", "global"),
        ("app_user", "certificate", "global"),
        ("app_user", "federated", "global"),
        ("app_only", "federated", "china"),
        ("app_user", "secret", "china"),
        ("app_only", "federated", "usgov"),
        ("app_user", "certificate", "usgov"),
    ],
)
def test_every_credential_in_every_mode(
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
    claims = _claims(chain, arrival)
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

    wanted = SECRETS[credential] + ([REFRESH_TOKEN_NAME] if auth == "app_user" else [])
    assert _secrets_read(chain) == set(wanted)
    asked = {parse_qs(a.query)["resource"][0] for a in chain.cloud.journal.requests("identity")}
    expected = {"https://vault.azure.net"} if wanted else set()
    if credential == "federated":
        expected |= {f"api://AzureADTokenExchange{suffix}"}
    assert asked == expected
    identities = {a.query for a in chain.cloud.journal.requests("identity")}
    assert all("client_id=a9d1c7e4-5b52-4a0e-9f3d-6c1e2b7a8d33" in query for query in identities)

    chain.forget()
    assert chain.post().status_code == 201
    assert chain.calls() == {"partner_center": 1}


def test_a_pem_certificate(start: Start) -> None:
    chain = start(PARTNER_CENTER_CREDENTIAL="certificate")
    pem = SecretVersion(application_certificate().pem, "application/x-pem-file")
    chain.cloud.key_vault.set_secret(VAULT, CERTIFICATE_NAME, pem)

    assert chain.post().status_code == 201


def test_fifty_at_once_share_one_token_fetch(start: Start) -> None:
    chain = start()
    chain.cloud.faults.inject(Fault("entra", path="/token$", times=None, delay=0.2))

    async def flood() -> list[httpx.Response]:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            url = f"{chain.function.url}/api/customers/{CUSTOMER}/carts"
            headers = {"x-functions-key": FUNCTION_KEY}
            posts = [client.post(url, json=cart(), headers=headers) for _ in range(50)]
            return await asyncio.gather(*posts)

    answers = asyncio.run(flood())

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 50
    assert len(_exchanges(chain)) == 1
    assert chain.calls()["partner_center"] == 50
    assert chain.calls()["identity"] == 1


def test_a_secret_rotated_in_the_vault_needs_no_restart(start: Start) -> None:
    chain = start()
    assert chain.post().status_code == 201
    chain.forget()

    chain.cloud.rotate_client_secret()
    chain.cloud.tokens.revoke_all()  # so that a new token is needed now
    answer = chain.post()

    assert answer.status_code == 201
    assert _secrets_read(chain) == {CLIENT_SECRET_NAME}
    assert [a.status for a in _exchanges(chain)] == [401, 200]
    assert [a.status for a in chain.sent()] == [401, 201]


def test_a_lasting_invalid_client_hammers_nobody(start: Start) -> None:
    chain = start()
    assert chain.post().status_code == 201
    chain.forget()

    chain.cloud.rotate_client_secret(in_vault=False)
    chain.cloud.tokens.revoke_all()
    answers = [chain.post() for _ in range(5)]

    # The token is still good as far as its dates go, so that Partner Center's 401 is the news.
    for answer in answers:
        told = problem(answer)
        assert (answer.status_code, told["code"]) == (502, "partner_center_unauthorized")
        assert (told["outcome"], told["retryable"]) == ("rejected", False)
    assert [a.status for a in _exchanges(chain)] == [401]
    assert _secrets_read(chain) == {CLIENT_SECRET_NAME}
    assert chain.calls()["partner_center"] == 5


def test_one_401_renews_the_token_and_a_lasting_one_hammers_nobody(start: Start) -> None:
    chain = start()
    assert chain.post().status_code == 201
    chain.forget()

    chain.cloud.tokens.revoke_all()
    answer = chain.post()

    assert answer.status_code == 201
    first, second = chain.sent()
    assert (first.status, second.status) == (401, 201)
    assert first.headers["authorization"] != second.headers["authorization"]
    assert first.headers["ms-requestid"] == second.headers["ms-requestid"]
    assert first.body == second.body
    assert chain.calls() == {"partner_center": 2, "entra": 1}  # no vault: the secret is kept
    chain.forget()

    chain.cloud.tokens.revoke_all()
    answers = [chain.post() for _ in range(5)]

    assert {answer.status_code for answer in answers} == {502}
    assert {problem(answer)["code"] for answer in answers} == {"partner_center_unauthorized"}
    assert chain.calls() == {"partner_center": 5}


def test_a_401_after_a_renewal_is_explained_and_ends_there(start: Start) -> None:
    chain = start()
    fault = {"code": 400, "description": "Access denied.", "data": [], "source": "PartnerFD"}
    chain.cloud.faults.inject(Fault("partner_center", times=None, status=401, body=fault))

    told = problem(chain.post())

    assert (told["status"], told["code"]) == (502, "partner_center_unauthorized")
    assert (told["outcome"], told["retryable"]) == ("rejected", False)
    assert told["partnerCenter"] == {
        "status": 401,
        "code": "400",
        "description": "Access denied.",
        "source": "PartnerFD",
        "data": [],
    }
    assert len(chain.sent()) == 2
    assert len(_exchanges(chain)) == 2


def test_a_token_for_the_wrong_audience_is_explained(start: Start) -> None:
    chain = start(
        PARTNER_CENTER_CLOUD="china",
        PARTNER_CENTER_BASE_URL="https://api.partnercenter.microsoft.com/",
    )
    chain.expected_hosts |= {CLOUDS["china"][0]}

    told = problem(chain.post())

    assert told["code"] == "partner_center_unauthorized"
    assert told["partnerCenter"]["code"] == "900420"
    assert "audience" in told["detail"]
    assert "900420" in told["detail"]


def test_a_user_without_mfa_is_explained(start: Start) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_user")
    chain.cloud.entra.mfa = False

    told = problem(chain.post())

    assert told["code"] == "partner_center_unauthorized"
    assert told["partnerCenter"]["code"] == "900421"
    assert "MFA" in told["detail"]
    assert "900421" in told["detail"]


def test_outages_on_the_way_to_a_token_end_with_the_outage(start: Start, tmp_path: Path) -> None:
    chain = start(hasty_app(tmp_path))
    down: list[tuple[Fault, str]] = [
        (Fault("identity", times=None, status=500), "managed_identity_unavailable"),
        (Fault("identity", times=None, action="drop"), "managed_identity_unavailable"),
        (Fault("key_vault", times=None, status=503), "vault_unavailable"),
        (Fault("key_vault", times=None, status=429), "vault_unavailable"),
        (Fault("key_vault", times=None, action="reset"), "vault_unavailable"),
        (Fault("key_vault", times=None, action="garble"), "vault_unavailable"),
        (Fault("entra", times=None, status=503), "token_unavailable"),
        (Fault("entra", times=None, status=429), "token_unavailable"),
        (Fault("entra", times=None, action="drop"), "token_unavailable"),
        (Fault("entra", times=None, action="truncate"), "token_unavailable"),
        (
            Fault("entra", times=None, status=200, body="<html>", content_type="text/html"),
            "token_unavailable",
        ),
    ]
    for fault, code in down:
        chain.forget()
        chain.cloud.faults.inject(fault)
        told = problem(chain.post())
        assert (told["status"], told["code"]) == (503, code), fault
        assert (told["outcome"], told["retryable"]) == ("not_sent", True)
        assert told["partnerCenter"] is None
        assert chain.sent() == []

    chain.forget()
    assert chain.post().status_code == 201


def _denied(chain: Chain) -> None:
    body = {"error": {"code": "Forbidden", "innererror": {"code": "ForbiddenByRbac"}}}
    chain.cloud.faults.inject(Fault("key_vault", times=None, status=403, body=body))


def _no_secret(chain: Chain) -> None:
    del chain.cloud.key_vault.vaults[VAULT][CLIENT_SECRET_NAME]


def _disabled_secret(chain: Chain) -> None:
    chain.cloud.key_vault.versions(VAULT, CLIENT_SECRET_NAME)[-1].enabled = False


def _expired_secret(chain: Chain) -> None:
    chain.cloud.entra.expired_secrets = set(chain.cloud.entra.client_secrets)


def _unregistered_certificate(chain: Chain) -> None:
    chain.cloud.entra.certificates.clear()


def _no_federation(chain: Chain) -> None:
    chain.cloud.entra.federated.clear()


def _second_factor_wanted(chain: Chain) -> None:
    chain.cloud.entra.refresh_tokens = dict.fromkeys(chain.cloud.entra.refresh_tokens, 50076)


def _other_tenant(chain: Chain) -> None:
    chain.cloud.entra.tenant_id = "00000000-0000-0000-0000-00000000dead"


@pytest.mark.parametrize(
    ("settings", "spoil", "code", "named"),
    [
        ({}, _denied, "vault_denied", "KEY_VAULT_URL"),
        ({}, _no_secret, "secret_missing", CLIENT_SECRET_NAME),
        ({}, _disabled_secret, "secret_missing", CLIENT_SECRET_NAME),
        ({}, _expired_secret, "token_rejected", "AADSTS7000222"),
        ({}, _other_tenant, "token_rejected", "PARTNER_CENTER_TENANT_ID"),
        (
            {"PARTNER_CENTER_CREDENTIAL": "certificate"},
            _unregistered_certificate,
            "token_rejected",
            CERTIFICATE_NAME,
        ),
        (
            {"PARTNER_CENTER_CREDENTIAL": "federated"},
            _no_federation,
            "token_rejected",
            "federated credential",
        ),
        (
            {"PARTNER_CENTER_AUTH": "app_user"},
            _second_factor_wanted,
            "consent_required",
            REFRESH_TOKEN_NAME,
        ),
    ],
)
def test_what_only_a_person_can_mend_is_said_once_and_not_asked_again(
    start: Start,
    settings: dict[str, str],
    spoil: Callable[[Chain], None],
    code: str,
    named: str,
) -> None:
    chain = start(**settings)
    spoil(chain)

    told = problem(chain.post())

    assert (told["status"], told["code"]) == (503, code)
    assert (told["outcome"], told["retryable"]) == ("not_sent", False)
    assert named in told["detail"]
    assert told["partnerCenter"] is None
    assert chain.sent() == []
    chain.forget()
    assert problem(chain.post())["code"] == code
    assert chain.calls() == NOTHING


def test_an_identity_that_is_not_assigned(start: Start, tmp_path: Path) -> None:
    chain = start(hasty_app(tmp_path), AZURE_CLIENT_ID="00000000-0000-0000-0000-000000000bad")

    told = problem(chain.post())

    assert (told["status"], told["code"]) == (503, "managed_identity_unavailable")
    assert "AZURE_CLIENT_ID" in told["detail"]


def test_a_rotated_refresh_token_is_used_from_then_on(start: Start) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_user")
    assert chain.post().status_code == 201
    [first] = _exchanges(chain)
    chain.forget()

    chain.cloud.tokens.revoke_all()
    assert chain.post().status_code == 201

    [second] = _exchanges(chain)
    tokens = [parse_qs(a.body.decode())["refresh_token"][0] for a in (first, second)]
    assert tokens[0] == chain.cloud.key_vault.versions(VAULT, REFRESH_TOKEN_NAME)[-1].value
    assert tokens[1] != tokens[0]
    assert _secrets_read(chain) == set()


def _exchanges(chain: Chain) -> list[Arrival]:
    return chain.cloud.journal.requests("entra", "/oauth2/v2.0/token")


def _secrets_read(chain: Chain) -> set[str]:
    read = [a for a in chain.cloud.journal.requests("key_vault") if a.status == 200]
    names = [a.path.split("/")[2] for a in read]
    assert len(names) == len(set(names)), "a secret was read twice"
    return set(names)


def _claims(chain: Chain, arrival: Arrival) -> Any:
    payload = arrival.headers["authorization"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))
