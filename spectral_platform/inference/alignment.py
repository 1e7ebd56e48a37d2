"""Aligns many texts at once: what all of them have in the same order is constant, and between that lie gaps.

Anchors are sequences of tokens that every text has, and nearly every one once. Long ones come first, because they are hardly ever
chance; between two anchors, what was ambiguous before has become unique. This is patience diff, of many texts instead of two.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spectral_platform.inference.labels import label_end
from spectral_platform.inference.tokens import BOUNDARY, Keys, begins_line, is_structural, is_word

Spans: TypeAlias = dict[int, tuple[int, int]]
"""For each text, which of its tokens are meant, from the first to behind the last."""

LENGTHS = (6, 4, 3, 2, 1)
ENOUGH_FOR_WORDS, ENOUGH_FOR_PAIRS = 8, 4
"""How many different texts there must be until one or two tokens that all of them have are no chance."""
ENOUGH_FOR_DOUBT = 20
MOSTLY_ONCE = 0.9
COLUMNS = 6
SHORT_VALUE, LONG_VALUE = 2, 6
SENTENCE = 3
LONG_RUN = 4
MOSTLY_LABELS = 0.6
TEXTS_PER_LABEL = 3
WITHIN_LABELS = frozenset("\"'=:>)")
ENDS_OF_SENTENCES = frozenset(".?!…。？！")
UNCASED = "\u0590"
"""From here on scripts have no capital letters."""


@dataclass(slots=True)
class Run:
    """Tokens that all texts have here."""

    spans: Spans
    keys: Keys


@dataclass(slots=True)
class Gap:
    """Where texts differ. ``sections`` are what some of the texts have at its end, one behind the other."""

    spans: Spans
    sections: list["list[Part]"] = field(default_factory=list)
    repeats: Keys = ()
    """The label that begins each of several blocks here, if that is what the gap holds."""


Part: TypeAlias = Run | Gap


def align(texts: Sequence[Keys], spans: Spans) -> list[Part]:
    """Runs and gaps in their order. Two gaps never lie beside each other, nor do two runs."""
    parts: list[Part] = []
    for part in _messages(texts, spans):
        match parts[-1] if parts else None, part:
            case Run() as last, Run():
                last.spans = {text: (start, part.spans[text][1]) for text, (start, _) in last.spans.items()}
                last.keys += part.keys
            case Gap() as last, Gap():
                last.spans = {text: (start, part.spans[text][1]) for text, (start, _) in last.spans.items()}
            case _:
                parts.append(part)
    return parts


def _messages(texts: Sequence[Keys], spans: Spans) -> Iterable[Part]:
    """The parts of each message by itself, if all texts have two."""
    borders = {}
    for text, (start, end) in spans.items():
        if BOUNDARY not in texts[text][start:end]:
            yield from _aligned(texts, spans)
            return
        borders[text] = texts[text].index(BOUNDARY, start, end)
    yield from _aligned(texts, {text: (start, borders[text]) for text, (start, _) in spans.items()})
    yield _run(texts, {text: (border, border + 1) for text, border in borders.items()})
    yield from _aligned(texts, {text: (borders[text] + 1, end) for text, (_, end) in spans.items()})


def without_islands(parts: list[Part]) -> list[Part]:
    """The same without bare words between long values: those are common words, which long values share by chance."""
    kept: list[Part] = []
    for position, part in enumerate(parts):
        inner = isinstance(part, Run) and 0 < position < len(parts) - 1
        if inner and isinstance(part, Run) and _is_weak(part.keys):
            around = [mean_length(parts[position - 1].spans), mean_length(parts[position + 1].spans)]
            if min(around) > SHORT_VALUE and max(around) > LONG_VALUE:
                part = Gap(part.spans)
        if isinstance(part, Gap) and kept and isinstance(last := kept[-1], Gap):
            last.spans = {text: (start, part.spans[text][1]) for text, (start, _) in last.spans.items()}
        else:
            kept.append(part)
    return kept


def without_short_runs(parts: Sequence[Part]) -> list[Part]:
    """The same with gaps joined over runs of a few tokens, which texts of different templates may share."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Run) and len(part.keys) < LONG_RUN and BOUNDARY not in part.keys:
            part = Gap(part.spans)
        if isinstance(part, Gap) and isinstance(last, Gap):
            joined[-1] = Gap({text: (start, part.spans[text][1]) for text, (start, _) in last.spans.items()})
        else:
            joined.append(part)
    return joined


def with_whole_sentences(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """Give the mark that ends a sentence to the value before it, where values are sentences and the line ends there."""
    whole: list[Part] = []
    for part in parts:
        before = whole[-1] if whole else None
        if (
            isinstance(part, Run)
            and isinstance(before, Gap)
            and part.keys[0] in ENDS_OF_SENTENCES
            and _are_sentences(texts, before.spans)
            and all(_ends_line(texts[text], start) for text, (start, _) in part.spans.items())
        ):
            before.spans = {text: (start, end + 1) for text, (start, end) in before.spans.items()}
            part = Run({text: (start + 1, end) for text, (start, end) in part.spans.items()}, part.keys[1:])
            if not part.keys:
                continue
        if isinstance(part, Gap) and isinstance(before, Gap):
            before.spans = {text: (start, part.spans[text][1]) for text, (start, _) in before.spans.items()}
        else:
            whole.append(part)
    return whole


def _are_sentences(texts: Sequence[Keys], spans: Spans) -> bool:
    """Whether these spans read like sentences: long, and nearly all with words that are not names or numbers among the rest."""
    running = sum(any(key[0].islower() or key[0] >= UNCASED for key in texts[text][start + 1 : end]) for text, (start, end) in spans.items())
    return mean_length(spans) >= SENTENCE and running >= MOSTLY_ONCE * len(spans)


def with_whole_labels(texts: Sequence[Keys], parts: list[Part]) -> list[Part]:
    """Give the beginning of a line to the gap behind it, where the line goes on there to be one label or another."""
    whole: list[Part] = []
    for place, part in enumerate(parts):
        before = whole[-1] if whole else None
        behind = parts[place + 1] if place + 1 < len(parts) else None
        if isinstance(part, Gap) and isinstance(before, Run):
            count = next((at for at, key in enumerate(reversed(before.keys), 1) if begins_line(key)), 0)
            if count and isinstance(behind, Run) and _can_slide(texts, part, before.keys[-count:]):
                whole[-1:] = shortened(before, count)
                whole.append(Gap({text: (start - count, end - count) for text, (start, end) in part.spans.items()}))
                behind.spans = {text: (start - count, end) for text, (start, end) in behind.spans.items()}
                behind.keys = before.keys[-count:] + behind.keys
                continue
            is_closed = isinstance(behind, Run) and behind.keys[0] == ":"
            if count and not is_closed and before.keys[-1] not in WITHIN_LABELS and _goes_on(texts, part.spans, count):
                whole[-1:] = shortened(before, count)
                part = Gap({text: (start - count, end) for text, (start, end) in part.spans.items()})
        whole.append(part)
    return whole


def _goes_on(texts: Sequence[Keys], spans: Spans, count: int) -> bool:
    """Whether these spans begin within a label that begins so many tokens before, one of a few in most texts."""
    labels = Counter(
        texts[text][start - count : end]
        for text, (start, _) in spans.items()
        if (end := label_end(texts[text], start - count)) > start
    )
    return labels.total() > MOSTLY_LABELS * len(spans) and len(labels) <= max(2, len(spans) // TEXTS_PER_LABEL)


def _can_slide(texts: Sequence[Keys], gap: Gap, keys: Keys) -> bool:
    """Whether these tokens, which come before a gap, also end it wherever it is not empty: then they may as well come behind it.

    So a section that may be absent is found whole, where the line behind it begins like its own.
    """
    filled = [(text, end) for text, (start, end) in gap.spans.items() if start < end]
    return len(filled) < len(gap.spans) and all(texts[text][end - len(keys) : end] == keys for text, end in filled)


def shortened(run: Run, count: int) -> list[Part]:
    """A run without so many tokens at its end; nothing if that is all of it."""
    if count >= len(run.keys):
        return []
    return [Run({text: (start, end - count) for text, (start, end) in run.spans.items()}, run.keys[: len(run.keys) - count])]


def _ends_line(keys: Keys, token: int) -> bool:
    return token + 1 == len(keys) or begins_line(keys[token + 1]) or keys[token + 1] == BOUNDARY


def mean_length(spans: Spans) -> float:
    """How many tokens these are, on average."""
    return sum(end - start for start, end in spans.values()) / max(1, len(spans))


def _is_weak(keys: Keys) -> bool:
    return len(keys) <= 2 and BOUNDARY not in keys and not any(begins_line(key) or is_structural(key) for key in keys)


def _aligned(texts: Sequence[Keys], spans: Spans) -> Iterable[Part]:
    """The parts between two runs: what all begin or end with, and what lies between."""
    if all(start == end for start, end in spans.values()):
        return
    first = _common(texts, spans, from_end=False)
    inner = {text: (start + first, end) for text, (start, end) in spans.items()}
    last = _common(texts, inner, from_end=True)
    inner = {text: (start, end - last) for text, (start, end) in inner.items()}
    if first:
        yield _run(texts, {text: (start, start + first) for text, (start, _) in spans.items()})
    if any(start < end for start, end in inner.values()):
        anchors = _anchors(texts, inner) if all(start < end for start, end in inner.values()) else []
        if anchors:
            before = {text: start for text, (start, _) in inner.items()}
            for anchor in anchors:
                yield from _aligned(texts, {text: (before[text], start) for text, (start, _) in anchor.items()})
                yield _run(texts, anchor)
                before = {text: end for text, (_, end) in anchor.items()}
            yield from _aligned(texts, {text: (before[text], end) for text, (_, end) in inner.items()})
        else:
            yield Gap(inner)
    if last:
        yield _run(texts, {text: (end - last, end) for text, (_, end) in spans.items()})


def _run(texts: Sequence[Keys], spans: Spans) -> Run:
    text, (start, end) = next(iter(spans.items()))
    return Run(spans, texts[text][start:end])


def _common(texts: Sequence[Keys], spans: Spans, *, from_end: bool) -> int:
    """How many tokens all begin, or end, with."""
    segments = [texts[text][start:end] for text, (start, end) in spans.items()]
    if from_end:
        segments = [segment[::-1] for segment in segments]
    reference = min(segments, key=len)
    common = len(reference)
    for segment in segments:
        if segment[:common] != reference[:common]:
            pairs = zip(segment, reference, strict=False)
            common = next(position for position, (one, other) in enumerate(pairs) if one != other)
    return common


def _anchors(texts: Sequence[Keys], spans: Spans) -> list[Spans]:
    """What all texts have in these spans, in one order; nothing where only chance would speak for it."""
    by_segment: dict[Keys, list[int]] = {}
    for text, (start, end) in spans.items():
        by_segment.setdefault(texts[text][start:end], []).append(text)
    segments = list(by_segment)
    shortest = 1 if len(segments) >= ENOUGH_FOR_WORDS else 2 if len(segments) >= ENOUGH_FOR_PAIRS else 3
    for length in LENGTHS:
        places = _shared(segments, length) if length >= shortest else []
        if not places and length == 1 and len(segments) >= ENOUGH_FOR_PAIRS:
            places = _columns(segments)
        if places:
            return [
                {
                    text: (spans[text][0] + place, spans[text][0] + place + width)
                    for place, same in zip(at, by_segment.values(), strict=True)
                    for text in same
                }
                for at, width in places
            ]
    return []


def _shared(segments: Sequence[Keys], length: int) -> list[tuple[list[int], int]]:
    """Where each segment has each sequence of so many tokens, and how long it has become by joining neighbours."""
    wanted = set(_grams(min(segments, key=len), length))
    for segment in segments:
        wanted.intersection_update(_grams(segment, length))
        if not wanted:
            return []
    wanted = {gram for gram in wanted if _is_telling(gram)}
    if not wanted:
        return []
    columns = [_places(segment, length, wanted) for segment in segments]
    most = (1 - MOSTLY_ONCE) * len(segments) if len(segments) >= ENOUGH_FOR_DOUBT else 0
    doubtful = Counter(gram for column in columns for gram, (first, last) in column.items() if first != last)
    wanted = {gram for gram in wanted if doubtful[gram] <= most}
    for gram in wanted & doubtful.keys():
        _settle(gram, segments, columns)
    ordered = sorted(wanted, key=lambda gram: columns[0][gram][0])
    for column in columns:
        ordered = _increasing(ordered, column)
    return _joined([[column[gram][0] for column in columns] for gram in ordered], length)


def _is_telling(gram: Keys) -> bool:
    return any(is_word(key) or (is_structural(key) and begins_line(key)) for key in gram)


def _grams(segment: Keys, length: int) -> Iterable[Keys]:
    return zip(*(segment[start:] for start in range(length)), strict=False)


def _places(segment: Keys, length: int, wanted: set[Keys]) -> dict[Keys, tuple[int, int]]:
    """Where each of these is for the first and for the last time."""
    found = [(gram, place) for place, gram in enumerate(_grams(segment, length)) if gram in wanted]
    first, last = dict(reversed(found)), dict(found)
    return {gram: (first[gram], last[gram]) for gram in wanted}


def _settle(gram: Keys, segments: Sequence[Keys], columns: Sequence[dict[Keys, tuple[int, int]]]) -> None:
    """Where a text has it more than once, take it where the others have it: nearer to the beginning or to the end."""
    once = [position for position, column in enumerate(columns) if column[gram][0] == column[gram][1]]
    from_start = sorted(columns[position][gram][0] for position in once)
    from_end = sorted(len(segments[position]) - columns[position][gram][0] for position in once)
    is_late = not once or from_end[len(once) // 2] < from_start[len(once) // 2]
    for column in columns:
        column[gram] = column[gram][::-1] if is_late else column[gram]


def _increasing(ordered: list[Keys], column: Mapping[Keys, Sequence[int]]) -> list[Keys]:
    """The most of them that a text has in this order (patience sorting)."""
    tops: list[int] = []
    piles: list[int] = []
    behind: list[int] = []
    for position, gram in enumerate(ordered):
        place = column[gram][0]
        pile = bisect_left(tops, place)
        behind.append(piles[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(place)
            piles.append(position)
        else:
            tops[pile], piles[pile] = place, position
    kept: list[Keys] = []
    position = piles[-1] if piles else -1
    while position >= 0:
        kept.append(ordered[position])
        position = behind[position]
    return kept[::-1]


def _joined(places: list[list[int]], length: int) -> list[tuple[list[int], int]]:
    """Sequences that overlap or touch in the same way in every text, as one; what overlaps differently is left out."""
    joined: list[tuple[list[int], int]] = []
    for at in places:
        if not joined:
            joined.append((at, length))
            continue
        before, width = joined[-1]
        steps = {here - there for here, there in zip(at, before, strict=True)}
        if len(steps) == 1 and min(steps) <= width:
            joined[-1] = (before, max(width, min(steps) + length))
        elif min(steps) >= width:
            joined.append((at, length))
    return joined


def _columns(segments: Sequence[Keys]) -> list[tuple[list[int], int]]:
    """A token that all have at the same distance from the beginning or the end, as behind a value of one word."""
    shortest = min(map(len, segments))
    for distance in range(1, min(COLUMNS, shortest)):
        for is_from_end in (True, False):
            places = [len(segment) - 1 - distance if is_from_end else distance for segment in segments]
            keys = {segment[place] for segment, place in zip(segments, places, strict=True)}
            if len(keys) == 1 and (_is_telling((key := keys.pop(),)) or is_structural(key)):
                return [(places, 1)]
    return []
