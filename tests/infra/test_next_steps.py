"""The text that is printed after provisioning has the commands for the environment's mode."""

import json
import re

import pytest

from cart_core.settings import CLOUDS
from tests.infra.next_steps import (
    APPLICATION,
    ENDPOINT,
    FOR_USER,
    OUTPUTS,
    SIGNING_IN,
    TENANT,
    next_steps,
    shell,
    text,
)


@pytest.mark.parametrize("auth", [{}, FOR_USER], ids=["app_only", "app_user"])
@pytest.mark.parametrize("credential", ["secret", "certificate", "federated"])
def test_what_is_printed_can_be_pasted(auth: dict[str, str], credential: str) -> None:
    printed = text(credential, **auth)

    commands = [line[4:] for line in printed.splitlines() if line.startswith("    ")]
    script = "\n".join(line for line in commands if not line.startswith("https://login"))
    assert shell("/bin/bash", "-n", stdin=script) == ("", "")
    assert "App management" in printed
    assert f"make ready URL='{OUTPUTS['FUNCTION_APP_URL']}' KEY=" in printed


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
        # Keys open nothing where callers sign in.
        (
            *("secret", SIGNING_IN),
            [f"get-access-token --scope 'api://{APPLICATION}/.default'", 'TOKEN="$TOKEN"'],
            ["KEY=", "functionapp keys"],
        ),
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
    outputs = OUTPUTS | FOR_USER | SIGNING_IN
    del outputs[missing]
    assert missing in next_steps(outputs)[1]
