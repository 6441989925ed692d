"""The text that is printed after provisioning has the commands for the environment's mode."""

import json
import re
import shutil
import subprocess

import pytest

from tests.infra.bicep import INFRA

HOOK = INFRA / "hooks" / "next-steps.sh"

OUTPUTS = {
    "AZURE_AUTHORITY": "https://login.microsoftonline.com/",
    "AZURE_RESOURCE_GROUP": "rg-carts-shop",
    "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000001",
    "FUNCTION_APP_NAME": "func-carts-0a1b2c3d4e5f6",
    "FUNCTION_APP_URL": "https://func-carts-0a1b2c3d4e5f6.azurewebsites.net",
    "IDENTITY_PRINCIPAL_ID": "00000000-0000-0000-0000-000000000004",
    "KEY_VAULT_ID": "/subscriptions/s/vaults/kv-carts-0a1b2c3d4e5f6",
    "KEY_VAULT_NAME": "kv-carts-0a1b2c3d4e5f6",
    "PARTNER_CENTER_AUTH": "app_only",
    "PARTNER_CENTER_CERTIFICATE_NAME": "partner-center-certificate",
    "PARTNER_CENTER_CLIENT_ID": "00000000-0000-0000-0000-000000000002",
    "PARTNER_CENTER_CLIENT_SECRET_NAME": "partner-center-client-secret",
    "PARTNER_CENTER_CLOUD": "global",
    "PARTNER_CENTER_CREDENTIAL": "secret",
    "PARTNER_CENTER_REFRESH_TOKEN_NAME": "partner-center-refresh-token",
    "PARTNER_CENTER_TENANT_ID": "00000000-0000-0000-0000-000000000001",
    "REFRESH_TOKEN_VAULT_ID": "",
    "REFRESH_TOKEN_VAULT_NAME": "",
}
FOR_USER = {
    "PARTNER_CENTER_AUTH": "app_user",
    "REFRESH_TOKEN_VAULT_ID": "/subscriptions/s/vaults/kv-crt-0a1b2c3d4e5f6",
    "REFRESH_TOKEN_VAULT_NAME": "kv-crt-0a1b2c3d4e5f6",
}


def run(outputs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    shell = shutil.which("sh")
    assert shell
    return subprocess.run(
        [shell, HOOK],
        env={"PATH": "/usr/bin:/bin", **outputs},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def text(**changes: str) -> str:
    done = run(OUTPUTS | changes)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def commands(printed: str) -> str:
    """The indented blocks, with continued lines joined."""
    lines = [line[4:] for line in printed.splitlines() if line.startswith("    ")]
    return "\n".join(lines).replace("\\\n", "")


@pytest.mark.parametrize("auth", [{}, FOR_USER])
@pytest.mark.parametrize("credential", ["secret", "certificate", "federated"])
def test_what_is_printed_can_be_pasted(auth: dict[str, str], credential: str) -> None:
    printed = text(PARTNER_CENTER_CREDENTIAL=credential, **auth)

    bash = shutil.which("bash")
    assert bash
    checked = subprocess.run(
        [bash, "-n"],
        input=re.sub(r"(?m)^https://login.*$", "", commands(printed)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "App management" in printed
    assert "/api/health" in printed


def test_a_secret_goes_into_the_vault_without_being_shown() -> None:
    printed = commands(text())

    assert (
        "SECRET=$(az ad app credential reset --id '00000000-0000-0000-0000-000000000002'" in printed
    )
    assert "az keyvault secret set --vault-name 'kv-carts-0a1b2c3d4e5f6'" in printed
    assert "--name 'partner-center-client-secret' --file /dev/stdin" in printed
    assert "--value" not in printed


def test_a_certificate_is_made_in_the_vault() -> None:
    printed = commands(text(PARTNER_CENTER_CREDENTIAL="certificate"))

    assert "az keyvault certificate create --vault-name 'kv-carts-0a1b2c3d4e5f6'" in printed
    assert "--cert @carts.pem" in printed


@pytest.mark.parametrize(
    ("cloud", "suffix"), [("global", ""), ("china", "China"), ("usgov", "USGov")]
)
def test_the_identity_becomes_the_applications_credential(cloud: str, suffix: str) -> None:
    printed = text(PARTNER_CENTER_CREDENTIAL="federated", PARTNER_CENTER_CLOUD=cloud)

    parameters = re.search(r"--parameters '(\{.+?\})'", printed, re.DOTALL)
    assert parameters
    assert json.loads(parameters[1]) == {
        "name": "func-carts-0a1b2c3d4e5f6",
        "issuer": "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001/v2.0",
        "subject": "00000000-0000-0000-0000-000000000004",
        "audiences": [f"api://AzureADTokenExchange{suffix}"],
    }
    assert "keyvault" not in printed
    assert "same tenant" not in printed


def test_an_identity_of_another_tenant_is_remarked_upon() -> None:
    printed = text(
        PARTNER_CENTER_CREDENTIAL="federated",
        AZURE_TENANT_ID="00000000-0000-0000-0000-000000000009",
    )

    assert "same tenant" in printed


def test_app_only_has_no_consent() -> None:
    assert "refresh" not in text()


def test_the_consent_ends_in_the_vault_of_the_refresh_token() -> None:
    printed = text(**FOR_USER)

    tenant = "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001/oauth2/v2.0"
    assert f"{tenant}/authorize?client_id=00000000-0000-0000-0000-000000000002&" in printed
    assert f"'{tenant}/token'" in printed
    assert "offline_access" in printed
    assert "--api-permissions 1cebfa2a-fb4d-419e-b5f9-839b4383e05a=Scope" in printed
    assert "--vault-name 'kv-crt-0a1b2c3d4e5f6'" in printed
    assert "credential delete" not in printed


def test_without_a_lasting_secret_the_consent_takes_one_for_the_moment() -> None:
    printed = text(PARTNER_CENTER_CREDENTIAL="federated", **FOR_USER)

    assert "--display-name consent --end-date" in printed
    assert printed.index("credential reset") < printed.index("credential delete")


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_a_missing_output_is_named(name: str) -> None:
    outputs = OUTPUTS | FOR_USER
    done = run({each: value for each, value in outputs.items() if each != name})

    assert done.returncode != 0
    assert name in done.stderr
