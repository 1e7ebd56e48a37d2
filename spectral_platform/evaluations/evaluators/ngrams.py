"""Words and runs of words of a text, with their places, for evaluators that compare texts by overlap."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from spectral_platform.core.remembering import remembered

# The standard engine, because it is ten times as fast on many short matches; this pattern cannot backtrack.
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)*")
# Han, kana, Thai, Lao, Burmese and Khmer are written without spaces between words.
UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
_HAS_UNSPACED = re.compile(UNSPACED)


class Word(NamedTuple):
    """One word, case-folded, with its place ``[start, end)`` in the text it comes from."""

    folded: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """Split into words: letters and digits of any script; punctuation and markup separate."""
    return [Word(match.group().casefold(), match.start(), match.end()) for match in _WORD.finditer(text)]


def folded_words(text: str) -> tuple[str, ...]:
    """The same words without their places, in a third of the time."""
    return tuple(map(str.casefold, _WORD.findall(text)))


answered_words = remembered(16)(folded_words)
"""Those of an answer, which one evaluator after another reads."""


def tokens(text: str) -> list[str]:
    """Split into case-folded words, and into characters where a script does not separate words."""
    return [token for word in words(text) for token in (word.folded if _HAS_UNSPACED.search(word.folded) else (word.folded,))]


def ngrams(sequence: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """List the runs of ``size`` consecutive words, in order; empty when the text is shorter."""
    return list(zip(*(sequence[start:] for start in range(size)), strict=False))
