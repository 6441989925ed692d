"""The app under Microsoft's own worker library."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from partner_center_emulator.cloud import LocalCloud

from cart_core import __version__
from local.__main__ import SAMPLE_CART
from local.environment import app_environment
from local.function_process import ROOT
from tests.end_to_end.chain import CUSTOMER, patched_app

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13),
    reason="azure-functions-runtime, the worker as a library, exists from Python 3.13 on",
)

HEALTH: dict[str, Any] = {"function": "get_health", "body": ""}


def create(body: str, customer: str = CUSTOMER) -> dict[str, Any]:
    return {
        "function": "create_cart",
        "method": "POST",
        "url": f"http://localhost:7071/api/customers/{customer}/carts",
        "headers": {"content-type": "application/json", "x-functions-key": "key"},
        "route": {"customerId": customer},
        "body": body,
    }


def of_a_cart(method: str, cart: dict[str, Any] | None = None, more: str = "") -> dict[str, Any]:
    """A request for the cart that `cart` is; PUT sends it back."""
    cart_id = cart["id"] if cart else CUSTOMER
    return {
        "function": {"GET": "get_cart", "PUT": "update_cart", "POST": "checkout_cart"}[method],
        "method": method,
        "url": f"http://localhost:7071/api/customers/{CUSTOMER}/carts/{cart_id}{more}",
        "headers": {"content-type": "application/json", "x-functions-key": "key"},
        "route": {"customerId": CUSTOMER, "cartId": cart_id},
        "body": json.dumps(cart) if method == "PUT" else "",
    }


def run(
    *requests: dict[str, Any], environment: Mapping[str, str] | None = None, app_dir: Path = ROOT
) -> dict[str, Any]:
    """What the worker says about the app, and its answers to requests."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.worker.runtime", str(app_dir)],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env=dict(environment or {}),
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def over_http(method: str, route: str, level: str = "FUNCTION") -> list[dict[str, Any]]:
    """The bindings of a function with a route."""
    trigger = {"methods": [method], "authLevel": level, "route": route}
    return [
        {"type": "httpTrigger", "direction": "IN", "name": "req", **trigger},
        {"type": "http", "direction": "OUT", "name": "$return"},
    ]


def test_it_indexes_exactly_these_functions() -> None:
    found = {function["name"]: function["bindings"] for function in run()["functions"]}

    carts = "customers/{customerId}/carts"
    assert found == {
        "create_cart": over_http("POST", carts),
        "get_cart": over_http("GET", f"{carts}/{{cartId}}"),
        "update_cart": over_http("PUT", f"{carts}/{{cartId}}"),
        "checkout_cart": over_http("POST", f"{carts}/{{cartId}}/checkout"),
        "place_order": over_http("POST", "customers/{customerId}/orders"),
        "get_openapi": over_http("GET", "openapi.json"),
        "get_health": over_http("GET", "health", level="ANONYMOUS"),
        "rotate_refresh_token": [
            {
                "type": "timerTrigger",
                "direction": "IN",
                "name": "timer",
                "schedule": "0 0 3 * * *",
            },
        ],
    }


def test_it_answers_without_settings() -> None:
    health, unconfigured = run(HEALTH, create(SAMPLE_CART))["answers"]

    assert health["status"] == 200
    assert json.loads(health["body"]) == {"status": "ok", "version": __version__}
    assert unconfigured["status"] == 503
    assert json.loads(unconfigured["body"])["code"] == "configuration_invalid"


def test_it_answers_through_the_local_cloud() -> None:
    with LocalCloud.in_thread() as cloud:
        answers = run(
            create("[]"),
            create(""),
            create(SAMPLE_CART, CUSTOMER.upper()),
            create(SAMPLE_CART),
            environment=app_environment(cloud),
        )["answers"]

        assert [answer["status"] for answer in answers] == [400, 400, 201, 201]
        invalid, empty, created, _ = (json.loads(answer["body"]) for answer in answers)
        assert (invalid["code"], empty["code"]) == ("invalid_request", "invalid_json")
        assert created["id"] in cloud.partner_center.carts
        headers = answers[2]["headers"]
        assert headers["Location"] == f"/api/customers/{CUSTOMER}/carts/{created['id']}"
        assert headers["content-type"] == "application/json"
        assert cloud.journal.counts["partner_center"] == 2


def test_a_cart_is_read_changed_and_bought_through_the_local_cloud() -> None:
    with LocalCloud.in_thread() as cloud:
        environment = app_environment(cloud, CART_ALLOW_CHECKOUT="true")
        [made] = run(create(SAMPLE_CART), environment=environment)["answers"]
        cart = json.loads(made["body"])
        cart["lineItems"][0]["quantity"] = 3
        answers = run(
            of_a_cart("PUT", cart),
            of_a_cart("GET", cart),
            of_a_cart("POST", cart, "/checkout"),
            environment=environment,
        )["answers"]

    assert [answer["status"] for answer in answers] == [200, 200, 201]
    changed, read, bought = (json.loads(answer["body"]) for answer in answers)
    assert changed["lineItems"][0]["quantity"] == read["lineItems"][0]["quantity"] == 3
    assert (bought["cartId"], bought["status"]) == (cart["id"], "completed")


def test_an_unexpected_exception_is_a_problem_too(tmp_path: Path) -> None:
    app_dir = patched_app(
        tmp_path,
        "from cart_core import composition",
        "async def fail(request, call): raise RuntimeError('a secret')",
        "composition.create_cart = fail",
    )

    [answer] = run(create(SAMPLE_CART), app_dir=app_dir)["answers"]

    assert answer["status"] == 500
    told = json.loads(answer["body"])
    assert told["code"] == "internal_error"
    assert told["correlationId"] == answer["headers"]["MS-CorrelationId"]
    assert "a secret" not in answer["body"]
