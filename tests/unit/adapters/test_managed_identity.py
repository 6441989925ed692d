"""The managed identity through Microsoft's own SDK."""

from functools import partial
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


HTML: dict[str, str] = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("reply", "pause", "of_setting"),
    [
        pytest.param((400, {"message": "planted"}, {}), None, True, id="no such identity"),
        pytest.param((403, {"message": "planted"}, {}), None, True, id="refused"),
        pytest.param((429, {}, {"Retry-After": "60"}), 60, False, id="throttled"),
        pytest.param((429, {}, {}), 5, False, id="throttled, nobody knows how long"),
        pytest.param((429, {}, {"Retry-After": "81,120"}), 120, False, id="two pauses"),
        pytest.param((404, {}, {}), None, False, id="being updated"),
        pytest.param((410, {}, {"Retry-After": "70"}), 70, False, id="being updated, with a pause"),
        pytest.param((500, {}, {}), None, False, id="defect"),
        pytest.param((502, b"<html>planted</html>", HTML), None, False, id="HTML"),
        pytest.param((503, {}, {"Retry-After": "60"}), 60, False, id="down"),
        pytest.param((200, b'{"access_token": "planted', {}), None, False, id="cut"),
        pytest.param((200, ["planted"], {}), None, False, id="no object"),
        *(pytest.param(*case.values, None, False, id=case.id) for case in NO_ANSWER),
    ],
)
def test_every_failure_is_the_identitys_own_and_nothing_is_repeated(
    reply: Reply | Exception, pause: int | None, of_setting: bool
) -> None:
    endpoint = Endpoint(reply)
    identity = ManagedIdentity(CLIENT_ID, new_session=endpoint.session)

    failure = failure_of(lambda: identity.fetch("https://r.example"))

    assert (failure.code, failure.retry_after) == ("managed_identity_unavailable", pause)
    assert ("AZURE_CLIENT_ID" in failure.detail) == of_setting
    assert len(endpoint.requests) == 1


def test_nobody_asks_during_a_pause_whatever_it_is_for() -> None:
    endpoint, now = Endpoint((429, {}, {"Retry-After": "60"})), 1_000_000.0
    identity = ManagedIdentity(CLIENT_ID, clock=lambda: now, new_session=endpoint.session)
    for seconds, told in ((0, 60), (20, 40), (39, 1)):
        now += seconds
        for resource in ("https://storage.azure.com", "https://vault.azure.net"):
            assert failure_of(partial(identity.fetch, resource)).retry_after == told
    assert len(endpoint.requests) == 1
    endpoint.reply = TOKEN
    now += 1
    assert identity.fetch("https://storage.azure.com").value == "a token"
