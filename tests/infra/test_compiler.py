"""Bicep's own compiler and linter accept the templates, where a compiler is found.

It is the file that the variable BICEP names, else `bicep` on PATH; without either this is skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import FILES, INFRA, read

COMPILER = os.environ.get("BICEP") or shutil.which("bicep")
PARAMETERS = INFRA / "main.bicepparam"
REQUIRED = {
    "AZURE_ENV_NAME": "ci",
    "AZURE_LOCATION": "westeurope",
    "PARTNER_CENTER_TENANT_ID": "00000000-0000-0000-0000-000000000001",
    "PARTNER_CENTER_CLIENT_ID": "00000000-0000-0000-0000-000000000002",
}

pytestmark = pytest.mark.skipif(
    COMPILER is None, reason="There is no Bicep compiler: set BICEP, or put `bicep` on PATH."
)


def bicep(*arguments: str | Path, home: Path, **environment: str) -> str:
    """What a command prints; it fails the test where the compiler or linter reports an error."""
    assert COMPILER is not None
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}  # it needs a home
    done = subprocess.run(
        [COMPILER, *arguments], check=False, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_parameters_template_and_all_modules_compile(tmp_path: Path) -> None:
    """The linter's errors (bicepconfig.json) are errors of this command, in every file."""
    # Whether a value is one of those that are allowed is decided when it is deployed.
    environment = REQUIRED | {"CARTS_INSTANCE_MEMORY_MB": "4096"}

    built = json.loads(bicep("build-params", PARAMETERS, "--stdout", home=tmp_path, **environment))

    parameters: dict[str, Any] = json.loads(built["parametersJson"])["parameters"]
    assert parameters["instanceMemoryMB"] == {"value": 4096}
    assert parameters["partnerTenantId"] == {"value": REQUIRED["PARTNER_CENTER_TENANT_ID"]}
    template = json.loads(built["templateJson"])
    assert template["parameters"]["instanceMemoryMB"]["allowedValues"] == [512, 2048, 4096]
    used = {each.of for each in read(INFRA / "main.bicep") if each.kind == "module"}
    assert used == {f"modules/{path.name}" for path in FILES if path.parent != INFRA}


def test_files_are_formatted_as_the_compiler_formats_them(tmp_path: Path) -> None:
    copy = tmp_path / "infra"
    shutil.copytree(INFRA, copy)

    bicep("format", "--pattern", f"{copy}/**/*.bicep*", home=tmp_path)

    for path in (*FILES, PARAMETERS):
        assert (copy / path.relative_to(INFRA)).read_text("utf-8") == path.read_text("utf-8"), path
