"""The app under Microsoft's own worker library."""

import json
from xml.etree import ElementTree

from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite

from cart_core import __version__
from local.environment import app_environment
from local.samples import SAMPLE_CART
from tests.end_to_end.chain import CUSTOMER
from tests.kit.declared import functions
from tests.worker.app import HEALTH, create, needs_the_worker, request, run

pytestmark = needs_the_worker


def test_it_indexes_what_the_app_declares_and_answers_without_settings() -> None:
    result = run(HEALTH, create(SAMPLE_CART))

    indexed = result["functions"]
    assert indexed.keys() == {each.get_function_name() for each in functions()}
    assert indexed["get_cart"] == [
        {
            "type": "httpTrigger",
            "direction": "IN",
            "name": "req",
            "methods": ["GET"],
            "authLevel": "FUNCTION",
            "route": "customers/{customerId}/carts/{cartId}",
        },
        {"type": "http", "direction": "OUT", "name": "$return"},
    ]
    health, unconfigured = result["answers"]
    assert health["status"] == 200
    assert json.loads(health["body"]) == {"status": "ok", "version": __version__}
    assert unconfigured["status"] == 503
    assert json.loads(unconfigured["body"])["code"] == "configuration_invalid"


def test_a_cart_is_created_read_changed_and_bought_through_the_local_cloud() -> None:
    with LocalCloud.in_thread() as cloud:
        environment = app_environment(cloud, CART_ALLOW_CHECKOUT="true")
        invalid, empty, created = run(
            create("[]"),
            create(""),
            create(SAMPLE_CART, CUSTOMER.upper()),
            environment=environment,
        )["answers"]
        cart = json.loads(created["body"])
        cart["lineItems"][0]["quantity"] = 3
        path = f"/{cart['id']}"
        changed, read, bought = run(
            request("update_cart", "PUT", path, json.dumps(cart), cartId=cart["id"]),
            request("get_cart", "GET", path, "", cartId=cart["id"]),
            request("checkout_cart", "POST", f"{path}/checkout", "", cartId=cart["id"]),
            environment=environment,
        )["answers"]
        assert cart["id"] in cloud.partner_center.carts

    assert (invalid["status"], json.loads(invalid["body"])["code"]) == (400, "invalid_request")
    assert (empty["status"], json.loads(empty["body"])["code"]) == (400, "invalid_json")
    assert created["status"] == 201
    assert created["headers"]["Location"] == f"/api/customers/{CUSTOMER}/carts/{cart['id']}"
    assert created["headers"]["content-type"] == "application/json"
    assert (changed["status"], read["status"], bought["status"]) == (200, 200, 201)
    for answer in (changed, read):
        assert json.loads(answer["body"])["lineItems"][0]["quantity"] == 3
    order = json.loads(bought["body"])
    assert (order["cartId"], order["status"]) == (cart["id"], "completed")


def test_an_accepted_order_is_worked_off_by_a_message_of_the_queue(azurite: Azurite) -> None:
    with LocalCloud.in_thread(azurite=azurite) as cloud:
        environment = app_environment(cloud)
        order = create(SAMPLE_CART)
        order["headers"] |= {"idempotency-key": "order-1", "prefer": "respond-async"}
        [accepted] = run(order, environment=environment)["answers"]
        assert accepted["status"] == 202
        [hung] = cloud.journal.requests("storage", "accepted-operations/messages")
        bell = ElementTree.fromstring(hung.body).findtext("MessageText")
        result = run({"function": "work_off", "message": bell}, order, environment=environment)
        assert len(cloud.partner_center.carts) == 1

    assert result["functions"]["work_off"] == [
        {
            "type": "queueTrigger",
            "direction": "IN",
            "name": "message",
            "queueName": "accepted-operations",
            "connection": "AzureWebJobsStorage",
        }
    ]
    assert result["answers"][1]["status"] == 201
    assert result["answers"][1]["headers"]["Idempotent-Replayed"] == "true"
