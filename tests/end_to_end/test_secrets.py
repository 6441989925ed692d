"""What is secret stays inside, and what should stay on loopback does.

Every chain of these tests is searched for secrets and for strange connections when it ends; here is
a long story of one, and the proof that the search finds something.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from partner_center_emulator.cloud import CERTIFICATE_NAME, REFRESH_TOKEN_NAME, VAULT
from partner_center_emulator.watch.faults import Fault

from tests.end_to_end.chain import (
    FUNCTION_KEY,
    MARKER,
    Chain,
    cart,
    hasty_app,
    patched_app,
    started,
)


def test_nothing_secret_comes_out(start: Callable[..., Chain], tmp_path: Path) -> None:
    chain = start(
        hasty_app(tmp_path),
        PARTNER_CENTER_AUTH="app_user",
        PARTNER_CENTER_CREDENTIAL="certificate",
        CART_MAX_WAIT_SECONDS="0",
    )
    vault = chain.cloud.key_vault
    for fault in (
        Fault("identity", times=None, status=500),
        Fault("key_vault", times=None, status=503),
        Fault("entra", times=None, action="truncate", commit=True),
    ):
        chain.cloud.faults.inject(fault)
        assert chain.post().status_code == 503
        chain.cloud.faults.clear()
    assert chain.post(cart(quantity=3)).status_code == 201
    chain.cloud.tokens.revoke_all()
    assert chain.post().status_code == 201
    for fault in (
        Fault("partner_center", times=None, status=401, body="Bearer?"),
        Fault("partner_center", times=None, status=500, body="<html>"),
        Fault("partner_center", times=None, action="truncate"),
        Fault("partner_center", times=None, action="garble"),
        Fault("partner_center", times=None, status=201, body="{}"),
        Fault("partner_center", times=None, status=429, body=""),
    ):
        chain.cloud.faults.clear()
        chain.cloud.faults.inject(fault)
        assert chain.post().status_code in (429, 502)
    chain.post(cart(quantity="2"))
    chain.send("POST", "/api/customers/x/carts", {"x-functions-key": "wrong"}, MARKER)

    secrets = chain.secrets()
    assert {
        FUNCTION_KEY,
        chain.cloud.identity.header,
        vault.versions(VAULT, CERTIFICATE_NAME)[-1].value,
        vault.versions(VAULT, REFRESH_TOKEN_NAME)[-1].value,
    } <= secrets
    assert {
        parse_qs(arrival.body.decode())["client_assertion"][0]
        for arrival in chain.cloud.journal.requests("entra", "/token")
    } <= secrets
    assert {
        arrival.headers["authorization"].removeprefix("Bearer ") for arrival in chain.sent()
    } <= secrets
    assert len(secrets) > 20
    output = chain.output()
    assert "DEBUG:" in output  # the libraries did speak
    assert "DEBUG:msal" in output
    assert chain.leaks() == []


def test_only_expected_hosts_are_asked_for(start: Callable[..., Chain]) -> None:
    chain = start()

    assert chain.post().status_code == 201

    lines = chain.cloud.proxy.connections
    assert {line.host for line in lines} == chain.expected_hosts
    assert all(line.routed and line.port == 443 for line in lines)
    assert chain.connected()
    assert chain.strangers() == []


def test_the_search_finds_a_secret_in_the_log_and_in_an_answer(tmp_path: Path) -> None:
    app = patched_app(
        tmp_path,
        "import os, sys",
        "from cart_core.api import about",
        "from cart_core.api.messages import Response",
        "async def tell(request, call):",
        "    print(os.environ['FUNCTIONS_KEY'], file=sys.stderr)",
        "    return Response(200, {'key': os.environ['IDENTITY_HEADER']})",
        "about.get_health = tell",
    )

    with pytest.raises(AssertionError, match=r"log: plante.*local-identi"):
        _ask_for_health(app)


def test_the_guard_stops_a_connection_off_loopback(tmp_path: Path) -> None:
    app = patched_app(
        tmp_path,
        "import socket",
        "from cart_core.api import about",
        "async def stray(request, call):",
        "    socket.create_connection(('192.0.2.1', 443), timeout=1)",
        "about.get_health = stray",
    )

    with pytest.raises(AssertionError, match=r"refused \('192\.0\.2\.1', 443\)"):
        _ask_for_health(app)


def _ask_for_health(app: Path) -> None:
    with started(app) as chain:
        chain.send("GET", "/api/health")
