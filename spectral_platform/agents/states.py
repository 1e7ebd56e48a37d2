"""Where an agent comes from and whether it takes part: found on spans it waits until somebody confirms it."""

from enum import StrEnum

from spectral_platform.core.lifecycle import Lifecycle


class AgentOrigin(StrEnum):
    """How Spectral came to know an agent."""

    DECLARED = "declared"
    INFERRED = "inferred"


class AgentStatus(StrEnum):
    """Whether an agent is scanned."""

    PENDING = "pending"
    ACTIVE = "active"


AGENT = Lifecycle(
    {AgentStatus.PENDING: {AgentStatus.ACTIVE}, AgentStatus.ACTIVE: set()},
    stamps={AgentStatus.ACTIVE: "confirmed_at"},
)
