"""The pages for people link to pages, files, folders and make targets that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("connector", "docs", "emulator", "local", "samples", "samples/logic-app")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).glob("*.md"))]
)
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https:)([^)]+)\)", page.read_text("utf-8")):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@each_page
def test_every_file_and_folder_that_a_page_names_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # it also names what was moved away
    places = (ROOT, ROOT / "cart_core", page.parent)
    for name in re.findall(r"`([\w.-]+\.py|(?:[\w-]+/)+[\w.-]*)`", page.read_text("utf-8")):
        first = name.partition("/")[0]
        ours = name.endswith((".py", "/")) or any((place / first).is_dir() for place in places)
        if ours and first != "build":
            assert any((place / name).exists() for place in places), name


@each_page
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    for target in re.findall(r"(?:^|`)make (\w+)", page.read_text("utf-8"), re.MULTILINE):
        assert f"\n{target}:" in MAKEFILE, target


def test_make_help_explains_every_target() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)

    assert re.findall(r"^([a-z]+):.*  ## \S", MAKEFILE, re.MULTILINE) == targets.split()


def test_the_rooms_of_the_code_are_explained() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rooms = {path.parent.name for path in (ROOT / "cart_core").glob("*/__init__.py")}

    assert set(re.findall(r"^\| `cart_core/(\w+)/`", contributing, re.MULTILINE)) == rooms
