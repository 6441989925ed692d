"""Reading and changing a cart through the whole chain."""

import json
import uuid

from partner_center_emulator.partner_center import catalogue

from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    ITEM,
    MARKER,
    UNKNOWN_ITEM,
    Chain,
    cart,
    check_request,
    licence,
    line,
)


def test_a_cart_is_read(buying: Chain) -> None:
    created = buying.create(provisioningContext={"scope": "shared"})
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = buying.get(created["id"].upper(), customer=CUSTOMER.upper(), headers=headers)

    assert (answer.status_code, answer.json()) == (200, created)
    [arrival] = buying.sent()
    assert (arrival.method, arrival.query, arrival.body) == ("GET", "", b"")
    assert arrival.path == f"/v1/customers/{CUSTOMER}/carts/{created['id']}"
    check_request(arrival, answer, correlation_id, x_locale="de-DE")
    assert not {"location", "idempotent-replayed", "set-cookie"} & set(answer.headers)


def test_a_cart_is_changed(buying: Chain) -> None:
    created = buying.create(catalogItemId=UNKNOWN_ITEM)
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, **FOR_USER}

    answer = buying.put(created["id"].upper(), cart(id=4, quantity=3), headers=headers)

    assert answer.status_code == 200
    [arrival] = buying.sent()
    assert arrival.method == "PUT"
    assert arrival.path == f"/v1/customers/{CUSTOMER}/carts/{created['id']}"
    assert (
        arrival.body
        == (
            f'{{"id":"{created["id"]}","lineItems":[{{"id":4,"catalogItemId":"{ITEM}",'
            f'"friendlyName":"{MARKER}","quantity":3,"billingCycle":"one_time"}}]}}'
        ).encode()
    )
    check_request(arrival, answer, correlation_id)
    body = answer.json()
    assert body["id"] == created["id"]
    assert [(item["id"], item["quantity"]) for item in body["lineItems"]] == [(4, 3)]
    assert (created["orderable"], body["orderable"]) == (False, True)
    assert body["creationTimestamp"] == created["creationTimestamp"]
    assert body["lastModifiedTimestamp"] > created["lastModifiedTimestamp"]
    assert body["warnings"] == []
    assert "location" not in answer.headers
    assert buying.get(created["id"]).json() == body


def test_what_was_read_can_be_put_back(buying: Chain) -> None:
    document = {
        "partnerOnRecordAttestationAccepted": True,
        "BudgetCode": {"deep": [1, None]},
        **cart(
            licence(
                participants={"transaction_reseller": "5139005"},
                provisioningContext={"Scope": "shared"},
                orderGroup="7",
                renewsTo={"termDuration": "P1Y"},
                addonItems=[licence(catalogue.ADD_ON, quantity=2)],
                CostCenter=7,
            ),
            line(catalogItemId=UNKNOWN_ITEM, customTermEndDate="2027-01-31T00:00:00Z"),
        ),
    }
    cart_id = buying.post(document).json()["id"]
    read = buying.get(cart_id).json()
    others = {name: value for name, value in read.items() if name != "id"}

    answer = buying.put(cart_id, {"ID": cart_id.upper(), **others})

    assert answer.status_code == 200
    body = answer.json()
    assert {w["code"] for w in body.pop("warnings")} == {"unknown_member"}
    assert read.pop("warnings") == []
    assert body.pop("lastModifiedTimestamp") >= read.pop("lastModifiedTimestamp")
    assert body == read
    assert read["lineItems"][0]["pricing"]["price"] == 6.0
    assert read["lineItems"][1]["error"]["code"] == "10001"
    sent = json.loads(buying.sent()[-1].body)
    assert sent["id"] == cart_id
    assert sent["BudgetCode"] == {"deep": [1, None]}
    assert sent["lineItems"][0]["CostCenter"] == 7
    assert list(sent) == ["id", "partnerOnRecordAttestationAccepted", "lineItems", "BudgetCode"]
    assert not {"error", "pricing"} & set(sent["lineItems"][0]) | {"customerId"} & set(sent)
