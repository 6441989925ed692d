"""Runs infra/hooks/next-steps.sh with the outputs of a deployment."""

import subprocess

from tests.infra.compiler import INFRA

TENANT = "00000000-0000-0000-0000-000000000001"
APPLICATION = "00000000-0000-0000-0000-000000000002"
ENDPOINT = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0"

OUTPUTS = {
    "AZURE_AUTHORITY": "https://login.microsoftonline.com/",
    "AZURE_RESOURCE_GROUP": "rg-carts-shop",
    "AZURE_TENANT_ID": TENANT,
    "CARTS_CALLER_CLIENT_ID": "",
    "CART_CALLERS": "keys",
    "FUNCTION_APP_NAME": "func-carts-0a1b2c3d4e5f6",
    "FUNCTION_APP_URL": "https://func-carts-0a1b2c3d4e5f6.azurewebsites.net",
    "IDENTITY_PRINCIPAL_ID": "00000000-0000-0000-0000-000000000004",
    "KEY_VAULT_ID": "/subscriptions/s/vaults/kv-carts-0a1b2c3d4e5f6",
    "KEY_VAULT_NAME": "kv-carts-0a1b2c3d4e5f6",
    "PARTNER_CENTER_AUTH": "app_only",
    "PARTNER_CENTER_CERTIFICATE_NAME": "partner-center-certificate",
    "PARTNER_CENTER_CLIENT_ID": APPLICATION,
    "PARTNER_CENTER_CLIENT_SECRET_NAME": "partner-center-client-secret",
    "PARTNER_CENTER_CLOUD": "global",
    "PARTNER_CENTER_CREDENTIAL": "secret",
    "PARTNER_CENTER_REFRESH_TOKEN_NAME": "partner-center-refresh-token",
    "PARTNER_CENTER_TENANT_ID": TENANT,
    "REFRESH_TOKEN_VAULT_ID": "",
    "REFRESH_TOKEN_VAULT_NAME": "",
}
FOR_USER = {
    "PARTNER_CENTER_AUTH": "app_user",
    "REFRESH_TOKEN_VAULT_ID": "/subscriptions/s/vaults/kv-crt-0a1b2c3d4e5f6",
    "REFRESH_TOKEN_VAULT_NAME": "kv-crt-0a1b2c3d4e5f6",
}
SIGNING_IN = {"CART_CALLERS": "entra", "CARTS_CALLER_CLIENT_ID": APPLICATION}


def shell(
    *command: str, stdin: str = "", environment: dict[str, str] | None = None
) -> tuple[str, str]:
    """What a command prints: its output and its errors."""
    env = {"PATH": "/usr/bin:/bin", **(environment or {})}
    done = subprocess.run(
        command, input=stdin, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stdout, done.stderr


def next_steps(outputs: dict[str, str]) -> tuple[str, str]:
    return shell("/bin/sh", str(INFRA / "hooks" / "next-steps.sh"), environment=outputs)


def text(credential: str = "secret", **changes: str) -> str:
    printed, errors = next_steps(OUTPUTS | {"PARTNER_CENTER_CREDENTIAL": credential, **changes})
    assert errors == ""
    return printed
