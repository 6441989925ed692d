"""The emulated Partner Center against what is known of the real one."""

import json
import re
import uuid
from typing import Any

import httpx
import pytest
from partner_center_emulator import cloud as local
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.partner_center.api import (
    NO_AGREEMENT,
    NO_RELATIONSHIP,
    UNKNOWN_CUSTOMER,
)

from local.__main__ import SAMPLE_CART
from tests.emulator.cart_calls import content_of, get, licence, post, put, refusal
from tests.emulator.requests_to_cloud import CARTS, CUSTOMER, PARTNER_CENTER, bearer, line


async def test_the_documented_example(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    ids = {"MS-RequestId": str(uuid.uuid4()), "MS-CorrelationId": str(uuid.uuid4())}
    headers = await bearer(cloud, client) | ids | {"X-Locale": "en-US"}
    answer = await client.post(CARTS, headers=headers, content=SAMPLE_CART)
    cart = content_of(answer)
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["X-Locale"] == "en-US,en-US"
    assert {name: answer.headers[name] for name in ids} == ids
    assert answer.headers["MS-CV"].endswith(".0")
    assert answer.headers["MS-ServerId"] == "000001"
    for name in ("creationTimestamp", "lastModifiedTimestamp", "expirationTimestamp"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", cart.pop(name))
    cart_id = cart.pop("id")
    assert cart == {
        "lastModifiedUser": local.CLIENT_ID,
        "status": "Active",
        "lineItems": [
            {
                "id": 0,
                "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
                "friendlyName": "A_sample_Azure_RI",
                "quantity": 2,
                "currencyCode": "USD",
                "billingCycle": "one_time",
                "provisioningContext": {
                    "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                    "scope": "shared",
                    "duration": "1Year",
                },
                "orderGroup": "0",
            }
        ],
        "links": {
            "self": {
                "uri": f"/customers/{CUSTOMER}/carts/{cart_id}",
                "method": "GET",
                "headers": [],
            }
        },
        "attributes": {"objectType": "Cart"},
    }

    again = await client.get(f"{CARTS}/{cart_id.upper()}", headers=headers)
    assert again.status_code == 200
    assert content_of(again)["id"] == cart_id
    elsewhere = CARTS.replace(CUSTOMER, str(uuid.uuid4()))
    missing = await client.get(f"{elsewhere}/{cart_id}", headers=headers)
    assert (missing.status_code, content_of(missing)["code"]) == (404, "800008")


async def test_names_in_any_case_ids_where_missing_and_unknown_members_as_they_came(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cart = await post(
        cloud,
        client,
        line(ID="1", BILLINGCYCLE="OneTime", friendlyName=None, NewMember={"Its": 1}),
        line(
            addonItems=[line(ProvisioningContext={"ParentSubscriptionId": "x"})], currencyCode="EUR"
        ),
        PartnerOnRecordAttestationAccepted=True,
        id="mine",
        status="Ordered",
    )
    first, second = cart["lineItems"]
    (addon,) = second["addonItems"]
    assert [first["id"], second["id"], addon["id"]] == [1, 0, 2]
    assert first["NewMember"] == {"Its": 1}
    assert "friendlyName" not in first
    assert second["currencyCode"] == "EUR"
    assert addon["provisioningContext"] == {"parentSubscriptionId": "x"}
    assert cart["partnerOnRecordAttestationAccepted"] is True
    assert cart["status"] == "Active"
    assert cart["id"] != "mine"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (line(catalogItemId="NOPE"), 10001),
        (line(currencyCode="XXX"), 10000),
        (licence(termDuration=None), 400039),
        (licence(termDuration="P3Y"), 400039),
        (
            line(catalogItemId=catalogue.AZURE_PLAN, billingCycle="monthly", termDuration="P1Y"),
            400039,
        ),
        (licence(billingCycle="none"), 10013),
        (licence(quantity=276), 10015),
        (licence(catalogue.LIMITED, quantity=11), 10002),
        (licence(catalogue.SOLD_OUT), 10003),
        (licence(catalogue.ATTESTED), 10012),
        (licence(catalogue.ADD_ON), 400041),
        (licence(promotionId="cheap"), 10014),
        (line(catalogItemId=catalogue.SOFTWARE, customTermEndDate="2030-01-01T00:00:00Z"), 10016),
        (line(catalogItemId=catalogue.LEGACY_OFFER, billingCycle="monthly"), 500600),
    ],
)
async def test_a_bad_line_has_an_error_in_a_cart_that_exists(
    cloud: LocalCloud, client: httpx.AsyncClient, bad: dict[str, Any], code: int
) -> None:
    good, failed = (await post(cloud, client, line(), bad))["lineItems"]
    assert "error" not in good
    assert failed["error"]["errorCode"] == code
    assert failed["error"]["attributes"] == {"objectType": "CartError"}
    if code == 10015:
        left = {"availableQuantity": 275, "purchasedQuantity": 25}
        assert failed["error"]["additionalInformation"] == left


async def test_good_lines_get_prices_and_promotions(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    base, addon, promoted, attested = (
        await post(
            cloud,
            client,
            licence(quantity=2),
            licence(catalogue.ADD_ON),
            licence(catalogue.ENTERPRISE_E3),
            licence(catalogue.ATTESTED, AttestationAccepted=True),
        )
    )["lineItems"]
    assert base["pricing"]["extendedPrice"] == 12.0
    assert promoted["promotionId"] == "39NFJQT1PHSN:0008:39NFJQT1Q5J0"
    assert not any("error" in good for good in (base, addon, promoted, attested))


async def test_a_put_replaces_the_whole_cart_and_judges_it_anew(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    before = await post(cloud, client, licence(friendlyName="old"), Remark="mine")
    refresh_token = cloud.entra.add_refresh_token()
    user = await bearer(cloud, client, grant_type="refresh_token", refresh_token=refresh_token)
    changed = {"LineItems": [licence(id="4", quantity=276), line()], "id": before["id"].upper()}
    url = f"{CARTS}/{before['id']}"
    answer = await client.put(url, headers=user, json=changed)
    after = content_of(answer)
    assert answer.status_code == 201
    assert answer.headers["MS-CV"].endswith(".0")
    failed, good = after["lineItems"]
    assert failed["error"]["errorCode"] == 10015
    assert ("friendlyName" in failed, "error" in good, "Remark" in after) == (False, False, False)
    assert [failed["id"], good["id"]] == [4, 0]
    assert after["lastModifiedTimestamp"] > before["lastModifiedTimestamp"]
    assert after["lastModifiedUser"] == cloud.entra.user_id
    for name in ("id", "status", "creationTimestamp", "expirationTimestamp", "links", "attributes"):
        assert after[name] == before[name]
    assert await get(cloud, client, before["id"]) == after

    failed["quantity"] = 2
    cloud.partner_center.put_status = 200
    answer = await put(cloud, client, **after, cart_id=after["id"])
    mended = content_of(answer)["lineItems"][0]
    assert answer.status_code == 200
    assert (mended["pricing"]["extendedPrice"], "error" in mended) == (12.0, False)
    assert len(cloud.partner_center.carts) == 1


@pytest.mark.parametrize(
    ("lines", "members", "code"),
    [
        ([line()], {"Id": str(uuid.uuid4())}, "3000"),
        ([line()], {"id": 7}, "3000"),
        ([], {}, "800002"),
        ([line(quantity=0)], {}, "900275"),
    ],
)
async def test_a_put_that_changes_nothing(
    cloud: LocalCloud,
    client: httpx.AsyncClient,
    lines: list[Any],
    members: dict[str, Any],
    code: str,
) -> None:
    cart = await post(cloud, client, line())
    assert refusal(await put(cloud, client, cart["id"], *lines, **members)) == (400, code)
    assert await get(cloud, client, cart["id"]) == cart


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
@pytest.mark.parametrize("why", ["unknown", "expired", "another customer's"])
async def test_a_cart_that_is_not_there(
    cloud: LocalCloud, client: httpx.AsyncClient, method: str, why: str
) -> None:
    cart = await post(cloud, client, line())
    url = f"{CARTS}/{cart['id']}{'/checkout' if method == 'POST' else ''}"
    if why == "unknown":
        url = url.replace(cart["id"], str(uuid.uuid4()))
    elif why == "expired":
        cloud.partner_center.expire(cart["id"])
    else:
        url = url.replace(CUSTOMER, str(uuid.uuid4()))
    content = json.dumps({"lineItems": [licence()]}) if method == "PUT" else b""
    headers = await bearer(cloud, client)
    answer = await client.request(method, url, headers=headers, content=content)
    assert refusal(answer) == (404, "800008")
    assert cloud.partner_center.carts[cart["id"]].document == cart
    assert cloud.partner_center.orders == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "800002"),
        (b"[]", "800002"),
        (b'{"lineItems": []}', "800002"),
        (b'{"lineItems": [1]}', "800002"),
        (json.dumps({"lineItems": [line(catalogItemId=None)]}), "900142"),
        (json.dumps({"lineItems": [line(quantity=0)]}), "900275"),
        (json.dumps({"lineItems": [line(quantity=True)]}), "900275"),
        (json.dumps({"lineItems": [line(billingCycle="weekly")]}), "900126"),
        (json.dumps({"lineItems": [line(participants={})]}), "800002"),
        (json.dumps({"lineItems": [line(provisioningContext={"a": 1})]}), "800002"),
        (json.dumps({"lineItems": [line(id="x")]}), "800002"),
        (json.dumps({"lineItems": [line(id=1), line(id="1")]}), "800002"),
    ],
)
async def test_a_malformed_cart_is_a_fault(
    cloud: LocalCloud, client: httpx.AsyncClient, body: Any, code: str
) -> None:
    answer = await client.post(CARTS, headers=await bearer(cloud, client), content=body)
    fault = content_of(answer)
    assert (answer.status_code, fault["code"]) == (400, code)
    assert fault.keys() == {"code", "description", "data", "source"}
    assert cloud.partner_center.carts == {}


@pytest.mark.parametrize(
    ("customer", "status", "code"),
    [
        ("not-a-guid", 400, "3000"),
        (UNKNOWN_CUSTOMER, 404, "60003"),
        (NO_RELATIONSHIP, 403, "20002"),
        (NO_AGREEMENT, 403, "13605"),
    ],
)
async def test_some_customers_are_refused(
    cloud: LocalCloud, client: httpx.AsyncClient, customer: str, status: int, code: str
) -> None:
    url = CARTS.replace(CUSTOMER, customer)
    answer = await client.post(url, headers=await bearer(cloud, client), content=SAMPLE_CART)
    assert (answer.status_code, content_of(answer)["code"]) == (status, code)


async def test_tokens_that_will_not_do(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    async def code_with(headers: dict[str, str]) -> Any:
        answer = await client.post(CARTS, headers=headers, content=SAMPLE_CART)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        return content_of(answer)["code"]

    assert await code_with({}) == 400
    assert await code_with({"Authorization": "Bearer tampered"}) == 400
    wrong = await bearer(cloud, client, scope="https://graph.windows.net/.default")
    assert await code_with(wrong) == "900420"
    cloud.entra.mfa = False
    refresh_token = cloud.entra.add_refresh_token()
    grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    assert await code_with(await bearer(cloud, client, **grant)) == "900421"
    cloud.entra.mfa = True
    user = await bearer(cloud, client, **grant)
    answer = await client.post(CARTS, headers=user, content=SAMPLE_CART)
    assert content_of(answer)["lastModifiedUser"] == cloud.entra.user_id
    cloud.tokens.revoke_all()
    assert await code_with(user) == 400
    cloud.entra.token_lifetime = 0
    assert await code_with(await bearer(cloud, client)) == 400
    assert len(cloud.partner_center.carts) == 1


async def test_another_cloud_has_its_own_audience(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    china = "https://partner.partnercenterapi.microsoftonline.cn"
    url = CARTS.replace(PARTNER_CENTER, china)
    token = await bearer(cloud, client, scope=f"{china}/.default")
    assert (await client.post(url, headers=token, content=SAMPLE_CART)).status_code == 201
    assert (await client.post(CARTS, headers=token, content=SAMPLE_CART)).status_code == 401


@pytest.mark.parametrize(("deduplicate", "carts"), [(True, 1), (False, 2)])
async def test_a_repeated_request_id(
    cloud: LocalCloud, client: httpx.AsyncClient, deduplicate: bool, carts: int
) -> None:
    cloud.partner_center.deduplicate = deduplicate
    headers = await bearer(cloud, client) | {"MS-RequestId": str(uuid.uuid4())}
    for _ in range(2):
        await client.post(CARTS, headers=headers, content=SAMPLE_CART)
    assert len(cloud.partner_center.carts) == carts
    headers["MS-RequestId"] = str(uuid.uuid4())
    await client.post(CARTS, headers=headers, content=SAMPLE_CART)
    assert len(cloud.partner_center.carts) == carts + 1
