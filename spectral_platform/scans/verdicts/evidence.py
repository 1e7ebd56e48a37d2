"""Of which level the evidence is that a scan can gather: how close the compared runs come to the agent's real ones."""

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.states import EvidenceLevel

LIMITS = {
    EvidenceLevel.L1: "The agent has tools, and Spectral does not call them: its next turn is compared (level L1), not its whole "
    "runs. Give it an endpoint of its own (execution of kind http) to compare those.",
    EvidenceLevel.L2: "The agent's tools are not called: recordings of its traces answer them (level L2), and runs in which "
    "its baseline asks for what nobody recorded are left out of both arms. What its tools would do today is not seen.",
}
"""What a level does not show, for people."""


def evidence_level(*configs: AgentConfig, is_replayed: bool = False) -> EvidenceLevel:
    """The level of comparing these configs.

    An agent behind an endpoint, or a model without tools, is run whole. A model with tools is run with what its tools answered in
    recorded runs if it ``is_replayed``, and else asked for one turn: what it asks of its tools is judged, not answered.
    """
    if not any(calls_tools(config) for config in configs):
        return EvidenceLevel.L3
    return EvidenceLevel.L2 if is_replayed else EvidenceLevel.L1


def is_replayable(config: AgentConfig) -> bool:
    """Whether recordings can answer its tools.

    A model that was told to think (Anthropic's ``thinking``) wants its thoughts back with the results, and nothing keeps those.
    """
    return calls_tools(config) and "thinking" not in config.hyperparameters.extra


def calls_tools(config: AgentConfig) -> bool:
    """Whether the agent is a model that leaves it to somebody else to carry out what it asks of its tools."""
    is_model = config.execution is None or config.execution.kind == "model"
    return is_model and bool(config.template.tools)
