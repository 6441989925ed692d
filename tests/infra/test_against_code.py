"""The templates and the code agree: settings, limits, names, and the lines that alerts read."""

import asyncio
import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import product
from typing import Any, get_args
from urllib.parse import quote

import azure.functions as func
import pytest
import yaml
from annotated_types import Ge, Le

from cart_core.adapters.blob_store import blob_name
from cart_core.api import about, invocation
from cart_core.api.messages import Invocation, Request, Response
from cart_core.idempotency.operation_id import (
    CARTS_PREFIX,
    PURCHASES,
    PURCHASES_PREFIX,
    OperationId,
)
from cart_core.idempotency.plan import RETENTION
from cart_core.problem import CATALOGUE, Code, Problem
from cart_core.settings import CLOUDS, InvalidSettings, Settings
from cart_core.tokens import AccessToken, FailureCode, TokenCache, TokenFailure
from cart_core.use_cases.rotate_refresh_token import LIFETIME, RotateRefreshToken
from function_app import serve
from infra import package
from tests.infra.bicep import INFRA, Expression, one, read

ROOT = INFRA.parent
MAIN = INFRA / "main.bicep"
FUNCTION_APP = INFRA / "modules" / "function-app.bicep"
STORAGE = INFRA / "modules" / "storage.bicep"
ALERTS = INFRA / "modules" / "alerts.bicep"

ALIASES = {str(info.alias): name for name, info in Settings.model_fields.items()}

PLATFORM = {
    # The host keeps function keys and leases in storage, as the identity.
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__blobServiceUri",
    # Host and worker send telemetry, as the identity.
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    # The worker sets OpenTelemetry up, together with telemetryMode in host.json.
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "OTEL_TRACES_SAMPLER",
}
"""Settings that the host and the worker read, and the app does not."""

REJECTED = {
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD", "WEBSITE_TIME_ZONE", "TZ"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE"),
}
"""Settings that the Flex Consumption plan rejects."""

REJECTED_SITE_CONFIG = {
    *("alwaysOn", "linuxFxVersion", "windowsFxVersion", "netFrameworkVersion", "ftpsState"),
    *("use32BitWorkerProcess", "preWarmedInstanceCount", "functionAppScaleLimit"),
    "functionsRuntimeScaleMonitoringEnabled",
}

VALUES = {
    "partnerTenantId": "00000000-0000-0000-0000-000000000001",
    "partnerClientId": "00000000-0000-0000-0000-000000000002",
    "identityClientId": "00000000-0000-0000-0000-000000000003",
    "keyVaultUrl": "https://kv-carts-0a1b2c3d4e5f6.vault.azure.net/",
    "refreshTokenVaultUrl": "https://kv-crt-0a1b2c3d4e5f6.vault.azure.net/",
    "storeUrl": "https://stcarts0a1b2c3d4e5f6.blob.core.windows.net/records",
    "partnerCloud": "global",
    "clientSecretName": "partner-center-client-secret",
    "certificateName": "partner-center-certificate",
    "refreshTokenName": "partner-center-refresh-token",
    "allowCheckout ? 'true' : 'false'": "false",
    "string(orderRetentionDays)": "90",
}
"""What a deployment passes to function-app.bicep, by the expression in the setting."""


def settings_of(variable: str) -> dict[str, Any]:
    """The settings of one of the template's variables, by name."""
    settings: dict[str, Any] = one(FUNCTION_APP, variable).value
    return settings


def site() -> dict[str, Any]:
    properties: dict[str, Any] = one(FUNCTION_APP, "site").value["properties"]
    return properties


def test_every_app_setting_is_read_by_the_app_or_the_platform() -> None:
    ours = settings_of("appSettings").keys() | settings_of("userSettings").keys()

    assert ours <= ALIASES.keys()
    assert settings_of("platformSettings").keys() == PLATFORM
    assert not (ours | PLATFORM) & REJECTED


def test_every_setting_reaches_the_site() -> None:
    assert one(FUNCTION_APP, "settings").value == Expression(
        "union(moreSettings, appSettings, empty(refreshTokenVaultUrl) ? {} : userSettings, "
        "platformSettings)"
    )
    sent = site()["siteConfig"]["appSettings"]
    assert sent == [{"name": Expression("setting.key"), "value": Expression("setting.value")}]


@pytest.mark.parametrize(
    ("auth", "credential"),
    [*product(["app_only", "app_user"], ["secret", "certificate", "federated"])],
)
def test_the_app_starts_with_the_settings_of_every_mode(auth: str, credential: str) -> None:
    values = {**VALUES, "auth": auth, "credential": credential}
    environment = {
        name: values[value.text]
        for name, value in (settings_of("appSettings") | settings_of("userSettings")).items()
    }

    settings = Settings.read({**environment, "WEBSITE_SITE_NAME": "func-carts-0a1b2c3d4e5f6"})

    assert (settings.auth, settings.credential) == (auth, credential)
    assert settings.store_url == VALUES["storeUrl"]


def test_the_app_would_not_start_without_them() -> None:
    with pytest.raises(InvalidSettings) as missing:
        Settings.read({"WEBSITE_SITE_NAME": "func-carts-0a1b2c3d4e5f6"})

    required = {problem.partition(":")[0] for problem in missing.value.problems}
    assert required <= settings_of("appSettings").keys()


@pytest.mark.parametrize(
    ("parameter", "alias"),
    [
        ("auth", "PARTNER_CENTER_AUTH"),
        ("credential", "PARTNER_CENTER_CREDENTIAL"),
        ("partnerCloud", "PARTNER_CENTER_CLOUD"),
        ("clientSecretName", "PARTNER_CENTER_CLIENT_SECRET_NAME"),
        ("certificateName", "PARTNER_CENTER_CERTIFICATE_NAME"),
        ("refreshTokenName", "PARTNER_CENTER_REFRESH_TOKEN_NAME"),
    ],
)
def test_parameters_have_the_choices_and_defaults_of_their_settings(
    parameter: str, alias: str
) -> None:
    declared = one(MAIN, parameter)
    info = Settings.model_fields[ALIASES[alias]]

    assert declared.value == info.default
    assert tuple(declared.decorators.get("allowed", ())) == get_args(info.annotation)
    assert settings_of("appSettings")[alias] == Expression(parameter)


def test_nothing_can_be_bought_unless_the_deployment_says_so() -> None:
    declared = one(MAIN, "allowCheckout")

    assert declared.value is Settings.model_fields["allow_checkout"].default is False
    assert one(MAIN, "functionApp").value["params"]["allowCheckout"] == Expression("allowCheckout")
    setting = settings_of("appSettings")["CART_ALLOW_CHECKOUT"]
    assert setting == Expression("allowCheckout ? 'true' : 'false'")


def test_the_site_has_nothing_that_the_plan_rejects() -> None:
    assert not site()["siteConfig"].keys() & REJECTED_SITE_CONFIG
    plan = one(FUNCTION_APP, "plan").value
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan["properties"] == {"reserved": True}


def test_the_site_is_closed_but_for_https() -> None:
    assert site()["httpsOnly"] is True
    assert site()["siteConfig"]["minTlsVersion"] == "1.2"
    assert site()["siteConfig"]["scmMinTlsVersion"] == "1.2"
    assert site()["siteConfig"]["remoteDebuggingEnabled"] is False
    for credentials in ("ftpCredentials", "scmCredentials"):
        assert one(FUNCTION_APP, credentials).value["properties"] == {"allow": False}


def test_the_site_knows_one_identity_only() -> None:
    identity = one(FUNCTION_APP, "site").value["identity"]
    storage = site()["functionAppConfig"]["deployment"]["storage"]

    assert identity == {"type": "UserAssigned", "userAssignedIdentities": {"${identityId}": {}}}
    assert storage["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": Expression("identityId"),
    }


def test_the_runtime_is_the_packages_and_one_that_ci_runs() -> None:
    version = one(FUNCTION_APP, "runtimeVersion").value

    assert site()["functionAppConfig"]["runtime"] == {
        "name": "python",
        "version": Expression("runtimeVersion"),
    }
    assert version == package.PYTHON_VERSION
    assert f"python{version}" in (ROOT / ".ci" / "run").read_text()
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert version in workflow["jobs"]["python"]["strategy"]["matrix"]["python"]


def test_an_instance_takes_no_more_requests_than_app_and_host_do() -> None:
    declared = one(MAIN, "perInstanceConcurrency").value
    host = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]

    scale = site()["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["triggers"]["http"]["perInstanceConcurrency"] == Expression(
        "perInstanceConcurrency"
    )
    assert 1 < declared <= Settings.model_fields["max_concurrent_calls"].default
    assert declared <= host["maxConcurrentRequests"]


def lifecycle_rules() -> dict[str, dict[str, Any]]:
    """The definitions of the rules that delete blobs, by name."""
    policy = one(STORAGE, "lifecycle").value["properties"]["policy"]
    assert all(rule["enabled"] and rule["type"] == "Lifecycle" for rule in policy["rules"])
    return {rule["name"]: rule["definition"] for rule in policy["rules"]}


def rules_for(blob: str, container: str = "records") -> list[str]:
    """The rules that delete a blob: by a prefix of the container's name and the blob's."""
    return [
        name
        for name, definition in lifecycle_rules().items()
        for prefix in definition["filters"]["prefixMatch"]
        if f"{container}/{blob}".startswith(prefix.replace("${records.name}", "records"))
    ]


@pytest.mark.parametrize("operation", ["create_cart", *sorted(PURCHASES)])
def test_the_rule_for_its_kind_deletes_a_record_and_no_other_does(operation: str) -> None:
    own = "delete-purchase-records" if operation in PURCHASES else "delete-cart-records"

    for key in range(100):  # names of all first digits
        name = OperationId(operation, VALUES["partnerTenantId"], None, str(key)).record_name()
        assert rules_for(blob_name(name)) == [own]
        assert rules_for(blob_name(name.rpartition("/")[2])) == []
        assert rules_for(blob_name(name), container="deployments") == []


def test_records_are_deleted_when_the_app_no_longer_counts_on_them() -> None:
    days = {
        name: definition["actions"]["baseBlob"]["delete"]
        for name, definition in lifecycle_rules().items()
    }

    assert days == {
        "delete-cart-records": {
            "daysAfterModificationGreaterThan": Expression("cartRetentionDays")
        },
        "delete-purchase-records": {
            "daysAfterModificationGreaterThan": Expression("orderRetentionDays")
        },
    }
    assert all(
        definition["actions"].keys() == {"baseBlob"} for definition in lifecycle_rules().values()
    )
    prefixes = [rule["filters"]["prefixMatch"] for rule in lifecycle_rules().values()]
    assert prefixes == [
        [f"${{records.name}}/{CARTS_PREFIX}"],
        [f"${{records.name}}/{PURCHASES_PREFIX}"],
    ]
    assert one(STORAGE, "cartRetentionDays").value == RETENTION.days
    assert one(STORAGE, "records").value["name"] == "records"
    assert one(STORAGE, "recordsContainerUrl").value.endswith("${records.name}")
    assert one(MAIN, "functionApp").value["params"]["storeUrl"] == Expression(
        "storage.outputs.recordsContainerUrl"
    )


def test_app_and_storage_keep_purchases_for_the_same_time() -> None:
    declared = one(MAIN, "orderRetentionDays")
    info = Settings.model_fields["order_retention_days"]

    assert declared.value == info.default
    shortest, longest = declared.decorators["minValue"], declared.decorators["maxValue"]
    assert info.metadata == [Ge(shortest), Le(longest)]
    assert shortest >= RETENTION.days
    for module in ("storage", "functionApp"):
        params = one(MAIN, module).value["params"]
        assert params["orderRetentionDays"] == Expression("orderRetentionDays")
    assert settings_of("appSettings")["CART_ORDER_RETENTION_DAYS"] == Expression(
        "string(orderRetentionDays)"
    )


def test_health_is_asked_where_it_is_and_for_what_it_answers() -> None:
    request = func.HttpRequest(method="GET", url="/api/health", body=b"")
    body = asyncio.run(serve(request, "get_health", about.get_health)).get_body().decode()

    prefix = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]["routePrefix"]
    route = f"/{prefix}/health"
    assert '@app.route("health"' in (ROOT / "function_app.py").read_text()
    assert site()["siteConfig"]["healthCheckPath"] == route
    test = one(ALERTS, "availabilityTest").value["properties"]
    assert test["Request"]["RequestUrl"] == "${functionAppUrl}" + route
    assert test["ValidationRules"]["ContentValidation"]["ContentMatch"] in body
    assert f'Url !contains "{route}"' in one(ALERTS, "failedRequestsQuery").value


def read_by_alert(query: str, message: str) -> str | None:
    """What an alert's query extracts from a log line."""
    template = one(ALERTS, query).value
    for name in re.findall(r"\$\{(\w+)\}", template):
        if name.endswith("Text"):
            template = template.replace(f"${{{name}}}", one(ALERTS, name).value)
    extraction = re.search(r'extract\("([^"]+)", (\d), Message\)', template)
    assert template.startswith("AppTraces | ")
    assert extraction
    match = re.search(extraction[1], message)
    return match and match[int(extraction[2])]


async def test_the_alert_on_token_failures_reads_the_warning_of_the_cache(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fetch() -> AccessToken:
        raise TokenFailure("vault_denied", "The vault refuses the secret.")

    with caplog.at_level(logging.WARNING), pytest.raises(TokenFailure):
        await TokenCache(fetch).get()

    (record,) = caplog.records
    assert (record.name, record.levelname) == ("cart_core.tokens", "WARNING")
    assert record.getMessage().startswith(one(ALERTS, "tokenFailureText").value)
    assert read_by_alert("tokenFailureQuery", record.getMessage()) == "vault_denied"


class Vault:
    """A vault with a refresh token that was issued on 1 November 2026."""

    value = "a token"

    def read(self, names: Iterable[str]) -> dict[str, str]:
        return dict.fromkeys(names, self.value)

    def issued(self, name: str) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)

    def write(self, name: str, value: str, issued: datetime, expires: datetime) -> None:
        self.value = value

    def disable_older(self, name: str, keep: int) -> None:
        pass


class Exchange:
    """Entra issues a new refresh token, or refuses."""

    rotated_refresh_token = "another token"

    def __init__(self, failure: TokenFailure | None = None) -> None:
        self.failure = failure

    def fetch(self) -> AccessToken:
        if self.failure:
            raise self.failure
        return AccessToken("an access token", 0)


def test_the_alerts_read_the_lines_of_the_daily_renewal(caplog: pytest.LogCaptureFixture) -> None:
    later = datetime(2026, 11, 13, 3, tzinfo=UTC).timestamp()
    refusal = TokenFailure("consent_required", "Sign in again.")
    rotate = RotateRefreshToken("name", Vault(), lambda: Exchange(refusal), clock=lambda: later)

    with caplog.at_level(logging.WARNING), pytest.raises(TokenFailure):
        rotate()

    refused, aged = (record.getMessage() for record in caplog.records)
    assert read_by_alert("tokenFailureQuery", refused) == "consent_required"
    assert read_by_alert("refreshTokenAgeQuery", aged) == "12"
    assert read_by_alert("refreshTokenAgeQuery", refused) is None
    assert one(ALERTS, "refreshTokenAge").condition == "(forUser)"


def test_the_alert_on_a_timer_that_does_not_run_misses_the_line_of_every_renewal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rotate = RotateRefreshToken("name", Vault(), Exchange, clock=lambda: 0)

    with caplog.at_level(logging.INFO):
        rotate()

    (record,) = caplog.records
    assert record.getMessage() == one(ALERTS, "rotatedText").value
    query = one(ALERTS, "notRotatedQueryStart").value + one(ALERTS, "notRotatedQuery").value
    assert 'AppTraces | where Message startswith "${rotatedText}"' in query
    assert query.endswith("| summarize Lines = count() | where Lines == 0 and Since < ago(47h)")
    alert = one(ALERTS, "notRotated")
    assert alert.condition == "(forUser)"
    assert alert.value["properties"]["windowSize"] == "P2D"
    assert 'schedule="0 0 3 * * *"' in (ROOT / "function_app.py").read_text()


IN_DOUBT = " outcome=unknown "


async def line_of(
    operation: str, problem: Code | None, cart_id: str | None, caplog: pytest.LogCaptureFixture
) -> str:
    """The line that a request writes into the log."""

    async def run(_: Request, call: Invocation) -> Response:
        call.cart_id = cart_id
        if problem:
            raise Problem(problem, "For a reason.")
        return Response(201, {})

    caplog.clear()
    with caplog.at_level(logging.INFO):
        await invocation.answer(operation, run, Request({}, {}, b""), VALUES["partnerClientId"])
    (record,) = caplog.records
    return record.getMessage()


@pytest.mark.parametrize(
    ("operation", "problem", "cart_id", "in_doubt"),
    [
        *product(sorted(PURCHASES), ["partner_center_timeout"], ["a cart"], [True]),
        *product(sorted(PURCHASES), ["partner_center_timeout"], [None], [None]),
        *product(sorted(PURCHASES), ["partner_center_conflict", None], ["a cart"], [False]),
        *product(["create_cart", "get_cart"], ["partner_center_timeout"], ["a cart"], [None]),
    ],
)
async def test_the_alert_on_purchases_reads_the_line_of_a_request(
    operation: str,
    problem: Code | None,
    cart_id: str | None,
    in_doubt: bool | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`in_doubt` is None for a line that is not about a purchase."""
    query = one(ALERTS, "purchaseUnknownQuery").value
    starts = re.findall(r'Message startswith "([^"]+)"', query)
    cart = re.search(r'extend Cart = tolower\(extract\("([^"]+)", 1, Message\)\)', query)
    assert cart
    assert f'where Message contains "{IN_DOUBT}" and TimeGenerated < ago(15m)' in query
    line = await line_of(operation, problem, cart_id, caplog)

    match = line.startswith(tuple(starts)) and re.search(cart[1], line)
    assert (IN_DOUBT in line if match else None) is in_doubt
    assert not match or match[1] == quote(cart_id or "", safe="")


def test_the_alert_on_purchases_knows_their_names_and_looks_at_the_last_line_of_each_cart() -> None:
    query = one(ALERTS, "purchaseUnknownQuery").value

    assert set(re.findall(r'startswith "operation=(\w+) "', query)) == PURCHASES
    routes = (ROOT / "function_app.py").read_text()
    for name in PURCHASES:
        assert f'serve(req, "{name}", ' in routes
    assert "summarize arg_max(TimeGenerated, Message) by Cart" in query
    (condition,) = one(ALERTS, "purchaseUnknown").value["properties"]["criteria"]["allOf"]
    assert [each["name"] for each in condition["dimensions"]] == ["Cart"]


def test_the_alert_on_the_refresh_token_leaves_time_to_act() -> None:
    days = one(MAIN, "refreshTokenAgeDays")

    assert 2 * days.decorators["maxValue"] > LIFETIME.days > days.decorators["maxValue"]
    assert days.value <= 14


def test_transient_token_failures_are_the_retryable_ones() -> None:
    """The alert recognises them by the end of their names."""
    for code in get_args(FailureCode):
        assert code.endswith("_unavailable") == CATALOGUE[code].retryable


def test_azd_deploys_the_built_package_to_this_site() -> None:
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text())
    ((name, service),) = azure["services"].items()

    assert one(FUNCTION_APP, "site").value["tags"] == Expression(
        f"union(tags, {{ 'azd-service-name': '{name}' }})"
    )
    assert service["remoteBuild"] is False
    assert service["dist"] == "build/package"
    assert service["hooks"]["prepackage"]["run"] == "make package"
    assert "\npackage: " in (ROOT / "Makefile").read_text()
    hook = ROOT / azure["hooks"]["postprovision"]["run"]
    assert hook.stat().st_mode & 0o111
    assert azure["infra"] == {"provider": "bicep", "path": "infra", "module": "main"}


def test_the_text_for_people_names_outputs_of_the_deployment_only() -> None:
    source = (INFRA / "hooks" / "next-steps.sh").read_text()
    outputs = {each.name for each in read(MAIN) if each.kind == "output"}

    demanded = set(re.findall(r"\$\{([A-Z_]+):\?", source))
    used = set(re.findall(r"(?<!\\)\$\{?([A-Z_]+)", source))
    assert used == demanded == outputs


def test_the_text_for_people_knows_the_clouds() -> None:
    source = (INFRA / "hooks" / "next-steps.sh").read_text()

    for cloud in CLOUDS.values():
        assert f"partner_center={cloud.base_url}\n" in source
        assert f"partner_authority={cloud.authority}\n" in source
        assert f"audience={cloud.federation_audience}\n" in source


def test_the_manual_knows_every_variable_with_its_default() -> None:
    manual = (ROOT / "docs" / "deploy.md").read_text()
    table = manual.partition("| variable | default |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (\S+) \|", table, re.MULTILINE))

    variables = re.findall(
        r"readEnvironmentVariable\('([A-Z_]+)'(?:, '(.*)')?\)",
        (INFRA / "main.bicepparam").read_text(),
    )
    assert rows == {name: f"`{default}`" if default else rows[name] for name, default in variables}
    assert {name for name, shown in rows.items() if shown == "required"} == {
        name for name, default in variables if not default and name != "CARTS_ALERT_EMAIL"
    }
