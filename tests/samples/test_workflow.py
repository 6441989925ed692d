"""samples/logic-app: every branch of the workflow, replayed against the function."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.disturbances import Disturbance

from cart_core.settings import Settings
from tests.end_to_end.chain import FUNCTION_KEY, closed_port, licence
from tests.samples.callers import DEFINITION, WORKFLOW, Workflow
from tests.samples.logic_apps import BadContent, Run, intervals
from tests.samples.shop import Shop, order, refused_busy, software, throttled

POLICY = DEFINITION["actions"]["Until_found"]["actions"]["Place_order"]["inputs"]["retryPolicy"]
RETRIES: int = POLICY["count"]

Deploy = Callable[..., Workflow]


@pytest.fixture
def deploy(shop: Shop) -> Iterator[Deploy]:
    """Deploys the workflow, which calls the shared shop unless another URL is given."""
    with ExitStack() as stack:
        yield lambda *instead, **how: stack.enter_context(Workflow(shop, *instead, **how))


def answered(run: Run) -> tuple[int, str, str | None]:
    """The status of the answer to the storefront, the order's, and the code."""
    assert run.answer
    return run.answer.status, run.answer.body["status"], run.answer.body.get("code")


BRANCHES: list[tuple[dict[str, Any], tuple[int, str, str | None], str | None]] = [
    (software(), (201, "completed", None), None),
    (licence(catalogue.SOLD_OUT), (422, "rejected", "cart_not_orderable"), None),
    (licence(catalogue.NO_CREDIT), (422, "rejected", "checkout_failed"), None),
    (software(billingCycle="no"), (400, "rejected", "invalid_request"), "invalid_request"),
]


@pytest.mark.parametrize(("line", "answer", "error_code"), BRANCHES)
def test_a_branch(
    deploy: Deploy,
    line: dict[str, Any],
    answer: tuple[int, str, str | None],
    error_code: str | None,
) -> None:
    """The answer to the storefront, and whether the run fails, where an operator should look."""
    goods = order(line)

    run = deploy().app.post(goods)

    assert answered(run) == answer
    assert (run.status, run.error_code) == ("Failed" if error_code else "Succeeded", error_code)
    assert run.answer
    assert run.answer.body["orderId"] == goods["orderId"]
    assert run.tracking_id == goods["orderId"]  # by which the run history finds it
    assert FUNCTION_KEY not in repr(run)
    errors = [line["error"] for line in run.answer.body.get("lines", [])]
    assert [error["code"] for error in errors] == (
        ["10003"] if "cart_not_orderable" in answer else []
    )


def test_a_partial_and_a_reused_order_fail_the_run(deploy: Deploy) -> None:
    goods = order(software(), licence(catalogue.UNSTEADY, orderGroup="1"))
    app = deploy().app

    partial, reused = app.post(goods), app.post({**goods, "lines": [software(quantity=2)]})

    assert answered(partial) == (201, "partial", None)
    assert (partial.status, partial.error_code) == ("Failed", "partial")
    assert answered(reused) == (422, "rejected", "idempotency_key_reused")
    assert (reused.status, reused.error_code) == ("Failed", "idempotency_key_reused")


@pytest.mark.parametrize(
    ("disturbance", "status", "code", "bought"),
    [
        (throttled("/carts$", None), 429, "partner_center_throttled", 0),
        (refused_busy(None), 503, "partner_center_busy", 0),
        (
            Disturbance("partner_center", None, path="/carts/.", commit=True, status=500),
            *(502, "partner_center_failed", 1),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_trouble_that_outlasts_the_retries(
    shop: Shop, deploy: Deploy, disturbance: Disturbance, status: int, code: str, bought: int
) -> None:
    """The run fails, with a pending order; resubmitted, it finds or finishes the one order."""
    shop.trouble(disturbance)
    goods = order()
    app = deploy().app

    run = app.post(goods)
    assert answered(run) == (status, "pending", code)
    assert run.answer
    assert (run.answer.body["outcome"] == "unknown") == bool(bought)
    assert bool(run.answer.headers.get("Retry-After")) == (status in {429, 503})
    assert (run.status, run.error_code) == ("Failed", code)
    assert len(run.waits) == RETRIES
    assert len(shop.bought) == bought

    shop.cloud.disturbances.clear()
    assert answered(app.post(goods)) == (201, "completed", None)
    assert len(shop.bought) == 1


def test_no_connection(deploy: Deploy) -> None:
    with closed_port() as port:
        run = deploy(url=f"http://127.0.0.1:{port}").app.post(order())

    assert answered(run) == (503, "pending", "no_answer")
    assert (run.status, run.error_code) == ("Failed", "no_answer")
    assert len(run.waits) == RETRIES


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        (httpx.Response(503, html="<h1>Service Unavailable</h1>"), RETRIES),
        (httpx.Response(502, json={"error": {"code": "BadGateway"}}), RETRIES),
        (httpx.Response(404), 5),
    ],
    ids=lambda value: str(getattr(value, "status_code", "")),
)
def test_nothing_but_the_platform(
    shop: Shop, deploy: Deploy, answer: httpx.Response, waits: int
) -> None:
    caller = deploy(*[answer] * (1 + RETRIES))
    run = caller.app.post(order())

    assert answered(run) == (503, "pending", "no_answer")
    assert run.error_code == "no_answer"
    assert len(caller.waits) == waits
    assert shop.bought == []


@pytest.mark.parametrize(
    "change",
    [
        {"orderId": ""},
        {"orderId": "two words"},
        {"orderId": "two,keys"},
        {"customerId": "../orders"},
        {"lines": []},
        {"lines": [software(quantity=0)]},
        {"lines": [{"productId": "A", "skuId": "1", "billingCycle": "one_time"}]},
    ],
    ids=str,
)
def test_what_the_trigger_refuses(shop: Shop, deploy: Deploy, change: dict[str, Any]) -> None:
    with pytest.raises(BadContent):
        deploy().app.post({**order(), **change})

    assert shop.cloud.journal.requests("partner_center") == []


def test_the_last_retry_comes_after_the_claim_of_a_call_that_died() -> None:
    claim = sum(
        Settings.model_fields[name].default for name in ("deadline_seconds", "lease_margin_seconds")
    )

    assert sum(shortest for shortest, _ in intervals(POLICY)) > claim


def test_every_parameter_has_a_value_and_the_key_is_secret() -> None:
    declared = DEFINITION["parameters"]

    assert WORKFLOW["parameters"].keys() == declared.keys()
    assert declared["functionKey"]["type"] == "securestring"
