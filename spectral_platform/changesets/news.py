"""What is told of changesets."""

from uuid import UUID

from spectral_platform.changesets.states import ChangesetStatus, Outcome, Risk
from spectral_platform.core.jobs import News


class ChangesetMoved(News):
    """A changeset has entered a status: ``changeset.proposed``, ``changeset.accepted`` and so on."""

    changeset_id: UUID
    scan_id: UUID
    status: ChangesetStatus
    came_from: ChangesetStatus | None
    outcome: Outcome
    risk: Risk
    simulated: bool

    @property
    def event(self) -> str:
        """Named after the status."""
        return f"changeset.{self.status}"
