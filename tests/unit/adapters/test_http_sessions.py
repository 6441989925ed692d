"""The session sends once and for a limited time, through the proxy that the environment names."""

import socket
import threading
from contextlib import suppress
from typing import Self

import pytest
import requests
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


class DrippingServer:
    """Sends `start`, and then a byte at a time for as long as anybody reads."""

    def __init__(self, start: bytes, drip: bytes) -> None:
        self._start, self._drip = start, drip
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(self._start)
            while not self.ended.wait(0.01):
                connection.sendall(self._drip)
        self.ended.set()


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"", b""),
        (b"HTTP/1.1 ", b"2"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"[:1]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n{", b"}"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "status", "headers", "body", "chunks", "body without an end", "continue"],
)
def test_an_answer_that_drips_in_is_cut_off(start: bytes, drip: bytes) -> None:
    with DrippingServer(start, drip) as server, open_session(total_timeout=0.2) as session:
        with pytest.raises(requests.ReadTimeout):
            session.get(server.url, timeout=(60, 60))
        assert drip == b"" or server.ended.wait(60)  # Its end of the connection is gone too.


def test_an_answer_that_drips_in_through_a_proxy_is_cut_off() -> None:
    with DrippingServer(b"HTTP/1.1 ", b"2") as proxy, open_session(total_timeout=0.2) as session:
        with pytest.raises(requests.ReadTimeout):
            session.get("http://pc.example/", timeout=(60, 60), proxies={"http": proxy.url})
        assert proxy.ended.wait(60)


def test_the_next_request_of_a_session_has_its_whole_time() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with open_session(total_timeout=60) as session:
        for _ in range(2):
            with DrippingServer(body, b"") as server:
                assert session.get(server.url, timeout=(60, 60)).json() == {}
                server.ended.set()
