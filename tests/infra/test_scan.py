"""Every Bicep file is Bicep, and checkov has really looked at every resource in it."""

import json
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import FILES, INFRA, read, syntax

ROOT = INFRA.parent
CHECKOV = ROOT / ".venv-infra" / "bin" / "checkov"
EVERY_RESOURCE = Path(__file__).parent / "every_resource"
SEEN = "CKV_CARTS_1"

SUPPRESSED = {
    ("key-vault.bicep", "CKV_AZURE_109"),  # firewall
    ("key-vault.bicep", "CKV_AZURE_189"),  # public network access
    ("storage.bicep", "CKV_AZURE_35"),  # firewall
    ("storage.bicep", "CKV_AZURE_59"),  # public network access
    ("storage.bicep", "CKV_AZURE_206"),  # copies in another region
    ("function-app.bicep", "CKV_AZURE_17"),  # client certificates
    ("function-app.bicep", "CKV_AZURE_78"),  # ftpsState
    ("function-app.bicep", "CKV_AZURE_212"),  # numberOfWorkers
    ("function-app.bicep", "CKV_AZURE_222"),  # public network access
    ("function-app.bicep", "CKV_AZURE_225"),  # zones
}
"""What may be suppressed at all; the reasons stand in the files."""


@cache
def scan(directory: Path, framework: str) -> dict[str, Any]:
    """checkov's report. It has no way out of this machine, and two minutes."""
    assert CHECKOV.exists(), (
        "`make test` installs checkov; it is not in the .venv-infra beside .venv"
    )
    nowhere = "http://127.0.0.1:9"
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [
                *(CHECKOV, "--directory", directory, "--framework", framework, "--output", "json"),
                *("--skip-download", "--external-checks-dir", EVERY_RESOURCE),
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": home,
                "HTTP_PROXY": nowhere,
                "HTTPS_PROXY": nowhere,
            },
            cwd=home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.stdout.startswith("{"), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_there_is_something_to_scan() -> None:
    assert INFRA / "main.bicep" in FILES
    assert len(FILES) > 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_syntax_is_right(path: Path) -> None:
    assert not syntax(path).has_error


def test_a_slip_in_the_syntax_would_be_found(tmp_path: Path) -> None:
    slip = tmp_path / "slip.bicep"
    slip.write_text("param name string = 'x\nresource x 'y' = {")

    assert syntax(slip).has_error


def test_checkov_parses_every_file() -> None:
    assert scan(INFRA, "bicep")["results"]["parsing_errors"] == []


def test_checkov_looks_at_every_resource() -> None:
    passed = scan(INFRA, "bicep")["results"]["passed_checks"]
    seen = {
        (Path(check["file_path"]).name, check["resource"])
        for check in passed
        if check["check_id"] == SEEN
    }

    assert seen == {
        (path.name, f"{each.of.partition('@')[0]}.{each.name}")
        for path in FILES
        for each in read(path)
        if each.kind == "resource" and not each.existing
    }


def test_checkov_finds_nothing() -> None:
    findings = scan(INFRA, "bicep")["results"]["failed_checks"]

    assert [f"{each['check_id']} {each['resource']}" for each in findings] == []


def test_what_is_suppressed_is_known_and_has_a_reason() -> None:
    skipped = scan(INFRA, "bicep")["results"]["skipped_checks"]

    assert {(Path(each["file_path"]).name, each["check_id"]) for each in skipped} == SUPPRESSED
    for each in skipped:
        assert len(each["check_result"]["suppress_comment"].strip()) > 15
    written = sum(path.read_text().count("checkov:skip=") for path in FILES)
    assert written == len(SUPPRESSED), "a suppression that suppresses nothing"


def test_checkov_finds_nothing_in_the_workflows() -> None:
    report = scan(ROOT / ".github", "github_actions")["results"]

    assert report["parsing_errors"] == []
    assert report["failed_checks"] == []
    scanned = {Path(each["file_path"]).name for each in report["passed_checks"]}
    assert scanned == {path.name for path in (ROOT / ".github" / "workflows").iterdir()}
