"""The text that is printed after provisioning has the commands for the environment's mode."""

import json
import re
import subprocess

import pytest

from cart_core.settings import CLOUDS
from tests.infra.bicep import INFRA

TENANT = "00000000-0000-0000-0000-000000000001"
APPLICATION = "00000000-0000-0000-0000-000000000002"
ENDPOINT = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0"

OUTPUTS = {
    "AZURE_AUTHORITY": "https://login.microsoftonline.com/",
    "AZURE_RESOURCE_GROUP": "rg-carts-shop",
    "AZURE_TENANT_ID": TENANT,
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


@pytest.mark.parametrize("auth", [{}, FOR_USER], ids=["app_only", "app_user"])
@pytest.mark.parametrize("credential", ["secret", "certificate", "federated"])
def test_what_is_printed_can_be_pasted(auth: dict[str, str], credential: str) -> None:
    printed = text(credential, **auth)

    commands = [line[4:] for line in printed.splitlines() if line.startswith("    ")]
    script = "\n".join(line for line in commands if not line.startswith("https://login"))
    assert shell("/bin/bash", "-n", stdin=script) == ("", "")
    assert "App management" in printed
    assert "/api/health" in printed


@pytest.mark.parametrize(
    ("credential", "changes", "printed", "not_printed"),
    [
        # A secret goes into the vault without being shown.
        (
            *("secret", {}),
            [
                f"SECRET=$(az ad app credential reset --id '{APPLICATION}'",
                "az keyvault secret set --vault-name 'kv-carts-0a1b2c3d4e5f6'",
                "--name 'partner-center-client-secret' --file /dev/stdin",
            ],
            ["--value", "refresh"],
        ),
        (
            *("certificate", {}),
            [
                "az keyvault certificate create --vault-name 'kv-carts-0a1b2c3d4e5f6'",
                "--cert @carts.pem",
            ],
            ["refresh"],
        ),
        ("federated", {}, [], ["keyvault", "same tenant"]),
        ("federated", {"AZURE_TENANT_ID": APPLICATION}, ["same tenant"], []),
        # The consent ends in the vault of the refresh token.
        (
            *("secret", FOR_USER),
            [
                "--api-permissions 1cebfa2a-fb4d-419e-b5f9-839b4383e05a=Scope",
                f"{ENDPOINT}/authorize?client_id={APPLICATION}&",
                "offline_access",
                f"'{ENDPOINT}/token'",
                "--vault-name 'kv-crt-0a1b2c3d4e5f6'",
            ],
            ["credential delete"],
        ),
        # Without a lasting secret, the consent takes one for the moment.
        ("federated", FOR_USER, ["--display-name consent --end-date", "credential delete"], []),
    ],
)
def test_the_steps_are_those_of_the_mode(
    credential: str, changes: dict[str, str], printed: list[str], not_printed: list[str]
) -> None:
    steps = text(credential, **changes)
    assert sorted(printed, key=steps.index) == printed
    assert not [each for each in not_printed if each in steps]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_identity_becomes_the_applications_credential(cloud: str) -> None:
    printed = text("federated", PARTNER_CENTER_CLOUD=cloud)

    parameters = re.search(r"--parameters '(\{.+?\})'", printed, re.DOTALL)
    assert parameters
    assert json.loads(parameters[1]) == {
        "name": OUTPUTS["FUNCTION_APP_NAME"],
        "issuer": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "subject": OUTPUTS["IDENTITY_PRINCIPAL_ID"],
        "audiences": [CLOUDS[cloud].federation_audience],
    }


@pytest.mark.parametrize("missing", sorted(OUTPUTS))
def test_a_missing_output_is_named(missing: str) -> None:
    outputs = OUTPUTS | FOR_USER
    del outputs[missing]
    assert missing in next_steps(outputs)[1]
