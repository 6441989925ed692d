"""Pictures of figures, as SVG files without scripts."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

# pygal's import hook serves maps alone, and Python 3.11 warns of it at every later import.
sys.meta_path[:] = [
    finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)
]

_STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    font_family="system-ui, sans-serif",
    colors=("#0b57c2", "#9aa3b5", "#c4791b", "#b3261e"),
    opacity=1,
    label_font_size=12,
    legend_font_size=13,
    major_label_font_size=12,
    title_font_size=15,
    value_font_size=11,
)

BUCKETS = (10, 30, 100, 300, 1000, 3000, 10_000)
"""The upper ends of the ranges that a distribution counts in, in milliseconds."""


def bars(
    file: Path,
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    lying: bool = False,
) -> None:
    """Draws a group of bars for each label, with one bar for each series.

    `lying` bars leave room for long labels.
    """
    kind = pygal.HorizontalBar if lying else pygal.Bar
    chart = kind(
        style=_STYLE,
        js=(),
        title=title,
        legend_at_bottom=True,
        print_values=True,
        print_values_position="top",
        width=820,
        height=120 + 45 * len(labels) if lying else 380,
        explicit_size=True,
        disable_xml_declaration=True,
        value_formatter=lambda value: "" if value is None else f"{value:g}",
    )
    # Lying bars are drawn from the bottom to the top.
    chart.x_labels = labels[::-1] if lying else labels
    for name, values in series.items():
        chart.add(name, values[::-1] if lying else values)
    chart.add_xml_filter(_without_scripts)
    file.write_text(chart.render(is_unicode=True), "utf-8")


def _without_scripts(picture: Element) -> Element:
    for parent in list(picture.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    return picture


def distribution(file: Path, title: str, milliseconds: Mapping[str, Sequence[float]]) -> None:
    """Draws how many of each kind took how long."""
    counts = {kind: counted(values) for kind, values in milliseconds.items() if values}
    bars(file, title, labels_of(BUCKETS), counts)


def shares(
    file: Path,
    title: str,
    milliseconds: Mapping[str, Sequence[float]],
    buckets: Sequence[float],
) -> None:
    """Draws how many hundredths of each kind took how long."""
    parts = {
        kind: [round(100 * count / len(values), 1) for count in counted(values, buckets)]
        for kind, values in milliseconds.items()
        if values
    }
    bars(file, title, labels_of(buckets), parts)


def labels_of(buckets: Sequence[float]) -> list[str]:
    """What stands below the bars of a distribution."""
    ends = [f"≤ {end:g} ms" if end < 1000 else f"≤ {end / 1000:g} s" for end in buckets]
    return [*ends, "longer"]


def counted(milliseconds: Sequence[float], buckets: Sequence[float] = BUCKETS) -> list[int]:
    """How many are in each range, and above all of them."""
    counts = [0] * (len(buckets) + 1)
    for value in milliseconds:
        counts[sum(value > end for end in buckets)] += 1
    return counts
