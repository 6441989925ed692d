"""The environment of the app in a local cloud."""

import pytest
from partner_center_emulator.cloud import LocalCloud

from local.environment import app_environment


async def test_nothing_of_this_process_leaks_into_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SSL_CERT_DIR", "CURL_CA_BUNDLE", "https_proxy", "no_proxy", "AZURE_SECRET"):
        monkeypatch.setenv(name, "elsewhere")
    async with LocalCloud() as cloud:
        environment = app_environment(cloud, PARTNER_CENTER_CLOUD="china", KEY_VAULT_URL=None)
    assert "elsewhere" not in environment.values()
    assert environment["PARTNER_CENTER_CLOUD"] == "china"
    assert not {"KEY_VAULT_URL", "CART_STORE_URL"} & environment.keys()
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"
    assert environment["SSL_CERT_FILE"] == environment["REQUESTS_CA_BUNDLE"]
