"""The workflows: nothing unpinned, no permission too many, and the commands that exist here."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import INFRA

ROOT = INFRA.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(
        (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    )
    return document


def scripts(job: dict[str, Any]) -> str:
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_their_version_beside_it(path: Path) -> None:
    uses = re.findall(r"uses: (.+)", path.read_text())

    assert uses
    for each in uses:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_permitted_but_what_a_job_asks_for(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())

    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        asked = {"contents": "read"}
        if any(step.get("uses", "").startswith("azure/login@") for step in job["steps"]):
            asked["id-token"] = "write"
        assert job["permissions"] == asked, name
        assert job["timeout-minutes"] <= 45, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_secret_is_used(path: Path) -> None:
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_scripts_are_shell_and_take_no_expression(path: Path) -> None:
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        for step in job["steps"]:
            script = step.get("run", "")
            assert "${{" not in script.replace("${{ matrix.python }}", "")
            checked = subprocess.run(
                ["/bin/bash", "-n"], input=script, capture_output=True, text=True, check=False
            )
            assert checked.stderr == "", script


def test_ci_checks_tests_and_shows_every_python_that_is_supported() -> None:
    python = load("ci")["jobs"]["python"]

    versions = python["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13"]
    project = (ROOT / "pyproject.toml").read_text()
    assert f'requires-python = ">={versions[0]}"' in project
    for target in ("check", "test", "demo"):
        assert f"make {target} PYTHON=python${{{{ matrix.python }}}}" in scripts(python)


def test_ci_compiles_and_lints_with_the_real_compiler() -> None:
    script = scripts(load("ci")["jobs"]["bicep"])

    assert "az bicep build --file infra/main.bicep" in script
    assert "az bicep build-params --file infra/main.bicepparam" in script
    assert "infra/modules/*.bicep" in script
    assert "az bicep lint" in script


def test_a_deployment_is_shown_first_and_tried_afterwards() -> None:
    jobs = load("deploy")["jobs"]

    assert "az deployment sub what-if" in scripts(jobs["what-if"])
    assert jobs["deploy"]["needs"] == "what-if"
    assert jobs["deploy"]["environment"] == "production"
    script = scripts(jobs["deploy"])
    steps = ["make package", "sub create", "config-zip", "/api/health", "invalid_request"]
    assert sorted(steps, key=script.index) == steps
    assert "--src build/package.zip --build-remote false" in script
    assert "./infra/hooks/next-steps.sh" in script


def test_a_deployment_names_what_the_parameter_file_demands() -> None:
    demanded = re.findall(
        r"readEnvironmentVariable\('([A-Z_]+)'\)", (INFRA / "main.bicepparam").read_text()
    )

    assert demanded
    assert set(demanded) <= load("deploy")["env"].keys()
    built = next(step for step in load("ci")["jobs"]["bicep"]["steps"] if "env" in step)
    assert set(demanded) == built["env"].keys()
