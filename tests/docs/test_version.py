"""pyproject.toml, the code and CHANGELOG.md name the same version."""

import re
import tomllib
from datetime import date
from pathlib import Path

from cart_core import __version__

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_newest_release_of_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", changelog, re.MULTILINE)

    assert project["version"] == __version__ == releases[0][0]
    dates = [date.fromisoformat(day) for _, day in releases]
    assert dates == sorted(dates, reverse=True)
