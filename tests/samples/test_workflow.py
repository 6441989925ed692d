"""samples/logic-app: every branch of the workflow, replayed against the function."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.disturbances import Disturbance

from cart_core.operations.operation import GIVE_UP_AFTER
from cart_core.settings import Settings
from tests.end_to_end.chain import FUNCTION_KEY, closed_port, licence
from tests.samples.callers import DEFINITION, WORKFLOW, Workflow
from tests.samples.logic_apps import IDENTITY_TOKEN, BadContent, Run, intervals, seconds
from tests.samples.shop import (
    Shop,
    SignIn,
    opened,
    order,
    refused_busy,
    software,
    throttled,
)

UNTIL_FOUND = DEFINITION["actions"]["Until_found"]
PLACE_ORDER = UNTIL_FOUND["actions"]["Place_order"]
POLICY = PLACE_ORDER["inputs"]["retryPolicy"]
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


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose function gives up an order as soon as a try fails."""
    with opened(tmp_path_factory.mktemp("hasty"), patient=False) as shop:
        yield shop


@pytest.mark.parametrize(
    ("disturbance", "bought"),
    [
        (throttled("/carts$", None), 0),
        (refused_busy(None), 0),
        (Disturbance("partner_center", None, path="/carts/.", commit=True, status=500), 1),
    ],
    ids=["throttled", "busy", "unknown"],
)
def test_an_order_that_the_function_gave_up_is_pending_until_an_operator_replays_it(
    hasty: Shop, disturbance: Disturbance, bought: int
) -> None:
    """The run fails, and no answer says that it is refused; then it finds or makes the order."""
    hasty.cloud.reset()
    hasty.trouble(disturbance)
    goods = order()
    with Workflow(hasty) as caller:
        run = caller.app.post(goods)
        assert answered(run) == (500, "pending", "operation_dead")
        assert run.answer
        assert (run.answer.body["outcome"] == "unknown") == bool(bought)
        assert (run.status, run.error_code) == ("Failed", "operation_dead")
        assert len(hasty.bought) == bought

        hasty.cloud.disturbances.clear()
        key = {"x-functions-key": FUNCTION_KEY}
        where = f"/api/operations?customerId={goods['customerId']}"
        [dead] = caller.client.get(where, headers=key).json()["operations"]
        assert dead["state"] == "dead"
        replay = f"/api/operations/{dead['id']}/replay"
        assert caller.client.post(replay, headers=key).status_code == 200
        assert answered(caller.app.post(goods)) == (201, "completed", None)
    assert len(hasty.bought) == 1


def test_a_function_that_cannot_accept_is_asked_again_and_then_the_order_is_pending(
    shop: Shop, deploy: Deploy
) -> None:
    problem = {"status": 503, "code": "store_unavailable", "retryable": True, "outcome": "not_sent"}
    headers = {"MS-CorrelationId": "c", "Retry-After": "7"}
    unavailable = httpx.Response(503, json={**problem, "detail": "No."}, headers=headers)

    run = deploy(*[unavailable] * (1 + RETRIES)).app.post(order())

    assert answered(run) == (503, "pending", "store_unavailable")
    assert run.answer
    assert run.answer.headers["Retry-After"] == "7"
    assert (run.status, run.error_code) == ("Failed", "store_unavailable")
    assert (len(run.waits), run.polls) == (RETRIES, [])
    assert shop.bought == []


def test_a_workflow_that_signs_in_has_no_key(tmp_path: Path) -> None:
    with opened(tmp_path, CART_CALLERS="entra", WEBSITE_AUTH_ENABLED="true") as shop:
        way = SignIn(IDENTITY_TOKEN, "Orders.Buy")
        with Workflow(shop, way=way) as caller:
            assert caller.place(order())[0] == "completed"
        assert len(shop.bought) == 1
        assert not any("x-functions-key" in each.headers for each, _ in way.exchanges)

        with Workflow(shop, way=SignIn(IDENTITY_TOKEN, "Carts.Read")) as caller:
            assert caller.place(order())[0] == "role_missing"
        with Workflow(shop, way=SignIn("the token of another tenant")) as caller:
            assert caller.place(order())[0] == "pending"
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


def test_the_workflow_is_more_patient_than_the_function() -> None:
    polling = seconds(PLACE_ORDER["limit"]["timeout"])

    assert polling > GIVE_UP_AFTER.total_seconds()
    assert seconds(UNTIL_FOUND["limit"]["timeout"]) > polling


def test_every_parameter_has_a_value_and_the_key_is_secret() -> None:
    declared = DEFINITION["parameters"]

    assert WORKFLOW["parameters"].keys() == declared.keys()
    assert declared["functionKey"]["type"] == "securestring"
