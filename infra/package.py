"""Builds what is deployed: the app's files, and its requirements for the platform it runs on there.

`make package` runs it. It leaves the folder build/package, which azd zips itself, and
build/package.zip, which `az functionapp deployment source config-zip` takes. Both are the same.
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
"""Of the function app; modules/function-app.bicep says the same."""

PLATFORM = "manylinux2014_x86_64"

SITE_PACKAGES = PurePosixPath(".python_packages/lib/site-packages")
"""Where the platform looks for the requirements."""

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
    """The files under `root` that .funcignore leaves, relative to it and in order."""
    ignored = GitIgnoreSpec.from_lines((root / ".funcignore").read_text("utf-8").splitlines())
    return sorted(PurePosixPath(name) for name in ignored.match_tree_files(root, negate=True))


def for_target(requirements: str) -> str:
    """The lines of a requirements file that count on the platform, without their markers.

    pip weighs markers for the Python that runs it, even where it is told to install for another.
    """
    lines = requirements.replace("\\\n", " ").splitlines()
    kept = []
    for line in lines:
        pin, *hashes = line.split("--hash=")
        if not pin.strip():
            continue
        requirement = Requirement(pin)
        if requirement.marker is None or requirement.marker.evaluate(_TARGET):
            requirement.marker = None
            kept.append(
                " ".join([str(requirement), *(f"--hash={each.strip()}" for each in hashes)])
            )
    return "\n".join(kept) + "\n"


def build(folder: Path, root: Path = ROOT) -> None:
    """Makes `folder` the package, anew. Raises CalledProcessError where pip fails."""
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
            "--ignore-requires-python",  # pip would ask it of the Python that runs pip
            *("--implementation", "cp", "--python-version", PYTHON_VERSION, "--platform", PLATFORM),
            *("--target", str(target), "--requirement", str(pins)),
        ]
        subprocess.run([sys.executable, "-m", "pip", "install", *options], check=True)  # noqa: S603
    # Command line tools, which start with the path of the Python that installed them.
    shutil.rmtree(target / "bin", ignore_errors=True)


def archive(folder: Path, path: Path) -> None:
    """Zips `folder`; equal folders become equal files."""
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
