"""Managed identity and Key Vault, as their own clients see them."""

import httpx
import jwt
import pytest
from partner_center_emulator import cloud as local
from partner_center_emulator.cloud import LocalCloud

from tests.emulator.requests_to_cloud import VAULT, identity_token


@pytest.mark.parametrize(
    ("resource", "issuer"),
    [
        ("https://vault.azure.net", f"https://sts.windows.net/{local.TENANT_ID}/"),
        ("https://storage.azure.com", f"https://sts.windows.net/{local.TENANT_ID}/"),
        (
            "api://AzureADTokenExchange",
            f"https://login.microsoftonline.com/{local.TENANT_ID}/v2.0",
        ),
    ],
)
async def test_an_identity_token_is_for_the_resource_it_was_asked_for(
    cloud: LocalCloud, resource: str, issuer: str
) -> None:
    document = (await identity_token(cloud, resource)).json()
    claims = jwt.decode(document["access_token"], options={"verify_signature": False})
    assert claims["aud"] == document["resource"] == resource
    assert claims["iss"] == issuer
    assert claims["sub"] == claims["oid"] == local.IDENTITY.object_id
    assert claims["nbf"] == claims["iat"] < claims["exp"]
    assert abs(int(document["expires_on"]) - claims["exp"]) <= 1


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
    cloud: LocalCloud, change: dict[str, str], status: int
) -> None:
    resource = change.pop("resource", "https://vault.azure.net")
    assert (await identity_token(cloud, resource, **change)).status_code == status


async def test_the_vault_challenges_who_comes_without_a_token_for_it(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    other = (await identity_token(cloud, "https://storage.azure.com")).json()["access_token"]
    for headers in ({}, {"Authorization": f"Bearer {other}"}, {"Authorization": "Bearer x"}):
        answer = await client.get(f"{VAULT}/secrets/{local.CLIENT_SECRET_NAME}", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer authorization="https://login.microsoftonline.com/{local.TENANT_ID}", '
            'resource="https://vault.azure.net"'
        )
        assert answer.json()["error"]["code"] == "Unauthorized"


async def test_secrets_have_versions_of_which_the_newest_counts(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    token = (await identity_token(cloud)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    for value in ("one", "two"):
        await client.put(f"{VAULT}/secrets/mine", json={"value": value, "tags": {"age": "1"}})
    assert (await client.get(f"{VAULT}/secrets/mine")).json()["value"] == "two"
    versions = (await client.get(f"{VAULT}/secrets/mine/versions")).json()["value"]
    first = versions[0]["id"]
    assert (await client.get(first)).json()["value"] == "one"

    changed = await client.patch(first, json={"attributes": {"enabled": False, "exp": 2000000000}})
    assert changed.json()["attributes"]["exp"] == 2000000000
    assert changed.json()["tags"] == {"age": "1"}
    refused = await client.get(first)
    assert refused.status_code == 403
    assert refused.json()["error"]["innererror"] == {"code": "SecretDisabled"}

    for missing in (
        f"{VAULT}/secrets/other",
        f"{first}0",
        "https://other.vault.azure.net/secrets/mine",
    ):
        answer = await client.get(missing)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "SecretNotFound"
