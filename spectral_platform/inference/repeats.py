"""Finds blocks whose form no label tells: what begins the first of them comes again, or all lines have the same signs."""

from collections.abc import Sequence
from itertools import pairwise

from spectral_platform.inference.alignment import Gap, Part, Run, shortened
from spectral_platform.inference.labels import label_end
from spectral_platform.inference.tokens import Keys, Spans, begins_line, is_structural, is_word, without_digits

FEWEST_TEXTS = 3
SHARE_WITH_MORE = 0.3
LONGEST_OPENING = 12
MOST_WITHIN = 12
MOST_ROWS = 0.9


def fold_unlabelled(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """Take blocks for one gap: from what opens the first of them to what closes the last, however many each text has."""
    folded = list(parts)
    at = 1
    while at < len(folded):
        before, gap = folded[at - 1], folded[at]
        if isinstance(before, Run) and isinstance(gap, Gap) and not gap.repeats:
            _fold_opened(texts, folded, at, before) or _fold_rows(texts, folded, at)
        at += 1
    return [part for part in folded if not isinstance(part, Run) or part.keys]


def _fold_opened(texts: Sequence[Keys], parts: list[Part], at: int, before: Run) -> bool:
    """Fold blocks that begin with what the run before ends with, from the beginning of a line on."""
    sizes = range(min(LONGEST_OPENING, len(before.keys)), 0, -1)
    for opening in (before.keys[-size:] for size in sizes if begins_line(before.keys[-size])):
        if not any(is_word(key) or is_structural(key) for key in opening):
            continue
        stop = _last_block(texts, parts, at, opening)
        spans = _between(parts, at, stop) if stop else {}
        end = parts[stop] if stop < len(parts) else None
        if stop and (isinstance(parts[stop - 1], Run) or stop > at + MOST_WITHIN or _asks(texts, spans, end)):
            return False
        if stop:
            _replace(parts, at, stop, len(opening), _closing(texts, spans, end, opening), opening)
            return True
    return False


def _last_block(texts: Sequence[Keys], parts: list[Part], at: int, opening: Keys) -> int:
    """Behind which part the last block ends; 0 where the opening does not come again.

    Some gap holds further blocks: what opens them, and whatever else the first block has before that gap, or the last one behind.
    """
    for holder in range(at, min(at + MOST_WITHIN, len(parts)), 2):
        spans = parts[holder].spans
        if _recurs(texts, spans, opening) and all(
            isinstance(run, Run) and _recurs(texts, spans, run.keys) for run in parts[at + 1 : holder : 2]
        ):
            stop = holder + 1
            while stop + 1 < len(parts) and isinstance(run := parts[stop], Run) and _recurs(texts, spans, run.keys):
                stop += 2
            return stop
    return 0


def _asks(texts: Sequence[Keys], spans: Spans, end: Part | None) -> bool:
    """Whether the label that follows is within the blocks too: then the last of them is not complete, but asks to be."""
    count = label_end(end.keys, 0) if isinstance(end, Run) else 0
    return isinstance(end, Run) and count > 0 and "/" not in end.keys[:count] and _recurs(texts, spans, end.keys[:count])


def _closing(texts: Sequence[Keys], spans: Spans, end: Part | None, opening: Keys) -> int:
    """How many tokens of what follows close the last block, as they close those before."""
    if not isinstance(end, Run):
        return 0
    sizes = range(min(LONGEST_OPENING, len(end.keys)), 0, -1)
    return next((size for size in sizes if _recurs(texts, spans, end.keys[:size] + opening)), 0)


def _fold_rows(texts: Sequence[Keys], parts: list[Part], at: int) -> bool:
    """Fold lines that begin with a value and all have the same signs or words behind it."""
    row = parts[at + 1] if at + 1 < len(parts) else None
    if not isinstance(row, Run) or any(map(begins_line, row.keys)):
        return False
    if not all(begins_line(texts[text][start]) for text, (start, end) in parts[at].spans.items() if start < end):
        return False
    stop = next((place for place in range(at + 1, len(parts)) if _begins_line_within(parts[place])), len(parts))
    if stop == at + 1 or isinstance(parts[stop - 1], Run):
        return False
    end = parts[stop] if stop < len(parts) else None
    closing = next(place for place, key in enumerate(end.keys) if begins_line(key)) if isinstance(end, Run) else 0
    spans = {text: (start, stop + closing) for text, (start, stop) in _between(parts, at, stop).items()}
    lines = [_lines(texts[text][start:stop]) for text, (start, stop) in spans.items()]
    rows = sum(all(_has(line, row.keys) for line in each) for each in lines)
    if rows < MOST_ROWS * len(lines) or sum(len(each) > 1 for each in lines) < _enough(len(lines)):
        return False
    _replace(parts, at, stop, 0, closing, row.keys)
    return True


def _begins_line_within(part: Part) -> bool:
    return isinstance(part, Run) and any(map(begins_line, part.keys))


def _lines(keys: Keys) -> list[Keys]:
    starts = [0, *(place for place in range(1, len(keys)) if begins_line(keys[place])), len(keys)]
    return [keys[start:stop] for start, stop in pairwise(starts) if start < stop]


def _between(parts: Sequence[Part], at: int, stop: int) -> Spans:
    last = parts[stop - 1].spans
    return {text: (start, last[text][1]) for text, (start, _) in parts[at].spans.items()}


def _replace(parts: list[Part], at: int, stop: int, opening: int, closing: int, repeats: Keys) -> None:
    """One gap for these parts, so many tokens of the run before and so many of the run behind."""
    before, end = parts[at - 1], parts[stop] if stop < len(parts) else None
    assert isinstance(before, Run)
    whole = {text: (start - opening, last + closing) for text, (start, last) in _between(parts, at, stop).items()}
    if isinstance(end, Run) and closing:
        end.spans = {text: (start + closing, last) for text, (start, last) in end.spans.items()}
        end.keys = end.keys[closing:]
    parts[at - 1 : stop] = [*shortened(before, opening), Gap(whole, repeats=repeats)]


def _enough(count: int) -> float:
    return max(FEWEST_TEXTS, SHARE_WITH_MORE * count)


def _recurs(texts: Sequence[Keys], spans: Spans, keys: Keys) -> bool:
    """Whether enough texts have these tokens, numbers aside, within these spans."""
    wanted = without_digits(keys)
    return sum(_has(texts[text][start:end], wanted) for text, (start, end) in spans.items()) >= _enough(len(spans))


def _has(keys: Keys, wanted: Keys) -> bool:
    size = len(wanted)
    given = without_digits(keys)
    wanted = without_digits(wanted)
    return any(given[place : place + size] == wanted for place in range(len(given) - size + 1) if given[place] == wanted[0])
