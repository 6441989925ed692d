"""The emulator as a package that others install."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

EMULATOR = Path(__file__).resolve().parents[2] / "emulator"


def test_the_wheel_has_every_file_and_is_enough_for_another_projects_tests(tmp_path: Path) -> None:
    source = tmp_path / "emulator"
    unneeded = shutil.ignore_patterns("node_modules", "__pycache__", "build", "*.egg-info")
    shutil.copytree(EMULATOR, source, ignore=unneeded)
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "partner_center_emulator").rglob("*")
        if path.is_file()
    }
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "-w", tmp_path, source], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == expected
    assert "partner_center_emulator/services/npm/package-lock.json" in packed

    # The example of another project's tests runs with nothing but what the wheel installs.
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", site, wheel], check=True
    )
    example = tmp_path / "example"
    shutil.copytree(EMULATOR / "example", example)
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", example, example],
        env=os.environ | {"PYTHONPATH": str(site)},
        cwd=example,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in tested.stdout, tested.stdout
