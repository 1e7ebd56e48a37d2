"""The few-shot strategy: training answers that passed everything become examples, as one component."""

from collections.abc import Sequence

from spectral_platform.agents.configuration import AgentConfig, Example
from spectral_platform.core.randomness import generator
from spectral_platform.optimizers.edits import Candidate, Component, Edit, Strategy, candidate_from
from spectral_platform.optimizers.reflection import ReflectionCase

EXAMPLES = 3


def propose_examples(
    parent: AgentConfig, cases: Sequence[ReflectionCase], *, seed: int, count: int = EXAMPLES
) -> Candidate | None:
    """A candidate whose examples are ``count`` of the best training answers, drawn by seed among the equally good.

    Only cases of the training split may be passed: an example is shown with every request. None when no answer
    passed every criterion, or when the parent has these examples already.
    """
    passing = [case for case in cases if case.is_passing and all(item.passed for item in case.criteria)]
    generator(seed, "few_shot").shuffle(passing)
    best = sorted(passing, key=lambda case: -case.score)[:count]
    examples = tuple(Example(input=case.input, output=case.output) for case in best)
    if not examples or examples == parent.template.examples:
        return None
    edit = Edit(
        component=Component.EXAMPLES,
        examples=examples,
        rationale=f"{len(examples)} training answers that met every criterion show what a good answer looks like.",
    )
    return candidate_from(parent, edit, strategy=Strategy.FEW_SHOT)
