"""The token endpoint of Entra: which credentials it accepts, and how it refuses others."""

import base64
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from partner_center_emulator import cloud as local
from partner_center_emulator.network.certificates import (
    ApplicationCertificate,
    application_certificate,
)

from tests.emulator.caller import PARTNER_CENTER, TOKEN_ENDPOINT, Caller

BY_ASSERTION = {
    "client_secret": None,
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
}


def signed_assertion(certificate: ApplicationCertificate, **changes: Any) -> str:
    """The assertion that msal makes of a certificate."""
    now = int(time.time())
    ids = {"aud": TOKEN_ENDPOINT, "iss": local.CLIENT_ID, "sub": local.CLIENT_ID}
    claims = {**ids, "nbf": now, "exp": now + 600, **changes}
    digest = application_certificate().certificate.fingerprint(SHA256())
    thumbprint = base64.urlsafe_b64encode(digest).decode()
    key = load_pem_private_key(certificate.pem.encode(), None)
    return jwt.encode(claims, key, "PS256", {"x5t#S256": thumbprint})  # type: ignore[arg-type]


async def refusal(caller: Caller, **changes: str | None) -> int:
    """The AADSTS number of a refusal that has Entra's shape."""
    answer = await caller.ask_entra(**changes)
    document = answer.json()
    number = int(document["error_codes"][0])
    assert answer.status_code == (401 if document["error"] == "invalid_client" else 400)
    assert document["error_description"].startswith(f"AADSTS{number}: ")
    assert {"trace_id", "correlation_id", "timestamp", "error_uri"} <= document.keys()
    return number


async def test_a_client_secret_is_good_for_an_application_token(caller: Caller) -> None:
    caller.cloud.entra.token_lifetime = 120
    document = (await caller.ask_entra()).json()
    assert document["expires_in"] == 120
    tenant = TOKEN_ENDPOINT.partition("/oauth2")[0]
    keys = (await caller.client.get(f"{tenant}/discovery/v2.0/keys")).json()
    claims = jwt.decode(
        document["access_token"],
        jwt.PyJWK(keys["keys"][0]),
        ["RS256"],
        audience=PARTNER_CENTER,
        issuer=f"https://sts.windows.net/{local.TENANT_ID}/",
    )
    assert claims["appid"] == local.CLIENT_ID
    assert "scp" not in claims


async def test_a_rotated_secret_replaces_the_old_one(caller: Caller) -> None:
    (old,) = caller.cloud.entra.client_secrets
    new = caller.cloud.rotate_client_secret()
    assert await refusal(caller, client_secret=old) == 7000215
    assert (await caller.ask_entra(client_secret=new)).status_code == 200
    assert caller.cloud.key_vault.versions(local.VAULT, local.CLIENT_SECRET_NAME)[-1].value == new
    caller.cloud.entra.expired_secrets.add(old)
    assert await refusal(caller, client_secret=old) == 7000222


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"client_id": "11111111-1111-4111-8111-111111111111"}, 700016),
        ({"client_secret": None}, 7000218),
        ({"scope": f"{PARTNER_CENTER}/user_impersonation"}, 1002012),
        ({"scope": "https://unknown.example/.default"}, 500011),
        ({"grant_type": "password"}, 70003),
        ({"grant_type": "refresh_token", "refresh_token": "never issued"}, 9002313),
    ],
)
async def test_refusals(caller: Caller, changes: dict[str, str | None], number: int) -> None:
    assert await refusal(caller, **changes) == number
    other_tenant = TOKEN_ENDPOINT.replace(local.TENANT_ID, "other")
    answer = await caller.client.post(other_tenant, data=changes)
    assert answer.json()["error_codes"] == [90002]


async def test_a_certificate_must_be_registered_and_its_assertion_fresh(caller: Caller) -> None:
    async def number_for(assertion: str) -> int:
        return await refusal(caller, **BY_ASSERTION, client_assertion=assertion)

    registered = application_certificate()
    good = signed_assertion(registered)
    answer = await caller.ask_entra(**BY_ASSERTION, client_assertion=good)
    assert answer.status_code == 200
    assert await number_for(signed_assertion(ApplicationCertificate())) == 700027
    assert await number_for(signed_assertion(registered, aud="https://elsewhere")) == 700027
    assert await number_for(signed_assertion(registered, sub="someone else")) == 700027
    assert await number_for(signed_assertion(registered, exp=int(time.time()) - 1)) == 700024
    assert await number_for("no token at all") == 700027
    caller.cloud.entra.certificates.clear()
    assert await number_for(good) == 700027


async def test_the_identity_token_serves_as_assertion_only_for_token_exchange(
    caller: Caller,
) -> None:
    for resource, status in (("api://AzureADTokenExchange", 200), ("https://vault.azure.net", 401)):
        token = (await caller.identity_token(resource)).json()["access_token"]
        answer = await caller.ask_entra(**BY_ASSERTION, client_assertion=token)
        assert answer.status_code == status
    assert answer.json()["error_codes"] == [700213]


async def test_refresh_tokens_multiply_and_can_go_bad(caller: Caller) -> None:
    first = caller.cloud.entra.add_refresh_token()
    grant = {"grant_type": "refresh_token", "refresh_token": first}
    document = (await caller.ask_entra(**grant)).json()
    second = document["refresh_token"]
    assert second != first
    claims = jwt.decode(document["access_token"], options={"verify_signature": False})
    assert claims["amr"] == ["pwd", "mfa"]
    assert claims["oid"] == caller.cloud.entra.user_id
    assert (await caller.ask_entra(**grant)).status_code == 200
    for number in (700082, 50076, 50173):
        caller.cloud.entra.refresh_tokens[first] = number
        assert await refusal(caller, **grant) == number
    caller.cloud.entra.mfa = False  # for those who sign in now, and for no older token
    document = (await caller.ask_entra(**grant | {"refresh_token": second})).json()
    claims = jwt.decode(document["access_token"], options={"verify_signature": False})
    assert (claims["amr"], claims["oid"]) == (["pwd", "mfa"], caller.cloud.entra.user_id)
