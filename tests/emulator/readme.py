"""The emulator's README, and its tables."""

from collections.abc import Iterator
from pathlib import Path

README = (Path(__file__).resolve().parents[2] / "emulator" / "README.md").read_text("utf-8")


def rows(heading: str, begin: str = "| `") -> Iterator[list[str]]:
    """The cells of the table in one section, row by row, without the table's own heading.

    `begin` is what every row begins with that is meant.
    """
    section = README.partition(f"# {heading}\n")[2].partition("\n#")[0]
    for row in section.splitlines():
        if row.startswith(begin) and not row.startswith(("| `catalogItemId`", "| SKU ", "| what ")):
            yield [cell.strip() for cell in row.strip("|").split("|")]


def names(heading: str) -> list[str]:
    """The names in the first column of that table."""
    return [row[0].strip("`") for row in rows(heading)]
