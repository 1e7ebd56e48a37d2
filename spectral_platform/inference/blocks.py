"""Finds blocks that repeat, which are one value: items of lists, tags, lines of one form, few-shot examples."""

from collections.abc import Sequence

from spectral_platform.inference.alignment import Gap, Part, Run, shortened
from spectral_platform.inference.labels import last_item, last_items, last_label
from spectral_platform.inference.repeats import fold_unlabelled
from spectral_platform.inference.tokens import LINE, Keys, Spans, begins_line, without_digits

FEWEST_TEXTS = 3
LEAST_SHARE = 0.08
SHARE_WITH_BLOCKS = 0.3
LONGEST_LABEL = 12
PERIODS = (2, 3)
TAG = "\n<"
MOST_WITHIN_BLOCKS = 10


def fold_blocks(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """The same parts with one gap for all blocks in a row, and a last block that has no value yet left as it is."""
    parts = _fold_items(texts, parts)
    parts = _fold_lines(_fold_tags(texts, parts))
    return _fold_repeats(texts, _fold_periods(fold_unlabelled(texts, parts)))


def _gap_over(first: Spans, last: Spans, repeats: Keys) -> Gap:
    return Gap({text: (start, last[text][1]) for text, (start, _) in first.items()}, repeats=repeats)


def _end_of(run: Run, count: int) -> Spans:
    return {text: (end - count, end) for text, (_, end) in run.spans.items()}


# Items of lists.


def _fold_items(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """Take a list for one gap, however many items each text has: from what begins the first item to the end of the last."""
    folded: list[Part] = []
    at = 0
    while at < len(parts):
        run = parts[at]
        folded.append(run)
        at += 1
        for item in last_items(run.keys) if isinstance(run, Run) else ():
            if isinstance(run, Run) and (stop := _last_item_part(texts, parts, at, item)):
                folded[-1:] = [*shortened(run, len(item)), _gap_over(_end_of(run, len(item)), parts[stop].spans, item)]
                at = stop + 1
                break
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


# Lines of one form.


def _fold_lines(parts: list[Part]) -> list[Part]:
    """Take lines of one form, of which all texts have as many, for one gap: ``id: … (…)`` three times or more."""
    folded = list(parts)
    ends = [0, 0]  # where the lines of one form end that were last seen; looked for once, however many they are
    at = 2
    while at + 2 < len(folded):
        middle = folded[at]
        if ends[at % 2] < at:
            ends[at % 2] = _last_alike(folded, at)
        stop = ends[at % 2]
        first, last = folded[at - 2], folded[stop + 2] if stop + 2 < len(folded) else None
        if isinstance(middle, Run) and stop > at and isinstance(first, Run) and isinstance(last, Run):
            border = next((place for place, key in enumerate(middle.keys) if begins_line(key)), -1)
            closing, opening = middle.keys[:border], middle.keys[border:]
            if border >= 0 and first.keys[-len(opening) :] == opening and last.keys[: len(closing)] == closing:
                count = len(closing)
                block = {text: (end - len(opening), last.spans[text][0] + count) for text, (_, end) in first.spans.items()}
                last.spans = {text: (start + count, end) for text, (start, end) in last.spans.items()}
                last.keys = last.keys[count:]
                folded[at - 2 : stop + 2] = [*shortened(first, len(opening)), Gap(block, repeats=opening)]
                ends = [0, 0]
        at += 1
    return [part for part in folded if not isinstance(part, Run) or part.keys]


def _last_alike(parts: Sequence[Part], at: int) -> int:
    """The last of the runs, one after another from here on, that say the same, numbers aside."""
    middle = parts[at]
    label = without_digits(middle.keys) if isinstance(middle, Run) else ()
    while at + 2 < len(parts) and _is(parts[at + 2], label):
        at += 2
    return at


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


def _fold_tags(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """Take blocks in tags for one gap, however many each text has."""
    folded = list(parts)
    at = 1
    while at < len(folded):
        if isinstance(folded[at - 1], Run) and isinstance(folded[at], Gap) and (stop := _enclosed(texts, folded, at)):
            del folded[at + 1 : stop]
        at += 1
    return [part for part in folded if not isinstance(part, Run) or part.keys]


def _enclosed(texts: Sequence[Keys], parts: list[Part], at: int) -> int:
    """Where blocks end that begin right before these parts, each in a tag of its own; 0 where there are none.

    ``<example> … </example> <example> … </example>``: what opens the first block, at the end of the run before, comes again until
    the run that closes the last one. Both tags become part of the gap.
    """
    before = parts[at - 1]
    assert isinstance(before, Run)
    sizes = [count for count in range(min(LONGEST_LABEL, len(before.keys)), 1, -1) if before.keys[-count] == TAG]
    for opening in (before.keys[-count:] for count in sizes):
        for stop in range(at + 1, min(at + MOST_WITHIN_BLOCKS, len(parts)), 2):
            behind = parts[stop]
            assert isinstance(behind, Run)
            spans = {text: (start, behind.spans[text][0]) for text, (start, _) in parts[at].spans.items()}
            count = next((each for each in range(3, len(behind.keys) + 1) if _closes(behind.keys[:each], opening[1])), 0)
            if count and min(_share_with(texts, spans, keys) for keys in (opening, behind.keys[:count])) >= SHARE_WITH_BLOCKS:
                parts[at - 1 : at + 1] = [
                    Run(
                        {text: (start, end - len(opening)) for text, (start, end) in before.spans.items()},
                        before.keys[: -len(opening)],
                    ),
                    Gap({text: (start - len(opening), end + count) for text, (start, end) in spans.items()}, repeats=opening),
                ]
                behind.spans = {text: (start + count, end) for text, (start, end) in behind.spans.items()}
                behind.keys = behind.keys[count:]
                return stop
    return 0


def _closes(keys: Keys, name: str) -> bool:
    return keys[-3:] == ("/", name, ">")


def _share_with(texts: Sequence[Keys], spans: Spans, keys: Keys) -> float:
    """The share of texts that have these tokens within these spans."""
    found = sum(_last_place(texts[text], span, keys) >= 0 for text, span in spans.items())
    return found / len(spans) if found >= FEWEST_TEXTS else 0.0


def _last_place(keys: Keys, span: tuple[int, int], label: Keys) -> int:
    """Where this label is for the last time; -1 where it is not."""
    for place in range(span[1] - len(label), span[0] - 1, -1):
        if keys[place] == label[0] and keys[place : place + len(label)] == label:
            return place
    return -1
