"""The table of figures in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the function, with the same figure of the yardstick and of the tutorial.

    The target limits the ratio (`ratio_at_most`, `ratio_at_least`) or the figure itself
    (`at_least`, `at_most`, `exactly`).
    `cloud_bound` says that the local cloud, not the subject, may have limited the figure.
    `median_ratio` is the median of the ratios of single rounds, which takes the place of the ratio
    of the figures: what makes the machine slower for a while is in both rounds of a pair.
    """

    name: str
    function: float
    yardstick: float | None = None
    tutorial: float | None = None
    digits: int = 1
    ratio_at_most: float | None = None
    ratio_at_least: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    exactly: float | None = None
    cloud_bound: bool = False
    median_ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        """The figure divided by the yardstick's."""
        if self.median_ratio is not None:
            return self.median_ratio
        return self.function / self.yardstick if self.yardstick else None

    def target(self) -> tuple[str, bool] | None:
        """The target as text and whether it is reached; None without a target."""
        if self.ratio_at_most is not None:
            reached = self.ratio is not None and self.ratio <= self.ratio_at_most
            return f"ratio ≤ {self.ratio_at_most:g}", reached
        if self.ratio_at_least is not None:
            reached = self.ratio is not None and self.ratio >= self.ratio_at_least
            return f"ratio ≥ {self.ratio_at_least:g}", reached
        if self.at_least is not None:
            return f"≥ {self.at_least:g}", self.function >= self.at_least
        if self.at_most is not None:
            return f"≤ {self.at_most:g}", self.function <= self.at_most
        if self.exactly is not None:
            return f"= {self.exactly:g}", self.function == self.exactly
        return None

    def as_json(self) -> dict[str, Any]:
        """The figure by name, without what it does not have."""
        target = self.target()
        figure = {
            "name": self.name,
            "function": self.function,
            "yardstick": self.yardstick,
            "ratio": self.ratio,
            "tutorial": self.tutorial,
            "target": target[0] if target else None,
            "reached": target[1] if target else None,
        }
        return {name: value for name, value in figure.items() if value is not None}

    def cells(self) -> list[str]:
        """The cells of the row, from left to right."""
        target = self.target()
        return [
            f"{self.name}{' *' if self.cloud_bound else ''}",
            self._number(self.function),
            self._number(self.yardstick),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self._number(self.tutorial),
            target[0] if target else "",
            "" if target is None else "yes" if target[1] else "**no**",
        ]

    def _number(self, value: float | None) -> str:
        return "" if value is None else f"{value:.{self.digits}f}"


def markdown(rows: Sequence[Row]) -> str:
    """All rows as one Markdown table with aligned columns."""
    head = ["Figure", "Function", "Yardstick", "Ratio", "Tutorial", "Target", "Reached"]
    table = [head, *(row.cells() for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [table[0][0].ljust(widths[0]), *_right(table[0], widths)],
        rule,
        *([cells[0].ljust(widths[0]), *_right(cells, widths)] for cells in table[1:]),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _right(cells: list[str], widths: list[int]) -> list[str]:
    return [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
