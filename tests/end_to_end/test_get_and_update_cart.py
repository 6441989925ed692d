"""Reading and changing a cart through the whole chain."""

import json
import uuid

import pytest
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.faults import Fault

from tests.end_to_end.chain import (
    ANOTHER_CUSTOMER,
    CUSTOMER,
    FOR_USER,
    ITEM,
    MARKER,
    NO_CALLS,
    UNKNOWN_CART,
    UNKNOWN_ITEM,
    Chain,
    cart,
    check_request,
    licence,
    line,
    operations,
    problem,
    request_ids,
)

# --- reading ----------------------------------------------------------------------------------


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


def test_a_cart_can_be_read_and_changed_where_nothing_may_be_bought(chain: Chain) -> None:
    cart_id = chain.create()["id"]

    assert chain.get(cart_id).status_code == 200
    assert chain.put(cart_id, cart(quantity=2)).status_code == 200
    assert chain.calls() == {"partner_center": 2}


def test_a_read_is_never_answered_from_memory(buying: Chain) -> None:
    cart_id = buying.create()["id"]
    key = {"Idempotency-Key": str(uuid.uuid4())}

    before = buying.get(cart_id, headers=key)
    buying.cloud.partner_center.check_out(cart_id)
    after = buying.get(cart_id, headers=key)

    assert [before.json()["status"], after.json()["status"]] == ["Active", "Ordered"]
    assert before.headers["MS-RequestId"] != after.headers["MS-RequestId"]
    assert "Idempotent-Replayed" not in after.headers


@pytest.mark.parametrize(("method", "which"), [("GET", "another customer's"), ("PUT", "expired")])
def test_a_cart_that_does_not_exist(buying: Chain, method: str, which: str) -> None:
    cart_id = buying.create()["id"]
    customer = CUSTOMER
    if which == "expired":
        buying.cloud.partner_center.expire(cart_id)
    else:
        customer = ANOTHER_CUSTOMER

    answer = buying.ask(method, f"carts/{cart_id}", cart(), customer=customer)

    error = problem(answer, 404, "partner_center_not_found", "rejected", False)
    assert error["partnerCenter"]["code"] == "800008"
    assert len(buying.sent()) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("partner_center", times=None, status=500), 502, "partner_center_failed"),
        (Fault("partner_center", times=None, action="drop"), 502, "partner_center_no_answer"),
        (
            Fault("partner_center", times=None, status=200, body="{}"),
            *(502, "partner_center_unreadable"),
        ),
        (Fault("partner_center", times=None, status=408), 504, "partner_center_timeout"),
    ],
)
def test_a_read_that_fails_has_changed_nothing(
    impatient: Chain, fault: Fault, status: int, code: str
) -> None:
    cart_id = impatient.create()["id"]
    impatient.cloud.faults.inject(fault)

    problem(impatient.get(cart_id), status, code, "rejected", True)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_lost_answer_is_asked_for_again_under_the_same_request_id(
    buying: Chain, method: str
) -> None:
    cart_id = buying.create()["id"]
    buying.cloud.faults.inject(Fault("partner_center", action="drop", commit=True))

    answer = buying.ask(method, f"carts/{cart_id}", cart())

    assert answer.status_code == 200
    first, second = buying.sent()
    assert first.body == second.body
    assert len(request_ids([first, second])) == 1


# --- changing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("put_status", [200, 201])
def test_a_cart_is_changed(buying: Chain, put_status: int) -> None:
    created = buying.create(catalogItemId=UNKNOWN_ITEM)
    buying.cloud.partner_center.put_status = put_status
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


@pytest.mark.parametrize(
    ("busy_code", "status", "code", "retry_after"),
    [
        ("800064", 503, "partner_center_busy", "5"),
        ("800060", 409, "partner_center_conflict", None),
    ],
)
def test_a_cart_that_another_request_is_changing(
    buying: Chain, busy_code: str, status: int, code: str, retry_after: str | None
) -> None:
    created = buying.create()
    buying.cloud.partner_center.busy_code = busy_code
    buying.cloud.partner_center.carts[created["id"]].busy = True

    answer = buying.put(created["id"], cart(quantity=3))

    error = problem(answer, status, code, "rejected")
    assert error["partnerCenter"]["code"] == busy_code
    assert answer.headers.get("Retry-After") == retry_after
    assert buying.get(created["id"]).json()["lineItems"] == created["lineItems"]


def test_a_change_whose_outcome_is_unknown(buying: Chain) -> None:
    cart_id = buying.create()["id"]
    buying.cloud.faults.inject(
        Fault("partner_center", times=None, method="PUT", action="drop", commit=True)
    )

    answer = buying.put(cart_id, cart(quantity=2))

    problem(answer, 502, "partner_center_no_answer", "unknown", True)
    assert set(operations(buying.sent())) == {"update"}
    assert len(request_ids(buying.sent())) == 1
    assert buying.get(cart_id).json()["lineItems"][0]["quantity"] == 2


# --- what is wrong ----------------------------------------------------------------------------


def test_all_that_is_wrong_with_a_change_is_listed(buying: Chain) -> None:
    customers_cart = {**cart(quantity=0), "id": 1, "customerId": ANOTHER_CUSTOMER}

    for cart_id, customer, errors in (
        ("x", "y", [("", "invalid_customer_id"), ("", "invalid_cart_id")]),
        (UNKNOWN_CART, CUSTOMER, [("/id", "cart_mismatch"), ("/customerId", "customer_mismatch")]),
    ):
        answer = buying.put(cart_id, customers_cart, customer=customer)
        error = problem(answer, 400, "invalid_request", "not_sent", False)
        listed = [(each["pointer"], each["code"]) for each in error["errors"]]
        assert set(errors) < set(listed)
        assert listed[-1] == ("/lineItems/0/quantity", "out_of_range")
    error = problem(buying.get("x", customer="y"), 400, "invalid_request", "not_sent", False)
    assert {each["code"] for each in error["errors"]} == {"invalid_cart_id", "invalid_customer_id"}
    assert buying.calls() == NO_CALLS
