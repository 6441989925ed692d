"""Carts in the emulated Partner Center, against what is known of the real one."""

import json
import re
import uuid
from typing import Any

import pytest
from partner_center_emulator import cloud as local
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.partner_center.documents import read_cart
from partner_center_emulator.partner_center.refusals import (
    NO_AGREEMENT,
    NO_RELATIONSHIP,
    UNKNOWN_CUSTOMER,
    RefusalError,
)

from tests.emulator.caller import (
    CARTS,
    CUSTOMER,
    PARTNER_CENTER,
    Caller,
    content_of,
    licence,
    line,
    refusal,
)

CART = {"lineItems": [line()]}


async def test_the_documented_example(caller: Caller) -> None:
    context = {"subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666", "scope": "shared"}
    document = {
        "LineItems": [
            {
                "Id": 0,
                "CatalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
                "FriendlyName": "A_sample_Azure_RI",
                "Quantity": 2,
                "BillingCycle": "one_time",
                "ProvisioningContext": {**context, "duration": "1Year"},
            }
        ],
        "Attributes": {"ObjectType": "Cart"},
    }
    ids = {"MS-RequestId": str(uuid.uuid4()), "MS-CorrelationId": str(uuid.uuid4())}
    answer = await caller.send("POST", CARTS, ids | {"X-Locale": "en-US"}, json=document)
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
                "provisioningContext": {**context, "duration": "1Year"},
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

    assert (await caller.get(cart_id.upper()))["id"] == cart_id


async def test_names_in_any_case_ids_where_missing_and_unknown_members_as_they_came(
    caller: Caller,
) -> None:
    cart = await caller.create(
        line(ID="1", BILLINGCYCLE="OneTime", friendlyName=None, NewMember={"Its": 1}, Pricing={}),
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
    assert not {"friendlyName", "pricing"} & first.keys()
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
def test_the_catalogue_finds_what_is_wrong_with_a_line(bad: dict[str, Any], code: int) -> None:
    (read,) = read_cart(json.dumps({"lineItems": [bad]}).encode())["lineItems"]
    added = catalogue.assess(read, frozenset([read["catalogItemId"]]))
    assert added.keys() == {"error"}
    assert added["error"]["errorCode"] == code


async def test_a_bad_line_has_an_error_in_a_cart_that_exists(caller: Caller) -> None:
    good, failed = (await caller.create(line(), licence(quantity=276)))["lineItems"]
    assert "error" not in good
    assert failed["error"] == {
        "errorCode": 10015,
        "errorDescription": "The maximum is 300 seats per subscription.",
        "additionalInformation": {"availableQuantity": 275, "purchasedQuantity": 25},
        "attributes": {"objectType": "CartError"},
    }


async def test_good_lines_get_prices_and_promotions(caller: Caller) -> None:
    base, addon, promoted, attested = (
        await caller.create(
            licence(quantity=2),
            licence(catalogue.ADD_ON),
            licence(catalogue.ENTERPRISE_E3),
            licence(catalogue.ATTESTED, AttestationAccepted=True),
        )
    )["lineItems"]
    assert base["pricing"]["extendedPrice"] == 12.0
    assert promoted["promotionId"] == "39NFJQT1PHSN:0008:39NFJQT1Q5J0"
    assert not any("error" in good for good in (base, addon, promoted, attested))


async def test_a_put_replaces_the_whole_cart_and_checks_it_again(
    cloud: LocalCloud, caller: Caller
) -> None:
    before = await caller.create(licence(friendlyName="old"), Remark="mine")
    refresh_token = cloud.entra.add_refresh_token()
    user = await caller.bearer(grant_type="refresh_token", refresh_token=refresh_token)
    changed = {"LineItems": [licence(id="4", quantity=276), line()], "id": before["id"].upper()}
    answer = await caller.send("PUT", f"{CARTS}/{before['id']}", user, json=changed)
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
    assert await caller.get(before["id"]) == after

    failed["quantity"] = 2
    cloud.partner_center.put_status = 200
    answer = await caller.put(**after, cart_id=after["id"])
    mended = content_of(answer)["lineItems"][0]
    assert answer.status_code == 200
    assert (mended["pricing"]["extendedPrice"], "error" in mended) == (12.0, False)
    assert len(cloud.partner_center.carts) == 1


async def test_a_put_that_is_refused_changes_nothing(caller: Caller) -> None:
    cart = await caller.create(line())
    for lines, members, code in (
        ([line()], {"Id": str(uuid.uuid4())}, "3000"),
        ([line()], {"id": 7}, "3000"),
        ([], {}, "800002"),
        ([line(quantity=0)], {}, "900275"),
    ):
        assert refusal(await caller.put(cart["id"], *lines, **members)) == (400, code)
    assert await caller.get(cart["id"]) == cart


@pytest.mark.parametrize("why", ["unknown", "expired", "another customer's"])
async def test_a_cart_that_is_not_there(cloud: LocalCloud, caller: Caller, why: str) -> None:
    cart = await caller.create(line())
    url = f"{CARTS}/{cart['id']}"
    if why == "unknown":
        url = url.replace(cart["id"], str(uuid.uuid4()))
    elif why == "expired":
        cloud.partner_center.expire(cart["id"])
    else:
        url = url.replace(CUSTOMER, str(uuid.uuid4()))
    for answer in (
        await caller.send("GET", url),
        await caller.send("PUT", url, json={"lineItems": [licence()]}),
        await caller.send("POST", f"{url}/checkout"),
    ):
        assert refusal(answer) == (404, "800008")
    assert cloud.partner_center.carts[cart["id"]].document == cart
    assert cloud.partner_center.orders == {}


@pytest.mark.parametrize(
    ("document", "code"),
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
def test_a_malformed_cart_is_refused(document: Any, code: str) -> None:
    with pytest.raises(RefusalError) as refused:
        read_cart(json.dumps(document).encode())
    assert (refused.value.status, refused.value.code) == (400, code)


async def test_a_refused_cart_is_not_created(cloud: LocalCloud, caller: Caller) -> None:
    for customer, content, expected in (
        (CUSTOMER, b"", (400, "800002")),
        ("not-a-guid", json.dumps(CART), (400, "3000")),
        (UNKNOWN_CUSTOMER, json.dumps(CART), (404, "60003")),
        (NO_RELATIONSHIP, json.dumps(CART), (403, "20002")),
        (NO_AGREEMENT, json.dumps(CART), (403, "13605")),
    ):
        url = CARTS.replace(CUSTOMER, customer)
        assert refusal(await caller.send("POST", url, content=content)) == expected
    assert cloud.partner_center.carts == {}


async def test_every_other_path_gets_the_gateways_404(caller: Caller) -> None:
    answer = await caller.send("GET", f"{PARTNER_CENTER}/v1/customers")
    assert (answer.status_code, answer.json()) == (
        404,
        {"statusCode": 404, "message": "Resource not found"},
    )


async def test_a_token_that_is_not_good_enough_is_refused(
    cloud: LocalCloud, caller: Caller
) -> None:
    async def code_with(headers: dict[str, str]) -> Any:
        answer = await caller.client.post(CARTS, headers=headers, json=CART)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        return content_of(answer)["code"]

    assert await code_with({}) == 400
    assert await code_with({"Authorization": "Bearer tampered"}) == 400
    wrong = await caller.bearer(scope="https://graph.windows.net/.default")
    assert await code_with(wrong) == "900420"
    cloud.entra.mfa = False
    refresh_token = cloud.entra.add_refresh_token()
    grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    assert await code_with(await caller.bearer(**grant)) == "900421"
    cloud.entra.mfa = True
    user = await caller.bearer(**grant)
    answer = await caller.client.post(CARTS, headers=user, json=CART)
    assert content_of(answer)["lastModifiedUser"] == cloud.entra.user_id
    cloud.tokens.revoke_all()
    assert await code_with(user) == 400
    cloud.entra.token_lifetime = 0
    assert await code_with(await caller.bearer()) == 400
    assert len(cloud.partner_center.carts) == 1


async def test_another_cloud_has_its_own_audience(cloud: LocalCloud, caller: Caller) -> None:
    china = "https://partner.partnercenterapi.microsoftonline.cn"
    url = CARTS.replace(PARTNER_CENTER, china)
    token = await caller.bearer(scope=f"{china}/.default")
    assert (await caller.send("POST", url, token, json=CART)).status_code == 201
    assert (await caller.send("POST", CARTS, token, json=CART)).status_code == 401


@pytest.mark.parametrize(("deduplicate", "carts"), [(True, 1), (False, 2)])
async def test_a_repeated_request_id(
    cloud: LocalCloud, caller: Caller, deduplicate: bool, carts: int
) -> None:
    cloud.partner_center.deduplicate = deduplicate
    request_id, other = str(uuid.uuid4()), str(uuid.uuid4())
    for _ in range(2):
        await caller.send("POST", CARTS, {"MS-RequestId": request_id}, json=CART)
    assert len(cloud.partner_center.carts) == carts
    await caller.send("POST", CARTS, {"MS-RequestId": other}, json=CART)
    assert len(cloud.partner_center.carts) == carts + 1
