"""Health needs nothing; a cart needs settings, and says which ones are wrong."""

import json
import re
from collections.abc import Callable

import pytest

from cart_core import __version__
from local.function_process import ROOT
from tests.end_to_end.chain import NOTHING, Chain, cart, problem

Start = Callable[..., Chain]

REQUIRED = {
    "PARTNER_CENTER_TENANT_ID",
    "PARTNER_CENTER_CLIENT_ID",
    "AZURE_CLIENT_ID",
    "KEY_VAULT_URL",
}
WRONG = {
    "PARTNER_CENTER_TENANT_ID": "planted-tenant",
    "PARTNER_CENTER_CLIENT_ID": "planted-client",
    "PARTNER_CENTER_AUTH": "planted-auth",
    "PARTNER_CENTER_CREDENTIAL": "planted-credential",
    "PARTNER_CENTER_CLOUD": "planted-cloud",
    "PARTNER_CENTER_BASE_URL": "http://planted-base.example",
    "PARTNER_CENTER_APPLICATION_NAME": "planted\r\nname",
    "PARTNER_CENTER_LOCALE": "planted locale",
    "PARTNER_CENTER_CLIENT_SECRET_NAME": "planted/secret",
    "PARTNER_CENTER_CERTIFICATE_NAME": "planted/certificate",
    "PARTNER_CENTER_REFRESH_TOKEN_NAME": "planted/refresh",
    "AZURE_CLIENT_ID": "planted-identity",
    "KEY_VAULT_URL": "https://user:planted@vault.example",
    "CART_MAX_BODY_BYTES": "planted-bytes",
    "CART_MAX_QUANTITY": "planted-quantity",
    "CART_UNKNOWN_MEMBERS": "planted-members",
    "CART_ALLOW_CHECKOUT": "planted-permission",
    "CART_ORDER_RETENTION_DAYS": "planted-days",
}


def test_health(chain: Chain) -> None:
    answer = chain.send("GET", "/api/health", {"MS-CorrelationId": "no guid"})

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": __version__}
    assert answer.headers["Content-Type"] == "application/json"
    assert chain.calls() == NOTHING


def test_without_any_setting(start: Start) -> None:
    chain = start(
        **dict.fromkeys(REQUIRED),
        IDENTITY_ENDPOINT=None,
        IDENTITY_HEADER=None,
        HTTPS_PROXY=None,
        NO_PROXY=None,
        SSL_CERT_FILE=None,
        REQUESTS_CA_BUNDLE=None,
    )

    assert chain.healthy()
    for _ in range(2):
        told = problem(chain.post())
        assert (told["status"], told["code"]) == (503, "configuration_invalid")
        assert (told["outcome"], told["retryable"]) == ("not_sent", False)
        assert set(re.findall(r"[A-Z]+_[A-Z_]+", told["detail"])) == REQUIRED
    assert chain.healthy()


def test_every_wrong_setting_is_named_and_no_value_shown(start: Start) -> None:
    chain = start(**WRONG)

    answer = chain.post()

    told = problem(answer)
    assert (told["status"], told["code"]) == (503, "configuration_invalid")
    assert set(re.findall(r"[A-Z]+_[A-Z_]+", told["detail"])) == set(WRONG)
    assert "planted" not in answer.text
    assert "planted" not in chain.output().replace("planted-function-key", "")
    assert chain.calls() == NOTHING
    assert chain.healthy()


@pytest.mark.parametrize("path", ["/api/health", "/api/health?code=wrong", "/API/Health"])
def test_health_needs_no_key(chain: Chain, path: str) -> None:
    assert chain.send("GET", path).status_code == 200


def test_the_sample_settings_are_settings_and_all_of_them(start: Start) -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    assert set(WRONG) <= set(sample)
    names = {"PARTNER_CENTER_TENANT_ID", "PARTNER_CENTER_CLIENT_ID", "AZURE_CLIENT_ID"}
    chain = start(
        **{name: value for name, value in sample.items() if name not in names | {"KEY_VAULT_URL"}}
    )

    assert chain.post(cart()).status_code == 201
