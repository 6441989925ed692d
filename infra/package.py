"""Builds the deployment package: the app's files, and its requirements for the platform in Azure.

`make package` runs this. It makes the folder build/package, which azd zips by itself, and
build/package.zip for publish.sh. Both have the same content.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "package"
ARCHIVE = ROOT / "build" / "package.zip"

PYTHON_VERSION = "3.13"
"""The Python version of the function app. modules/function-app.bicep sets the same."""

PLATFORM = "manylinux2014_x86_64"

SITE_PACKAGES = PurePosixPath(".python_packages/lib/site-packages")
"""The folder in which the platform looks for the requirements."""

_TARGET = {
    "implementation_name": "cpython",
    "implementation_version": f"{PYTHON_VERSION}.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON_VERSION}.0",
    "python_version": PYTHON_VERSION,
    "sys_platform": "linux",
}


def app_files(root: Path) -> list[PurePosixPath]:
    """The files under `root` that .funcignore does not ignore: sorted, and relative to `root`."""
    ignored = GitIgnoreSpec.from_lines((root / ".funcignore").read_text("utf-8").splitlines())
    return sorted(PurePosixPath(name) for name in ignored.match_tree_files(root, negate=True))


def for_target(requirements: str) -> str:
    """The lines of a requirements file that apply to the platform, without their markers.

    pip evaluates markers for the Python that runs it, even where it installs for another one.
    """
    lines = requirements.replace("\\\n", " ").splitlines()
    applicable = []
    for line in lines:
        pin, *hashes = line.split("--hash=")
        if not pin.strip():
            continue
        requirement = Requirement(pin)
        if requirement.marker is None or requirement.marker.evaluate(_TARGET):
            requirement.marker = None
            applicable.append(
                " ".join([str(requirement), *(f"--hash={each.strip()}" for each in hashes)])
            )
    return "\n".join(applicable) + "\n"


def build(folder: Path, root: Path = ROOT) -> None:
    """Makes the package in `folder`, which is emptied first. Raises CalledProcessError from pip."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in app_files(root):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)
    target = folder / SITE_PACKAGES
    with tempfile.TemporaryDirectory() as directory:
        pins = Path(directory) / "requirements.txt"
        pins.write_text(for_target((root / "requirements.txt").read_text("utf-8")), "utf-8")
        options = [
            *("--quiet", "--disable-pip-version-check", "--no-compile"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:"),
            "--ignore-requires-python",  # pip would compare it with the Python that runs pip
            *("--implementation", "cp", "--python-version", PYTHON_VERSION, "--platform", PLATFORM),
            *("--target", str(target), "--requirement", str(pins)),
        ]
        subprocess.run([sys.executable, "-m", "pip", "install", *options], check=True)  # noqa: S603
    # These command line tools hold the path of the Python that installed them, and are not used.
    shutil.rmtree(target / "bin", ignore_errors=True)


def archive(folder: Path, path: Path) -> None:
    """Zips `folder`. Two folders with the same content give the same file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, file.read_bytes())


def main() -> None:
    """The command line."""
    build(FOLDER)
    archive(FOLDER, ARCHIVE)
    size = ARCHIVE.stat().st_size / 1_000_000
    print(f"{ARCHIVE.relative_to(ROOT)}: {size:.1f} MB for Python {PYTHON_VERSION} on Linux")


if __name__ == "__main__":
    main()
