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


async def test_a_secret_has_versions_and_the_newest_is_the_current_one(caller: Caller) -> None:
    token = (await caller.identity_token()).json()["access_token"]
    caller.client.headers["Authorization"] = f"Bearer {token}"
    url = f"{VAULT}/secrets/mine"
    for value in ("one", "two"):
        await caller.client.put(url, json={"value": value, "tags": {"age": "1"}})
    assert (await caller.client.get(url)).json()["value"] == "two"
    first = (await caller.client.get(f"{url}/versions")).json()["value"][0]["id"]
    assert (await caller.client.get(first)).json()["value"] == "one"

    attributes = {"enabled": False, "exp": 2000000000}
    changed = (await caller.client.patch(first, json={"attributes": attributes})).json()
    assert (changed["attributes"]["exp"], changed["tags"]) == (2000000000, {"age": "1"})
    refused = await caller.client.get(first)
    assert refused.status_code == 403
    assert refused.json()["error"]["innererror"] == {"code": "SecretDisabled"}

    elsewhere = "https://other.vault.azure.net/secrets/mine"
    for missing in (f"{VAULT}/secrets/other", f"{first}0", elsewhere):
        answer = await caller.client.get(missing)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SecretNotFound")
