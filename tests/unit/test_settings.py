import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cart_core.settings import InvalidSettings, Settings
from tests.kit.builders import MARKER

TENANT = "00000000-0000-0000-0000-000000000001"
CLIENT = "00000000-0000-0000-0000-000000000002"
IDENTITY = "00000000-0000-0000-0000-000000000003"
REQUIRED = {
    "PARTNER_CENTER_TENANT_ID": TENANT,
    "PARTNER_CENTER_CLIENT_ID": CLIENT,
    "AZURE_CLIENT_ID": IDENTITY,
    "KEY_VAULT_URL": "https://vault.example",
}
SAMPLE = Path(__file__).parents[2] / "local.settings.sample.json"
OF_THE_PLATFORM = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
SET_BY_AZURE = {"WEBSITE_AUTH_ENABLED"}


def settings(**given: str) -> Settings:
    return Settings.read(REQUIRED | given)


def refused(environment: dict[str, str]) -> InvalidSettings:
    with pytest.raises(InvalidSettings) as invalid:
        Settings.read(environment)
    return invalid.value


def named(invalid: InvalidSettings) -> list[str]:
    return [problem.split(":")[0] for problem in invalid.problems]


def aliases() -> set[str]:
    return {str(info.alias) for info in Settings.model_fields.values()}


def test_the_least_that_must_be_set() -> None:
    least = settings()

    assert (least.tenant_id, least.client_id) == (TENANT, CLIENT)
    assert least.managed_identity_client_id == IDENTITY
    assert least.key_vault_url == "https://vault.example"
    assert (least.auth, least.credential, least.cloud) == ("app_only", "secret", "global")
    assert least.locale == "en-US"
    assert least.application_name
    assert least.client_secret_name == "partner-center-client-secret"
    assert least.certificate_name == "partner-center-certificate"
    assert least.refresh_token_name == "partner-center-refresh-token"
    assert least.max_body_bytes == 256 * 1024
    assert least.max_quantity is None
    assert least.unknown_members is None
    assert least.allow_checkout is False
    assert least.order_retention_days == 90


def test_every_setting_of_the_environment_is_read() -> None:
    environment = REQUIRED | {
        "PARTNER_CENTER_AUTH": "app_user",
        "PARTNER_CENTER_CREDENTIAL": "certificate",
        "PARTNER_CENTER_CLOUD": "china",
        "PARTNER_CENTER_BASE_URL": "https://pc.example",
        "PARTNER_CENTER_APPLICATION_NAME": "my shop",
        "PARTNER_CENTER_LOCALE": "zh-CN",
        "PARTNER_CENTER_CLIENT_SECRET_NAME": "secret-1",
        "PARTNER_CENTER_CERTIFICATE_NAME": "certificate-1",
        "PARTNER_CENTER_REFRESH_TOKEN_NAME": "refresh-1",
        "CART_MAX_BODY_BYTES": "65536",
        "CART_MAX_QUANTITY": "300",
        "CART_UNKNOWN_MEMBERS": "reject",
        "CART_ALLOW_CHECKOUT": "true",
        "CART_ORDER_RETENTION_DAYS": "365",
    }

    read = Settings.read(environment)

    assert (read.auth, read.credential, read.cloud) == ("app_user", "certificate", "china")
    assert read.base_url == "https://pc.example"
    assert (read.application_name, read.locale) == ("my shop", "zh-CN")
    assert read.client_secret_name == "secret-1"
    assert read.certificate_name == "certificate-1"
    assert read.refresh_token_name == "refresh-1"
    assert (read.max_body_bytes, read.max_quantity) == (65_536, 300)
    assert read.unknown_members == "reject"
    assert (read.allow_checkout, read.order_retention_days) == (True, 365)


@pytest.mark.parametrize(
    ("cloud", "base_url", "authority", "scope", "audience"),
    [
        (
            "global",
            "https://api.partnercenter.microsoft.com",
            "https://login.microsoftonline.com",
            "https://api.partnercenter.microsoft.com/.default",
            "api://AzureADTokenExchange",
        ),
        (
            "china",
            "https://partner.partnercenterapi.microsoftonline.cn",
            "https://login.partner.microsoftonline.cn",
            "https://partner.partnercenterapi.microsoftonline.cn/.default",
            "api://AzureADTokenExchangeChina",
        ),
        (
            "usgov",
            "https://api.partnercenter.microsoft.com",
            "https://login.microsoftonline.us",
            "https://api.partnercenter.microsoft.com/.default",
            "api://AzureADTokenExchangeUSGov",
        ),
    ],
)
@pytest.mark.parametrize("override", ["", "https://pc.example/"])
def test_a_cloud_has_its_hosts(
    cloud: str, base_url: str, authority: str, scope: str, audience: str, override: str
) -> None:
    read = settings(PARTNER_CENTER_CLOUD=cloud, PARTNER_CENTER_BASE_URL=override)

    assert read.base_url == ("https://pc.example" if override else base_url)
    assert read.authority == authority
    assert read.token_scope == scope
    assert read.federation_audience == audience


@pytest.mark.parametrize(
    ("url", "base_url"),
    [
        ("https://pc.example", "https://pc.example"),
        ("https://pc.example/", "https://pc.example"),
        ("https://pc.example:8443", "https://pc.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
    ],
)
def test_the_base_url_can_be_replaced(url: str, base_url: str) -> None:
    assert settings(PARTNER_CENTER_BASE_URL=url).base_url == base_url


WRONG_URLS = [
    "pc.example",
    f"http://{MARKER}.example",
    "http://10.0.0.1",
    "http://localhost.example",
    "http://127.0.0.1.example",
    f"ftp://{MARKER}",
    "file:///etc/passwd",
    "https://",
    "https:///path",
    "//pc.example",
    f"https://{MARKER}@pc.example",
    f"https://user:{MARKER}@pc.example",
    f"https://pc.example?{MARKER}",
    f"https://pc.example#{MARKER}",
    f"https://[{MARKER}]",
    f"https://[{MARKER}",
    f"https://pc.example:{MARKER}",
    "https://pc.example:99999",
    f"https://{MARKER}\u2100.example",
    f"https://{MARKER} .example",
    "https://pc.example\r\nX: y",
    "https://pc.example\n",
]

WRONG: dict[str, list[str]] = {
    "PARTNER_CENTER_TENANT_ID": [MARKER, "common", TENANT + "0", TENANT + "\n", f"{{{TENANT}}}"],
    "PARTNER_CENTER_CLIENT_ID": [MARKER, CLIENT[1:]],
    "AZURE_CLIENT_ID": [MARKER, IDENTITY.replace("-", "")],
    "KEY_VAULT_URL": WRONG_URLS,
    "PARTNER_CENTER_AUTH": [MARKER, "App_Only", "app", "app_only "],
    "PARTNER_CENTER_CREDENTIAL": [MARKER, "password"],
    "PARTNER_CENTER_CLOUD": [MARKER, "germany"],
    "PARTNER_CENTER_BASE_URL": WRONG_URLS,
    "PARTNER_CENTER_APPLICATION_NAME": [f"{MARKER}\r\nX: y", " x", "x ", "caf\u00e9", "x" * 65],
    "PARTNER_CENTER_LOCALE": [f"{MARKER}!", "en_US", "en-US,de", "en-US\r\n"],
    "PARTNER_CENTER_CLIENT_SECRET_NAME": [f"{MARKER}_x", "a/b", "../x", "x" * 128, "a\n"],
    "PARTNER_CENTER_CERTIFICATE_NAME": [f"{MARKER}/x", "a.b"],
    "PARTNER_CENTER_REFRESH_TOKEN_NAME": [f"{MARKER}?x", "a b"],
    "CART_MAX_BODY_BYTES": [MARKER, "0", "-1", "256K", "1.5", "nan", "9" * 5_000],
    "CART_MAX_QUANTITY": [MARKER, "0", "-5", "1.5", "many"],
    "CART_UNKNOWN_MEMBERS": [MARKER, "ignore", "Reject"],
    "CART_STORE_URL": [
        MARKER,
        "Memory",
        f"https://{MARKER}.example",
        f"https://{MARKER}.example/",
        f"https://{MARKER}.example/a/b",
        f"http://{MARKER}.example/container",
        f"https://[{MARKER}]/container",
        f"https://{MARKER}\u2100.example/container",
        f"https://pc.example/container?sig={MARKER}",
    ],
    "CART_REQUIRE_IDEMPOTENCY_KEY": [MARKER, "2"],
    "CART_INFLIGHT_WAIT_SECONDS": [MARKER, "-1", "nan", "inf", "1e9"],
    "CART_DEADLINE_SECONDS": [MARKER, "0", "nan", "inf", "180.1", "181", "1000"],
    "CART_LEASE_MARGIN_SECONDS": [MARKER, "0", "nan", "-inf"],
    "CART_MAX_WAIT_SECONDS": [MARKER, "-0.1", "nan", "inf"],
    "CART_MAX_CONCURRENT_CALLS": [MARKER, "0", "-1", "1.5"],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{value[:30]!a}")
        for name, values in WRONG.items()
        for value in values
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(name: str, value: str) -> None:
    invalid = refused(REQUIRED | {name: value})

    assert name in named(invalid)
    assert set(named(invalid)) <= {name, "KEY_VAULT_URL"}
    assert name in str(invalid)
    for text in (str(invalid), repr(invalid), *invalid.problems):
        assert MARKER not in text
        assert "pc.example" not in text


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, ""], ids=["absent", "empty"])
def test_a_missing_setting_is_named(name: str, value: str | None) -> None:
    environment = {key: given for key, given in REQUIRED.items() if key != name}
    if value is not None:
        environment[name] = value

    assert named(refused(environment)) == [name]


@pytest.mark.parametrize("name", sorted(aliases() - set(REQUIRED)))
def test_an_empty_setting_counts_as_absent(name: str) -> None:
    assert settings(**{name: ""}) == settings()


def test_all_wrong_settings_are_named_at_once() -> None:
    wrong = {name: values[0] for name, values in WRONG.items()}

    assert set(named(refused(wrong))) == set(WRONG)
    assert set(named(refused({}))) == set(REQUIRED)


def test_the_cause_of_the_error_holds_no_value_either() -> None:
    invalid = refused(REQUIRED | {"PARTNER_CENTER_TENANT_ID": MARKER})

    assert invalid.__cause__ is None
    assert MARKER not in str(invalid.__context__)


@pytest.mark.parametrize(
    ("auth", "credential", "needed"),
    [
        ("app_only", "secret", True),
        ("app_only", "certificate", True),
        ("app_only", "federated", False),
        ("app_user", "secret", True),
        ("app_user", "certificate", True),
        ("app_user", "federated", True),
    ],
)
def test_a_vault_is_needed_unless_nothing_is_kept_in_it(
    auth: str, credential: str, needed: bool
) -> None:
    environment = REQUIRED | {
        "PARTNER_CENTER_AUTH": auth,
        "PARTNER_CENTER_CREDENTIAL": credential,
        "KEY_VAULT_URL": "",
    }

    if needed:
        assert named(refused(environment)) == ["KEY_VAULT_URL"]
    else:
        assert Settings.read(environment).key_vault_url is None


def test_ids_are_kept_in_lower_case() -> None:
    guid = "ABCDEF00-0000-0000-0000-00000000000A"

    assert settings(PARTNER_CENTER_TENANT_ID=guid).tenant_id == guid.lower()


@pytest.mark.parametrize("url", ["https://a.blob.example/carts", "http://127.0.0.1:10000/carts/"])
def test_the_store_is_a_container(url: str) -> None:
    assert settings().store_url == "memory"
    assert settings(CART_STORE_URL=url).store_url == url.rstrip("/")


@pytest.mark.parametrize("seconds", ["1", "179.9", "180"])
def test_a_call_may_take_three_minutes(seconds: str) -> None:
    assert settings(CART_DEADLINE_SECONDS=seconds).deadline_seconds == float(seconds)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("true", True), ("True", True), ("1", True), ("false", False), ("0", False), ("", False)],
)
def test_nothing_is_bought_unless_the_operator_says_so(value: str, allowed: bool) -> None:
    assert settings(CART_ALLOW_CHECKOUT=value).allow_checkout is allowed


@pytest.mark.parametrize("value", [MARKER, "2", "enabled", " true"])
def test_what_is_neither_true_nor_false_is_refused(value: str) -> None:
    invalid = refused(REQUIRED | {"CART_ALLOW_CHECKOUT": value})

    assert named(invalid) == ["CART_ALLOW_CHECKOUT"]
    assert MARKER not in str(invalid)


@pytest.mark.parametrize("days", ["7", "90", "3650"])
def test_a_purchase_is_remembered_for_a_cart_s_life_at_least(days: str) -> None:
    assert settings(CART_ORDER_RETENTION_DAYS=days).order_retention_days == int(days)


@pytest.mark.parametrize("days", ["6", "0", "-1", "3651", "7.5", "P90D", MARKER])
def test_another_retention_is_refused(days: str) -> None:
    invalid = refused(REQUIRED | {"CART_ORDER_RETENTION_DAYS": days})

    assert named(invalid) == ["CART_ORDER_RETENTION_DAYS"]


@pytest.mark.parametrize("rule", ["forward", "reject"])
def test_unknown_members_follow_the_rule_that_is_set(rule: str) -> None:
    assert settings(CART_UNKNOWN_MEMBERS=rule).unknown_members == rule
    assert settings(CART_UNKNOWN_MEMBERS="").unknown_members is None


@pytest.mark.parametrize(
    "variable", ["WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "CONTAINER_APP_NAME"]
)
@pytest.mark.parametrize("url", ["", "memory"])
def test_in_azure_the_store_is_shared(variable: str, url: str) -> None:
    invalid = refused(REQUIRED | {variable: "x", "CART_STORE_URL": url})

    assert named(invalid) == ["CART_STORE_URL"]
    container = "https://a.blob.example/carts"
    assert settings(**{variable: "x", "CART_STORE_URL": container}).store_url == container


def test_settings_of_others_are_ignored() -> None:
    assert settings(PATH="/bin", tenant_id=MARKER, PARTNER_CENTER_UNHEARD=MARKER) == settings()


def test_the_environment_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CART_MAX_QUANTITY", "7")

    assert settings().max_quantity is None


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        settings().locale = "de-DE"  # type: ignore[misc]


def test_the_sample_shows_every_setting_and_no_other() -> None:
    sample: dict[str, Any] = json.loads(SAMPLE.read_text())

    assert set(sample["Values"]) == (aliases() - SET_BY_AZURE) | OF_THE_PLATFORM
    assert sample["IsEncrypted"] is False


def test_the_values_of_the_sample_are_valid() -> None:
    values: dict[str, str] = json.loads(SAMPLE.read_text())["Values"]

    assert all(isinstance(value, str) for value in values.values())
    read = Settings.read(values)
    spelled_out = {name: value for name, value in values.items() if name in REQUIRED}
    assert read == Settings.read(spelled_out)
