"""Plots for README and docs/performance.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter

Points = Sequence[tuple[float, Sequence[float]]]
"""What was set, and the figures there."""

COLOURS = ("#0b6e99", "#c2571a", "#5b7f1f", "#7a4fa3", "#8a8a8a", "#a8324e")

mpl.rcParams.update(
    {
        "svg.hashsalt": "blog",  # The same figures draw the same file.
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "figure.facecolor": "white",
    }
)


def draw(
    file: Path, lines: Mapping[str, Points], *, title: str, across: str, up: str, kinds: Sequence[str] = ("",)
) -> None:
    """Draw lines over scales of powers. Each figure of a point is of one of `kinds`, drawn solid, then dashed."""
    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    for colour, (name, points) in zip(COLOURS, lines.items(), strict=False):
        places = [place for place, _ in points]
        for at, (kind, style) in enumerate(zip(kinds, ("-", "--"), strict=False)):
            values = [values[at] for _, values in points]
            axes.plot(places, values, style, marker="o", markersize=4, color=colour, label=f"{name} {kind}".strip())
    axes.set_xscale("log")
    axes.set_yscale("log")
    marks = sorted({place for points in lines.values() for place, _ in points})
    axes.set_xticks(marks, minor=False)
    axes.minorticks_off()
    plain = FuncFormatter(lambda value, _: f"{value:,g}")
    axes.xaxis.set_major_formatter(plain)
    axes.yaxis.set_major_formatter(plain)
    axes.set(xlabel=across, ylabel=up)
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, format="svg", metadata={"Date": None})
    pyplot.close(figure)
