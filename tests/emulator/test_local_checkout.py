"""Checkouts in the emulated Partner Center: what becomes of a cart, once, however often asked."""

import asyncio
import re
import uuid
from typing import Any

import aiohttp
import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.faults import Fault

from tests.emulator.cart_calls import check_out, content_of, get, licence, post, put, refusal
from tests.emulator.requests_to_cloud import CUSTOMER, line

GOOD = licence(orderGroup="good")
HOPELESS = licence(catalogue.NO_CREDIT, orderGroup="hopeless")
UNSTEADY = licence(catalogue.UNSTEADY, orderGroup="unsteady")


def groups_of(cloud: LocalCloud) -> list[str]:
    """The order groups of all orders there are, in the order in which they were made."""
    return [order.order_group for order in cloud.partner_center.orders.values()]


def link(uri: str, method: str = "GET") -> dict[str, Any]:
    return {"uri": uri, "method": method, "headers": []}


async def test_an_order_of_two_lines(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    resellers = [
        {"key": "transaction_reseller", "value": "5357564"},
        {"key": "additional_transaction_reseller", "value": "517285"},
        {"key": "additional_transaction_reseller", "value": "5357563"},
    ]
    software = line(catalogItemId=catalogue.SOFTWARE, friendlyName="mine", currencyCode="EUR")
    cart = await post(
        cloud,
        client,
        licence(quantity=2, currencyCode="EUR", participants=resellers),
        software,
        PartnerOnRecordAttestationAccepted=True,
    )
    request_id = str(uuid.uuid4())
    upn = "user@customer.example"
    answer = await check_out(
        cloud, client, cart["id"], MS_RequestId=request_id, x_ms_customeruser_upn=upn
    )

    assert answer.status_code == 201
    assert answer.headers["MS-RequestId"] == request_id
    result = content_of(answer)
    (order,) = result.pop("orders")
    assert result == {"attributes": {"objectType": "CartCheckoutResult"}}
    order_id, created = order["id"], order.pop("creationDate")
    assert re.fullmatch("[0-9a-f]{12}", order_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", created)
    subscription_id = order["lineItems"][0].pop("subscriptionId")
    assert str(uuid.UUID(subscription_id)) == subscription_id
    uri = f"/customers/{CUSTOMER}/orders/{order_id}"
    prices = {"listPrice": 6.0, "discountedPrice": 6.0, "proratedPrice": 6.0, "price": 6.0}
    assert order == {
        "id": order_id,
        "alternateId": order_id,
        "referenceCustomerId": CUSTOMER,
        "billingCycle": "monthly",
        "currencyCode": "EUR",
        "currencySymbol": "€",
        "lineItems": [
            {
                "lineItemNumber": 0,
                "offerId": "CFQ7TTC0LH18:0001:CFQ7TTC0K971",
                "termDuration": "P1Y",
                "transactionType": "New",
                "friendlyName": "Licence",
                "quantity": 2,
                "partnerIdOnRecord": "5357564",
                "additionalPartnerIdsOnRecord": ["517285", "5357563"],
                "pricing": {**prices, "extendedPrice": 12.0},
                "provisioningContext": {},
                "links": {
                    "product": link("/products/CFQ7TTC0LH18?country=US"),
                    "sku": link("/products/CFQ7TTC0LH18/skus/0001?country=US"),
                    "availability": link(
                        "/products/CFQ7TTC0LH18/skus/0001/availabilities/CFQ7TTC0K971?country=US"
                    ),
                },
            },
            order["lineItems"][1],
        ],
        "status": "pending",
        "transactionType": "UserPurchase",
        "partnerOnRecordAttestationAccepted": True,
        "totalPrice": 1188.0,
        "links": {
            "self": link(uri),
            "provisioningStatus": link(f"{uri}/provisioningstatus"),
            "patchOperation": link(uri, "PATCH"),
        },
        "client": {},
        "attributes": {"objectType": "Order"},
    }
    assert order["lineItems"][1]["lineItemNumber"] == 1
    assert order["lineItems"][1]["friendlyName"] == "mine"
    assert not {"subscriptionId", "termDuration"} & order["lineItems"][1].keys()

    stored = cloud.partner_center.orders[order_id]
    assert (stored.customer_id, stored.cart_id, stored.order_group) == (CUSTOMER, cart["id"], "0")
    assert (stored.customer_user, stored.request_ids) == (upn, [request_id])
    assert await get(cloud, client, cart["id"]) == cart | {"status": "Ordered"}


async def test_an_order_for_each_group_with_the_add_ons_of_its_lines(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    addon = line(ProvisioningContext={"ParentSubscriptionId": "x"})
    cart = await post(
        cloud,
        client,
        licence(orderGroup="1", addonItems=[addon]),
        line(orderGroup="2", quantity=3),
        licence(orderGroup="1", promotionId="39NFJQT1PHSN:0008:39NFJQT1Q5J0"),
    )
    first, second = content_of(await check_out(cloud, client, cart["id"]))["orders"]
    assert [item["lineItemNumber"] for item in first["lineItems"]] == [0, 1, 2]
    assert first["lineItems"][1]["parentSubscriptionId"] == "x"
    assert first["lineItems"][2]["promotionId"] == "39NFJQT1PHSN:0008:39NFJQT1Q5J0"
    assert [item["quantity"] for item in second["lineItems"]] == [3]
    assert second["billingCycle"] == "one_time"
    assert not any("totalPrice" in order for order in (first, second))
    assert groups_of(cloud) == ["1", "2"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 201), (b'"success"', 201), (b"{}", 400), (b"success", 400)]
)
async def test_the_body_of_a_checkout_is_nothing_or_a_text(
    cloud: LocalCloud, client: httpx.AsyncClient, body: bytes, status: int
) -> None:
    cart = await post(cloud, client, line())
    answer = await check_out(cloud, client, cart["id"], body)
    assert answer.status_code == status
    assert len(cloud.partner_center.orders) == (status == 201)


async def test_a_cart_with_an_error_is_not_ordered(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cart = await post(cloud, client, GOOD, line(addonItems=[licence(catalogue.SOLD_OUT)]))
    assert refusal(await check_out(cloud, client, cart["id"])) == (400, "800009")
    assert cloud.partner_center.orders == {}
    assert await get(cloud, client, cart["id"]) == cart


async def test_what_fails_is_tried_again_and_what_is_ordered_stays_so(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cart = await post(cloud, client, HOPELESS, GOOD, UNSTEADY)
    result = content_of(await check_out(cloud, client, cart["id"]))
    assert result["orderErrors"] == [
        {
            "orderGroupId": group,
            "code": code,
            "description": description,
            "attributes": {"objectType": "OrderError"},
        }
        for group, code, description in (
            ("hopeless", 800023, "The credit line is too low."),
            ("unsteady", 800005, "The order could not be created."),
        )
    ]
    assert groups_of(cloud) == ["good"]
    assert (await get(cloud, client, cart["id"]))["status"] == "Active"

    second = await check_out(cloud, client, cart["id"])
    again = content_of(second)
    assert [error["orderGroupId"] for error in again["orderErrors"]] == ["hopeless"]
    assert groups_of(cloud) == ["good", "unsteady"]
    orders = list(cloud.partner_center.orders.values())
    assert again["orders"] == [order.document for order in orders]
    assert again["orders"][0] == result["orders"][0]
    assert [len(order.request_ids) for order in orders] == [2, 1]
    assert orders[0].request_ids[1] == second.headers["MS-RequestId"]

    await put(cloud, client, cart["id"], GOOD, UNSTEADY)
    last = content_of(await check_out(cloud, client, cart["id"]))
    assert last == {"orders": again["orders"], "attributes": last["attributes"]}
    assert (await get(cloud, client, cart["id"]))["status"] == "Ordered"
    assert groups_of(cloud) == ["good", "unsteady"]


async def test_nothing_could_be_ordered(cloud: LocalCloud, client: httpx.AsyncClient) -> None:
    cart = await post(cloud, client, HOPELESS)
    answer = await check_out(cloud, client, cart["id"])
    result = content_of(answer)
    assert (answer.status_code, result["orders"]) == (201, [])
    assert [error["code"] for error in result["orderErrors"]] == [800023]
    assert cloud.partner_center.orders == {}
    assert (await get(cloud, client, cart["id"]))["status"] == "Active"


@pytest.mark.parametrize("repeat", [True, False])
async def test_a_cart_is_ordered_once(
    cloud: LocalCloud, client: httpx.AsyncClient, repeat: bool
) -> None:
    cloud.partner_center.repeat_checkout = repeat
    cart = await post(cloud, client, line())
    first = await check_out(cloud, client, cart["id"], MS_RequestId=str(uuid.uuid4()))
    second = await check_out(cloud, client, cart["id"])
    if repeat:
        assert (second.status_code, content_of(second)) == (201, content_of(first))
    else:
        assert refusal(second) == (400, "800065")
        request_id = first.headers["MS-RequestId"]
        same = await check_out(cloud, client, cart["id"], MS_RequestId=request_id)
        assert content_of(same) == content_of(first)
    (order,) = cloud.partner_center.orders.values()
    assert len(order.request_ids) == 2

    ordered = await get(cloud, client, cart["id"])
    assert refusal(await put(cloud, client, cart["id"], licence())) == (400, "800065")
    assert await get(cloud, client, cart["id"]) == ordered


@pytest.mark.parametrize(("deduplicate", "orders"), [(True, 0), (False, 1)])
async def test_a_repeated_request_id_at_checkout(
    cloud: LocalCloud, client: httpx.AsyncClient, deduplicate: bool, orders: int
) -> None:
    cloud.partner_center.deduplicate = deduplicate
    cart, other = await post(cloud, client, UNSTEADY), await post(cloud, client, line())
    request_id = str(uuid.uuid4())
    for _ in range(2):
        answer = await check_out(cloud, client, cart["id"], MS_RequestId=request_id)
    assert len(content_of(answer)["orders"]) == len(cloud.partner_center.orders) == orders
    answer = await check_out(cloud, client, other["id"], MS_RequestId=request_id)
    (order,) = content_of(answer)["orders"]
    assert cloud.partner_center.orders[order["id"]].cart_id == other["id"]
    await check_out(cloud, client, cart["id"])
    assert len(cloud.partner_center.orders) == 2


@pytest.mark.parametrize("commit", [True, False])
async def test_a_checkout_whose_answer_is_lost(
    cloud: LocalCloud, client: httpx.AsyncClient, commit: bool
) -> None:
    cart = await post(cloud, client, line())
    cloud.faults.inject(Fault("partner_center", path="/checkout$", action="reset", commit=commit))
    with pytest.raises(httpx.ReadError):
        await check_out(cloud, client, cart["id"])
    assert len(cloud.partner_center.orders) == commit
    status = "Ordered" if commit else "Active"
    assert (await get(cloud, client, cart["id"]))["status"] == status
    (order,) = content_of(await check_out(cloud, client, cart["id"]))["orders"]
    assert list(cloud.partner_center.orders) == [order["id"]]


async def test_a_change_keeps_other_changes_of_the_cart_out(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cart, other = await post(cloud, client, line()), await post(cloud, client, line())
    cloud.partner_center.change_seconds = 1
    twins = [put(cloud, client, cart["id"], line(quantity=n)) for n in (2, 3)]
    answers = await asyncio.gather(*twins, put(cloud, client, other["id"], line(quantity=4)))
    assert sorted(answer.status_code for answer in answers[:2]) == [201, 409]
    assert answers[2].status_code == 201
    (won,) = [answer for answer in answers[:2] if answer.status_code == 201]
    (lost,) = [answer for answer in answers[:2] if answer.status_code == 409]
    assert refusal(lost) == (409, "800064")
    assert await get(cloud, client, cart["id"]) == content_of(won)

    slow = asyncio.create_task(check_out(cloud, client, cart["id"]))
    await asyncio.sleep(0.3)
    assert cloud.partner_center.carts[cart["id"]].busy
    assert (await get(cloud, client, cart["id"]))["status"] == "Active"
    assert refusal(await put(cloud, client, cart["id"], line())) == (409, "800064")
    cloud.partner_center.busy_code = "800060"
    assert refusal(await check_out(cloud, client, cart["id"])) == (409, "800060")
    assert cloud.partner_center.orders == {}
    assert (await slow).status_code == 201
    assert (await get(cloud, client, cart["id"]))["status"] == "Ordered"
    assert (await check_out(cloud, client, cart["id"])).status_code == 201
    assert len(cloud.partner_center.orders) == 1


async def test_a_caller_that_gives_up_does_not_stop_a_slow_checkout(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cart = await post(cloud, client, line())
    cloud.partner_center.change_seconds = 1
    client.timeout = httpx.Timeout(0.3)
    with pytest.raises(httpx.ReadTimeout):
        await check_out(cloud, client, cart["id"])
    client.timeout = httpx.Timeout(5)
    assert refusal(await check_out(cloud, client, cart["id"])) == (409, "800064")
    assert cloud.partner_center.orders == {}
    await asyncio.sleep(1)
    assert len(cloud.partner_center.orders) == 1
    assert not cloud.partner_center.carts[cart["id"]].busy


async def test_a_refused_change_lets_the_next_one_in(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    cart = await post(cloud, client, line(quantity=2))
    assert (await put(cloud, client, cart["id"])).status_code == 400
    assert (await check_out(cloud, client, cart["id"])).status_code == 201


async def test_the_control_endpoint_knows_carts_and_orders(
    cloud: LocalCloud, client: httpx.AsyncClient
) -> None:
    bought, failed, dead = [await post(cloud, client, each) for each in (GOOD, HOPELESS, GOOD)]
    async with aiohttp.ClientSession(cloud.control_url + "/") as control:

        async def orders() -> Any:
            async with control.get("orders") as answer:
                return await answer.json()

        async def send(path: str, document: Any = None) -> int:
            async with control.post(path, json=document) as answer:
                return answer.status

        assert await orders() == []
        assert await send("expire", {"cart_id": dead["id"]}) == 200
        assert refusal(await check_out(cloud, client, dead["id"])) == (404, "800008")
        for cart in (bought, failed):
            assert await send("check-out", {"cart_id": cart["id"]}) == 200
        assert (await get(cloud, client, bought["id"]))["status"] == "Ordered"
        assert (await get(cloud, client, failed["id"]))["status"] == "Active"
        answer = await check_out(cloud, client, bought["id"])
        assert await orders() == [
            {
                "customerId": CUSTOMER,
                "cartId": bought["id"],
                "orderGroup": "good",
                "customerUser": None,
                "requestIds": [answer.headers["MS-RequestId"]],
                "order": content_of(answer)["orders"][0],
            }
        ]

        faulty = await post(cloud, client, line(catalogItemId="NOPE"))
        for wrong in ("nothing", faulty["id"]):
            assert await send("check-out", {"cart_id": wrong}) == 400
        switches = {
            "put_status": 200,
            "repeat_checkout": False,
            "change_seconds": 0.5,
            "busy_code": "800060",
        }
        assert await send("settings", switches) == 200
        assert {name: getattr(cloud.partner_center, name) for name in switches} == switches
        assert await send("settings", {"put_status": 201, "carts": {}}) == 400
        assert cloud.partner_center.put_status == 200
        assert await send("reset") == 200
        assert await orders() == []
