"""Carts in the emulated Partner Center: create, read and change, as the emulator's README says."""

import json
import re
import uuid
from typing import Any

import pytest
from partner_center_emulator import cloud as local
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import catalogue as items
from partner_center_emulator.partner_center.documents import read_cart
from partner_center_emulator.partner_center.refusals import RefusalError

from tests.emulator.caller import (
    CART,
    CARTS,
    CUSTOMER,
    PARTNER_CENTER,
    Caller,
    document,
    licence,
    line,
    refusal,
)


async def test_a_cart_is_answered_as_documented(caller: Caller) -> None:
    sent = {
        "CatalogItemId": items.RESERVATION,
        "Quantity": 2,
        "BillingCycle": "one_time",
        "ProvisioningContext": {"subscriptionId": "3D5ECED6", "scope": "shared"},
    }
    ids = {"MS-RequestId": str(uuid.uuid4()), "MS-CorrelationId": str(uuid.uuid4())}
    body = {"LineItems": [sent], "Attributes": {"ObjectType": "Cart"}}
    answer = await caller.send("POST", CARTS, ids | {"X-Locale": "en-US"}, json=body)
    cart = document(answer)
    assert answer.status_code == 201
    expected = {
        **ids,
        "Content-Type": "application/json; charset=utf-8",
        "X-Locale": "en-US,en-US",
        "MS-ServerId": "000001",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert answer.headers["MS-CV"].endswith(".0")
    for name in ("creationTimestamp", "lastModifiedTimestamp", "expirationTimestamp"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", cart[name])
    received = {name[:1].lower() + name[1:]: value for name, value in sent.items()}
    assert cart["lineItems"] == [received | {"id": 0, "currencyCode": "USD", "orderGroup": "0"}]
    assert (cart["status"], cart["lastModifiedUser"]) == ("Active", local.CLIENT_ID)
    assert await caller.get(cart["id"].upper()) == cart


async def test_names_in_any_case_ids_where_missing_and_unknown_members_as_they_came(
    caller: Caller,
) -> None:
    context = {"ParentSubscriptionId": "x"}
    cart = await caller.create(
        line(ID="1", BILLINGCYCLE="OneTime", friendlyName=None, NewMember={"Its": 1}, Pricing={}),
        line(addonItems=[line(ProvisioningContext=context)], currencyCode="EUR"),
        PartnerOnRecordAttestationAccepted=True,
        id="mine",
        status="Ordered",
    )
    first, second = cart["lineItems"]
    (addon,) = second["addonItems"]
    assert [first["id"], second["id"], addon["id"]] == [1, 0, 2]
    assert first["NewMember"] == {"Its": 1}
    assert not {"friendlyName", "pricing"} & first.keys()
    assert second["currencyCode"] == "EUR"
    assert addon["provisioningContext"] == {"parentSubscriptionId": "x"}
    assert cart["partnerOnRecordAttestationAccepted"] is True
    assert cart["status"] == "Active"
    assert cart["id"] != "mine"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (line("NOPE"), 10001),
        (line(currencyCode="XXX"), 10000),
        (licence(termDuration=None), 400039),
        (licence(termDuration="P3Y"), 400039),
        (line(items.AZURE_PLAN, billingCycle="monthly", termDuration="P1Y"), 400039),
        (licence(billingCycle="none"), 10013),
        (licence(items.LIMITED, quantity=11), 10002),
        (licence(items.SOLD_OUT), 10003),
        (licence(items.ATTESTED), 10012),
        (licence(items.ADD_ON), 400041),
        (licence(promotionId="cheap"), 10014),
        (line(items.SOFTWARE, customTermEndDate="2030-01-01T00:00:00Z"), 10016),
        (line(items.LEGACY_OFFER, billingCycle="monthly"), 500600),
    ],
)
def test_the_catalogue_finds_what_is_wrong_with_a_line(wrong: dict[str, Any], code: int) -> None:
    (read,) = read_cart(json.dumps({"lineItems": [wrong]}).encode())["lineItems"]
    added = items.assess(read, frozenset([read["catalogItemId"]]))
    assert added.keys() == {"error"}
    assert added["error"]["errorCode"] == code


async def test_good_lines_get_prices_and_promotions(caller: Caller) -> None:
    cart = await caller.create(
        licence(quantity=2),
        licence(items.ADD_ON),
        licence(items.ENTERPRISE_E3),
        licence(items.ATTESTED, AttestationAccepted=True),
    )
    base, _, promoted, _ = cart["lineItems"]
    assert base["pricing"]["extendedPrice"] == 12.0
    assert promoted["promotionId"] == "39NFJQT1PHSN:0008:39NFJQT1Q5J0"
    assert not any("error" in good for good in cart["lineItems"])


async def test_a_put_replaces_the_whole_cart_and_checks_it_again(caller: Caller) -> None:
    before = await caller.create(licence(friendlyName="old"), Remark="mine")
    changed = {"LineItems": [licence(id="4", quantity=276), line()], "id": before["id"].upper()}
    url = f"{CARTS}/{before['id']}"
    answer = await caller.send("PUT", url, await caller.bearer_of_user(), json=changed)
    after = document(answer)
    assert answer.status_code == 201
    failed, good = after["lineItems"]
    available = {"availableQuantity": 275, "purchasedQuantity": 25}
    assert failed["error"]["additionalInformation"] == available
    assert ("friendlyName" in failed, "error" in good, "Remark" in after) == (False, False, False)
    assert [failed["id"], good["id"]] == [4, 0]
    assert after["lastModifiedTimestamp"] > before["lastModifiedTimestamp"]
    assert after["lastModifiedUser"] == caller.cloud.entra.user_id
    for name in ("id", "status", "creationTimestamp", "expirationTimestamp", "links", "attributes"):
        assert after[name] == before[name]
    assert await caller.get(before["id"]) == after

    failed["quantity"] = 2
    caller.cloud.partner_center.put_status = 200
    answer = await caller.put(**after, cart_id=after["id"])
    corrected = document(answer)["lineItems"][0]
    assert answer.status_code == 200
    assert (corrected["pricing"]["extendedPrice"], "error" in corrected) == (12.0, False)
    assert len(caller.cloud.partner_center.carts) == 1


async def test_a_put_that_is_refused_changes_nothing(caller: Caller) -> None:
    cart = await caller.create(line())
    other_id = str(uuid.uuid4())
    assert refusal(await caller.put(cart["id"], line(), Id=other_id)) == (400, "3000")
    assert refusal(await caller.put(cart["id"])) == (400, "800002")
    assert await caller.get(cart["id"]) == cart


@pytest.mark.parametrize("why", ["unknown", "expired", "another customer's"])
async def test_a_cart_that_is_not_there(cloud: LocalCloud, caller: Caller, why: str) -> None:
    cart = await caller.create(line())
    url = f"{CARTS}/{cart['id']}"
    if why == "expired":
        cloud.partner_center.expire(cart["id"])
    else:
        url = url.replace(cart["id"] if why == "unknown" else CUSTOMER, str(uuid.uuid4()))
    for answer in (
        await caller.send("GET", url),
        await caller.send("PUT", url, json={"lineItems": [licence()]}),
        await caller.send("POST", f"{url}/checkout"),
    ):
        assert refusal(answer) == (404, "800008")
    assert cloud.partner_center.carts[cart["id"]].document == cart
    assert cloud.partner_center.orders == {}


@pytest.mark.parametrize(
    ("malformed", "code"),
    [
        ([], "800002"),
        ({"lineItems": []}, "800002"),
        ({"lineItems": [1]}, "800002"),
        ({"lineItems": [line(catalogItemId=None)]}, "900142"),
        ({"lineItems": [line(quantity=0)]}, "900275"),
        ({"lineItems": [line(quantity=True)]}, "900275"),
        ({"lineItems": [line(quantity=2**31)]}, "900275"),
        ({"lineItems": [line(billingCycle="weekly")]}, "900126"),
        ({"lineItems": [line(participants={})]}, "800002"),
        ({"lineItems": [line(provisioningContext={"a": 1})]}, "800002"),
        ({"lineItems": [line(id="x")]}, "800002"),
        ({"lineItems": [line(id=1), line(id="1")]}, "800002"),
    ],
)
def test_a_malformed_cart_is_refused(malformed: Any, code: str) -> None:
    with pytest.raises(RefusalError) as refused:
        read_cart(json.dumps(malformed).encode())
    assert (refused.value.status, refused.value.code) == (400, code)


@pytest.mark.parametrize(
    ("customer", "content", "status", "code"),
    [
        (CUSTOMER, b"", 400, "800002"),
        ("not-a-guid", json.dumps(CART), 400, "3000"),
        ("00000000-0000-4000-8000-000000000404", json.dumps(CART), 404, "60003"),
        ("00000000-0000-4000-8000-000000020002", json.dumps(CART), 403, "20002"),
        ("00000000-0000-4000-8000-000000013605", json.dumps(CART), 403, "13605"),
    ],
)
async def test_a_refused_cart_is_not_created(
    caller: Caller, customer: str, content: str, status: int, code: str
) -> None:
    answer = await caller.send("POST", CARTS.replace(CUSTOMER, customer), content=content)
    assert refusal(answer) == (status, code)
    assert caller.cloud.partner_center.carts == {}


async def test_every_other_path_gets_the_gateways_404(caller: Caller) -> None:
    answer = await caller.send("GET", f"{PARTNER_CENTER}/v1/invoices")
    assert answer.status_code == 404
    assert answer.json() == {"statusCode": 404, "message": "Resource not found"}


async def test_a_token_that_is_not_good_enough_is_refused(caller: Caller) -> None:
    async def code_with(headers: dict[str, str]) -> Any:
        answer = await caller.client.post(CARTS, headers=headers, json=CART)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        return document(answer)["code"]

    assert await code_with({}) == 400
    assert await code_with({"Authorization": "Bearer tampered"}) == 400
    wrong = await caller.bearer(scope="https://graph.windows.net/.default")
    assert await code_with(wrong) == "900420"
    caller.cloud.entra.mfa = False
    assert await code_with(await caller.bearer_of_user()) == "900421"
    caller.cloud.entra.mfa = True
    user = await caller.bearer_of_user()
    answer = await caller.client.post(CARTS, headers=user, json=CART)
    assert document(answer)["lastModifiedUser"] == caller.cloud.entra.user_id
    caller.cloud.tokens.revoke_all()
    assert await code_with(user) == 400
    caller.cloud.entra.token_lifetime = 0
    assert await code_with(await caller.bearer()) == 400
    assert len(caller.cloud.partner_center.carts) == 1


async def test_another_cloud_has_its_own_audience(caller: Caller) -> None:
    china = "https://partner.partnercenterapi.microsoftonline.cn"
    url = CARTS.replace(PARTNER_CENTER, china)
    token = await caller.bearer(scope=f"{china}/.default")
    assert (await caller.send("POST", url, token, json=CART)).status_code == 201
    assert (await caller.send("POST", CARTS, token, json=CART)).status_code == 401


@pytest.mark.parametrize(("deduplicate", "carts"), [(True, 2), (False, 3)])
async def test_a_repeated_request_id(caller: Caller, deduplicate: bool, carts: int) -> None:
    caller.cloud.partner_center.deduplicate = deduplicate
    repeated, other = str(uuid.uuid4()), str(uuid.uuid4())
    for request_id in (repeated, repeated, other):
        await caller.send("POST", CARTS, {"MS-RequestId": request_id}, json=CART)
    assert len(caller.cloud.partner_center.carts) == carts
