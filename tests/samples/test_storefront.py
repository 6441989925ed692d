"""samples/storefront: how long the program goes on, and its command line."""

import io
import json
import subprocess
import sys
from typing import Any, get_args

import httpx
import pytest

from cart_core.cart.checkout_answer import CheckoutAnswer
from cart_core.problem import CATALOGUE
from cart_core.settings import Settings
from local.function_process import ROOT
from samples.storefront import place_order as sample
from tests.end_to_end.chain import FUNCTION_KEY, closed_port
from tests.samples.callers import Storefront
from tests.samples.shop import Shop, order, software

SCRIPT = ROOT / "samples" / "storefront" / "place_order.py"


def test_the_waits_grow_and_end_where_patience_does(shop: Shop) -> None:
    claim = sum(
        Settings.model_fields[name].default for name in ("deadline_seconds", "lease_margin_seconds")
    )
    date = httpx.Response(503, headers={"Retry-After": "Fri, 01 Jan 2027 00:00:00 GMT"})
    gateway = httpx.Response(504, json={"error": {"code": "BadGateway"}})

    with Storefront(shop, *[date, gateway] * 5) as caller:
        assert caller.place(order())[0] == "pending"

    assert caller.waits == [5.0 * 2**number for number in range(len(caller.waits))]
    assert claim < sum(caller.waits) < sample.PATIENCE  # the claim of a call that died is over


def test_a_longer_wait_than_there_is_patience(shop: Shop) -> None:
    later = httpx.Response(503, headers={"Retry-After": "400"})

    with Storefront(shop, later) as caller:
        assert caller.place(order())[0] == "pending"

    assert caller.waits == []


def test_the_command_line(shop: Shop) -> None:
    goods = order()

    bought = _run(shop, goods)
    assert bought.returncode == 0, bought.stderr
    assert json.loads(bought.stdout)["status"] == "completed"
    assert bought.stderr == "Everything is bought.\n"

    wrong = _run(shop, {**goods, "lines": [software(quantity=2)]})
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout)["code"] == "idempotency_key_reused"
    assert wrong.stderr == "Another order had this orderId before, and may be bought.\n"
    assert len(shop.bought) == 1


def test_the_command_line_where_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCTION_KEY", FUNCTION_KEY)
    monkeypatch.setattr(sample, "PATIENCE", 0)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({**order(), "orderId": "1001"})))
    expected = r"No final answer about 1001 \(ConnectError\): run this again"

    with closed_port() as port:
        monkeypatch.setenv("FUNCTION_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(SystemExit, match=expected):
            sample.main()


@pytest.mark.parametrize(
    ("environment", "order", "said"),
    [
        ({}, {}, "Set FUNCTION_URL and FUNCTION_KEY: "),
        ({"FUNCTION_URL": "http://127.0.0.1:1", "FUNCTION_KEY": ""}, {}, "Set FUNCTION_KEY: "),
        (
            {"FUNCTION_URL": "http://127.0.0.1:1", "FUNCTION_KEY": "k"},
            {"customerId": "c", "lines": [{}]},
            "The order needs orderId; nothing was sent.",
        ),
    ],
)
def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], order: dict[str, Any], said: str
) -> None:
    for name in ("FUNCTION_URL", "FUNCTION_KEY"):
        monkeypatch.setenv(name, environment.get(name, ""))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(order)))

    with pytest.raises(SystemExit, match=said):
        sample.main()


def test_the_next_step_is_explained_for_every_end() -> None:
    """The statuses of a checkout that is at its end, and every code with status 422."""
    statuses = CheckoutAnswer.model_fields["status"].annotation
    refusals = {code for code, kind in CATALOGUE.items() if kind.status == 422}

    assert set(sample.WHAT_NEXT) == {*get_args(statuses), *refusals} - {"in_progress"}


def _run(shop: Shop, goods: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    environment = {"FUNCTION_URL": shop.url, "FUNCTION_KEY": FUNCTION_KEY}
    return subprocess.run(
        [sys.executable, SCRIPT],
        env=environment,
        input=json.dumps(goods),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
