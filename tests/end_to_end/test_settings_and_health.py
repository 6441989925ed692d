"""Health needs nothing; a cart needs settings, and the answer says which ones are wrong."""

import re
from collections.abc import Callable

import pytest

from cart_core import __version__
from tests.end_to_end.chain import NO_CALLS, Chain, cart, line, problem


@pytest.mark.parametrize("path", ["/api/health", "/api/health?code=wrong", "/API/Health"])
def test_health_needs_no_key(chain: Chain, path: str) -> None:
    answer = chain.send("GET", path, {"MS-CorrelationId": "no guid"})

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": __version__}
    assert answer.headers["Content-Type"] == "application/json"
    assert chain.calls() == NO_CALLS


def test_every_missing_or_wrong_setting_is_named_and_no_value_shown(
    start: Callable[..., Chain],
) -> None:
    no_way_out = dict.fromkeys(["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "HTTPS_PROXY", "NO_PROXY"])
    wrong = {
        "KEY_VAULT_URL": "https://user:planted@vault.example",
        "CART_MAX_BODY_BYTES": "planted",
    }
    chain = start(PARTNER_CENTER_TENANT_ID=None, **wrong, **no_way_out)

    assert chain.healthy()
    for _ in range(2):
        answer = chain.post()
        error = problem(answer, 503, "configuration_invalid", "not_sent", False)
        assert set(re.findall(r"[A-Z]+_[A-Z_]+", error["detail"])) == {
            "PARTNER_CENTER_TENANT_ID",
            *wrong,
        }
        assert "planted" not in answer.text
    assert "planted" not in chain.output().replace("planted-function-key", "")
    assert chain.calls() == NO_CALLS
    assert chain.healthy()


def test_settings_shape_the_requests(start: Callable[..., Chain]) -> None:
    chain = start(
        PARTNER_CENTER_APPLICATION_NAME="A shop, v2",
        PARTNER_CENTER_LOCALE="ja-JP",
        CART_MAX_BODY_BYTES="4194304",
    )
    body = cart(*[line(friendlyName="x" * 1000) for _ in range(400)])

    huge = chain.post(body)

    assert huge.status_code == 201
    assert [item["id"] for item in huge.json()["lineItems"]] == list(range(400))
    [arrival] = chain.sent()
    assert arrival.headers["ms-partnercenter-application"] == "A shop, v2"
    assert arrival.headers["x-locale"] == "ja-JP"
