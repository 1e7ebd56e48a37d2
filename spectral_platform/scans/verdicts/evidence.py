"""Of which level the evidence is that a scan can gather: how close the compared runs come to the agent's real ones."""

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.states import EvidenceLevel

LIMITS = {
    EvidenceLevel.L1: "The agent has tools, and Spectral does not call them: its next turn is compared (level L1), not its whole "
    "runs. Give it an endpoint of its own (execution of kind http) to compare those.",
}
"""What a level does not show, for people."""


def evidence_level(*configs: AgentConfig) -> EvidenceLevel:
    """The level of comparing these configs.

    An agent behind an endpoint, or a model without tools, is run whole. A model with tools is asked for one turn, and what it
    asks of its tools is judged, not answered.
    """
    return EvidenceLevel.L1 if any(_is_cut_short(config) for config in configs) else EvidenceLevel.L3


def _is_cut_short(config: AgentConfig) -> bool:
    is_model = config.execution is None or config.execution.kind == "model"
    return is_model and bool(config.template.tools)
