"""Tables of the pages for people, as the tests of these pages read them."""

import re


def table(page: str, header: str) -> list[list[str]]:
    """The rows of the table whose header starts with this column; a row is its cells."""
    rows = []
    for line in page.partition(f"\n| {header} |")[2].splitlines()[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def names(cell: str) -> list[str]:
    """What a cell has in backticks."""
    return re.findall(r"`([^`]+)`", cell)
