"""A cart is bought, through the whole chain: what is sent, what is answered, and never twice.

The unit tests have the tables of all that Partner Center may answer; here is one row for each end.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.faults import Action, Fault

from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    NO_CALLS,
    USER,
    Chain,
    check_request,
    licence,
    operations,
    problem,
    request_ids,
)

CHECKOUT = "/checkout$"
"""Faults with this path hit checkouts alone."""
GOOD = licence(orderGroup="good")
HOPELESS = licence(catalogue.NO_CREDIT, orderGroup="hopeless")
UNSTEADY = licence(catalogue.UNSTEADY, orderGroup="unsteady")


def refusal(status: int, code: str, times: int | None = 1) -> Fault:
    """Partner Center refuses checkouts with this code."""
    body = {"code": code, "description": "Told by Partner Center.", "data": [], "source": "x"}
    return Fault("partner_center", times=times, path=CHECKOUT, status=status, body=body)


def test_a_cart_is_bought(buying: Chain) -> None:
    cart_id = buying.create(licence(quantity=2, currencyCode="EUR", friendlyName="mine"))["id"]
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = buying.check_out(cart_id.upper(), customer=CUSTOMER.upper(), headers=headers)

    assert answer.status_code == 201
    [arrival] = buying.sent()
    assert (arrival.method, arrival.query, arrival.body) == ("POST", "", b"")
    assert arrival.path == f"/v1/customers/{CUSTOMER}/carts/{cart_id}/checkout"
    check_request(arrival, answer, correlation_id, x_locale="de-DE", x_ms_customeruser_upn=USER)
    [order] = buying.cloud.partner_center.orders.values()
    assert order.customer_user == USER
    body = answer.json()
    assert (body["cartId"], body["customerId"], body["status"]) == (cart_id, CUSTOMER, "completed")
    assert (body["orderErrors"], body["warnings"]) == ([], [])
    [shown] = body["orders"]
    assert shown["id"] == order.document["id"]
    assert shown["creationDate"] == order.document["creationDate"].replace("Z", "")[:26] + "Z"
    assert (shown["currencyCode"], shown["totalPrice"]) == ("EUR", 12.0)
    [item] = shown["lineItems"]
    assert (item["offerId"], item["quantity"]) == (catalogue.BUSINESS_BASIC, 2)
    assert item["subscriptionId"] == order.document["lineItems"][0]["subscriptionId"]
    assert item["friendlyName"] == "mine"
    assert list(body) == ["cartId", "customerId", "status", "orders", "orderErrors", "warnings"]
    assert buying.get(cart_id).json()["status"] == "Ordered"


def test_a_repeated_checkout_is_a_replay_whoever_asks_and_however(buying: Chain) -> None:
    cart_id = buying.create()["id"]
    first = buying.check_out(cart_id, body=" {\n} ")

    for headers in ({}, {"Idempotency-Key": "mine"}):
        again = buying.check_out(cart_id.upper(), headers=headers)
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["MS-RequestId"] == first.headers["MS-RequestId"]
        assert again.headers["MS-CV"] == first.headers["MS-CV"]
        assert again.headers["MS-CorrelationId"] != first.headers["MS-CorrelationId"]
    problem(buying.check_out(cart_id, headers=FOR_USER), 422, "idempotency_key_reused", "not_sent")
    [arrival] = buying.sent()
    assert arrival.body == b""
    assert "x-ms-customeruser-upn" not in arrival.headers
    assert "Idempotent-Replayed" not in first.headers


def test_many_at_once_buy_one_cart_once(buying: Chain) -> None:
    cart_id = buying.create()["id"]
    buying.cloud.faults.inject(Fault("partner_center", delay=0.3))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: buying.check_out(cart_id), range(8)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7
    assert operations(buying.sent()) == ["checkout"]
    assert buying.orders() == [(cart_id, "0")]


# --- what is not allowed, and what is wrong ---------------------------------------------------


@pytest.mark.parametrize("path", ["carts/x/checkout", "orders"])
def test_nothing_is_bought_unless_it_is_allowed(chain: Chain, path: str) -> None:
    answer = chain.ask("POST", path, "nonsense", headers={"Idempotency-Key": "a b"})

    error = problem(answer, 403, "checkout_disabled", "not_sent", False)
    assert "CART_ALLOW_CHECKOUT" in error["detail"]
    assert chain.calls() == NO_CALLS


def test_all_that_is_wrong_with_a_checkout_is_listed(buying: Chain) -> None:
    user = {"x-ms-customeruser-upn": "nobody"}

    answer = buying.check_out("x", customer="y", headers=user, body=b" " * 200_000 + b"x")

    error = problem(answer, 400, "invalid_request", "not_sent", False)
    assert [(each["pointer"], each["code"]) for each in error["errors"]] == [
        ("", "invalid_customer_id"),
        ("", "invalid_cart_id"),
        ("", "invalid_customer_user"),
        ("", "unexpected_body"),
    ]
    assert buying.calls() == NO_CALLS


# --- a cart that is ordered already, or just being ordered ------------------------------------


@pytest.mark.parametrize("repeat_checkout", [True, False])
def test_a_cart_that_somebody_else_has_ordered(buying: Chain, repeat_checkout: bool) -> None:
    cart_id = buying.create()["id"]
    buying.cloud.partner_center.repeat_checkout = repeat_checkout
    buying.cloud.partner_center.check_out(cart_id)

    answer = buying.check_out(cart_id)

    body = answer.json()
    assert (answer.status_code, body["cartId"], body["orderErrors"]) == (201, cart_id, [])
    warnings = [warning["code"] for warning in body["warnings"]]
    if repeat_checkout:
        assert (body["status"], len(body["orders"]), warnings) == ("completed", 1, [])
        assert operations(buying.sent()) == ["checkout"]
    else:
        assert (body["status"], body["orders"]) == ("ordered", [])
        assert warnings == ["orders_not_retrieved"]
        assert operations(buying.sent()) == ["checkout", "get", "checkout"]
        # Partner Center answered the first checkout, so the second has another id.
        assert len(request_ids(buying.sent("checkout"))) == 2
    assert len(buying.orders()) == 1
    again = buying.check_out(cart_id)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (body, "true")


def test_the_order_is_in_progress(buying: Chain) -> None:
    cart_id = buying.create()["id"]
    buying.cloud.faults.inject(refusal(409, "800060", times=None))

    error = problem(buying.check_out(cart_id), 502, "partner_center_no_answer", "unknown", True)
    assert error["partnerCenter"]["code"] == "800060"
    assert operations(buying.sent()) == ["checkout", "get"] * 4 + ["checkout"]
    assert len(request_ids(buying.sent("checkout"))) == 5
    buying.cloud.faults.clear()
    assert buying.check_out(cart_id).json()["status"] == "completed"
    assert len(buying.orders()) == 1


# --- answers that get lost --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "status", "commit", "deduplicate", "repeat_checkout", "expected"),
    [
        ("drop", None, False, False, False, "completed"),
        ("drop", None, True, True, False, "completed"),
        ("reset", None, True, False, True, "completed"),
        ("truncate", None, True, False, False, "ordered"),
        ("garble", None, True, False, False, "ordered"),
        (None, 500, True, False, False, "ordered"),
        (None, 201, True, False, False, "ordered"),
    ],
)
def test_a_lost_answer_is_found_again(
    buying: Chain, action: Action | None, status: int | None, commit: bool, deduplicate: bool,
    repeat_checkout: bool, expected: str,
) -> None:  # fmt: skip
    cart_id = buying.create()["id"]
    partner_center = buying.cloud.partner_center
    partner_center.repeat_checkout, partner_center.deduplicate = repeat_checkout, deduplicate
    fault = Fault("partner_center", path=CHECKOUT, action=action, status=status, commit=commit)
    fault.body = "{}"
    buying.cloud.faults.inject(fault)

    answer = buying.check_out(cart_id)

    assert (answer.status_code, answer.json()["status"]) == (201, expected)
    assert operations(buying.sent()) == ["checkout", "get", "checkout"]
    assert len(request_ids(buying.sent("checkout"))) == 1
    assert buying.orders() == [(cart_id, "0")]


def test_a_checkout_that_is_lost_for_good_is_found_by_the_next_request(buying: Chain) -> None:
    cart_id = buying.create()["id"]
    buying.cloud.faults.inject(
        Fault("partner_center", times=None, path=CHECKOUT, action="drop", commit=True)
    )
    error = problem(buying.check_out(cart_id), 502, "partner_center_no_answer", "unknown", True)
    buying.cloud.faults.clear()
    buying.cloud.journal.clear()

    answer = buying.check_out(cart_id)

    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert "Idempotent-Replayed" not in answer.headers
    assert operations(buying.sent()) == ["get", "checkout"]
    assert request_ids(buying.sent("checkout")) == {error["requestId"]}
    assert buying.orders() == [(cart_id, "0")]


# --- carts that are bought in part, or not at all ---------------------------------------------


def test_a_part_is_bought_and_then_the_rest(buying: Chain) -> None:
    cart_id = buying.create(GOOD, UNSTEADY)["id"]

    first = buying.check_out(cart_id, headers=FOR_USER)

    body = first.json()
    assert (first.status_code, body["status"]) == (201, "partial")
    assert [order["lineItems"][0]["offerId"] for order in body["orders"]] == [
        catalogue.BUSINESS_BASIC
    ]
    assert body["orderErrors"] == [
        {
            "orderGroupId": "unsteady",
            "code": "800005",
            "description": "The order could not be created.",
        }
    ]
    problem(buying.check_out(cart_id), 422, "idempotency_key_reused")
    second = buying.check_out(cart_id, headers=FOR_USER)
    assert (second.status_code, second.json()["status"]) == (201, "completed")
    assert "Idempotent-Replayed" not in second.headers
    assert second.json()["orders"][0]["id"] == body["orders"][0]["id"]
    assert operations(buying.sent()) == ["checkout", "get", "checkout"]
    assert len(request_ids(buying.sent("checkout"))) == 2
    assert buying.orders() == [(cart_id, "good"), (cart_id, "unsteady")]
    third = buying.check_out(cart_id, headers=FOR_USER)
    assert (third.json(), third.headers["Idempotent-Replayed"]) == (second.json(), "true")
    assert len(buying.sent()) == 3


def test_a_part_stays_bought_when_the_rest_is_refused(buying: Chain) -> None:
    cart_id = buying.create(GOOD, HOPELESS)["id"]
    first = buying.check_out(cart_id).json()
    buying.cloud.partner_center.expire(cart_id)

    for _ in range(2):
        answer = buying.check_out(cart_id)
        body = answer.json()
        assert (answer.status_code, body["status"]) == (201, "partial")
        assert (body["orders"], body["orderErrors"]) == (first["orders"], first["orderErrors"])
        assert [warning["code"] for warning in body["warnings"]] == ["rest_refused"]
        assert "800008" in body["warnings"][0]["detail"]
        assert "Idempotent-Replayed" not in answer.headers
    assert buying.orders() == [(cart_id, "good")]


def test_nothing_is_ordered(buying: Chain) -> None:
    cart_id = buying.create(HOPELESS)["id"]

    for expected in (["checkout", "get"], ["checkout", "get", "get", "checkout", "get"]):
        error = problem(buying.check_out(cart_id), 422, "checkout_failed", "rejected", False)
        assert error["cart"] is None
        assert error["orderErrors"] == [
            {
                "orderGroupId": "hopeless",
                "code": "800023",
                "description": "The credit line is too low.",
            }
        ]
        assert "The credit line is too low." in error["detail"]
        assert operations(buying.sent()) == expected
    assert buying.orders() == []


def test_a_cart_that_is_not_orderable_is_changed_and_then_bought(buying: Chain) -> None:
    cart_id = buying.create(GOOD, licence(catalogue.SOLD_OUT))["id"]

    error = problem(buying.check_out(cart_id), 422, "cart_not_orderable", "rejected", False)

    assert error["orderErrors"] == []
    assert operations(buying.sent()) == ["checkout", "get"]
    shown: dict[str, Any] = error["cart"]
    assert shown == buying.get(cart_id).json()
    assert [bool(item["error"]) for item in shown["lineItems"]] == [False, True]

    del shown["lineItems"][1]
    assert buying.put(cart_id, shown).json()["orderable"] is True
    assert buying.check_out(cart_id).json()["status"] == "completed"
    assert buying.orders() == [(cart_id, "good")]
