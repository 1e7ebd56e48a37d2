"""Finds anchors: sequences of tokens that every text has, and nearly every one once.

Long ones come first, because they are hardly ever chance.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from spectral_platform.inference.tokens import LINE, Keys, Spans, begins_line, is_structural, is_word

LENGTHS = (6, 4, 3, 2, 1)
ENOUGH_FOR_WORDS, ENOUGH_FOR_PAIRS = 8, 4
"""How many different texts there must be until one or two tokens that all of them have are no chance."""
ENOUGH_FOR_DOUBT = 20
MOSTLY_ONCE = 0.9
COLUMNS = 6
PAIRS = dict(zip("([{\u201c\u201e\u2018«「『《", ")]}\u201d\u201c\u2019»」』》", strict=True))
QUOTES = frozenset("\"'`")


def find_anchors(texts: Sequence[Keys], spans: Spans) -> list[Spans]:
    """What all texts have in these spans, in one order; nothing where only chance would speak for it."""
    by_segment: dict[Keys, list[int]] = {}
    for text, (start, end) in spans.items():
        by_segment.setdefault(texts[text][start:end], []).append(text)
    segments = list(by_segment)
    shortest = 1 if len(segments) >= ENOUGH_FOR_WORDS else 2 if len(segments) >= ENOUGH_FOR_PAIRS else 3
    for length in LENGTHS:
        places = _shared(segments, length, shortest)
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


def _shared(segments: Sequence[Keys], length: int, shortest: int) -> list[tuple[list[int], int]]:
    """Where each segment has each sequence of so many tokens, and how long it has become by joining neighbours.

    Below the shortest that is no chance, a label of its own line is none either.
    """
    wanted = set(_grams(min(segments, key=len), length))
    for segment in segments:
        wanted.intersection_update(_grams(segment, length))
        if not wanted:
            return []
    is_enough = length >= shortest
    divides = len(segments) >= ENOUGH_FOR_WORDS
    wanted = {gram for gram in wanted if (_is_telling(gram) if is_enough else _is_label(gram)) or (divides and _divides(gram))}
    if not wanted:
        return []
    columns = [_places(segment, length, wanted) for segment in segments]
    most = (1 - MOSTLY_ONCE) * len(segments) if len(segments) >= ENOUGH_FOR_DOUBT else 0
    doubtful = Counter(gram for column in columns for gram, (first, last) in column.items() if first != last)
    wanted = {gram for gram in wanted if doubtful[gram] <= (most if _is_telling(gram) else 0)}
    for gram in wanted & doubtful.keys():
        _settle(gram, segments, columns)
    ordered = sorted(wanted, key=lambda gram: columns[0][gram][0])
    for column in columns:
        ordered = _increasing(ordered, column)
    return _joined([[column[gram][0] for column in columns] for gram in ordered], length)


def _is_telling(gram: Keys) -> bool:
    return any(is_word(key) or (is_structural(key) and begins_line(key)) for key in gram)


def _is_label(gram: Keys) -> bool:
    return begins_line(gram[0]) and is_word(gram[0]) and gram[-1] == ":"


def _divides(gram: Keys) -> bool:
    """Whether these are signs that part values, if every text has them just once."""
    return any(map(is_structural, gram))


def find_closing(texts: Sequence[Keys], spans: Spans) -> list[Spans]:
    """The quote or bracket that closes what was opened right before these spans."""
    opened = {_opened(texts[text], start) for text, (start, _) in spans.items()}
    opening = opened.pop() if len(opened) == 1 else ()
    closing = tuple(PAIRS.get(key, key) for key in opening)
    anchor: Spans = {}
    for text, (start, end) in spans.items() if closing else ():
        depth = 1
        for place in range(start, end - len(closing) + 1):
            found = tuple(key.lstrip(LINE) for key in texts[text][place : place + len(closing)])
            depth += -1 if found == closing else found == opening
            if not depth:
                anchor[text] = (place, place + len(closing))
                break
        else:
            return []
    return [anchor] if anchor else []


def _opened(keys: Keys, start: int) -> Keys:
    """The quotes or the bracket right before a place."""
    sign = keys[start - 1].lstrip(LINE) if start else ""
    if sign in PAIRS:
        return (sign,)
    count = next((at for at in range(start) if keys[start - 1 - at].lstrip(LINE) != sign), start) if sign in QUOTES else 0
    return (sign,) * count


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
