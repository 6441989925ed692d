"""checkov finds nothing, and it has really looked at every resource and workflow."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import FILES, INFRA, read

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
"""The checks that may be suppressed; the files give the reasons."""


Results = dict[str, Any]


@pytest.fixture(scope="module")
def scans() -> Iterator[tuple[Results, Results]]:
    """checkov's results for the templates and for the workflows. It cannot reach a network."""
    assert CHECKOV.exists(), (
        "`make test` installs checkov; it is not in the .venv-infra beside .venv"
    )
    with tempfile.TemporaryDirectory() as home, ThreadPoolExecutor() as pool:
        templates = pool.submit(scan, INFRA, "bicep", home)
        workflows = pool.submit(scan, ROOT / ".github", "github_actions", home)
        yield templates.result(), workflows.result()


def scan(directory: Path, framework: str, home: str) -> Results:
    nowhere = "http://127.0.0.1:9"
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
        timeout=600,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stderr
    results: Results = json.loads(done.stdout)["results"]
    return results


def test_checkov_looks_at_every_resource_and_finds_nothing(scans: tuple[Results, Results]) -> None:
    templates, _ = scans
    seen = {
        (Path(check["file_path"]).name, check["resource"])
        for check in templates["passed_checks"]
        if check["check_id"] == SEEN
    }

    assert templates["parsing_errors"] == []
    assert len(FILES) > 5
    assert seen == {
        (path.name, f"{each.of.partition('@')[0]}.{each.name}")
        for path in FILES
        for each in read(path)
        if each.kind == "resource" and not each.existing
    }
    assert [f"{each['check_id']} {each['resource']}" for each in templates["failed_checks"]] == []


def test_what_is_suppressed_is_known_and_has_a_reason(scans: tuple[Results, Results]) -> None:
    skipped = scans[0]["skipped_checks"]

    assert {(Path(each["file_path"]).name, each["check_id"]) for each in skipped} == SUPPRESSED
    for each in skipped:
        assert len(each["check_result"]["suppress_comment"].strip()) > 15
    written = sum(path.read_text().count("checkov:skip=") for path in FILES)
    assert written == len(SUPPRESSED), "a suppression that suppresses nothing"


def test_checkov_finds_nothing_in_the_workflows(scans: tuple[Results, Results]) -> None:
    _, workflows = scans

    assert workflows["parsing_errors"] == []
    assert workflows["failed_checks"] == []
    scanned = {Path(each["file_path"]).name for each in workflows["passed_checks"]}
    assert scanned == {path.name for path in (ROOT / ".github" / "workflows").iterdir()}
