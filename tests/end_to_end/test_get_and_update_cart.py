"""Reading and changing a cart through the whole chain."""

import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.faults import Action, Fault

from cart_core import __version__
from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    FUNCTION_KEY,
    GUID,
    ITEM,
    MARKER,
    NOTHING,
    Chain,
    cart,
    line,
    problem,
)

UNKNOWN_CART = "11111111-1111-4111-8111-111111111111"
ANOTHER_CUSTOMER = "e6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
UNKNOWN_ITEM = "NOBODYKNOWS0:0001:NOBODYKNOWS0"


def made(chain: Chain, body: Any = None) -> dict[str, Any]:
    """A cart that exists, with a journal that knows nothing of it."""
    answer = chain.post(body)
    assert answer.status_code == 201
    chain.cloud.journal.clear()
    told: dict[str, Any] = answer.json()
    return told | {"warnings": []}


def get(chain: Chain, cart_id: str, **how: Any) -> httpx.Response:
    return chain.ask("GET", f"carts/{cart_id}", **how)


def put(chain: Chain, cart_id: str, body: Any, **how: Any) -> httpx.Response:
    return chain.ask("PUT", f"carts/{cart_id}", body, **how)


# --- reading ----------------------------------------------------------------------------------


def test_a_cart_is_read(buying: Chain) -> None:
    created = made(buying, cart(provisioningContext={"scope": "shared"}))
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = get(buying, created["id"].upper(), customer=CUSTOMER.upper(), headers=headers)

    assert (answer.status_code, answer.json()) == (200, created)
    [arrival] = buying.sent()
    assert (arrival.method, arrival.query, arrival.body) == ("GET", "", b"")
    assert arrival.path == f"/v1/customers/{CUSTOMER}/carts/{created['id']}"
    sent = dict(arrival.headers)
    assert sent.pop("authorization").startswith("Bearer ")
    request_id = sent.pop("ms-requestid")
    assert GUID.fullmatch(request_id)
    assert sent == {
        "host": "api.partnercenter.microsoft.com",
        "accept": "application/json",
        "accept-encoding": "identity",
        "ms-correlationid": correlation_id,
        "x-locale": "de-DE",
        "ms-partnercenter-application": "partner-center-carts",
        "user-agent": f"cart-core/{__version__}",
    }
    assert answer.headers["MS-RequestId"] == request_id
    assert answer.headers["MS-CorrelationId"] == correlation_id
    assert answer.headers["MS-ServerId"] == "000001"
    assert answer.headers["MS-CV"]
    assert answer.headers["Content-Type"] == "application/json"
    assert not {"location", "idempotent-replayed", "set-cookie"} & set(answer.headers)


def test_a_cart_can_be_read_and_changed_where_nothing_may_be_bought(chain: Chain) -> None:
    created = made(chain)

    assert get(chain, created["id"]).status_code == 200
    assert put(chain, created["id"], cart(quantity=2)).status_code == 200
    assert chain.calls() == {"partner_center": 2}


def test_a_read_is_never_answered_from_memory(buying: Chain) -> None:
    created = made(buying)
    key = {"Idempotency-Key": str(uuid.uuid4())}

    before = get(buying, created["id"], headers=key)
    buying.cloud.partner_center.check_out(created["id"])
    after = get(buying, created["id"], headers=key)

    assert [before.json()["status"], after.json()["status"]] == ["Active", "Ordered"]
    assert before.headers["MS-RequestId"] != after.headers["MS-RequestId"]
    assert "Idempotent-Replayed" not in after.headers


def test_a_cart_with_an_error_is_read_as_not_orderable(buying: Chain) -> None:
    created = made(buying, cart(catalogItemId=UNKNOWN_ITEM))

    told = get(buying, created["id"]).json()

    assert told["orderable"] is False
    assert told["lineItems"][0]["error"]["code"] == "10001"


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("which", ["unknown", "foreign", "expired"])
def test_a_cart_that_is_not_there(buying: Chain, method: str, which: str) -> None:
    cart_id = UNKNOWN_CART if which == "unknown" else made(buying)["id"]
    if which == "expired":
        buying.cloud.partner_center.expire(cart_id)
    customer = ANOTHER_CUSTOMER if which == "foreign" else CUSTOMER

    answer = buying.ask(method, f"carts/{cart_id}", cart(), customer=customer)

    told = problem(answer)
    assert (told["status"], told["code"]) == (404, "partner_center_not_found")
    assert (told["outcome"], told["retryable"]) == ("rejected", False)
    assert told["partnerCenter"]["code"] == "800008"
    assert len(buying.sent()) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("partner_center", times=None, status=500), 502, "partner_center_failed"),
        (Fault("partner_center", times=None, status=503), 502, "partner_center_failed"),
        (Fault("partner_center", times=None, action="drop"), 502, "partner_center_no_answer"),
        (Fault("partner_center", times=None, action="truncate"), 502, "partner_center_no_answer"),
        (
            Fault("partner_center", times=None, status=200, body="{}"),
            502,
            "partner_center_unreadable",
        ),
        (Fault("partner_center", times=None, status=408), 504, "partner_center_timeout"),
        (Fault("partner_center", times=None, status=403), 403, "partner_center_forbidden"),
        (Fault("partner_center", times=None, status=401), 502, "partner_center_unauthorized"),
    ],
)
def test_a_read_that_fails_has_changed_nothing(
    buying: Chain, fault: Fault, status: int, code: str
) -> None:
    created = made(buying)
    buying.cloud.faults.inject(fault)

    told = problem(get(buying, created["id"]))

    assert (told["status"], told["code"], told["outcome"]) == (status, code, "rejected")
    assert told["retryable"] is (status != 403 and code != "partner_center_unauthorized")


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("action", "status"), [("drop", None), ("truncate", None), (None, 503), (None, 429)]
)
def test_a_failure_is_repeated_under_one_request_id(
    buying: Chain, start: Callable[..., Chain], action: Action | None, status: int | None,
    method: str,
) -> None:  # fmt: skip
    chain = start(CART_MAX_WAIT_SECONDS="5") if status == 429 else buying
    created = made(chain)
    headers = {"Retry-After": "1"} if status == 429 else {}
    chain.cloud.faults.inject(
        Fault("partner_center", action=action, status=status, headers=headers, commit=bool(action))
    )

    answer = chain.ask(method, f"carts/{created['id']}", cart())

    assert answer.status_code == 200
    first, second = chain.sent()
    assert first.headers["ms-requestid"] == second.headers["ms-requestid"]
    assert first.body == second.body


# --- changing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("put_status", [200, 201])
def test_a_cart_is_changed(buying: Chain, put_status: int) -> None:
    created = made(buying, cart(catalogItemId=UNKNOWN_ITEM))
    buying.cloud.partner_center.put_status = put_status
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, **FOR_USER}

    answer = put(buying, created["id"].upper(), cart(id=4, quantity=3), headers=headers)

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
    sent = dict(arrival.headers)
    assert sent.pop("authorization").startswith("Bearer ")
    assert sent.pop("ms-requestid") == answer.headers["MS-RequestId"]
    assert sent == {
        "host": "api.partnercenter.microsoft.com",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(arrival.body)),
        "ms-correlationid": correlation_id,
        "x-locale": "en-US",
        "ms-partnercenter-application": "partner-center-carts",
        "user-agent": f"cart-core/{__version__}",
    }
    told = answer.json()
    assert told["id"] == created["id"]
    assert [(item["id"], item["quantity"]) for item in told["lineItems"]] == [(4, 3)]
    assert (created["orderable"], told["orderable"]) == (False, True)
    assert told["creationTimestamp"] == created["creationTimestamp"]
    assert told["lastModifiedTimestamp"] > created["lastModifiedTimestamp"]
    assert told["warnings"] == []
    assert "location" not in answer.headers
    assert get(buying, created["id"]).json() == told


def test_what_was_read_can_be_put_back(buying: Chain) -> None:
    addon = line(
        catalogItemId=catalogue.ADD_ON, billingCycle="monthly", termDuration="P1Y", quantity=2
    )
    body = {
        "partnerOnRecordAttestationAccepted": True,
        "BudgetCode": {"deep": [1, None]},
        "lineItems": [
            line(
                catalogItemId=catalogue.BUSINESS_BASIC,
                billingCycle="Monthly",
                termDuration="P1Y",
                participants={"transaction_reseller": "5139005"},
                provisioningContext={"Scope": "shared"},
                orderGroup="7",
                renewsTo={"termDuration": "P1Y"},
                addonItems=[addon],
                CostCenter=7,
            ),
            line(catalogItemId=UNKNOWN_ITEM, customTermEndDate="2027-01-31T00:00:00Z"),
        ],
    }
    made(buying, body)
    [cart_id] = buying.cloud.partner_center.carts
    read = get(buying, cart_id).json()

    answer = put(buying, cart_id, read)

    assert answer.status_code == 200
    told = answer.json()
    assert {w["code"] for w in told.pop("warnings")} == {"unknown_member"}
    assert read.pop("warnings") == []
    assert told.pop("lastModifiedTimestamp") >= read.pop("lastModifiedTimestamp")
    assert told == read
    assert read["lineItems"][0]["pricing"]["price"] == 6.0
    assert read["lineItems"][1]["error"]["code"] == "10001"
    sent = json.loads(buying.sent()[-1].body)
    assert sent["BudgetCode"] == {"deep": [1, None]}
    assert sent["lineItems"][0]["CostCenter"] == 7
    assert list(sent) == ["id", "partnerOnRecordAttestationAccepted", "lineItems", "BudgetCode"]
    assert not {"error", "pricing"} & set(sent["lineItems"][0]) | {"customerId"} & set(sent)


def test_members_that_nobody_documents_pass_whatever_the_setting_says(
    start: Callable[..., Chain],
) -> None:
    chain = start(CART_UNKNOWN_MEMBERS="reject")
    created = made(chain)

    answer = put(chain, created["id"], {**created, "BudgetCode": 7})

    assert answer.status_code == 200
    assert [w["pointer"] for w in answer.json()["warnings"]] == ["/BudgetCode"]
    assert chain.post(cart(BudgetCode=7)).status_code == 400


def test_a_cart_is_replaced_as_often_as_it_is_put(buying: Chain) -> None:
    created = made(buying)
    key = {"Idempotency-Key": str(uuid.uuid4())}

    for quantity in (5, 2, 5):
        answer = put(buying, created["id"], cart(quantity=quantity), headers=key)
        assert answer.status_code == 200
        assert answer.json()["lineItems"][0]["quantity"] == quantity
        assert "Idempotent-Replayed" not in answer.headers
    assert len({arrival.headers["ms-requestid"] for arrival in buying.sent()}) == 3


def test_an_ordered_cart_cannot_be_changed(buying: Chain) -> None:
    created = made(buying)
    buying.cloud.partner_center.check_out(created["id"])

    told = problem(put(buying, created["id"], cart(quantity=2)))

    assert (told["status"], told["code"]) == (400, "partner_center_invalid_request")
    assert (told["outcome"], told["retryable"]) == ("rejected", False)
    assert told["partnerCenter"]["code"] == "800065"
    assert get(buying, created["id"]).json()["lineItems"] == created["lineItems"]


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
    created = made(buying)
    buying.cloud.partner_center.change_seconds = 0.7
    buying.cloud.partner_center.busy_code = busy_code
    with ThreadPoolExecutor() as pool:
        first = pool.submit(put, buying, created["id"], cart(quantity=2))
        _until(buying.sent)
        answer = put(buying, created["id"], cart(quantity=3))

        told = problem(answer)
        assert (told["status"], told["code"]) == (status, code)
        assert (told["outcome"], told["partnerCenter"]["code"]) == ("rejected", busy_code)
        assert answer.headers.get("Retry-After") == retry_after
        assert first.result().status_code == 200
    assert get(buying, created["id"]).json()["lineItems"][0]["quantity"] == 2


def test_a_change_whose_outcome_is_unknown(buying: Chain) -> None:
    created = made(buying)
    buying.cloud.faults.inject(
        Fault("partner_center", times=None, method="PUT", action="drop", commit=True)
    )

    told = problem(put(buying, created["id"], cart(quantity=2)))

    assert (told["status"], told["code"]) == (502, "partner_center_no_answer")
    assert (told["outcome"], told["retryable"]) == ("unknown", True)
    assert len({arrival.headers["ms-requestid"] for arrival in buying.sent()}) == 1
    assert get(buying, created["id"]).json()["lineItems"][0]["quantity"] == 2


# --- what is wrong ----------------------------------------------------------------------------

WRONG: dict[str, tuple[str, str, Any, list[tuple[str, str]]]] = {
    "no GUID": ("x", CUSTOMER, cart(), [("", "invalid_cart_id")]),
    "a GUID in braces": (
        "%7B11111111-1111-4111-8111-111111111111%7D",
        CUSTOMER,
        cart(),
        [("", "invalid_cart_id")],
    ),
    "no customer either": (
        "x",
        "y",
        cart(),
        [("", "invalid_customer_id"), ("", "invalid_cart_id")],
    ),
    "another cart's id": (
        UNKNOWN_CART,
        CUSTOMER,
        {**cart(), "Id": "22222222-2222-4222-8222-222222222222"},
        [("/Id", "cart_mismatch")],
    ),
    "an id that is a number": (
        UNKNOWN_CART,
        CUSTOMER,
        {**cart(), "id": 1},
        [("/id", "cart_mismatch")],
    ),
    "another customer's cart": (
        UNKNOWN_CART,
        CUSTOMER,
        {**cart(), "customerId": ANOTHER_CUSTOMER},
        [("/customerId", "customer_mismatch")],
    ),
    "no lines": (UNKNOWN_CART, CUSTOMER, {"lineItems": []}, [("/lineItems", "too_short")]),
    "a slip in a name": (
        UNKNOWN_CART,
        CUSTOMER,
        cart(customTermEndDte="2027-01-31T00:00:00Z"),
        [("/lineItems/0/customTermEndDte", "misspelled_member")],
    ),
    "everything": (
        "x",
        CUSTOMER,
        cart(quantity=0),
        [("", "invalid_cart_id"), ("/lineItems/0/quantity", "out_of_range")],
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_change(buying: Chain, wrong: tuple[str, str, Any, list[tuple[str, str]]]) -> None:
    cart_id, customer, body, errors = wrong

    told = problem(put(buying, cart_id, body, customer=customer))

    assert (told["status"], told["code"], told["outcome"]) == (400, "invalid_request", "not_sent")
    assert [(error["pointer"], error["code"]) for error in told["errors"]] == errors
    assert buying.calls() == NOTHING


@pytest.mark.parametrize("given", [str.upper, str.lower], ids=["upper", "lower"])
def test_the_id_may_be_repeated_in_the_body(buying: Chain, given: Callable[[str], str]) -> None:
    created = made(buying)

    answer = put(buying, created["id"], {**cart(), "ID": given(created["id"])})

    assert answer.status_code == 200
    assert json.loads(buying.sent()[0].body)["id"] == created["id"]


@pytest.mark.parametrize(
    ("cart_id", "customer", "errors"),
    [
        ("x", CUSTOMER, {"invalid_cart_id"}),
        (UNKNOWN_CART, "y", {"invalid_customer_id"}),
        ("x", "y", {"invalid_cart_id", "invalid_customer_id"}),
    ],
)
def test_a_wrong_read(buying: Chain, cart_id: str, customer: str, errors: set[str]) -> None:
    told = problem(get(buying, cart_id, customer=customer))

    assert (told["status"], told["code"]) == (400, "invalid_request")
    assert {error["code"] for error in told["errors"]} == errors
    assert buying.calls() == NOTHING


def test_who_may_not(buying: Chain) -> None:
    path = f"/api/customers/{CUSTOMER}/carts/{UNKNOWN_CART}"

    for method in ("GET", "PUT"):
        for headers in ({}, {"x-functions-key": "wrong"}):
            assert buying.send(method, path, headers).status_code == 401
    for method in ("DELETE", "PATCH", "POST"):
        assert buying.send(method, path, {"x-functions-key": FUNCTION_KEY}).status_code == 404
    assert buying.calls() == NOTHING


def _until(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + 15
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.01)
