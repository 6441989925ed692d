"""Microsoft's services in place of requests' sockets, below the real SDKs."""

import io
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ProxyError, SSLError

from cart_core.tokens import TokenFailure

Reply = tuple[int, Any, dict[str, str]]
"""Status, body (bytes, or what becomes JSON) and headers of an answer."""

NO_ANSWER = [
    pytest.param(requests.ConnectionError("planted"), id="refused"),
    pytest.param(requests.ConnectTimeout("planted"), id="no connection"),
    pytest.param(requests.ReadTimeout("planted"), id="silent"),
    pytest.param(ChunkedEncodingError("planted"), id="cut off"),
    pytest.param(ProxyError("planted"), id="proxy"),
    pytest.param(SSLError("planted"), id="TLS"),
]
"""What requests raises where there is no complete answer."""


class Service(BaseAdapter):
    """Answers every request with what `answer` returns or raises."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: set[object] = set()

    def answer(self, request: requests.PreparedRequest) -> Reply | Exception:
        raise NotImplementedError

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", self)
        session.mount("http://", self)
        return session

    def send(
        self, request: requests.PreparedRequest, *args: object, **options: Any
    ) -> requests.Response:
        assert options["verify"]
        self.timeouts.add(options["timeout"])
        reply = self.answer(request)
        if isinstance(reply, Exception):
            raise reply
        status, body, headers = reply
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        raw = urllib3.HTTPResponse(
            io.BytesIO(content),
            {"Content-Type": "application/json", **headers},
            status,
            reason="Reason",
            preload_content=False,
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


def failure_of(call: Callable[[], object]) -> TokenFailure:
    """The TokenFailure of a call, which must not show anything that was planted in an answer."""
    with pytest.raises(TokenFailure) as caught:
        call()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    return caught.value
