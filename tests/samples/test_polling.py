"""Logic Apps hands a cart, a checkout and an order over, and asks for the result by Location alone.

The client is the replay of Microsoft's documentation, and the function is the real one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from partner_center_emulator.partner_center import catalogue

from tests.end_to_end.chain import CUSTOMER, FUNCTION_KEY, cart, licence
from tests.samples.logic_apps import BY_HTTP, LogicApp, Run
from tests.samples.shop import Between, Shop, order, refused_busy, throttled

POLICY = {
    "type": "exponential",
    "count": 4,
    "interval": "PT7S",
    "minimumInterval": "PT5S",
    "maximumInterval": "PT45S",
}
CUSTOMER_PATH = f"/api/customers/{CUSTOMER}"


@dataclass
class Handed:
    """What became of a request that was handed over."""

    run: Run
    way: Between

    @property
    def outputs(self) -> dict[str, Any]:
        """The answer that the action ended with."""
        outputs: dict[str, Any] = self.run.history["Hand_over"].outputs
        return outputs


def hand_over(shop: Shop, path: str, body: Any, key: str) -> Handed:
    """Run a workflow of one HTTP action, with the asynchronous pattern."""
    headers = {"x-functions-key": FUNCTION_KEY, "Idempotency-Key": key, "Prefer": "respond-async"}
    action = {
        "type": "Http",
        "runAfter": {},
        "inputs": {
            "method": "POST",
            "uri": f"{shop.url}{path}",
            "headers": headers,
            "body": body,
            "retryPolicy": POLICY,
        },
    }
    definition = {
        "parameters": {},
        "triggers": {"manual": BY_HTTP},
        "actions": {"Hand_over": action},
    }
    way = Between()
    with httpx.Client(transport=way) as client:
        app = LogicApp(definition, {}, client, shop.pause, pause=shop.look_again)
        return Handed(app.post({"id": key}), way)


def synchronous(shop: Shop, path: str, body: Any, key: str) -> httpx.Response:
    """The same request, waited for."""
    headers = {"x-functions-key": FUNCTION_KEY, "Idempotency-Key": key}
    return httpx.post(f"{shop.url}{path}", headers=headers, json=body, trust_env=False, timeout=120)


def a_cart(shop: Shop, *lines: dict[str, Any]) -> tuple[str, Any]:
    """The path and the body that make a cart."""
    return f"{CUSTOMER_PATH}/carts", cart(*lines)


def a_checkout(shop: Shop, *lines: dict[str, Any]) -> tuple[str, Any]:
    """The path and the body that buy a cart, which is made."""
    made = synchronous(shop, *a_cart(shop, *lines), key=order()["orderId"]).json()
    return f"{CUSTOMER_PATH}/carts/{made['id']}/checkout", None


def an_order(shop: Shop, *lines: dict[str, Any]) -> tuple[str, Any]:
    """The path and the body that place an order."""
    return f"{CUSTOMER_PATH}/orders", cart(*lines)


Ask = Callable[..., tuple[str, Any]]

OUTCOMES: list[tuple[Ask, list[dict[str, Any]], int, str]] = [
    (a_cart, [], 201, "Active"),
    (a_cart, [licence("CFQ7TTC0LH18:0001", termDuration="P3Y")], 422, "item_not_available"),
    (a_checkout, [], 201, "completed"),
    (a_checkout, [licence(catalogue.NO_CREDIT)], 422, "checkout_failed"),
    (an_order, [], 201, "completed"),
    (an_order, [licence(catalogue.SOLD_OUT)], 422, "cart_not_orderable"),
]


@pytest.mark.parametrize(("ask", "lines", "status", "said"), OUTCOMES)
def test_the_result_is_the_answer_that_a_caller_gets_who_waits(
    shop: Shop, ask: Ask, lines: list[dict[str, Any]], status: int, said: str
) -> None:
    path, body = ask(shop, *lines)
    key = order()["orderId"]

    handed = hand_over(shop, path, body, key)

    assert handed.outputs["statusCode"] == status
    assert said in (handed.outputs["body"].get("code"), handed.outputs["body"].get("status"))
    assert handed.run.polls
    if status == 201:  # a refusal frees the key
        again = synchronous(shop, path, body, key)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (again.status_code, again.json()) == (status, handed.outputs["body"])


def test_each_202_says_where_and_when_to_ask_and_no_poll_has_a_key(shop: Shop) -> None:
    path, body = an_order(shop)
    shop.trouble(refused_busy(3))

    handed = hand_over(shop, path, body, order()["orderId"])

    (posted, accepted), *polled = handed.way.exchanges
    assert posted.headers["x-functions-key"] == FUNCTION_KEY
    assert accepted.headers["Preference-Applied"] == "respond-async"
    location = accepted.headers["Location"]
    *waiting, (_, last) = polled
    assert last.status_code == 201
    assert not last.headers.keys() & {"Retry-After", "Operation-Location"}
    for _, answer in [(posted, accepted), *waiting]:
        assert answer.status_code == 202
        assert answer.headers["Location"] == location
        assert answer.headers["Operation-Location"] == location.replace("/result?", "?")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["Cache-Control"] == "no-store"
    for poll, _ in polled:
        assert (poll.method, str(poll.url)) == ("GET", location)
        assert not poll.headers.keys() & {"x-functions-key", "Prefer", "Idempotency-Key"}
    # The pauses are the ones that were asked for.
    asked = [float(answer.headers["Retry-After"]) for _, answer in [(posted, accepted), *waiting]]
    assert handed.run.polls == asked
    assert len(shop.bought) == 1


def test_a_throttle_is_waited_for_by_the_function_and_not_by_retries(shop: Shop) -> None:
    path, body = an_order(shop)
    shop.trouble(throttled("/carts$"), throttled("/checkout$"))

    handed = hand_over(shop, path, body, order()["orderId"])

    assert (handed.outputs["statusCode"], handed.run.waits) == (201, [])
    assert len(shop.bought) == 1


def test_what_is_wrong_with_the_request_is_answered_at_once(shop: Shop) -> None:
    handed = hand_over(shop, f"{CUSTOMER_PATH}/orders", {"lineItems": []}, order()["orderId"])

    assert (handed.outputs["statusCode"], handed.run.polls) == (400, [])
    assert shop.bought == []
