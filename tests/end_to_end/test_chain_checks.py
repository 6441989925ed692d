"""What every chain is checked for when it ends: secrets, connections, unhandled exceptions.

Here is a long story of one chain in which nothing secret comes out, and the proof that each check
finds what it looks for.
"""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from partner_center_emulator.cloud import CERTIFICATE_NAME, REFRESH_TOKEN_NAME, VAULT
from partner_center_emulator.watch.disturbances import Disturbance

from tests.end_to_end.chain import (
    FUNCTION_KEY,
    MARKER,
    Chain,
    app_with_health,
    app_with_tries,
    cart,
    started,
)


def test_nothing_secret_comes_out(start: Callable[..., Chain], tmp_path: Path) -> None:
    chain = start(
        app_with_tries(tmp_path),
        PARTNER_CENTER_AUTH="app_user",
        PARTNER_CENTER_CREDENTIAL="certificate",
        CART_MAX_WAIT_SECONDS="0",
    )
    vault = chain.cloud.key_vault
    for disturbance in (
        Disturbance("identity", times=None, status=500),
        Disturbance("key_vault", times=None, status=503),
        Disturbance("entra", times=None, action="truncate", commit=True),
    ):
        chain.cloud.disturbances.inject(disturbance)
        assert chain.post().status_code == 503
        chain.cloud.disturbances.clear()
    assert chain.post(cart(quantity=3)).status_code == 201
    connections = chain.cloud.proxy.connections
    assert {connection.host for connection in connections} == chain.expected_hosts
    assert all(connection.routed and connection.port == 443 for connection in connections)
    chain.cloud.tokens.revoke_all()
    assert chain.post().status_code == 201
    for disturbance in (
        Disturbance("partner_center", times=None, status=401, body="Bearer?"),
        Disturbance("partner_center", times=None, status=500, body="<html>"),
        Disturbance("partner_center", times=None, action="truncate"),
        Disturbance("partner_center", times=None, action="garble"),
        Disturbance("partner_center", times=None, status=201, body="{}"),
        Disturbance("partner_center", times=None, status=429, body=""),
    ):
        chain.cloud.disturbances.clear()
        chain.cloud.disturbances.inject(disturbance)
        assert chain.post().status_code in (403, 429, 502)
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
    assert "DEBUG:" in output  # Every line would be seen, and no library has repeated an answer.
    assert re.findall(r"^[A-Z]+:(?:azure|msal|urllib3|httpx|aiohttp)\b", output, re.MULTILINE) == []
    assert chain.connected()


def test_each_check_finds_what_it_looks_for(tmp_path: Path) -> None:
    app = app_with_health(
        tmp_path,
        "print(os.environ['FUNCTIONS_KEY'], file=sys.stderr)",
        "body = {'key': os.environ['IDENTITY_HEADER']}",
        "with contextlib.suppress(OSError): socket.create_connection(('192.0.2.1', 443), 1)",
        "async def fail(): raise RuntimeError",
        "asyncio.create_task(fail())",
        "asyncio.get_running_loop().call_soon(max)",
        "fail()",
        "await asyncio.sleep(0.01)",
        "if 'x-fail' in request.headers: raise RuntimeError",
    )

    def answer_and_fail() -> None:
        with started(app) as chain:
            for headers in ({}, {"x-fail": "now"}):
                chain.send("GET", "/api/health", headers)

    with pytest.raises(AssertionError) as failure:
        answer_and_fail()

    for message in (
        *("log: plante", "answer 200: local-identi", "refused ('192.0.2.1', 443)"),
        *("Task exception was never retrieved", "Exception in callback max"),
        *("fail' was never awaited", "unexpected RuntimeError"),
    ):
        assert message in str(failure.value)
