"""Every documented `az` command is one that the real azure-cli takes.

The scripts of the manuals, of the workflows and of next-steps.sh are run by bash, with an `az` that
notes how it was called and does nothing. azure-cli, from PyPI in an environment of its own, then
parses each call. Where the manual depends on what a command does, that is run too.
"""

import itertools
import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

import pytest
import yaml

from cart_core.api.callers import Role
from tests.infra.compiler import INFRA
from tests.infra.next_steps import FOR_USER, OUTPUTS, SIGNING_IN, text
from tests.infra.roles import ROLE_IDS

ROOT = INFRA.parent
PYTHON = ROOT / ".venv-az" / "bin" / "python"
HERE = Path(__file__).parent / "azure_cli"

NOTES = r"""#!/bin/sh
printf '%s\037' "$@" >>"$CALLS"
printf '\036' >>"$CALLS"
case " $* " in
  *" get-default-policy "*) echo '{}' ;;
  *) echo 00000000-0000-0000-0000-00000000000c ;;
esac
"""
"""An `az` that notes how it was called: arguments end with the unit separator, calls with the
record separator.
"""

PAGES = ("docs/deploy.md", "docs/runbook.md", "connector/readme.md", "samples/logic-app/readme.md")
"""The pages with commands."""

SILENT = ("azd", "curl", "gh", "make", "sleep")
"""Programs that the scripts call too, and that must do nothing here."""


def printed_steps() -> str:
    """The commands that next-steps.sh prints, of all modes."""
    modes = [
        text(credential, **auth)
        for credential in ("secret", "certificate", "federated")
        for auth in ({}, FOR_USER, SIGNING_IN)
    ]
    lines = [line[4:] for mode in modes for line in mode.splitlines() if line.startswith("    ")]
    return "\n".join(line for line in lines if not line.startswith("https://"))


def documented() -> dict[str, str]:
    """The shell scripts by where they are written."""
    found = {}
    for name in PAGES:
        text = (ROOT / name).read_text("utf-8")
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        found[name] = "\n".join(each for language, each in blocks if not language and "az " in each)
    workflows = sorted((ROOT / ".github" / "workflows").iterdir())
    jobs = [yaml.safe_load(each.read_text("utf-8"))["jobs"].values() for each in workflows]
    steps = [step.get("run", "") for job in itertools.chain(*jobs) for step in job["steps"]]
    found["the workflows"] = "\n".join(f"({step}\n)" for step in steps if "az " in step)
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
    return [call.split("\037")[:-1] for call in noted.read_text().split("\036")[:-1]]


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


PLANTED = (("functionapp", "keys", "lists"), ("ad", "app", "create", "--nonsense", "x"))
"""Calls with a wrong command, and with a wrong parameter."""


def named_in_sentences() -> list[list[str]]:
    """Commands that sentences name, without all of their parameters."""
    pages = [(ROOT / "docs" / page).read_text("utf-8") for page in ("deploy.md", "runbook.md")]
    return [each.split() for page in pages for each in re.findall(r"`az ([a-z][^`]+)`", page)]


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[str]]]:
    """How each script calls `az`."""
    return {where: calls(SCRIPTS[where], tmp_path_factory.mktemp("script")) for where in SCRIPTS}


Said = Callable[[Iterable[str]], str]


@pytest.fixture(scope="module")
def said_of(called: dict[str, list[list[str]]], tmp_path_factory: pytest.TempPathFactory) -> Said:
    """What azure-cli says of a call. It is started once for all calls: its start is slow."""
    asked = itertools.chain(*called.values(), named_in_sentences(), PLANTED)
    different = list(dict.fromkeys(map(tuple, asked)))
    answers = in_azure_cli("parse.py", json.dumps(different), tmp_path_factory.mktemp("home"))
    said = dict(zip(different, json.loads(answers), strict=True))
    return lambda call: said[tuple(call)]


@pytest.mark.parametrize("where", SCRIPTS)
def test_azure_cli_takes_every_documented_command(
    where: str, called: dict[str, list[list[str]]], said_of: Said
) -> None:
    written = len(re.findall(r"(?m)(?:^|[(|]|&& |\$\(|\bdo )\s*az [a-z]", SCRIPTS[where]))

    assert len(called[where]) >= written > 0, f"{written} are written; called were {called[where]}"
    assert {" ".join(each): said for each in called[where] if (said := said_of(each))} == {}


def test_a_command_that_a_sentence_names_exists(said_of: Said) -> None:
    named = named_in_sentences()

    assert len(named) >= 5
    assert [each for each in map(said_of, named) if each.startswith("there is no command")] == []


def test_a_wrong_command_is_found(said_of: Said) -> None:
    assert all(map(said_of, PLANTED))


def values_of(call: list[str], option: str) -> list[str]:
    """The values of an option of a call, in order."""
    return [value for name, value in itertools.pairwise(call) if name == option]


def test_the_pipeline_may_assign_the_roles_of_the_app_and_no_other(
    called: dict[str, list[list[str]]],
) -> None:
    manual = called["docs/deploy.md"]
    roles = {
        role: call
        for call in manual
        if call[:3] == ["role", "assignment", "create"]
        for role in values_of(call, "--role")
    }
    definition = next(each for each in manual if each[:3] == ["role", "definition", "create"])
    allowed = json.loads(values_of(definition, "--role-definition")[0])

    administrator = "Role Based Access Control Administrator"
    assert roles.keys() == {"Carts what-if", "Contributor", administrator}
    assert allowed["Actions"] == [
        "*/read",
        "Microsoft.Resources/deployments/whatIf/action",
        "Microsoft.Resources/deployments/validate/action",
    ]
    assert values_of(roles[administrator], "--condition-version") == ["2.0"]
    (condition,) = values_of(roles[administrator], "--condition")
    parts = re.fullmatch(r"\((.*)\) AND \((.*)\)", condition)
    assert parts
    assignments = "Microsoft.Authorization/roleAssignments"
    for part, action, where in zip(
        parts.groups(), ("write", "delete"), ("@Request", "@Resource"), strict=True
    ):
        assert part.startswith(f"(!(ActionMatches{{'{assignments}/{action}'}})) OR (")
        of = f"{where}[{assignments}:"
        ids, who = part.partition(" OR (")[2].split(" AND ")
        named = re.fullmatch(
            rf"{re.escape(of)}RoleDefinitionId\] ForAnyOfAnyValues:GuidEquals {{(.*)}}", ids
        )
        assert named
        assert set(named[1].split(", ")) == ROLE_IDS.keys()
        assert who == (
            f"{of}PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {{'ServicePrincipal'}})"
        )


def test_the_application_of_this_api_has_its_roles_and_gives_no_token_without_one(
    called: dict[str, list[list[str]]],
) -> None:
    manual = called["docs/deploy.md"]
    (roles,) = (json.loads(each) for call in manual for each in values_of(call, "--app-roles"))
    versions = [
        each for call in manual for each in values_of(call, "--requested-access-token-version")
    ]
    asked = [each for call in manual for each in values_of(call, "--body") if "oauth2" in each]
    changes = [
        each
        for call in manual
        if call[:3] == ["ad", "sp", "update"]
        for each in values_of(call, "--set")
    ]

    assert [each["value"] for each in roles] == list(get_args(Role))
    assert len({uuid.UUID(each["id"]) for each in roles}) == len(roles)
    for each in roles:
        assert each["isEnabled"] is True
        assert each["allowedMemberTypes"] == ["Application", "User"]
    assert versions == ["2"]
    assert changes == ["appRoleAssignmentRequired=true"]
    (api,) = (json.loads(each)["api"] for each in asked)
    assert api["requestedAccessTokenVersion"] == 2
    (scope,) = api["oauth2PermissionScopes"]
    (azure_cli,) = api["preAuthorizedApplications"]
    assert azure_cli["delegatedPermissionIds"] == [scope["id"]]


def test_azure_cli_does_what_the_manual_says_of_it(tmp_path: Path) -> None:
    """It builds Python packages anew whatever it is told, and never shows a key that it has set."""
    found = json.loads(in_azure_cli("behaviour.py", "", tmp_path))

    assert "RemoteBuild=True" in found["zip"]
    assert found["key"] is None
