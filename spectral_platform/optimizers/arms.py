"""Hyperparameter arms: the same prompt with one parameter changed, each one a candidate of its own."""

from collections.abc import Iterator, Sequence

from spectral_platform.agents.configuration import AgentConfig, Hyperparameters
from spectral_platform.llm.providers.availability import is_simulated
from spectral_platform.llm.providers.simulator.models import AGENT_MODELS
from spectral_platform.optimizers.edits import Candidate, Component, Edit, Strategy, candidate_from

TEMPERATURES = (0.0, 0.3, 0.7, 1.0)
MASSES = (0.8, 0.95)
FACTORS = (0.5, 2.0)


def list_arms(config: AgentConfig, models: Sequence[str] = ()) -> tuple[Candidate, ...]:
    """The arms of a config, which may run on these models too; a simulated agent for which none is named on all of its kind."""
    simulated = AGENT_MODELS if is_simulated(config.hyperparameters.model) else ()
    return propose_arms(config, models=models or simulated)


def propose_arms(
    parent: AgentConfig, *, models: Sequence[str] = (), temperatures: Sequence[float] = TEMPERATURES
) -> tuple[Candidate, ...]:
    """One candidate per value that differs from the parent's; never two changes at once.

    Models and temperatures always; nucleus sampling, the cap on tokens and the number of retrieved items only where the config
    sets them, because a provider's own default is none of ours to vary.
    """
    edits = [*_models(parent, models), *_temperatures(parent, temperatures), *_limits(parent), *_retrieval(parent)]
    return tuple(candidate_from(parent, edit, strategy=Strategy.ARMS) for edit in edits)


def _models(parent: AgentConfig, models: Sequence[str]) -> Iterator[Edit]:
    current = parent.hyperparameters
    for model in dict.fromkeys(models):
        if model != current.model:
            yield _arm(current.model_copy(update={"model": model}), f"Run on {model} instead of {current.model}.")


def _temperatures(parent: AgentConfig, temperatures: Sequence[float]) -> Iterator[Edit]:
    current = parent.hyperparameters
    for temperature in dict.fromkeys(temperatures):
        if temperature != current.temperature:
            changed = current.model_copy(update={"temperature": temperature})
            yield _arm(changed, f"Sample at temperature {temperature:g}.")


def _limits(parent: AgentConfig) -> Iterator[Edit]:
    current = parent.hyperparameters
    if current.top_p is not None:
        for mass in MASSES:
            if mass != current.top_p:
                yield _arm(current.model_copy(update={"top_p": mass}), f"Sample from the top {mass:.0%} of the mass.")
    if current.max_output_tokens is not None:
        for factor in FACTORS:
            tokens = max(1, round(current.max_output_tokens * factor))
            if tokens != current.max_output_tokens:
                changed = current.model_copy(update={"max_output_tokens": tokens})
                yield _arm(changed, f"Allow {tokens} tokens instead of {current.max_output_tokens}.")


def _retrieval(parent: AgentConfig) -> Iterator[Edit]:
    selection = parent.template.context_selection
    if selection is None:
        return
    for factor in FACTORS:
        items = max(1, round(selection.max_items * factor))
        if items != selection.max_items:
            yield Edit(
                component=Component.CONTEXT_SELECTION,
                context_selection=selection.model_copy(update={"max_items": items}),
                rationale=f"Show {items} items of the context instead of {selection.max_items}.",
            )


def _arm(hyperparameters: Hyperparameters, rationale: str) -> Edit:
    return Edit(component=Component.HYPERPARAMETERS, hyperparameters=hyperparameters, rationale=rationale)
