"""Draws the figures of a run: processor time, latencies, and growth with processes.

`python -m bench.picture build/bench.json docs/performance` draws an earlier run again.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.kit.pictures import bars, shares

CPU: Final = "CPU ms, "
GROWTH: Final = re.compile(r"requests/s, (\d+) process(?:es)?, ")
"""What the names of the rows begin with that tell processor time, and growth with processes."""

_YARDSTICK: Final = re.compile(r" \(yardstick: (.*)\)")
_BUCKETS: Final = (0.5, 1, 1.5, 2, 3, 5, 10, 30)
"""The upper ends of the ranges of latencies, in milliseconds."""


def draw(figures: Mapping[str, Any], beginning: Path) -> None:
    """Writes three pictures; their names begin with that of `beginning`."""
    rows = figures["rows"]
    _draw_cpu([row for row in rows if row["name"].startswith(CPU)], _named(beginning, "cpu"))
    shares(
        _named(beginning, "latencies"),
        "How long a request takes, one at a time, in % of the requests",
        figures["milliseconds"],
        _BUCKETS,
    )
    grown = {match[1]: row for row in rows if (match := GROWTH.match(row["name"]))}
    bars(
        _named(beginning, "processes"),
        "Requests/s by processes, where Partner Center takes three seconds",
        [f"{count} process{'es' * (count != '1')}" for count in grown],
        {
            "measured": [round(row["function"]) for row in grown.values()],
            "as many times one process": [
                round(row["yardstick"]) if "yardstick" in row else None for row in grown.values()
            ],
        },
    )


def _draw_cpu(rows: list[dict[str, Any]], file: Path) -> None:
    bars(
        file,
        "CPU of a request in ms; yardstick: the direct client unless named",
        [_label(row["name"].removeprefix(CPU)) for row in rows],
        {
            "this function": [round(row["function"], 2) for row in rows],
            "yardstick": [
                round(row["yardstick"], 2) if "yardstick" in row else None for row in rows
            ],
        },
        lying=True,
    )


def _label(name: str) -> str:
    return _YARDSTICK.sub(r", beside \1", name)


def _named(beginning: Path, what: str) -> Path:
    return beginning.with_name(f"{beginning.name}-{what}.svg")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture", description=__doc__)
    parser.add_argument("figures", type=Path, help="what `make bench` left")
    parser.add_argument("beginning", type=Path, help="what the names of the SVG files begin with")
    options = parser.parse_args()
    draw(json.loads(options.figures.read_text("utf-8")), options.beginning)


if __name__ == "__main__":
    main()
