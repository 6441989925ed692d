"""The deployment package: which files it has, how big it is, and that it serves a cart alone."""

import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite

from infra import package
from local.environment import app_environment
from local.function_process import ROOT, FunctionProcess
from local.samples import SAMPLE_CART

CARTS = "/api/customers/d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d/carts"
UNKNOWN_CUSTOMER = "00000000-0000-0000-0000-000000000000"

HOST_MODULES = (
    *("__init__", "functions_host", "host_calls", "host_messages", "host_queue", "host_triggers"),
    *("loopback_guard", "queue_listener", "queue_trigger", "timer_trigger"),
)
MOST_MEGABYTES = 25
"""Limit of the zip, which every cold start loads: growth has to be noticed."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's folder. pip takes seconds, so there is one for all tests."""
    folder = tmp_path_factory.mktemp("package") / "package"
    package.build(folder)
    return folder


def files(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}


def test_it_holds_the_app_and_its_requirements_and_nothing_else(built: Path) -> None:
    requirements = {name for name in files(built) if name.startswith(".python_packages/")}

    assert files(built) - requirements - {"storefronts.toml"} == {
        "LICENSE",
        "function_app.py",
        "host.json",
        "requirements.txt",
        "cart_core/api/openapi.json",
        *(path.relative_to(ROOT).as_posix() for path in (ROOT / "cart_core").rglob("*.py")),
    }
    assert all(name.startswith(f"{package.SITE_PACKAGES}/") for name in requirements)
    # Nothing is left of the machine that built it.
    leftovers = re.compile(rf"\.pyc$|__pycache__|^{re.escape(str(package.SITE_PACKAGES))}/bin/")
    assert not list(filter(leftovers.search, requirements))
    assert not [path for path in built.rglob("*") if path.is_symlink()]


def test_it_holds_one_version_of_what_is_pinned_for_its_python_and_no_tool(built: Path) -> None:
    folders = (built / package.SITE_PACKAGES).glob("*.dist-info")
    installed = {canonicalize_name(each.name.partition("-")[0]) for each in folders}
    lines = package.for_target((ROOT / "requirements.txt").read_text()).splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines}

    assert installed == pinned
    assert {"azure-functions", "azure-identity", "aiohttp"} <= installed
    assert not installed & {"pytest", "mypy", "ruff", "checkov", "trustme", "hypothesis"}


def test_its_binaries_are_for_its_python_on_linux(built: Path) -> None:
    binaries = [name for name in files(built) if name.endswith((".so", ".pyd", ".dylib"))]
    platform = f"cpython-{package.PYTHON_VERSION.replace('.', '')}-x86_64-linux-gnu"

    assert binaries
    assert not [name for name in binaries if not name.endswith((f".{platform}.so", ".abi3.so"))]


def test_the_zip_holds_the_folder_with_the_app_at_its_root(built: Path, tmp_path: Path) -> None:
    package.archive(built, tmp_path / "package.zip")

    with zipfile.ZipFile(tmp_path / "package.zip") as opened:
        assert set(opened.namelist()) == files(built)
        assert {stat.S_IMODE(entry.external_attr >> 16) for entry in opened.infolist()} == {0o644}
    assert 5 < (tmp_path / "package.zip").stat().st_size / 1_000_000 < MOST_MEGABYTES


def test_equal_folders_become_equal_zips(tmp_path: Path) -> None:
    zips = []
    for age, folder in enumerate((tmp_path / "one", tmp_path / "two")):
        for name in ("b", "a"):
            (folder / name).mkdir(parents=True)
            (folder / name / "file").write_text("content")
            os.utime(folder / name / "file", (age * 1e8, age * 1e8))
        package.archive(folder, folder.with_suffix(".zip"))
        zips.append(folder.with_suffix(".zip").read_bytes())

    assert zips[0] == zips[1]


def test_funcignore_decides_what_is_in_it(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".funcignore", tmp_path)
    for name in (
        *("function_app.py", "cart_core/tokens.py", "cart_core/__pycache__/tokens.pyc"),
        *(".env", ".git/config", ".venv/bin/python", "local.settings.json", ".azure/config.json"),
        *("emulator/cloud.py", "local/__main__.py", "description/words.py", "tests/unit/test.py"),
        *("infra/main.bicep", "bench/load.py", "docs/deploy.md", "build/package.zip"),
        *("azure.yaml", "Makefile", "pyproject.toml", "storefronts.toml"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    deployed = [str(name) for name in package.app_files(tmp_path)]
    assert deployed == ["cart_core/tokens.py", "function_app.py", "storefronts.toml"]


def test_markers_are_those_of_the_platform_whatever_python_builds() -> None:
    lines = (
        "one==1 ; python_full_version < '3.13' \\\n    --hash=sha256:aa\n"
        "two==2 ; python_full_version >= '3.13' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
        "three==3 ; sys_platform == 'win32'\n"
        "four==4\n"
    )

    assert package.for_target(lines) == ("two==2 --hash=sha256:bb --hash=sha256:cc\nfour==4\n")


def python_of_the_platform() -> str:
    """A CPython of the package's version on this machine, or a skipped test."""
    version = package.PYTHON_VERSION
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [shutil.which(f"python{version}")]
    candidates += [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python3"))]
    for path in filter(None, candidates):  # a pyenv shim can be there and not start
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"there is no Python {version} here, for which the package is built")


@pytest.fixture
def serving(
    built: Path, azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """The package in the local Functions host, which can import nothing but the package.

    -S keeps the interpreter's own packages out, and -P the project's folder. The host's modules are
    copied, because in the project's folder there is another cart_core beside them.
    """
    host = tmp_path / "host" / "local"
    host.mkdir(parents=True)
    for module in HOST_MODULES:
        shutil.copy(ROOT / "local" / f"{module}.py", host)
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nexec "{python_of_the_platform()}" -S -P "$@"\n')
    interpreter.chmod(0o755)
    for module in ("cart_core", "azure.functions", "aiohttp"):
        alone = [str(interpreter), "-c", f"import {module}"]
        assert subprocess.run(alone, cwd=ROOT, capture_output=True, check=False).returncode != 0
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with LocalCloud.in_thread(azurite=azurite) as cloud:
        environment = app_environment(
            cloud,
            PYTHONPATH=f"{host.parent}:{built / package.SITE_PACKAGES}",
            PYTHONDONTWRITEBYTECODE="1",
            WEBSITE_SITE_NAME="func-carts",
        )
        with (
            FunctionProcess(environment, app_dir=built) as function,
            httpx.Client(base_url=function.url, trust_env=False, timeout=300) as client,
        ):
            client.headers["x-functions-key"] = function.key
            client.headers["Content-Type"] = "application/json"
            yield client


def test_it_serves_a_cart_with_nothing_beside_it(serving: httpx.Client) -> None:
    headers = {"Idempotency-Key": "order-1001"}
    first, again = (serving.post(CARTS, content=SAMPLE_CART, headers=headers) for _ in range(2))
    refused = serving.post(f"/api/customers/{UNKNOWN_CUSTOMER}/carts", json={})

    assert serving.get("/api/health").json()["status"] == "ok"
    # The deploy workflow tries a deployment with such a request.
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert first.status_code == 201, first.text
    assert first.json()["orderable"] is True
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", first.json())
