"""Draws the processor time of a request from the figures of a run.

`python -m bench.picture build/bench.json docs/performance.svg` draws an earlier run again.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kit.pictures import bars

_BEGINNING = "CPU ms, "


def draw(figures: Mapping[str, Any], file: Path) -> None:
    """Draws the rows of a run that tell CPU ms, beside their yardsticks."""
    rows = [row for row in figures["rows"] if row["name"].startswith(_BEGINNING)]
    bars(
        file,
        "Processor time of a request, in milliseconds",
        [row["name"].removeprefix(_BEGINNING).partition(" (")[0] for row in rows],
        {
            "this function": [round(row["function"], 2) for row in rows],
            "yardstick": [
                round(row["yardstick"], 2) if "yardstick" in row else None for row in rows
            ],
        },
        lying=True,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture", description=__doc__)
    parser.add_argument("figures", type=Path, help="what `make bench` left")
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    options = parser.parse_args()
    draw(json.loads(options.figures.read_text("utf-8")), options.picture)


if __name__ == "__main__":
    main()
