"""checkov finds nothing, and it has really looked at every resource and workflow."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.compiler import FILES, INFRA

ROOT = INFRA.parent
CHECKOV = ROOT / ".venv-infra" / "bin" / "checkov"

SUPPRESSED = {
    ("key-vault.bicep", "CKV_AZURE_109"),  # firewall
    ("key-vault.bicep", "CKV_AZURE_189"),  # public network access
    ("storage-account.bicep", "CKV_AZURE_35"),  # firewall
    ("storage-account.bicep", "CKV_AZURE_59"),  # public network access
    ("storage-account.bicep", "CKV_AZURE_206"),  # copies in another region
    ("function-app.bicep", "CKV_AZURE_17"),  # client certificates
    ("function-app.bicep", "CKV_AZURE_78"),  # ftpsState
    ("function-app.bicep", "CKV_AZURE_212"),  # numberOfWorkers
    ("function-app.bicep", "CKV_AZURE_213"),  # health check
    ("function-app.bicep", "CKV_AZURE_222"),  # public network access
    ("function-app.bicep", "CKV_AZURE_225"),  # zones
    ("network.bicep", "CKV_AZURE_182"),  # DNS servers of one's own
    ("network.bicep", "CKV_AZURE_183"),
    # checkov takes authsettingsV2, a part of a site, for a site.
    *(("authentication.bicep", f"CKV_AZURE_{number}") for number in (13, 63, 65, 66, 80, 88, 222)),
}
"""The checks that may be suppressed; the files give the reasons."""

FUNCTIONS = "refusals.bicep"
"""A file of functions alone, without a resource."""

DECLARED = r"(?m)^resource (\w+) '([^@']+)@"
"""The name and the type of a resource in a file, one that exists too."""

Results = dict[str, list[dict[str, Any]]]


def scan(directory: Path, framework: str, home: Path) -> Results:
    """checkov's results for a directory, all of which it could parse. It can reach no network."""
    assert CHECKOV.exists(), "`make test` installs checkov; .venv-infra beside .venv has none"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [
            *(CHECKOV, "--directory", directory, "--framework", framework, "--output", "json"),
            *("--skip-download", "--external-checks-dir", Path(__file__).parent / "every_resource"),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home), **proxies},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stderr
    results: Results = json.loads(done.stdout)["results"]
    assert results["parsing_errors"] == []
    return results


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Of a copy without functions, which checkov's parser does not know."""
    copy = shutil.copytree(INFRA, tmp_path_factory.mktemp("readable") / "infra")
    (copy / "modules" / FUNCTIONS).unlink()
    for path in copy.rglob("*.bicep"):
        text = re.sub(r"(?m)^import .*$", "", path.read_text("utf-8"))
        text = re.sub(r"unlessRefused\(asked, (.*)\)", r"\1", text)
        path.write_text(re.sub(r"cidrSubnet\(.*\)", "addresses", text), "utf-8")
    return scan(copy, "bicep", tmp_path_factory.mktemp("home"))


def test_checkov_looks_at_every_resource_and_finds_nothing(templates: Results) -> None:
    seen = {
        (Path(check["file_path"]).name, check["resource"])
        for check in templates["passed_checks"]
        if check["check_id"] == "CKV2_CARTS_1"
    }

    assert len(FILES) > 5
    assert seen >= {
        (path.name, f"{kind}.{name}")
        for path in FILES
        for name, kind in re.findall(DECLARED, path.read_text("utf-8"))
    }
    assert [f"{each['check_id']} {each['resource']}" for each in templates["failed_checks"]] == []


def test_what_is_suppressed_is_known_and_has_a_reason(templates: Results) -> None:
    skipped = templates["skipped_checks"]

    assert {(Path(each["file_path"]).name, each["check_id"]) for each in skipped} == SUPPRESSED
    for each in skipped:
        assert len(each["check_result"]["suppress_comment"].strip()) > 15
    assert not re.search(DECLARED, (INFRA / "modules" / FUNCTIONS).read_text("utf-8"))
    written = sum(path.read_text().count("checkov:skip=") for path in FILES)
    assert written == len(SUPPRESSED), "a suppression that suppresses nothing"


def test_checkov_finds_nothing_in_the_workflows(tmp_path: Path) -> None:
    results = scan(ROOT / ".github", "github_actions", tmp_path)

    assert results["failed_checks"] == []
    scanned = {Path(each["file_path"]).name for each in results["passed_checks"]}
    # checkov's schema does not know the permission "attestations", so it leaves that file out.
    unknown = {"release.yml"}
    assert scanned == {path.name for path in (ROOT / ".github" / "workflows").iterdir()} - unknown
