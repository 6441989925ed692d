"""The managed identity through Microsoft's own SDK."""

from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from cart_core.adapters.http_sessions import CONNECT_TIMEOUT, READ_TIMEOUT
from cart_core.adapters.managed_identity import ManagedIdentity
from tests.unit.adapters.services import NO_ANSWER, Reply, Service, failure_of

CLIENT_ID = "33333333-3333-4333-8333-333333333333"
TOKEN: Reply = 200, {"access_token": "a token", "expires_on": "4000000000", "resource": "r"}, {}


class Endpoint(Service):
    """The platform's endpoint for tokens of managed identities."""

    def __init__(self, reply: Reply | Exception = TOKEN) -> None:
        super().__init__()
        self.reply = reply
        self.requests: list[requests.PreparedRequest] = []

    def answer(self, request: requests.PreparedRequest) -> Reply | Exception:
        self.requests.append(request)
        return self.reply


@pytest.fixture(autouse=True)
def _platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41000/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "planted-identity-header")


def test_a_token_for_a_resource() -> None:
    endpoint = Endpoint()

    token = ManagedIdentity(CLIENT_ID, new_session=endpoint.session).fetch("https://r.example")

    assert (token.value, token.expires_at) == ("a token", 4_000_000_000)
    (request,) = endpoint.requests
    query = dict(parse_qsl(urlsplit(str(request.url)).query))
    assert (query["client_id"], query["resource"]) == (CLIENT_ID, "https://r.example")
    assert request.headers["X-IDENTITY-HEADER"] == "planted-identity-header"
    assert endpoint.timeouts == {(CONNECT_TIMEOUT, READ_TIMEOUT)}


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param((400, {"statusCode": 400, "message": "planted"}, {}), id="no such identity"),
        pytest.param((429, {}, {"Retry-After": "3600"}), id="throttled"),
        pytest.param((502, b"<html>planted</html>", {"Content-Type": "text/html"}), id="HTML"),
        pytest.param((200, b'{"access_token": "planted', {}), id="cut"),
        pytest.param((200, ["planted"], {}), id="no object"),
        *NO_ANSWER,
    ],
)
def test_every_failure_is_the_identitys_own_and_nothing_is_repeated(
    reply: Reply | Exception,
) -> None:
    endpoint = Endpoint(reply)
    identity = ManagedIdentity(CLIENT_ID, new_session=endpoint.session)

    failure = failure_of(lambda: identity.fetch("https://r.example"))

    assert failure.code == "managed_identity_unavailable"
    assert "AZURE_CLIENT_ID" in failure.detail
    assert len(endpoint.requests) == 1
