"""Checkouts in the emulated Partner Center."""

import asyncio
import re
import uuid
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.partner_center import carts, catalogue
from partner_center_emulator.partner_center.orders import GroupError

from tests.emulator.caller import CUSTOMER, Caller, document, licence, line, refusal, until

GOOD = licence(orderGroup="good")
HOPELESS = licence(catalogue.NO_CREDIT, orderGroup="hopeless")
UNSTEADY = licence(catalogue.UNSTEADY, orderGroup="unsteady")


def groups_of(cloud: LocalCloud) -> list[str]:
    """The order groups of all orders there are, in the order in which they were made."""
    return [order.order_group for order in cloud.partner_center.orders.values()]


async def test_an_order_of_two_lines(cloud: LocalCloud, caller: Caller) -> None:
    resellers = [
        {"key": "transaction_reseller", "value": "5357564"},
        {"key": "additional_transaction_reseller", "value": "517285"},
        {"key": "additional_transaction_reseller", "value": "5357563"},
    ]
    cart = await caller.create(
        licence(quantity=2, currencyCode="EUR", participants=resellers),
        line(catalogue.SOFTWARE, friendlyName="mine", currencyCode="EUR"),
        PartnerOnRecordAttestationAccepted=True,
    )
    request_id, user = str(uuid.uuid4()), "user@customer.example"
    headers = {"MS-RequestId": request_id, "x-ms-customeruser-upn": user}
    answer = await caller.check_out(cart["id"], headers=headers)

    assert answer.status_code == 201
    assert answer.headers["MS-RequestId"] == request_id
    result = document(answer)
    (order,) = result.pop("orders")
    assert result == {"attributes": {"objectType": "CartCheckoutResult"}}
    order_id, (licensed, software) = order["id"], order["lineItems"]
    assert re.fullmatch("[0-9a-f]{12}", order_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", order["creationDate"])
    uri = f"/customers/{CUSTOMER}/orders/{order_id}"
    assert order["links"]["self"] == {"uri": uri, "method": "GET", "headers": []}
    assert (order["billingCycle"], order["currencySymbol"]) == ("monthly", "€")
    assert (order["status"], order["totalPrice"]) == ("pending", 1188.0)
    assert order["partnerOnRecordAttestationAccepted"] is True
    assert uuid.UUID(licensed["subscriptionId"])
    assert (licensed["offerId"], licensed["quantity"]) == (catalogue.BUSINESS_BASIC, 2)
    assert licensed["partnerIdOnRecord"] == "5357564"
    assert licensed["additionalPartnerIdsOnRecord"] == ["517285", "5357563"]
    assert licensed["pricing"]["extendedPrice"] == 12.0
    assert (software["lineItemNumber"], software["friendlyName"]) == (1, "mine")
    assert not {"subscriptionId", "termDuration"} & software.keys()

    stored = cloud.partner_center.orders[order_id]
    assert (stored.customer_id, stored.cart_id, stored.order_group) == (CUSTOMER, cart["id"], "0")
    assert (stored.customer_user, stored.request_ids) == (user, [request_id])
    assert await caller.get(cart["id"]) == cart | {"status": "Ordered"}


async def test_an_order_for_each_group_with_the_add_ons_of_its_lines(caller: Caller) -> None:
    addon = line(ProvisioningContext={"ParentSubscriptionId": "x"})
    cart = await caller.create(
        licence(orderGroup="1", addonItems=[addon]),
        line(orderGroup="2", quantity=3),
        licence(orderGroup="1", promotionId="39NFJQT1PHSN:0008:39NFJQT1Q5J0"),
    )
    first, second = document(await caller.check_out(cart["id"]))["orders"]
    assert [item["lineItemNumber"] for item in first["lineItems"]] == [0, 1, 2]
    assert first["lineItems"][1]["parentSubscriptionId"] == "x"
    assert first["lineItems"][2]["promotionId"] == "39NFJQT1PHSN:0008:39NFJQT1Q5J0"
    assert [item["quantity"] for item in second["lineItems"]] == [3]
    assert second["billingCycle"] == "one_time"
    assert not any("totalPrice" in order for order in (first, second))
    assert groups_of(caller.cloud) == ["1", "2"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 201), (b'"success"', 201), (b"{}", 400), (b"success", 400)]
)
async def test_the_body_of_a_checkout_is_nothing_or_a_text(
    cloud: LocalCloud, caller: Caller, body: bytes, status: int
) -> None:
    cart = await caller.create(line())
    answer = await caller.check_out(cart["id"], body)
    assert answer.status_code == status
    assert len(cloud.partner_center.orders) == (status == 201)


async def test_a_cart_with_an_error_is_not_ordered(cloud: LocalCloud, caller: Caller) -> None:
    cart = await caller.create(GOOD, line(addonItems=[licence(catalogue.SOLD_OUT)]))
    assert refusal(await caller.check_out(cart["id"])) == (400, "800009")
    assert cloud.partner_center.orders == {}
    assert await caller.get(cart["id"]) == cart


async def test_what_fails_is_tried_again_and_what_is_ordered_stays_so(
    cloud: LocalCloud, caller: Caller
) -> None:
    cart = await caller.create(HOPELESS, UNSTEADY)
    answer = await caller.check_out(cart["id"])
    result = document(answer)
    assert (answer.status_code, result["orders"], cloud.partner_center.orders) == (201, [], {})
    assert [(e["orderGroupId"], e["code"], e["description"]) for e in result["orderErrors"]] == [
        ("hopeless", 800023, "The credit line is too low."),
        ("unsteady", 800005, "The order could not be created."),
    ]
    assert result["orderErrors"][0]["attributes"] == {"objectType": "OrderError"}
    assert (await caller.get(cart["id"]))["status"] == "Active"

    await caller.put(cart["id"], HOPELESS, GOOD)
    first = document(await caller.check_out(cart["id"]))
    assert groups_of(cloud) == ["good"]
    await caller.put(cart["id"], HOPELESS, GOOD, UNSTEADY)
    second = await caller.check_out(cart["id"])
    again = document(second)
    assert [error["orderGroupId"] for error in again["orderErrors"]] == ["hopeless"]
    assert groups_of(cloud) == ["good", "unsteady"]
    orders = list(cloud.partner_center.orders.values())
    assert again["orders"] == [order.document for order in orders]
    assert again["orders"][0] == first["orders"][0]
    assert [len(order.request_ids) for order in orders] == [2, 1]
    assert orders[0].request_ids[1] == second.headers["MS-RequestId"]

    await caller.put(cart["id"], GOOD, UNSTEADY)
    last = document(await caller.check_out(cart["id"]))
    assert last == {"orders": again["orders"], "attributes": last["attributes"]}
    assert (await caller.get(cart["id"]))["status"] == "Ordered"
    assert groups_of(cloud) == ["good", "unsteady"]


async def test_a_group_is_under_way_and_is_ordered_a_moment_later(
    cloud: LocalCloud, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(seconds: float, act: Callable[[], None]) -> SimpleNamespace:
        timers.append((seconds, act))
        return SimpleNamespace(cancel=timers.clear)

    loop = SimpleNamespace(call_later=call_later)
    monkeypatch.setattr(carts, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    other = licence(orderGroup="other")
    cart = await caller.create(GOOD, other)
    error = GroupError(800060, "In progress.", "other", times=None, ordered_after=9)
    cloud.partner_center.group_errors += [error, GroupError(800003, order_group="none")]
    for _ in range(2):
        result = document(await caller.check_out(cart["id"]))
        (told,) = result["orderErrors"]
        assert (told["orderGroupId"], told["code"]) == ("other", 800060)
        assert groups_of(cloud) == ["good"]
        assert (await caller.get(cart["id"]))["status"] == "Active"

    ((seconds, act),) = timers
    assert seconds == 9
    act()
    assert groups_of(cloud) == ["good", "other"]
    assert (await caller.get(cart["id"]))["status"] == "Ordered"
    result = document(await caller.check_out(cart["id"]))
    assert (len(result["orders"]), "orderErrors" in result) == (2, False)
    cloud.reset()
    assert timers == []
    assert cloud.partner_center.group_errors == []


@pytest.mark.parametrize("repeat", [True, False])
async def test_a_cart_is_ordered_once(cloud: LocalCloud, caller: Caller, repeat: bool) -> None:
    cloud.partner_center.repeat_checkout = repeat
    cart = await caller.create(line())
    first = await caller.check_out(cart["id"])
    second = await caller.check_out(cart["id"])
    if not repeat:
        assert refusal(second) == (400, "800065")
        same = {"MS-RequestId": first.headers["MS-RequestId"]}
        second = await caller.check_out(cart["id"], headers=same)
    assert (second.status_code, document(second)) == (201, document(first))
    (order,) = cloud.partner_center.orders.values()
    assert len(order.request_ids) == 2

    ordered = await caller.get(cart["id"])
    assert refusal(await caller.put(cart["id"], licence())) == (400, "800065")
    assert await caller.get(cart["id"]) == ordered


@pytest.mark.parametrize(("deduplicate", "orders"), [(True, 0), (False, 1)])
async def test_a_repeated_request_id_at_checkout(
    cloud: LocalCloud, caller: Caller, deduplicate: bool, orders: int
) -> None:
    cloud.partner_center.deduplicate = deduplicate
    cart, other = await caller.create(UNSTEADY), await caller.create(line())
    same = {"MS-RequestId": str(uuid.uuid4())}
    for _ in range(2):
        answer = await caller.check_out(cart["id"], headers=same)
    assert len(document(answer)["orders"]) == len(cloud.partner_center.orders) == orders
    (order,) = document(await caller.check_out(other["id"], headers=same))["orders"]
    assert cloud.partner_center.orders[order["id"]].cart_id == other["id"]
    await caller.check_out(cart["id"])
    assert len(cloud.partner_center.orders) == 2


async def test_a_change_keeps_other_changes_of_the_cart_out(
    cloud: LocalCloud, caller: Caller, end_of_change: asyncio.Event
) -> None:
    cart, other = await caller.create(line()), await caller.create(line())
    for change in (caller.put(cart["id"], line(quantity=2)), caller.check_out(cart["id"])):
        before = await caller.get(cart["id"])
        slow = asyncio.create_task(change)
        await until(lambda: cloud.partner_center.carts[cart["id"]].busy)
        assert await caller.get(cart["id"]) == before
        for code in ("800064", "800060"):
            cloud.partner_center.busy_code = code
            assert refusal(await caller.put(cart["id"], line())) == (409, code)
            assert refusal(await caller.check_out(cart["id"])) == (409, code)
        elsewhere = asyncio.create_task(caller.put(other["id"], line(quantity=4)))
        await until(lambda: cloud.partner_center.carts[other["id"]].busy)
        end_of_change.set()
        assert {(await slow).status_code, (await elsewhere).status_code} == {201}
        end_of_change.clear()
    assert (await caller.get(cart["id"]))["status"] == "Ordered"
    assert len(cloud.partner_center.orders) == 1


async def test_a_caller_that_gives_up_does_not_stop_a_slow_checkout(
    cloud: LocalCloud, caller: Caller, end_of_change: asyncio.Event
) -> None:
    cart = await caller.create(line())
    stored = cloud.partner_center.carts[cart["id"]]
    slow = asyncio.create_task(caller.check_out(cart["id"]))
    await until(lambda: stored.busy)
    slow.cancel()
    await asyncio.wait([slow])
    assert refusal(await caller.check_out(cart["id"])) == (409, "800064")
    assert cloud.partner_center.orders == {}
    end_of_change.set()
    await until(lambda: not stored.busy)
    assert len(cloud.partner_center.orders) == 1


async def test_a_refused_change_lets_the_next_one_in(cloud: LocalCloud, caller: Caller) -> None:
    cart = await caller.create(line(quantity=2))
    assert (await caller.put(cart["id"])).status_code == 400
    assert (await caller.check_out(cart["id"])).status_code == 201
