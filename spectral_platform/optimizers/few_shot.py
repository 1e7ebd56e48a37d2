"""The few-shot strategy: training answers that passed everything become examples, as one component."""

from collections.abc import Iterable, Iterator, Sequence

from spectral_platform.agents.configuration import AgentConfig, Example
from spectral_platform.core.randomness import generator
from spectral_platform.optimizers.edits import Candidate, Component, Edit, Strategy, candidate_from
from spectral_platform.optimizers.reflection import ReflectionCase

EXAMPLES = 3
SETS = 2
ALIKE = 0.6
"""Two inputs that share so much of their words show the same thing twice."""


def propose_examples(
    parent: AgentConfig, cases: Sequence[ReflectionCase], *, seed: int, count: int = EXAMPLES, sets: int = SETS
) -> tuple[Candidate, ...]:
    """Up to ``sets`` candidates whose examples are ``count`` of the best training answers, drawn by seed among the equally good.

    Only cases of the training split may be passed: an example is shown with every request. Within a set no two inputs are alike,
    and no set repeats another one's examples. None where no answer passed every criterion.
    """
    passing = [case for case in cases if case.is_passing and all(item.passed for item in case.criteria)]
    generator(seed, "few_shot").shuffle(passing)
    best = sorted(passing, key=lambda case: -case.score)
    candidates: list[Candidate] = []
    for _ in range(sets):
        chosen = list(_unlike(best, count))
        best = [case for case in best if case not in chosen]
        examples = tuple(Example(input=case.input, output=case.output) for case in chosen)
        if examples and examples != parent.template.examples and (not candidates or len(examples) == count):
            candidates.append(_shown(parent, examples))
    return tuple(candidates)


def _shown(parent: AgentConfig, examples: tuple[Example, ...]) -> Candidate:
    edit = Edit(
        component=Component.EXAMPLES,
        examples=examples,
        rationale=f"{len(examples)} training answers that met every criterion show what a good answer looks like.",
    )
    return candidate_from(parent, edit, strategy=Strategy.FEW_SHOT)


def _unlike(cases: Iterable[ReflectionCase], count: int) -> Iterator[ReflectionCase]:
    """The first cases whose inputs are unlike all that were taken before them."""
    taken: list[frozenset[str]] = []
    for case in cases:
        words = frozenset(case.input.lower().split())
        if len(taken) < count and all(len(words & other) <= ALIKE * len(words | other) for other in taken):
            taken.append(words)
            yield case
