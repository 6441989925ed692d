"""Rules that every template keeps: described, without secrets, least privilege, names that fit."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import FILES, INFRA, Declaration, Expression, one, read

MODULES = INFRA / "modules"

API_VERSIONS = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",  # there is no stable one
    "Microsoft.Insights/metricAlerts": "2026-01-01",
    "Microsoft.Insights/scheduledQueryRules": "2026-03-01",
    "Microsoft.Insights/webtests": "2022-06-15",
    "Microsoft.KeyVault/vaults": "2026-02-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2024-11-30",
    "Microsoft.OperationalInsights/workspaces": "2026-03-01",
    "Microsoft.Resources/resourceGroups": "2025-04-01",
    "Microsoft.Storage/storageAccounts": "2026-04-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2026-04-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2026-04-01",
    "Microsoft.Storage/storageAccounts/managementPolicies": "2026-04-01",
    "Microsoft.Web/serverfarms": "2025-03-01",
    "Microsoft.Web/sites": "2025-03-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2025-03-01",
}
"""The newest stable versions, as of August 2026."""

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

SUFFIX = "0a1b2c3d4e5f6"
"""As long as every uniqueString."""

EVERYTHING = [(path, each) for path in FILES for each in read(path)]
RESOURCES = [(path, each) for path, each in EVERYTHING if each.kind == "resource"]


def of_kind(kind: str) -> list[Declaration]:
    return [each for _, each in EVERYTHING if each.kind == kind]


def test_every_parameter_says_whether_it_is_needed() -> None:
    for each in of_kind("param"):
        start = "Required. " if each.value is None else "Optional. "
        assert each.description.startswith(start), each.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_says_what_it_is(path: Path) -> None:
    described = {each.name for each in read(path) if each.kind == "metadata"}

    assert described == {"name", "description"}


def test_no_parameter_and_no_output_is_a_secret() -> None:
    for each in of_kind("param") + of_kind("output"):
        assert "secure" not in each.decorators, each.name
        if re.search("secret|token|password|key|certificate|credential", each.name, re.IGNORECASE):
            harmless = r"(name|id|url|days)$|^(credential|partner_center_credential)$"
            assert re.search(harmless, each.name, re.IGNORECASE), each.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_is_made_or_read(path: Path) -> None:
    source = path.read_text()

    assert not re.search(r"\b(list[A-Z]\w*|getSecret)\(", source)
    assert not re.search(r"Microsoft\.KeyVault/vaults/(secrets|keys|accessPolicies)", source)
    assert "utcNow" not in source
    assert "newGuid" not in source


def test_every_api_version_is_the_chosen_one() -> None:
    used = {each.of for _, each in RESOURCES}

    assert used == {f"{kind}@{version}" for kind, version in API_VERSIONS.items()}


def test_names_fit_azures_rules_for_the_longest_input() -> None:
    names = one(INFRA / "main.bicep", "names").value
    longest = one(INFRA / "main.bicep", "environmentName").decorators["maxLength"]

    assert longest == 64
    assert names.keys() == NAME_RULES.keys()
    for name, template in names.items():
        text = template.replace("${suffix}", SUFFIX).replace("${environmentName}", "e" * longest)
        assert "$" not in text
        assert re.fullmatch(NAME_RULES[name], text), name


def test_names_depend_on_nothing_but_subscription_environment_and_region() -> None:
    suffix = one(INFRA / "main.bicep", "suffix").value

    assert suffix == Expression("uniqueString(subscription().id, environmentName, location)")


def test_the_app_may_do_this_and_nothing_else() -> None:
    assignments = [
        (path, each)
        for path, each in RESOURCES
        if each.of.startswith("Microsoft.Authorization/roleAssignments@")
    ]
    granted = set()
    for path, each in assignments:
        properties = each.value["properties"]
        scope = each.value["scope"].text
        match = re.search(r"roleIds\['(.+)'\]", properties["roleDefinitionId"].text)
        assert match
        role = match[1]
        assert one(path, "roleIds").value[role] == ROLE_IDS[role]
        assert each.value["name"].text == f"guid({scope}.id, principalId, roleIds['{role}'])"
        assert properties["principalType"] == "ServicePrincipal"
        assert properties["principalId"] == Expression("principalId")
        assert len(properties["description"]) > 50, "a reason"
        assert len(properties["description"]) <= 1024
        granted.add((path.stem, scope, role))

    assert granted == {
        ("role-assignments", "storageAccount", "Storage Blob Data Owner"),
        ("role-assignments", "keyVault", "Key Vault Secrets User"),
        ("role-assignments", "applicationInsights", "Monitoring Metrics Publisher"),
        ("refresh-token-role", "keyVault", "Key Vault Secrets Officer"),
    }


def test_only_the_vault_of_the_refresh_token_can_be_written_and_only_where_there_is_one() -> None:
    role = one(INFRA / "main.bicep", "refreshTokenRole")

    assert role.condition == one(INFRA / "main.bicep", "refreshTokenVault").condition == "(forUser)"
    assert role.value["params"]["keyVaultName"] == Expression("refreshTokenVault!.outputs.name")
    roles = one(INFRA / "main.bicep", "roles")
    assert roles.value["params"]["keyVaultName"] == Expression("keyVault.outputs.name")


def test_the_site_waits_for_its_roles() -> None:
    waits_for = one(INFRA / "main.bicep", "functionApp").value["dependsOn"]

    assert waits_for == [Expression("roles"), Expression("refreshTokenRole")]


SOFT_DELETE = {"enabled": True, "days": Expression("softDeleteDays")}


@pytest.mark.parametrize(
    ("module", "resource", "properties"),
    [
        (
            "storage",
            "account",
            {
                "allowSharedKeyAccess": False,
                "allowBlobPublicAccess": False,
                "supportsHttpsTrafficOnly": True,
                "minimumTlsVersion": "TLS1_2",
            },
        ),
        (
            "storage",
            "blobs",
            {
                "deleteRetentionPolicy": SOFT_DELETE,
                "containerDeleteRetentionPolicy": SOFT_DELETE,
            },
        ),
        (
            "monitoring",
            "applicationInsights",
            {"DisableLocalAuth": True, "WorkspaceResourceId": Expression("logAnalytics.id")},
        ),
        (
            "key-vault",
            "vault",
            {
                "enableRbacAuthorization": True,
                "enablePurgeProtection": True,
                "softDeleteRetentionInDays": 90,
            },
        ),
    ],
)
def test_services_open_to_identities_only_and_lose_nothing(
    module: str, resource: str, properties: dict[str, Any]
) -> None:
    declared = one(MODULES / f"{module}.bicep", resource).value["properties"]

    assert {name: declared[name] for name in properties} == properties


def test_site_vaults_and_storage_send_their_logs() -> None:
    for module, scope in (("storage", "blobs"), ("key-vault", "vault"), ("function-app", "site")):
        diagnostics = one(MODULES / f"{module}.bicep", "diagnostics").value
        assert diagnostics["scope"] == Expression(scope)
        assert diagnostics["properties"]["workspaceId"] == Expression("logAnalyticsId")
        assert all(log["enabled"] for log in diagnostics["properties"]["logs"])


def test_every_alert_goes_to_the_group() -> None:
    alerts = [
        each
        for _, each in RESOURCES
        if each.of.partition("@")[0].endswith(("/scheduledQueryRules", "/metricAlerts"))
    ]

    assert {each.value["name"] for each in alerts} == {
        "${prefix}-5xx",
        "${prefix}-token-failures",
        "${prefix}-purchase-unknown",
        "${prefix}-refresh-token-age",
        "${prefix}-refresh-token-not-rotated",
        "${prefix}-unavailable",
    }
    for each in alerts:
        actions = each.value["properties"]["actions"]
        group = Expression("actionGroup.id")
        assert actions in ({"actionGroups": [group]}, [{"actionGroupId": group}])


def test_log_alerts_look_at_windows_that_azure_takes() -> None:
    """Azure takes windows of at most two days, and then for a single period."""
    windows = ["PT5M", "PT10M", "PT15M", "PT30M", "PT45M"]
    windows += [*(f"PT{hours}H" for hours in range(1, 7)), "P1D", "P2D"]
    rules = [each for _, each in RESOURCES if "/scheduledQueryRules@" in each.of]

    assert len(rules) == 5
    for each in rules:
        properties = each.value["properties"]
        (condition,) = properties["criteria"]["allOf"]
        every, window = properties["evaluationFrequency"], properties["windowSize"]
        assert windows.index(every) <= windows.index(window), each.name
        assert "overrideQueryTimeRange" not in properties
        assert condition["failingPeriods"]["numberOfEvaluationPeriods"] == 1


def test_the_parameter_file_sets_what_there_is_with_the_same_defaults() -> None:
    lines = re.findall(r"^param (\w+) = (.+)$", (INFRA / "main.bicepparam").read_text(), re.M)
    parameters = {each.name: each for each in read(INFRA / "main.bicep") if each.kind == "param"}

    assert [name for name, _ in lines] == list(parameters)
    for name, expression in lines:
        read_as = re.fullmatch(
            r"(?:bool\(|(?:any\()?int\(|json\()?"
            r"readEnvironmentVariable\('[A-Z_]+'(?:, '(.*)')?\)+",
            expression,
        )
        assert read_as, name
        default = parameters[name].value
        shown = json.dumps(default) if isinstance(default, bool | int) else default
        assert read_as[1] == (None if shown is None else str(shown)), name
