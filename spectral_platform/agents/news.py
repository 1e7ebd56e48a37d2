"""What is told of agents."""

from uuid import UUID

from spectral_platform.core.jobs import News

AGENT_MERGED = "agent.merged"


class AgentMerged(News):
    """An agent has become an alias of another one."""

    agent_id: UUID
    into_id: UUID

    @property
    def event(self) -> str:
        """``agent.merged``."""
        return AGENT_MERGED
