"""Fresh evaluation sets: instances of a world model's stable rules, new for every seed, equal in coverage."""

import hashlib
import itertools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectral_platform.core.randomness import derive, generator
from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.catalogue import CODE, CodeEvaluatorSpec
from spectral_platform.samples.near_duplicates import shingles
from spectral_platform.worlds.mutations import MUTATIONS
from spectral_platform.worlds.rules import AppliesTo, Rule, WorldModel
from spectral_platform.worlds.splits import Split

_PURPOSES = tuple(Split)
_SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ATTEMPTS_PER_STIMULUS = 400


class Stimulus(Value):
    """One fresh case of authority A. ``evaluator`` is the rule's evaluator spec with its slots filled in."""

    key: str
    rule_key: str
    input: str
    context: str | None = None
    expected_output: str | None = None
    evaluator: CodeEvaluatorSpec

    @property
    def text(self) -> str:
        """What the agent is given: the message and the context, if there is one."""
        return f"{self.input}\n{self.context}" if self.context else self.input


def issue_stimuli(world: WorldModel, *, seed: int, purpose: Split, count: int) -> tuple[Stimulus, ...]:
    """``count`` unique stimuli, spread evenly over the rules that have their own (counts differ by at most one).

    The same seed and purpose give the same set; another seed gives other instances of the same rules; the sets of two
    purposes of one seed share nothing, because each possible instance belongs to one purpose by its hash. No two stimuli of a
    set are more alike than the world model's ``max_similarity`` allows; where it allows too little, the set is smaller.
    """
    rules = world.active_rules(AppliesTo.OWN_STIMULI)
    quota = {rule.key: count // len(rules) + (index < count % len(rules)) for index, rule in enumerate(rules)}
    crowd = Crowd(world.max_similarity)
    issued = [
        list(itertools.islice(_instances(world, rule, crowd, seed=seed, purpose=purpose), quota[rule.key])) for rule in rules
    ]
    rounds = itertools.zip_longest(*issued)  # rule by rule, so that any prefix of the set covers the rules evenly
    return tuple(stimulus for one_round in rounds for stimulus in one_round if stimulus is not None)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """The Jaccard similarity of two texts' 5-grams of words: 0 = nothing in common, 1 = the same."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


NEAR_TWIN = 0.5
"""Two stimuli more alike than this are near twins."""


def share_of_repeats(issued: Sequence[frozenset[str]], earlier: Sequence[frozenset[str]]) -> float:
    """The share of the issued stimuli that have a near twin among earlier ones, each given by its 5-grams."""
    holders: dict[str, list[int]] = defaultdict(list)
    for index, grams in enumerate(earlier):
        for gram in grams:
            holders[gram].append(index)
    repeats = 0
    for grams in issued:
        met = Counter(index for gram in grams for index in holders.get(gram, ()))
        repeats += any(shared / (len(grams) + len(earlier[index]) - shared) > NEAR_TWIN for index, shared in met.items())
    return repeats / len(issued) if issued else 0.0


class Crowd:
    """The stimuli of one set so far, among which a further one must stand out."""

    def __init__(self, max_similarity: float | None) -> None:
        self._max_similarity = max_similarity
        self._members: list[frozenset[str]] = []

    def admits(self, stimulus: Stimulus) -> bool:
        """Take the stimulus in unless it is too much like one that is there."""
        if self._max_similarity is None:
            return True
        grams = shingles(stimulus.text)
        if any(similarity(grams, member) > self._max_similarity for member in self._members):
            return False
        self._members.append(grams)
        return True


def _instances(world: WorldModel, rule: Rule, crowd: Crowd, *, seed: int, purpose: Split) -> Iterator[Stimulus]:
    random_draw = generator(seed, "stimuli", world.reference, rule.key, purpose)
    seen: set[str] = set()
    misses = 0
    while misses < _ATTEMPTS_PER_STIMULUS:
        stimulus = _draw(world, rule, random_draw)
        owner = _PURPOSES[derive(seed, "owner", stimulus.key) % len(_PURPOSES)]
        if owner != purpose or stimulus.key in seen or not crowd.admits(stimulus):
            misses += 1
            continue
        misses = 0
        seen.add(stimulus.key)
        yield stimulus


def _draw(world: WorldModel, rule: Rule, random_draw: random.Random) -> Stimulus:
    recipe = rule.generator
    assert recipe is not None, "a rule on its own stimuli has a generator"
    filled: dict[str, str] = {}
    for name, values in recipe.slots.items():
        value = random_draw.choice(values)
        filled[name] = value.text
        filled.update(value.also)
    text = _fill(random_draw.choice(recipe.templates), filled)
    for name in recipe.mutations:
        if random_draw.random() < 0.5:
            text = MUTATIONS[name](text, random_draw)
    context = _fill(random_draw.choice(recipe.contexts), filled) if recipe.contexts else None
    expected = _fill(recipe.expected_output, filled) if recipe.expected_output else None
    content = "\x1f".join((world.reference, rule.key, text, context or ""))
    return Stimulus(
        key=hashlib.blake2b(content.encode(), digest_size=16).hexdigest(),
        rule_key=rule.key,
        input=text,
        context=context,
        expected_output=expected,
        evaluator=CODE.validate_python(_fill_spec(rule.evaluator, filled)),
    )


def _fill(text: str, slots: Mapping[str, str]) -> str:
    for _ in range(3):  # a slot's value may itself hold slots
        text = _SLOT.sub(lambda match: slots[match.group(1)], text)
    return text


def _fill_spec(spec: Any, slots: Mapping[str, str]) -> Any:
    if isinstance(spec, str):
        return _fill(spec, slots)
    if isinstance(spec, list):
        return [_fill_spec(item, slots) for item in spec]
    if isinstance(spec, dict):
        return {key: _fill_spec(value, slots) for key, value in spec.items()}
    return spec
