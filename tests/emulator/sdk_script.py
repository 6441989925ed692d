"""A process that uses Microsoft's own libraries with their default settings, and prints results.

Its environment leads it into the local cloud, as the emulator's README says. It reads the cloud's
connection details, in JSON, from its standard input.
"""

import base64
import json
import sys
from typing import Any

import msal  # type: ignore[import-untyped]
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import KeyVaultSecret, SecretClient
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

DETAILS = json.load(sys.stdin)
VAULT = DETAILS["key_vault_url"]
IDENTITY = DETAILS["managed_identity_client_id"]
CERTIFICATE = DETAILS["certificate_name"]
GLOBAL = "https://api.partnercenter.microsoft.com/.default"
EXCHANGE = "api://AzureADTokenExchange/.default"
CHINA = "https://partner.partnercenterapi.microsoftonline.cn/.default"


def application(credential: Any, host: str = "login.microsoftonline.com") -> Any:
    """The app as msal sees it, instance discovery on."""
    authority = f"https://{host}/{DETAILS['tenant_id']}"
    return msal.ConfidentialClientApplication(
        DETAILS["client_id"], authority=authority, client_credential=credential
    )


def outcome(answer: dict[str, Any]) -> Any:
    """True for a token, else the error numbers."""
    return answer.get("error_codes", "access_token" in answer)


def certificate_in(stored: KeyVaultSecret) -> dict[str, str]:
    """The application's certificate in the form that msal takes."""
    assert stored.properties.content_type == "application/x-pkcs12"
    bundle = base64.b64decode(stored.value or "")
    key, certificate, _ = pkcs12.load_key_and_certificates(bundle, None)
    assert key is not None
    assert certificate is not None
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = certificate.public_bytes(Encoding.PEM).decode()
    return {"private_key": pem.decode(), "public_certificate": public}


def main() -> dict[str, Any]:
    """What came of every credential, and of a secret that the vault lacks."""
    results: dict[str, Any] = {}
    with (
        ManagedIdentityCredential(client_id=IDENTITY) as identity,
        SecretClient(VAULT, identity) as vault,
    ):
        secret = vault.get_secret(DETAILS["client_secret_name"]).value
        refresh_token = vault.get_secret(DETAILS["refresh_token_name"]).value
        federated = {"client_assertion": lambda: identity.get_token(EXCHANGE).token}
        applications = {
            "secret": application(secret),
            "wrong secret": application("no"),
            "certificate": application(certificate_in(vault.get_secret(CERTIFICATE))),
            "federated": application(federated),
            "usgov": application(secret, "login.microsoftonline.us"),
        }
        for name, app in applications.items():
            results[name] = outcome(app.acquire_token_for_client([GLOBAL]))
        china = application(secret, "login.partner.microsoftonline.cn")
        results["china"] = outcome(china.acquire_token_for_client([CHINA]))
        for name in ("secret", "federated"):
            app = applications[name]
            answer = app.acquire_token_by_refresh_token(refresh_token, [GLOBAL])
            results[f"{name}, refresh token"] = outcome(answer)
            results[f"{name}, rotated"] = answer["refresh_token"] != refresh_token

        try:
            vault.get_secret("missing")
        except HttpResponseError as error:
            details: Any = error.error
            results["missing refused"] = [error.status_code, details.code]
    return results


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
