"""The gepa package as a search engine, kept to what it is good at: which parent, which cases, which child to keep.

The library is synchronous and runs in a thread of its own. It is given no directory, so it reads and writes no pickle and no
file, and nothing of it that listens or reports is on. Money, time and cancellation are the caller's: what ends the search is
raised as ``EngineStopped``, which no handler of the library takes for a failed iteration.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spectral_platform.optimizers.errors import ProposalUnreadable

gepa: Any = importlib.import_module("gepa") if importlib.util.find_spec("gepa") else None
"""The package, an extra; untyped, because its types ask more of an adapter than it calls."""

Texts = dict[str, str]
Evaluate = Callable[[Sequence[str], Texts], list[float]]
"""Runs the agent with these texts on cases, given by their keys; a score in [0, 1] for each."""
Propose = Callable[[Texts, str, Sequence[str]], str]
"""The new text of one component, learnt from these cases; the old text where there is nothing new to say."""


class EngineStopped(BaseException):
    """The search must end now: the budget or the time is spent, or nobody wants it any more."""


def is_installed() -> bool:
    """Whether the package is there."""
    return gepa is not None


def run_gepa(
    texts: Texts,
    *,
    learn_from: Sequence[str],
    compare_on: Sequence[str],
    evaluate: Evaluate,
    propose: Propose,
    minibatch: int,
    max_runs: int,
    max_iterations: int,
    seed: int,
) -> None:
    """Search until one of the limits is reached or a callable raises ``EngineStopped``, which ends it quietly.

    What it finds it tells by what it asks for: a child that it keeps is evaluated on all of ``compare_on``. Raises
    ``ProposalUnreadable`` when it came to an end without having asked for one proposal.
    """
    adapter = _Adapter(evaluate, propose)
    try:
        gepa.optimize(
            seed_candidate=texts,
            trainset=list(learn_from),
            valset=list(compare_on),
            adapter=adapter,
            custom_candidate_proposer=adapter.propose,
            reflection_minibatch_size=min(minibatch, len(learn_from)),
            max_metric_calls=max_runs,
            stop_callbacks=lambda state: state.i + 1 >= max_iterations,
            logger=_Silence(),
            run_dir=None,
            track_best_outputs=False,
            cache_evaluation=False,  # else a child that is kept would be run on part of the cases only; calls are cached anyway
            raise_on_exception=True,
            seed=seed,
        )
    except EngineStopped:
        return
    if not adapter.proposals:
        raise ProposalUnreadable("gepa ended without having asked for a proposal.")


class _Adapter:
    """What the library calls. Cases are known to it by their keys alone."""

    propose_new_texts = None  # looked up on the adapter; without it every iteration fails in silence and spends the budget

    def __init__(self, evaluate: Evaluate, propose: Propose) -> None:
        self._evaluate = evaluate
        self._propose = propose
        self.proposals = 0

    def evaluate(self, batch: list[str], candidate: Texts, capture_traces: bool = False) -> Any:
        scores = self._evaluate(batch, candidate)
        return gepa.core.adapter.EvaluationBatch(
            outputs=list(batch), scores=scores, trajectories=list(batch) if capture_traces else None
        )

    def make_reflective_dataset(
        self, candidate: Texts, eval_batch: Any, components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return {component: [{"case": key} for key in eval_batch.trajectories] for component in components_to_update}

    def propose(
        self, candidate: Texts, reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]], components_to_update: list[str]
    ) -> Texts:
        self.proposals += 1
        return {
            component: self._propose(candidate, component, [record["case"] for record in reflective_dataset[component]])
            for component in components_to_update
        }


class _Silence:
    """The library's log, which would go to standard output."""

    def log(self, message: str) -> None:
        """Say nothing: what is worth telling are the scan's events."""
