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


def request(function: str, method: str, path: str, body: str, **route: str) -> dict[str, Any]:
    """A request as the host passes it on; the path is what follows the customer's id."""
    route = {"customerId": CUSTOMER, **route}
    return {
        "function": function,
        "method": method,
        "url": f"http://localhost:7071/api/customers/{route['customerId']}/carts{path}",
        "headers": {"content-type": "application/json", "x-functions-key": "key"},
        "route": route,
        "body": body,
    }


def create(body: str, customer: str = CUSTOMER) -> dict[str, Any]:
    """A request that creates a cart."""
    return request("create_cart", "POST", "", body, customerId=customer)


def run(
    *requests: dict[str, Any], environment: Mapping[str, str] | None = None, app_dir: Path = ROOT
) -> dict[str, Any]:
    """The bindings of the app's `functions`, by name, and the `answers` to requests."""
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
