"""Clients that are generated from the description can be compiled and used."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Node, find_node, install

from cart_core.api.about import OPENAPI_FILE
from local.environment import app_environment
from local.function_process import ROOT, FunctionProcess
from tests.kit.tools import unavailable

HERE = Path(__file__).resolve().parent
PYTHON = ROOT / ".venv-clients" / "bin" / "python"

READ = {
    "created": 25,
    "participant": "5139005",
    "renewsTo": "P1Y",
    "changed": 24,
    "bought": "completed",
    "ordered": "completed",
    "refused": [400, "invalid_request", "/lineItems/0/quantity"],
    "retryable": False,
}
"""What each client reads of the answers."""


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; it fails the test where the command fails."""
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": path, "HOME": str(cwd), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def function() -> Iterator[FunctionProcess]:
    """The app in its local cloud; buying is on."""
    with (
        LocalCloud.in_thread() as cloud,
        FunctionProcess(app_environment(cloud, CART_ALLOW_CHECKOUT="true")) as running,
    ):
        yield running


def test_the_client_of_openapi_python_client(function: FunctionProcess, tmp_path: Path) -> None:
    generator = PYTHON.with_name("openapi-python-client")
    if not generator.exists():
        unavailable("There is no .venv-clients with openapi-python-client: `make test` makes it.")
    options = ["--meta=none", f"--output-path={tmp_path / 'partner_center_carts_client'}"]

    told = run(generator, "generate", "--path", OPENAPI_FILE, *options, cwd=tmp_path)

    assert "WARNING" not in told.upper(), told
    shutil.copy(HERE / "python_client.py", tmp_path)
    printed = run(PYTHON, "python_client.py", function.url, function.key, cwd=tmp_path)
    assert json.loads(printed) == READ


def test_the_client_of_openapi_typescript(function: FunctionProcess, tmp_path: Path) -> None:
    node = installed()
    tools = HERE / "npm" / "node_modules"
    (tmp_path / "node_modules").symlink_to(tools)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "client.ts", tmp_path)
    generator = tools / "openapi-typescript" / "bin" / "cli.js"
    compiler = tools / "typescript" / "bin" / "tsc"
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]

    run(node.executable, generator, OPENAPI_FILE, "-o", "schema.d.ts", cwd=tmp_path)
    run(
        *(node.executable, str(compiler), *strict, "--module", "nodenext", "--target", "es2022"),
        *("--lib", "es2022,dom", "client.ts"),
        cwd=tmp_path,
    )

    printed = run(node.executable, "client.js", function.url, function.key, cwd=tmp_path)
    assert json.loads(printed) == READ


def installed() -> Node:
    """The Node.js, with the tools that package-lock.json pins; else the test is skipped."""
    try:
        node = find_node()
        install(node, HERE / "npm")
    except RuntimeError as error:
        unavailable(str(error))
    return node
