"""Hyperparameter arms: the same prompt on another model or temperature, each one a candidate of its own."""

from collections.abc import Sequence

from spectral_platform.agents.configuration import AgentConfig, Hyperparameters
from spectral_platform.optimizers.edits import Candidate, Component, Edit, Strategy, candidate_from


def propose_arms(
    parent: AgentConfig, *, models: Sequence[str] = (), temperatures: Sequence[float] = (0.0, 0.7)
) -> tuple[Candidate, ...]:
    """One candidate per model and per temperature that differs from the parent's; never two changes at once."""
    current = parent.hyperparameters
    edits = [
        _arm(current.model_copy(update={"model": model}), f"Run on {model} instead of {current.model}.")
        for model in dict.fromkeys(models)
        if model != current.model
    ]
    edits += [
        _arm(current.model_copy(update={"temperature": temperature}), f"Sample at temperature {temperature:g}.")
        for temperature in dict.fromkeys(temperatures)
        if temperature != current.temperature
    ]
    return tuple(candidate_from(parent, edit, strategy=Strategy.ARMS) for edit in edits)


def _arm(hyperparameters: Hyperparameters, rationale: str) -> Edit:
    return Edit(component=Component.HYPERPARAMETERS, hyperparameters=hyperparameters, rationale=rationale)
