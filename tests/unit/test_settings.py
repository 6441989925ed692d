"""Every setting: what is read, what is refused, and that no value is shown."""

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


GUID = "ABCDEF00-0000-0000-0000-00000000000A"


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("PARTNER_CENTER_TENANT_ID", GUID, "tenant_id", GUID.lower()),
        ("PARTNER_CENTER_CLIENT_ID", GUID, "client_id", GUID.lower()),
        ("AZURE_CLIENT_ID", GUID, "managed_identity_client_id", GUID.lower()),
        ("KEY_VAULT_URL", "https://kv.example/", "key_vault_url", "https://kv.example"),
        ("KEY_VAULT_REFRESH_TOKEN_URL", "", "refresh_token_vault_override", None),
        ("KEY_VAULT_REFRESH_TOKEN_URL", "https://b/", "refresh_token_vault_override", "https://b"),
        ("PARTNER_CENTER_AUTH", "app_user", "auth", "app_user"),
        ("PARTNER_CENTER_CREDENTIAL", "certificate", "credential", "certificate"),
        ("PARTNER_CENTER_BASE_URL", "https://pc.example:1/", "base_url", "https://pc.example:1"),
        ("PARTNER_CENTER_BASE_URL", "http://127.0.0.1:8080", "base_url", "http://127.0.0.1:8080"),
        ("PARTNER_CENTER_BASE_URL", "http://localhost:80/", "base_url", "http://localhost:80"),
        ("PARTNER_CENTER_BASE_URL", "http://[::1]:8080", "base_url", "http://[::1]:8080"),
        ("PARTNER_CENTER_APPLICATION_NAME", "my shop", "application_name", "my shop"),
        ("PARTNER_CENTER_LOCALE", "zh-CN", "locale", "zh-CN"),
        ("PARTNER_CENTER_CLIENT_SECRET_NAME", "a" * 127, "client_secret_name", "a" * 127),
        ("PARTNER_CENTER_CERTIFICATE_NAME", "certificate-1", "certificate_name", "certificate-1"),
        ("PARTNER_CENTER_REFRESH_TOKEN_NAME", "refresh-1", "refresh_token_name", "refresh-1"),
        ("CART_MAX_BODY_BYTES", "65536", "max_body_bytes", 65_536),
        ("CART_MAX_QUANTITY", "300", "max_quantity", 300),
        ("CART_UNKNOWN_MEMBERS", "forward", "unknown_members", "forward"),
        ("CART_UNKNOWN_MEMBERS", "reject", "unknown_members", "reject"),
        ("CART_ALLOW_CHECKOUT", "true", "allow_checkout", True),
        ("CART_ALLOW_CHECKOUT", "1", "allow_checkout", True),
        ("CART_ALLOW_CHECKOUT", "0", "allow_checkout", False),
        ("CART_STORE_URL", "https://a.example/carts", "store_url", "https://a.example/carts"),
        ("CART_STORE_URL", "http://127.0.0.1:1/c/", "store_url", "http://127.0.0.1:1/c"),
        ("CART_REQUIRE_IDEMPOTENCY_KEY", "true", "require_idempotency_key", True),
        ("CART_INFLIGHT_WAIT_SECONDS", "0", "inflight_wait_seconds", 0),
        ("CART_DEADLINE_SECONDS", "1", "deadline_seconds", 1),
        ("CART_DEADLINE_SECONDS", "180", "deadline_seconds", 180),
        ("CART_LEASE_MARGIN_SECONDS", "60", "lease_margin_seconds", 60),
        ("CART_LONGEST_REQUEST_SECONDS", "10", "longest_request_seconds", 10),
        ("CART_MAX_WAIT_SECONDS", "0.5", "max_wait_seconds", 0.5),
        ("CART_ORDER_RETENTION_DAYS", "7", "order_retention_days", 7),
        ("CART_ORDER_RETENTION_DAYS", "3650", "order_retention_days", 3650),
        ("CART_DUPLICATE_ORDERS", "refuse", "duplicate_orders", "refuse"),
        ("CART_DUPLICATE_ORDERS", "ignore", "duplicate_orders", "ignore"),
        ("CART_DUPLICATE_WINDOW_MINUTES", "1440", "duplicate_window_minutes", 1440),
        ("CART_MAX_CONCURRENT_CALLS", "1000", "max_concurrent_calls", 1000),
        ("CART_CALLERS", "entra", "callers", "entra"),
        ("CART_MAX_PURCHASES_PER_CALLER", "1000", "max_purchases_per_caller", 1000),
        ("CART_MAX_PURCHASES_PER_CUSTOMER", "1", "max_purchases_per_customer", 1),
        ("CART_MAX_ORDER_QUANTITY", "300", "max_order_quantity", 300),
    ],
)
def test_a_setting_of_the_environment_is_read(
    name: str, text: str, field: str, value: object
) -> None:
    assert getattr(settings(**{name: text}), field) == value


CHINA = "microsoftonline.cn"


@pytest.mark.parametrize(
    ("cloud", "base_url", "login", "suffix"),
    [
        ("global", "api.partnercenter.microsoft.com", "microsoftonline.com", ""),
        ("usgov", "api.partnercenter.microsoft.com", "microsoftonline.us", "USGov"),
        ("china", f"partner.partnercenterapi.{CHINA}", f"partner.{CHINA}", "China"),
    ],
)
@pytest.mark.parametrize("override", ["", "https://pc.example/"])
def test_a_cloud_has_its_hosts(
    cloud: str, base_url: str, login: str, suffix: str, override: str
) -> None:
    read = settings(PARTNER_CENTER_CLOUD=cloud, PARTNER_CENTER_BASE_URL=override)

    assert read.base_url == ("https://pc.example" if override else f"https://{base_url}")
    assert read.authority == f"https://login.{login}"
    assert read.token_scope == f"https://{base_url}/.default"
    assert read.federation_audience == f"api://AzureADTokenExchange{suffix}"


WRONG_URLS = [
    *("pc.example", f"http://{MARKER}.example", "http://10.0.0.1", "http://localhost.example"),
    *("http://127.0.0.1.example", "ftp://127.0.0.1", "file:///etc/passwd", "https://"),
    *("https:///path", "//pc.example", f"https://{MARKER}@pc.example"),
    *(f"https://user:{MARKER}@pc.example", f"https://pc.example?{MARKER}"),
    *(f"https://pc.example#{MARKER}", f"https://[{MARKER}]", f"https://[{MARKER}"),
    *(f"https://pc.example:{MARKER}", "https://pc.example:99999", "https://pc.example:0"),
    *(f"https://{MARKER}\u2100.example", f"https://{MARKER} .example"),
    *("https://pc.example\r\nX: y", "https://pc.example\n"),
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
    "CART_MAX_BODY_BYTES": [MARKER, "1023", "4194305", "256K", "1.5", "nan", "9" * 5_000],
    "CART_MAX_QUANTITY": [MARKER, "0", "-5", "1.5", "many"],
    "CART_UNKNOWN_MEMBERS": [MARKER, "ignore", "Reject"],
    "CART_STORE_URL": [
        *(MARKER, "Memory", f"https://{MARKER}.example", f"https://{MARKER}.example/"),
        *(f"https://{MARKER}.example/a/b", f"http://{MARKER}.example/container"),
        f"https://pc.example/container?sig={MARKER}",
    ],
    "CART_REQUIRE_IDEMPOTENCY_KEY": [MARKER, "2"],
    "CART_INFLIGHT_WAIT_SECONDS": [MARKER, "-1", "nan", "inf", "1e9"],
    "CART_DEADLINE_SECONDS": [MARKER, "0", "nan", "inf", "180.1", "181", "1000"],
    "CART_LEASE_MARGIN_SECONDS": [MARKER, "0", "60.1", "nan", "-inf"],
    "CART_LONGEST_REQUEST_SECONDS": [MARKER, "9.9", "3601", "nan"],
    "CART_MAX_WAIT_SECONDS": [MARKER, "-0.1", "nan", "inf"],
    "CART_DUPLICATE_ORDERS": [MARKER, "Warn", "true"],
    "CART_DUPLICATE_WINDOW_MINUTES": [MARKER, "0", "-1", "1441", "1.5"],
    "CART_MAX_CONCURRENT_CALLS": [MARKER, "0", "-1", "1.5", "1001"],
    "CART_ALLOW_CHECKOUT": [MARKER, "2", "enabled", " true"],
    "CART_ORDER_RETENTION_DAYS": [MARKER, "6", "0", "-1", "3651", "7.5", "P90D"],
    "CART_CALLERS": [MARKER, "Entra", "key"],
    "CART_MAX_PURCHASES_PER_CALLER": [MARKER, "0", "1001", "1.5"],
    "CART_MAX_PURCHASES_PER_CUSTOMER": [MARKER, "0", "1001"],
    "CART_MAX_ORDER_QUANTITY": [MARKER, "0", "1.5"],
    "CART_STOREFRONT_BODIES_URL": [MARKER, "memory", f"https://{MARKER}.example/a/b"],
    "KEY_VAULT_REFRESH_TOKEN_URL": [MARKER, "http://10.0.0.1"],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=lambda text: ascii(text)[:40],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(name: str, value: str) -> None:
    invalid = refused(REQUIRED | {name: value})

    assert name in named(invalid)
    assert set(named(invalid)) <= {name, "KEY_VAULT_URL"}
    assert name in str(invalid)
    assert invalid.__cause__ is None
    for text in (str(invalid), repr(invalid), *invalid.problems, str(invalid.__context__)):
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


@pytest.mark.parametrize(
    ("auth", "credential", "refresh_token_url", "needed"),
    [
        ("app_only", "secret", "", True),
        ("app_only", "federated", "", False),
        ("app_user", "certificate", "https://b.example", True),
        ("app_user", "federated", "", True),
        ("app_user", "federated", "https://b.example", False),
    ],
)
def test_a_vault_is_needed_unless_no_secret_is_in_it(
    auth: str, credential: str, refresh_token_url: str, needed: bool
) -> None:
    environment = REQUIRED | {
        "PARTNER_CENTER_AUTH": auth,
        "PARTNER_CENTER_CREDENTIAL": credential,
        "KEY_VAULT_REFRESH_TOKEN_URL": refresh_token_url,
        "KEY_VAULT_URL": "",
    }

    if needed:
        assert named(refused(environment)) == ["KEY_VAULT_URL"]
    else:
        assert Settings.read(environment).key_vault_url is None


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


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        settings().locale = "de-DE"  # type: ignore[misc]


def test_the_sample_shows_every_setting_and_no_other() -> None:
    sample: dict[str, Any] = json.loads(SAMPLE.read_text())

    assert set(sample["Values"]) == aliases() | OF_THE_PLATFORM
    assert sample["IsEncrypted"] is False


def test_the_values_of_the_sample_are_valid() -> None:
    values: dict[str, str] = json.loads(SAMPLE.read_text())["Values"]

    assert all(isinstance(value, str) for value in values.values())
    read = Settings.read(values)
    spelled_out = {name: value for name, value in values.items() if name in REQUIRED}
    assert read == Settings.read(spelled_out)
