"""Runs Bicep's own compiler, and reads what it predicts that a deployment makes.

The compiler is the file that the variable BICEP names, `bicep` on PATH, or what `az bicep install`
put into the home directory. Where there is none, the tests that need it are skipped.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.bicep import INFRA

_INSTALLED = Path.home() / ".azure" / "bin" / "bicep"
COMPILER = (
    os.environ.get("BICEP")
    or shutil.which("bicep")
    or (str(_INSTALLED) if _INSTALLED.exists() else None)
)

SUBSCRIPTION = "00000000-0000-0000-0000-00000000000a"
TENANT = "00000000-0000-0000-0000-00000000000b"
REQUIRED = {
    "AZURE_ENV_NAME": "ci",
    "AZURE_LOCATION": "westeurope",
    "PARTNER_CENTER_TENANT_ID": "00000000-0000-0000-0000-000000000001",
    "PARTNER_CENTER_CLIENT_ID": "00000000-0000-0000-0000-000000000002",
}
"""The variables without a default; infra/main.snapshot.json was made with these."""

SCOPE = ("--subscription-id", SUBSCRIPTION, "--tenant-id", TENANT)
"""Where a snapshot is taken: it needs ids, and they need not exist."""


@dataclass(frozen=True)
class Prediction:
    """What a deployment with some variables would make."""

    resources: list[dict[str, Any]]
    diagnostics: list[Any]
    outputs: dict[str, Any]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The resources of a type, such as Microsoft.Web/sites."""
        return [each for each in self.resources if each["type"] == kind]

    def one(self, kind: str, start: str = "") -> dict[str, Any]:
        """The only resource of a type whose name starts so. Raises ValueError for none or more."""
        (found,) = (each for each in self.of(kind) if each["name"].startswith(start))
        return found

    def settings(self) -> dict[str, str]:
        """The settings of the site by name."""
        site = self.one("Microsoft.Web/sites")
        pairs = site["properties"]["siteConfig"]["appSettings"]
        return {each["name"]: each["value"] for each in pairs}


def run(*arguments: str | Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the compiler with these variables and no others."""
    assert COMPILER is not None
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}  # it needs a home
    return subprocess.run(
        [COMPILER, *arguments], check=False, env=env, capture_output=True, text=True, timeout=600
    )


def copy_of_infra(directory: Path) -> Path:
    """A copy of infra/, because a snapshot is written beside its parameter file."""
    copy = directory / "infra"
    shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return copy


def refusal(directory: Path, **environment: str) -> str:
    """Why the compiler predicts nothing for these variables."""
    copy = copy_of_infra(directory)
    (copy / "main.snapshot.json").unlink(missing_ok=True)
    done = run(
        *("snapshot", "--mode", "overwrite", *SCOPE, copy / "main.bicepparam"),
        home=directory,
        **(REQUIRED | environment),
    )
    assert not (copy / "main.snapshot.json").exists(), f"{environment} was accepted"
    return done.stderr + done.stdout


def predict(directory: Path, **environment: str) -> Prediction:
    """What the compiler predicts for these variables, without a word of it on the way."""
    copy = copy_of_infra(directory)
    done = run(
        *("snapshot", "--mode", "overwrite", *SCOPE, copy / "main.bicepparam"),
        home=directory,
        **(REQUIRED | environment),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr
    snapshot = json.loads((copy / "main.snapshot.json").read_text())
    return Prediction(snapshot["predictedResources"], snapshot["diagnostics"], snapshot["outputs"])


def write_snapshot() -> None:
    """Writes infra/main.snapshot.json, which shows a change of infrastructure in review.

    The compiler gives the outputs in another order each time; here they are sorted.
    """
    if COMPILER is None:
        raise SystemExit("There is no Bicep compiler: set BICEP, or run `az bicep install`.")
    parameters = INFRA / "main.bicepparam"
    done = run(
        *("snapshot", "--mode", "overwrite", *SCOPE, parameters), home=Path.home(), **REQUIRED
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    written = INFRA / "main.snapshot.json"
    snapshot = json.loads(written.read_text("utf-8"))
    snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
    written.write_text(json.dumps(snapshot, indent=2, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    write_snapshot()
