"""The templates and the code agree: settings, limits, names, and the lines that alerts read."""

import asyncio
import itertools
import json
import logging
import re
from datetime import timedelta
from itertools import product
from typing import Any, get_args
from unittest import mock
from urllib.parse import quote

import azure.functions as func
import pytest
import yaml
from annotated_types import Ge, Le

from cart_core.adapters.json_blobs import blob_name
from cart_core.adapters.storage_queue import POISON_QUEUE, QUEUE
from cart_core.api import about, invocation
from cart_core.api.messages import Invocation, Request, Response
from cart_core.idempotency.operation_id import (
    CARTS_PREFIX,
    PURCHASES,
    PURCHASES_PREFIX,
    RECENT_PREFIX,
    OperationId,
)
from cart_core.idempotency.plan import RETENTION
from cart_core.operations.operation import names_of, new_id
from cart_core.operations.pacing import PREFIX as PACE_PREFIX
from cart_core.problem import CATALOGUE, Code, Problem
from cart_core.settings import CLOUDS, Cloud, InvalidSettings, Settings
from cart_core.storefronts.bodies import DONE, OPEN, PARKED, UNREADABLE
from cart_core.storefronts.order_record import record_name, since_name
from cart_core.tokens import FailureCode, TokenCache, TokenFailure
from cart_core.use_cases.rotate_refresh_token import LIFETIME
from function_app import serve
from infra import package
from tests.infra.compiler import INFRA, REQUIRED, TENANT, Compiler, Prediction
from tests.infra.conftest import Predict
from tests.kit.declared import functions
from tests.kit.refresh_tokens import RefreshTokens
from tests.kit.world import ENVIRONMENT

ROOT = INFRA.parent
ROUTES = (ROOT / "function_app.py").read_text()
HOST = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]
NEXT_STEPS = (INFRA / "hooks" / "next-steps.sh").read_text()
HEALTH = f"/{HOST['routePrefix']}/health"

ALIASES = {str(info.alias): info for info in Settings.model_fields.values()}

PLATFORM = {
    # The host keeps function keys and leases in storage, as the identity.
    *(f"AzureWebJobsStorage__{name}" for name in ("credential", "clientId", "blobServiceUri")),
    # Without it the scale controller wakes nobody for a message. The app reads it too.
    "AzureWebJobsStorage__queueServiceUri",
    # Host and worker send telemetry, as the identity.
    *("APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"),
    "AzureWebJobsDisableHomepage",
    # The worker sets OpenTelemetry up, together with telemetryMode in host.json.
    *("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "OTEL_TRACES_SAMPLER"),
}
"""Settings that the host and the worker read, and the app does not."""

REJECTED_SITE_CONFIG = {
    *("alwaysOn", "linuxFxVersion", "windowsFxVersion", "netFrameworkVersion", "ftpsState"),
    *("use32BitWorkerProcess", "preWarmedInstanceCount", "functionAppScaleLimit"),
    *("functionsRuntimeScaleMonitoringEnabled", "healthCheckPath"),
}
"""What the Flex Consumption plan rejects, or ignores (healthCheckPath)."""

KNOWN_WHEN_DEPLOYED = {
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000003",
    "KEY_VAULT_URL": "https://kv-carts-0a1b2c3d4e5f6.vault.azure.net/",
    "KEY_VAULT_REFRESH_TOKEN_URL": "https://kv-crt-0a1b2c3d4e5f6.vault.azure.net/",
    "CART_STORE_URL": "https://strec0a1b2c3d4e5f6.blob.core.windows.net/records",
    "AzureWebJobsStorage__queueServiceUri": "https://stcarts0a1b2c3d4e5f6.queue.core.windows.net/",
}
"""Values of settings that only Azure knows, as it gives them."""

MODES = [
    {"PARTNER_CENTER_AUTH": auth, "PARTNER_CENTER_CREDENTIAL": credential}
    for auth, credential in product(
        ["app_only", "app_user"], ["secret", "certificate", "federated"]
    )
]


@pytest.fixture(scope="module")
def main(bicep: Compiler) -> dict[str, Any]:
    """What infra/main.bicep is compiled to."""
    return bicep.template(INFRA / "main.bicep")


@pytest.fixture(scope="module")
def queries(predict: Predict) -> dict[str, str]:
    """The queries of the alerts, by the ends of their names."""
    return predict(PARTNER_CENTER_AUTH="app_user").queries()


def settings_of(prediction: Prediction) -> dict[str, str]:
    """The settings of the site that the app reads, as they are once it is deployed."""
    return {
        name: KNOWN_WHEN_DEPLOYED[name] if value.startswith("[") else value
        for name, value in prediction.settings().items()
        if name in ALIASES
    }


def test_the_site_is_what_the_app_counts_on(predict: Predict) -> None:
    prediction = predict()
    site, plan = prediction.one("Microsoft.Web/sites"), prediction.one("Microsoft.Web/serverfarms")
    config = site["properties"]["functionAppConfig"]

    # It knows one identity only, the one that has the roles.
    assert site["identity"]["type"] == "UserAssigned"
    (identity,) = site["identity"]["userAssignedIdentities"]
    authentication = config["deployment"]["storage"]["authentication"]
    assert authentication["type"] == "UserAssignedIdentity"
    for each in (identity, authentication["userAssignedIdentityResourceId"]):
        assert "'identity-{0}'" in each
        assert each.rstrip(")]").endswith(".outputs.id.value")
    # The plan is the one whose limits are kept here, and the runtime is the package's.
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan["properties"] == {"reserved": True}
    assert config["runtime"] == {"name": "python", "version": package.PYTHON_VERSION}
    concurrency = config["scaleAndConcurrency"]["triggers"]["http"]["perInstanceConcurrency"]
    assert 1 < concurrency <= Settings.model_fields["max_concurrent_calls"].default
    assert concurrency <= HOST["maxConcurrentRequests"]
    # azd finds the site by this tag.
    assert site["tags"]["azd-service-name"] == "carts"


def test_the_site_waits_for_its_roles_and_its_network(main: dict[str, Any]) -> None:
    """Else it starts without the right to read its package. No prediction tells the order."""
    assert set(main["resources"]["functionApp"]["dependsOn"]) >= {
        *("roles", "refreshTokenRole", "hostBlobEndpoint", "hostQueueEndpoint"),
        *("recordEndpoint", "vaultEndpoint", "refreshTokenVaultEndpoint"),
    }


def test_every_setting_is_read_by_the_app_or_the_platform(predict: Predict) -> None:
    prediction = predict(PARTNER_CENTER_AUTH="app_user")
    site = prediction.one("Microsoft.Web/sites")

    # The Flex Consumption plan rejects other settings of the platform, such as WEBSITE_TIME_ZONE.
    assert prediction.settings().keys() - ALIASES.keys() == PLATFORM - ALIASES.keys()
    assert prediction.settings().keys() >= PLATFORM
    assert prediction.settings()["AzureWebJobsStorage__credential"] == "managedidentity"
    assert prediction.settings()["AzureWebJobsDisableHomepage"] == "true"
    assert not site["properties"]["siteConfig"].keys() & REJECTED_SITE_CONFIG


def test_what_a_person_adds_reaches_the_site_and_replaces_no_setting_of_the_template(
    predict: Predict,
) -> None:
    """So nothing can be bought unless the deployment says so."""
    before = predict().settings()
    added = {"CART_MAX_QUANTITY": "500", "CART_ALLOW_CHECKOUT": "true"}
    added |= {"PARTNER_CENTER_CLIENT_ID": "x", "OTEL_TRACES_SAMPLER": "x"}
    after = predict(CARTS_MORE_SETTINGS=json.dumps(added)).settings()

    assert before["CART_ALLOW_CHECKOUT"] == "false"
    assert after == before | {"CART_MAX_QUANTITY": "500"}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(mode.values()))
def test_the_app_starts_with_the_settings_of_every_mode(
    mode: dict[str, str], predict: Predict
) -> None:
    environment = settings_of(predict(**mode))

    settings = Settings.read({**environment, "WEBSITE_SITE_NAME": "func-carts-0a1b2c3d4e5f6"})

    assert [settings.auth, settings.credential] == list(mode.values())
    assert settings.tenant_id == REQUIRED["PARTNER_CENTER_TENANT_ID"]
    assert settings.client_id == REQUIRED["PARTNER_CENTER_CLIENT_ID"]
    assert settings.store_url == KNOWN_WHEN_DEPLOYED["CART_STORE_URL"]
    assert (settings.refresh_token_vault_override is not None) == (settings.auth == "app_user")


def test_the_app_would_not_start_without_them(predict: Predict) -> None:
    with pytest.raises(InvalidSettings) as missing:
        Settings.read({"WEBSITE_SITE_NAME": "func-carts-0a1b2c3d4e5f6"})

    required = {problem.partition(":")[0] for problem in missing.value.problems}
    assert required <= predict().settings().keys()


@pytest.mark.parametrize(
    ("parameter", "alias"),
    [
        ("auth", "PARTNER_CENTER_AUTH"),
        ("credential", "PARTNER_CENTER_CREDENTIAL"),
        ("partnerCloud", "PARTNER_CENTER_CLOUD"),
        ("clientSecretName", "PARTNER_CENTER_CLIENT_SECRET_NAME"),
        ("certificateName", "PARTNER_CENTER_CERTIFICATE_NAME"),
        ("refreshTokenName", "PARTNER_CENTER_REFRESH_TOKEN_NAME"),
        ("allowCheckout", "CART_ALLOW_CHECKOUT"),
        ("orderRetentionDays", "CART_ORDER_RETENTION_DAYS"),
        ("callers", "CART_CALLERS"),
    ],
)
def test_parameters_have_the_choices_limits_and_defaults_of_their_settings(
    parameter: str, alias: str, main: dict[str, Any], predict: Predict
) -> None:
    declared, info = main["parameters"][parameter], ALIASES[alias]

    shown = str(info.default).lower() if isinstance(info.default, bool) else str(info.default)
    assert predict().settings()[alias] == shown
    assert tuple(declared.get("allowedValues", ())) == get_args(info.annotation)
    if "minValue" in declared:
        assert info.metadata == [Ge(declared["minValue"]), Le(declared["maxValue"])]


def test_limits_leave_room(main: dict[str, Any]) -> None:
    parameters = main["parameters"]
    age = parameters["refreshTokenAgeDays"]

    assert parameters["allowCheckout"]["defaultValue"] is False
    assert parameters["orderRetentionDays"]["minValue"] >= RETENTION.days
    # The alert on the refresh token leaves time to act.
    assert 2 * age["maxValue"] > LIFETIME.days > age["maxValue"]
    assert age["defaultValue"] <= 14


@pytest.mark.parametrize("days", ["90", "365"])
def test_records_are_deleted_when_the_app_no_longer_counts_on_them(
    days: str, predict: Predict
) -> None:
    """Each by the rule for its kind: no prefix is the start of another."""
    prediction = predict(CART_ORDER_RETENTION_DAYS=days)
    policy = prediction.one("Microsoft.Storage/storageAccounts/managementPolicies")

    assert policy["name"].startswith("strec")
    assert policy["properties"]["policy"]["rules"] == [
        {
            "name": f"delete-{name}",
            "enabled": True,
            "type": "Lifecycle",
            "definition": {
                "filters": {"blobTypes": ["blockBlob"], "prefixMatch": prefixes},
                "actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": age}}},
            },
        }
        for name, prefixes, age in (
            ("cart-records", [f"records/{CARTS_PREFIX}"], RETENTION.days),
            ("purchase-records", [f"records/{PURCHASES_PREFIX}"], int(days)),
            ("storefront-bodies", [f"{BODIES}/{DONE}", f"{BODIES}/{UNREADABLE}"], 30),
            ("recent-records", [f"records/{RECENT_PREFIX}"], 1),
            ("pace-records", [f"records/{PACE_PREFIX}"], 1),
        )
    ]
    assert prediction.settings()["CART_ORDER_RETENTION_DAYS"] == days
    prefixes = (CARTS_PREFIX, PURCHASES_PREFIX, RECENT_PREFIX, PACE_PREFIX)
    assert not any(a.startswith(b) for a, b in itertools.permutations(prefixes, 2))
    for operation in ("create_cart", *PURCHASES):
        prefix = PURCHASES_PREFIX if operation in PURCHASES else CARTS_PREFIX
        record = OperationId(operation, TENANT, "key").record_name()
        assert blob_name(record).startswith(prefix)


BODIES = "storefront-bodies"


def test_what_is_accepted_lies_outside_the_rules_of_age_until_it_has_ended(
    predict: Predict,
) -> None:
    policy = predict().one("Microsoft.Storage/storageAccounts/managementPolicies")
    rules = policy["properties"]["policy"]["rules"]
    prefixes = [each["definition"]["filters"]["prefixMatch"][0] for each in rules]
    for kind in (CARTS_PREFIX, PURCHASES_PREFIX):
        names = names_of(new_id(f"{kind}{'ab' * 32}", "0123456789abcdef"))
        assert names
        assert not any(f"records/{names.open}".startswith(prefix) for prefix in prefixes)
        assert f"records/{names.ended}".startswith(f"records/{kind}")


def test_a_storefronts_order_is_never_forgotten_and_its_body_only_once_it_is_done(
    predict: Predict,
) -> None:
    prediction = predict(CARTS_STOREFRONT_BODY_DAYS="12")
    policy = prediction.one("Microsoft.Storage/storageAccounts/managementPolicies")
    rules = policy["properties"]["policy"]["rules"]
    prefixes = [prefix for each in rules for prefix in each["definition"]["filters"]["prefixMatch"]]
    kept = [f"records/{record_name('shop', '1')}", f"records/{since_name('shop')}"]
    kept += [f"{BODIES}/{folder}" for folder in (OPEN, PARKED)]

    assert not any(each.startswith(prefix) for each in kept for prefix in prefixes)
    (rule,) = (each for each in rules if each["name"] == "delete-storefront-bodies")
    assert rule["definition"]["actions"]["baseBlob"]["delete"] == {
        "daysAfterModificationGreaterThan": 12
    }
    containers = prediction.of("Microsoft.Storage/storageAccounts/blobServices/containers")
    assert BODIES in {each["name"].rpartition("/")[2] for each in containers}
    settings = Settings.read(ENVIRONMENT | {"CART_STORE_URL": "https://x.example/records"})
    assert settings.bodies_url == f"https://x.example/{BODIES}"


def starts_read(query: str) -> tuple[str, ...]:
    """How the log lines begin that a query looks at."""
    return tuple(re.findall(r'Message startswith "([^"]+)"', query))


def read_by(query: str, line: str) -> list[str | None]:
    """What a query extracts from a log line, in order."""
    found = []
    for pattern, group in re.findall(r'extract\("([^"]+)", (\d), Message\)', query):
        match = re.search(pattern, line)
        found.append(match[int(group)] if match else None)
    assert found
    return found


def test_the_alerts_on_storefronts_read_what_is_logged(queries: dict[str, str]) -> None:
    webhook = "webhook source=%s verdict=%s order=%s"
    report = "storefronts open=%d oldestSeconds=%d parked=%d reports=%d"
    for module, line, names in (
        ("intake", webhook, ["webhooks-refused", "webhooks-silent"]),
        ("worker", report, ["orders-parked"]),
    ):
        assert line in (ROOT / "cart_core" / "storefronts" / f"{module}.py").read_text()
        for name in names:
            assert line.startswith(starts_read(queries[name]))
    for name in ("webhooks-refused", "webhooks-silent"):
        assert read_by(queries[name], webhook % ("shop", "refused", "1")) == ["shop", "refused"]
    assert read_by(queries["orders-parked"], report % (1, 2, 3, 4)) == ["3", "2"]


def test_the_queues_are_those_of_the_app_and_wake_the_function_that_reads_them(
    predict: Predict,
) -> None:
    prediction = predict(CARTS_ALWAYS_READY_WORKERS="2")
    queues = prediction.of("Microsoft.Storage/storageAccounts/queueServices/queues")
    site = prediction.one("Microsoft.Web/sites")
    ready = site["properties"]["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"]

    assert sorted(each["name"].rpartition("/")[2] for each in queues) == [QUEUE, POISON_QUEUE]
    assert all(each["name"].startswith("stcarts") for each in queues)
    (trigger,) = [each for each in functions() if each.get_trigger().type == "queueTrigger"]
    declared = trigger.get_trigger().get_dict_repr()
    assert (declared["queueName"], declared["connection"]) == (QUEUE, "AzureWebJobsStorage")
    assert {"name": f"function:{trigger.get_function_name()}", "instanceCount": 2} in ready
    host = json.loads((ROOT / "host.json").read_text())
    assert host["extensionBundle"]["version"] == "[4.*, 5.0.0)"
    assert host["extensions"]["queues"] == {
        "batchSize": 1,
        "newBatchThreshold": 7,
        "maxPollingInterval": "00:00:02",
        "visibilityTimeout": "00:00:30",
        "maxDequeueCount": 5,
        "messageEncoding": "none",
    }


def test_the_alerts_read_the_report_of_each_minute(queries: dict[str, str]) -> None:
    report = "operations oldestSeconds=%d waiting=%d running=%d dead=%d parked=%d"
    assert report in (ROOT / "cart_core" / "operations" / "sweeper.py").read_text()
    for name, read_as in (("old", ["301"]), ("dead", ["2"]), ("silent", None)):
        query = queries[f"operations-{name}"]
        assert report.startswith(starts_read(query))
        if read_as:
            assert read_by(query, report % (301, 1, 0, 2, 0)) == read_as
    assert 'schedule="0 * * * * *"' in ROUTES


def test_the_availability_test_asks_the_health_route_for_its_status(
    predict: Predict, queries: dict[str, str]
) -> None:
    """The body may be written in any way. Flex Consumption asks no health route by itself."""
    prediction = predict()
    properties = prediction.one("Microsoft.Insights/webtests")["properties"]
    request = func.HttpRequest(method="GET", url=HEALTH, body=b"")
    answered = asyncio.run(serve(request, "get_health", about.get_health))

    assert '@app.route("health"' in ROUTES
    assert properties["Request"]["RequestUrl"].startswith("[format('{0}" + HEALTH)
    assert properties["ValidationRules"]["ExpectedHttpStatusCode"] == answered.status_code
    assert "ContentValidation" not in properties["ValidationRules"]
    # Nor does it count as a failure that a deployment is not ready yet.
    assert f'Url !contains "{HEALTH}" and Url !contains "/api/ready"' in queries["5xx"]


async def test_the_alert_on_token_failures_reads_the_warning_of_the_cache(
    queries: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    fetch = mock.Mock(side_effect=TokenFailure("vault_denied", "The vault refuses the secret."))

    with caplog.at_level(logging.WARNING), pytest.raises(TokenFailure):
        await TokenCache(fetch).get()

    (record,) = caplog.records
    assert (record.name, record.levelname) == ("cart_core.tokens", "WARNING")
    assert read_by(queries["token-failures"], record.getMessage()) == ["vault_denied"]


def test_the_renewal_is_watched_where_there_is_one_and_two_days_without_it_are_too_long(
    predict: Predict,
) -> None:
    kind, start = "Microsoft.Insights/scheduledQueryRules", "-refresh-token-"
    assert not [each for each in predict().of(kind) if start in each["name"]]
    age, not_rotated = sorted(
        (
            each
            for each in predict(PARTNER_CENTER_AUTH="app_user").of(kind)
            if start in each["name"]
        ),
        key=lambda each: str(each["name"]),
    )
    assert age["name"].endswith("-age")
    assert not_rotated["properties"]["windowSize"] == "P2D"


def test_the_alerts_read_the_lines_of_the_daily_renewal(
    queries: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    tokens = RefreshTokens()
    tokens.sign_in("a token", timedelta(days=12, hours=3))
    with caplog.at_level(logging.INFO):
        tokens.rotation()()
        tokens.sign_in("expired", timedelta(days=12, hours=3))
        tokens.good.clear()
        with pytest.raises(TokenFailure):
            tokens.rotation()()

    rotated, refused, aged = caplog.messages
    failures, age = queries["token-failures"], queries["refresh-token-age"]
    assert read_by(failures, refused) == ["consent_required"]
    daily = re.search(r'Daily = Message contains "([^"]+)"', failures)
    assert daily
    assert daily[1] in refused
    assert "or Renewals > 0" in failures  # one is enough, whatever its code
    assert [read_by(age, line) for line in (aged, refused)] == [["12"], [None]]
    # Another alert is raised where there was no line of a renewal.
    query = queries["refresh-token-not-rotated"]
    assert starts_read(query) == (rotated,)
    assert query.endswith("| summarize Lines = count() | where Lines == 0 and Since < ago(47h)")
    assert 'schedule="0 0 3 * * *"' in ROUTES


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
    queries: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`in_doubt` is None for a line that is not about a purchase."""

    async def run(_: Request, call: Invocation) -> Response:
        call.cart_id = cart_id
        if problem:
            raise Problem(problem, "For a reason.")
        return Response(201, {})

    query = queries["purchase-unknown"]
    cart = re.search(r'extend Cart = tolower\(extract\("([^"]+)", 1, Message\)\)', query)
    assert cart
    with caplog.at_level(logging.INFO):
        await invocation.answer(operation, run, Request({}, {}, b""), TENANT)

    (line,) = caplog.messages
    match = line.startswith(starts_read(query)) and re.search(cart[1], line)
    assert (" outcome=unknown " in line if match else None) is in_doubt
    assert not match or match[1] == quote(cart_id or "", safe="")


def test_the_alert_on_purchases_knows_their_names_and_looks_at_the_last_line_of_each_cart(
    predict: Predict,
) -> None:
    query = predict().queries()["purchase-unknown"]

    assert set(re.findall(r'startswith "operation=(\w+) "', query)) == PURCHASES
    assert all(f'serve(req, "{name}", ' in ROUTES for name in PURCHASES)
    assert "summarize arg_max(TimeGenerated, Message) by Cart" in query
    assert 'where Message contains " outcome=unknown " and TimeGenerated < ago(15m)' in query
    alerts = predict().of("Microsoft.Insights/scheduledQueryRules")
    (alert,) = [each for each in alerts if each["name"].endswith("-purchase-unknown")]
    (condition,) = alert["properties"]["criteria"]["allOf"]
    assert [each["name"] for each in condition["dimensions"]] == ["Cart"]


@pytest.mark.parametrize("code", get_args(FailureCode))
def test_transient_token_failures_are_the_retryable_ones(code: FailureCode) -> None:
    """The alert recognises them by the end of their names."""
    assert code.endswith("_unavailable") == CATALOGUE[code].retryable


def test_azd_deploys_the_built_package() -> None:
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text())
    service = azure["services"]["carts"]

    assert (service["remoteBuild"], service["dist"]) == (False, "build/package")
    assert service["hooks"]["prepackage"]["run"] == "make package"
    assert "\npackage: " in (ROOT / "Makefile").read_text()
    hook = ROOT / azure["hooks"]["postprovision"]["run"]
    assert hook.stat().st_mode & 0o111
    assert azure["infra"] == {"provider": "bicep", "path": "infra", "module": "main"}


def test_the_text_for_people_names_outputs_of_the_deployment_only(main: dict[str, Any]) -> None:
    demanded = set(re.findall(r"\$\{([A-Z_]+):\?", NEXT_STEPS))
    used = set(re.findall(r"(?<!\\)\$\{?([A-Z_]+)", NEXT_STEPS))
    assert used == demanded == main["outputs"].keys()


@pytest.mark.parametrize("cloud", list(CLOUDS.values()))
def test_the_text_for_people_knows_the_clouds(cloud: Cloud) -> None:
    assert f"partner_center={cloud.base_url}\n" in NEXT_STEPS
    assert f"partner_authority={cloud.authority}\n" in NEXT_STEPS


def test_parameter_file_template_and_manual_have_the_same_defaults(main: dict[str, Any]) -> None:
    expression = (
        r"^param (\w+) = (?:bool\(|(?:any\()?int\(|json\()?"
        r"readEnvironmentVariable\('([A-Z_]+)'(?:, ('.*'))?\)+$"
    )
    source = (INFRA / "main.bicepparam").read_text()
    variables = [
        (parameter, variable, default[1:-1] or "none" if default else "required")
        for parameter, variable, default in re.findall(expression, source, re.MULTILINE)
    ]
    manual = (ROOT / "docs" / "deploy.md").read_text().partition("| variable | default |")[2]
    rows = re.findall(r"^\| `([A-Z_]+)` \| `?(.*?)`? \|", manual.partition("\n\n")[0], re.MULTILINE)
    shown = {"null": "required", '""': "none"}
    declared = [
        (name, json.dumps(each.get("defaultValue"))) for name, each in main["parameters"].items()
    ]

    assert source.count("\nparam ") == len(variables)
    assert [(name, default) for name, _, default in variables] == [
        (name, shown.get(text, text).strip('"')) for name, text in declared
    ]
    assert rows == [(variable, default) for _, variable, default in variables]
