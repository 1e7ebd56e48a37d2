"""Near-duplicate texts: those whose 5-grams of words have a Jaccard similarity of at least 0.8.

The definition is that of Lee et al., "Deduplicating Training Data Makes Language Models Better" (2022). The join is exact:
with the rarest 5-grams first, two sets can only be that similar if their prefixes of n - ⌈0.8 n⌉ + 1 members meet (prefix
filtering, Chaudhuri et al., 2006), so an index of prefixes finds every pair without comparing all.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    components = [{index} for index in range(len(keys))]
    for index, candidates in similar_candidates(sets):
        candidates -= components[index]
        while candidates:
            other = candidates.pop()
            if max(index, other) >= len(known) and are_similar(sets[index], sets[other]):
                smaller, larger = sorted((components[index], components[other]), key=len)
                larger |= smaller
                for member in smaller:
                    components[member] = larger
                candidates -= larger
    # The smallest index stands for its component: a known text if there is one, else the smallest key.
    representatives = {key: keys[min(components[index])] for index, key in enumerate(keys) if key in texts}
    return {key: known[chosen][1] if chosen in known else chosen for key, chosen in representatives.items()}


def similar_candidates(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, set[int]]]:
    """For each index the earlier ones that may be similar to it: all that are, and few others. Smaller sets come first."""
    frequency = Counter(chain.from_iterable(sets))
    having_in_prefix: defaultdict[str, list[int]] = defaultdict(list)
    for index in sorted(range(len(sets)), key=lambda index: len(sets[index])):
        size = len(sets[index])
        least_shared = -(-SIMILAR_OVER * size // SIMILAR_UNDER)
        rarest_first = sorted(sets[index], key=lambda gram: (frequency[gram], gram))
        candidates: set[int] = set()
        for gram in rarest_first[: size - least_shared + 1]:
            candidates.update(having_in_prefix[gram])
            having_in_prefix[gram].append(index)
        yield index, candidates


def distinct_texts(texts: Mapping[str, str], known: Iterable[str]) -> list[str]:
    """The keys of the texts that are no near-duplicates of known ones or of a text before them."""
    prints = {key: fingerprint(text) for key, text in texts.items()}
    taken = {fingerprint(text): text for text in known}
    new = {prints[key]: text for key, text in texts.items() if prints[key] not in taken}
    groups = group_near_duplicates(new, {key: (text, key) for key, text in taken.items()})
    seen = set(taken)
    first_of_group = []
    for key, own in prints.items():
        group = groups.get(own, own)
        if group not in seen:
            seen.add(group)
            first_of_group.append(key)
    return first_of_group
