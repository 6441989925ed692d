"""A process that uses Microsoft's own libraries with their default settings, and prints results.

Its environment leads it into the local cloud, as the emulator's README says. It reads the cloud's
connection details, in JSON, from its standard input.
"""

import asyncio
import base64
import json
import sys
from typing import Any

import msal  # type: ignore[import-untyped]
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.identity.aio import ManagedIdentityCredential as AsyncManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

DETAILS = json.load(sys.stdin)
VAULT = DETAILS["key_vault_url"]
IDENTITY = DETAILS["managed_identity_client_id"]
GLOBAL = "https://api.partnercenter.microsoft.com/.default"
CHINA = "https://partner.partnercenterapi.microsoftonline.cn/.default"


def application(credential: Any, host: str = "login.microsoftonline.com") -> Any:
    """The app as msal sees it, instance discovery on."""
    return msal.ConfidentialClientApplication(
        DETAILS["client_id"],
        authority=f"https://{host}/{DETAILS['tenant_id']}",
        client_credential=credential,
    )


def outcome(answer: dict[str, Any]) -> Any:
    """True for a token, else the error numbers."""
    return answer.get("error_codes", "access_token" in answer)


def main() -> dict[str, Any]:
    """Every credential and every vault operation that the product or its operation needs."""
    results: dict[str, Any] = {}
    with (
        ManagedIdentityCredential(client_id=IDENTITY) as identity,
        SecretClient(VAULT, identity) as vault,
    ):
        secret = vault.get_secret(DETAILS["client_secret_name"]).value
        results["secret"] = outcome(application(secret).acquire_token_for_client([GLOBAL]))
        results["wrong secret"] = outcome(application("no").acquire_token_for_client([GLOBAL]))

        refresh_token = vault.get_secret(DETAILS["refresh_token_name"]).value
        app = application(secret)
        answer = app.acquire_token_by_refresh_token(refresh_token, [GLOBAL])
        results["refresh token"] = outcome(answer)
        results["rotated"] = answer["refresh_token"] != refresh_token

        stored = vault.get_secret(DETAILS["certificate_name"])
        assert stored.properties.content_type == "application/x-pkcs12"
        key, certificate, _ = pkcs12.load_key_and_certificates(
            base64.b64decode(stored.value or ""), None
        )
        assert key is not None
        assert certificate is not None
        credential = {
            "private_key": key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ).decode(),
            "public_certificate": certificate.public_bytes(Encoding.PEM).decode(),
        }
        results["certificate"] = outcome(application(credential).acquire_token_for_client([GLOBAL]))

        def assertion() -> str:
            return str(identity.get_token("api://AzureADTokenExchange/.default").token)

        app = application({"client_assertion": assertion})
        results["federated"] = outcome(app.acquire_token_for_client([GLOBAL]))
        answer = app.acquire_token_by_refresh_token(refresh_token, [GLOBAL])
        results["federated refresh token"] = outcome(answer)

        app = application(secret, "login.partner.microsoftonline.cn")
        results["china"] = outcome(app.acquire_token_for_client([CHINA]))
        app = application(secret, "login.microsoftonline.us")
        results["usgov"] = outcome(app.acquire_token_for_client([GLOBAL]))

        first = vault.set_secret("rotated", "one", tags={"age": "1"}).properties
        vault.set_secret("rotated", "two")
        vault.update_secret_properties("rotated", first.version, enabled=False)
        versions = vault.list_properties_of_secret_versions("rotated")
        results["versions"] = [version.enabled for version in versions]
        results["current"] = vault.get_secret("rotated").value
        for name, version in (("rotated", first.version), ("missing", None)):
            try:
                vault.get_secret(name, version)
            except HttpResponseError as error:
                code = error.error and error.error.code
                results[f"{name} refused"] = [error.status_code, code]
    return results


async def main_async() -> dict[str, Any]:
    """The same chain with the asynchronous clients."""
    async with (
        AsyncManagedIdentityCredential(client_id=IDENTITY) as identity,
        AsyncSecretClient(VAULT, identity) as vault,
    ):
        current = await vault.get_secret("rotated")
    return {"current, asynchronously": current.value}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main() | asyncio.run(main_async())))
