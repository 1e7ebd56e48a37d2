"""Near-duplicate texts: those whose 5-grams of words have a Jaccard similarity of at least 0.8.

The definition is that of Lee et al., "Deduplicating Training Data Makes Language Models Better" (2022). The join is exact:
with the rarest 5-grams first, two sets can only be that similar if their prefixes of n - ⌈0.8 n⌉ + 1 members meet (prefix
filtering, Chaudhuri et al., 2006), so an index of prefixes finds every pair without comparing all.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from spectral_platform.core.crypto import content_digest

GRAM_WORDS = 5
# Jaccard >= 4/5 as a fraction, so that the comparison is exact.
SIMILAR_OVER, SIMILAR_UNDER = 4, 5

# Scripts that write no spaces count each character as a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def words(text: str) -> list[str]:
    """The words of a text without case and punctuation; a text without any is one word."""
    return _WORD.findall(text.casefold()) or [text.strip()]


def fingerprint(text: str) -> str:
    """The identity of a text's words."""
    return content_digest(*words(text))


def shingles(text: str) -> frozenset[str]:
    """The 5-grams of a text; a text of fewer words is one gram."""
    sequence = words(text)
    last = max(len(sequence) - GRAM_WORDS, 0)
    return frozenset(" ".join(sequence[start : start + GRAM_WORDS]) for start in range(last + 1))


def are_similar(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether the Jaccard similarity of two sets of 5-grams is at least 0.8."""
    shared = len(one & other)
    return SIMILAR_UNDER * shared >= SIMILAR_OVER * (len(one) + len(other) - shared)


def group_near_duplicates(texts: Mapping[str, str], known: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """The content group of each text, by its key.

    ``known`` are texts (text and group by key) that have a group already and keep it. What is similar to one of them joins its
    group; what is similar only to new texts forms a group with them, named by the smallest of their keys: the order of the
    texts does not matter.
    """
    keys = [*sorted(known), *sorted(texts)]
    sets = [shingles(known[key][0] if key in known else texts[key]) for key in keys]
    parents = list(range(len(keys)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for one, other in candidate_pairs(sets):
        low, high = sorted((root(one), root(other)))
        if low != high and max(one, other) >= len(known) and are_similar(sets[one], sets[other]):
            parents[high] = low
    # The smallest index stands for the group: a known text if there is one, else the smallest key.
    representatives = {key: keys[root(index)] for index, key in enumerate(keys) if key in texts}
    return {key: known[chosen][1] if chosen in known else chosen for key, chosen in representatives.items()}


def candidate_pairs(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """The pairs of indexes that may be similar: all that are, and few others."""
    frequency = Counter(chain.from_iterable(sets))
    seen_in_prefix: defaultdict[str, list[int]] = defaultdict(list)
    for index in sorted(range(len(sets)), key=lambda index: len(sets[index])):
        size = len(sets[index])
        smallest = -(-SIMILAR_OVER * size // SIMILAR_UNDER)
        rarest_first = sorted(sets[index], key=lambda gram: (frequency[gram], gram))
        candidates: set[int] = set()
        for gram in rarest_first[: size - smallest + 1]:
            candidates.update(seen_in_prefix[gram])
            seen_in_prefix[gram].append(index)
        yield from ((other, index) for other in sorted(candidates) if len(sets[other]) >= smallest)
