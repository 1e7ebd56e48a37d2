"""The orders that traces give to the worker."""

from typing import ClassVar
from uuid import UUID

from spectral_platform.core.jobs import Heard, Work


class FollowMerge(Heard):
    """Give the traces of an agent that was merged to the one that it was merged into."""

    job: ClassVar[str] = "traces.follow_merge"


class AdoptTraces(Work):
    """Give an agent's spans and traces to another one, beginning after a trace."""

    job: ClassVar[str] = "traces.adopt"

    workspace_id: UUID
    agent_id: UUID
    into_id: UUID
    after: str = ""

    @property
    def lock(self) -> str:
        """One worker at a time for each agent."""
        return f"agent:{self.agent_id}"
