"""The session never sends twice, and the proxy is the one that the environment names."""

import pytest
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from cart_core.adapters.http_sessions import open_session, proxy_for


@pytest.mark.parametrize("url", ["https://vault.azure.net/", "http://127.0.0.1/"])
def test_nothing_that_was_sent_is_sent_again(url: str) -> None:
    with open_session() as session:
        adapter = session.get_adapter(url)
    assert isinstance(adapter, HTTPAdapter)
    retries, pool = adapter.max_retries, urllib3.HTTPConnectionPool("127.0.0.1")
    assert not retries.is_retry("GET", 503, has_retry_after=True)
    for sent in (
        ReadTimeoutError(pool, url, "silent"),
        ProtocolError("cut"),
        SSLError("cut without a TLS farewell"),
    ):
        with pytest.raises((type(sent), MaxRetryError)):
            retries.increment("GET", url, error=sent, _pool=pool)
    refused = NewConnectionError(urllib3.connection.HTTPConnection("127.0.0.1"), "refused")
    once_more = retries.increment("GET", url, error=refused, _pool=pool)
    with pytest.raises(MaxRetryError):
        once_more.increment("GET", url, error=refused, _pool=pool)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"HTTPS_PROXY": "proxy:1"}, "http://proxy:1"),
        ({"HTTP_PROXY": "http://proxy:1"}, None),
        ({"ALL_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "example,pc.example"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "other.example"}, "http://proxy:1"),
    ],
)
def test_the_environment_sets_the_proxy(
    variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert proxy_for("https://pc.example:8443/path") == proxy
