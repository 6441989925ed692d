"""samples/logic-app: every branch of the workflow, replayed against the function."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.faults import Fault

from cart_core.settings import Settings
from local.function_process import ROOT
from tests.end_to_end.chain import FUNCTION_KEY
from tests.samples.logic_apps import BadContent, LogicApp, Run, intervals
from tests.samples.shop import (
    TROUBLES,
    Between,
    Shop,
    a_moment,
    licence,
    order,
    refused_busy,
    software,
    throttled,
)

WORKFLOW: dict[str, Any] = json.loads(
    (ROOT / "samples" / "logic-app" / "workflow.json").read_text("utf-8")
)
DEFINITION = WORKFLOW["definition"]
RETRIES: int = DEFINITION["actions"]["Place_order"]["inputs"]["retryPolicy"]["count"]

Deploy = Callable[..., LogicApp]


@pytest.fixture
def deploy(shop: Shop) -> Iterator[Deploy]:
    """Deploys the workflow; it calls the shared shop, unless told otherwise."""
    clients: list[httpx.Client] = []

    def deployed(
        *instead: httpx.Response | None, url: str = shop.url, key: str = FUNCTION_KEY
    ) -> LogicApp:
        clients.append(httpx.Client(transport=Between(*instead)))
        parameters = {"functionUrl": url, "functionKey": key}
        return LogicApp(DEFINITION, parameters, clients[-1], a_moment)

    yield deployed
    for client in clients:
        client.close()


def answered(run: Run) -> tuple[int, str, str | None]:
    """The status of the answer to the storefront, the order's, and the code."""
    assert run.answer
    return run.answer.status, run.answer.body["status"], run.answer.body.get("code")


def test_completed(shop: Shop, deploy: Deploy) -> None:
    wanted = order(software(), licence(catalogue.BUSINESS_BASIC, orderGroup="1"))

    run = deploy().post(wanted)

    assert answered(run) == (201, "completed", None)
    assert run.answer
    assert run.answer.body["orderId"] == wanted["orderId"]
    assert len(run.answer.body["orders"]) == 2
    assert run.status == "Succeeded"
    assert shop.bought == [[catalogue.SOFTWARE], [catalogue.BUSINESS_BASIC]]


def test_an_order_that_is_delivered_again(shop: Shop, deploy: Deploy) -> None:
    wanted = order()
    app = deploy()

    assert app.post(wanted).answer == app.post(wanted).answer
    assert len(shop.bought) == 1


def test_two_orders_of_one_customer(shop: Shop, deploy: Deploy) -> None:
    one = order()
    app = deploy()

    for wanted in (one, {**one, "orderId": order()["orderId"]}):
        assert answered(app.post(wanted)) == (201, "completed", None)
    assert len(shop.bought) == 2


def test_two_deliveries_at_once(shop: Shop, deploy: Deploy) -> None:
    """The second one meets the first under way (503), and gets its answer in the end."""
    shop.trouble(Fault("partner_center", path="/checkout$", delay=0.8))
    wanted = order()
    runs: list[Run] = []
    apps = deploy(), deploy()
    threads = [
        threading.Thread(target=lambda app=app: runs.append(app.post(wanted))) for app in apps
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answered(run) for run in runs] == [(201, "completed", None)] * 2
    assert sorted(bool(run.waits) for run in runs) == [False, True]
    assert len(shop.bought) == 1


def test_ordered(shop: Shop, deploy: Deploy) -> None:
    shop.cloud.partner_center.deduplicate = False
    shop.cloud.partner_center.repeat_checkout = False
    shop.trouble(TROUBLES["checkout's answer lost"]())

    run = deploy().post(order())

    assert answered(run) == (201, "ordered", None)
    assert run.answer
    assert run.answer.body["cartId"] in shop.cloud.partner_center.carts
    assert run.status == "Succeeded"
    assert len(shop.bought) == 1


def test_partial_and_the_rest_when_the_run_is_resubmitted(shop: Shop, deploy: Deploy) -> None:
    wanted = order(software(), licence(catalogue.UNSTEADY, orderGroup="1"))
    app = deploy()

    run = app.post(wanted)
    assert answered(run) == (201, "partial", None)
    assert run.answer
    assert len(run.answer.body["orders"]) == 1
    assert [error["code"] for error in run.answer.body["orderErrors"]] == ["800005"]
    assert (run.status, run.error_code) == ("Failed", "partial")

    assert answered(app.post(wanted)) == (201, "completed", None)
    assert shop.bought == [[catalogue.SOFTWARE], [catalogue.UNSTEADY]]


def test_cart_not_orderable(shop: Shop, deploy: Deploy) -> None:
    run = deploy().post(order(software(), licence(catalogue.SOLD_OUT)))

    assert answered(run) == (422, "rejected", "cart_not_orderable")
    assert run.answer
    errors = [line["error"] for line in run.answer.body["lines"]]
    assert [error and error["code"] for error in errors] == [None, "10003"]
    assert run.status == "Succeeded"
    assert run.waits == []
    assert shop.bought == []


def test_checkout_failed(shop: Shop, deploy: Deploy) -> None:
    run = deploy().post(order(licence(catalogue.NO_CREDIT)))

    assert answered(run) == (422, "rejected", "checkout_failed")
    assert run.answer
    assert [error["code"] for error in run.answer.body["orderErrors"]] == ["800023"]
    assert run.status == "Succeeded"
    assert run.waits == []
    assert shop.bought == []


def test_idempotency_key_reused(shop: Shop, deploy: Deploy) -> None:
    wanted = order()
    app = deploy()
    app.post(wanted)

    run = app.post({**wanted, "lines": [software(quantity=2)]})

    assert answered(run) == (422, "rejected", "idempotency_key_reused")
    assert (run.status, run.error_code) == ("Failed", "idempotency_key_reused")
    assert len(shop.bought) == 1


@pytest.mark.parametrize("deduplicate", [True, False])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_that_the_retries_get_over(
    shop: Shop, deploy: Deploy, trouble: str, deduplicate: bool
) -> None:
    shop.cloud.partner_center.deduplicate = deduplicate
    shop.trouble(TROUBLES[trouble]())

    run = deploy().post(order())

    assert answered(run) == (201, "completed", None)
    assert run.status == "Succeeded"
    assert run.waits
    assert len(shop.bought) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code", "bought"),
    [
        (throttled("/carts$", None), 429, "partner_center_throttled", 0),
        (refused_busy(None), 503, "partner_center_busy", 0),
        (
            Fault("partner_center", None, path="/checkout$", commit=True, status=500),
            *(502, "partner_center_failed", 1),
        ),
        (
            Fault("partner_center", None, path="/checkout$", commit=True, action="drop"),
            *(502, "partner_center_no_answer", 1),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_trouble_that_outlasts_the_retries(
    shop: Shop, deploy: Deploy, fault: Fault, status: int, code: str, bought: int
) -> None:
    """The run fails, with a pending order; resubmitted, it finds or finishes the one order."""
    shop.trouble(fault)
    wanted = order()
    app = deploy()

    run = app.post(wanted)
    assert answered(run) == (status, "pending", code)
    assert run.answer
    assert (run.answer.body["outcome"] == "unknown") == bool(bought)
    assert bool(run.answer.headers.get("Retry-After")) == (status in {429, 503})
    assert (run.status, run.error_code) == ("Failed", code)
    assert len(run.waits) == RETRIES
    assert len(shop.bought) == bought

    shop.cloud.faults.clear()
    assert answered(app.post(wanted)) == (201, "completed", None)
    assert len(shop.bought) == 1


def test_no_connection(shop: Shop, deploy: Deploy) -> None:
    run = deploy(url="http://127.0.0.1:9").post(order())

    assert answered(run) == (503, "pending", "no_answer")
    assert (run.status, run.error_code) == ("Failed", "no_answer")
    assert len(run.waits) == RETRIES


def test_an_answer_that_the_network_lost(shop: Shop, deploy: Deploy) -> None:
    run = deploy(None, None).post(order())

    assert answered(run) == (201, "completed", None)
    assert len(run.waits) == 2
    assert len(shop.bought) == 1


def test_the_platform_instead_of_the_function(shop: Shop, deploy: Deploy) -> None:
    host_busy = httpx.Response(429, text="Too Busy", headers={"Retry-After": "77"})
    starting = httpx.Response(503, html="<h1>Service Unavailable</h1>")

    run = deploy(host_busy, starting).post(order())

    assert answered(run) == (201, "completed", None)
    assert run.waits[0] == 77
    assert len(shop.bought) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(429, text="Too Busy"),
        httpx.Response(503, html="<h1>Service Unavailable</h1>"),
        httpx.Response(502, json={"error": {"code": "BadGateway"}}),
        httpx.Response(403),
    ],
    ids=lambda answer: str(answer.status_code),
)
def test_nothing_but_the_platform(shop: Shop, deploy: Deploy, answer: httpx.Response) -> None:
    run = deploy(*[answer] * (1 + RETRIES)).post(order())

    assert answered(run) == (503, "pending", "no_answer")
    assert run.error_code == "no_answer"
    assert shop.bought == []


def test_a_wrong_key(shop: Shop, deploy: Deploy) -> None:
    run = deploy(key="another").post(order())

    assert answered(run) == (503, "pending", "no_answer")
    assert run.history["Place_order"].outputs["statusCode"] == 401
    assert run.waits == []


def test_an_order_that_is_no_cart(shop: Shop, deploy: Deploy) -> None:
    run = deploy().post(order(software(billingCycle="fortnightly")))

    assert answered(run) == (400, "rejected", "invalid_request")
    assert (run.status, run.error_code) == ("Failed", "invalid_request")
    assert run.waits == []


def test_where_nothing_may_be_bought(open_shop: Callable[..., Shop], deploy: Deploy) -> None:
    own = open_shop(CART_ALLOW_CHECKOUT=None)

    run = deploy(url=own.url).post(order())

    assert answered(run) == (403, "rejected", "checkout_disabled")
    assert run.error_code == "checkout_disabled"


def test_where_the_function_cannot_work(open_shop: Callable[..., Shop], deploy: Deploy) -> None:
    own = open_shop()
    own.trouble(Fault("key_vault", None, status=503))
    wanted = order()
    app = deploy(url=own.url)

    run = app.post(wanted)
    assert answered(run) == (503, "pending", "vault_unavailable")
    assert run.answer
    assert run.answer.headers["Retry-After"] == "60"

    own.cloud.faults.clear()
    assert answered(app.post(wanted)) == (201, "completed", None)


@pytest.mark.parametrize(
    "change",
    [
        {"orderId": ""},
        {"orderId": "two words"},
        {"customerId": "../orders"},
        {"lines": []},
        {"lines": [software(quantity=0)]},
        {"lines": [{"quantity": 1, "billingCycle": "one_time"}]},
    ],
    ids=str,
)
def test_what_the_trigger_refuses(shop: Shop, deploy: Deploy, change: dict[str, Any]) -> None:
    with pytest.raises(BadContent):
        deploy().post({**order(), **change})

    assert shop.cloud.journal.requests("partner_center") == []


def test_runs_are_found_by_the_order_and_do_not_show_the_key(shop: Shop, deploy: Deploy) -> None:
    wanted = order()

    run = deploy().post(wanted)

    assert run.tracking_id == wanted["orderId"]
    assert FUNCTION_KEY not in repr(run)


def test_the_last_retry_outlasts_the_claim_of_a_call_that_died() -> None:
    claim = sum(
        Settings.model_fields[name].default for name in ("deadline_seconds", "lease_margin_seconds")
    )
    policy = DEFINITION["actions"]["Place_order"]["inputs"]["retryPolicy"]

    assert sum(shortest for shortest, _ in intervals(policy)) > claim


def test_every_parameter_has_a_value_and_the_key_is_secret() -> None:
    declared = DEFINITION["parameters"]

    assert WORKFLOW["parameters"].keys() == declared.keys()
    assert declared["functionKey"]["type"] == "securestring"
