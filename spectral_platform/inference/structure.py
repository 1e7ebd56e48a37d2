"""Finds structure in the gaps of an alignment: blocks that repeat, and sections that only some of the texts have."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from spectral_platform.inference.alignment import (
    Gap,
    Part,
    Run,
    align,
    with_whole_labels,
    with_whole_sentences,
    without_islands,
)
from spectral_platform.inference.blocks import FEWEST_TEXTS, LEAST_SHARE, SHARE_WITH_BLOCKS, fold_blocks
from spectral_platform.inference.labels import item_end, label_end
from spectral_platform.inference.tokens import LINE, Keys, Spans, begins_line

SHARE_WITH_LINE = 0.15
SHORTEST_LINE = 3
TURNS = 1.5
ENOUGH_TO_SPLIT = 8
LONGEST_LINE = 12
LONGER_BELOW = 5
DEEPEST = 3
FOLLOWING = 6


def structured(texts: Sequence[Keys], spans: Spans, *, depth: int = 0) -> list[Part]:
    """The parts of these spans, with what can be said about the gaps."""
    parts = with_whole_sentences(texts, without_islands(with_whole_labels(texts, align(texts, spans))))
    parts = fold_blocks(texts, parts)
    if depth < DEEPEST:
        parts = _find_sections(texts, parts, depth)
    return _split_after_line(texts, parts)


# Two values with nothing but the end of a line between them.


def _split_after_line(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """Take what follows a label on its line for one value and what comes below for another, if lines are short and texts long."""
    split: list[Part] = []
    for part in parts:
        before = split[-1] if split else None
        is_inline = isinstance(before, Run) and isinstance(part, Gap) and len(part.spans) >= ENOUGH_TO_SPLIT
        if is_inline and isinstance(part, Gap) and not part.repeats and not part.sections:
            borders = {
                text: next((at for at in range(start, end) if begins_line(texts[text][at])), start)
                for text, (start, end) in part.spans.items()
            }
            sizes = [(borders[text] - start, end - borders[text]) for text, (start, end) in part.spans.items()]
            lines, rest = [line for line, _ in sizes], [below for _, below in sizes]
            if min(lines) > 0 and max(lines) <= LONGEST_LINE and sum(rest) >= LONGER_BELOW * sum(lines):
                split.append(Gap({text: (start, borders[text]) for text, (start, _) in part.spans.items()}))
                split.append(Run({text: (border, border) for text, border in borders.items()}, ()))
                part = Gap({text: (borders[text], end) for text, (_, end) in part.spans.items()})
        split.append(part)
    return split


# Sections.


def _find_sections(texts: Sequence[Keys], parts: list[Part], depth: int) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        if not isinstance(part, Gap) or part.repeats:
            found.append(part)
            continue
        found += (
            _sections_of_all(texts, part, depth)
            or _labelled_sections(texts, part, depth)
            or _blocks_behind(texts, part)
            or [part]
        )
    return found


def _sections_of_all(texts: Sequence[Keys], gap: Gap, depth: int) -> list[Part]:
    """A gap that is empty in some texts and holds a text of its own with constants in all others."""
    filled = {text: span for text, span in gap.spans.items() if span[0] < span[1]}
    if len(filled) == len(gap.spans) or len(filled) < max(FEWEST_TEXTS, LEAST_SHARE * len(gap.spans)):
        return []
    inner = structured(texts, filled, depth=depth + 1)
    values = {texts[text][start:end] for text, (start, end) in filled.items()}
    constant = sum(len(part.keys) for part in inner if isinstance(part, Run))
    if constant < (1 if len(values) > FEWEST_TEXTS else 3) or not isinstance(inner[0], Run):
        return []
    return [Gap(gap.spans, sections=[inner])]


def _labelled_sections(texts: Sequence[Keys], gap: Gap, depth: int) -> list[Part]:
    """Split a gap at labels that only some of the texts have: each with what follows it is a section."""
    places = _label_places(texts, gap.spans)
    labels = _in_one_order([label for label in places if _is_a_section(texts, places[label], gap.spans)], places)
    if not labels:
        return []
    starts: dict[int, list[tuple[int, Keys]]] = {text: [] for text in gap.spans}
    for label in labels:
        for text, (place, _) in places[label].items():
            starts[text].append((place, label))
    head: Spans = {}
    sections: dict[Keys, Spans] = {label: {} for label in labels}
    for text, (begin, end) in gap.spans.items():
        borders = [*starts[text], (end, ())]
        head[text] = (begin, borders[0][0])
        for (place, label), (stop, _) in pairwise(borders):
            sections[label][text] = (place, stop)
    found = [structured(texts, spans, depth=depth + 1) for spans in sections.values()]
    inner = [section for section in found if section]  # of two labels at one place, the first holds nothing
    parts = structured(texts, head, depth=depth + 1) if any(start < end for start, end in head.values()) else []
    behind = {text: (stop, gap.spans[text][1]) for text, (_, stop) in head.items()}
    if parts and isinstance(last := parts[-1], Gap) and not last.sections and not last.repeats:
        whole = {text: (start, behind[text][1]) for text, (start, _) in last.spans.items()}
        return [*parts[:-1], Gap(whole, sections=inner)]
    return [*parts, Gap(behind, sections=inner)]


def _blocks_behind(texts: Sequence[Keys], gap: Gap) -> list[Part]:
    """Split a gap where labels begin that come again and again in it: a value, and behind it blocks, such as the steps so far."""
    counts: dict[Keys, list[int]] = {}
    first: dict[Keys, dict[int, int]] = {}
    for text, (start, end) in gap.spans.items():
        for place in range(start + 1, end):
            stop = label_end(texts[text], place) if texts[text][place][0] == LINE else place
            if place < stop <= end:
                label = texts[text][place:stop]
                counts.setdefault(label, []).append(text)
                first.setdefault(label, {}).setdefault(text, place)
    wanted = [
        label
        for label, holders in counts.items()
        if len(first[label]) >= max(FEWEST_TEXTS, SHARE_WITH_BLOCKS * len(gap.spans))
        and len(holders) >= TURNS * len(first[label])
    ]
    if len(wanted) < 2:
        return []
    opening = min(wanted, key=lambda label: (sum(first[label].values()) / len(first[label]), label))
    if any(first[opening].get(text, place) > place for label in wanted for text, place in first[label].items()):
        return []
    block: Part = Gap({text: (place, gap.spans[text][1]) for text, place in first[opening].items()}, repeats=opening)
    return [Gap(gap.spans, sections=[[block]])]


def _label_places(texts: Sequence[Keys], spans: Spans) -> dict[Keys, dict[int, tuple[int, int]]]:
    """Labels that some of the texts have in these spans, each at most once."""
    places: dict[Keys, dict[int, tuple[int, int]]] = {}
    repeated: Counter[Keys] = Counter()
    for text, (start, end) in spans.items():
        keys = texts[text]
        for place in range(start, end):
            stop = label_end(keys, place) if keys[place][0] == LINE and item_end(keys, place) == place else place
            if place < stop <= end:
                found = places.setdefault(keys[place:stop], {})
                repeated[keys[place:stop]] += text in found
                found.setdefault(text, (place, stop))
    for line, found in _outer_lines(texts, spans).items():
        places.setdefault(line, found)
    return {label: found for label, found in places.items() if repeated[label] <= 0.1 * len(found)}


def _outer_lines(texts: Sequence[Keys], spans: Spans) -> dict[Keys, dict[int, tuple[int, int]]]:
    """Whole lines at the beginning or end of these spans that enough texts have: sentences that may be left out."""
    places: dict[Keys, dict[int, tuple[int, int]]] = {}
    for text, (start, end) in spans.items():
        keys = texts[text]
        place = next((at for at in range(end - 1, start, -1) if begins_line(keys[at])), end)
        if end - place >= SHORTEST_LINE:
            places.setdefault(keys[place:end], {})[text] = (place, end)
        stop = next((at for at in range(start + 1, end) if begins_line(keys[at])), end)
        if stop - start >= SHORTEST_LINE and begins_line(keys[start]):
            places.setdefault(keys[start:stop], {})[text] = (start, stop)
    return {line: found for line, found in places.items() if len(found) >= SHARE_WITH_LINE * len(spans)}


def _is_a_section(texts: Sequence[Keys], found: dict[int, tuple[int, int]], spans: Spans) -> bool:
    """Not what a few texts happen to quote, and not part of one longer text that several of them quote."""
    if len(found) < max(FEWEST_TEXTS, LEAST_SHARE * len(spans)):
        return False
    following = {texts[text][stop : min(stop + FOLLOWING, spans[text][1])] for text, (_, stop) in found.items()}
    return len(following) >= max(2, 0.3 * len(found)) or all(
        stop + FOLLOWING >= spans[text][1] for text, (_, stop) in found.items()
    )


def _in_one_order(labels: list[Keys], places: dict[Keys, dict[int, tuple[int, int]]]) -> list[Keys]:
    """Those labels of which none comes now before, now behind another; the most frequent ones stay."""
    kept: list[Keys] = []
    for label in sorted(labels, key=lambda each: (-len(places[each]), each)):
        for position in range(len(kept) + 1):
            order = [*kept[:position], label, *kept[position:]]
            if _agree(order, label, places):
                kept = order
                break
    return kept


def _agree(order: list[Keys], label: Keys, places: dict[Keys, dict[int, tuple[int, int]]]) -> bool:
    at = order.index(label)
    for position, other in enumerate(order):
        for text in places[label].keys() & places[other].keys():
            if position != at and (places[other][text] < places[label][text]) != (position < at):
                return False
    return True
