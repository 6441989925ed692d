"""Bicep's own compiler accepts the templates without a word, and predicts what they make."""

import json
import re
import shutil
from itertools import product
from pathlib import Path

import pytest

from tests.infra import compiler
from tests.infra.compiler import (
    FILES,
    INFRA,
    REQUIRED,
    SCOPE,
    Compiler,
    Refused,
    copy_of_infra,
    run,
)
from tests.infra.conftest import Predict

PARAMETERS = INFRA / "main.bicepparam"
BUYING = {"CART_ALLOW_CHECKOUT": "true", "CARTS_ALERT_EMAIL": "operators@example.com"}
ENTRA = {
    "CART_CALLERS": "entra",
    "CARTS_CALLER_CLIENT_ID": "00000000-0000-0000-0000-000000000009",
}
PRIVATE = {f"CARTS_PRIVATE_{each}": "true" for each in ("STORAGE", "VAULTS", "SITE")}

MODES = [
    *(
        {"PARTNER_CENTER_AUTH": auth, "PARTNER_CENTER_CREDENTIAL": credential}
        for auth, credential in product(
            ["app_only", "app_user"], ["secret", "certificate", "federated"]
        )
    ),
    BUYING,
    ENTRA,
    PRIVATE,
    {**ENTRA, **PRIVATE, **BUYING, "PARTNER_CENTER_AUTH": "app_user", "CARTS_LOCK_RECORDS": "true"},
    {
        "CARTS_MONTHLY_BUDGET": "50",
        "CARTS_BUDGET_FIRST_DAY": "2026-12-01",
        "CARTS_ALERT_EMAIL": "operators@example.com",
    },
    {"CARTS_STORAGE_SKU": "Standard_LRS", "CARTS_ALWAYS_READY_INSTANCES": "0"},
]
"""Variables of the environments that are compiled: each way to sign in, and each switch."""

needs_compiler = pytest.mark.skipif(
    compiler.COMPILER is None,
    reason="There is no Bicep compiler: set BICEP, or run `az bicep install`.",
)


@needs_compiler
def test_every_file_is_linted_without_a_word(tmp_path: Path) -> None:
    done = run("lint", "--pattern", f"{INFRA}/**/*.bicep*", home=tmp_path, **REQUIRED)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_compiler
def test_template_and_parameters_are_built_without_a_word(tmp_path: Path) -> None:
    built = run("build", INFRA / "main.bicep", "--stdout", home=tmp_path)
    parameters = run("build-params", PARAMETERS, "--stdout", home=tmp_path, **REQUIRED)

    assert (built.returncode, built.stderr) == (0, "")
    assert (parameters.returncode, parameters.stderr) == (0, "")
    main = (INFRA / "main.bicep").read_text("utf-8")
    assert {f"modules/{path.name}" for path in FILES if path.parent != INFRA} == set(
        re.findall(r"'(modules/[\w-]+\.bicep)'", main)
    )


@needs_compiler
def test_files_are_as_the_compiler_formats_them(tmp_path: Path) -> None:
    copy = tmp_path / "infra"
    shutil.copytree(INFRA, copy)

    done = run("format", "--pattern", f"{copy}/**/*.bicep*", home=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    for path in (*FILES, PARAMETERS):
        assert (copy / path.relative_to(INFRA)).read_text("utf-8") == path.read_text("utf-8"), path


@pytest.mark.parametrize(
    "variables", MODES, ids=lambda variables: "-".join(variables.values()) or "default"
)
def test_every_environment_is_predicted_to_the_last_name(
    variables: dict[str, str], predict: Predict
) -> None:
    """The names of role assignments hold the identity's object id, which Azure makes."""
    prediction = predict(**variables)

    assert prediction.diagnostics == []
    unnamed = {each["type"] for each in prediction.resources if each["name"].startswith("[")}
    assert unnamed == {"Microsoft.Authorization/roleAssignments"}
    assert len(prediction.resources) > 25


@needs_compiler
def test_the_committed_snapshot_is_what_the_templates_make(tmp_path: Path) -> None:
    """A change of infrastructure shows in review. Renew it with `make snapshot`."""
    copy = copy_of_infra(tmp_path)

    done = run(
        *("snapshot", "--mode", "validate", *SCOPE, copy / "main.bicepparam"),
        home=tmp_path,
        **REQUIRED,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "same",
    [
        {"AZURE_ENV_NAME": "CI"},
        {"AZURE_LOCATION": "West Europe"},
        {"AZURE_ENV_NAME": "Ci", "AZURE_LOCATION": "WestEurope"},
    ],
    ids=str,
)
def test_one_environment_has_one_set_of_resources_however_it_is_spelled(
    same: dict[str, str], predict: Predict
) -> None:
    """Otherwise the store of records would be a new one, and empty."""
    ids = [
        [each["id"] for each in predict(**variables).resources if "roleAss" not in each["type"]]
        for variables in ({}, same)
    ]

    assert ids[0] == ids[1]


REFUSED_WHEN_READ = {
    "PARTNER_CENTER_AUTH": "app",
    "PARTNER_CENTER_CREDENTIAL": "password",
    "PARTNER_CENTER_CLOUD": "mars",
    "CART_ALLOW_CHECKOUT": "yes",
    "CART_ORDER_RETENTION_DAYS": "ninety",
    "CARTS_MORE_SETTINGS": "{",
    "CARTS_PER_INSTANCE_CONCURRENCY": "many",
    "CARTS_ALWAYS_READY_INSTANCES": "one",
    "CARTS_STOREFRONT_BODY_DAYS": "a month",
    "CARTS_STOREFRONT_SILENCE_HOURS": "a day",
    "CARTS_ALWAYS_READY_WORKERS": "one",
    "CARTS_MAXIMUM_INSTANCES": "",
    "CARTS_INSTANCE_MEMORY_MB": "2 GB",
    "CARTS_STORAGE_SKU": "Standard_RAGRS",
    "CARTS_LOG_RETENTION_DAYS": "month",
    "CARTS_REFRESH_TOKEN_AGE_DAYS": "week",
    "CART_CALLERS": "everybody",
    "CART_MAX_PURCHASES_PER_CALLER": "few",
    "CART_MAX_PURCHASES_PER_CUSTOMER": "few",
    "CART_MAX_ORDER_QUANTITY": "few",
    "CARTS_PRIVATE_STORAGE": "yes",
    "CARTS_PRIVATE_VAULTS": "yes",
    "CARTS_PRIVATE_SITE": "yes",
    "CARTS_AZURE_CLOUD": "mars",
    "CARTS_LOCK_RECORDS": "yes",
    "CARTS_DAILY_LOG_GIGABYTES": "much",
    "CARTS_MONTHLY_BUDGET": "much",
}
"""Bad values that the parameter file refuses; all are reported at once."""

REFUSED_WHEN_DEPLOYED = [
    *(("AZURE_ENV_NAME", value) for value in ("a b", "x.", "-x", "ä", "e" * 59)),
    ("PARTNER_CENTER_TENANT_ID", "contoso"),
    ("PARTNER_CENTER_CLIENT_ID", ""),
    ("CART_ORDER_RETENTION_DAYS", "6"),
    ("CARTS_STOREFRONT_BODY_DAYS", "0"),
    ("CARTS_STOREFRONT_SILENCE_HOURS", "48"),
    ("CARTS_MORE_SETTINGS", '{"CART_MAX_QUANTITY": 500}'),
    ("CARTS_MORE_SETTINGS", '{"CART_MAX_QUANTITY": null}'),
    ("CARTS_MORE_SETTINGS", '{"WEBSITE_AUTH_ENABLED": "x"}'),
    ("CARTS_MORE_SETTINGS", '{"functions_worker_runtime": "x"}'),
    ("CARTS_MORE_SETTINGS", '{"AzureWebJobsStorage": "x"}'),
    ("CARTS_PER_INSTANCE_CONCURRENCY", "0"),
    ("CARTS_ALWAYS_READY_INSTANCES", "21"),
    ("CARTS_MAXIMUM_INSTANCES", "1001"),
    ("CARTS_LOG_RETENTION_DAYS", "29"),
    ("CARTS_REFRESH_TOKEN_AGE_DAYS", "61"),
    ("CART_MAX_PURCHASES_PER_CALLER", "0"),
    ("CARTS_CALLER_CLIENT_ID", "00000000-0000-0000-0000-000000000009"),
    ("CARTS_MONTHLY_BUDGET", "50"),
    ("CARTS_BUDGET_FIRST_DAY", "2026-12-01"),
]
"""Bad values that the template refuses, as the compiler predicts."""

TEXTS = {
    *("AZURE_LOCATION", "PARTNER_CENTER_CLIENT_SECRET_NAME", "PARTNER_CENTER_CERTIFICATE_NAME"),
    *("PARTNER_CENTER_REFRESH_TOKEN_NAME", "CARTS_ALERT_EMAIL", "CARTS_NETWORK_ADDRESSES"),
}
"""Variables for which any text will do before the deployment."""


def is_named(variable: str, said: str) -> bool:
    """Whether a message has the variable, its parameter, or the line that reads the variable."""
    lines = PARAMETERS.read_text("utf-8").splitlines()
    ((number, line),) = (
        found
        for found in enumerate(lines, 1)
        if f"readEnvironmentVariable('{variable}'" in found[1]
    )
    named = rf"\b{variable}\b|['\"]{line.split()[1]}['\"]|main\.bicepparam\({number},"
    return re.search(named, said) is not None


@needs_compiler
def test_bad_values_are_refused_at_once_and_the_message_says_which(tmp_path: Path) -> None:
    done = run(
        "build-params", PARAMETERS, "--stdout", home=tmp_path, **REQUIRED, **REFUSED_WHEN_READ
    )

    assert done.returncode != 0
    assert [each for each in REFUSED_WHEN_READ if not is_named(each, done.stderr)] == []
    assert all("bicepparam" in line for line in done.stderr.splitlines())


@pytest.mark.parametrize(("variable", "value"), REFUSED_WHEN_DEPLOYED)
def test_the_template_refuses_a_bad_value_and_says_which(
    variable: str, value: str, bicep: Compiler
) -> None:
    with pytest.raises(Refused) as refused:
        bicep.predict(**{variable: value})

    assert is_named(variable, str(refused.value))


def test_every_variable_has_a_bad_value_here() -> None:
    read_there = set(re.findall(r"readEnvironmentVariable\('(\w+)'", PARAMETERS.read_text("utf-8")))

    assert (
        read_there == REFUSED_WHEN_READ.keys() | {name for name, _ in REFUSED_WHEN_DEPLOYED} | TEXTS
    )


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"CART_ALLOW_CHECKOUT": "true"}, "CARTS_ALERT_EMAIL is required"),
        (
            {"CARTS_MONTHLY_BUDGET": "5", "CARTS_BUDGET_FIRST_DAY": "2026-12-01"},
            "CARTS_ALERT_EMAIL is required with CARTS_MONTHLY_BUDGET",
        ),
        ({"CART_CALLERS": "entra"}, "CARTS_CALLER_CLIENT_ID go together"),
        *(
            (
                {f"CARTS_ALWAYS_READY_{what}": "5", "CARTS_MAXIMUM_INSTANCES": "3"},
                f"CARTS_ALWAYS_READY_{what} .*is more than CARTS_MAXIMUM_INSTANCES",
            )
            for what in ("INSTANCES", "WORKERS")
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused(
    variables: dict[str, str], said: str, bicep: Compiler
) -> None:
    with pytest.raises(Refused, match=said):
        bicep.predict(**variables)


OTHER_VALUES = {
    "PARTNER_CENTER_AUTH": "app_user",
    "PARTNER_CENTER_CREDENTIAL": "certificate",
    "PARTNER_CENTER_CLOUD": "china",
    "CARTS_MORE_SETTINGS": '{"CART_MAX_QUANTITY": "it\'s"}',
    "CARTS_INSTANCE_MEMORY_MB": "4096",
    "CARTS_STORAGE_SKU": "Standard_GZRS",
    "CART_CALLERS": "entra",
    "CARTS_AZURE_CLOUD": "AzureChinaCloud",
}
"""Values that are not the defaults, where one of a few texts is asked for."""


@needs_compiler
def test_every_variable_of_an_environment_is_read(bicep: Compiler, tmp_path: Path) -> None:
    """The program reads them; everything else here is predicted with the values in their place."""
    read_there = re.findall(
        r"readEnvironmentVariable\('(\w+)'(?:, '(.*?)')?\)", PARAMETERS.read_text("utf-8")
    )
    variables = {}
    for name, default in read_there:
        switched = {"true": "false", "false": "true"}.get(default, f"{name} in words")
        other = str(int(default) + 1) if default.isdecimal() else switched
        variables[name] = OTHER_VALUES.get(name, other)
    guid = "00000000-0000-0000-0000-00000000000e"
    variables |= {"PARTNER_CENTER_TENANT_ID": guid, "PARTNER_CENTER_CLIENT_ID": guid[:-1] + "f"}

    done = run("build-params", PARAMETERS, "--stdout", home=tmp_path, **variables)

    assert (done.returncode, done.stderr) == (0, "")
    passed = json.loads(json.loads(done.stdout)["parametersJson"])["parameters"]
    assert passed == bicep.parameters(**variables)
    defaults = bicep.parameters()
    assert [name for name in passed if passed[name] == defaults[name]] == []
