"""Finds structure in the gaps of an alignment: blocks that repeat, and sections that only some of the texts have."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from spectral_platform.inference.alignment import (
    Gap,
    Part,
    Run,
    Spans,
    align,
    shortened,
    with_whole_labels,
    with_whole_sentences,
    without_islands,
)
from spectral_platform.inference.labels import item_end, label_end, last_item, last_label
from spectral_platform.inference.tokens import LINE, Keys, begins_line, without_digits

FEWEST_TEXTS = 3
LEAST_SHARE = 0.08
SHARE_WITH_BLOCKS = 0.3
SHARE_WITH_LINE = 0.15
SHORTEST_LINE = 3
ENOUGH_TO_SPLIT = 8
LONGEST_LINE = 12
LONGER_BELOW = 5
LONGEST_LABEL = 12
PERIODS = (2, 3)
DEEPEST = 3
FOLLOWING = 6


def structured(texts: Sequence[Keys], spans: Spans, *, depth: int = 0) -> list[Part]:
    """The parts of these spans, with what can be said about the gaps."""
    parts = with_whole_sentences(texts, without_islands(with_whole_labels(texts, align(texts, spans))))
    parts = _fold_items(texts, parts)
    parts = _fold_periods(parts)
    parts = _fold_repeats(texts, parts)
    if depth < DEEPEST:
        parts = _find_sections(texts, parts, depth)
    return _split_after_line(texts, parts)


def _gap_over(first: Spans, last: Spans, repeats: Keys) -> Gap:
    return Gap({text: (start, last[text][1]) for text, (start, _) in first.items()}, repeats=repeats)


def _end_of(run: Run, count: int) -> Spans:
    return {text: (end - count, end) for text, (_, end) in run.spans.items()}


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


# Items of lists.


def _fold_items(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """Take a list for one gap, however many items each text has: from what begins the first item to the end of the last."""
    folded: list[Part] = []
    at = 0
    while at < len(parts):
        run = parts[at]
        folded.append(run)
        at += 1
        if isinstance(run, Run) and (item := last_item(run.keys)) and (stop := _last_item_part(texts, parts, at, item)):
            folded[-1:] = [*shortened(run, len(item)), _gap_over(_end_of(run, len(item)), parts[stop].spans, item)]
            at = stop + 1
    return folded


def _last_item_part(texts: Sequence[Keys], parts: list[Part], at: int, item: Keys) -> int:
    """The gap with which a list ends whose first item begins right before these parts; 0 where there is but one item."""
    label = without_digits(item)
    runs = [place for place in range(at + 1, len(parts), 2) if _is(parts[place], label)]
    has_digits = label != item
    gaps = range(at, len(parts), 2)
    holders = [place for place in gaps if _has_items(texts, parts[place].spans, label)]
    if not holders and len(runs) < (1 if has_digits else 2):
        return 0
    stop = holders[-1] if holders else 0
    if runs:
        stop = max(stop, runs[-1] + runs[0] - at)
    while stop >= len(parts) or isinstance(parts[stop], Run):
        stop -= 1
    return stop


def _has_items(texts: Sequence[Keys], spans: Spans, label: Keys) -> bool:
    return sum(_holds(texts[text], span, label) for text, span in spans.items()) >= max(FEWEST_TEXTS, LEAST_SHARE * len(spans))


def _is(part: Part, label: Keys) -> bool:
    return isinstance(part, Run) and without_digits(part.keys) == label


def _holds(keys: Keys, span: tuple[int, int], label: Keys) -> bool:
    """Whether there is an item in this span."""
    return any(
        keys[place][0] == LINE and without_digits(keys[place : place + len(label)]) == label
        for place in range(span[0], span[1] - len(label) + 1)
    )


# Blocks of which all texts have the same number.


def _fold_periods(parts: list[Part]) -> list[Part]:
    """Take labelled values in turns, as ``Q: … A: … Q: … A: …``, for one gap, save for a last turn that has no value yet."""
    at = 0
    while at < len(parts):
        for period in PERIODS:
            folded = _folded(parts, at, period)
            if folded is not None:
                parts = folded
                break
        at += 1
    return parts


def _folded(parts: list[Part], at: int, period: int) -> list[Part] | None:
    first = parts[at]
    unit = parts[at + 2 * period] if at + 2 * period < len(parts) else None
    if not isinstance(first, Run) or not isinstance(unit, Run):
        return None
    if not (label := last_label(first.keys)):
        return None
    repeats = 0
    while _matches(parts, at + 2 * repeats, period, label, is_first=repeats == 0):
        repeats += 1
    if repeats < period:
        return None
    last = at + 2 * (repeats + period - 1)
    # Where the last labels have no value any more, they ask for one.
    turns = repeats // period if last + 1 >= len(parts) else (repeats + period) // period
    stop = at + 2 * turns * period
    if stop <= at + 1 or stop - 1 >= len(parts):
        return None
    block = _gap_over(_end_of(first, len(label)), parts[stop - 1].spans, label)
    return [*parts[:at], *shortened(first, len(label)), block, *parts[stop:]]


def _matches(parts: list[Part], at: int, period: int, label: Keys, *, is_first: bool) -> bool:
    """Whether the run at this place says the same as the one a period later, numbers aside."""
    later = parts[at + 2 * period] if at + 2 * period < len(parts) else None
    this = parts[at]
    if not isinstance(this, Run) or not isinstance(later, Run):
        return False
    keys = label if is_first else this.keys
    if len(keys) > LONGEST_LABEL:
        return False
    one, other = without_digits(keys), without_digits(later.keys)
    return one == other or (at + 2 * period == len(parts) - 1 and other[: len(one)] == one)


# Blocks of which texts have different numbers.


def _fold_repeats(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """Take labelled values of which there are more or fewer for one gap before the last of them."""
    folded: list[Part] = []
    for part in parts:
        before = folded[-1] if folded else None
        if not isinstance(part, Gap) or not isinstance(before, Run) or part.repeats:
            folded.append(part)
            continue
        label = () if last_item(before.keys) else last_label(before.keys)
        last = {text: _last_place(texts[text], span, label) for text, span in part.spans.items()} if label else {}
        found = sum(place >= 0 for place in last.values())
        if found < max(FEWEST_TEXTS, SHARE_WITH_BLOCKS * len(part.spans)):
            folded.append(part)
            continue
        folded[-1:] = shortened(before, len(label))
        size = len(label)
        start = {text: begin - size for text, (begin, _) in part.spans.items()}
        place = {text: at if at >= 0 else start[text] for text, at in last.items()}
        folded.append(Gap({text: (start[text], place[text]) for text in place}, repeats=label))
        folded.append(Run({text: (at, at + size) for text, at in place.items()}, label))
        folded.append(Gap({text: (at + size, part.spans[text][1]) for text, at in place.items()}))
    return folded


def _last_place(keys: Keys, span: tuple[int, int], label: Keys) -> int:
    """Where this label is for the last time; -1 where it is not."""
    for place in range(span[1] - len(label), span[0] - 1, -1):
        if keys[place] == label[0] and keys[place : place + len(label)] == label:
            return place
    return -1


# Sections.


def _find_sections(texts: Sequence[Keys], parts: list[Part], depth: int) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        if not isinstance(part, Gap) or part.repeats:
            found.append(part)
            continue
        found += _sections_of_all(texts, part, depth) or _labelled_sections(texts, part, depth) or [part]
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
    inner = [structured(texts, spans, depth=depth + 1) for spans in sections.values()]
    parts = structured(texts, head, depth=depth + 1) if any(start < end for start, end in head.values()) else []
    behind = {text: (stop, gap.spans[text][1]) for text, (_, stop) in head.items()}
    if parts and isinstance(last := parts[-1], Gap) and not last.sections and not last.repeats:
        whole = {text: (start, behind[text][1]) for text, (start, _) in last.spans.items()}
        return [*parts[:-1], Gap(whole, sections=inner)]
    return [*parts, Gap(behind, sections=inner)]


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
    for last_line, found in _last_lines(texts, spans).items():
        places.setdefault(last_line, found)
    return {label: found for label, found in places.items() if repeated[label] <= 0.1 * len(found)}


def _last_lines(texts: Sequence[Keys], spans: Spans) -> dict[Keys, dict[int, tuple[int, int]]]:
    """Whole lines behind which nothing comes in these spans, and which enough texts have: sentences that may be left out."""
    places: dict[Keys, dict[int, tuple[int, int]]] = {}
    for text, (start, end) in spans.items():
        keys = texts[text]
        place = next((at for at in range(end - 1, start, -1) if begins_line(keys[at])), end)
        if end - place >= SHORTEST_LINE:
            places.setdefault(keys[place:end], {})[text] = (place, end)
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
