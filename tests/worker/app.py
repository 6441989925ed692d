"""The app in a process of its own, under Microsoft's worker library; see runtime."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.function_process import ROOT
from tests.end_to_end.chain import CUSTOMER

needs_the_worker = pytest.mark.skipif(
    sys.version_info < (3, 13),
    reason="azure-functions-runtime, the worker as a library, exists from Python 3.13 on",
)

HEALTH: dict[str, Any] = {"function": "get_health", "body": ""}


def create(body: str, customer: str = CUSTOMER) -> dict[str, Any]:
    """A request that creates a cart."""
    return {
        "function": "create_cart",
        "method": "POST",
        "url": f"http://localhost:7071/api/customers/{customer}/carts",
        "headers": {"content-type": "application/json", "x-functions-key": "key"},
        "route": {"customerId": customer},
        "body": body,
    }


def of_a_cart(method: str, cart: dict[str, Any], more: str = "") -> dict[str, Any]:
    """A request for an existing cart; PUT sends the cart back."""
    return {
        "function": {"GET": "get_cart", "PUT": "update_cart", "POST": "checkout_cart"}[method],
        "method": method,
        "url": f"http://localhost:7071/api/customers/{CUSTOMER}/carts/{cart['id']}{more}",
        "headers": {"content-type": "application/json", "x-functions-key": "key"},
        "route": {"customerId": CUSTOMER, "cartId": cart["id"]},
        "body": json.dumps(cart) if method == "PUT" else "",
    }


def run(
    *requests: dict[str, Any], environment: Mapping[str, str] | None = None, app_dir: Path = ROOT
) -> dict[str, Any]:
    """What the worker says about the app, and the app's answers to requests."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.worker.runtime", str(app_dir)],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
        env=dict(environment or {}),
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
