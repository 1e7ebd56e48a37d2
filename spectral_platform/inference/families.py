"""Finds texts that share what others lack: the texts of one template among those of several."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from spectral_platform.inference.tokens import Keys, begins_line

LONG = 3_000
BEGINNING = 3
BREAKS = frozenset(".:?!;>")
FEWEST = 3
LEAST_SHARE = 0.05
MOST_FAMILIES = 40
MOST_TRIED = 2
STRONG = 5
NEARLY_ALL = 0.8
SAME = 0.9
BELONGS = 0.5
DISJOINT = 0.05
VARIED = 0.4


@dataclass(frozen=True, slots=True)
class Family:
    """Some of the texts, as bits, and how many sequences of three tokens they share that none of the others has."""

    members: int
    strength: int

    @property
    def size(self) -> int:
        """How many texts it has."""
        return self.members.bit_count()


def grams(keys: Keys) -> set[Keys]:
    """All sequences of three tokens; of a long text those at the beginnings of lines and sentences."""
    found = zip(keys, keys[1:], keys[2:], strict=False)
    if len(keys) <= LONG:
        return set(found)
    return {gram for gram in found if begins_line(gram[0]) or gram[0] in BREAKS}


def find_families(segments: Sequence[Keys]) -> list[Family]:
    """Who shares what, the strongest families first; those of nearly the same texts are one."""
    holders: dict[Keys, int] = {}
    for number, segment in enumerate(segments):
        bit = 1 << number
        for gram in grams(segment):
            holders[gram] = holders.get(gram, 0) | bit
    least = max(FEWEST, LEAST_SHARE * len(segments))
    shared = Counter(members for members in holders.values() if members.bit_count() >= least)
    found: list[Family] = []
    for members, strength in sorted(shared.items(), key=lambda item: (-item[1] * item[0].bit_count(), item[0]))[
        : 4 * MOST_FAMILIES
    ]:
        for position, family in enumerate(found):
            if (family.members & members).bit_count() >= SAME * (family.members | members).bit_count():
                found[position] = Family(family.members, family.strength + strength)
                break
        else:
            found.append(Family(members, strength))
    found = [family for family in found if family.strength >= STRONG]
    return sorted(found, key=lambda family: (-family.strength * family.size, family.members))[:MOST_FAMILIES]


def groups_without_strangers(segments: Sequence[Keys]) -> Iterator[list[int]]:
    """Texts that may be of one template, the likeliest group first.

    Those that have most of what nearly all have in common, in sequences of three tokens or of two; those of one family; all;
    those that begin alike.
    """
    if len(segments) >= 2 * FEWEST:
        triples: list[set[Keys]] = [grams(segment) for segment in segments]
        pairs: list[set[Keys]] = [set(pairwise(segment)) for segment in segments]
        for shared in (triples, pairs):
            counted: Counter[Keys] = Counter()
            for each in shared:
                counted.update(each)
            common = {gram for gram, texts in counted.items() if texts >= NEARLY_ALL * len(segments)}
            if len(common) >= FEWEST:
                yield [number for number, each in enumerate(shared) if len(each & common) >= BELONGS * len(common)]
        yield from (list_members(family.members) for family in find_families(segments)[:MOST_TRIED])
    yield list(range(len(segments)))
    beginnings = Counter(segment[:BEGINNING] for segment in segments)
    for beginning, count in beginnings.most_common(MOST_TRIED):
        if FEWEST <= count < len(segments):
            yield [number for number, segment in enumerate(segments) if segment[:BEGINNING] == beginning]


def find_alternatives(segments: Sequence[Keys], *, fixed: int) -> list[list[int]]:
    """Split texts of which each has one of several other constants here; nothing where they are the values of one slot.

    ``fixed`` is how many tokens are constant beside these: alternatives have to weigh something against that. And there must be
    values among their constants, because a few texts to choose from, such as documents, are values themselves.
    """
    if len(segments) < 2 * FEWEST:
        return []
    everybody = (1 << len(segments)) - 1
    least = max(STRONG, fixed // 3)
    families = [
        family
        for family in find_families(segments)
        if family.strength >= least and family.size <= NEARLY_ALL * len(segments) + 0.15 * len(segments)
    ]
    for family in families:
        rest = everybody & ~family.members
        if rest.bit_count() < FEWEST or not _is_varied(segments, family.members):
            continue
        others = [
            other
            for other in families
            if (other.members & family.members).bit_count() <= DISJOINT * other.size and _is_varied(segments, other.members)
        ]
        covered = 0
        for other in others:
            covered |= other.members
        if covered.bit_count() >= NEARLY_ALL * rest.bit_count():
            return [list_members(family.members), list_members(rest)]
    return []


def list_members(members: int) -> list[int]:
    """The numbers of the texts that a family has."""
    return [number for number in range(members.bit_length()) if members >> number & 1]


def _is_varied(segments: Sequence[Keys], members: int) -> bool:
    numbers = list_members(members)
    return len({segments[number] for number in numbers}) >= VARIED * len(numbers)
