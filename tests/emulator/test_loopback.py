"""The real function in the local cloud, under a guard that lets no socket off loopback."""

from pathlib import Path

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud

from local import loopback_guard
from local.__main__ import CUSTOMER, SAMPLE_CART
from local.function_process import FunctionProcess


@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        (
            {"PARTNER_CENTER_CREDENTIAL": "secret"},
            {
                "carts-demo.vault.azure.net",
                "login.microsoftonline.com",
                "api.partnercenter.microsoft.com",
            },
        ),
        (
            {"PARTNER_CENTER_CREDENTIAL": "certificate", "PARTNER_CENTER_CLOUD": "usgov"},
            {
                "carts-demo.vault.azure.net",
                "login.microsoftonline.us",
                "api.partnercenter.microsoft.com",
            },
        ),
        (
            {"PARTNER_CENTER_CREDENTIAL": "federated", "PARTNER_CENTER_CLOUD": "china"},
            {
                "login.partner.microsoftonline.cn",
                "partner.partnercenterapi.microsoftonline.cn",
            },
        ),
        (
            {"PARTNER_CENTER_CREDENTIAL": "federated", "PARTNER_CENTER_AUTH": "app_user"},
            {
                "carts-demo.vault.azure.net",
                "login.microsoftonline.com",
                "api.partnercenter.microsoft.com",
            },
        ),
    ],
)
def test_no_socket_leaves_loopback(
    tmp_path: Path, settings: dict[str, str], hosts: set[str]
) -> None:
    log = tmp_path / "addresses.log"
    with LocalCloud.in_thread() as cloud:
        environment = cloud.environment(**settings, **{loopback_guard.VARIABLE: str(log)})
        with FunctionProcess(environment) as function:
            answer = httpx.post(
                f"{function.url}/api/customers/{CUSTOMER}/carts",
                headers={"x-functions-key": function.key, "Content-Type": "application/json"},
                content=SAMPLE_CART,
                trust_env=False,
                timeout=30,
            )
            assert answer.status_code == 201, function.output()
        assert {connection.host for connection in cloud.proxy.connections} == hosts
        assert all(connection.routed for connection in cloud.proxy.connections)
    addresses = log.read_text().splitlines()
    assert addresses
    assert [line for line in addresses if not line.startswith("allowed ")] == []
