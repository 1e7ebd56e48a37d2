"""Aligns many texts at once: what all of them have in the same order is constant, and between that lie gaps.

Between two anchors, what was ambiguous before has become unique. This is patience diff, of many texts instead of two.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spectral_platform.inference.anchors import find_anchors, find_closing
from spectral_platform.inference.labels import label_end
from spectral_platform.inference.tokens import BOUNDARY, Keys, Spans, begins_line, is_structural

SHORT_VALUE, LONG_VALUE = 2, 6
SENTENCE = 3
MOSTLY_SENTENCES = 0.9
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
    running = sum(
        any(key[0].islower() or key[0] >= UNCASED for key in texts[text][start + 1 : end]) for text, (start, end) in spans.items()
    )
    return mean_length(spans) >= SENTENCE and running >= MOSTLY_SENTENCES * len(spans)


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
        anchors = (
            find_anchors(texts, inner) or find_closing(texts, inner) if all(start < end for start, end in inner.values()) else []
        )
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
