"""Texts as tokens: words with the space before them, so that a line's first word is another one than the same within a line."""

import re
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

Keys: TypeAlias = tuple[str, ...]
"""What tokens are compared by."""

Spans: TypeAlias = dict[int, tuple[int, int]]
"""For each text, which of its tokens are meant, from the first to behind the last."""

BOUNDARY = "\x00"
"""What lies between the system message and the user's; no stored text holds it."""

# Scripts without spaces between words go by the character. What is written without spaces is one word where that is usual:
# dates, numbers, identifiers, addresses. Quotes, brackets and signs always stand alone.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(
    rf"(\s*)(\x00|[A-Za-z]\w{{0,30}}://[^\s<>\"'`)\]}}\x00]+|[{_UNSPACED}]"
    rf"|[^\W{_UNSPACED}]+(?:(?:[-./'’@+&%\\]|(?<=\d)[:,](?=\d))[^\W{_UNSPACED}]+)*|[^\s\x00]|$)"
)
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"\w")
STRUCTURE = frozenset(':=<>#|"*[]{}()`-–—→•~^/\\')
LINE = "\n"


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text and its tokens. ``keys`` are what tokens are compared by; ``starts`` and ``ends`` say where in the text they lie."""

    text: str
    keys: Keys
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, position: int) -> int:
        """The token that lies at this place of the text, or the next one."""
        return bisect_left(self.starts, position)


def tokenize(text: str) -> Tokens:
    """The tokens of a text; together with the space between them they are the whole of it."""
    found = [(space, word) for space, word in _TOKEN.findall(text) if word]
    lengths = [size for space, word in found for size in (len(space), len(word))]
    places = list(accumulate(lengths))
    keys = [LINE + word if LINE in space else word for space, word in found]
    for first in (0, *(at + 1 for at, key in enumerate(keys) if key == BOUNDARY)):
        if first < len(keys) and not begins_line(keys[first]):
            keys[first] = LINE + keys[first]
    return Tokens(text, tuple(keys), tuple(places[0::2]), tuple(places[1::2]))


def begins_line(key: str) -> bool:
    """Whether a token is the first of its line."""
    return key[0] == LINE


def is_structural(key: str) -> bool:
    """Whether a token is punctuation that divides text rather than ending a sentence."""
    return key[-1] in STRUCTURE and len(key.lstrip(LINE)) == 1


def is_word(key: str) -> bool:
    """Whether a token has a letter or a digit."""
    return _WORD.search(key) is not None


def is_letter(key: str) -> bool:
    """Whether a token is one capital letter, as such that count."""
    return len(key) == 1 and "A" <= key <= "Z"


def without_digits(keys: Keys) -> Keys:
    """Tokens with every number and every letter that counts made equal, so that ``[1]`` and ``[2]`` are the same."""
    return tuple("0" if is_letter(key) else _DIGITS.sub("0", key) for key in keys)
