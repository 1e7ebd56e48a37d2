"""The plots of a report: SVG that stands in the page itself, in its fonts and in its colours, light or dark.

Marks carry the classes that the page's style sheet colours: good, bad, plain and quiet. Lengths are pixels at full width.
"""

import itertools
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from spectral_platform.scans.verdicts.verdict import GateResult

WIDTH, ROW, HEIGHT = 720.0, 24.0, 240.0
TOP, RIGHT, BELOW = 8.0, 24.0, 44.0
CHARACTER = 6.8
"""The width of a character of the labels, about: nothing here knows the reader's font."""
LABEL_CHARACTERS = 44
TICKS = 6
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
ROOM = 0.04
"""The share of an axis that is left free at both its ends."""
FINEST = 1e-12
"""What differs by less is drawn as the same: no score and no price of an answer is so fine."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from ``low`` to ``high`` as pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Round values along the axis, as pixels and in words."""
        least = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * factor for factor in STEPS if power * factor >= least * (1 - 1e-9))
        digits = next(digits for digits in range(20) if math.isclose(round(step, digits), step, rel_tol=1e-6))
        for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            yield self.at(number * step), f"{number * step:,.{digits}f}"


def plot_differences(differences: Sequence[float]) -> Markup:
    """Every dev case's paired difference, the worst first."""
    upwards = _axis([*differences, 0.0], TOP + HEIGHT, TOP)
    left = _vertical_width(upwards)
    width = (WIDTH - RIGHT - left) / len(differences)
    zero = upwards.at(0.0)
    marks = [*_vertical(upwards, left, "finalist − baseline"), _line(left, zero, WIDTH - RIGHT, zero, "quiet")]
    for place, value in enumerate(sorted(differences)):
        end = upwards.at(value)
        bar = left + place * width, min(zero, end), 0.92 * width, abs(end - zero)
        marks.append(_bar(*bar, "bad" if value < 0 else "good", f"{value:+.3f}"))
    marks.append(_text((left + WIDTH - RIGHT) / 2, TOP + HEIGHT + 20, "middle", "dev cases, ordered by their difference"))
    return _picture(HEIGHT, marks)


def plot_bounds(gates: Sequence[GateResult]) -> Markup:
    """The bounds on differences of scores, each against its threshold."""
    names = [f"{gate.gate} {gate.name}" for gate in gates]
    left, height = _names_width(names), ROW * len(gates)
    across = _axis([0.0, *(value for gate in gates for value in _ends(gate))], left, WIDTH - RIGHT)
    zero = across.at(0.0)
    label = "bound on the sealed holdout (dot) against what it must be above (bar)"
    marks = [*_names(names, left), *_horizontal(across, height, label), _line(zero, TOP, zero, TOP + height, "quiet faint")]
    for row, gate in enumerate(gates):
        middle, colour = TOP + ROW * (row + 0.5), "good" if gate.passed else "bad"
        value, threshold = _ends(gate)
        start, end = across.at(threshold), across.at(value)
        marks += [
            _line(start, middle, end, middle, f"{colour} thick"),
            _line(start, middle - 8, start, middle + 8, "ink"),
            _dot(end, middle, colour, f"{names[row]}: {value:+.3f} against {threshold:+.3f}"),
        ]
    return _picture(height, marks)


def plot_amounts(amounts: dict[str, float], label: str) -> Markup:
    """One bar for each name."""
    names = [_shortened(name) for name in amounts]
    left, height = _names_width(names), ROW * len(names)
    across = _axis([0.0, *amounts.values()], left, WIDTH - RIGHT)
    marks = [*_names(names, left), *_horizontal(across, height, label)]
    for row, (name, amount) in enumerate(amounts.items()):
        start, end = across.at(0.0), across.at(amount)
        marks.append(_bar(start, TOP + ROW * (row + 0.2), end - start, 0.6 * ROW, "plain", f"{name}: {amount:,.6g} {label}"))
    return _picture(height, marks)


def plot_frontier(points: Sequence[tuple[str, float, float]]) -> Markup:
    """Configs as name, cost and quality; those that no other one beats in both are joined."""
    upwards = _axis([quality for _, _, quality in points], TOP + HEIGHT, TOP)
    left = _vertical_width(upwards)
    across = _axis([cost for _, cost, _ in points], left, WIDTH - RIGHT)
    best: list[tuple[float, float]] = []
    dots = []
    for name, cost, quality in sorted(points, key=lambda point: (point[1], -point[2])):
        place = across.at(cost), upwards.at(quality)
        is_best = not best or place[1] < best[-1][1]
        if is_best:
            best.append(place)
        said = f"{name}: {quality:.3f} at {cost:.3g} USD"
        aside = (7, "start") if place[0] < 0.8 * WIDTH else (-7, "end")
        dots += [_dot(*place, "good" if is_best else "quiet", said), _text(place[0] + aside[0], place[1] - 6, aside[1], name)]
    joined = Markup('<polyline class="good" points="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in best))
    axes = [*_vertical(upwards, left, "mean composite"), *_horizontal(across, HEIGHT, "mean cost of an answer on dev cases, USD")]
    return _picture(HEIGHT, [*axes, joined, *dots])


def _ends(gate: GateResult) -> tuple[float, float]:
    """What was measured and what it is held against."""
    return gate.threshold if gate.value is None else gate.value, gate.threshold


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis that holds all values with some room around them; next to 0, which is an edge, none is needed."""
    low, high = min(values), max(values)
    around = abs(low) / 2 if abs(low) > FINEST else 1.0
    room = ROOM * (high - low) if high - low > FINEST else around
    return Axis(low if low == 0.0 < high else low - room, high + room, start, end)


def _horizontal(axis: Axis, height: float, label: str) -> Iterator[Markup]:
    base = TOP + height
    yield _line(axis.start, base, axis.end, base, "quiet")
    for place, words in axis.ticks():
        yield _line(place, base, place, base + 4, "quiet")
        yield _text(place, base + 17, "middle", words)
    yield _text((axis.start + axis.end) / 2, base + 36, "middle", label)


def _vertical(axis: Axis, left: float, label: str) -> Iterator[Markup]:
    yield _line(left, axis.start, left, axis.end, "quiet")
    for place, words in axis.ticks():
        yield _line(left - 4, place, left, place, "quiet")
        yield _text(left - 8, place + 4, "end", words)
    middle = (axis.start + axis.end) / 2
    yield Markup('<text transform="rotate(-90)" x="{:.1f}" y="13" text-anchor="middle">{}</text>').format(-middle, label)


def _vertical_width(axis: Axis) -> float:
    """What the words beside a vertical axis take."""
    return 30 + CHARACTER * max(len(words) for _, words in axis.ticks())


def _names(names: Iterable[str], left: float) -> Iterator[Markup]:
    for row, name in enumerate(names):
        yield _text(left - 8, TOP + ROW * (row + 0.5) + 4, "end", name)


def _names_width(names: Iterable[str]) -> float:
    return 12 + CHARACTER * max(_columns(name) for name in names)


def _shortened(name: str) -> str:
    """The name on one line, cut where it would leave no room for what it names; some languages have no spaces to cut at."""
    line = " ".join(name.split())
    if _columns(line) <= LABEL_CHARACTERS:
        return line
    ends = itertools.accumulate(_columns(character) for character in line)
    return line[: sum(end < LABEL_CHARACTERS for end in ends)].rstrip() + "…"


def _columns(words: str) -> int:
    """How many characters wide the words are: those of East Asia are as wide as two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in words)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(kind, x1, y1, x2, y2)


def _bar(x: float, y: float, width: float, height: float, kind: str, said: str) -> Markup:
    shape = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>')
    return shape.format(kind, x, y, width, height, said)


def _dot(x: float, y: float, kind: str, said: str) -> Markup:
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>').format(kind, x, y, said)


def _text(x: float, y: float, anchor: str, words: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, words)


def _picture(height: float, marks: Iterable[Markup]) -> Markup:
    """The marks as a picture that scales with the page."""
    return Markup('<svg viewBox="0 0 {:.0f} {:.0f}">{}</svg>').format(WIDTH, TOP + height + BELOW, Markup("").join(marks))
