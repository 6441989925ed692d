"""The managed identity's endpoint, and Key Vault."""

import jwt
import pytest
from partner_center_emulator import cloud as local

from tests.emulator.caller import VAULT, Caller

STS = f"https://sts.windows.net/{local.TENANT_ID}/"
LOGIN = f"https://login.microsoftonline.com/{local.TENANT_ID}"


@pytest.mark.parametrize(
    ("resource", "issuer"),
    [
        ("https://vault.azure.net", STS),
        ("https://storage.azure.com", STS),
        ("api://AzureADTokenExchange", f"{LOGIN}/v2.0"),
    ],
)
async def test_an_identity_token_is_for_the_resource_it_was_asked_for(
    caller: Caller, resource: str, issuer: str
) -> None:
    document = (await caller.identity_token(resource)).json()
    claims = jwt.decode(document["access_token"], options={"verify_signature": False})
    assert claims["aud"] == document["resource"] == resource
    assert claims["iss"] == issuer
    assert claims["sub"] == claims["oid"] == local.IDENTITY.object_id
    assert claims["nbf"] == claims["iat"] < claims["exp"]
    assert 0 <= int(document["expires_on"]) - claims["exp"] < 60


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"header": "wrong"}, 401),
        ({"api-version": "2018-02-01"}, 400),
        ({"resource": ""}, 400),
        ({"client_id": "11111111-1111-4111-8111-111111111111"}, 400),
    ],
)
async def test_the_identity_endpoint_refuses(
    caller: Caller, change: dict[str, str], status: int
) -> None:
    assert (await caller.identity_token(**change)).status_code == status


async def test_the_vault_challenges_a_request_without_a_token_for_it(caller: Caller) -> None:
    other = (await caller.identity_token("https://storage.azure.com")).json()["access_token"]
    for headers in ({}, {"Authorization": f"Bearer {other}"}, {"Authorization": "Bearer x"}):
        secret = f"{VAULT}/secrets/{local.CLIENT_SECRET_NAME}"
        answer = await caller.client.get(secret, headers=headers)
        assert answer.status_code == 401
        challenge = f'Bearer authorization="{LOGIN}", resource="https://vault.azure.net"'
        assert answer.headers["WWW-Authenticate"] == challenge
        assert answer.json()["error"]["code"] == "Unauthorized"


async def test_a_secret_is_in_one_vault_and_every_other_vault_is_empty(caller: Caller) -> None:
    token = (await caller.identity_token()).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    statuses = [
        (await caller.client.get(f"{vault}/secrets/{name}", headers=headers)).status_code
        for vault in (VAULT, "https://other.vault.azure.net")
        for name in (local.CLIENT_SECRET_NAME, f"{local.CLIENT_SECRET_NAME}/0", "other")
    ]
    assert statuses == [200, 404, 404, 404, 404, 404]
