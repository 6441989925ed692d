"""Rules of ours for the templates: described, without secrets, least privilege, names that fit.

What Bicep's linter or checkov checks is left to them: see test_compiler and test_scan. Rules are
checked in what the compiler makes of the files, and predicts of a deployment.
"""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from azure.functions.decorators.http import HttpTrigger

from cart_core.api.callers import ROUTES
from tests.infra.compiler import FILES, TENANT, Compiler
from tests.infra.conftest import Predict
from tests.infra.roles import ROLE_IDS
from tests.kit.declared import functions

FOR_USER = {"PARTNER_CENTER_AUTH": "app_user"}
ENTRA = {
    "CART_CALLERS": "entra",
    "CARTS_CALLER_CLIENT_ID": "00000000-0000-0000-0000-000000000009",
}
PRIVATE = {f"CARTS_PRIVATE_{each}": "true" for each in ("STORAGE", "VAULTS", "SITE")}
EVERYTHING = (
    ENTRA
    | PRIVATE
    | {
        "CARTS_LOCK_RECORDS": "true",
        "CARTS_MONTHLY_BUDGET": "50",
        "CARTS_ALERT_EMAIL": "operators@example.com",
        "CARTS_BUDGET_FIRST_DAY": "2026-12-01",
    }
)
"""Variables with which every resource is made."""

ROLES = {
    ("Storage Blob Data Owner", "storageAccounts/stcarts"),
    ("Storage Queue Data Contributor", "storageAccounts/stcarts"),
    ("Storage Blob Data Contributor", "containers/records"),
    ("Storage Blob Data Contributor", "containers/storefront-bodies"),
    ("Key Vault Secrets User", "vaults/kv-carts-"),
    ("Monitoring Metrics Publisher", "components/appi-carts-"),
}
"""The roles of the app, and the end of the id of the resource that each is for."""

USER_ROLES = {*ROLES, ("Key Vault Secrets Officer", "vaults/kv-crt-")}

VAULT_NAME = r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]"
NAME_RULES = {
    "Microsoft.Resources/resourceGroups": r"[\w.()-]{1,89}[\w()-]",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][\w-]{2,127}",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.KeyVault/vaults": VAULT_NAME,
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Insights/components": r"[\w.()-]{1,254}[\w()-]",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,60}",
    # The platform takes 60 characters, but the host tells apps in one storage account apart by 32.
    "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]",
    "Microsoft.Insights/actionGroups": r"[\w-]{1,260}",
    "Microsoft.Insights/scheduledQueryRules": r"[\w-]{1,260}",
    "Microsoft.Insights/metricAlerts": r"[\w-]{1,260}",
    "Microsoft.Insights/webtests": r"[\w-]{1,260}",
    "Microsoft.Network/virtualNetworks": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.Network/privateEndpoints": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.Network/privateDnsZones": r"privatelink\.[a-z0-9.]+",
    "Microsoft.Consumption/budgets": r"[\w-]{1,63}",
    "Microsoft.Insights/workbooks": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
"""Azure's rules for names (Microsoft's "Naming rules and restrictions for Azure resources")."""

PARTS = {
    *("Microsoft.OperationalInsights/workspaces/tables", "Microsoft.Web/sites/config"),
    *("Microsoft.Network/privateDnsZones/virtualNetworkLinks", "Microsoft.Authorization/locks"),
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    *("Microsoft.Storage/storageAccounts/blobServices", "Microsoft.Insights/diagnosticSettings"),
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    *(f"Microsoft.Storage/storageAccounts/queueServices{each}" for each in ("", "/queues")),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Authorization/roleAssignments",
}
"""Types whose name is the name of what they belong to, one that Azure gives, or computed."""

WINDOWS = [
    *("PT5M", "PT10M", "PT15M", "PT30M", "PT45M"),
    *("PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D", "P2D"),
]
"""The windows that Azure takes for an alert on logs, and only for a single period."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_and_parameters_are_described(path: Path, bicep: Compiler) -> None:
    template = bicep.template(path)

    assert template["metadata"].keys() >= {"name", "description"}
    for name, parameter in template.get("parameters", {}).items():
        start = "Optional. " if "defaultValue" in parameter else "Required. "
        assert parameter["metadata"]["description"].startswith(start), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_secret_is_made_read_taken_or_given(path: Path, bicep: Compiler) -> None:
    template = bicep.template(path)
    secret = r"(?i)secret|token|password|key|certificate|credential"
    harmless = r"(?i)(name|id|url|days)$|^(credential|partner_center_credential)$"
    for part in ("parameters", "outputs"):
        for name, each in template.get(part, {}).items():
            assert not each["type"].lower().startswith("secure"), name
            assert not re.search(secret, name) or re.search(harmless, name), name
    reading = (
        r"\b(list[A-Z]\w*|getSecret)\(|utcNow|newGuid|"
        r"Microsoft\.KeyVault/vaults/(secrets|keys|accessPolicies)"
    )
    assert not re.search(reading, path.read_text())


def test_names_fit_azures_rules_for_the_longest_input(predict: Predict) -> None:
    resources = predict(**FOR_USER, **EVERYTHING, AZURE_ENV_NAME="e" * 58).resources

    assert {each["type"] for each in resources} == NAME_RULES.keys() | PARTS
    for each in resources:
        if each["type"] in NAME_RULES:
            assert re.fullmatch(NAME_RULES[each["type"]], each["name"]), each["name"]
    assert len(f"carts-{'e' * 58}") == 64  # the longest name of a deployment


@pytest.mark.parametrize(("variables", "roles"), [({}, ROLES), (FOR_USER, USER_ROLES)])
def test_the_app_may_do_this_and_nothing_else(
    variables: dict[str, str], roles: set[tuple[str, str]], predict: Predict
) -> None:
    """Only a vault that holds the refresh token alone can be written."""
    granted = set()
    for each in predict(**variables).of("Microsoft.Authorization/roleAssignments"):
        properties = each["properties"]
        scope = re.match(r"\[extensionResourceId\('([^']+)'", each["id"])
        assert scope
        name = ROLE_IDS[properties["roleDefinitionId"].rpartition("/")[2]]
        granted.add((name, re.sub(r"[0-9a-z]{13}$", "", "/".join(scope[1].split("/")[-2:]))))
        assert properties["principalType"] == "ServicePrincipal"
        assert "principalId.value" in properties["principalId"]
        assert 50 < len(properties["description"]) <= 1024, "a reason"

    assert granted == roles


def test_the_proof_of_purchases_is_not_where_the_code_and_the_keys_are(predict: Predict) -> None:
    prediction = predict()
    containers = {
        each["name"]
        for each in prediction.of("Microsoft.Storage/storageAccounts/blobServices/containers")
    }

    assert {re.sub(r"[0-9a-z]{13}/", "/", name) for name in containers} == {
        "stcarts/default/deployments",
        "strec/default/records",
        "strec/default/storefront-bodies",
    }
    assert "hostStorage" in prediction.settings()["AzureWebJobsStorage__blobServiceUri"]
    assert "recordStorage" in prediction.settings()["CART_STORE_URL"]


OPEN_TO_IDENTITIES_ONLY: list[tuple[str, dict[str, Any]]] = [
    (
        "Microsoft.Storage/storageAccounts",
        {"allowSharedKeyAccess": False, "allowBlobPublicAccess": False},
    ),
    (
        "Microsoft.KeyVault/vaults",
        {"enableRbacAuthorization": True, "softDeleteRetentionInDays": 90},
    ),
    ("Microsoft.Insights/components", {"DisableLocalAuth": True}),
    ("Microsoft.Web/sites/basicPublishingCredentialsPolicies", {"allow": False}),
    # What is deleted by mistake can be restored.
    (
        "Microsoft.Storage/storageAccounts/blobServices",
        {
            name: {"enabled": True, "days": 7}
            for name in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy")
        },
    ),
]


@pytest.mark.parametrize(("kind", "properties"), OPEN_TO_IDENTITIES_ONLY)
def test_every_resource_of_a_kind_is_hardened(
    kind: str, properties: dict[str, Any], predict: Predict
) -> None:
    found = predict(**FOR_USER).of(kind)

    assert found
    for each in found:
        assert each["properties"].items() >= properties.items(), each["name"]


def test_everything_sends_its_logs_to_the_one_workspace(predict: Predict) -> None:
    prediction = predict(**FOR_USER)
    senders = set()
    for each in prediction.of("Microsoft.Insights/diagnosticSettings"):
        senders.add(each["id"].split("/providers/")[1])
        assert "logAnalyticsId" in each["properties"]["workspaceId"]
        assert all(log["enabled"] for log in each["properties"]["logs"])

    kinds = ["Microsoft.Web/sites", "Microsoft.KeyVault/vaults"]
    kinds += [f"Microsoft.Storage/storageAccounts/{each}Services" for each in ("blob", "queue")]
    watched = [each for kind in kinds for each in prediction.of(kind)]
    assert senders == {each["id"].split("/providers/")[1] for each in watched}


@pytest.mark.parametrize("days", ["30", "400"])
def test_logs_of_the_app_are_kept_as_long_as_those_of_the_workspace(
    days: str, predict: Predict
) -> None:
    """By themselves the tables of Application Insights keep 90 days (data-retention-configure)."""
    prediction = predict(CARTS_LOG_RETENTION_DAYS=days)
    tables = prediction.of("Microsoft.OperationalInsights/workspaces/tables")
    workspace = prediction.one("Microsoft.OperationalInsights/workspaces")

    assert workspace["properties"]["retentionInDays"] == int(days)
    for each in tables:
        assert each["properties"]["retentionInDays"] == int(days), each["name"]
    read_by_alerts = set(re.findall(r"\bApp[A-Z]\w+", " ".join(prediction.queries().values())))
    assert read_by_alerts <= {each["name"].partition("/")[2] for each in tables}


def test_what_limits_the_cost_and_keeps_the_records_is_what_was_asked_for(predict: Predict) -> None:
    kinds = [f"Microsoft.{each}" for each in ("Authorization/locks", "Consumption/budgets")]
    for variables, gigabytes, made in (
        ({}, -1, [0, 0]),
        (EVERYTHING | {"CARTS_DAILY_LOG_GIGABYTES": "5"}, 5, [1, 1]),
    ):
        prediction = predict(**variables)
        workspace = prediction.one("Microsoft.OperationalInsights/workspaces")
        assert workspace["properties"]["workspaceCapping"] == {"dailyQuotaGb": gigabytes}
        assert [len(prediction.of(kind)) for kind in kinds] == made

    (lock,), (budget,) = map(prediction.of, kinds)
    assert lock["properties"]["level"] == "CanNotDelete"
    (records,) = (
        each["id"]
        for each in prediction.of("Microsoft.Storage/storageAccounts")
        if each["name"].startswith("strec")
    )
    assert lock["id"].startswith(f"{records}/providers/")
    properties = budget["properties"]
    assert (properties["amount"], properties["timeGrain"]) == (50, "Monthly")
    assert properties["timePeriod"] == {"startDate": "2026-12-01T00:00:00Z"}
    told = {
        (each["thresholdType"], each["threshold"], *each["contactGroups"])
        for each in properties["notifications"].values()
    }
    assert {each[:2] for each in told} == {("Actual", 90), ("Forecasted", 110)}
    assert all("actionGroupId" in each[2] for each in told)


def test_every_alert_goes_to_the_group(predict: Predict) -> None:
    prediction = predict(**FOR_USER, CARTS_ALERT_EMAIL="operators@example.com")
    queries = prediction.of("Microsoft.Insights/scheduledQueryRules")
    alerts = queries + prediction.of("Microsoft.Insights/metricAlerts")
    group = prediction.one("Microsoft.Insights/actionGroups")

    assert [each["emailAddress"] for each in group["properties"]["emailReceivers"]] == [
        "operators@example.com"
    ]
    assert {re.sub(r"^alert-carts-\w{13}-", "", each["name"]) for each in alerts} == {
        *("5xx", "token-failures", "purchase-unknown", "refresh-token-age"),
        *("refresh-token-not-rotated", "unavailable", "purchase-limit"),
        *("operations-old", "operations-dead", "operations-silent"),
        *("webhooks-refused", "webhooks-silent", "orders-parked"),
    }
    for each in alerts:
        actions = each["properties"]["actions"]
        assert actions in ({"actionGroups": [group["id"]]}, [{"actionGroupId": group["id"]}])
    for each in queries:
        properties = each["properties"]
        (condition,) = properties["criteria"]["allOf"]
        every, window = properties["evaluationFrequency"], properties["windowSize"]
        assert WINDOWS.index(every) <= WINDOWS.index(window), each["name"]
        assert "overrideQueryTimeRange" not in properties
        assert properties["skipQueryValidation"] is True
        assert condition["failingPeriods"]["numberOfEvaluationPeriods"] == 1


def test_the_app_is_looked_at_from_as_many_places_as_microsoft_recommends(predict: Predict) -> None:
    prediction = predict()
    places = prediction.one("Microsoft.Insights/webtests")["properties"]["Locations"]
    alert = prediction.one("Microsoft.Insights/metricAlerts")["properties"]["criteria"]

    assert len({each["Id"] for each in places}) == 5
    assert alert["failedLocationCount"] == len(places) - 2


def test_tokens_are_checked_in_front_of_every_route_that_needs_a_role(predict: Predict) -> None:
    """A token-only API: no secret, no login page. What is excluded is open by itself."""
    site = predict(**ENTRA)
    properties = site.one("Microsoft.Web/sites/config")["properties"]
    validation = properties["globalValidation"]

    assert properties["platform"]["enabled"] is True
    assert validation["requireAuthentication"] is True
    assert validation["unauthenticatedClientAction"] == "Return401"
    entra = properties["identityProviders"]["azureActiveDirectory"]
    assert entra["registration"].keys() == {"clientId", "openIdIssuer"}
    issuer = entra["registration"]["openIdIssuer"]
    assert "loginEndpoint" in issuer
    assert "/v2.0" in issuer
    assert TENANT in issuer
    client = ENTRA["CARTS_CALLER_CLIENT_ID"]
    assert entra["validation"]["allowedAudiences"] == [client, f"api://{client}"]
    assert site.settings()["CART_CALLERS"] == "entra"
    paths = {
        function.get_function_name(): f"/api/{trigger.route}"
        for function in functions()
        if isinstance(trigger := function.get_trigger(), HttpTrigger)
    }
    for operation, role in ROUTES.items():
        excluded = any(fnmatchcase(paths[operation], each) for each in validation["excludedPaths"])
        assert excluded == (role is None), operation


def test_where_keys_admit_callers_the_platform_checks_no_token(predict: Predict) -> None:
    """It is said, and not left out, so that a deployment can switch the mode back."""
    properties = predict().one("Microsoft.Web/sites/config")["properties"]

    assert properties["platform"]["enabled"] is False
    assert properties["globalValidation"]["requireAuthentication"] is False


ZONES = "Microsoft.Network/privateDnsZones"

CLOSED = [
    ("CARTS_PRIVATE_STORAGE", "Microsoft.Storage/storageAccounts", {"blob", "queue"}),
    ("CARTS_PRIVATE_VAULTS", "Microsoft.KeyVault/vaults", {"vault"}),
    ("CARTS_PRIVATE_SITE", "Microsoft.Web/sites", {"sites"}),
]


@pytest.mark.parametrize(("variable", "kind", "groups"), CLOSED)
def test_each_switch_closes_what_it_names_and_nothing_else(
    variable: str, kind: str, groups: set[str], predict: Predict
) -> None:
    prediction = predict(**FOR_USER, **{variable: "true"})
    open_or_closed = {
        (each["type"], each["properties"]["publicNetworkAccess"])
        for _, other, _ in CLOSED
        for each in prediction.of(other)
    }
    endpoints = prediction.of("Microsoft.Network/privateEndpoints")
    zones = {each["name"].split(".")[1] for each in prediction.of(ZONES)}

    assert open_or_closed == {
        (other, "Disabled" if other == kind else "Enabled") for _, other, _ in CLOSED
    }
    reached = [
        group
        for each in endpoints
        for group in each["properties"]["privateLinkServiceConnections"][0]["properties"][
            "groupIds"
        ]
    ]
    assert set(reached) == groups
    assert zones == {"vaultcore" if each == "vault" else each for each in groups - {"sites"}} | (
        {"azurewebsites"} if "sites" in groups else set()
    )
    for each in prediction.of(kind):
        if "networkAcls" in each["properties"]:
            assert each["properties"]["networkAcls"] == {"defaultAction": "Deny", "bypass": "None"}
    site = prediction.one("Microsoft.Web/sites")["properties"]
    assert "outputs.appSubnetId" in site["virtualNetworkSubnetId"]
    assert site["outboundVnetRouting"] == {"applicationTraffic": True}
    (network,) = prediction.of("Microsoft.Network/virtualNetworks")
    app, _ = network["properties"]["subnets"]
    assert app["properties"]["addressPrefix"] == "10.60.0.0/26"
    assert app["properties"]["delegations"][0]["properties"] == {
        "serviceName": "Microsoft.App/environments"
    }


def test_where_nothing_is_private_there_is_no_network(predict: Predict) -> None:
    prediction = predict()
    site = prediction.one("Microsoft.Web/sites")["properties"]

    assert site["virtualNetworkSubnetId"] is None
    assert site["outboundVnetRouting"] == {"applicationTraffic": False}
    assert not [each for each in prediction.resources if "Microsoft.Network" in each["type"]]
