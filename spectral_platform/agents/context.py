"""Which of the context that comes with an input enters the prompt, and what is cut where that is too much."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from spectral_platform.agents.configuration import ContextSelection, ContextStrategy, Truncation

BYTES_PER_TOKEN = 4
"""What tokens are reckoned by without a model's own tokenizer: English text has about four bytes to one, other text fewer."""
SATURATION, LENGTH_WEIGHT = 1.2, 0.75
"""Parameters k1 and b of BM25 as Robertson and Zaragoza give them (2009, section 3.4)."""
GAP = "…"
_BLANK_LINES = re.compile(r"\n\s*\n")
_WORD = re.compile(r"\w+")


def select_context(context: str | Sequence[str], selection: ContextSelection | None, *, question: str) -> str:
    """The context that enters the prompt, its items in the order in which they came; all of it where nothing is selected.

    The items of a text are its paragraphs or, where it has no blank lines, its lines.
    """
    if selection is None:
        return context if isinstance(context, str) else "\n\n".join(context)
    separator, items = _split(context)
    ranked = _rank(items, selection.strategy, question)[: selection.max_items]
    most_bytes = selection.max_tokens * BYTES_PER_TOKEN
    if selection.truncation is Truncation.ITEMS:
        ranked = _that_fit(items, ranked, most_bytes - len(separator), len(separator))
    return _cut(separator.join(items[place] for place in sorted(ranked)), most_bytes, selection.truncation)


def _split(context: str | Sequence[str]) -> tuple[str, list[str]]:
    if not isinstance(context, str):
        return "\n\n", [item for item in context if item.strip()]
    paragraphs = [item for item in _BLANK_LINES.split(context) if item.strip()]
    if len(paragraphs) > 1:
        return "\n\n", paragraphs
    return "\n", [line for line in context.splitlines() if line.strip()]


def _rank(items: Sequence[str], strategy: ContextStrategy, question: str) -> list[int]:
    """The places of the items, the one that is wanted most first."""
    places = list(range(len(items)))
    match strategy:
        case ContextStrategy.FIRST:
            return places
        case ContextStrategy.RECENT:
            return places[::-1]
        case ContextStrategy.SIMILAR:
            scores = _similarities(items, question)
            return sorted(places, key=lambda place: -scores[place])


def _similarities(items: Sequence[str], question: str) -> list[float]:
    """How much the words of each item have to do with the question (BM25)."""
    asked = set(_WORD.findall(question.lower()))
    words = [_WORD.findall(item.lower()) for item in items]
    mean = sum(map(len, words)) / len(words) if any(words) else 1.0
    # Each item is read once, whatever is asked: a question may have as many words as the context.
    counts = [Counter(word for word in said if word in asked) for said in words]
    having = Counter(word for count in counts for word in count)
    rarity = {word: math.log(1 + (len(items) - number + 0.5) / (number + 0.5)) for word, number in having.items()}
    scores = []
    for said, count in zip(words, counts, strict=True):
        weight = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * len(said) / mean)
        scores.append(math.fsum(rarity[word] * times * (SATURATION + 1) / (times + weight) for word, times in count.items()))
    return scores


def _that_fit(items: Sequence[str], ranked: Sequence[int], most_bytes: int, between: int) -> list[int]:
    """The best items that fit whole, the first of all even where it does not: that one is cut."""
    chosen: list[int] = []
    for place in ranked:
        size = len(items[place].encode()) + between
        if not chosen or size <= most_bytes:
            chosen.append(place)
            most_bytes -= size
    return chosen


def _cut(text: str, most_bytes: int, truncation: Truncation) -> str:
    """The text in at most so many bytes, with a gap marked where something is missing."""
    whole = text.encode()
    if len(whole) <= most_bytes:
        return text
    room = max(0, most_bytes - len(GAP.encode()))
    match truncation:
        case Truncation.HEAD:
            return GAP + whole[len(whole) - room :].decode(errors="ignore")
        case Truncation.MIDDLE:
            half = room // 2
            end = whole[len(whole) - half :] if half else b""
            return whole[: room - half].decode(errors="ignore") + GAP + end.decode(errors="ignore")
        case _:
            return whole[:room].decode(errors="ignore") + GAP
