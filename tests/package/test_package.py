"""What is deployed: these files, this big, and enough to serve a cart with nothing beside it."""

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite

from infra import package
from local.environment import app_environment
from local.function_process import ROOT, FunctionProcess

CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
LINE = {
    "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
    "quantity": 2,
    "billingCycle": "one_time",
}

MOST_MEGABYTES = 25
"""For the zip. A cold start has to load it; what makes it grow should be seen."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "package"
    package.build(folder)
    return folder


@pytest.fixture(scope="session")
def zipped(built: Path) -> Path:
    path = built.with_suffix(".zip")
    package.archive(built, path)
    return path


def files(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}


def test_it_holds_the_app_and_its_requirements_and_nothing_else(built: Path) -> None:
    requirements = {name for name in files(built) if name.startswith(".python_packages/")}

    assert files(built) - requirements == {
        "LICENSE",
        "function_app.py",
        "host.json",
        "requirements.txt",
        "cart_core/api/openapi.json",
        *(path.relative_to(ROOT).as_posix() for path in (ROOT / "cart_core").rglob("*.py")),
    }
    assert all(PurePosixPath(name).is_relative_to(package.SITE_PACKAGES) for name in requirements)


def test_it_holds_no_bytecode_and_nothing_of_the_machine_that_built_it(built: Path) -> None:
    names = files(built)

    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]
    assert not [name for name in names if name.startswith(f"{package.SITE_PACKAGES}/bin/")]
    assert not [path for path in built.rglob("*") if path.is_symlink()]


def test_it_holds_one_version_of_what_is_pinned_for_its_python_and_no_tool(built: Path) -> None:
    installed = {
        each.name.removesuffix(".dist-info").partition("-")[0].replace("_", "-").lower()
        for each in (built / package.SITE_PACKAGES).glob("*.dist-info")
    }
    pinned = {
        line.partition("==")[0].lower().replace("_", "-").replace(".", "-")
        for line in package.for_target((ROOT / "requirements.txt").read_text()).splitlines()
    }

    assert installed == pinned
    assert {"azure-functions", "azure-identity", "azure-storage-blob", "aiohttp"} <= installed
    assert not installed & {"pytest", "mypy", "ruff", "checkov", "trustme", "hypothesis"}


def test_its_binaries_are_for_its_python_on_linux(built: Path) -> None:
    binaries = [name for name in files(built) if name.endswith((".so", ".pyd", ".dylib"))]

    assert binaries
    tag = package.PYTHON_VERSION.replace(".", "")
    for name in binaries:
        ending = name.partition(".so")[0].rpartition(".")[2]
        assert ending in (f"cpython-{tag}-x86_64-linux-gnu", "abi3"), name


def test_it_is_not_too_big(zipped: Path) -> None:
    megabytes = zipped.stat().st_size / 1_000_000

    assert 5 < megabytes < MOST_MEGABYTES


def test_the_zip_holds_the_folder_with_the_app_at_its_root(built: Path, zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as opened:
        assert opened.testzip() is None
        assert set(opened.namelist()) == files(built)
        assert {stat.S_IMODE(entry.external_attr >> 16) for entry in opened.infolist()} == {0o644}


def test_equal_folders_become_equal_zips(built: Path, zipped: Path, tmp_path: Path) -> None:
    package.archive(built, tmp_path / "again.zip")

    assert (tmp_path / "again.zip").read_bytes() == zipped.read_bytes()


def test_funcignore_decides_what_is_in_it(tmp_path: Path) -> None:
    ignored = (ROOT / ".funcignore").read_text()
    (tmp_path / ".funcignore").write_text(ignored)
    for name in (
        *("function_app.py", "cart_core/tokens.py", "cart_core/__pycache__/tokens.pyc"),
        *(".env", ".git/config", ".venv/bin/python", "local.settings.json", ".azure/config.json"),
        *(
            "emulator/cloud.py",
            "local/__main__.py",
            "description/words.py",
            "tests/unit/test.py",
            "infra/main.bicep",
            "bench/load.py",
        ),
        *("docs/deploy.md", "build/package.zip", "azure.yaml", "Makefile", "pyproject.toml"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert [str(name) for name in package.app_files(tmp_path)] == [
        "cart_core/tokens.py",
        "function_app.py",
    ]


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
    found = [shutil.which(f"python{version}")]
    found += [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python3"))]
    for path in filter(None, found):  # a pyenv shim can be there and not start
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"there is no Python {version} here, for which the package is built")


@pytest.fixture
def serving(
    built: Path, azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """The package in the local Functions host, which finds nothing but the package to import.

    -S keeps the interpreter's own packages out, -P the project's folder. The host comes as a copy
    of its two modules, because beside them in the project there is another cart_core.
    """
    host = tmp_path / "host" / "local"
    host.mkdir(parents=True)
    for module in ("__init__", "functions_host", "loopback_guard"):
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
            httpx.Client(base_url=function.url, trust_env=False, timeout=60) as client,
        ):
            client.headers["x-functions-key"] = function.key
            yield client


def test_it_serves_a_cart_with_nothing_beside_it(serving: httpx.Client) -> None:
    path = f"/api/customers/{CUSTOMER}/carts"
    headers = {"Idempotency-Key": "order-1001"}
    first = serving.post(path, json={"lineItems": [LINE]}, headers=headers)
    again = serving.post(path, json={"lineItems": [LINE]}, headers=headers)

    assert first.status_code == 201, first.text
    assert first.json()["orderable"] is True
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()


def test_it_answers_what_a_deployment_is_tried_with(serving: httpx.Client) -> None:
    health = serving.get("/api/health")
    refused = serving.post("/api/customers/00000000-0000-0000-0000-000000000000/carts", json={})

    assert health.json()["status"] == "ok"
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid_request"
    assert refused.json()["outcome"] == "not_sent"
