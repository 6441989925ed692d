"""Every documented `az` command is one that the real azure-cli takes.

The scripts of the manuals, of the workflow and of next-steps.sh are run by bash, with an `az` that
notes how it was called and does nothing. azure-cli, from PyPI in an environment of its own, then
parses each call. Where the manual depends on what a command does, that is run too.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.infra.bicep import INFRA
from tests.infra.next_steps import FOR_USER, OUTPUTS, text

ROOT = INFRA.parent
PYTHON = ROOT / ".venv-az" / "bin" / "python"
HERE = Path(__file__).parent / "azure_cli"

NOTES = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
print("{}" if "get-default-policy" in sys.argv else "00000000-0000-0000-0000-00000000000c")
"""
"""An `az` that notes how it was called."""

PAGES = ("docs/deploy.md", "docs/runbook.md", "connector/readme.md", "samples/logic-app/readme.md")
"""The pages with commands."""

SILENT = ("azd", "curl", "gh", "make", "sleep")
"""Programs that the scripts call too, and that must do nothing here."""


def printed_steps() -> str:
    """The commands that next-steps.sh prints, of all modes."""
    modes = [
        text(credential, **auth)
        for credential in ("secret", "certificate", "federated")
        for auth in ({}, FOR_USER)
    ]
    lines = [line[4:] for mode in modes for line in mode.splitlines() if line.startswith("    ")]
    return "\n".join(line for line in lines if not line.startswith("https://"))


def documented() -> dict[str, str]:
    """The shell scripts by where they are written."""
    found = {}
    for name in PAGES:
        blocks = re.findall(r"```\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
        found[name] = "\n".join(each for each in blocks if "az " in each)
    jobs = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text("utf-8"))["jobs"]
    steps = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    found["the workflow"] = "\n".join(f"({step}\n)" for step in steps if "az " in step)
    found["next-steps.sh"] = printed_steps()
    return found


SCRIPTS = documented()


def calls(script: str, directory: Path) -> list[list[str]]:
    """How a script calls `az`, wherever it goes on after failures of what is not there."""
    programs = directory / "bin"
    programs.mkdir()
    (programs / "az").write_text(NOTES)
    for name in SILENT:
        (programs / name).write_text("#!/bin/sh\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    noted = directory / "calls"
    noted.touch()
    (directory / "script").write_text(script)
    environment = OUTPUTS | FOR_USER | {"AZURE_ENV_NAME": "shop", "AZURE_LOCATION": "westeurope"}
    environment |= {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(directory)}
    environment |= {"CALLS": str(noted), "GITHUB_ENV": "/dev/null"}
    subprocess.run(
        ["/bin/bash", "script"],
        env=environment,
        stdin=subprocess.DEVNULL,
        cwd=directory,
        capture_output=True,
        timeout=300,
        check=False,
    )
    return [json.loads(line) for line in noted.read_text().splitlines()]


def in_azure_cli(script: str, given: str, home: Path) -> str:
    """What a script prints in the environment of azure-cli."""
    assert PYTHON.exists(), "`make test` installs azure-cli; .venv-az beside .venv has none"
    done = subprocess.run(
        [PYTHON, HERE / script],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "AZURE_CORE_COLLECT_TELEMETRY": "no"},
        input=given,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("where", SCRIPTS)
def test_azure_cli_takes_every_documented_command(where: str, tmp_path: Path) -> None:
    called = calls(SCRIPTS[where], tmp_path)
    written = len(re.findall(r"(?m)(?:^|[(|]|&& |\$\(|\bdo )\s*az [a-z]", SCRIPTS[where]))

    assert len(called) >= written, f"{written} are written, and these were called: {called}"
    wrong = json.loads(in_azure_cli("parse.py", json.dumps(called), tmp_path))
    assert {" ".join(each): said for each, said in zip(called, wrong, strict=True) if said} == {}


def test_a_command_that_a_sentence_names_exists(tmp_path: Path) -> None:
    """Sentences name commands without all of their parameters."""
    pages = [ROOT / "docs" / "deploy.md", ROOT / "docs" / "runbook.md"]
    named = [
        each.split()
        for page in pages
        for each in re.findall(r"`az ([a-z][^`]+)`", page.read_text("utf-8"))
    ]

    wrong = json.loads(in_azure_cli("parse.py", json.dumps(named), tmp_path))
    assert len(named) >= 5
    assert [said for said in wrong if said.startswith("there is no command")] == []


def test_a_wrong_command_is_found(tmp_path: Path) -> None:
    planted = [["functionapp", "keys", "lists"], ["ad", "app", "create", "--nonsense", "x"]]

    said = json.loads(in_azure_cli("parse.py", json.dumps(planted), tmp_path))

    assert all(said)


def test_azure_cli_does_what_the_manual_says_of_it(tmp_path: Path) -> None:
    """It builds Python packages anew whatever it is told, and never shows a key that it has set."""
    found = json.loads(in_azure_cli("behaviour.py", "", tmp_path))

    assert "RemoteBuild=True" in found["zip"]
    assert found["key"] is None
