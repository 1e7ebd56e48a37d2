"""Learns patterns from some texts: those of one template at a time, until none is left of which there are enough."""

from collections.abc import Sequence
from dataclasses import dataclass

from spectral_platform.inference.alignment import Gap, Run, align, without_short_runs
from spectral_platform.inference.assembly import assemble
from spectral_platform.inference.families import FEWEST, find_alternatives, groups_without_strangers
from spectral_platform.inference.patterns import Pattern
from spectral_platform.inference.structure import structured
from spectral_platform.inference.tokens import Keys, Tokens, tokenize

LEAST_CONSTANT = 8
DEEPEST_SPLIT = 6


@dataclass(frozen=True, slots=True)
class Learned:
    """A pattern and how many texts it was made from."""

    pattern: Pattern
    support: int


def learn(texts: Sequence[str]) -> list[Learned]:
    """The patterns of these texts, those of the most texts first. What a pattern fixes is more than a word or two."""
    tokens = [each for each in map(tokenize, texts) if len(each)]
    return sorted(_learn(tokens, depth=0), key=lambda learned: -learned.support)


def _learn(tokens: Sequence[Tokens], *, depth: int) -> list[Learned]:
    """The patterns of the first group of texts that has any."""
    for kept in groups_without_strangers([each.keys for each in tokens]):
        members = [tokens[number] for number in kept]
        if members and (found := _learn_group(members, depth=depth)):
            return found
    return []


def _learn_group(members: Sequence[Tokens], *, depth: int) -> list[Learned]:
    keys = [each.keys for each in members]
    spans = {number: (0, len(each)) for number, each in enumerate(keys)}
    groups = _alternatives(keys, spans) if depth < DEEPEST_SPLIT else []
    if groups:
        return [
            learned
            for numbers in groups
            if len(numbers) >= FEWEST
            for learned in _learn([members[number] for number in numbers], depth=depth + 1)
        ]
    pattern = assemble(members, structured(keys, spans), list(spans))
    return [Learned(pattern, len(members))] if pattern.size >= LEAST_CONSTANT else []


def _alternatives(keys: Sequence[Keys], spans: dict[int, tuple[int, int]]) -> list[list[int]]:
    """The groups of texts that have different constants in the same gap, if there is such a gap."""
    parts = without_short_runs(align(keys, spans))
    fixed = sum(len(part.keys) for part in parts if isinstance(part, Run))
    for part in parts:
        if isinstance(part, Gap):
            groups = find_alternatives([keys[text][start:end] for text, (start, end) in part.spans.items()], fixed=fixed)
            if groups:
                return groups
    return []
