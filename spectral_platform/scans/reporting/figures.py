"""The plots of a report: SVG, as addresses that hold the whole picture, so that a page needs nothing beside itself."""

import base64
import io
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spectral_platform.scans.verdicts.verdict import GateResult

GOOD, BAD, PLAIN, QUIET = "#1a7f5a", "#b3382c", "#33658a", "#8a8f98"
WIDTH, ROW, LEAST = 7.2, 0.34, 1.6
LABEL_CHARACTERS = 44
STYLE: Any = {
    "text.parse_math": False,  # a dollar sign in somebody's words is a dollar sign
    "svg.fonttype": "none",  # text stays text, in the fonts of whoever reads
    "svg.hashsalt": "spectral",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": "#3c4149",
    "xtick.color": "#3c4149",
    "ytick.color": "#3c4149",
}
mpl.rcParams.update(STYLE)  # nothing else here draws; a context for each plot would be torn by scans that end side by side


def plot_differences(differences: Sequence[float]) -> str:
    """Every dev case's paired difference, the worst first."""
    figure, axes = _blank(rows=7)
    ordered = sorted(differences)
    axes.bar(range(len(ordered)), ordered, width=1.0, color=[BAD if value < 0 else GOOD for value in ordered])
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.set_xlabel("dev cases, ordered by their difference")
    axes.set_ylabel("finalist − baseline")
    axes.set_xticks([])
    return _picture(figure)


def plot_bounds(gates: Sequence[GateResult]) -> str:
    """The bounds on differences of scores, each against its threshold."""
    figure, axes = _blank(rows=len(gates))
    for row, gate in enumerate(reversed(gates)):
        colour = GOOD if gate.passed else BAD
        value = gate.threshold if gate.value is None else gate.value
        axes.plot([gate.threshold, value], [row, row], color=colour, linewidth=2)
        axes.plot(gate.threshold, row, marker="|", markersize=14, color="#3c4149")
        axes.plot(value, row, marker="o", color=colour)
    axes.set_yticks(range(len(gates)), [f"{gate.gate} {gate.name}" for gate in reversed(gates)])
    axes.axvline(0, color=QUIET, linewidth=0.8, linestyle=":")
    axes.set_xlabel("bound on the sealed holdout (dot) against what it must be above (bar)")
    return _picture(figure)


def plot_amounts(amounts: dict[str, float], label: str) -> str:
    """One bar for each name."""
    figure, axes = _blank(rows=len(amounts))
    names = list(reversed(amounts))
    axes.barh(range(len(names)), [amounts[name] for name in names], color=PLAIN, height=0.6)
    axes.set_yticks(range(len(names)), [textwrap.shorten(name, LABEL_CHARACTERS, placeholder="…") for name in names])
    axes.set_xlabel(label)
    return _picture(figure)


def plot_frontier(points: Sequence[tuple[str, float, float]]) -> str:
    """Configs as name, cost and quality; those that no other one beats in both are joined."""
    figure, axes = _blank(rows=8)
    best: list[tuple[float, float]] = []
    for name, cost, quality in sorted(points, key=lambda point: (point[1], -point[2])):
        is_best = not best or quality > best[-1][1]
        if is_best:
            best.append((cost, quality))
        axes.plot(cost, quality, marker="o", linestyle="none", color=GOOD if is_best else QUIET)
        axes.annotate(name, (cost, quality), textcoords="offset points", xytext=(5, 4), fontsize=8)
    axes.plot(*zip(*best, strict=True), color=GOOD, linewidth=0.8, alpha=0.6)
    axes.set_xlabel("mean cost of an answer on dev cases, USD")
    axes.set_ylabel("mean composite")
    return _picture(figure)


def _blank(*, rows: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, max(LEAST, 0.8 + ROW * rows)), layout="constrained")
    return figure, figure.add_subplot()


def _picture(figure: Figure) -> str:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue().encode()).decode()
