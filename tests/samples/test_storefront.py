"""samples/storefront: an order is bought once, and its sender knows what became of it."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import pytest
from partner_center_emulator.partner_center import catalogue

from cart_core.cart.checkout_answer import CheckoutAnswer
from cart_core.problem import CATALOGUE
from cart_core.settings import Settings
from local.function_process import ROOT
from samples.storefront import place_order as sample
from samples.storefront.place_order import Pending, Refused, place_order
from tests.end_to_end.chain import FUNCTION_KEY
from tests.samples.shop import (
    TROUBLES,
    Between,
    Shop,
    a_moment,
    licence,
    order,
    refused_busy,
    software,
)

SCRIPT = ROOT / "samples" / "storefront" / "place_order.py"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the sample meant to wait, each time; it waits a moment only."""
    meant: list[float] = []

    def sleep(seconds: float) -> None:
        meant.append(seconds)
        a_moment(seconds)

    monkeypatch.setattr(sample, "sleep", sleep)
    return meant


@pytest.fixture
def function(shop: Shop) -> Iterator[httpx.Client]:
    with connected(shop) as client:
        yield client


def connected(shop: Shop, **options: Any) -> httpx.Client:
    headers = {"x-functions-key": FUNCTION_KEY}
    return httpx.Client(base_url=shop.url, headers=headers, timeout=30, trust_env=False, **options)


def test_an_order_is_bought(shop: Shop, function: httpx.Client) -> None:
    checkout = place_order(function, order())

    assert checkout["status"] == "completed"
    assert len(checkout["orders"]) == 1
    assert shop.bought == [[catalogue.SOFTWARE]]


def test_an_order_that_comes_again_is_not_bought_again(shop: Shop, function: httpx.Client) -> None:
    wanted = order()

    assert place_order(function, wanted) == place_order(function, wanted)
    assert len(shop.bought) == 1


def test_two_orders_of_one_customer(shop: Shop, function: httpx.Client) -> None:
    one = order()
    another = {**one, "orderId": order()["orderId"]}

    assert place_order(function, one)["cartId"] != place_order(function, another)["cartId"]
    assert len(shop.bought) == 2


@pytest.mark.parametrize("deduplicate", [True, False])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_got_over_and_one_order_bought(
    shop: Shop, function: httpx.Client, waits: list[float], trouble: str, deduplicate: bool
) -> None:
    shop.cloud.partner_center.deduplicate = deduplicate
    shop.trouble(TROUBLES[trouble]())

    assert place_order(function, order())["status"] == "completed"
    assert waits
    assert len(shop.bought) == 1


def test_an_answer_that_the_network_lost(shop: Shop, waits: list[float]) -> None:
    with connected(shop, transport=Between(None, None)) as function:
        assert place_order(function, order())["status"] == "completed"

    assert waits == [5, 10]
    assert len(shop.bought) == 1


def test_the_platform_instead_of_the_function(shop: Shop, waits: list[float]) -> None:
    host_busy = httpx.Response(429, text="Too Busy", headers={"Retry-After": "7"})
    starting = httpx.Response(503, headers={"Retry-After": "Fri, 01 Jan 2027 00:00:00 GMT"})
    gateway = httpx.Response(504, json={"error": {"code": "BadGateway"}})
    with connected(shop, transport=Between(host_busy, starting, gateway)) as function:
        assert place_order(function, order())["status"] == "completed"

    assert waits == [7, 10, 20]
    assert len(shop.bought) == 1


def test_a_wrong_key(shop: Shop, waits: list[float]) -> None:
    with connected(shop) as function:
        function.headers["x-functions-key"] = "another"
        with pytest.raises(Refused, match="Unauthorized"):
            place_order(function, order())

    assert waits == []
    assert shop.bought == []


def test_orders_that_partner_center_does_not_tell_again(
    shop: Shop, function: httpx.Client, waits: list[float]
) -> None:
    shop.cloud.partner_center.deduplicate = False
    shop.cloud.partner_center.repeat_checkout = False
    shop.trouble(TROUBLES["checkout's answer lost"]())

    checkout = place_order(function, order())

    assert checkout["status"] == "ordered"
    assert len(shop.bought) == 1


def test_a_part_is_bought_and_later_the_rest(shop: Shop, function: httpx.Client) -> None:
    wanted = order(software(), licence(catalogue.UNSTEADY, orderGroup="1"))

    checkout = place_order(function, wanted)
    assert checkout["status"] == "partial"
    assert [error["orderGroupId"] for error in checkout["orderErrors"]] == ["1"]
    assert shop.bought == [[catalogue.SOFTWARE]]

    assert place_order(function, wanted)["status"] == "completed"
    assert shop.bought == [[catalogue.SOFTWARE], [catalogue.UNSTEADY]]


def test_a_line_that_is_not_sold(shop: Shop, function: httpx.Client, waits: list[float]) -> None:
    with pytest.raises(Refused) as refused:
        place_order(function, order(software(), licence(catalogue.SOLD_OUT)))

    problem = refused.value.problem
    assert problem["code"] == "cart_not_orderable"
    assert [bool(line["error"]) for line in problem["cart"]["lineItems"]] == [False, True]
    assert waits == []
    assert shop.bought == []


def test_orders_that_fail(shop: Shop, function: httpx.Client, waits: list[float]) -> None:
    with pytest.raises(Refused) as refused:
        place_order(function, order(licence(catalogue.NO_CREDIT)))

    problem = refused.value.problem
    assert problem["code"] == "checkout_failed"
    assert [error["code"] for error in problem["orderErrors"]] == ["800023"]
    assert waits == []
    assert shop.bought == []


def test_two_orders_with_one_id(shop: Shop, function: httpx.Client, waits: list[float]) -> None:
    wanted = order()
    place_order(function, wanted)

    with pytest.raises(Refused) as refused:
        place_order(function, {**wanted, "lines": [software(quantity=2)]})

    assert refused.value.problem["code"] == "idempotency_key_reused"
    assert waits == []
    assert len(shop.bought) == 1


def test_patience_ends_and_the_order_can_be_sent_again(
    shop: Shop, function: httpx.Client, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "PATIENCE", 9)
    shop.trouble(refused_busy(None))
    wanted = order()

    with pytest.raises(Pending):
        place_order(function, wanted)
    assert waits == [5]  # the next one, of 10, would be too long
    assert shop.bought == []

    shop.cloud.faults.clear()
    assert place_order(function, wanted)["status"] == "completed"
    assert len(shop.bought) == 1


def test_a_longer_pause_than_there_is_patience(
    shop: Shop, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "PATIENCE", 60)
    later = httpx.Response(503, headers={"Retry-After": "90"})

    with connected(shop, transport=Between(later)) as function, pytest.raises(Pending):
        place_order(function, order())

    assert waits == []


def test_the_command_line(shop: Shop) -> None:
    wanted = order()

    bought = _run(shop, wanted)
    assert bought.returncode == 0, bought.stderr
    assert json.loads(bought.stdout)["status"] == "completed"
    assert bought.stderr == "Everything is bought.\n"

    wrong = _run(shop, {**wanted, "lines": [software(quantity=2)]})
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout)["code"] == "idempotency_key_reused"
    assert wrong.stderr == "Another order had this orderId before, and may be bought.\n"
    assert len(shop.bought) == 1


def test_the_command_line_where_nobody_knows(
    shop: Shop, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNCTION_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("FUNCTION_KEY", FUNCTION_KEY)
    monkeypatch.setattr(sample, "PATIENCE", 0)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({**order(), "orderId": "1001"})))

    with pytest.raises(SystemExit, match="No final answer about 1001: run this again, as it is"):
        sample.main()


def test_what_next_is_said_for_every_end() -> None:
    """The statuses of a checkout, and every code with status 422."""
    statuses = CheckoutAnswer.model_fields["status"].annotation
    refusals = {code for code, kind in CATALOGUE.items() if kind.status == 422}

    assert set(sample.WHAT_NEXT) == {*get_args(statuses), *refusals}


def test_it_outlasts_the_claim_of_a_call_that_died(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = sum(
        Settings.model_fields[name].default for name in ("deadline_seconds", "lease_margin_seconds")
    )
    tries = [0.0]
    monkeypatch.setattr(sample, "monotonic", lambda: tries[-1])
    monkeypatch.setattr(sample, "sleep", lambda seconds: tries.append(tries[-1] + seconds))
    never = httpx.MockTransport(lambda request: httpx.Response(503))

    with (
        httpx.Client(base_url="http://function", transport=never) as function,
        pytest.raises(Pending),
    ):
        place_order(function, order())

    assert claim < tries[-1] < sample.PATIENCE


def _run(shop: Shop, wanted: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    environment = {"FUNCTION_URL": shop.url, "FUNCTION_KEY": FUNCTION_KEY}
    return subprocess.run(
        [sys.executable, SCRIPT],
        env=environment,
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
