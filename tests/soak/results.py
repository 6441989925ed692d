"""Leaves a soak's result as JSON and as a picture."""

import json
from pathlib import Path

from tests.kit.pictures import distribution
from tests.soak.report import rows
from tests.soak.soak import Result


def write(result: Result, directory: Path) -> None:
    """Leaves the figures in soak.json, and how long answers took in the picture soak.svg."""
    took: dict[str, list[float]] = {"created": [], "replayed": [], "refused or lost": []}
    for delivered in result.delivered:
        for answer in delivered.tries:
            kind = "replayed" if answer.code == "replayed" else "created"
            kind = kind if answer.status == 201 else "refused or lost"
            took[kind].append(round(1000 * answer.seconds, 1))
    figures = {
        "figures": dict(rows(result)),
        "failures": result.failures,
        "milliseconds": took,
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "soak.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    title = f"Answers in trouble by how long they took: {result.plan.keys} carts and orders"
    distribution(directory / "soak.svg", title, took)
