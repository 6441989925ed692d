"""What Bicep's own compiler says of the templates, where one is found.

It is the file that the variable BICEP names, else `bicep` on PATH; without either this is skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.bicep import FILES, INFRA

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


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of the compiler, which needs a home that exists."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}


def bicep(*arguments: str | Path, env: dict[str, str]) -> str:
    """What a command prints; it fails the test where the compiler reports an error."""
    assert COMPILER is not None
    done = subprocess.run(
        [COMPILER, *arguments], check=False, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_template_compiles(home: dict[str, str]) -> None:
    template = json.loads(bicep("build", INFRA / "main.bicep", "--stdout", env=home))

    assert template["parameters"]["instanceMemoryMB"]["allowedValues"] == [512, 2048, 4096]


def test_the_parameters_compile(home: dict[str, str]) -> None:
    # Whether a value is one of those that are allowed is decided when it is deployed.
    given = REQUIRED | {"CARTS_INSTANCE_MEMORY_MB": "4096"}

    built = json.loads(bicep("build-params", PARAMETERS, "--stdout", env=home | given))

    parameters = json.loads(built["parametersJson"])["parameters"]
    assert parameters["instanceMemoryMB"] == {"value": 4096}
    assert parameters["partnerTenantId"] == {"value": REQUIRED["PARTNER_CENTER_TENANT_ID"]}


def test_no_linter_rule_that_is_an_error_is_broken(home: dict[str, str]) -> None:
    for path in FILES:
        bicep("lint", path, env=home)


@pytest.mark.parametrize("path", [*FILES, PARAMETERS], ids=lambda path: path.name)
def test_files_are_formatted_as_the_compiler_formats_them(path: Path, home: dict[str, str]) -> None:
    assert bicep("format", path, "--stdout", env=home) == path.read_text("utf-8")
