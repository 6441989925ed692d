"""The workflows: nothing unpinned, no permission too many, and the commands that exist here."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from infra import package
from tests.infra.bicep import INFRA

ROOT = INFRA.parent
SOURCES = {path.stem: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}
JOBS: dict[str, dict[str, Any]] = {
    name: yaml.safe_load(source)["jobs"] for name, source in SOURCES.items()
}


def scripts(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


@pytest.mark.parametrize("name", SOURCES)
def test_a_workflow_pins_its_actions_uses_no_secret_and_may_do_no_more_than_it_needs(
    name: str,
) -> None:
    uses = re.findall(r"uses: (.+)", SOURCES[name])
    assert uses
    for each in uses:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each
    assert "secrets." not in SOURCES[name]
    assert yaml.safe_load(SOURCES[name])["permissions"] == {}
    for job in JOBS[name].values():
        needed = {"contents": "read"}
        if any(step.get("uses", "").startswith("azure/login@") for step in job["steps"]):
            needed["id-token"] = "write"
        assert job["permissions"] == needed
        assert job["timeout-minutes"] <= 45


@pytest.mark.parametrize("name", SOURCES)
def test_scripts_are_shell_and_take_no_expression(name: str) -> None:
    for job in JOBS[name].values():
        script = scripts(job).replace("${{ matrix.python }}", "")
        assert "${{" not in script
        checked = subprocess.run(
            ["/bin/bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert checked.stderr == "", script


def test_ci_checks_tests_and_shows_every_python_that_is_supported() -> None:
    job = JOBS["ci"]["python"]
    versions = job["strategy"]["matrix"]["python"]

    assert versions == ["3.11", "3.12", "3.13"]
    assert package.PYTHON_VERSION in versions
    assert f"python{package.PYTHON_VERSION}" in (ROOT / ".ci" / "run").read_text()
    assert f'requires-python = ">={versions[0]}"' in (ROOT / "pyproject.toml").read_text()
    for target in ("check", "test", "demo"):
        assert f"make {target} PYTHON=python${{{{ matrix.python }}}}" in scripts(job)


def test_ci_compiles_and_lints_with_the_real_compiler() -> None:
    for command in (
        "az bicep build --file infra/main.bicep",
        "az bicep build-params --file infra/main.bicepparam",
        "infra/modules/*.bicep",
        "az bicep lint",
    ):
        assert command in scripts(JOBS["ci"]["bicep"])


def test_a_deployment_is_shown_first_and_tried_afterwards() -> None:
    shown, deployed = JOBS["deploy"]["what-if"], JOBS["deploy"]["deploy"]
    script = scripts(deployed)

    assert "az deployment sub what-if" in scripts(shown)
    assert (deployed["needs"], deployed["environment"]) == ("what-if", "production")
    steps = ["make package", "sub create", "config-zip", "/api/health", "invalid_request"]
    assert sorted(steps, key=script.index) == steps
    assert "--src build/package.zip --build-remote false" in script
    assert "./infra/hooks/next-steps.sh" in script


def test_a_deployment_names_what_the_parameter_file_demands() -> None:
    source = (INFRA / "main.bicepparam").read_text()
    demanded = set(re.findall(r"readEnvironmentVariable\('([A-Z_]+)'\)", source))

    assert demanded
    assert demanded <= yaml.safe_load(SOURCES["deploy"])["env"].keys()
    (built,) = (step["env"] for step in JOBS["ci"]["bicep"]["steps"] if "env" in step)
    assert demanded == built.keys()
