"""An order in one call through the whole chain: a cart, bought, once for each key."""

import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.faults import Action, Fault

from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    FUNCTION_KEY,
    NOTHING,
    USER,
    Chain,
    cart,
    line,
    problem,
)

CREATE, CHECKOUT = "/carts$", "/checkout$"
"""Faults with these paths hit nothing else."""


def licence(item: str = catalogue.BUSINESS_BASIC, **members: Any) -> dict[str, Any]:
    """A line with a licence."""
    return line(catalogItemId=item, billingCycle="monthly", termDuration="P1Y", **members)


IN_PART = {
    "lineItems": [licence(orderGroup="good"), licence(catalogue.UNSTEADY, orderGroup="unsteady")]
}
UNSOLD = {"lineItems": [licence(orderGroup="good"), licence(catalogue.SOLD_OUT)]}
HOPELESS = {"lineItems": [licence(catalogue.NO_CREDIT, orderGroup="hopeless")]}


@pytest.fixture
def key() -> str:
    """A key that nobody has used yet."""
    return str(uuid.uuid4())


def asked(chain: Chain) -> list[str]:
    """What Partner Center received: method and last part of the path."""
    short = {"carts": "create", "checkout": "checkout"}
    last = [(a.method, a.path.rpartition("/")[2]) for a in chain.sent()]
    return [short.get(part, method.lower()) for method, part in last]


def carts(chain: Chain) -> list[str]:
    """The carts that exist."""
    return list(chain.cloud.partner_center.carts)


def bought(chain: Chain) -> list[tuple[str, str]]:
    """Cart and order group of each order that exists."""
    return [(o.cart_id, o.order_group) for o in chain.cloud.partner_center.orders.values()]


# --- the common path --------------------------------------------------------------------------


def test_an_order(buying: Chain, key: str) -> None:
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = buying.order(key, customer=CUSTOMER.upper(), headers=headers)

    assert answer.status_code == 201
    create, checkout = buying.sent()
    [cart_id] = carts(buying)
    assert create.path == f"/v1/customers/{CUSTOMER}/carts"
    assert checkout.path == f"/v1/customers/{CUSTOMER}/carts/{cart_id}/checkout"
    assert json.loads(create.body)["lineItems"][0]["catalogItemId"] == line()["catalogItemId"]
    assert checkout.body == b""
    assert create.headers["ms-requestid"] != checkout.headers["ms-requestid"]
    for arrival in (create, checkout):
        assert arrival.method == "POST"
        assert arrival.headers["ms-correlationid"] == correlation_id
        assert arrival.headers["x-locale"] == "de-DE"
        assert "idempotency-key" not in arrival.headers
    assert "x-ms-customeruser-upn" not in create.headers
    assert checkout.headers["x-ms-customeruser-upn"] == USER
    told = answer.json()
    assert list(told) == ["cartId", "customerId", "status", "orders", "orderErrors", "warnings"]
    assert (told["cartId"], told["customerId"], told["status"]) == (cart_id, CUSTOMER, "completed")
    assert [order["id"] for order in told["orders"]] == list(buying.cloud.partner_center.orders)
    assert (told["orderErrors"], told["warnings"]) == ([], [])
    assert answer.headers["MS-RequestId"] == checkout.headers["ms-requestid"]
    assert answer.headers["MS-CorrelationId"] == correlation_id
    assert answer.headers["MS-CV"]
    assert "location" not in answer.headers


def test_a_replay(buying: Chain, key: str) -> None:
    first = buying.order(key)

    again = buying.order(None, headers={"webhook-id": key})

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["MS-RequestId"] == first.headers["MS-RequestId"]
    assert again.headers["MS-CorrelationId"] != first.headers["MS-CorrelationId"]
    assert asked(buying) == ["create", "checkout"]


def test_many_at_once(buying: Chain, key: str) -> None:
    buying.cloud.faults.inject(Fault("partner_center", delay=0.3))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: buying.order(key), range(8)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert asked(buying) == ["create", "checkout"]


def test_the_carts_route_and_the_orders_route_do_not_share_keys(buying: Chain, key: str) -> None:
    made = buying.post(headers={"Idempotency-Key": key})
    ordered = buying.order(key)

    assert (made.status_code, ordered.status_code) == (201, 201)
    assert ordered.json()["cartId"] != made.json()["id"]
    assert bought(buying) == [(ordered.json()["cartId"], "0")]


def test_checking_out_the_cart_of_an_order_buys_nothing_more(buying: Chain, key: str) -> None:
    ordered = buying.order(key)

    answer = buying.check_out(ordered.json()["cartId"])

    assert (answer.status_code, answer.json()) == (201, ordered.json())
    assert len(bought(buying)) == 1


# --- what is wrong ----------------------------------------------------------------------------


def test_a_key_is_required(buying: Chain) -> None:
    told = problem(buying.order(None))

    assert (told["status"], told["code"]) == (400, "idempotency_key_required")
    assert (told["outcome"], told["retryable"]) == ("not_sent", False)
    assert buying.calls() == NOTHING


@pytest.mark.parametrize(
    ("body", "headers", "customer", "status", "code", "errors"),
    [
        (cart(BudgetCode=7), {}, CUSTOMER, 400, "invalid_request", ["unknown_member"]),
        (cart(quantity=0), {}, CUSTOMER, 400, "invalid_request", ["out_of_range"]),
        (cart(), {}, "x", 400, "invalid_request", ["invalid_customer_id"]),
        (
            cart(),
            {"x-ms-customeruser-upn": "nobody"},
            CUSTOMER,
            400,
            "invalid_request",
            ["invalid_customer_user"],
        ),
        ("{", {}, CUSTOMER, 400, "invalid_json", []),
        ("<cart/>", {"Content-Type": "text/xml"}, CUSTOMER, 415, "unsupported_media_type", []),
        (cart(), {"Idempotency-Key": "a b"}, CUSTOMER, 400, "invalid_idempotency_key", []),
    ],
    ids=["unknown", "quantity", "customer", "user", "json", "type", "key"],
)
def test_a_wrong_order(
    buying: Chain, key: str, body: Any, headers: dict[str, str], customer: str, status: int,
    code: str, errors: list[str],
) -> None:  # fmt: skip
    told = problem(buying.order(key, body, headers=headers, customer=customer))

    assert (told["status"], told["code"], told["outcome"]) == (status, code, "not_sent")
    assert [error["code"] for error in told["errors"]] == errors
    assert buying.calls() == NOTHING


def test_members_that_nobody_documents_where_they_are_welcome(
    start: Callable[..., Chain], key: str
) -> None:
    chain = start(CART_ALLOW_CHECKOUT="true", CART_UNKNOWN_MEMBERS="forward")

    answer = chain.order(key, cart(BudgetCode=7))

    assert answer.status_code == 201
    assert [w["code"] for w in answer.json()["warnings"]] == ["unknown_member"]
    assert json.loads(chain.sent()[0].body)["lineItems"][0]["BudgetCode"] == 7


def test_who_may_not(buying: Chain) -> None:
    path = f"/api/customers/{CUSTOMER}/orders"

    for headers in ({}, {"x-functions-key": "wrong"}):
        assert buying.send("POST", path, headers).status_code == 401
    for method in ("GET", "PUT", "DELETE"):
        assert buying.send(method, path, {"x-functions-key": FUNCTION_KEY}).status_code == 404
    assert buying.calls() == NOTHING


@pytest.mark.parametrize(
    ("body", "headers"), [(cart(quantity=2), {}), (cart(), FOR_USER)], ids=["cart", "user"]
)
def test_a_changed_order_needs_a_new_key(
    buying: Chain, key: str, body: Any, headers: dict[str, str]
) -> None:
    assert buying.order(key).status_code == 201

    told = problem(buying.order(key, body, headers=headers))

    assert (told["status"], told["code"]) == (422, "idempotency_key_reused")
    assert len(bought(buying)) == 1


# --- carts that cannot be ordered, or only in part --------------------------------------------


def test_an_order_that_cannot_be_and_is_once_its_cart_was_changed(buying: Chain, key: str) -> None:
    told = problem(buying.order(key, UNSOLD, headers=FOR_USER))
    [cart_id] = carts(buying)
    assert (told["status"], told["code"]) == (422, "cart_not_orderable")
    assert (told["outcome"], told["retryable"], told["orderErrors"]) == ("rejected", False, [])
    found = told["cart"]
    assert (found["id"], found["orderable"]) == (cart_id, False)
    assert [bool(item["error"]) for item in found["lineItems"]] == [False, True]
    assert asked(buying) == ["create"]

    again = problem(buying.order(key, UNSOLD, headers=FOR_USER))
    assert (again["code"], again["cart"]) == ("cart_not_orderable", found)
    reused = problem(buying.order(key, {"lineItems": [licence()]}, headers=FOR_USER))
    assert reused["code"] == "idempotency_key_reused"
    assert asked(buying) == ["create", "get"]

    del found["lineItems"][1]
    assert buying.ask("PUT", f"carts/{cart_id}", found).json()["orderable"] is True
    answer = buying.order(key, UNSOLD, headers=FOR_USER)

    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert answer.json()["cartId"] == cart_id
    assert asked(buying) == ["create", "get", "put", "get", "checkout"]
    assert bought(buying) == [(cart_id, "good")]
    replayed = buying.order(key, UNSOLD, headers=FOR_USER)
    assert (replayed.json(), replayed.headers["Idempotent-Replayed"]) == (answer.json(), "true")


def test_the_cart_of_an_order_expires_before_it_was_changed(buying: Chain, key: str) -> None:
    problem(buying.order(key, UNSOLD))
    [cart_id] = carts(buying)
    buying.cloud.partner_center.expire(cart_id)

    told = problem(buying.order(key, UNSOLD))

    assert (told["status"], told["code"]) == (404, "partner_center_not_found")
    assert (told["outcome"], told["partnerCenter"]["code"]) == ("rejected", "800008")
    assert asked(buying) == ["create", "get"]


def test_a_part_is_bought_and_then_the_rest(buying: Chain, key: str) -> None:
    first, second, third = [buying.order(key, IN_PART) for _ in range(3)]

    [cart_id] = carts(buying)
    assert [a.json()["status"] for a in (first, second, third)] == [
        "partial",
        "completed",
        "completed",
    ]
    assert [error["orderGroupId"] for error in first.json()["orderErrors"]] == ["unsteady"]
    assert [len(a.json()["orders"]) for a in (first, second)] == [1, 2]
    assert ["Idempotent-Replayed" in a.headers for a in (first, second, third)] == [
        False,
        False,
        True,
    ]
    assert third.json() == second.json()
    assert asked(buying) == ["create", "checkout", "get", "checkout"]
    assert bought(buying) == [(cart_id, "good"), (cart_id, "unsteady")]


def test_nothing_is_ordered(buying: Chain, key: str) -> None:
    once = ["create", "checkout", "get"]
    for expected in (once, [*once, "get", "checkout", "get"]):
        told = problem(buying.order(key, HOPELESS))
        assert (told["status"], told["code"]) == (422, "checkout_failed")
        assert (told["outcome"], told["cart"]) == ("rejected", None)
        assert [error["code"] for error in told["orderErrors"]] == ["800023"]
        assert asked(buying) == expected
    assert (len(carts(buying)), bought(buying)) == (1, [])


# --- failures on the way ----------------------------------------------------------------------


def test_a_cart_that_is_refused_may_be_corrected_under_its_key(buying: Chain, key: str) -> None:
    body = {"code": "900142", "description": "Not so."}
    buying.cloud.faults.inject(Fault("partner_center", path=CREATE, status=400, body=body))

    told = problem(buying.order(key))

    assert (told["status"], told["code"]) == (400, "partner_center_invalid_request")
    assert (told["outcome"], asked(buying)) == ("rejected", ["create"])
    answer = buying.order(key, cart(quantity=2))
    assert answer.json()["orders"][0]["lineItems"][0]["quantity"] == 2


def test_a_checkout_that_is_refused_is_tried_again_with_the_same_cart(
    buying: Chain, key: str
) -> None:
    body = {"code": "20002", "description": "Not so."}
    buying.cloud.faults.inject(Fault("partner_center", path=CHECKOUT, status=403, body=body))

    told = problem(buying.order(key))

    [cart_id] = carts(buying)
    assert (told["status"], told["code"]) == (403, "partner_center_forbidden")
    assert told["outcome"] == "rejected"
    assert buying.order(key).json()["cartId"] == cart_id
    assert asked(buying) == ["create", "checkout", "get", "checkout"]


@pytest.mark.parametrize("deduplicate", [True, False])
@pytest.mark.parametrize("repeat_checkout", [True, False])
@pytest.mark.parametrize("path", [CREATE, CHECKOUT], ids=["create", "checkout"])
@pytest.mark.parametrize(
    ("action", "status", "commit"),
    [("drop", None, False), ("drop", None, True), ("truncate", None, True), (None, 503, True)],
)
def test_an_answer_that_is_lost(
    buying: Chain, key: str, action: Action | None, status: int | None, commit: bool, path: str,
    repeat_checkout: bool, deduplicate: bool,
) -> None:  # fmt: skip
    partner_center = buying.cloud.partner_center
    partner_center.repeat_checkout, partner_center.deduplicate = repeat_checkout, deduplicate
    buying.cloud.faults.inject(
        Fault("partner_center", path=path, action=action, status=status, commit=commit)
    )

    answer = buying.order(key)

    assert answer.status_code == 201
    twice = path == CREATE and commit and not deduplicate
    assert len(carts(buying)) == (2 if twice else 1)
    assert bought(buying) == [(answer.json()["cartId"], "0")]
    retrieved = path == CREATE or not commit or repeat_checkout or deduplicate
    assert answer.json()["status"] == ("completed" if retrieved else "ordered")
    ids = {a.headers["ms-requestid"] for a in buying.sent() if a.method == "POST"}
    assert len(ids) == 2


@pytest.mark.parametrize("repeat_checkout", [True, False])
def test_a_checkout_that_is_lost_for_good_and_then_found(
    buying: Chain, key: str, repeat_checkout: bool
) -> None:
    buying.cloud.partner_center.deduplicate = False
    buying.cloud.partner_center.repeat_checkout = repeat_checkout
    buying.cloud.faults.inject(
        Fault("partner_center", path=CHECKOUT, action="drop", commit=True),
        Fault("partner_center", times=None, method="GET", status=500),
    )
    told = problem(buying.order(key))
    assert (told["status"], told["outcome"]) == (502, "unknown")
    assert told["retryable"] is True
    buying.cloud.faults.clear()
    buying.cloud.journal.clear()

    answer = buying.order(key)

    [cart_id] = carts(buying)
    assert answer.json()["cartId"] == cart_id
    assert answer.json()["status"] == ("completed" if repeat_checkout else "ordered")
    assert asked(buying) == ["get", "checkout"]
    assert bought(buying) == [(cart_id, "0")]
    assert buying.order(key).json() == answer.json()


def test_ordered_by_somebody_else_in_between(buying: Chain, key: str) -> None:
    partner_center = buying.cloud.partner_center
    partner_center.repeat_checkout = False
    buying.cloud.faults.inject(Fault("partner_center", path=CHECKOUT, delay=0.5))
    with ThreadPoolExecutor() as pool:
        order = pool.submit(buying.order, key)
        _until(lambda: len(buying.sent()) == 2)
        [cart_id] = carts(buying)
        partner_center.check_out(cart_id)
        answer = order.result()

    assert (answer.status_code, answer.json()["status"]) == (201, "ordered")
    assert [w["code"] for w in answer.json()["warnings"]] == ["orders_not_retrieved"]
    assert bought(buying) == [(cart_id, "0")]


def test_a_real_twin_has_the_cart(start: Callable[..., Chain], key: str) -> None:
    chain = start(CART_ALLOW_CHECKOUT="true", CART_MAX_WAIT_SECONDS="0")
    problem(chain.order(key, UNSOLD))
    [cart_id] = carts(chain)
    chain.ask("PUT", f"carts/{cart_id}", {"lineItems": [licence()]})
    chain.cloud.journal.clear()
    chain.cloud.partner_center.change_seconds = 0.7
    with ThreadPoolExecutor() as pool:
        change = pool.submit(
            chain.ask, "PUT", f"carts/{cart_id}", {"lineItems": [licence(quantity=2)]}
        )
        _until(chain.sent)
        told = problem(chain.order(key, UNSOLD))

    assert (told["status"], told["code"]) == (503, "partner_center_busy")
    assert told["outcome"] == "rejected"
    assert change.result().status_code == 200
    answer = chain.order(key, UNSOLD)
    assert answer.json()["orders"][0]["lineItems"][0]["quantity"] == 2
    assert len(bought(chain)) == 1


def _until(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + 15
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.01)
