"""A cart is bought, through the whole chain: what is sent, what is answered, and never twice."""

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
    NOTHING,
    USER,
    Chain,
    cart,
    line,
    problem,
)

UNKNOWN_CART = "11111111-1111-4111-8111-111111111111"
ANOTHER_CUSTOMER = "e6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
CHECKOUT = "/checkout$"
"""Faults with this path hit checkouts alone."""


def licence(item: str = catalogue.BUSINESS_BASIC, **members: Any) -> dict[str, Any]:
    """A line with a licence."""
    return line(catalogItemId=item, billingCycle="monthly", termDuration="P1Y", **members)


GOOD = licence(orderGroup="good")
HOPELESS = licence(catalogue.NO_CREDIT, orderGroup="hopeless")
UNSTEADY = licence(catalogue.UNSTEADY, orderGroup="unsteady")


def made(chain: Chain, *lines: dict[str, Any]) -> str:
    """A cart that exists, with a journal that knows nothing of it."""
    answer = chain.post({"lineItems": lines} if lines else None)
    assert answer.status_code == 201
    chain.cloud.journal.clear()
    return str(answer.json()["id"])


def orders(chain: Chain) -> list[tuple[str, str]]:
    """Cart and order group of each order that exists."""
    return [(o.cart_id, o.order_group) for o in chain.cloud.partner_center.orders.values()]


def sent(chain: Chain) -> list[str]:
    """What Partner Center received: methods, and POST for a checkout."""
    return [arrival.method for arrival in chain.sent()]


def ids(chain: Chain) -> list[str]:
    """The request ids of the checkouts."""
    return [a.headers["ms-requestid"] for a in chain.sent() if a.method == "POST"]


def warned(answer: httpx.Response) -> list[str]:
    return [warning["code"] for warning in answer.json()["warnings"]]


# --- the common path --------------------------------------------------------------------------


def test_a_cart_is_bought(buying: Chain) -> None:
    cart_id = made(buying, licence(quantity=2, currencyCode="EUR", friendlyName="mine"))
    correlation_id = str(uuid.uuid4())
    headers = {"MS-CorrelationId": correlation_id, "X-Locale": "de-DE", **FOR_USER}

    answer = buying.check_out(cart_id.upper(), customer=CUSTOMER.upper(), headers=headers)

    assert answer.status_code == 201
    [arrival] = buying.sent()
    assert (arrival.method, arrival.query, arrival.body) == ("POST", "", b"")
    assert arrival.path == f"/v1/customers/{CUSTOMER}/carts/{cart_id}/checkout"
    given = dict(arrival.headers)
    assert given.pop("authorization").startswith("Bearer ")
    request_id = given.pop("ms-requestid")
    assert given == {
        "host": "api.partnercenter.microsoft.com",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-length": "0",
        "ms-correlationid": correlation_id,
        "x-locale": "de-DE",
        "ms-partnercenter-application": "partner-center-carts",
        "user-agent": f"cart-core/{__version__}",
        "x-ms-customeruser-upn": USER,
    }

    [order] = buying.cloud.partner_center.orders.values()
    assert order.customer_user == USER
    told = answer.json()
    [created] = [o.pop("creationDate") for o in told["orders"]]
    assert created == order.document["creationDate"].replace("Z", "")[:26] + "Z"
    [subscription] = [o["lineItems"][0].pop("subscriptionId") for o in told["orders"]]
    assert subscription == order.document["lineItems"][0]["subscriptionId"]
    price = {"listPrice": 6.0, "discountedPrice": 6.0, "proratedPrice": 6.0, "price": 6.0}
    client = told["orders"][0].pop("client")  # a member that nobody documents is kept
    assert client == {}
    assert told == {
        "cartId": cart_id,
        "customerId": CUSTOMER,
        "status": "completed",
        "orders": [
            {
                "id": order.document["id"],
                "alternateId": order.document["id"],
                "referenceCustomerId": CUSTOMER,
                "status": "pending",
                "transactionType": "UserPurchase",
                "billingCycle": "monthly",
                "currencyCode": "EUR",
                "currencySymbol": "€",
                "totalPrice": 12.0,
                "partnerOnRecordAttestationAccepted": None,
                "lineItems": [
                    {
                        "lineItemNumber": 0,
                        "offerId": catalogue.BUSINESS_BASIC,
                        "parentSubscriptionId": None,
                        "termDuration": "P1Y",
                        "transactionType": "New",
                        "friendlyName": "mine",
                        "quantity": 2,
                        "customTermEndDate": None,
                        "promotionId": None,
                        "pricing": {**price, "extendedPrice": 12.0},
                        "partnerIdOnRecord": None,
                        "additionalPartnerIdsOnRecord": [],
                        "provisioningContext": {},
                        "renewsTo": None,
                        "attestationAccepted": None,
                        "purchaseCommitment": None,
                    }
                ],
            }
        ],
        "orderErrors": [],
        "warnings": [],
    }
    assert list(told) == ["cartId", "customerId", "status", "orders", "orderErrors", "warnings"]
    theirs = {name: value for name, value in answer.headers.items() if name.startswith("ms-")}
    assert theirs.pop("ms-cv")
    assert theirs == {
        "ms-requestid": request_id,
        "ms-correlationid": correlation_id,
        "ms-serverid": "000001",
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert buying.ask("GET", f"carts/{cart_id}").json()["status"] == "Ordered"


def test_without_a_customer_user_no_header_goes_out(buying: Chain) -> None:
    assert buying.check_out(made(buying)).status_code == 201

    [arrival] = buying.sent()
    assert "x-ms-customeruser-upn" not in arrival.headers


@pytest.mark.parametrize("body", ["{}", " {\n} ", " "])
def test_an_empty_object_is_no_body(buying: Chain, body: str) -> None:
    assert buying.check_out(made(buying), body=body).status_code == 201

    assert buying.sent()[0].body == b""


def test_a_repeated_checkout_is_a_replay_whoever_asks_and_however(buying: Chain) -> None:
    cart_id = made(buying)
    first = buying.check_out(cart_id)

    for headers in ({}, {"Idempotency-Key": "mine"}, {"webhook-id": "w-1"}):
        again = buying.check_out(cart_id.upper(), headers=headers)
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["MS-RequestId"] == first.headers["MS-RequestId"]
        assert again.headers["MS-CV"] == first.headers["MS-CV"]
        assert again.headers["MS-CorrelationId"] != first.headers["MS-CorrelationId"]
    assert sent(buying) == ["POST"]
    assert "Idempotent-Replayed" not in first.headers


def test_many_at_once_buy_one_cart_once(buying: Chain) -> None:
    cart_id = made(buying)
    buying.cloud.faults.inject(Fault("partner_center", delay=0.3))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: buying.check_out(cart_id), range(8)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7
    assert sent(buying) == ["POST"]
    assert orders(buying) == [(cart_id, "0")]


def test_another_customer_user_is_another_request(buying: Chain) -> None:
    cart_id = made(buying)
    assert buying.check_out(cart_id, headers=FOR_USER).status_code == 201

    for headers in ({}, {"x-ms-customeruser-upn": "adele@a-customer.example"}):
        told = problem(buying.check_out(cart_id, headers=headers))
        assert (told["status"], told["code"]) == (422, "idempotency_key_reused")
        assert (told["outcome"], told["retryable"]) == ("not_sent", False)
    assert sent(buying) == ["POST"]


# --- what is not allowed, and what is wrong ---------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"carts/{UNKNOWN_CART}/checkout", None),
        ("carts/x/checkout", "nonsense"),
        ("orders", cart()),
        ("orders", "nonsense"),
    ],
)
def test_nothing_is_bought_unless_it_is_allowed(chain: Chain, path: str, body: Any) -> None:
    told = problem(chain.ask("POST", path, body, headers={"Idempotency-Key": "a b"}))

    assert (told["status"], told["code"]) == (403, "checkout_disabled")
    assert (told["outcome"], told["retryable"]) == ("not_sent", False)
    assert "CART_ALLOW_CHECKOUT" in told["detail"]
    assert chain.calls() == NOTHING


def test_the_settings_come_first(start: Callable[..., Chain]) -> None:
    chain = start(KEY_VAULT_URL=None, CART_ALLOW_CHECKOUT="false")

    for path in (f"carts/{UNKNOWN_CART}/checkout", "orders"):
        told = problem(chain.ask("POST", path))
        assert (told["status"], told["code"]) == (503, "configuration_invalid")


@pytest.mark.parametrize(
    ("cart_id", "customer", "headers", "body", "errors"),
    [
        ("x", CUSTOMER, {}, None, ["invalid_cart_id"]),
        (UNKNOWN_CART, "y", {}, None, ["invalid_customer_id"]),
        (
            UNKNOWN_CART,
            CUSTOMER,
            {"x-ms-customeruser-upn": "nobody"},
            None,
            ["invalid_customer_user"],
        ),
        (UNKNOWN_CART, CUSTOMER, {}, '"success"', ["unexpected_body"]),
        (UNKNOWN_CART, CUSTOMER, {}, cart(), ["unexpected_body"]),
        (UNKNOWN_CART, CUSTOMER, {}, b" " * 200_000 + b"x", ["unexpected_body"]),
        (
            "x",
            "y",
            {"x-ms-customeruser-upn": "a b@c"},
            "x",
            [
                *("invalid_customer_id", "invalid_cart_id"),
                *("invalid_customer_user", "unexpected_body"),
            ],
        ),
    ],
    ids=["cart", "customer", "user", "text", "a-cart", "blanks", "everything"],
)
def test_a_wrong_checkout(
    buying: Chain, cart_id: str, customer: str, headers: dict[str, str], body: Any,
    errors: list[str],
) -> None:  # fmt: skip
    told = problem(buying.check_out(cart_id, customer=customer, headers=headers, body=body))

    assert (told["status"], told["code"], told["outcome"]) == (400, "invalid_request", "not_sent")
    assert [(e["pointer"], e["code"]) for e in told["errors"]] == [("", each) for each in errors]
    assert buying.calls() == NOTHING


def test_who_may_not(buying: Chain) -> None:
    path = f"/api/customers/{CUSTOMER}/carts/{UNKNOWN_CART}/checkout"

    for headers in ({}, {"x-functions-key": "wrong"}):
        assert buying.send("POST", path, headers).status_code == 401
    for method in ("GET", "PUT", "DELETE"):
        assert buying.send(method, path, {"x-functions-key": FUNCTION_KEY}).status_code == 404
    assert buying.calls() == NOTHING


@pytest.mark.parametrize("which", ["unknown", "foreign", "expired"])
def test_a_cart_that_is_not_there(buying: Chain, which: str) -> None:
    cart_id = UNKNOWN_CART if which == "unknown" else made(buying)
    if which == "expired":
        buying.cloud.partner_center.expire(cart_id)
    customer = ANOTHER_CUSTOMER if which == "foreign" else CUSTOMER

    for expected in (["POST"], ["POST", "GET"]):
        told = problem(buying.check_out(cart_id, customer=customer))
        assert (told["status"], told["code"]) == (404, "partner_center_not_found")
        assert (told["outcome"], told["retryable"]) == ("rejected", False)
        assert told["partnerCenter"]["code"] == "800008"
        assert sent(buying) == expected
    assert orders(buying) == []


# --- a cart that is ordered already, or just being ordered ------------------------------------


@pytest.mark.parametrize("repeat_checkout", [True, False])
def test_ordered_behind_the_callers_back(buying: Chain, repeat_checkout: bool) -> None:
    cart_id = made(buying)
    buying.cloud.partner_center.repeat_checkout = repeat_checkout
    buying.cloud.partner_center.check_out(cart_id)

    answer = buying.check_out(cart_id)

    told = answer.json()
    assert (answer.status_code, told["cartId"], told["orderErrors"]) == (201, cart_id, [])
    if repeat_checkout:
        assert (told["status"], len(told["orders"]), warned(answer)) == ("completed", 1, [])
        assert sent(buying) == ["POST"]
    else:
        assert (told["status"], told["orders"]) == ("ordered", [])
        assert warned(answer) == ["orders_not_retrieved"]
        assert sent(buying) == ["POST", "GET", "POST"]
        assert len(set(ids(buying))) == 2  # the answer has used the first one up
    assert len(orders(buying)) == 1
    again = buying.check_out(cart_id)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (told, "true")


def test_the_order_is_in_progress(buying: Chain) -> None:
    cart_id = made(buying)
    buying.cloud.faults.inject(_refusing(409, "800060", times=2))

    answer = buying.check_out(cart_id)

    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert sent(buying) == ["POST", "GET", "POST", "GET", "POST"]
    assert len(set(ids(buying))) == 3
    assert len(orders(buying)) == 1


def test_the_order_stays_in_progress(buying: Chain) -> None:
    cart_id = made(buying)
    buying.cloud.faults.inject(_refusing(409, "800060", times=None))

    told = problem(buying.check_out(cart_id))

    assert (told["status"], told["code"]) == (502, "partner_center_no_answer")
    assert (told["outcome"], told["retryable"]) == ("unknown", True)
    assert told["partnerCenter"]["code"] == "800060"
    assert sent(buying).count("POST") == 5
    buying.cloud.faults.clear()
    assert buying.check_out(cart_id).json()["status"] == "completed"
    assert len(orders(buying)) == 1


def test_a_real_twin_has_the_cart(buying: Chain) -> None:
    cart_id = made(buying)
    buying.cloud.partner_center.change_seconds = 0.7
    with ThreadPoolExecutor() as pool:
        change = pool.submit(buying.ask, "PUT", f"carts/{cart_id}", cart(quantity=2))
        _until(buying.sent)
        answer = buying.check_out(cart_id)

        told = problem(answer)
        assert (told["status"], told["code"]) == (503, "partner_center_busy")
        assert (told["outcome"], told["retryable"]) == ("rejected", True)
        assert told["partnerCenter"]["code"] == "800064"
        assert answer.headers["Retry-After"] == "5"
        assert change.result().status_code == 200
    buying.cloud.partner_center.change_seconds = 0
    bought = buying.check_out(cart_id)
    assert bought.json()["orders"][0]["lineItems"][0]["quantity"] == 2


def test_a_real_twin_is_waited_for(start: Callable[..., Chain]) -> None:
    chain = start(CART_ALLOW_CHECKOUT="true")
    cart_id = made(chain)
    chain.cloud.partner_center.change_seconds = 0.7
    with ThreadPoolExecutor() as pool:
        change = pool.submit(chain.ask, "PUT", f"carts/{cart_id}", cart(quantity=2))
        _until(chain.sent)
        answer = chain.check_out(cart_id)

    assert change.result().status_code == 200
    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert sent(chain) == ["PUT", "POST", "POST"]
    assert len(set(ids(chain))) == 1


def test_a_twin_that_orders_it_for_real(buying: Chain) -> None:
    """Somebody else's checkout is under way in Partner Center, and succeeds."""
    cart_id = made(buying)
    partner_center = buying.cloud.partner_center
    partner_center.repeat_checkout = False
    partner_center.busy_code = "800060"
    partner_center.carts[cart_id].busy = True
    buying.cloud.faults.inject(Fault("partner_center", method="GET", delay=0.3))
    with ThreadPoolExecutor() as pool:
        ours = pool.submit(buying.check_out, cart_id)
        _until(lambda: len(buying.sent()) == 2)  # refused, and about to read
        partner_center.check_out(cart_id)
        partner_center.carts[cart_id].busy = False
        answer = ours.result()

    assert (answer.status_code, answer.json()["status"]) == (201, "ordered")
    assert sent(buying) == ["POST", "GET", "POST"]
    assert len(orders(buying)) == 1


# --- answers that get lost --------------------------------------------------------------------


@pytest.mark.parametrize("deduplicate", [True, False])
@pytest.mark.parametrize("repeat_checkout", [True, False])
@pytest.mark.parametrize(
    ("action", "status", "commit"),
    [
        ("drop", None, False),
        ("drop", None, True),
        ("reset", None, True),
        ("garble", None, True),
        ("truncate", None, True),
        (None, 500, True),
        (None, 503, False),
        (None, 408, True),
        (None, 201, True),
    ],
)
def test_a_lost_answer_is_found_again(
    buying: Chain, action: Action | None, status: int | None, commit: bool, repeat_checkout: bool,
    deduplicate: bool,
) -> None:  # fmt: skip
    cart_id = made(buying)
    partner_center = buying.cloud.partner_center
    partner_center.repeat_checkout, partner_center.deduplicate = repeat_checkout, deduplicate
    buying.cloud.faults.inject(
        Fault(
            "partner_center", path=CHECKOUT, action=action, status=status, commit=commit, body="{}"
        )
    )

    answer = buying.check_out(cart_id)

    assert answer.status_code == 201
    retrieved = not commit or repeat_checkout or deduplicate
    assert answer.json()["status"] == ("completed" if retrieved else "ordered")
    assert sent(buying) == ["POST", "GET", "POST"]
    assert len(set(ids(buying))) == 1
    assert orders(buying) == [(cart_id, "0")]


def test_lost_for_good_and_then_found(buying: Chain) -> None:
    cart_id = made(buying)
    buying.cloud.faults.inject(
        Fault("partner_center", times=None, path=CHECKOUT, action="drop", commit=True)
    )
    told = problem(buying.check_out(cart_id))
    assert (told["status"], told["code"]) == (502, "partner_center_no_answer")
    assert (told["outcome"], told["retryable"]) == ("unknown", True)
    buying.cloud.faults.clear()
    buying.cloud.journal.clear()

    answer = buying.check_out(cart_id)

    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert "Idempotent-Replayed" not in answer.headers
    assert sent(buying) == ["GET", "POST"]
    assert ids(buying) == [told["requestId"]]
    assert orders(buying) == [(cart_id, "0")]


@pytest.mark.parametrize("commit", [True, False])
def test_lost_and_then_refused(buying: Chain, commit: bool) -> None:
    cart_id = made(buying)
    buying.cloud.faults.inject(
        Fault("partner_center", path=CHECKOUT, action="drop", commit=commit),
        _refusing(403, "20002"),
    )

    answer = buying.check_out(cart_id)

    if commit:  # it is ordered: no refusal counts
        told = problem(answer)
        assert (told["status"], told["code"]) == (502, "partner_center_no_answer")
        assert (told["outcome"], told["partnerCenter"]["code"]) == ("unknown", "20002")
    else:
        told = problem(answer)
        assert (told["status"], told["code"]) == (403, "partner_center_forbidden")
        assert told["outcome"] == "rejected"
    assert buying.check_out(cart_id).json()["status"] == "completed"
    assert len(orders(buying)) == 1


def test_lost_and_then_gone(buying: Chain) -> None:
    cart_id = made(buying)
    buying.cloud.faults.inject(
        Fault("partner_center", path=CHECKOUT, action="drop", commit=True),
        Fault("partner_center", method="GET", times=None, status=404, body='{"code": "800008"}'),
    )

    told = problem(buying.check_out(cart_id))

    assert (told["status"], told["code"]) == (502, "partner_center_no_answer")
    assert (told["outcome"], told["retryable"]) == ("unknown", True)
    assert told["partnerCenter"]["code"] == "800008"


# --- carts that are bought in part, or not at all ---------------------------------------------


def test_a_part_is_bought_and_then_the_rest(buying: Chain) -> None:
    cart_id = made(buying, GOOD, UNSTEADY)

    first = buying.check_out(cart_id, headers=FOR_USER)

    told = first.json()
    assert (first.status_code, told["status"]) == (201, "partial")
    assert [order["lineItems"][0]["offerId"] for order in told["orders"]] == [
        catalogue.BUSINESS_BASIC
    ]
    assert told["orderErrors"] == [
        {
            "orderGroupId": "unsteady",
            "code": "800005",
            "description": "The order could not be created.",
        }
    ]
    second = buying.check_out(cart_id, headers=FOR_USER)
    assert (second.status_code, second.json()["status"]) == (201, "completed")
    assert "Idempotent-Replayed" not in second.headers
    assert second.json()["orders"][0]["id"] == told["orders"][0]["id"]
    assert sent(buying) == ["POST", "GET", "POST"]
    assert len(set(ids(buying))) == 2
    assert orders(buying) == [(cart_id, "good"), (cart_id, "unsteady")]
    third = buying.check_out(cart_id, headers=FOR_USER)
    assert (third.json(), third.headers["Idempotent-Replayed"]) == (second.json(), "true")
    assert len(buying.sent()) == 3


def test_a_part_that_is_never_bought(buying: Chain) -> None:
    cart_id = made(buying, GOOD, HOPELESS)

    answers = [buying.check_out(cart_id) for _ in range(3)]

    assert {answer.json()["status"] for answer in answers} == {"partial"}
    assert {answer.json()["orders"][0]["id"] for answer in answers} == set(
        buying.cloud.partner_center.orders
    )
    assert orders(buying) == [(cart_id, "good")]


def test_a_part_is_not_denied_when_the_rest_is_refused(buying: Chain) -> None:
    cart_id = made(buying, GOOD, HOPELESS)
    first = buying.check_out(cart_id).json()
    buying.cloud.partner_center.expire(cart_id)

    for _ in range(2):
        answer = buying.check_out(cart_id)
        told = answer.json()
        assert (answer.status_code, told["status"]) == (201, "partial")
        assert (told["orders"], told["orderErrors"]) == (first["orders"], first["orderErrors"])
        assert warned(answer) == ["rest_refused"]
        assert "800008" in told["warnings"][0]["detail"]
        assert "Idempotent-Replayed" not in answer.headers


def test_another_customer_user_does_not_get_the_rest(buying: Chain) -> None:
    cart_id = made(buying, GOOD, UNSTEADY)
    assert buying.check_out(cart_id, headers=FOR_USER).json()["status"] == "partial"

    told = problem(buying.check_out(cart_id))

    assert (told["status"], told["code"]) == (422, "idempotency_key_reused")
    assert orders(buying) == [(cart_id, "good")]


def test_nothing_is_ordered(buying: Chain) -> None:
    cart_id = made(buying, HOPELESS)

    for expected in (["POST", "GET"], ["POST", "GET", "GET", "POST", "GET"]):
        told = problem(buying.check_out(cart_id))
        assert (told["status"], told["code"]) == (422, "checkout_failed")
        assert (told["outcome"], told["retryable"], told["cart"]) == ("rejected", False, None)
        assert told["orderErrors"] == [
            {
                "orderGroupId": "hopeless",
                "code": "800023",
                "description": "The credit line is too low.",
            }
        ]
        assert "The credit line is too low." in told["detail"]
        assert sent(buying) == expected
    assert orders(buying) == []


def test_nothing_at_first_and_everything_then(buying: Chain) -> None:
    cart_id = made(buying, UNSTEADY)

    assert problem(buying.check_out(cart_id))["code"] == "checkout_failed"

    assert buying.check_out(cart_id).json()["status"] == "completed"
    assert orders(buying) == [(cart_id, "unsteady")]


def test_lines_that_are_not_sold_are_changed_and_then_bought(buying: Chain) -> None:
    cart_id = made(buying, GOOD, licence(catalogue.SOLD_OUT))

    told = problem(buying.check_out(cart_id))

    assert (told["status"], told["code"]) == (422, "cart_not_orderable")
    assert (told["outcome"], told["retryable"], told["orderErrors"]) == ("rejected", False, [])
    assert sent(buying) == ["POST", "GET"]
    found = told["cart"]
    assert found == buying.ask("GET", f"carts/{cart_id}").json()
    assert [bool(item["error"]) for item in found["lineItems"]] == [False, True]

    del found["lineItems"][1]
    assert buying.ask("PUT", f"carts/{cart_id}", found).json()["orderable"] is True
    assert buying.check_out(cart_id).json()["status"] == "completed"
    assert orders(buying) == [(cart_id, "good")]


def test_a_checkout_is_refused(buying: Chain) -> None:
    cart_id = made(buying)
    buying.cloud.faults.inject(_refusing(403, "20002"))

    told = problem(buying.check_out(cart_id))

    assert (told["status"], told["code"]) == (403, "partner_center_forbidden")
    assert (told["outcome"], told["partnerCenter"]["code"]) == ("rejected", "20002")
    assert sent(buying) == ["POST"]
    assert buying.check_out(cart_id).json()["status"] == "completed"


def test_an_answer_is_recorded_as_what_it_was(buying: Chain) -> None:
    """What Partner Center adds later comes through, and its envelope does not."""
    cart_id = made(buying)
    order = {"id": "1", "NewMember": {"a": [1]}, "attributes": {}, "links": {}, "lineItems": []}
    document = {"orders": [order], "additionalInformation": [], "attributes": {}}
    buying.cloud.faults.inject(Fault("partner_center", path=CHECKOUT, status=201, body=document))

    answer = buying.check_out(cart_id)

    told = answer.json()
    assert told["orders"][0]["NewMember"] == {"a": [1]}
    assert told["additionalInformation"] == []
    assert not {"attributes", "links"} & {*told, *told["orders"][0]}
    assert buying.check_out(cart_id).json() == told


def _refusing(status: int, code: str, times: int | None = 1) -> Fault:
    body = {"code": code, "description": "Told by Partner Center.", "data": [], "source": "x"}
    return Fault("partner_center", times=times, path=CHECKOUT, status=status, body=body)


def _until(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + 15
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.01)
