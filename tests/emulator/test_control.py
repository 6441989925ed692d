"""The control endpoint does what the emulator's README promises."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, fields
from typing import Any

import httpx
import pytest
from partner_center_emulator import cloud as local
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.control import Control, GroupErrorBody, SettingsBody
from partner_center_emulator.network.connection_details import ConnectionDetails
from partner_center_emulator.partner_center import catalogue, products
from partner_center_emulator.watch.disturbances import Disturbance

from tests.emulator.caller import (
    CART,
    CARTS,
    CUSTOMER,
    Caller,
    document,
    licence,
    line,
    refusal,
)
from tests.emulator.readme import names


@pytest.fixture
async def control(cloud: LocalCloud) -> AsyncIterator[httpx.AsyncClient]:
    url = cloud.control_url
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        yield client


async def test_the_readme_has_every_route_and_no_other(cloud: LocalCloud) -> None:
    documented = {tuple(route.split()) for route in names("Routes")}
    served = {(r.method, f"/emulator{r.path}") for r in Control(cloud).routes()}
    assert documented == served
    assert len(served) == 19


def test_the_readme_has_every_name_and_no_other() -> None:
    assert names("Connection details") == [each.name for each in fields(ConnectionDetails)]
    assert sorted(names("Settings")) == sorted(SettingsBody.model_fields)
    assert names("Disturbances") == [each.name for each in fields(Disturbance)]
    assert names("Group errors") == list(GroupErrorBody.model_fields)
    assert names("The catalogue") == list(catalogue.ITEMS)
    assert names("SKUs") == list(products.SKUS)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("expire", {"cart_id": "unknown"}),
        ("expire", {}),
        ("check-out", {"cart_id": "unknown"}),
        ("disturbances", {"service": "moon"}),
        ("disturbances", {"service": "entra", "path": "("}),
        ("disturbances", {"service": "entra", "probability": 2}),
        ("disturbances", {"service": "entra", "unknown": 1}),
        ("disturbances", {"service": "partner_center", "late": 1, "status": 500}),
        ("disturbances", {"service": "partner_center", "late": 1, "commit": True}),
        ("disturbances", {"service": "entra", "request": {"/scope": "x"}}),
        ("group-errors", {"description": "no code"}),
        ("group-errors", {"code": 800060, "times": 0}),
        ("sign-in", {"agent": "third"}),
        ("disturbances", [{"service": "entra"}, {"service": "moon"}]),
        ("settings", {"put_status": 200, "unknown": 1}),
        ("settings", {"put_status": 200, "busy_code": "1"}),
        ("rotate-secret", {"in_vault": 1}),
        ("rotate-availabilities", {"sku": "CFQ7TTC0NONE:0001"}),
        ("routes", {"host": "example.com", "port": 0}),
        ("reset", "no object"),
    ],
)
async def test_what_does_not_fit_is_answered_400_and_changes_nothing(
    cloud: LocalCloud, control: httpx.AsyncClient, path: str, body: Any
) -> None:
    cloud.disturbances.inject(Disturbance("identity"))
    secret = cloud.client_secret
    answer = await control.post(path, json=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert re.search(r"\w", answer.json()["error"])
    assert [disturbance.service for disturbance in cloud.disturbances.active] == ["identity"]
    assert (cloud.partner_center.put_status, cloud.client_secret) == (201, secret)


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "settings", b"{", 400),
        ("GET", "requests?service=moon", b"", 400),
        ("POST", "nowhere", b"", 404),
        ("DELETE", "settings", b"", 405),
    ],
)
async def test_what_is_no_request_for_a_route(
    control: httpx.AsyncClient, method: str, path: str, content: bytes, status: int
) -> None:
    assert (await control.request(method, path, content=content)).status_code == status


async def test_the_journal_and_the_connections(caller: Caller, control: httpx.AsyncClient) -> None:
    cart = await caller.create(line())
    (request,) = (await control.get("requests?service=partner_center&path=/carts")).json()
    assert (request["method"], request["status"]) == ("POST", 201)
    assert request["headers"]["authorization"].startswith("Bearer ")
    assert json.loads(request["body"]) == {"lineItems": [line()]}
    services = [each["service"] for each in (await control.get("requests")).json()]
    assert services == ["entra", "partner_center"]
    assert (await control.get("requests?path=/nowhere")).json() == []
    assert (await control.get("counts")).json() == {"entra": 1, "partner_center": 1}
    assert (await control.get("connections")).json() == [
        {"host": host, "port": 443, "routed": True}
        for host in ("login.microsoftonline.com", "api.partnercenter.microsoft.com")
    ]
    (stored,) = (await control.get("carts")).json()
    assert (stored["customerId"], stored["cart"]) == (CUSTOMER, cart)
    assert len(stored["requestIds"]) == 1

    caller.cloud.disturbances.inject(Disturbance("identity"))
    assert (await control.post("reset")).json() is None
    for path in ("requests", "connections", "carts", "orders", "disturbances"):
        assert (await control.get(path)).json() == []


async def test_carts_are_expired_and_ordered_without_the_api(
    caller: Caller, control: httpx.AsyncClient
) -> None:
    bought = await caller.create(licence(orderGroup="mine"))
    expired = await caller.create(line())
    faulty = await caller.create(line(catalogItemId="NOPE"))
    assert (await control.post("expire", json={"cart_id": expired["id"]})).json() is None
    assert (await caller.check_out(expired["id"])).status_code == 404
    assert (await control.post("check-out", json={"cart_id": bought["id"]})).json() is None
    assert (await control.post("check-out", json={"cart_id": faulty["id"]})).status_code == 400
    assert (await caller.get(bought["id"]))["status"] == "Ordered"
    answer = await caller.check_out(bought["id"])
    assert (await control.get("orders")).json() == [
        {
            "customerId": CUSTOMER,
            "cartId": bought["id"],
            "orderGroup": "mine",
            "customerUser": None,
            "requestIds": [answer.headers["MS-RequestId"]],
            "order": json.loads(answer.content)["orders"][0],
        }
    ]


async def test_disturbances_are_injected_and_removed(
    cloud: LocalCloud, control: httpx.AsyncClient
) -> None:
    disturbance = {"service": "partner_center", "status": 500, "delay": 1, "times": None}
    assert (await control.post("disturbances", json=disturbance)).json() is None
    await control.post("disturbances", json=[{"service": "entra"}, {"service": "identity"}])
    first, *others = (await control.get("disturbances")).json()
    assert first == asdict(Disturbance("partner_center", status=500, delay=1, times=None))
    assert [each["service"] for each in others] == ["entra", "identity"]
    assert (await control.delete("disturbances")).json() is None
    assert cloud.disturbances.active == []


async def test_settings_are_changed(cloud: LocalCloud, control: httpx.AsyncClient) -> None:
    partner_center = {
        **{"deduplicate": False, "put_status": 200, "repeat_checkout": False},
        **{"change_seconds": 0.5, "busy_code": "800060", "pending_seconds": 1.5},
        **{"unlisted_seconds": 2.5, "orders_per_page": 2, "refused_users": ["x"]},
    }
    entra = {"token_lifetime": 5, "mfa": False}
    answer = await control.post("settings", json={**partner_center, **entra, "seed": 3})
    assert answer.json() is None
    assert {name: getattr(cloud.partner_center, name) for name in partner_center} == partner_center
    assert {name: getattr(cloud.entra, name) for name in entra} == entra
    chance = cloud.disturbances.random.random()
    await control.post("settings", json={"seed": 3, "mfa": None})
    assert cloud.disturbances.random.random() == chance
    assert cloud.entra.mfa is False


async def test_credentials_are_rotated_and_revoked(
    cloud: LocalCloud, caller: Caller, control: httpx.AsyncClient
) -> None:
    for body, versions in (({"in_vault": False}, 1), ({}, 2)):
        old = cloud.client_secret
        assert (await control.post("rotate-secret", json=body)).json() is None
        stored = cloud.key_vault.versions(local.VAULT, local.CLIENT_SECRET_NAME)
        assert len(stored) == versions
        details = (await control.get("connection-details")).json()
        assert details["client_secret"] == cloud.client_secret != old
        assert cloud.entra.client_secrets == {cloud.client_secret}
    token = (await caller.bearer())["Authorization"].partition(" ")[2]
    assert cloud.tokens.claims(token)
    assert (await control.post("revoke-tokens")).json() is None
    assert cloud.tokens.claims(token) is None


async def test_an_agent_signs_in(
    cloud: LocalCloud, caller: Caller, control: httpx.AsyncClient
) -> None:
    async def user(token: str) -> Any:
        bearer = await caller.bearer(grant_type="refresh_token", refresh_token=token)
        return await caller.client.post(CARTS, headers=bearer, json=CART)

    vault = cloud.key_vault.versions(local.VAULT, local.REFRESH_TOKEN_NAME)
    await control.post("settings", json={"mfa": False})
    assert (await control.post("sign-in", json={"agent": "second"})).json() is None
    await control.post("settings", json={"mfa": True})
    await control.post("sign-in", json={})
    await control.post("sign-in", json={"in_vault": False})
    first, second, third = (version.value for version in vault)
    assert len(cloud.entra.refresh_tokens) == 4
    for token in (first, third):
        assert document(await user(token))["lastModifiedUser"] == cloud.entra.user_id
    assert refusal(await user(second)) == (401, "900421")
    await control.post("sign-in", json={"agent": "second"})
    assert (await user(vault[-1].value)).status_code == 201
    refused = [cloud.entra.agents["second"]]
    await control.post("settings", json={"refused_users": refused})
    assert refusal(await user(vault[-1].value)) == (403, "900308")
    assert (await user(first)).status_code == 201


async def test_a_group_error_is_injected(caller: Caller, control: httpx.AsyncClient) -> None:
    cart = await caller.create(line())
    error = {"code": 800003, "description": "Try again later."}
    assert (await control.post("group-errors", json=error)).json() is None
    (told,) = document(await caller.check_out(cart["id"]))["orderErrors"]
    assert (told["orderGroupId"], told["code"]) == ("0", 800003)
    assert told["description"] == "Try again later."
    assert "orderErrors" not in document(await caller.check_out(cart["id"]))


async def test_a_route_leads_another_host_through_the_proxy(
    cloud: LocalCloud, client: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    port = int(cloud.control_url.split(":")[2].partition("/")[0])
    route = {"host": "*.example.com", "port": port}
    assert (await control.post("routes", json=route)).json() is None
    with pytest.raises(httpx.ConnectError):  # that port speaks no TLS
        await client.get("https://a.example.com/")
    (connection,) = (await control.get("connections")).json()
    assert connection == {"host": "a.example.com", "port": 443, "routed": True}
