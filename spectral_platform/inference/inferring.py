"""Infers templates from prompts: learns from a few, matches all, and goes on with those that no template matches.

Nothing here knows rows, a model or the network; it may run in a process of its own, and does.
"""

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt

from spectral_platform.inference.learning import learn
from spectral_platform.inference.patterns import Pattern, Place
from spectral_platform.inference.tokens import BOUNDARY
from spectral_platform.inference.writing import Shot, Variable, write

MOST_LEARNT_FROM = 120
MOST_CHARACTERS = 400_000
"""What one round learns from, so that its time does not grow with the number or the length of prompts."""
FEWEST_LEARNT_FROM = 10
MOST_ROUNDS = 10
MOST_TEMPLATES = 8
FEWEST = 3
LEAST_SHARE = 0.01
MOST_EXEMPLARS = 5
MOST_UNMATCHED = 20
LONGEST_VALUE = 1_000
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt: system and user message with a boundary between, or the user's alone. ``said`` holds values by name."""

    text: str
    said: Mapping[str, str] = field(default_factory=dict)
    turns: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """How many characters it has in all."""
        return len(self.text) + sum(map(len, self.said.values())) + sum(len(text) for _, text in self.turns)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A prompt, by its number, and the values that the template's variables have in it."""

    prompt: int
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Inferred:
    """One template and how well it fits."""

    base_prompt: str
    user_prompt: str | None
    variables: tuple[Variable, ...]
    shots: tuple[Shot, ...]
    turns: tuple[tuple[str, str], ...]
    coverage: float
    confidence: float
    constant_share: float
    matched: int
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True, slots=True)
class Inference:
    """What was found: templates, those of most prompts first, and prompts that none of them fits."""

    templates: tuple[Inferred, ...]
    prompts: int
    distinct: int
    unmatched: tuple[int, ...]
    unmatched_count: int


@dataclass(slots=True)
class Found:
    """A pattern and the prompts that it matches, by their numbers, with the places of its values."""

    pattern: Pattern
    matches: dict[int, list[Place]]


def infer(prompts: Sequence[Prompt], *, seed: int = 0, seconds: float = 15.0) -> Inference:
    """The templates that these prompts were made from, as far as they can be told within this time."""
    deadline = time.monotonic() + seconds
    found = find_patterns([prompt.text for prompt in prompts], seed=seed, deadline=deadline)
    matched = set().union(*(each.matches for each in found))
    unmatched = [number for number in range(len(prompts)) if number not in matched]
    return Inference(
        templates=tuple(_told(each, prompts, seed) for each in found),
        prompts=len(prompts),
        distinct=len({prompt.text for prompt in prompts}),
        unmatched=tuple(unmatched[:MOST_UNMATCHED]),
        unmatched_count=len(unmatched),
    )


def find_patterns(texts: Sequence[str], *, seed: int = 0, deadline: float = float("inf")) -> list[Found]:
    """Patterns by the number of texts that they match; each text counts for the first that matches it."""
    by_text: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        if text.strip():
            by_text.setdefault(text, []).append(number)
    found: list[Found] = []
    fewest = 1 if len(by_text) < 2 * FEWEST else FEWEST
    for has_boundary in (True, False):
        left = [text for text in by_text if (BOUNDARY in text) == has_boundary]
        least = max(fewest, LEAST_SHARE * len(left))
        for round_number in range(MOST_ROUNDS):
            if len(left) < least or time.monotonic() > deadline or len(found) >= MOST_TEMPLATES:
                break
            before = len(left)
            for learned in learn(_some(left, seed + round_number)):
                matches = {text: places for text in left if (places := learned.pattern.match(text)) is not None}
                if len(matches) >= least and len(found) < MOST_TEMPLATES:
                    found.append(Found(learned.pattern, {n: places for text, places in matches.items() for n in by_text[text]}))
                    left = [text for text in left if text not in matches]
            if len(left) == before:
                break
    return sorted(found, key=lambda each: -len(each.matches))


def _some(texts: Sequence[str], seed: int, most: int = MOST_LEARNT_FROM) -> list[str]:
    """Some of the texts at random, no more than can be learnt from in reasonable time."""
    chosen: list[str] = []
    characters = 0
    for text in random.Random(seed).sample(texts, min(most, len(texts))):
        characters += len(text)
        if characters > MOST_CHARACTERS and len(chosen) >= FEWEST_LEARNT_FROM:
            break
        chosen.append(text)
    return chosen


def _told(found: Found, prompts: Sequence[Prompt], seed: int) -> Inferred:
    numbers = list(found.matches)
    values = [{place.slot: prompts[n].text[place.start : place.end] for place in found.matches[n]} for n in numbers]
    written = write(found.pattern, values, [prompts[n].said for n in numbers])
    size = sum(len(prompts[n].text) for n in numbers)
    constant = sum(map(len, found.pattern.texts)) * len(numbers)
    exemplars = tuple(
        Exemplar(n, written.literals | {written.names[number]: value[:LONGEST_VALUE] for number, value in said.items()})
        for n, said in zip(numbers[:MOST_EXEMPLARS], values, strict=False)
    )
    return Inferred(
        base_prompt=written.base_prompt,
        user_prompt=written.user_prompt,
        variables=written.variables,
        shots=written.shots,
        turns=_common_turns([prompts[n].turns for n in numbers]),
        coverage=round(len(numbers) / len(prompts), 4),
        confidence=round(_confidence([prompts[n].text for n in numbers], seed), 4),
        constant_share=round(constant / max(1, size), 4),
        matched=len(numbers),
        exemplars=exemplars,
    )


def _common_turns(turns: Iterable[tuple[tuple[str, str], ...]]) -> tuple[tuple[str, str], ...]:
    """Earlier turns that all prompts have, as pairs of question and answer: examples, not what was said before."""
    first, *rest = Counter(turns)
    common = list(zip(first[0::2], first[1::2], strict=False))
    for other in rest:
        pairs = list(zip(other[0::2], other[1::2], strict=False))
        while common and pairs[: len(common)] != common:
            common.pop()
    return tuple((asked, answered) for (_, asked), (_, answered) in common)


def _confidence(texts: Sequence[str], seed: int) -> float:
    """The share of unseen prompts that the template fits, at least: learnt from one half of the texts, tried on the other.

    The lower end of Wilson's 95 % interval over different texts, so a few texts, or one text many times, prove little.
    """
    distinct = sorted(set(texts))
    random.Random(seed).shuffle(distinct)
    half = max(1, len(distinct) // 2)
    unseen = distinct[half:] or distinct
    learned = learn(_some(distinct[:half], seed))
    fits = sum(any(each.pattern.match(text) is not None for each in learned) for text in unseen)
    return wilson_lower_bound(fits, len(unseen))


def wilson_lower_bound(successes: int, trials: int) -> float:
    """The lower end of the 95 % interval of a share (Wilson 1927)."""
    share, spread = successes / trials, Z95**2 / trials
    return (share + spread / 2 - sqrt(spread * (share * (1 - share) + spread / 4))) / (1 + spread)
