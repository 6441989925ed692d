"""Rules of ours for the templates: described, without secrets, least privilege, names that fit.

What Bicep's linter or checkov checks is left to them: see test_compiler and test_scan.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import (
    FILES,
    FUNCTION_APP,
    KEY_VAULT,
    MAIN,
    MONITORING,
    STORAGE,
    Declaration,
    Expression,
    at,
    one,
    read,
)

ROLES = {
    ("Storage Blob Data Owner", "role-assignments", "storageAccount"),
    ("Key Vault Secrets User", "role-assignments", "keyVault"),
    ("Monitoring Metrics Publisher", "role-assignments", "applicationInsights"),
    ("Key Vault Secrets Officer", "refresh-token-role", "keyVault"),
}
"""The roles of the app: name, file, and the resource that the role is for."""

ROLE_IDS = {
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
}
"""Azure's built-in roles."""

NAME_RULES = {
    "resourceGroup": r"[\w.()-]{1,89}[\w()-]",
    "identity": r"[A-Za-z0-9][\w-]{2,127}",
    "storageAccount": r"[a-z0-9]{3,24}",
    "keyVault": r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "refreshTokenVault": r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "logAnalytics": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "applicationInsights": r"[\w.()-]{1,254}[\w()-]",
    "plan": r"[A-Za-z0-9-]{1,60}",
    # The platform takes 60 characters, but the host tells apps in one storage account apart by 32.
    "functionApp": r"[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]",
    "actionGroup": r"[\w-]{1,260}",
    "alertPrefix": r"[\w-]{1,100}",
    "availabilityTest": r"[\w-]{1,260}",
}
"""Azure's rules for names (Microsoft's "Naming rules and restrictions for Azure resources")."""

WINDOWS = [
    *("PT5M", "PT10M", "PT15M", "PT30M", "PT45M"),
    *("PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D", "P2D"),
]
"""The windows that Azure takes for an alert on logs, and only for a single period."""

EVERYTHING = [(path, each) for path in FILES for each in read(path)]


def resources(kind: str = "") -> list[tuple[Path, Declaration]]:
    """The resources whose type ends so, with their files."""
    return [
        (path, each)
        for path, each in EVERYTHING
        if each.kind == "resource" and each.of.partition("@")[0].endswith(kind)
    ]


def test_files_and_parameters_are_described() -> None:
    for path in FILES:
        described = {each.name for each in read(path) if each.kind == "metadata"}
        assert described == {"name", "description"}, path
    for path, each in EVERYTHING:
        if each.kind == "param":
            start = "Required. " if each.value is None else "Optional. "
            assert each.decorators["description"].startswith(start), (path, each.name)


def test_no_secret_is_made_read_taken_or_given() -> None:
    for path, each in EVERYTHING:
        if each.kind in ("param", "output"):
            assert "secure" not in each.decorators, each.name
            secret = r"(?i)secret|token|password|key|certificate|credential"
            harmless = r"(?i)(name|id|url|days)$|^(credential|partner_center_credential)$"
            assert not re.search(secret, each.name) or re.search(harmless, each.name), each.name
        reading = (
            r"\b(list[A-Z]\w*|getSecret)\(|utcNow|newGuid|"
            r"Microsoft\.KeyVault/vaults/(secrets|keys|accessPolicies)"
        )
        assert not re.search(reading, path.read_text()), path


def test_each_type_of_resource_has_one_version_which_is_stable() -> None:
    used = {each.of for _, each in resources()}

    assert len({kind.partition("@")[0] for kind in used}) == len(used)
    # diagnosticSettings have no stable version with categories of logs.
    previews = {each.partition("@")[0] for each in used if each.endswith("-preview")}
    assert previews == {"Microsoft.Insights/diagnosticSettings"}


def test_names_fit_azures_rules_for_the_longest_input() -> None:
    names, longest = at(MAIN, "names"), one(MAIN, "environmentName").decorators["maxLength"]

    assert longest == 64
    assert names.keys() == NAME_RULES.keys()
    for name, template in names.items():
        # Every uniqueString is as long as this one.
        text = template.replace("${suffix}", "0a1b2c3d4e5f6")
        text = text.replace("${environmentName}", "e" * longest)
        assert re.fullmatch(NAME_RULES[name], text), name


def test_the_app_may_do_this_and_nothing_else() -> None:
    granted = []
    for path, each in resources("/roleAssignments"):
        properties, scope = each.value["properties"], each.value["scope"].text
        match = re.search(r"roleIds\['(.+)'\]", properties["roleDefinitionId"].text)
        assert match
        granted.append((match[1], path.stem, scope))
        assert at(path, "roleIds")[match[1]] == ROLE_IDS[match[1]]
        assert each.value["name"].text == f"guid({scope}.id, principalId, roleIds['{match[1]}'])"
        assert properties["principalType"] == "ServicePrincipal"
        assert properties["principalId"] == Expression("principalId")
        assert 50 < len(properties["description"]) <= 1024, "a reason"

    assert sorted(granted) == sorted(ROLES)


def test_only_a_vault_of_a_refresh_token_can_be_written() -> None:
    for module in ("refreshTokenRole", "refreshTokenVault"):
        assert one(MAIN, module).condition == "(forUser)"


SOFT_DELETE = {"enabled": True, "days": Expression("softDeleteDays")}
DIAGNOSTICS = {STORAGE: "blobs", KEY_VAULT: "vault", FUNCTION_APP: "site"}


@pytest.mark.parametrize(
    ("path", "member", "value"),
    [
        # Names depend on nothing but these.
        (MAIN, "suffix", "uniqueString(subscription().id, environmentName, location)"),
        # Each role is for the vault that it is meant for.
        (MAIN, "roles.params.keyVaultName", "keyVault.outputs.name"),
        (MAIN, "refreshTokenRole.params.keyVaultName", "refreshTokenVault!.outputs.name"),
        # Services open to identities only.
        (STORAGE, "account.properties.allowSharedKeyAccess", False),
        (STORAGE, "account.properties.allowBlobPublicAccess", False),
        (KEY_VAULT, "vault.properties.enableRbacAuthorization", True),
        (MONITORING, "applicationInsights.properties.DisableLocalAuth", True),
        (FUNCTION_APP, "ftpCredentials.properties", {"allow": False}),
        (FUNCTION_APP, "scmCredentials.properties", {"allow": False}),
        (FUNCTION_APP, "site.properties.siteConfig.scmMinTlsVersion", "1.2"),
        # What is deleted by mistake can be restored.
        (STORAGE, "blobs.properties.deleteRetentionPolicy", SOFT_DELETE),
        (STORAGE, "blobs.properties.containerDeleteRetentionPolicy", SOFT_DELETE),
        (KEY_VAULT, "vault.properties.softDeleteRetentionInDays", 90),
        # Everything sends its logs to the one workspace.
        (MONITORING, "applicationInsights.properties.WorkspaceResourceId", "logAnalytics.id"),
        *((path, "diagnostics.properties.workspaceId", "logAnalyticsId") for path in DIAGNOSTICS),
        *((path, "diagnostics.scope", scope) for path, scope in DIAGNOSTICS.items()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_template_says(path: Path, member: str, value: Any) -> None:
    assert at(path, member) == value


def test_everything_sends_its_logs() -> None:
    for path in DIAGNOSTICS:
        assert all(log["enabled"] for log in at(path, "diagnostics.properties.logs")), path


def test_every_alert_goes_to_the_group() -> None:
    queries = [each for _, each in resources("/scheduledQueryRules")]
    alerts = queries + [each for _, each in resources("/metricAlerts")]

    assert [each.value["name"].removeprefix("${prefix}-") for each in alerts] == [
        *("5xx", "token-failures", "purchase-unknown", "refresh-token-age"),
        *("refresh-token-not-rotated", "unavailable"),
    ]
    group = Expression("actionGroup.id")
    for each in alerts:
        actions = each.value["properties"]["actions"]
        assert actions in ({"actionGroups": [group]}, [{"actionGroupId": group}]), each.name
    for each in queries:
        properties = each.value["properties"]
        (condition,) = properties["criteria"]["allOf"]
        every, window = properties["evaluationFrequency"], properties["windowSize"]
        assert WINDOWS.index(every) <= WINDOWS.index(window), each.name
        assert "overrideQueryTimeRange" not in properties
        assert condition["failingPeriods"]["numberOfEvaluationPeriods"] == 1
